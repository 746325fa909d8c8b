"""Training: a recipe, a loop that can be stopped anywhere, and one way to evaluate.

A `Recipe` is what a paper's training section says: optimiser, learning rates, schedule, steps, batch. `fit` follows it.
`evaluate` scores every view (frame, clip, crop) of a video separately and averages: the protocol of most papers here.

A training that is killed and resumed ends with the same bits as one that ran through. The usual way is to save the
state of every random generator in every worker; here there is no such state to save, see `labkit.training.seeding`.
"""

from labkit.training.batches import LoaderFactory, Order, batches, shared_batches, uniform_over_classes
from labkit.training.checkpoint import CheckpointError, weights_digest
from labkit.training.evaluate import Scores, evaluate
from labkit.training.loop import Watch, fit
from labkit.training.recipe import Recipe
from labkit.training.step import Loss, Step

__all__ = [
    "CheckpointError",
    "LoaderFactory",
    "Loss",
    "Order",
    "Recipe",
    "Scores",
    "Step",
    "Watch",
    "batches",
    "evaluate",
    "fit",
    "shared_batches",
    "uniform_over_classes",
    "weights_digest",
]
