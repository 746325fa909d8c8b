"""A small assignment without torch, of all kinds of questions, and ways to change its source."""

from labkit.teaching.source import read

SOURCE = '''\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Assignment 7 · Series
#
# A series is a list of numbers.

# %% tags=["parameters"]
student = ""  # your student number
variant = 0  # filled in for you

# %% setup
import random
from statistics import fmean

BASE = variant % 7

# %% [markdown] question="scale" points=4 minutes=20 difficulty=2 importance=5 judged="six series"
# ## 1 · Scale a series
#
# Divide by the largest absolute value.

# %% answer="scale"
def scaled(series, base=BASE):
    """Divide a list of numbers by its largest absolute value, then add `base`."""
    # BEGIN SOLUTION
    largest = max((abs(number) for number in series), default=0) or 1
    return [number / largest + base for number in series]
    # END SOLUTION


# %% check="scale"
try:
    assert scaled([1, -2], base=0) == [0.5, -1.0], "divide by 2"
    print("scale: fine so far")
except NotImplementedError:
    print("scale: not answered yet")

# %% cases="scale"
def cases(seed):
    generator = random.Random(seed)
    for length in (0, 1, 5, 9):
        yield dict(series=[generator.uniform(-3, 3) for _ in range(length)], base=generator.randrange(5))

# %% mistake="scale" says="the sign of the largest number is lost on the way"
def scaled(series, base=BASE):
    greatest = max(series, default=0) or 1
    return [number / greatest + base for number in series]

# %% mistake="scale" says="`base` is not looked at"
def scaled(series, base=BASE):
    largest = max((abs(number) for number in series), default=0) or 1
    return [number / largest for number in series]

# %% [markdown] teacher="scale"
# Ask in the viva what an empty series should give, and why.

# %% [markdown]
# ## Your numbers
#
# Drawn for you alone.

# %%
generator = random.Random(variant)
numbers = [generator.gauss(0, 1) for _ in range(200)]

# %% [markdown] question="means" points=3 minutes=1 difficulty=1 importance=1
# ## 2 · Means of your numbers
#
# Put the mean of your numbers into `middle`, and that of their squares into `power`.

# %% answer="means" value="middle, power" within=0.001
# BEGIN SOLUTION middle, power = ..., ...
middle = fmean(numbers)
power = fmean(number**2 for number in numbers)
# END SOLUTION

# %% [markdown] question="guess" points=2 minutes=30 difficulty=4 importance=3 level="grad" all="yes"
# ## 3 · Guess the next number

# %% answer="guess"
def following(series):
    """Guess the number after a series."""
    # BEGIN SOLUTION
    return fmean(series) if series else 0.0
    # END SOLUTION


# %% cases="guess"
def cases(seed):
    generator = random.Random(seed)
    for _ in range(20):
        yield dict(series=[generator.gauss(2, 1) for _ in range(30)])


def judge(got, seed):
    return (2 if all(abs(guess - 2) < 1 for guess in got) else 0), "guesses within one of the truth"

# %% [markdown] question="chart" points=2 minutes=10 difficulty=2 importance=2 without="labkit.viz.charts.bars"
# ## 4 · Draw them

# %% answer="chart" figure=true
# BEGIN SOLUTION
ordered = sorted(numbers)
print("\\\\n".join("*" * round(abs(number) * 10) for number in ordered))
# END SOLUTION

# %% [markdown] rubric="chart"
# - 2 points: every bar has the length of its number

# %% [markdown] question="why" points=4 minutes=15 difficulty=3 importance=5
# ## 5 · Why divide at all?
#
# Say it in your own words.

# %% [markdown] answer="why" words=80
# <!-- BEGIN SOLUTION -->
# Because series of different units cannot be compared otherwise.
# <!-- END SOLUTION -->

# %% [markdown] rubric="why"
# - 1 point: comparison between units is named
# - 3 points: an example in which the scale misleads a reader
'''.replace("\\\\n", "\\n")

LEARNED = {  # answers by question
    "scale": "def scaled(series, base=BASE):\n    return [x / max(map(abs, series)) + base for x in series]",
    "means": "middle = sum(numbers) / 200\npower = 1.0",
    "chart": 'tallest = max(numbers)\nprint("*" * round(tallest))',
    "why": "Units differ, and so would distances.\n\nTwo paragraphs of it.",
}


def assignment(folder, source=SOURCE, *, overlay=None):
    """The sample, or a changed one, read from a file."""
    path = folder / "07_series.py"
    path.write_text(source, encoding="utf-8")
    if overlay is None:
        return read(path)
    (folder / "07.py").write_text(overlay, encoding="utf-8")
    return read(path, folder / "07.py")


def changed(old, new):
    """The sample with something else in it, once."""
    assert SOURCE.count(old) == 1, old
    return SOURCE.replace(old, new)
