"""Real video: files to tensors and back."""

from labkit.data.video import Video, VideoError, VideoInfo, iter_frames, read_video, scan, write_video

__all__ = ["Video", "VideoError", "VideoInfo", "iter_frames", "read_video", "scan", "write_video"]
