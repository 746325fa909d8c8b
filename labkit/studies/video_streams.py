"""The streams of `labkit.studies.long_video`.

A *stream* is a single-frame network and the clips as it sees them: of the noisy or of the clean set, frames or flow,
with the backbone of AlexNet or of GoogLeNet.
"""

from typing import NamedTuple


class Stream(NamedTuple):
    """What heads learn from: a single-frame network, and clips as it sees them.

    Attributes:
        backbone: ``"alexnet"`` or ``"googlenet"``.
        start: the stream whose single-frame network it is initialised from; ``"imagenet"``; or empty, from scratch.
        on: the ``"noisy"`` or the ``"clean"`` set.
        flow: whether it sees flow as an image.
        tuned: whether it has been trained on single frames of the set.
        exact: whether that flow is the world's own, without error. Else it is estimated, as the thesis's is.
    """

    backbone: str
    start: str = "imagenet"
    on: str = "noisy"
    flow: bool = False
    tuned: bool = True
    exact: bool = False


STREAMS = {
    "alexnet": Stream("alexnet"),
    "googlenet": Stream("googlenet"),
    "alexnet.source": Stream("alexnet", tuned=False),
    "googlenet.source": Stream("googlenet", tuned=False),
    "alexnet.flow": Stream("alexnet", "alexnet", flow=True),
    "alexnet.scratch": Stream("alexnet", "", flow=True),
    "googlenet.flow": Stream("googlenet", "googlenet", flow=True),
    "googlenet.exact": Stream("googlenet", "googlenet", flow=True, exact=True),
    "clean": Stream("googlenet", "googlenet", on="clean"),
    "clean.flow": Stream("googlenet", "googlenet.flow", on="clean", flow=True),
}
