"""Which pixels the locations of a feature map see, and how large the map is, both without computing it.

A network runs on an image that has a size but no values (torch's ``meta`` device). Along the way each tensor carries
its `ReceptiveField`; convolutions and poolings widen it::

    receptive_fields(network, ["maxpool1"], size=224)  # {"maxpool1": ReceptiveField(first=-3, size=11, step=4)}
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from labkit.backbones.taps import tapping


class ReceptiveField(NamedTuple):
    """Which pixels influence the locations of a feature map, along x and y alike.

    Location i sees pixels ``first + i * step`` to ``first + i * step + size - 1``; those below 0 are padding.
    """

    first: int
    size: int
    step: int

    def centres(self, count: int) -> Tensor:
        """The middle of what each of the first ``count`` locations sees, float64, in pixels counted from 0."""
        return self.first + (self.size - 1) / 2 + self.step * torch.arange(count, dtype=torch.float64)  # (count,)

    def after(self, layer: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d | nn.ZeroPad2d) -> "ReceptiveField":
        """The field after one more convolution, pooling or padding."""
        if isinstance(layer, nn.ZeroPad2d):
            left, _, top, _ = layer.padding
            return ReceptiveField(self.first - _square((left, top)) * self.step, self.size, self.step)
        kernel, stride, padding = (_square(getattr(layer, name)) for name in ("kernel_size", "stride", "padding"))
        reach = _square(getattr(layer, "dilation", 1)) * (kernel - 1)  # from the first to the last pixel of a kernel
        return ReceptiveField(self.first - padding * self.step, self.size + reach * self.step, self.step * stride)

    def joined(self, other: "ReceptiveField") -> "ReceptiveField":
        """The field of a map made from two of the same step, concatenated or added."""
        if other.step != self.step:
            raise ValueError(f"feature maps that meet must have the same step; got {self.step} and {other.step} pixels")
        first = min(self.first, other.first)
        return ReceptiveField(first, max(self.first + self.size, other.first + other.size) - first, self.step)


def receptive_fields(network: nn.Module, layers: Sequence[str], size: int) -> dict[str, ReceptiveField]:
    """What the locations of each layer see; padding is not cut off.

    Args:
        network: takes images ``(B, 3, H, W)``.
        layers: names of submodules.
        size: height and width of the images, in pixels.

    Raises:
        ValueError: images are too small, or a layer lies after something else than convolutions, poolings and what acts
            on each location by itself.
    """
    maps = empty_maps(network, layers, size)
    if lost := [layer for layer, feature_map in maps.items() if not hasattr(feature_map, "field")]:
        raise ValueError(
            "layers must lie after convolutions and poolings that are modules, and whatever acts on each location by "
            f"itself; {lost[0]} does not"
        )
    return {layer: feature_map.field for layer, feature_map in maps.items()}  # type: ignore[attr-defined]


def empty_maps(network: nn.Module, layers: Sequence[str], size: int) -> dict[str, Tensor]:
    """Feature maps ``(1, d, n, n)`` that have a size but no values; arguments and errors as `receptive_fields`."""
    image = torch.empty(1, 3, size, size, device="meta")
    image.field = ReceptiveField(0, 1, 1)  # type: ignore[attr-defined]
    state = {name: torch.empty(value.shape, device="meta") for name, value in network.state_dict().items()}
    kernels = [part for part in network.modules() if isinstance(part, _KERNELS)]
    hooks = [part.register_forward_hook(_widen) for part in kernels]
    try:
        with torch.no_grad(), _Following(), tapping(network, layers) as taken:
            torch.func.functional_call(network, state, (image,))
    except RuntimeError as error:
        raise ValueError(f"images must be large enough for the network; got {size} x {size}: {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
    return {layer: taken[layer] for layer in layers}


_KERNELS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.ZeroPad2d)


class _Following(TorchFunctionMode):
    """While it is on, receptive fields follow tensors through whatever keeps height and width, as `field` of each."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        inputs = [tensor for given in args for tensor in (given if isinstance(given, list | tuple) else [given])]
        known = [tensor for tensor in inputs if isinstance(tensor, Tensor) and hasattr(tensor, "field")]
        if isinstance(out, Tensor) and known and all(out.shape[-2:] == tensor.shape[-2:] for tensor in known):
            joined = known[0].field
            for tensor in known[1:]:
                joined = joined.joined(tensor.field)
            out.field = joined  # type: ignore[attr-defined]
        return out


def _widen(layer: Any, inputs: tuple[Tensor], output: Tensor) -> None:
    if hasattr(inputs[0], "field"):
        output.field = inputs[0].field.after(layer)  # type: ignore[attr-defined]


def _square(value: Any) -> int:
    sizes = {value} if isinstance(value, int) else set(value)
    if len(sizes) > 1 or not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"kernels must be square, their paddings numbers; got {value!r}")
    return sizes.pop()
