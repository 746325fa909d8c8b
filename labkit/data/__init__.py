"""Real video, photos and flow pairs: files to tensors and back, and the data sets made of them."""

from labkit.data.act import ACT
from labkit.data.chairs import FlyingChairs
from labkit.data.containers import VideoError
from labkit.data.estimated import Estimated
from labkit.data.fcvid import FCVID
from labkit.data.folder import PhotoFolder
from labkit.data.hmdb51 import HMDB51
from labkit.data.holidays import Holidays
from labkit.data.oxford import Oxford5k, Paris6k
from labkit.data.pairs import RealPair
from labkit.data.photos import Photo, PhotoError, Photos, read_photo
from labkit.data.sintel import Sintel
from labkit.data.sports1m import Sports1M
from labkit.data.stills import BU101, HII, LabelledPhotos
from labkit.data.tvhi import TVHI
from labkit.data.ucf101 import UCF101
from labkit.data.video import Video, VideoInfo, iter_frames, read_video, scan, write_video

__all__ = [
    "ACT",
    "BU101",
    "FCVID",
    "HII",
    "HMDB51",
    "TVHI",
    "UCF101",
    "Estimated",
    "FlyingChairs",
    "Holidays",
    "LabelledPhotos",
    "Oxford5k",
    "Paris6k",
    "Photo",
    "PhotoError",
    "PhotoFolder",
    "Photos",
    "RealPair",
    "Sintel",
    "Sports1M",
    "Video",
    "VideoError",
    "VideoInfo",
    "iter_frames",
    "read_photo",
    "read_video",
    "scan",
    "write_video",
]
