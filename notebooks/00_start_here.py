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
# # Start here
#
# No paper of its own: a taste of eight papers. (The report of 03 and the paper of 07 have no page of their own that could be linked.)
#
# Welcome to **labkit**. In this lab you take apart papers from which machines learned to understand video: you run them, look
# inside, change one thing and see what happens.
#
# **What you will see here**
#
# - what the lab is made of, and how its notebooks are meant to be read;
# - whether this computer is ready;
# - the idea of each paper in one figure, made from a single short clip.
#
# **To know beforehand**: a little Python. From the second paper on it helps to know what a convolutional network is.
#
# **Time** about half a minute on two cores.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # the lab's own clips; the papers' notebooks also read real data sets
data_root = ""  # where a real data set lies; not needed here
seed = 0
device = "cpu"  # or "cuda"; this notebook computes little

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from labkit import parameters

parameters.check(globals(), dataset=["world"])

import torch

from labkit import doctor, flow, viz
from labkit.studies.start_here import samples
from labkit.studies.video_and_flow import stroll
from labkit.viz.papers import start_here as figures

# %% [markdown]
# ## Somebody waves at you
#
# No camera has recorded this clip. The lab paints it, limb by limb, and therefore knows everything about it: which pixel
# belongs to which part, and where each of them goes next. With another `seed` in the cell above, somebody else comes along.
#
# **Explore.** Press play. Then choose an overlay: with the buttons, or with the keys 1 to 3 once the player has the focus
# (press Tab until you reach it, or click its image).

# %%
scene = stroll(profile, seed)
frames = scene.frames  # (T, 3, H, W)
fields = scene.forward  # (T-1, 2, H, W): an arrow for each pixel
speed = viz.typical_speed(fields)
figures.stroll(frames, fields, speed)

# %% [markdown]
# ## A world of puppets
#
# The lab has a whole world of such clips to learn from: actions, meetings of two puppets, long clips, photos, pairs of frames,
# scenes. Here is one moment of each action, with its name.
#
# **Predict:** which names could you have told from the image alone, and for which would you have to see it move?

# %%
actions, meetings, photos = samples(profile, seed)
figures.actions([actions, meetings])

# %% [markdown]
# **Explore** six of them in motion; then switch to their *optical flow*: each pixel is coloured by the direction and the speed
# in which its point moves, and nothing else is left of the image.

# %%
figures.motions(actions, ["hammer", "chop", "walk_left", "walk_right", "sit_down", "stand_up"])

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Hammering and chopping are the same motion, so their flow looks much alike; but a single frame shows the tool and the
# > scene. With the two walks it is the other way round: a frame hardly tells where somebody is going. Sitting down and
# > standing up have the same postures, in the opposite order. The world is made of such pairs, so that every paper has
# > something to be good at.
#
# </details>
#
# The [datasheet](../labkit/world/DATASHEET.md) of this world says what it can show and what not.
#
# ## A taste of each paper
#
# Everything below, except for one figure, comes from the first clip. No network is used yet, only the bare idea, in raw
# pixels. The networks come in the papers' own notebooks: the number before each heading below is that of its notebook.
#
# ### 02 · Two-stream networks: *what is there* and *how it moves*
#
# [Simonyan & Zisserman (2014)](https://arxiv.org/abs/1406.2199) use two networks: one sees a single frame, the other sees
# nothing but motion. Below on the right, each pixel tells how its point moves: the hue is the direction, as on the wheel of
# the player above. White is at rest, and a tint all over is the camera's motion.

# %%
t = len(frames) // 3
figures.two_streams(frames[t], fields[t], speed)

# %% [markdown]
# ### 03 · CNN features and recurrent networks: *order matters*
#
# A *convolutional neural network* (CNN) turns an image into lists of numbers, its *features*. Giel & Diaz (2015, a report of
# Stanford's [CS231n](https://cs231n.stanford.edu)) take those of each frame from inside a CNN that was trained on photos, and
# read them in order with a recurrent network. The two rows hold the same frames. An average over time cannot tell them apart;
# a recurrent network can.

# %%
times = torch.linspace(0, len(frames) - 1, 6).long()
figures.orders(frames[times], times)

# %% [markdown]
# ### 04 · Local features and VLAD: *an image as a bag of patches*
#
# [Ng, Yang & Davis (2015)](https://arxiv.org/abs/1504.05133) describe an image by the features of its patches, put together
# (*pooled*) without regard to where they are; VLAD, a vector of locally aggregated descriptors, is their way of doing so. Here
# is a frame as such a bag: all its patches are there, but nothing tells where each belongs. (We sorted them by brightness.)

# %%
side = frames.shape[2] // 6
patches = frames[t].unfold(1, side, side).unfold(2, side, side)  # (3, rows, columns, side, side)
patches = patches.flatten(1, 2).movedim(0, 1)  # (N, 3, side, side)
darkest_first = patches.float().mean((1, 2, 3)).argsort()
figures.bag(frames[t], patches[darkest_first])

# %% [markdown]
# ### 05 · Full-length video: *pooling over time*
#
# [Ng, Hausknecht et al. (2015)](https://arxiv.org/abs/1503.08909) take, of each feature of a network, the maximum over all
# frames. In raw pixels: each pixel from the frame in which it differs most from its mean over time. Whatever passes by leaves
# its trace. Neighbouring pixels may remember different moments, which is why the right image looks patched.

# %%
values = frames.float()  # (T, 3, H, W), 0 to 255
moment = (values - values.mean(0)).abs().sum(1).argmax(0)  # (H, W), a frame for each pixel
unusual = values.gather(0, moment.expand(1, 3, -1, -1))[0]  # (3, H, W), each from its own frame
figures.pooled(values.mean(0) / 255, unusual / 255)

# %% [markdown]
# ### 06 · ActionFlowNet: *seeing where things will go*
#
# [Ng, Choi et al. (2018)](https://arxiv.org/abs/1612.03052) train a network to predict motion, the future one included, so
# that it understands actions better. If the motion is known, the next frame can be put together from this one: each pixel is
# fetched from where it was.
#
# **Predict:** what can be fetched where a hand has just moved away?

# %%
future, _ = flow.backward_warp(values[t], scene.backward[t])
figures.prediction(frames[t], future / 255, frames[t + 1])

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Nothing: what gets uncovered was not seen before. So the old hand is fetched once more, and the puppet gets a ghost of it.
#
# </details>
#
# ### 07 · Temporal difference networks: *what has changed?*
#
# Ng & Davis (2018) add, at every level of a network, the difference between two frames. At the lowest level, that of pixels,
# it looks like this; grey means that nothing has changed:

# %%
later = min(t + 3, len(frames) - 1)
figures.difference(frames[t], frames[later], times=(t, later))

# %% [markdown]
# ### 08 · Attention transfer: *what photos teach about video*
#
# [Li et al. (2017)](https://arxiv.org/abs/1708.00973) learn from photos on the web, and look for the same things in video.
# Photos are not frames: they are taken closer, often in brighter colours, some in grey, and at the moment that tells most.

# %%
figures.photos_and_frames(photos, meetings)

# %% [markdown]
# ### 09 · Negative back-dropout
#
# [Ren et al. (2018)](https://doi.org/10.1049/iet-cvi.2016.0309) remove the neurons that vote for wrong answers. There is
# nothing to show of it without a network: it comes in its own notebook.
#
# ## How to read a notebook
#
# - It opens with what you will see, what to know beforehand and how long it takes.
# - **Predict** comes before an experiment. Answer before you run the cell: where you are wrong, you learn most. Some answers
#   are folded below the figure: *What happened* opens them. **Explore** comes before a figure that you can operate, **Try
#   it** before a change that you can make.
# - Our numbers stand beside the paper's, and it is always said which are whose. A number is *live* if this run has measured
#   it, and *recorded* if a longer run did, once for each of several *seeds* (a seed is another world: other actors, scenes and
#   motions). Compare live with live, and recorded with recorded. ↻ marks records that do not judge, and says why: they are
#   older than the present code, or of seeds that were looked at before.
# - A *claim* is something that a paper says, and that we test on the records. Some do not hold here; then the notebook says
#   so, and why.
# - A notebook defines no network and no training loop. They are in `labkit/`, one file for each paper, and are printed from
#   there, to be read.
# - Code that only prepares, such as imports, is folded; open it if you want to see it.
# - Each figure has a description for screen readers. Players can be operated with the keyboard, and work without Python.
#
# > Comments of the lab stand in blocks like this one.
#
# ## Four profiles
#
# Every notebook has one cell of parameters, and `profile` is the first of them.
#
# | profile | for | a notebook takes |
# |---|---|---|
# | `smoke` | tests: everything runs, the numbers mean nothing | half a minute |
# | `lesson` | you: the effects are visible on a laptop | half a minute to three |
# | `study` | every row of every table, on the lab's own world | up to hours |
# | `paper` | a GPU and the real data: the paper's network and schedule | as long as in the paper |
#
# Change it in the cell; or run a notebook from a terminal, in the folder of the lab: `.venv/bin/papermill
# notebooks/01_video_and_flow.ipynb out.ipynb --cwd notebooks -p profile smoke`. With `make course`, all notebooks are run and
# become pages that work without Python.
#
# ## Is this computer ready?
#
# `labkit doctor` prints the same report in a terminal. A missing browser does no harm: only some tests need one. (On a
# published page you see the computer that made the page.)

# %%
findings = list(doctor.examine())
print(doctor.report(findings))
assert doctor.healthy(findings), "each line with a cross names the command that mends it"

# %% [markdown]
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
viz.quiz("00")

# %% [markdown]
# ## Where to go
#
# **Try it.** Set `seed = 1` above, and run the notebook again. Which of the actions look different, and which ideas still
# show?
#
# **Next:** [01_video_and_flow](01_video_and_flow.ipynb), on which most of the other lessons build.
