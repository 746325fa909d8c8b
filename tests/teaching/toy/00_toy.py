# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Assignment 0 · A toy
#
# An assignment without torch, a second to run: for the tests of the teaching tools.

# %% tags=["parameters"]
student = ""  # your student number
variant = 0  # filled in for you

# %%
import random

STEP = variant % 3 + 2  # your step
TO_THE_LEFT = variant // 3 % 2 == 0  # your direction
draw = random.Random(variant)
DIARY = [[draw.randint(0, 99) for _ in range(20)] for _ in range(6)]  # your six weeks
print(f"step {STEP}, to the {'left' if TO_THE_LEFT else 'right'}")

# %% [markdown] question="rotate" points=4 minutes=5 difficulty=1 importance=3 judged="five lists, an empty one too"
# ## 1 · Rotate a list
#
# Move every item of a list by `step` positions, to the left or to the right. What leaves at one end enters at the
# other.


# %% answer="rotate"
def rotate(items, step=STEP, to_the_left=TO_THE_LEFT):
    """A new list, rotated by `step` positions."""
    # BEGIN SOLUTION
    if not items:
        return []
    step = step % len(items) if to_the_left else -step % len(items)
    return items[step:] + items[:step]
    # END SOLUTION


# %% check="rotate"
from labkit.teaching import checking

with checking("rotate"):
    got = rotate([1, 2, 3, 4], step=1, to_the_left=True)
    assert got == [2, 3, 4, 1], f"one step to the left is [2, 3, 4, 1]; got {got}"


# %% cases="rotate"
def cases(seed):
    draw = random.Random(seed)
    for to_the_left in (True, False):
        yield dict(items=[draw.randint(0, 9) for _ in range(11)], step=3, to_the_left=to_the_left)
    yield dict(items=[draw.random() for _ in range(4)], step=9, to_the_left=True)
    yield dict(items=[draw.random() for _ in range(5)], step=8, to_the_left=False)
    yield dict(items=[], step=2, to_the_left=True)


# %% mistake="rotate" says="the direction is not looked at"
def rotate(items, step=STEP, to_the_left=TO_THE_LEFT):
    step = step % len(items) if items else 0
    return items[step:] + items[:step]


# %% mistake="rotate" says="a step longer than the list must go round more than once"
def rotate(items, step=STEP, to_the_left=TO_THE_LEFT):
    return items[step:] + items[:step] if to_the_left else items[-step:] + items[:-step]


# %% [markdown] question="runs" points=3 minutes=5 difficulty=1 importance=2 judged="four lists, an empty one too"
# ## 2 · Count runs
#
# A run is as many equal items in a row as there are: `[7, 7, 1, 7]` has three.


# %% answer="runs"
def count_runs(items):
    """The number of runs in a list."""
    # BEGIN SOLUTION
    return sum(number == 0 or item != items[number - 1] for number, item in enumerate(items))
    # END SOLUTION


# %% check="runs"
with checking("runs"):
    assert count_runs([7, 7, 1, 7]) == 3, f"[7, 7, 1, 7] has 3 runs; got {count_runs([7, 7, 1, 7])}"


# %% cases="runs"
def cases(seed):
    draw = random.Random(seed + 1)
    for length in (1, 12, 30):
        yield dict(items=[draw.randint(0, 2) for _ in range(length)])
    yield dict(items=[])


# %% mistake="runs" says="that is the number of different items: an item that comes back begins a run of its own"
def count_runs(items):
    return len(set(items))


# %% mistake="runs" says="the last run is not counted"
def count_runs(items):
    return sum(number > 0 and item != items[number - 1] for number, item in enumerate(items))


# %% [markdown] question="median" points=3 minutes=5 difficulty=2 importance=3 judged="lists of even and odd length"
# ## 3 · The median
#
# Of an even number of values it is the mean of the two in the middle.


# %% answer="median"
def median(values):
    """The median of a list of numbers that is not empty."""
    # BEGIN SOLUTION
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
    # END SOLUTION


# %% cases="median"
def cases(seed):
    draw = random.Random(seed + 2)
    for length in (1, 2, 9, 10):
        yield dict(values=[draw.uniform(-5, 5) for _ in range(length)])


# %% mistake="median" says="sort the values first"
def median(values):
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


# %% mistake="median" says="of an even number, take the mean of the two in the middle"
def median(values):
    return sorted(values)[len(values) // 2]


# %% [markdown] question="weeks" points=3 minutes=5 difficulty=2 importance=2 judged="six means, on your own diary"
# ## 4 · Your six weeks
#
# Put the mean of each week of your `DIARY` into `means`, a list of six numbers.

# %% answer="weeks" value="means" within=0.001
# BEGIN SOLUTION means = ...
means = [sum(week) / len(week) for week in DIARY]
# END SOLUTION

# %% [markdown] question="why" points=2 minutes=5 difficulty=2 importance=4 judged="two reasons, in your own words"
# ## 5 · Why a median?
#
# When is the median a better summary of a week than the mean? About 40 words.

# %% [markdown] answer="why" words=40
# <!-- BEGIN SOLUTION -->
# One value far from all others moves the mean as far as it likes, and the median hardly. So where single values can be
# wrong or rare, the median says more about an ordinary day.
# <!-- END SOLUTION -->

# %% [markdown] rubric="why"
# - 1 point: a value far from the others moves the mean
# - 1 point: and the median hardly

# %% [markdown] teacher="why"
# Ask which of the six weeks has its mean farthest from its median.
