"""Weights on disk: what a network knows, with a card that says where it learned it.

Weights of our own are safetensors files, which hold numbers and nothing that runs. The header carries a *model card*: a
few facts, such as the data, the seed and the accuracy, and a hash of all tensors, which is checked whenever the file is
read. Weights of other people come as torchvision's or as ``.pth`` files, which are pickles: those are read with
``torch.load(weights_only=True)``, which refuses whatever would run code.

Loading is all or nothing and strict. A tensor that is missing, too many or of another shape is an error which names it,
and the module stays as it was; a part that is meant to keep its initial values, such as a classifier for other classes,
is named by the caller. Strides leave no trace in the tensors: a network with other strides takes the same weights, but
looks at images at another resolution than they have learned. So the card holds the strides, and other ones are an error
too, unless the caller asks for them. Nothing here reaches for the network unless the caller says ``download=True``.
"""

import hashlib
import json
import os
import pickle
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum  # type: ignore[import-untyped]

from labkit.files import written_whole

_CARD_NEEDS = ("data", "seed")
_CARD_GETS = ("strides", "hash")  # worked out here
SOURCE_FOLDER = Path(__file__).parent / "source"
"""Where the small weights are that come with the lab: files ``NAME.SOURCE.NUMBER.safetensors``."""

_STEPS = ":steps"  # ending of the name of a tensor that holds the steps of one stored in eight bits
_SHOWN = 6  # names listed in an error before it only counts

Path_ = str | os.PathLike[str]
Module = TypeVar("Module", bound=nn.Module)


class WeightsError(ValueError):
    """Weights cannot be read, or do not fit; the message names the file, what was expected, what came, what to do."""


def save_weights(
    path: Path_, module: nn.Module, card: Mapping[str, Any], *, eight_bits: bool = False
) -> dict[str, Any]:
    """Save parameters and buffers of a module with a card, as safetensors.

    Args:
        path: the file to write, ``*.safetensors``; its folder must exist; an older file is replaced once the new one is
            complete.
        module: whose ``state_dict`` to save, from any device.
        card: what JSON can hold; at least ``data`` (what it was trained on) and ``seed``, and what it reaches, e.g.
            ``accuracy``. ``strides`` are added, see `strides`, and ``hash``: the SHA-256 of names, types, shapes and
            values of all tensors.
        eight_bits: whether to store filters and matrices in a quarter of the space, see `rounded_to_eight_bits`.

    Returns:
        The card as saved, with ``strides`` and ``hash``.

    Raises:
        ValueError: the path has another ending, or the card lacks an entry or brings ``strides`` or a ``hash``.
        TypeError: the card holds something that JSON cannot.
        WeightsError: the state holds something other than tensors, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"path must end in .safetensors; got {path.name}")
    if missing := [entry for entry in _CARD_NEEDS if entry not in card]:
        raise ValueError(f"a card needs {' and '.join(_CARD_NEEDS)}; got none for {' and '.join(missing)}")
    if own := [entry for entry in _CARD_GETS if entry in card]:
        raise ValueError(f"a card must not bring its own {own[0]}, worked out here; got {own[0]}: leave it out")
    state = _tensors(module.state_dict(), "the state_dict of the module")
    # Copies: safetensors refuses tensors that share memory, such as tied weights.
    state = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}
    stored = _to_eight_bits(state) if eight_bits else state
    complete = {**card, "strides": strides(module), "hash": content_hash(_from_eight_bits(stored))}
    data = safetensors.torch.save(stored, metadata={"card": json.dumps(complete, allow_nan=False)})
    try:
        with written_whole(path) as file:
            file.write(data)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written ({error}): does the folder exist, is there space?") from error
    return complete


def card(path: Path_) -> dict[str, Any]:
    """Read the card of a safetensors file, without its tensors; ``{}`` if it was saved without one.

    Raises:
        FileNotFoundError: no such file.
        WeightsError: not a safetensors file, or damaged in its header.
    """
    path = _existing(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        return json.loads(metadata.get("card", "{}"))
    except (safetensors.SafetensorError, json.JSONDecodeError) as error:
        raise WeightsError(
            f"{path} must be a complete safetensors file; it is damaged or something else ({error}): get it again"
        ) from error


def load_weights(
    module: nn.Module,
    path: Path_,
    *,
    skip: Collection[str] = (),
    sha256: str | None = None,
    other_strides: bool = False,
) -> dict[str, Any]:
    """Load weights into a module: all of them or, if anything does not fit, none.

    Args:
        module: takes the weights, on the device where it is.
        path: ``*.safetensors``, or ``*.pth`` / ``*.pt`` with a state dict in it.
        skip: parts that keep what they have and need not be in the file, e.g. ``("classifier",)`` or ``("fc.bias",)``.
        sha256: what the SHA-256 of the file must be, or the first 8 or more digits of it.
        other_strides: whether convolutions may have other strides than the card says.

    Returns:
        The card of the file; ``{}`` if it has none. The hash on a card has been checked.

    Raises:
        FileNotFoundError: no such file.
        WeightsError: damaged, not weights, a wrong hash, or tensors that are missing, too many or of another shape; a
            convolution of another stride.
        ValueError: an entry of ``skip`` names no part of the module, or ``sha256`` is no such hash.
    """
    path = _existing(path)
    if sha256 is not None:
        require_file_hash(path, sha256)
    if path.suffix == ".safetensors":
        known, state = card(path), _read_safetensors(path)
        if "hash" in known and known["hash"] != (found := content_hash(state)):
            raise WeightsError(
                f"{path} must hold tensors with the hash of its card, {known['hash'][:16]}...; got {found[:16]}...: "
                "the file was damaged or changed, get it again"
            )
    elif path.suffix in (".pth", ".pt"):
        known, state = {}, _read_pickle(path)
    else:
        raise WeightsError(f"weights must be .safetensors, .pth or .pt; got {path}")
    _load_strictly(module, state, str(path), skip, strides(module) if other_strides else known.get("strides"))
    return known


def strides(module: nn.Module, axes: int = 3) -> dict[str, list[int]]:
    """Strides of all convolutions that have any, by the name of the layer, such as ``{"conv1": [2, 2]}``.

    Args:
        module: any.
        axes: how many to look at, from the last one on: 2 for height and width alone.
    """
    found = {
        name: [*layer.stride][-axes:]
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    }
    return {name: stride for name, stride in found.items() if set(stride) != {1}}


def rounded_to_eight_bits(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Filters and matrices as a file of eight bits brings them back: a multiple, -127 to 127, of a step of each output.

    Args:
        state: names and tensors; those with one dimension, such as biases, stay as they are.
    """
    return _from_eight_bits(_to_eight_bits(state))


def _to_eight_bits(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    stored = dict(state)
    for name, value in state.items():
        if value.is_floating_point() and value.dim() > 1:
            rows = value.float().flatten(1)  # (outputs, the rest)
            steps = rows.abs().amax(dim=1).clamp(min=1e-30) / 127
            stored[name] = (rows / steps[:, None]).round().to(torch.int8).reshape(value.shape)
            stored[f"{name}{_STEPS}"] = steps
    return stored


def _from_eight_bits(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = {name: value for name, value in stored.items() if not name.endswith(_STEPS)}
    for name in state:
        if (steps := stored.get(f"{name}{_STEPS}")) is not None:
            state[name] = state[name].float() * steps.reshape(-1, *(1,) * (state[name].dim() - 1))
    return state


def source_weights(name: str, number: int = 0, *, source: str = "things") -> Path:
    """A file of small weights that comes with the lab, trained in its own world; for `load_weights`.

    Where the papers take weights from ImageNet: trained on stills by ``data_scripts/train_source.py``. Where they take
    FlowNets: by ``data_scripts/train_flow.py``.

    Args:
        name: of the network: ``"cnn_m"``, the tiny CNN-M of `labkit.papers.two_stream`; ``"alexnet"``, the one of
            `labkit.papers.long_video`; ``"googlenet"`` and ``"resnet"``, the tiny networks of
            `labkit.backbones.googlenet` and `labkit.backbones.resnet`; ``"flownet"`` and ``"flownet_multi"``, tiny
            networks of `labkit.papers.action_flow_net` on two frames and on eight.
        number: which of several trainings, in other worlds and from other starts. It counts modulo those that there
            are: the seed of a study will do.
        source: what it was trained on: ``"things"``, `labkit.world.Things`; ``"postures"``, `labkit.world.Source`;
            FlowNets on ``"target"``, clips of people, or ``"chairs"``, flying things.
    """
    there = len(list(SOURCE_FOLDER.glob(f"{name}.{source}.*.safetensors")))
    return SOURCE_FOLDER / f"{name}.{source}.{number % max(there, 1)}.safetensors"


@torch.no_grad()
def cross_modality_init(model: nn.Module, source: nn.Module, *, other_strides: bool = False) -> None:
    """Initialise a network on one kind of input from one on another: hidden layers copied, the first one averaged.

    The first convolution of ``source`` is averaged over its input channels and repeated for each channel of ``model``;
    where both have as many, as for differences of frames, it is copied. The last linear layer, the classifier, keeps
    what it has. Statistics of batch normalisation are taken along.

    Args:
        model: changed in place.
        source: a network of the same sizes but for its input channels and its classes, on any device.
        other_strides: whether its convolutions may have other strides: at another resolution than they have learned.

    Raises:
        ValueError: another size, stride or layer; nothing is changed then.

    Source: Wang et al., "Temporal segment networks", ECCV 2016, section 3.2, "Cross Modality Pre-training".
    """
    first = next(name for name, layer in source.named_modules() if isinstance(layer, nn.Conv2d)) + ".weight"
    last = [name for name, layer in source.named_modules() if isinstance(layer, nn.Linear)][-1]
    state, own = source.state_dict(), model.state_dict()
    if first in own and own[first].shape[1] != state[first].shape[1]:
        mean = state[first].mean(dim=1, keepdim=True)  # (F, 1, S, S)
        state[first] = mean.expand(-1, own[first].shape[1], -1, -1)  # (F, C, S, S)
    take_over(model, source, state, classifier=last, other_strides=other_strides)


def take_over(
    model: nn.Module, source: nn.Module, state: Mapping[str, Tensor], *, classifier: str, other_strides: bool
) -> None:
    """Load what has been made of the state of a network of the same sizes, all but the classifier.

    Raises:
        ValueError: another size, stride or layer; nothing is changed then.
    """
    own, state = (
        {name: value for name, value in given.items() if not _belongs(name, classifier)}
        for given in (model.state_dict(), state)
    )
    if wrong := [name for name in {**own, **state} if _shape(own, name) != _shape(state, name)]:
        raise ValueError(
            f"source must have the sizes of model; got {wrong[0]} {_shape(state, wrong[0])} for "
            f"{_shape(own, wrong[0])}: build both with the same numbers, but for in_channels and num_classes"
        )
    mine, theirs = strides(model, axes=2), strides(source, axes=2)
    if not other_strides and (other := [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]):
        raise ValueError(
            f"source must have the strides of model; got {other[0]} with {theirs.get(other[0], [1, 1])} for "
            f"{mine.get(other[0], [1, 1])}: what it has learned is at another resolution, so build both alike, or pass "
            "other_strides=True if that is meant"
        )
    model.load_state_dict(state, strict=False)


def _shape(state: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None


def torchvision_weights(
    builder: Callable[..., Module],
    weights: WeightsEnum,
    *,
    file: Path_ | None = None,
    download: bool = False,
    **options: Any,
) -> Module:
    """Build a network of torchvision with its trained weights, from the files already on this machine.

    Args:
        builder: e.g. ``torchvision.models.resnet18``.
        weights: the entry to load, e.g. ``torchvision.models.ResNet18_Weights.IMAGENET1K_V1``.
        file: where it is; None for where torch.hub keeps it.
        download: whether to fetch the file (tens to hundreds of MB) when it is not there.
        options: for the builder. The number of classes is set to that of the weights. GoogLeNet's file, from Caffe's
            days, wants ``transform_input=True, init_weights=False``.

    Returns:
        The network, in ``train()`` mode as torchvision builds it. Its transforms are ``weights.transforms()``.

    Raises:
        FileNotFoundError: the file is not there and ``download`` is False; says where it belongs and how to get it.
        WeightsError: the file is damaged (its name carries its hash), or does not fit the network.
        TypeError: ``weights`` is a string or not an entry.
    """
    if not isinstance(weights, WeightsEnum):
        raise TypeError(f"weights must be an entry such as ResNet18_Weights.IMAGENET1K_V1; got {weights!r}")
    path = Path(file or Path(torch.hub.get_dir(), "checkpoints", weights.url.rsplit("/", 1)[-1]))
    named = re.search(r"-([0-9a-f]{8,64})\.", path.name)  # torchvision's names end in the first digits of the hash
    sha256 = named[1] if named else None
    if file is None and not path.exists():
        if not download:
            raise FileNotFoundError(
                f"the weights {weights} must be in {path}; no such file: bring {weights.url} there, or, with a network,"
                f" run: mkdir -p '{path.parent}' && curl -L -o '{path}' '{weights.url}'   (or pass download=True)"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(weights.url, str(path), hash_prefix=sha256)
    if weights.meta.get("categories"):
        options = {"num_classes": len(weights.meta["categories"]), **options}
    module = builder(weights=None, **options)
    load_weights(module, path, sha256=sha256)
    return module


def _existing(path: Path_) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"weights must be a file; got {path}, and there is none: check the path, or train them")
    return path


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return _from_eight_bits(safetensors.torch.load_file(path))
    except safetensors.SafetensorError as error:
        raise WeightsError(
            f"{path} must be a complete safetensors file; it is damaged ({error}): get it again"
        ) from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(
            f"{path} must be a state dict that loads without running code; it is damaged, or holds more than tensors "
            f"({reason}): get it again, or have its maker save model.state_dict()"
        ) from error
    return _tensors(state, str(path))


def _tensors(state: Any, name: str) -> dict[str, Tensor]:
    """Check that this is a state dict: names and tensors, nothing else."""
    if not isinstance(state, Mapping):
        raise WeightsError(f"{name} must be a dict of tensors; got {type(state).__name__}: save model.state_dict()")
    others = [key for key, value in state.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if others or not state:
        raise WeightsError(
            f"{name} must hold names and tensors only; got {_list(map(str, others)) or 'nothing'}: if one of them is "
            "the state dict, save that one alone"
        )
    return dict(state)


def _load_strictly(
    module: nn.Module,
    state: Mapping[str, Tensor],
    name: str,
    skip: Collection[str],
    learned: Mapping[str, list[int]] | None,
) -> None:
    if isinstance(skip, str):
        raise ValueError(f"skip must be a collection of names; got the string {skip!r}: pass ({skip!r},)")
    wanted = module.state_dict()
    for part in skip:
        if not any(_belongs(key, part) for key in wanted):
            raise ValueError(f"skip must name parts of the module; got {part!r}, and it has none of that name")
    wanted = {key: value for key, value in wanted.items() if not any(_belongs(key, part) for part in skip)}
    given = {key: value for key, value in state.items() if not any(_belongs(key, part) for part in skip)}
    own = strides(module)
    learned = own if learned is None else learned
    layers = [layer for layer in {**own, **learned} if f"{layer}.weight" in given]
    moved = [layer for layer in layers if own.get(layer) != learned.get(layer)]
    problems = {
        "missing from the file": [key for key in wanted if key not in given],
        "unknown to the module": [key for key in given if key not in wanted],
        "of another shape": [
            f"{key} (module {tuple(wanted[key].shape)}, file {tuple(given[key].shape)})"
            for key in wanted
            if key in given and wanted[key].shape != given[key].shape
        ],
        "of another stride": [f"{layer} (module {own.get(layer, 1)}, file {learned.get(layer, 1)})" for layer in moved],
    }
    if any(problems.values()):
        found = "; ".join(f"{len(keys)} {what}: {_list(keys)}" for what, keys in problems.items() if keys)
        raise WeightsError(
            f"{name} must fit {type(module).__name__} exactly; {found}. Is it the same network, with as many classes? "
            "What is meant to start afresh goes into skip=(...); if other strides are meant, say other_strides=True"
        )
    module.load_state_dict(given, strict=False)


def _belongs(key: str, part: str) -> bool:
    return key == part or key.startswith(f"{part}.")


def _list(names: Any) -> str:
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def content_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over all tensors in order of their names: the same for the same weights, however they are stored.

    Args:
        state: names and tensors, on the CPU.

    Returns:
        64 digits of 0-9 and a-f.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def require_file_hash(path: Path, sha256: str) -> None:
    """Raise a `WeightsError` unless the SHA-256 of a file begins with these digits, 8 to 64 of them."""
    if not re.fullmatch(r"[0-9a-f]{8,64}", sha256):
        raise ValueError(f"sha256 must be 8 to 64 digits of 0-9 and a-f; got {sha256!r}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(sha256):
        raise WeightsError(
            f"{path} must have a SHA-256 that begins with {sha256}; got {found[: len(sha256)]}: the file is damaged or "
            "another one, delete it and get it again"
        )
