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
# Welcome to **labkit**. In this lab you take apart the papers that taught machines to understand video: you run
# them, look inside, change one thing and see what happens.
#
# **What you will see here**
#
# - what the lab is made of, and how its notebooks are meant to be read;
# - whether this computer is ready;
# - a first taste of each paper in one picture, made from a single short clip.
#
# **To know beforehand**: a little Python. From the second paper on it helps to know what a convolutional network is.
#
# **Time** half a minute.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # the lab's own clips; the papers' notebooks also read real data sets
data_root = ""  # where a real data set lies; not needed here
seed = 0
device = "cpu"  # or "cuda"; this notebook computes little

# %%
from labkit import parameters

parameters.check(globals(), dataset=["world"])

import torch

from labkit import doctor, flow, viz, world

sizes = {"smoke": (10, 48, 64), "lesson": (24, 120, 160), "study": (24, 120, 160), "paper": (24, 120, 160)}
length, height, width = sizes[profile]

# %% [markdown]
# ## Somebody waves at you
#
# This clip comes from no camera. The lab paints it, limb by limb, and therefore knows everything about it:
# which pixel belongs to which part and where each goes next. Change `seed` in the cell above, and somebody else
# comes along.
#
# Press play. Then choose an overlay: with the buttons, or, once the player has the focus (tab to it, or click
# its picture), with the keys 1 to 3.

# %%
scene = world.stroll(seed, frames=length, height=height, width=width)
fps = 8.0
speed = scene.forward.norm(dim=1)
top = viz.typical_speed(scene.forward)
viz.ClipPlayer(
    {
        "image": viz.Layer(scene.frames, alt="a puppet waves"),
        "flow": viz.Layer(
            viz.flow_to_rgb(scene.forward, top),
            caption=f"colour: direction; rim of the wheel: {top:.2g} pixels per frame",
            key=viz.colour_wheel(48),
            alt="flow as colour",
        ),
        "speed": viz.Layer(
            viz.heat_to_rgb(speed, 0, top),
            caption=f"dark blue: at rest; yellow: {top:.2g} pixels per frame or more",
            alt="speed as colour",
        ),
    },
    title="A stroll through the park",
    alt="A puppet strolls to the right through a park and waves, while the camera follows.",
    fps=fps,
)

# %% [markdown]
# ## A world of puppets
#
# The lab has a whole world of such clips to learn from: actions, meetings of two puppets, long clips, stills,
# pairs of frames, places. Here is one moment of each action.
#
# **Before you look at the names:** which ones can you tell from a single picture, and which would you have to
# see move?

# %%
side, clip_length = (48, 8) if profile == "smoke" else (112, 16)
actions = world.Actions(seed=seed, size=side, frames=clip_length, groups=3, clips=1)
meetings = world.Interactions(seed=seed, size=side, groups=3, clips=1)
moments = [
    clips[clips.names.index(f"{name}_g01_c01")].frames([clips.num_frames // 2])[0]
    for clips in (actions, meetings)
    for name in clips.classes
]
viz.picture_grid(
    moments,
    columns=6,
    labels=[name.replace("_", " ") for name in (*actions.classes, *meetings.classes)],
    title="One moment of each action",
    alt="Twenty-two pictures of puppets in forests, kitchens, on stages and streets, each in the middle of an action.",
)

# %% [markdown]
# Now let six of them move, and then look at their motion alone.

# %%
shown = ("hammer", "chop", "walk_left", "walk_right", "sit_down", "stand_up")
clips = {name: actions[actions.names.index(f"{name}_g02_c01")] for name in shown}
panels = []
for name, clip in clips.items():
    motion = viz.flow_to_rgb(clip.flow(range(clip_length - 1)), 4.0)
    legend = "hue: direction; rim of the wheel: 4 pixels per frame"
    layers = {"image": clip.frames(range(clip_length)), "flow": viz.Layer(motion, legend, key=viz.colour_wheel(32))}
    panels.append(viz.Panel(name.replace("_", " "), layers))
viz.ClipPlayer(
    *panels,
    title="Six actions",
    alt="Puppets hammer, chop, walk to the left and to the right, sit down and stand up.",
    fps=fps,
)

# %% [markdown]
# > Hammer and chop are one and the same motion: their flow looks much alike, but one frame shows the tool and the
# > place. The two walks are the other way round: a frame hardly tells where somebody is going. To sit down and to
# > stand up have the same postures, in opposite order. The world is made of such pairs, so that every paper has
# > something to be good at. Its [datasheet](../labkit/world/DATASHEET.md) says what it can show and what not.
#
# ## A taste of each paper
#
# Everything below comes from the first clip, but for one picture, and uses no network yet: the bare idea, in raw
# pixels. The papers' own notebooks, which put the networks in, come one by one; the number in front is theirs.
#
# ### 02 · Two-stream networks: *what is there* and *how it moves*
#
# [Simonyan & Zisserman (2014)](https://arxiv.org/abs/1406.2199) use two networks: one sees a single frame, the
# other sees nothing but motion. Every pixel of the right picture says where the point seen there goes: the hue is
# the direction, as on the wheel of the player above. White stands still, and a tint all over is the camera.

# %%
t = length // 3
viz.picture_grid(
    [scene.frames[t], viz.flow_to_rgb(scene.forward[t], top)],
    labels=["what the spatial stream sees", "what the temporal stream sees"],
    title="Two streams",
    alt="Left a frame: a puppet in a park. Right the flow of the same moment in colour: the figure stands out, and where the camera moves the ground has a tint of its own.",
)

# %% [markdown]
# ### 03 · Codes and recurrent networks: *order matters*
#
# Giel & Diaz (2015, a report of Stanford's [CS231n](https://cs231n.stanford.edu)) turn each frame into a code, the
# numbers inside a network that was trained on photos, and read the codes in order with a recurrent network. The two
# strips hold the same frames; an average over time cannot tell them apart, a reader in order can.

# %%
few = torch.linspace(0, length - 1, 6).long()
viz.picture_grid(
    [*scene.frames[few], *scene.frames[few.flip(0)]],
    columns=6,
    labels=[*(f"t = {i}" for i in few.tolist()), *(f"t = {i}" for i in few.flip(0).tolist())],
    title="The same frames, forwards and backwards",
    alt="Two rows of six frames: above the puppet walks to the right, below the same frames in reverse order.",
)

# %% [markdown]
# ### 04 · Local features and VLAD: *a picture as a bag of patches*
#
# [Ng, Yang & Davis (2015)](https://arxiv.org/abs/1504.05133) describe an image by the features of its patches,
# pooled without regard to place; VLAD is their way of pooling. Here is a frame as such a bag: all patches are
# there, but where each belongs is lost (we sorted them by brightness).

# %%
size = height // 6
patches = scene.frames[t].unfold(1, size, size).unfold(2, size, size).flatten(1, 2).movedim(0, 1)  # (N, 3, size, size)
order = patches.float().mean((1, 2, 3)).argsort()
across = width // size
bag = patches[order].unflatten(0, (-1, across)).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)  # (3, H, W)
viz.picture_grid(
    [scene.frames[t], bag],
    labels=["a frame", "its patches, out of place"],
    title="A bag of patches",
    alt="Left a frame, right the same frame cut into square patches that are sorted from dark to bright.",
)

# %% [markdown]
# ### 05 · Full-length video: *pooling over time*
#
# [Ng, Hausknecht et al. (2015)](https://arxiv.org/abs/1503.08909) take the maximum over all frames of what a
# network finds. In raw pixels: for every place, the frame in which it was farthest from its mean. Whatever passed
# by leaves its trace; neighbouring places may remember different moments, which is why the right picture looks
# patched.

# %%
frames = scene.frames.float()
unusual = (frames - frames.mean(0)).abs().sum(1).argmax(0)  # (H, W), a frame index for each place
trace = frames.gather(0, unusual.expand(1, 3, -1, -1))[0] / 255
viz.picture_grid(
    [frames.mean(0) / 255, trace],
    labels=["mean over time", "most unusual moment of each place"],
    title="Pooling over time",
    alt="Left the mean of all frames, blurred where the puppet moves. Right a maximum: ghosts of every pose stand out.",
)

# %% [markdown]
# ### 06 · ActionFlowNet: *seeing where things will go*
#
# [Ng, Choi et al. (2018)](https://arxiv.org/abs/1612.03052) teach a network to predict motion, the future one
# included, to understand actions better. If the motion is known, the next frame can be put together from this one:
# each of its pixels is fetched from where it was.
#
# **Before you look:** what is there to fetch where a hand has just moved away?

# %%
future, _ = flow.backward_warp(frames[t : t + 1], scene.backward[t : t + 1])
viz.picture_grid(
    [scene.frames[t], future[0] / 255, scene.frames[t + 1]],
    labels=["now", "put together from now", "next"],
    title="One step into the future",
    alt="Three frames: now, the next one put together from its pixels, and the true next one. They look almost the same, but in the middle what moved is doubled: a hand, or a leg.",
)

# %% [markdown]
# > Nothing: what gets uncovered was never seen. So the old hand is fetched once more, and the puppet has a
# > ghost of it.
#
# ### 07 · Temporal difference networks: *what has changed?*
#
# Ng & Davis add, at every level of a network, the difference between two frames. On the lowest level it is
# this:

# %%
step = min(3, length - 1 - t)
change = (frames[t + step] - frames[t]) / 510 + 0.5
viz.picture_grid(
    [scene.frames[t], change, scene.frames[t + step]],
    labels=[f"frame {t}", "difference", f"frame {t + step}"],
    title="Differences",
    alt="Two frames with their difference between them: grey where nothing changes, coloured along moving edges.",
)

# %% [markdown]
# ### 08 · Attention transfer: *what photos teach about video*
#
# [Li et al. (2017)](https://arxiv.org/abs/1708.00973) learn from photos on the web and look for the same thing in
# video. Photos are not frames: they are taken closer, often in brighter colours, some in grey, and at the very
# moment that tells.

# %%
photos = world.Stills(of="interactions", seed=seed, size=side, groups=3)
pairs = [
    picture
    for name in meetings.classes
    for picture in (
        photos[photos.names.index(f"{name}_g01_c01")].frames([0])[0],
        meetings[meetings.names.index(f"{name}_g01_c01")].frames([2])[0],
    )
]
viz.picture_grid(
    pairs,
    columns=4,
    labels=[f"{name.replace('_', ' ')}, {kind}" for name in meetings.classes for kind in ("photo", "a frame")],
    title="Photos and frames",
    alt="For each of four meetings of two puppets a posed photo, taken close up, beside a frame of a video in which the puppets still stand apart.",
)

# %% [markdown]
# ### 09 · Negative back-dropout
#
# [Ren et al. (2018)](https://doi.org/10.1049/iet-cvi.2016.0309) remove the neurons that vote for wrong answers.
# That has no picture without a network: it comes with its notebook.
#
# ## How to read a notebook
#
# - It opens with what you will see, what to know beforehand and how long it takes.
# - Before an experiment stands a question. Answer it before you run the cell: being wrong is where the learning
#   is.
# - Numbers of ours stand beside the paper's, and it is always said which are whose. Some claims do not hold
#   here: the notebook then says so, and why.
# - A notebook defines no network and no training loop. Those live in `labkit/`, one file per paper, made to be
#   read.
# - Each figure has a description for screen readers; players work with the keyboard and without Python.
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
# | `lesson` | you: the effects are visible on a laptop | up to three minutes |
# | `study` | every row of every table, on the lab's own world | up to 45 minutes |
# | `paper` | a GPU and the real data: the paper's network and schedule | as the paper |
#
# Change it in the cell, or from outside, in the folder of the lab: `.venv/bin/papermill
# notebooks/01_video_and_flow.ipynb out.ipynb --cwd notebooks -p profile smoke`. `make course` runs all
# notebooks and writes pages that work without Python.
#
# ## Is this computer ready?
#
# The same report comes from `labkit doctor` in a terminal. A missing browser is no harm.

# %%
findings = list(doctor.examine())
print(doctor.report(findings))
assert doctor.healthy(findings), "see the lines marked with a cross: each names the command that mends it"

# %% [markdown]
# ## Where to go
#
# **Next:** [01_video_and_flow](01_video_and_flow.ipynb), the ground on which all the papers stand.
