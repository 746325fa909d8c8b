"""The training loop: read `fit` from top to bottom; every other function here is one of its lines in detail."""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from accelerate.state import AcceleratorState, PartialState  # type: ignore[import-untyped]
from accelerate.utils import (  # type: ignore[import-untyped]
    DistributedDataParallelKwargs,
    broadcast_object_list,
    send_to_device,
)
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from labkit import checks
from labkit.training.batches import LoaderFactory, Order, stream
from labkit.training.checkpoint import Checkpoint, identify
from labkit.training.recipe import Recipe, build_optimizer
from labkit.training.seeding import STEP, preserve_random_state, seed_everything
from labkit.training.step import Loss, Step, call_loss, mode

Watch = Callable[[nn.Module], Mapping[str, float]]
"""``model -> numbers by name``, such as the accuracy on held-out clips."""


def fit(
    model: nn.Module,
    recipe: Recipe,
    data: Dataset[Any] | LoaderFactory,
    loss: Loss,
    *,
    watch: Watch | None = None,
    every: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    save_every: int = 500,
    device: str = "auto",
    precision: str = "no",
    workers: int = 0,
    order: Order | None = None,
    progress: bool = True,
) -> list[Step]:
    """Train a model in place.

    Killed and started again with the same arguments, and a model built as before, it continues from the last checkpoint
    and ends with the same weights and history: to the bit on the CPU, as far as its kernels are deterministic on a GPU.

    Several processes, each with its part of every batch, learn what one would with all of it, up to rounding, where the
    loss is a mean over the samples. Three things differ between processes: what BatchNorm sees (its running statistics,
    as all buffers, are those of process 0), dropout, and the further numbers of the loss.

    Args:
        model: is moved to the device and trained in ``train()`` mode; its modes are restored afterwards. To keep a part
            in ``eval()``, such as all but the first BatchNorm, let the model's own ``train`` method say so.
        recipe: how to train.
        data: a map-style data set, shuffled again every epoch; or a loader factory ``(start, share) -> batches``, which
            gives the batches from step ``start`` on, for process ``share[0]`` of ``share[1]``, and the same ones each
            time: put it together from `batches`.
        loss: ``(model, batch) -> scalar``, or a pair of the scalar and a dict of further numbers to show.
        watch: ``model -> numbers by name``, for learning curves: called before the update of every ``every``-th step,
            step 0 included, in ``eval()`` mode and without gradients; it does not influence the training. Its numbers
            stand in ``shown`` of that step. With several processes, process 0 calls it for all.
        every: steps between two calls of ``watch``.
        checkpoint: file to save to and to resume from; its folder must exist. If it holds the finished training, this
            returns immediately.
        save_every: steps between two checkpoints; the end is always saved.
        device: "auto" takes the best available; "cpu", "cuda", "mps". Several GPUs: ``accelerate launch script.py``.
        precision: "no" (float32), "bf16" or "fp16": mixed precision.
        workers: processes that load data; their number has no influence on the results.
        order: which samples an epoch consists of, e.g. `uniform_over_classes`; all, shuffled, if None. Data sets only.
        progress: whether to show a bar, with loss, learning rate and steps per second.

    Returns:
        All steps from 0, those before the resumption included.

    Raises:
        FloatingPointError: a loss, or a parameter after its update, is NaN or infinite; says at which step. The last
            checkpoint stays as it is.
        CheckpointError: the checkpoint is damaged, of another training, or cannot be written.
        ValueError: data that end too early, groups that fit no parameter, a device that is not available, ...
    """
    checks.require_positive(every, "every")
    checks.require_positive(save_every, "save_every")
    accelerator = _accelerator(device, precision)
    main, several = accelerator.is_main_process, accelerator.num_processes > 1
    model.to(accelerator.device)
    optimizer = build_optimizer(recipe, model)
    base_lr = recipe.options.get("lr", optimizer.defaults.get("lr", 0.0))
    initial_lrs = [group["lr"] for group in optimizer.param_groups]

    parts = {"model": model, "optimizer": optimizer, "scaler": accelerator.scaler}
    identity = functools.partial(identify, model, optimizer, recipe, data, loss, precision)
    saved = Checkpoint(checkpoint, parts, identity)
    history = saved.load()
    start, seconds_before = len(history), history[-1].seconds if history else 0.0

    compute = _LossOfModel(model, loss)
    forward = accelerator.prepare_model(compute) if several else compute
    stepper = accelerator.prepare_optimizer(optimizer)
    bar = tqdm(total=recipe.steps, initial=start, unit="step", disable=not (progress and main), delay=1)
    with bar, mode(model, training=True), preserve_random_state():
        share = (accelerator.process_index, accelerator.num_processes)
        batches = stream(data, recipe.batch, recipe.seed, start, share, workers, order)
        stepper.zero_grad()  # the model may come with gradients
        started = time.perf_counter()
        for step in range(start, recipe.steps):
            # everything that depends on the number of the step: batch, randomness, learning rates
            batch = send_to_device(_next(batches, step, recipe.steps), accelerator.device)
            seed_everything(recipe.seed, STEP, step, accelerator.process_index)
            factor = recipe.factor(step)
            for group, lr in zip(optimizer.param_groups, initial_lrs, strict=True):
                group["lr"] = lr * factor

            # the loss, and what is watched, before the update
            with _step_noted(step):
                watched = _watched(watch, model, accelerator) if watch is not None and step % every == 0 else {}
                with accelerator.autocast():
                    value = forward(batch)
                shown = _merged(compute.shown, watched)
            number = accelerator.reduce(value.detach(), reduction="mean").item()
            if not np.isfinite(number):
                raise _diverged(f"the loss of step {step} is {number}", base_lr * factor, recipe, saved)

            # the update
            accelerator.backward(value)
            if recipe.clip_norm is not None:
                accelerator.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            stepper.step()
            stepper.zero_grad()

            # what is kept of it
            seconds = seconds_before + time.perf_counter() - started
            history.append(Step(step, number, base_lr * factor, seconds, shown))
            bar.update()
            bar.set_postfix(loss=f"{number:.4g}", lr=f"{history[-1].lr:.3g}", refresh=False)
            if (step + 1) % save_every == 0 or step + 1 == recipe.steps:
                if not _all_finite(model):
                    raise _diverged(f"parameters are not finite after step {step}", base_lr * factor, recipe, saved)
                if main:
                    saved.save(history)
    _share_buffers(model, accelerator)
    return history


class _LossOfModel(nn.Module):
    """A model and its loss as one module, whose ``forward`` is all of a step before the gradient.

    DistributedDataParallel notices a step only when it is called itself, and has none of the model's methods. So it
    gets this module, and the loss gets the bare model.
    """

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.shown: dict[str, float] = {}  # the further numbers of the last step
        self._loss = lambda batch: call_loss(loss, model, batch)  # a loss that is a module is no part of the model

    def forward(self, batch: Any) -> Tensor:
        value, self.shown = self._loss(batch)
        return value


def _accelerator(device: str, precision: str) -> Accelerator:
    """An Accelerator for these settings, also where an earlier call in this process had others."""
    if PartialState._shared_state:  # it keeps the first settings for ever; processes that have met stay together
        AcceleratorState._reset_state(reset_partial_state=PartialState().num_processes == 1)
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # e.g. of a decoder, where only actions count
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=precision, kwargs_handlers=[unused])
    if device not in ("auto", accelerator.device.type):
        raise ValueError(
            f'device must be available; got {device!r}, and this machine offers {accelerator.device.type!r}: use "auto"'
        )
    return accelerator


def _next(batches: Iterator[Any], step: int, steps: int) -> Any:
    try:
        return next(batches)
    except StopIteration:
        raise ValueError(
            f"data must last for {steps} steps; they ended before step {step}: let the loader factory repeat"
        ) from None


def _watched(watch: Watch, model: nn.Module, accelerator: Accelerator) -> dict[str, float]:
    """The numbers that ``watch`` gives in process 0; the other processes receive them."""
    numbers: list[Any] = [None]
    if accelerator.is_main_process:
        with mode(model, training=False), torch.no_grad(), preserve_random_state(), accelerator.autocast():
            numbers = [{name: float(number) for name, number in watch(model).items()}]
    return broadcast_object_list(numbers)[0]


def _merged(shown: dict[str, float], watched: dict[str, float]) -> dict[str, float]:
    if both := shown.keys() & watched.keys():
        raise ValueError(f"watch and loss must use different names; both have {min(both)!r}: rename the one of watch")
    return {**shown, **watched}


def _all_finite(model: nn.Module) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())


def _diverged(fault: str, lr: float, recipe: Recipe, saved: Checkpoint) -> FloatingPointError:
    kept = f"; {saved.path} holds the first {saved.steps} steps" if saved.steps else ""
    return FloatingPointError(
        f"training must stay finite; {fault} (of {recipe.steps}): look at this batch, lower the learning rate (now "
        f"{lr:g}) or set clip_norm{kept}"
    )


def _share_buffers(model: nn.Module, accelerator: Accelerator) -> None:
    """Give the buffers of process 0 to all: after the last step each process still has its own."""
    accelerator.wait_for_everyone()
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)


@contextlib.contextmanager
def _step_noted(step: int) -> Iterator[None]:
    """An error from inside says at which step it happened."""
    try:
        yield
    except Exception as error:
        error.add_note(f"(at step {step} of the training)")
        raise
