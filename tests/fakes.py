"""Random numbers, and clips made of them, for tests of what looks at clips."""

from dataclasses import dataclass

import torch

from labkit.clips import Clips, require_indices


def random_tensor(*sizes, seed=0):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


@dataclass
class FakeClip:
    """A clip whose every pixel tells where it is from: random numbers, all different. It notes what is read."""

    num_frames: int = 16
    height: int = 12
    width: int = 15
    label: int = 1
    seed: int = 0
    name: str = "fake"
    group: int = 0
    fps: float = 25.0
    times: tuple[float, ...] | None = None
    labels: tuple[int, ...] = (1,)

    def __post_init__(self):
        self.generator = torch.Generator().manual_seed(self.seed)
        sizes = (self.num_frames, 3, self.height, self.width)
        self.all_frames = torch.randint(256, sizes, generator=self.generator, dtype=torch.uint8)
        ahead, behind = torch.randn(2, self.num_frames, 2, self.height, self.width, generator=self.generator)
        self.ahead, self.behind = ahead, behind  # from each frame; the last has none ahead, the first none behind
        self.reads = []

    def frames(self, indices):
        self.reads.append(indices.tolist())
        return self.all_frames[require_indices(indices, 0, self.num_frames - 1, "frames")]

    def flow(self, indices, *, backward=False):
        self.reads.append(indices.tolist())
        if backward:
            return self.behind[require_indices(indices, 1, self.num_frames - 1, "backward flow")]
        return self.ahead[require_indices(indices, 0, self.num_frames - 2, "flow")]


class FakeClips(Clips):
    """A set of such clips."""

    def __init__(self, clips, classes=("a", "b", "c", "d")):
        self.clips, self.classes = list(clips), classes
        self.labels = torch.tensor([clip.label for clip in self.clips], dtype=torch.int64)
        self.groups = torch.tensor([clip.group for clip in self.clips], dtype=torch.int64)

    def __getitem__(self, index):
        if not 0 <= index < len(self.clips):
            raise IndexError(index)
        return self.clips[index]
