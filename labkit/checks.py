"""Shape and value errors that say what was expected, what came and what to do.

The lowest layer: every other module of labkit may call these, they call nothing of labkit. Each check returns
nothing and raises ``ValueError`` (wrong shape, range or content) or ``TypeError`` (wrong kind of thing).
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch


def require_shape(array: Any, pattern: str, name: str, hint: str = "") -> None:
    """Check the shape of a tensor or array against a pattern of sizes.

    Args:
        array: anything with a ``shape``.
        pattern: sizes separated by spaces: a number must match exactly, a name matches any size (the same size each
            time it occurs), and a leading ``...`` stands for any number of further dimensions: ``"... 2 H W"``.
        name: what the caller calls this argument.
        hint: what to do about it, added to the message.

    Raises:
        TypeError: ``array`` is neither a tensor nor an array.
        ValueError: the shape does not match; ``flow must be (..., 2, H, W); got (8, 3, 64, 64): pass dx, dy only``.
    """
    if not isinstance(array, torch.Tensor | np.ndarray):
        raise TypeError(f"{name} must be a torch.Tensor or numpy.ndarray; got {type(array).__name__}{_tail(hint)}")
    sizes, wanted = tuple(array.shape), pattern.split()
    named: dict[str, int] = {}
    open_ended = wanted[:1] == ["..."]
    if open_ended:
        wanted = wanted[1:]
    fits = len(sizes) >= len(wanted) if open_ended else len(sizes) == len(wanted)
    if fits:
        for want, size in zip(wanted, sizes[len(sizes) - len(wanted) :], strict=True):
            fits = fits and size == (int(want) if want.isdigit() else named.setdefault(want, size))
    if not fits:
        raise ValueError(f"{name} must be ({', '.join(pattern.split())}); got {sizes}{_tail(hint)}")


def require_same_shape(first: Any, second: Any, names: Sequence[str], hint: str = "") -> None:
    """Check that two tensors or arrays have equal shapes; raises ``ValueError`` naming both."""
    if tuple(first.shape) != tuple(second.shape):
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same shape; got {tuple(first.shape)} and "
            f"{tuple(second.shape)}{_tail(hint)}"
        )


def require_dtype(array: Any, allowed: Collection[torch.dtype], name: str, hint: str = "") -> None:
    """Check the dtype of a tensor; raises ``TypeError`` naming the allowed ones."""
    if array.dtype not in allowed:
        wanted = " or ".join(str(dtype).removeprefix("torch.") for dtype in allowed)
        raise TypeError(f"{name} must be {wanted}; got {str(array.dtype).removeprefix('torch.')}{_tail(hint)}")


def require_finite(array: torch.Tensor, name: str, hint: str = "") -> None:
    """Check that a tensor holds neither NaN nor infinity; raises ``ValueError`` with the count and the first place."""
    if array.is_floating_point() and not (finite := torch.isfinite(array)).all():
        where = tuple((~finite).nonzero()[0].tolist())
        raise ValueError(
            f"{name} must be finite; got {int((~finite).sum())} non-finite values, the first at {where}{_tail(hint)}"
        )


def require_positive(value: float, name: str, hint: str = "") -> None:
    """Check that a number is finite and greater than zero; raises ``ValueError``."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number greater than 0; got {value!r}{_tail(hint)}")


def _tail(hint: str) -> str:
    return f": {hint}" if hint else ""
