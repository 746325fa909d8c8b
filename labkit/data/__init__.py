"""Real video: files to tensors and back, and the data sets made of them."""

from labkit.data.hmdb51 import HMDB51
from labkit.data.ucf101 import UCF101
from labkit.data.video import Video, VideoError, VideoInfo, iter_frames, read_video, scan, write_video

__all__ = ["HMDB51", "UCF101", "Video", "VideoError", "VideoInfo", "iter_frames", "read_video", "scan", "write_video"]
