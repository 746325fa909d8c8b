"""Networks that several papers start from, and their weights on disk."""

from labkit.backbones.weights import (
    WeightsError,
    card,
    cross_modality_init,
    load_weights,
    rounded_to_eight_bits,
    save_weights,
    source_weights,
    torchvision_weights,
)

__all__ = [
    "WeightsError",
    "card",
    "cross_modality_init",
    "load_weights",
    "rounded_to_eight_bits",
    "save_weights",
    "source_weights",
    "torchvision_weights",
]
