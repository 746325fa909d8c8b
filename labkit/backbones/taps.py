"""Feature taps: what the layers inside a network give, all that are asked for in one forward pass.

Any module of torch will do. Layers have the names that ``named_modules`` gives them, e.g. ``features.8`` in VGG-16 of
torchvision, or ``inception4a`` in GoogLeNet::

    features = tap(network, images, ["inception3a", "inception5b"])  # {"inception3a": (B, 256, 28, 28), ...}

Torchvision's own ``create_feature_extractor`` hands out what a layer *left behind*: where an in-place ReLU follows, as
it does after most convolutions there, that is no longer what the convolution gave. Here it is. Modes and gradients are
the caller's: ``network.eval()`` and ``torch.no_grad()`` for fixed features; without the latter gradients reach the
taps.
"""

import contextlib
import difflib
from collections.abc import Collection, Iterator
from typing import Any

from torch import Tensor, nn


def tap(network: nn.Module, inputs: Any, layers: Collection[str]) -> dict[str, Tensor]:
    """Run a network once, ``network(inputs)``, and return what some of its layers gave.

    Args:
        network: stays as it is; runs in the mode it is in, on the device where it is.
        inputs: whatever ``network`` takes.
        layers: names of submodules.

    Returns:
        One entry a layer, in the order asked: its output, whatever happened to it in place afterwards. Differentiable
        unless under ``no_grad``: scores computed by the same pass have gradients with respect to it (see `tapping`).

    Raises:
        ValueError: no submodule of that name, or one that ran more than once in the pass, or not at all.
        TypeError: a layer gives something other than a tensor.
    """
    with tapping(network, layers) as taken:
        network(inputs)
    if silent := [layer for layer in layers if layer not in taken]:
        raise ValueError(
            f"layers must run in a forward pass; {', '.join(silent)} did not: some run in train() mode only, such as "
            "auxiliary classifiers, and of a list or dict of modules only its members run"
        )
    return {layer: taken[layer] for layer in layers}


@contextlib.contextmanager
def tapping(network: nn.Module, layers: Collection[str], *, leaves: bool = False) -> Iterator[dict[str, Tensor]]:
    """Tap layers of a network for as long as the context is open, e.g. to have the scores of the same pass too.

    ``with tapping(network, ["features"], leaves=True) as taken: scores = network(images)`` leaves the feature maps in
    ``taken["features"]``, and ``torch.autograd.grad(scores[0, 3], taken["features"])`` is what Grad-CAM starts from.

    Args:
        network: stays as it is; at the end nothing of the taps is left in it.
        layers: names of submodules.
        leaves: whether gradients end at the taps: they have them even in a frozen network, and what lies before a tap
            needs neither memory nor time for them. Tap a single layer then: it cuts off those before it. Not under
            ``no_grad``.

    Yields:
        A dict, empty at first; each forward pass of ``network`` clears it and puts in the output of every layer.

    Raises:
        ValueError: no submodule of that name; in a pass: a layer runs a second time.
        TypeError: ``layers`` is a string; in a pass: a layer gives something other than a tensor.
    """
    if isinstance(layers, str):
        raise TypeError(f"layers must be a collection of names; got the string {layers!r}: pass [{layers!r}]")
    modules = dict(network.named_modules(remove_duplicate=False))
    del modules[""]  # the network itself: it returns its output anyway
    if unknown := [layer for layer in layers if layer not in modules]:
        near = difflib.get_close_matches(unknown[0], modules, n=4, cutoff=0.4) or list(modules)[:4]
        raise ValueError(
            f"layers must be submodules of {type(network).__name__}; got {unknown[0]!r}: see "
            f"network.named_modules(), which has {', '.join(near) or 'none'}"
        )
    taken: dict[str, Tensor] = {}
    handles = [network.register_forward_pre_hook(lambda *_: taken.clear())]
    try:
        handles += [
            modules[layer].register_forward_hook(_keep(taken, layer, leaves)) for layer in dict.fromkeys(layers)
        ]
        yield taken
    finally:
        for handle in handles:
            handle.remove()


def _keep(taken: dict[str, Tensor], layer: str, leaves: bool) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Any) -> Tensor | None:
        if not isinstance(output, Tensor):
            raise TypeError(
                f"layers must give one tensor; {layer} gives {type(output).__name__}: name a submodule inside it"
            )
        if layer in taken:
            raise ValueError(
                f"layers must run once in a forward pass; {layer} runs more often: name what lies before or around it"
            )
        held = output.detach().clone().requires_grad_() if leaves else output.clone()
        taken[layer] = held  # a copy: the original may be changed in place
        return held.clone() if held.requires_grad else None  # on the path from here to the scores, for gradients

    return hook
