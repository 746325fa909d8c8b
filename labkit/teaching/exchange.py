"""Values across the wall of the box, as plain data: a tree in JSON, tensors in safetensors; nothing of it can run.

What can travel: None, bool, int, float (also NaN and infinities), str, tensors, NumPy arrays (they arrive as tensors),
and lists, tuples and dicts with str keys of these. The reader trusts nothing: kinds of file, sizes, depth
and every byte are checked, and all that can go wrong is one error, `ExchangeError`.

torch is imported only where a tensor travels.
"""

import contextlib
import functools
import json
import math
import os
import secrets
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST_BYTES = 400_000_000  # of the tensors of one value
MOST_TEXT = 16_000_000  # of its tree, in characters: read, it takes about thirty times as much memory
_DEPTH = 60
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_FOLLOW_NOT = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class ExchangeError(ValueError):
    """A value cannot travel, or what has arrived is none; the message says what was expected and what came."""


def pack(value: Any, folder: Path, name: str) -> None:
    """Write a value as ``NAME.json`` and, where it holds tensors, ``NAME.safetensors``.

    The JSON file comes last and is renamed into its name: where there is one, the value is whole.

    Args:
        value: what is to travel.
        folder: an existing folder.
        name: of the value; files of that name are replaced.

    Raises:
        ExchangeError: it cannot travel; ``a number, text, tensor, or a list, tuple or dict of these was expected; got
            function``.
        OSError: the folder cannot be written.
    """
    arrays: dict[str, Any] = {}
    try:
        text = json.dumps(_down(value, arrays, _DEPTH), allow_nan=False)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ExchangeError):
            raise
        raise ExchangeError(f"a value that can be written was expected; {error}") from None  # an endless int, say
    if len(text) > MOST_TEXT:
        raise ExchangeError(f"at most {MOST_TEXT} characters can travel, tensors left out; got {len(text)}")
    if arrays:
        _write(folder / f"{name}.safetensors", _save(arrays))
    _write(folder / f"{name}.json", text.encode())


def unpack(folder: Path, name: str) -> Any:
    """Read what `pack` has written, perhaps by somebody who wishes us ill.

    Args:
        folder: where it lies; neither it nor the files may be links.
        name: of the value.

    Returns:
        The value; arrays are tensors.

    Raises:
        ExchangeError: there is none, or it is damaged, too large, or not a regular file.
    """
    text = read_file(folder, f"{name}.json", MOST_TEXT)
    if text is None:
        raise ExchangeError(f"a value {name} was expected; got none")
    arrays = functools.cache(lambda: _load(read_file(folder, f"{name}.safetensors", MOST_BYTES + MOST_TEXT), name))
    return _up(read_json(text, name), arrays, _DEPTH)


def read_json(text: bytes, name: str) -> Any:
    """Parse JSON of anybody.

    Raises:
        ExchangeError: it is no JSON, nested too deeply, or has NaN, which JSON knows not.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExchangeError(f"{name} must be JSON; {type(error).__name__} in reading it") from None


def read_file(folder: Path, name: str, most: int) -> bytes | None:
    """Read a file out of a folder in which somebody else could write anything.

    Args:
        folder: neither it nor the file may be a link.
        name: of the file.
        most: bytes.

    Returns:
        Its bytes; None where there is none.

    Raises:
        ExchangeError: it is a link, a pipe, a folder ..., is larger, or cannot be read.
    """
    opened = []
    try:
        if os.open in os.supports_dir_fd:
            opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _FOLLOW_NOT))
            opened.append(os.open(name, os.O_RDONLY | _FOLLOW_NOT, dir_fd=opened[0]))
        else:  # here the look and the opening are two steps
            if folder.is_symlink() or (folder / name).is_symlink():
                raise ExchangeError(f"{name} must be a file; got a link")
            opened.append(os.open(folder / name, os.O_RDONLY | _BINARY))
        about = os.fstat(opened[-1])
        if not stat.S_ISREG(about.st_mode):
            raise ExchangeError(f"{name} must be a file; got something else")
        if about.st_size > most:
            raise ExchangeError(f"{name} must have at most {most} bytes; got {about.st_size}")
        with os.fdopen(opened.pop(), "rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise ExchangeError(f"{name} must have at most {most} bytes; it grows while it is read")
        return data
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ExchangeError(f"{name} must be a file; {error.strerror}") from None
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _down(value: Any, arrays: dict[str, Any], depth: int) -> Any:
    """The tree of a value; its tensors and arrays go into ``arrays``."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")  # not imported: none can have been made
    if numpy is not None and isinstance(value, numpy.generic):
        value = value.item()
    if depth == 0:
        raise ExchangeError(f"at most {_DEPTH} levels of lists and dicts can travel; got more")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        number = float(value)
        return number if math.isfinite(number) else {"float": str(number)}
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode("utf-8")  # without halves of characters
    if isinstance(value, list):
        return [_down(item, arrays, depth - 1) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_down(item, arrays, depth - 1) for item in value]}
    if isinstance(value, dict):
        if (other := next((key for key in value if not isinstance(key, str)), None)) is not None:
            raise ExchangeError(f"a dict with keys of text was expected; got a key of {type(other).__name__}")
        return {"dict": {_down(key, arrays, 1): _down(item, arrays, depth - 1) for key, item in value.items()}}
    if (torch is not None and isinstance(value, torch.Tensor)) or (
        numpy is not None and isinstance(value, numpy.ndarray)
    ):
        name = str(len(arrays))
        arrays[name] = value
        if (size := sum(_bytes(array) for array in arrays.values())) > MOST_BYTES:
            raise ExchangeError(f"at most {MOST_BYTES} bytes of tensors can travel; got {size}")
        return {"tensor": name}
    raise ExchangeError(
        f"a number, text, tensor, or a list, tuple or dict of these was expected; got {type(value).__name__}"
    )


def _bytes(array: Any) -> int:
    """What a tensor or an array will take, written in full."""
    return int(array.nbytes) if hasattr(array, "__array_interface__") else array.numel() * array.element_size()


def _save(arrays: dict[str, Any]) -> bytes:
    """All tensors and arrays in the format of safetensors."""
    try:
        if "torch" not in sys.modules:
            from safetensors.numpy import save as save_numpy

            return save_numpy({name: _whole(array) for name, array in arrays.items()})
        from safetensors.torch import save

        return save({name: _dense(array) for name, array in arrays.items()})
    except Exception as error:  # of many kinds: an array of text or of objects, a quantised tensor, one of no data
        kinds = ", ".join(sorted({str(getattr(array, "dtype", "?")) for array in arrays.values()}))
        raise ExchangeError(f"tensors of numbers were expected; got {kinds} ({type(error).__name__})") from None


def _dense(array: Any) -> Any:
    """A plain copy: on the CPU, contiguous, sharing memory with nothing."""
    import torch

    tensor = (array if isinstance(array, torch.Tensor) else torch.from_numpy(_whole(array))).detach().cpu()
    return (tensor.to_dense() if tensor.layout != torch.strided else tensor).contiguous().clone()


def _whole(array: Any) -> Any:
    import numpy

    return numpy.ascontiguousarray(array).reshape(array.shape)


def _load(data: bytes | None, name: str) -> dict[str, Any]:
    if data is None:
        raise ExchangeError(f"the tensors of {name} were expected; got none")
    try:
        from safetensors.torch import load

        return dict(load(data))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # what its Rust part raises when it gives up is no Exception
        raise ExchangeError(f"{name} must be tensors; {type(error).__name__} in reading them") from None


def _up(tree: Any, arrays: Callable[[], dict[str, Any]], depth: int) -> Any:
    """The value of a tree."""
    if depth == 0:
        raise ExchangeError(f"at most {_DEPTH} levels of lists and dicts can arrive; got more")
    if isinstance(tree, list):
        return [_up(item, arrays, depth - 1) for item in tree]
    if isinstance(tree, str):
        return _text(tree)
    if not isinstance(tree, dict):
        return tree
    if len(tree) == 1:
        kind, content = next(iter(tree.items()))
        if kind == "dict" and isinstance(content, dict):
            return {_text(key): _up(item, arrays, depth - 1) for key, item in content.items()}
        if kind == "tuple" and isinstance(content, list):
            return tuple(_up(item, arrays, depth - 1) for item in content)
        if kind == "float" and isinstance(content, str) and content in _NOT_FINITE:
            return _NOT_FINITE[content]
        if kind == "tensor" and isinstance(content, str) and content in arrays():
            return arrays()[content]
    raise ExchangeError("a dict, tuple, number or tensor was expected; got an object of no kind that is known")


def _text(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ExchangeError("text was expected; got halves of characters") from None
    return text
