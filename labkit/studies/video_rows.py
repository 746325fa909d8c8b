"""How the rows of `labkit.studies.long_video` are declared: what each of them measures, trains and needs."""

from typing import Any

from labkit.studies.rows import row

LARGE = ("world", "sports1m")  # data sets that have a noisy set
GOOGLENET = ("googlenet.single",)
FLOW = ("googlenet.single", "googlenet.flow.single")
EXACT = ("googlenet.single", "googlenet.exact.single")
LSTM = ("alexnet.single", "alexnet.lstm120.linear")
CLEAN = ("googlenet.single", "clean.single")
TELLING = ("alexnet.single", "alexnet.conv120", "alexnet.average120", "alexnet.lstm120.linear")


def noisy(name: str, *needs: str, clip: bool = False, five: bool = False, **arguments: Any) -> Any:
    """A row of Hit@1 on the noisy set; ``clip``: of single examples too, and ``five``: Hit@5, as the paper has them."""
    levels: dict[str, Any] = {"clip": clip, "five": five}
    return row(name, metrics=levels_of(name, **levels), needs=needs, datasets=LARGE, metric=name, **levels, **arguments)


def learning(name: str, *needs: str, **arguments: Any) -> Any:
    """A row of Hit@1 and of the area under the learning curve, on the noisy set."""
    return row(name, metrics=[name, f"{name}_area"], needs=needs, datasets=LARGE, **arguments)


def clean(name: str, *needs: str, **arguments: Any) -> Any:
    """A row of accuracy on the clean set, which is UCF101 with its three splits."""
    splits = dict.fromkeys(("sports1m", "ucf101"), (1, 2, 3))
    return row(name, needs=needs, splits=splits, **arguments)


def exact(name: str, *needs: str, **arguments: Any) -> Any:
    """A row of Hit@1 on the world's noisy set, with flow that is exact."""
    return row(name, needs=(*EXACT, *needs), datasets=["world"], metric=name, flow="googlenet.exact", **arguments)


def both(kind: str, *, on_clean: bool = False) -> tuple[str, ...]:
    """The trainings of a network on images and of one on flow; on the clean set with those that they start from."""
    noisy_ones = (*FLOW, f"googlenet.{kind}", f"googlenet.flow.{kind}")
    clean_ones = ("clean.single", "clean.flow.single", f"clean.{kind}.low", f"clean.flow.{kind}.low")
    return noisy_ones + clean_ones * on_clean


def levels_of(metric: str, clip: bool = False, five: bool = False) -> list[str]:
    """Names of the metrics of a row: Hit@1, and of single examples, and Hit@5."""
    return [metric, *[f"{metric}_clip"] * clip, *[f"{metric}_hit5"] * five]
