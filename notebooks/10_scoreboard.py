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
# # The scoreboard
#
# No paper of its own: what all of them claim, what became of it here, and all systems on the same clips at last. Its
# experiments are [studies/comparison.py](../labkit/studies/comparison.py).
#
# **What you will see here**
#
# - all claims on one page: which hold in the world of puppets, which do not, and which its records cannot decide yet;
# - where each table and figure of the papers has its counterpart, with a link;
# - paper by paper, how far each statement lies beyond its margin, or why it does not reach it;
# - one comparison that no paper could make: all systems on the same clips, in two leagues, with what they cost.
#
# **To know beforehand**: what the other lessons are about; having read one or two of them helps.
#
# **Time** about half a minute on two cores. This lesson reads the records that the studies have left, and trains nothing.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper; smoke and lesson show the records of study
dataset = "world"  # whose records; empty: for each paper the data set with the most
data_root = ""  # not used: nothing is read but records
seed = 0
device = "cpu"  # times are measured on the CPU

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from IPython.display import display

from labkit import claims, course, parameters, viz
from labkit.papers import frame_rnn
from labkit.scoreboard import Scoreboard
from labkit.studies.comparison import SYSTEMS, Comparison
from labkit.views.sampling import tsn_segments
from labkit.viz.papers import scoreboard as figures

DATASETS = [
    *dict.fromkeys(name for paper in claims.ledger().values() for name in paper.datasets),
    "",
]
parameters.check(globals(), dataset=DATASETS)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the records of each paper
boards = {
    paper.notebook: Scoreboard.of_records(paper.name, profile=profile, dataset=dataset)
    for paper in claims.ledger().values()
    if paper.claims
}
print(f"{len(boards)} papers, {sum(len(board.paper.claims) for board in boards.values())} claims")

# %% [markdown]
# ## All claims on one page
#
# A *claim* is a list of statements, written down before its study was judged: "ten flow fields beat one, by more than a
# point", or "the two are at most 3 points apart". Each statement is about *records* of several seeds, and each seed is
# another world, with other actors, scenes and motions. It has a *margin*, the smallest difference that counts, and the
# records give a 90 % *interval* for the difference. Where the interval lies, says what became of the statement:
#
# | | the whole interval lies | |
# |---|---|---|
# | ✓ | beyond the margin, of "better" | it *holds* |
# | = | between the margin on one side and on the other | *level*: there is no difference that counts |
# | ✗ | beyond the margin on the wrong side | *the other way round* |
# | ↗ ↘ | across one of these edges | it *leans to it*, or *against it*, as the mean does |
# | ? | across two of them | one *can't tell here*: the noise is larger than what was asked |
#
# Some statements say that two are *about equal* (`~`), or one *at least as good* as another (`>=`). They hold between the
# margins, or above the lower one, and are the other way round outside.
#
# A claim holds if all of its statements do. It is *stale* (↻) if its records are older than the study, and wait to be
# measured again. A paper is judged by a batch of seeds that was fixed beforehand, all of them together: before the last
# one is measured, its claims are *not yet run* (·). And *condition absent* (∅) says that the world lacks what a claim is about.
#
# **Predict:** the papers' numbers come from real videos, large networks and long trainings, ours from puppets and small
# networks. Of ten claims that could be judged, how many will hold here?

# %%
viz.verdict_tiles(
    {
        f"{nn}  {board.paper.name.replace('_', ' ')}": [v.plain() for v in board.judged()]
        for nn, board in boards.items()
    },
    title="Every claim of every paper<br>a tile is a claim: point at it",
    alt="Rows of tiles, one for each paper, a tile for each of its claims, by what became of it.",
)

# %% [markdown]
# > A claim that does not hold here is not refuted. It was made about other videos and larger networks; the sections below
# > give the cause as far as we know it. And a claim that holds here need not hold elsewhere. Where a tile leans *to* a
# > claim, the effect may be there, and smaller than the noise of a few seeds.
#
# **Predict:** each verdict can be wrong through bad luck, as the slider of [lesson 02](02_two_stream.ipynb) shows (*How sure is
# sure?*). How many of all these do you expect to be?

# %%
print(
    claims.expected_wrong(one for board in boards.values() for one in board.judged())
    or "no verdict yet"
)

# %% [markdown]
# ## Where everything is
#
# The tables and figures of the papers, and the lessons that have their counterparts. Rows that quote results of other
# people say so. **Explore:** a line opens and closes its list.

# %%
stems = {source.stem[:2]: source.stem for source in course.sources()}
display(*(board.contents(stems[nn]) for nn, board in boards.items()))
print(f"{sum(len(board.paper.entries) for board in boards.values())} tables and figures")

# %% [markdown]
# ## Paper by paper
#
# Each row of the next figures is a statement: a point for the mean of its difference over the seeds, a line for the 90 %
# interval, and in the middle of the figure the margin that was asked for. On its right a statement is "as stated". The axis
# is linear near the margin, and logarithmic far from it; pixels, or correlations, have a figure of their own. The lines
# below unfold: the claims in words, with the causes where one does not hold, and the tables, the paper's numbers beside
# ours.
#
# ### 02 · Two streams
#
# Frames show what is there, flow shows how it moves. Do they know more together? What is it worth to learn from images
# first, and what does a small set gain from a large one?

# %%
display(*boards["02"].overview())

# %% [markdown]
# ### 03 · CNN features of frames, read in order
#
# **The paper:** on [UCF101](https://www.crcv.ucf.edu/research/data-sets/ucf101/) the order of ten frames gains a point or
# nothing. In the world a third of the classes differ in nothing but order: what a method gains says as much about a data set.

# %%
display(*boards["03"].overview())

# %% [markdown]
# ### 04 · Local features that find the same thing again
#
# The only work that names no class. From which layer of a network should features come, and how should those of all
# locations be put together? Drawn scenes have sharp corners, for which hand-made features such as SIFT were designed.

# %%
display(*boards["04"].overview())

# %% [markdown]
# ### 05 · Full-length video
#
# Most claims compare ways to pool over time, numbers of frames, and what flow adds where the camera is quiet or not.
# Many of the differences are a few points, on 528 test clips, or 288 of the clean set.

# %%
display(*boards["05"].overview())

# %% [markdown]
# ### 06 · ActionFlowNet
#
# What does a network gain that has learned to see motion without labels, and continues to learn it beside a few labelled
# clips? And is that more than images of other things can teach it?

# %%
display(*boards["06"].overview())

# %% [markdown]
# ### 07 · Temporal differences
#
# What do differences of feature maps add to the feature maps, if the baseline starts and trains in the same way?

# %%
display(*boards["07"].overview())

# %% [markdown]
# ### 08 · What photos teach about video
#
# Attention maps are meant to travel from photos to videos better than scores do. Look at what they are compared with: a
# vote of the frames, which loses much where few frames tell, or the mean of all scores.

# %%
display(*boards["08"].overview())

# %% [markdown]
# ### 09 · Back-dropout
#
# The paper reports a gain of 22 points and has no control. Several claims below ask more than it does: what would
# training for longer have gained, or the loss of random neurons?

# %%
display(*boards["09"].overview())

# %% [markdown]
# ## All systems on the same clips
#
# These works used several data sets, and where they share one, other splits, networks and recipes. Here all get the same:
# eighteen actions of puppets, clips of sixteen frames, groups of clips with the same actor and scene on one side of the
# split only. Each system trains by the recipe of its own study on the same clips; a fifth of them is held out from all.
#
# The actions form three families of six: *appearance pairs* (hammer and chop: one motion, different things), *motion
# only* (wave, jump: nothing in the hands), *reversed pairs* (sit down, stand up: the same frames in reverse order).

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the study of this lesson, its records, and how many clips there are
study = Comparison(profile, seed=seed, device=device)
board = Scoreboard(study)
{name: len(part) for name, part in study.clips._asdict().items()}

# %% [markdown]
# Most systems see three views of a test clip, centre crops, and their scores are averaged; systems that read all frames,
# or ten of them in order, see one. The dots below are the frames of one view.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the frames that two ways to sample take from a clip
clip = study.clips.test[0]
three = tsn_segments(clip.num_frames, 3).flatten().tolist()
figures.views(frame_rnn.sample_frames(clip).tolist(), three, clip.num_frames)

# %% [markdown]
# What runs to classify a clip has a size and a cost that need no training. We count them now: parameters in millions, and
# multiplications and additions for all views of a clip, in 10⁹.

# %%
costs = study.measure("costs")
{name: round(costs[f"{name}.gflop"], 2) for name in SYSTEMS}

# %% [markdown]
# ### Two leagues
#
# There are two questions: what does a network learn from a few hundred labelled clips alone, and what if its initial weights
# come from labelled images? In the second league these images are the stills of the world's source task, which name *things*,
# and tell nothing of the postures of the people who pass by; and in one row those of ImageNet. The leagues have a table each.
#
# In the first one, S3D and MViT ([Xie et al. 2018](https://arxiv.org/abs/1712.04851), [Li et al.
# 2022](https://arxiv.org/abs/2112.01526)) stand for networks of later years. They are built as small as the others, and
# get the frames, crops, batches and steps of ActionFlowNet. R3D is the encoder of ActionFlowNet without flow, neither before
# nor beside the actions: the control that tells what learning flow is worth. (ActionFlowNet has learned flow from clips of
# other worlds, without labels, before it comes here.)
#
# **Predict:** which row of this table is best on *motion only*, and why? (Rows "not yet run" have no records so far.)

# %%
board.table("table 1")

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Two things are not equal. The temporal stream is *given* exact flow, for nothing. The others must find out about
# > motion from frames; ActionFlowNet sees flow while it trains, not when it is tested.
#
# </details>
#
# > Why are the networks so small? Full-size ones, of 8 to 34 million parameters, learn little in a few minutes. We tried it
# > once: they were right about one clip in seven. It is not part of the records.
#
# The second league has two rows without any training of a network: frozen features of single frames, from the network of
# stills or from EfficientNet-Lite0 of ImageNet, and a logistic regression on them. **Predict:** which systems are ahead of
# the spatial stream, and on which family?

# %%
board.table("table 2")

# %% [markdown]
# > Compare the other systems of single frames with the rows of frozen features: what these reach comes from the images. What
# > lies above them, a system has learned from the videos.
#
# ### What it costs
#
# **Explore.** The buttons choose the cost; the area of a mark is the number of parameters. Upper left is accurate and cheap.
# Which systems are there, and does the answer change with the kind of cost?

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# what is known of each system
measures = ("accuracy", "appearance", "motion", "reversed", "parameters", "gflop", "training")
known = {name: {m: board.known(f"{name}.{m}") for m in measures} for name in SYSTEMS}
titles = {name: system.title for name, system in SYSTEMS.items()}
figures.trade_offs(titles, {name: system.league for name, system in SYSTEMS.items()}, known)

# %% [markdown]
# Operations are not time: many small ones take longer than a few large ones. How many times as long as the spatial stream does
# each system need for a clip, on your machine? **Predict** which one is slower than its operations suggest.

# %% tags=["nbval-ignore-output"]
figures.ratios(titles, study.time_ratios(rounds=3))

# %% [markdown]
# ### Who is good at what
#
# Accuracy over all actions hides which family a system is good at. **Predict**, before you move the slider: which
# systems can be right about half of the reversed pairs at best, however large they are?

# %%
figures.families(titles, known)

# %% [markdown]
# <details><summary>What happened</summary>
#
# > A system that looks at single frames, and takes the mean or the maximum of its predictions, cannot know which of two frames
# > came first. That is true of the spatial stream, the mean of CNN features, Conv Pooling, TSN, photos and NB-TL. At best they
# > toss a coin, so that half is the most they can reach; they also confuse the pair with other classes, and then have less.
# > (Where a posture is held for longer at one end, the coin is not quite fair.) A system that gets flow, differences or frames
# > in order *can* tell. Whether it does, it has to learn: compare the two ActionFlowNets.
#
# </details>
#
# ## Recap
#
# - A claim is worth what its margin and its seeds are worth. Both were fixed before anything was judged.
# - Where a claim does not hold, the cause is worth more than the verdict: it says what the claim needs to be true.
# - On the same clips the question is less *which network* than *what it gets to see*, and what it has seen before.
# - Costs belong beside accuracies. A point of accuracy that costs ten times as much is worth less.
#
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
viz.quiz("10")

# %% [markdown]
# ## Run it yourself
#
# ```
# .venv/bin/labkit claims                                  # all verdicts
# .venv/bin/labkit study list 10                           # the rows of the comparison
# .venv/bin/labkit study run 10 --rows tsn,tdn --seeds 0   # two of them; what they share is trained once
# ```
#
# Studies that were run on a real data set leave their records beside those of the world: with `-p profile paper
# -p dataset ''` this lesson shows, for each paper, the data set with the most records.
#
# **Try it.** Which system depends most on the family of an action? In a cell of its own:
#
# ```
# differences = {name: of["reversed"] - of["appearance"] for name, of in known.items() if of["reversed"] is not None}
# sorted(differences.items(), key=lambda pair: pair[1])
# ```
#
# Then find the reason in the lesson of the system at either end.
