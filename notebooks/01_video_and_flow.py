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
# # Video and flow
#
# **What you will see**
#
# - a video as what it is to a machine, a tensor, and what gets lost when you take only some of its frames;
# - optical flow: an arrow for every pixel, and why a machine can only ever guess it;
# - three ways to estimate flow, held against the exact truth;
# - what a moving camera does to flow, and how little or much of that a simple subtraction repairs;
# - how flow is handed to a network, and what it costs to store it as JPEG.
#
# **To know beforehand**: Python, and tensors as in [NumPy](https://numpy.org) or [PyTorch](https://pytorch.org).
#
# **Time** about a minute on a two-core laptop. **No paper yet**: this notebook lays the ground that all the others
# stand on. It redraws two figures of [Simonyan & Zisserman (2014)](https://arxiv.org/abs/1406.2199): Fig. 2, the
# components of flow, and Fig. 3, stacking against trajectories.
#
# **On your own clip**: put its path into the cell below, or run, from the folder of the lab,
# `.venv/bin/papermill notebooks/01_video_and_flow.ipynb out.ipynb --cwd notebooks -p video /path/to/clip.mp4`.
# A real clip comes without the truth; the notebook then compares estimators with each other, and where it
# speaks of the puppet it means the lab's own clip.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper: here they only set the size of the clip
dataset = "world"  # the lab's own clips; this notebook reads single clips besides, see video
data_root = ""  # a folder that video is relative to
video = ""  # path of a clip; empty: a puppet takes a stroll
start = -1  # first frame to take from the clip; -1: take the middle
seed = 0
device = "cpu"  # or "cuda"

# %%
from labkit import parameters

parameters.check(globals(), dataset=["world"], video=str, start=int)

import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F

from labkit import flow, metrics, viz, world
from labkit.data import read_video, scan
from labkit.views import sampling

sizes = {"smoke": (10, 48, 64), "lesson": (24, 120, 160), "study": (48, 240, 320), "paper": (48, 240, 320)}
length, height, width = sizes[profile]
puppet = world.stroll(seed, frames=length, height=height, width=width)

# %% [markdown]
# ## 1. A video is a tensor
#
# By default you look at a small clip that the lab paints itself: a puppet strolls through a park and waves, and
# the camera follows it by hand. Because every limb is a rigid piece, the program knows where each pixel goes.
# With a clip of your own, the notebook takes some consecutive frames and shrinks them, so that the shorter side
# has as many pixels as the puppet's clip is high.

# %%
if video:
    path = Path(parameters.user_path(data_root, video))
    info = scan(path)
    first = start if start >= 0 else max(0, (info.num_frames - length) // 2)
    last = min(first + length, info.num_frames)
    clip = read_video(path, torch.arange(first, last), short_side=height).frames / 255 if first < last else ()
    fps, truth, what, quality = info.fps, None, f"the clip {path.name}", 90
else:
    clip, fps, truth, what, quality = puppet.frames / 255, 8.0, puppet, "a puppet that strolls and waves", None
if len(clip) < 8:
    raise ValueError(
        f"this notebook needs at least 8 frames; got {len(clip)}: choose a longer clip or an earlier start"
    )
clip = clip.to(device)
print(f"{what}: {tuple(clip.shape)}, {clip.dtype}, {fps:.4g} frames per second")
print("time, channels (red, green, blue), height, width")

# %% [markdown]
# Play it. Tab to the player or click its picture; then space starts and stops, and the arrow keys step.
# Everything the player shows is already in the page, so it also works where no Python runs.

# %%
viz.ClipPlayer({"image": viz.Layer(clip, alt=what)}, title="The clip", alt=f"Shows {what}.", fps=fps, quality=quality)

# %% [markdown]
# A tensor can be cut along any axis. The usual cut gives frames.

# %%
few = sampling.equally_spaced(len(clip), 6)
viz.frame_strip(
    clip[few],
    labels=[f"t = {t}" for t in few.tolist()],
    title="Cut across time: frames",
    alt=f"Six frames of {what}.",
)

# %% [markdown]
# Cut along time instead: fix one row of pixels and let time run downwards. What stands still draws a vertical
# line, what moves draws a slanted one, and the slant is its speed.
#
# **Before you look:** in the puppet's clip the row goes through the waving arm. What does the arm draw, and
# what do the trees, while the camera moves?

# %%
arm = puppet.part == puppet.names.index("right forearm")
row = int(arm.any(2).sum(0).argmax()) if truth else clip.shape[-2] // 2  # the row that the forearm crosses most often
thick = max(1, clip.shape[-2] // len(clip))
slice_xt = clip[:, :, row].movedim(0, 1)  # (3, T, W)
marked = clip[len(clip) // 2].clone()
marked[:, row] = torch.tensor([1.0, 0.85, 0.1], device=device)[:, None]
viz.picture_grid(
    [marked, slice_xt.repeat_interleave(thick, dim=1)],
    labels=["one frame, the row marked", f"that row, from t = 0 (top) to t = {len(clip) - 1} (bottom)"],
    title="Cut along time: an x-t slice",
    alt="Left a frame with one row of pixels marked. Right this row at every moment, stacked downwards: what moves "
    "draws slanted or wavy bands.",
)

# %% [markdown]
# > In the puppet's clip the arm draws a zigzag, the wave; the trees draw slanted bands, the pan of the camera.
# > Nothing in a single frame tells you that any of it moves: motion lives between the frames, and to find it is
# > what the rest of this notebook is about.
#
# ## 2. What sampling loses
#
# No network looks at every frame of every video. Here are the rules of some papers, scaled to this short clip,
# on one time line. They are pure functions from a length to indices, and none of them invents a frame.

# %%
seconds = min(2.0, len(clip) / fps)
generator = torch.Generator().manual_seed(seed)
rules = {
    "equally spaced (02: 25 frames)": sampling.equally_spaced(len(clip), len(clip) // 2),
    f"first {seconds:.2g} s (03: 10 frames of 2 s)": sampling.over_first_seconds(len(clip), fps, n=4, seconds=seconds),
    "3 segments, centre (07, testing)": sampling.tsn_segments(len(clip), 3),
    "3 segments, random (07, training)": sampling.tsn_segments(len(clip), 3, generator=generator),
    f"{fps / 4:.3g} frames per second (05: 1 or 6)": sampling.at_frame_rate(len(clip), fps, fps / 4),
}
viz.timeline(
    rules,
    length=len(clip) - 1,
    x_title="frame",
    title="Which frames each rule picks<br>in brackets the paper's notebook and its own numbers",
    alt="Five time lines with dots: equally spaced frames, frames of the first seconds, the middle and a random "
    "place of three segments, and a lower frame rate.",
)

# %% [markdown]
# A low frame rate does not just drop detail, it can show another motion. Below, the x-t slice of the puppet
# once more, as it looks when only every second, fourth or eighth frame is taken and each is held until the next
# one comes.
#
# **Before you look:** the arm swings with a period of eight frames. What will it seem to do at one frame in
# eight?

# %%
waving = puppet.frames[:, :, int(arm.any(2).sum(0).argmax())].movedim(0, 1)  # (3, T, W)
frames = torch.arange(length)
held = {stride: waving[:, frames // stride * stride].repeat_interleave(thick, dim=1) for stride in (1, 2, 4, 8)}
viz.picture_grid(
    list(held.values()),
    labels=["every frame", "1 frame in 2", "1 frame in 4", "1 frame in 8"],
    title="The puppet's wave at lower frame rates",
    alt="The x-t slice of the puppet's arm at four frame rates: a zigzag at first, then coarser steps; at one frame in "
    "eight a straight band is left.",
)

# %% [markdown]
# > At one frame in eight the hand no longer waves: it is caught at the same point of every swing, and only
# > drifts along with the body. This is aliasing, the reason why a wheel on film can seem to stand still. At the
# > clip's 8 frames per second it is the rate of 1 frame per second that paper 05 takes from long videos. The
# > paper knows what that costs and brings motion back by another way: as flow.
#
# ## 3. What flow is
#
# Optical flow is a vector for every pixel: from where the point is in this frame to where it is in the next,
# `(dx, dy)` in pixels, x to the right and y down. A field has the shape `(2, H, W)`.
#
# For the puppet the field is known exactly. For your own clip we take an estimate by TV-L1, which section 5
# explains.

# %%
estimated = flow.tvl1(clip[:-1], clip[1:])  # (T-1, 2, H, W), all pairs at once
field = truth.forward.to(device) if truth else estimated
kind = "exact" if truth else "estimated"
top = viz.typical_speed(field)  # one colour scale for all pictures of this field
print(f"{kind} flow: {tuple(field.shape)}, {field.dtype}")
print(f"99 % of the vectors are shorter than {top:.1f} pixels, the longest has {field.norm(dim=1).max():.1f}")

# %% [markdown]
# We look at one moment more closely: one with much motion, but no cut. Flow means nothing across a cut, and
# between two copies of a frame there is none. Films have both: whoever brings 25 frames a second to 30 shows
# every fifth one twice. What counts as much or little change depends on the clip, so each step is compared with
# the livelier ones.

# %%
change = clip.diff(dim=0).abs().mean((1, 2, 3))  # (T-1,)
lively = change.quantile(0.75)
for steps, word in ((change > 4 * lively + 0.02, "a cut"), (change < 0.1 * lively + 1e-4, "two copies of one frame")):
    if steps.any():
        print(
            f"{int(steps.sum())} of {len(steps)} steps look like {word}: after frame", *steps.nonzero()[:, 0].tolist()
        )
t = int(change.argsort()[len(change) * 3 // 4])
print(f"the moment: frames {t} and {t + 1}")

# %%
viz.quiver(
    clip[t],
    field[t],
    spacing=max(4, clip.shape[-2] // 18),
    title=f"Flow as arrows<br>frame {t}, {kind}, drawn to scale",
    alt="Arrows on the frame, each from a pixel to where its point is in the next frame.",
)

# %% [markdown]
# Arrows need room. The field's usual picture gives every pixel a colour: hue is direction, saturation is speed,
# white is rest. The wheel on the right is the legend.

# %%
viz.flow_fields(
    {f"frame {i}": field[i] for i in sorted({max(0, t - 4), t, min(len(field) - 1, t + 4)})},
    max_speed=top,
    title=f"Flow as colour<br>{kind}",
    alt="Flow fields of three moments as colours. In the puppet's clip limbs stand out from the body, and the background "
    "has the colour of the camera's motion.",
)

# %% [markdown]
# A network gets neither arrows nor colours but two numbers for every pixel: the horizontal and the vertical
# component. This is Fig. 2 (d) and (e) of Simonyan & Zisserman on our clip, in colour where theirs is grey.

# %%
viz.flow_components(
    field[t],
    title="The two components of a flow field<br>after Simonyan & Zisserman, Fig. 2 (d, e)",
    alt="Left the horizontal component, right the vertical one, both on one signed scale from blue over white to brown.",
)

# %% [markdown]
# Now all of it moving. Choose an overlay with the buttons, or in the focused player with the keys 1 to 4. The
# trajectories follow points through the whole clip, from field to field.

# %%
points = torch.cartesian_prod(
    torch.arange(6, clip.shape[-1] - 1, clip.shape[-1] // 12), torch.arange(6, clip.shape[-2] - 1, clip.shape[-2] // 8)
).to(field)
tracks = flow.trajectories(field, points)  # (N, T, 2)
wheel, rim = viz.colour_wheel(48), f"colour: direction; rim of the wheel: {top:.2g} pixels per frame"
speed = field.norm(dim=1)  # (T-1, H, W)
overlays = {
    "image": viz.Layer(clip, alt=what),
    "flow": viz.Layer(viz.flow_to_rgb(field, top), rim, alt=f"flow of {what} as colour", key=wheel),
    "speed": viz.Layer(
        viz.heat_to_rgb(speed, 0, top),
        f"dark blue: at rest; yellow: {top:.2g} pixels per frame or more",
        alt=f"speed of every pixel of {what}",
    ),
    "trajectories": viz.Layer(
        clip, "the paths of points since the first frame", alt="paths over the clip", tracks=tracks
    ),
}
viz.ClipPlayer(overlays, title=f"Flow, {kind}", alt=f"Motion of {what}.", fps=fps, quality=quality)

# %% [markdown]
# ## 4. Why flow has to be guessed
#
# ### Brightness constancy
#
# A camera records brightness, not motion. To get from one to the other, all estimators in this notebook assume
# that a point keeps its brightness while it moves:
#
# $$I(x + u,\; y + v,\; t + 1) = I(x, y, t)$$
#
# If that holds, the first frame can be rebuilt from the second: read the second frame at the place each pixel
# has moved to. This is called backward warping.
#
# **Before you look:** where will the rebuilt frame differ from the true one?

# %%
now, then = clip[t], clip[t + 1]
rebuilt, inside = flow.backward_warp(then, field[t])
difference = {
    "frames left as they are": (then - now).abs().mean(0) * 255,
    "second frame warped back": (rebuilt - now).abs().mean(0) * 255,
}
viz.heat_maps(
    difference,
    unit="brightness levels of 255",
    limit=60,
    title="How well does flow explain the change?",
    alt="Left the difference of two neighbouring frames: bright at every moving edge. Right the difference after "
    "warping: what stays are outlines of moving things and the patches they cover.",
)

# %%
before, after = (image[inside].mean().item() for image in difference.values())
print(f"mean difference: {before:.2f} of 255 as they are, {after:.2f} after warping")

# %% [markdown]
# What is left has three causes. Between pixels the frame has to be interpolated, which softens fine texture. A
# pixel on an outline mixes two things that move differently, and can follow only one. And some points have no
# partner at all: they get covered by something, or leave the picture. Nothing can be read there.
#
# If flow is known in both directions, such points give themselves away: going there and coming back does not
# lead home.

# %%
backward = truth.backward.to(device) if truth else flow.tvl1(clip[1:], clip[:-1])
checked = flow.occlusion_mask(field[t], backward[t])
masks = {"forward-backward check": checked} | ({"exact": truth.occluded[t].to(device)} if truth else {})
shade = torch.tensor([0.84, 0.37, 0.0], device=device)[:, None, None]
viz.picture_grid(
    [torch.where(mask, shade, now * 0.6 + 0.4) for mask in masks.values()],
    labels=list(masks),
    title=f"Points without a partner<br>{kind} flow in both directions",
    alt="The frame, paler, with coloured pixels along outlines and borders of the picture: points that disappear. Next to "
    "it, where there is a truth, the exact ones.",
)

# %%
if truth:
    both = checked & masks["exact"]
    print(f"exact: {int(masks['exact'].sum())} pixels; the check finds {int(both.sum())} of them", end=" ")
    print(f"and marks {int(checked.sum() - both.sum())} others")

# %% [markdown]
# > The check is strict: besides points that disappear it marks pixels next to an outline, where the flow that
# > leads back is a mixture of two, and everything that leaves the outermost pixel centres.
#
# ### The aperture problem
#
# Three striped cards slide behind a hole: one to the right, one down, one diagonally.
#
# **Before you play:** can you tell which is which? Decide with the hole in place, then switch the screen off.

# %%
velocities = {"A": (1.0, 0.0), "B": (0.0, 1.0), "C": (0.5, 0.5)}
holes = {name: world.aperture(v, frames=12) for name, v in velocities.items()}
cards = {name: world.aperture(v, frames=12, hole=False) for name, v in velocities.items()}
panels = [
    viz.Panel(
        name,
        {
            "through the hole": viz.Layer(holes[name].frames, alt="diagonal stripes move behind a round hole"),
            "screen off": viz.Layer(cards[name].frames, alt=f"the card moves by {velocities[name]} pixels per frame"),
        },
    )
    for name in velocities
]
viz.ClipPlayer(
    *panels,
    title="Three cards behind a hole",
    alt="Three striped cards move in three directions. Through the hole all three look the same.",
    fps=8,
)

# %% [markdown]
# Nobody can: through the hole they are not just similar, they are equal, pixel by pixel. Whatever looks only
# through the hole must give one answer for all three, and it can be right for one of them at most.

# %%
y, x = torch.meshgrid(torch.arange(96) - 47.5, torch.arange(96) - 47.5, indexing="ij")
core = torch.hypot(x, y) < 96 * world.HOLE
answers = {name: flow.tvl1(hole.frames[5], hole.frames[6]) for name, hole in holes.items()}
fields = {f"{name}, exact": hole.forward[5] for name, hole in holes.items()}
fields |= {f"{name}, estimated": answer for name, answer in answers.items()}
viz.flow_fields(
    {label: torch.where(core, each, 0) for label, each in fields.items()},
    columns=3,
    max_speed=1.0,
    title="What an estimator says about the three cards<br>only the hole is shown",
    alt="Above three discs in three colours: the true motions. Below three discs of one colour: the estimates.",
)

# %%
for name, hole in holes.items():
    assert torch.equal(hole.frames[:, :, core], holes["A"].frames[:, :, core])
    dx, dy = answers[name][:, core].mean(-1).tolist()
    print(f"{name} moves by {velocities[name]}, the estimate in the hole is ({dx:.2f}, {dy:.2f})")

# %% [markdown]
# > One answer for all: the motion **across** the stripes, the only part that can be seen. Of the card that
# > moves to the right, half its motion runs along the stripes and is lost. For C, which moves straight across,
# > the answer is right but for a little: the rim of the hole, which stands still, holds it back.
#
# The reason shows when brightness constancy is written down for a small motion. There, a picture may be
# replaced by its slope: $I(x + u, y + v, t + 1) \approx I + I_x u + I_y v + I_t$, where $I_x$ and $I_y$ are
# differences between neighbouring pixels and $I_t$ is the difference between the frames. What has to hold is
# then
#
# $$I_x u + I_y v + I_t = 0$$
#
# One equation for two unknowns: a line in the plane of velocities, and every point on it explains what this
# pixel sees. More pixels help only if their lines cross. To see when they do, we take three places of the clip,
# found by how much the brightness around them changes in one direction and in two.

# %%
larger, smaller = flow.structure_tensor_eigenvalues(now)  # change along the strongest direction, and across it
safe = F.pad(torch.ones(clip.shape[-2] - 16, clip.shape[-1] - 16), (8, 8, 8, 8)).bool().to(device)  # off the border
safe &= ~F.max_pool2d(checked[None].float(), 9, 1, 4)[0].bool()  # where nothing disappears nearby
scores = {"A: flat": -larger, "B: edge": larger - 5 * smaller, "C: corner": smaller}
best = {name: int(torch.where(safe, score, -torch.inf).argmax()) for name, score in scores.items()}
places = {name: (index % clip.shape[-1], index // clip.shape[-1]) for name, index in best.items()}
viz.marked_places(
    now,
    places,
    window=7,
    title="Three places<br>windows of 7 x 7 pixels",
    alt="The frame with three small squares: on a flat patch, on an edge and on a corner.",
)

# %% [markdown]
# Now try every velocity on each window, and see how badly it explains the next frame.
#
# **Before you look:** what shape has the error of each?

# %%
reach = max(4.0, *(field[t, :, v, u].abs().max().item() + 1 for u, v in places.values()))
surfaces = {name: flow.matching_error(now, then, place, reach) * 255 for name, place in places.items()}
crosses = {name: tuple(((field[t, :, v, u] / reach + 1) * 20).tolist()) for name, (u, v) in places.items()}
viz.heat_maps(
    surfaces,
    unit="levels of 255",
    marks=crosses,
    title="How badly each velocity explains a window"
    f"<br>across: dx, down: dy, from -{reach:.2g} to {reach:.2g} pixels per frame; cross: the {kind} flow",
    alt="Three error maps over velocities. Flat: low everywhere. Edge: a long valley. Corner: one pit.",
)

# %% [markdown]
# > Flat: anything goes. Edge: a valley, and the flow lies somewhere along it. Corner: one pit. Only corners pin
# > the motion down; everywhere else an estimator must add an assumption of its own. Estimators differ in which.
#
# ## 5. Three estimators
#
# - **Farnebäck** ([2003](https://doi.org/10.1007/3-540-45103-X_50)) fits a parabola to the brightness around every
#   pixel and asks how it has shifted. Assumption: a neighbourhood moves as one.
# - **DIS** ([Kroeger et al. 2016](https://arxiv.org/abs/1603.03590)) searches for matching patches on a coarse
#   grid, from small pictures to large ones, then smooths. Fast.
# - **TV-L1** ([Zach et al. 2007](https://doi.org/10.1007/978-3-540-74936-3_22)) looks for the field that explains
#   the brightness and jumps as little as possible: the sum of all its jumps, its total variation, should be small.
#   So it is flat in patches, with sharp borders where the pictures ask for them. The lab's own version, in PyTorch,
#   takes all pairs of a clip at once.
#
# Simonyan & Zisserman used yet another, Brox et al. (2004). TV-L1 became usual in later two-stream work.
#
# **Before you play:** think of section 4. Where can none of them know the answer? Watch these places; then
# switch to the error.

# %%
estimates = {"Farnebäck": flow.farneback(clip[:-1], clip[1:]), "DIS": flow.dis(clip[:-1], clip[1:]), "TV-L1": estimated}
if truth:
    errors = {name: metrics.end_point_error_map(each, field) for name, each in estimates.items()}
else:  # without a truth: how far each is from the mean of all three
    mean = torch.stack(list(estimates.values())).mean(0)
    errors = {name: metrics.end_point_error_map(each, mean) for name, each in estimates.items()}
panels = (
    [viz.Panel("exact", {"flow": viz.Layer(viz.flow_to_rgb(field, top), rim, "exact flow", wheel)})] if truth else []
)
for name, each in estimates.items():
    scale = f"dark blue: none; yellow: {top / 2:.2g} pixels or more"
    error = viz.Layer(viz.heat_to_rgb(errors[name], 0, top / 2), scale, f"error of {name}: bright at outlines")
    panels.append(viz.Panel(name, {"flow": viz.Layer(viz.flow_to_rgb(each, top), rim, name, wheel), "error": error}))
viz.ClipPlayer(
    *panels,
    title="Three estimators" + (" and the truth" if truth else ""),
    alt="Flow by three estimators in one colour scale. They blur, or lose, what is thin and fast.",
    fps=fps,
    start=t,
    quality=90,
)

# %% [markdown]
# The usual measure is the end-point error (EPE): how far, in pixels, the estimated arrow ends from the true
# one. With a truth at hand we can say where the error sits; without one, only how far each estimator is from
# the mean of all.

# %%
body = puppet.part[:-1] >= puppet.names.index("left hand")  # the first part of the puppet; before it the scenery
areas = {"background": ~body, "puppet": body, "hidden in the next frame": puppet.occluded}
if not truth:
    areas = {"everywhere": torch.ones_like(speed, dtype=torch.bool)}
rows = errors | ({"guess: no motion": speed} if truth else {})
table = {
    area: {name: row[where.to(device)].mean().item() for name, row in rows.items()} for area, where in areas.items()
}
viz.bar_chart(
    table,
    x_title="estimator",
    y_title="EPE (pixels)" if truth else "distance from the mean (pixels)",
    title="Mean end-point error by area" if truth else "How far the estimators are apart",
    alt="Mean errors.",
)

# %%
if truth:
    lost = table["hidden in the next frame"]
    worse = [name for name in estimates if lost[name] > lost["guess: no motion"]]
    print("worse than the guess that nothing moves, at points that disappear:", ", ".join(worse) or "none")

# %% [markdown]
# > The error gathers at the seams between things that move differently. Farnebäck and DIS smear the motion of
# > the limbs into the background around them; TV-L1 keeps the outlines but loses what is thin and fast. Points
# > that disappear are the hardest: there is nothing to measure, and what an estimator puts there, the motion of
# > whatever covers the point, is easily worse than no motion at all.
#
# ## 6. A moving camera, and mean subtraction
#
# When the camera moves, everything moves; and near things pass faster than far ones, which is called parallax.
# Simonyan & Zisserman meet this with the simplest means there is: subtract from every flow field its mean
# vector (their section 3.1). To see what that does, we let the puppet walk twice: before a camera on a tripod,
# and before one that shakes two and a half times as much as in the clip above.
#
# **Before you play:** what can one vector per frame repair, and what not? And what does it do where the camera
# stands still?

# %%
shots = {"camera on a tripod": 0.0, "camera by hand": 2.5}
scenes = {n: world.stroll(seed, frames=length, height=height, width=width, camera=c) for n, c in shots.items()}
shared = max(viz.typical_speed(scene.forward) for scene in scenes.values())
legend = f"colour: direction; rim: {shared:.2g} pixels per frame"


def before_and_after(frames: torch.Tensor, fields: torch.Tensor, fastest: float, caption: str) -> dict[str, viz.Layer]:
    """The overlays of a panel: image, flow, flow without its mean."""
    centred = flow.mean_flow_subtraction(fields)
    return {
        "image": viz.Layer(frames, alt="the clip"),
        "flow": viz.Layer(viz.flow_to_rgb(fields, fastest), caption, "flow as colour", wheel),
        "flow - mean": viz.Layer(viz.flow_to_rgb(centred, fastest), caption, "flow without its mean", wheel),
    }


viz.ClipPlayer(
    *(viz.Panel(n, before_and_after(s.frames, s.forward, shared, legend)) for n, s in scenes.items()),
    title="What the camera adds, and what mean subtraction takes away",
    alt="The same walk filmed from a tripod and by hand; flow before and after its mean vector is subtracted.",
    fps=8,
    start=length // 3,
    quality=90,
)

# %%
background = {}
for name, scene in scenes.items():
    ground = scene.part[:-1] < scene.names.index("left hand")  # all but the puppet
    background[name] = scene.forward.norm(dim=1)[ground].mean().item()
    centred = flow.mean_flow_subtraction(scene.forward)
    background[f"{name}, mean subtracted"] = centred.norm(dim=1)[ground].mean().item()
viz.bar_chart(
    {"background": background},
    x_title="camera",
    y_title="mean speed (px per frame)",
    title="How fast the background seems to move",
    alt="Mean speed of the background for two cameras, before and after.",
)

# %%
for camera in shots:
    before, after = background[camera], background[f"{camera}, mean subtracted"]
    print(f"{camera}: {before:.2f} pixels per frame, {after:.2f} after the subtraction")

# %% [markdown]
# > Of the moving camera's motion goes what the whole picture shares: its pan. A turn of the camera moves every
# > place differently, and parallax every distance; both stay, and the two numbers above tell how much that is.
# > Where the camera stands still the subtraction does harm, if little: it takes the mean of the puppet's own
# > motion and gives it, reversed, to a background that was at rest. It is a cheap remedy. Earlier work estimated
# > the camera's motion and subtracted that; the paper calls its own way simpler.
#
# The same for the clip of section 1:

# %%
viz.ClipPlayer(
    viz.Panel("", before_and_after(clip, field, top, rim)),
    title=f"Mean subtraction, {kind} flow",
    alt=f"Flow of {what} before and after its mean vector is subtracted.",
    fps=fps,
    start=t,
    quality=quality,
)

# %% [markdown]
# ## 7. How flow is stacked
#
# One field shows one instant. The temporal stream gets L of them as one volume of 2L channels. The paper fills
# it in three ways; `tau` is the frame that the volume belongs to.
#
# - **Optical flow stacking**, eq. (1): channel pair k holds the flow of frame tau + k - 1 *at the same place*.
# - **Trajectory stacking**, eq. (2): channel pair k holds that flow *at the place the point has got to by
#   then*.
# - **Bi-directional**: half of the fields look ahead from tau, half look back. In the lab the forward half
#   comes first, and both run outwards from tau.
#
# Mean subtraction, from section 6, can be put on top of each.

# %%
L = min(10, len(field) // 2 * 2)
tau = min(t, len(field) - L)
middle = tau + L // 2  # in the middle of the same fields, so that it can look both ways
volumes = {
    "stacking": flow.optical_flow_stacking(field[tau : tau + L]),
    "trajectories": flow.trajectory_stacking(field[tau : tau + L]),
    "bi-directional": flow.bidirectional_stacking(field[middle : middle + L // 2], backward[middle - L // 2 : middle]),
    "stacking - mean": flow.mean_flow_subtraction(flow.optical_flow_stacking(field[tau : tau + L])),
}
for name, volume in volumes.items():
    print(f"{name:16} {tuple(volume.shape)} = 2L channels, height, width")

# %%
assert all(volume.shape[0] == 2 * L for volume in volumes.values())
assert torch.equal(volumes["stacking"][:2], volumes["trajectories"][:2])  # at first both look at the same place

# %% [markdown]
# First, where the two ways read: the same place for L frames (the white dot), or along the path of the point.
# This is the idea of Fig. 3 of the paper, drawn on the clip, for points that travel farther than their
# neighbours.

# %%
grid = flow.pixel_grid(*field.shape[-2:], like=field)
paths = flow.trajectories(field[tau : tau + L], grid)  # (H * W, L + 1, 2)
travelled = paths.diff(dim=1).norm(dim=-1).sum(1).reshape(1, *field.shape[-2:])  # (1, H, W)
margin, near = clip.shape[-2] // 8, max(3, clip.shape[-2] // 12)
travelled = F.pad(travelled[:, margin:-margin, margin:-margin], (margin,) * 4)  # off the border
peaks = (travelled == F.max_pool2d(travelled, 2 * near + 1, 1, near)) & (travelled > travelled.max() / 4)
viz.trajectory_plot(
    clip[tau],
    paths[peaks.flatten()][:12],
    title=f"Where trajectory stacking reads<br>L = {L} fields from frame {tau}; stacking stays at the white dot",
    alt="Paths drawn over the first frame, from a white dot where a point starts to a square where it ends.",
)

# %% [markdown]
# Now the volumes. Each panel below plays through its L channel pairs; switch between the horizontal and the
# vertical component.
#
# **Before you play:** in which volume does the outline of what moves stay in place? And what happens around it?

# %%
limit = viz.typical_speed(torch.stack([volume.unflatten(0, (L, 2)) for volume in volumes.values()]))
ahead = [f"{tau + k} → {tau + k + 1}" for k in range(L)]
both_ways = [f"{middle + k} → {middle + k + 1}" for k in range(L // 2)]
both_ways += [f"{middle - k} → {middle - k - 1}" for k in range(L // 2)]
grey = f"white: {limit:.2g} pixels per frame, black: -{limit:.2g}, grey: at rest"
panels = []
for name, volume in volumes.items():
    halves = {"dx": volume[0::2], "dy": volume[1::2]}
    layers = {axis: viz.Layer(viz.signed_to_rgb(half, limit), grey, f"{axis}, {name}") for axis, half in halves.items()}
    panels.append(viz.Panel(name, layers, labels=both_ways if name == "bi-directional" else ahead))
viz.ClipPlayer(
    *panels,
    title=f"Four input volumes, {L} channel pairs each",
    alt="Four ways to fill the input of the temporal stream, played through their channel pairs; grey is no motion.",
    fps=4,
    quality=90,
)

# %% [markdown]
# > With plain stacking the outline walks through the volume. With trajectories the puppet's torso keeps its place,
# > but around arms and legs the picture tears: a background point that gets covered is carried off by the limb in
# > front of it. That may be one reason why trajectories gained nothing. In the paper (Table 1b,
# > [UCF-101](https://www.crcv.ucf.edu/research/data-sets/ucf101/) split 1, with mean subtraction) one field reaches
# > 73.9 %, five 80.4 %, ten 81.0 %; ten along trajectories 80.2 %. Notebook 02 builds the networks.
#
# ## 8. What it costs to store flow
#
# Estimating flow takes longer than reading it, so everybody stores it; and as floating point it is large, 1.5
# terabytes for the 13,000 short clips of UCF-101. Simonyan & Zisserman rescale each field to the range 0 to 255
# and store it as JPEG, which brings this down to 27 gigabytes (both numbers are the paper's). Here is the price
# on our fields.

# %%
raw = field[0].numel() * 4 / 1000  # kilobytes as floating point
stored, reloaded = {}, {}
with tempfile.TemporaryDirectory() as folder:
    for quality in (50, 70, 80, 90, 95, 100):
        path = Path(folder) / f"quality_{quality}.flow"
        flow.save_flow(path, field.cpu(), quality=quality)
        reloaded[quality] = flow.load_flow(path)
        stored[quality] = path.stat().st_size / len(field) / 1000
lost = {quality: metrics.end_point_error(each, field.cpu()).item() for quality, each in reloaded.items()}
viz.line_chart(
    {"range of each field + JPEG": (list(stored.values()), list(lost.values()))},
    x_title=f"kilobytes per field (as floating point: {raw:.0f})",
    y_title="error (EPE, pixels)",
    title="The price of JPEG<br>from left to right: quality " + ", ".join(map(str, stored)),
    alt="; ".join(f"quality {q}: {stored[q]:.1f} kB, {lost[q]:.3f} px" for q in stored),
)

# %%
print(f"quality 90: {raw / stored[90]:.0f} times smaller; the paper's {1500 / 27:.0f} times")
print(
    f"mean error {lost[90]:.3f} pixels, the largest {metrics.end_point_error_map(reloaded[90], field.cpu()).max():.2f}"
)
assert lost[100] <= lost[50]

# %%
viz.heat_maps(
    {
        "a tenth of the speed": speed[t] / 10,
        "error at quality 90": metrics.end_point_error_map(reloaded[90][t], field[t].cpu()),
    },
    unit="pixels",
    limit=top / 10,
    title="Where JPEG hurts",
    alt="Left a tenth of the speed of the field, right the error after storing: blocks of 8 x 8 pixels along the outlines of what moves.",
)

# %% [markdown]
# > Errors gather where flow jumps, for JPEG likes what is smooth; elsewhere they are small beside the errors of
# > section 5. A field without any motion comes back exactly so (below), because each field keeps its own range.
# > With one fixed range for all fields small motions get few of the 256 levels: paper 05, for one, cuts at ±40
# > pixels.

# %%
still = torch.zeros(1, 2, *field.shape[-2:])
with tempfile.TemporaryDirectory() as folder:
    flow.save_flow(Path(folder) / "still.flow", still)
    assert torch.equal(flow.load_flow(Path(folder) / "still.flow"), still)
print("a field at rest comes back at rest, to the last bit")

# %% [markdown]
# ## What to take home
#
# - A video is a tensor; motion is what its frames do not show one by one. Sampling decides which motion is
#   left.
# - Flow is an arrow per pixel. Brightness alone does not determine it: one equation, two unknowns.
# - Estimators fill the gap with assumptions, and fail where these break: at outlines and where things
#   disappear.
# - A camera's pan can be subtracted; its turns and the parallax stay.
# - A temporal stream sees L fields as 2L channels: read in place or along paths, ahead or both ways.
# - As JPEG, flow takes a few per cent of its size, and loses most where it jumps.
#
# **Try it.** Set `seed = 1`, or `video` to a clip of yours, and run again. What does your clip make of section
# 5?
#
# **Next:** [02_two_stream](02_two_stream.ipynb), where a network gets these volumes as its only food.
