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
# No paper of its own: this lesson lays the ground for most of the others. Two figures are after Simonyan & Zisserman,
# [*Two-stream convolutional networks for action recognition in videos*](https://arxiv.org/abs/1406.2199), NIPS 2014. The code
# is in [flow/](../labkit/flow) and [sampling.py](../labkit/views/sampling.py), what only this lesson needs in
# [studies/video_and_flow.py](../labkit/studies/video_and_flow.py).
#
# **What you will see here**
#
# - a video as what it is to a machine, a tensor, and what gets lost when only some of its frames are taken;
# - optical flow: an arrow for every pixel, and why a machine can only ever guess it;
# - three ways to estimate flow, compared with the exact truth, and what they make of a clip that was filmed;
# - what a moving camera does to flow, and how much of that a simple subtraction repairs;
# - how flow is handed to a network, and what it costs to store it as JPEG.
#
# **To know beforehand**: Python, and tensors as in [NumPy](https://numpy.org) or [PyTorch](https://pytorch.org).
#
# **Time** about one minute on two cores.
#
# **On your own clip**: put its path into the cell below, or run, from the folder of the lab, `.venv/bin/papermill
# notebooks/01_video_and_flow.ipynb out.ipynb --cwd notebooks -p video /path/to/clip.mp4`. Without an exact flow, the notebook
# then compares estimators with each other; where it speaks of the puppet it means the lab's clip.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper: here they only set the size of the clip
dataset = "world"  # the lab's own clips; a single video is read as well, see video
data_root = ""  # a folder that video is relative to
video = ""  # path of a clip, or "city" or "bunny", which come with the lab; empty: a puppet strolls
start = -1  # first frame to take from the clip; -1: take the middle
seed = 0
device = "cpu"  # or "cuda"

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from labkit import parameters

parameters.check(globals(), dataset=["world"], video=str, start=int)

import torch

from labkit import flow, metrics, viz, world
from labkit.data.films import FILMS
from labkit.studies import video_and_flow as study
from labkit.views import sampling
from labkit.viz import show
from labkit.viz.papers import video_and_flow as figures

# %% [markdown]
# ## 1 · A video is a tensor
#
# The clip is a small one that the lab paints itself: a puppet strolls through a park and waves, and a camera follows, held by
# hand. Every limb is a rigid piece, so the program knows where each pixel goes. From a clip of your own, the notebook takes
# some consecutive frames, and shrinks them until the shorter side has as many pixels as the puppet's clip is high.

# %%
puppet = study.stroll(profile, seed)
path = FILMS.get(video) or (parameters.user_path(data_root, video) if video else "")
footage = study.Footage.of(puppet, path, start=start, device=device)
clip, name, kind = footage.clip, footage.name, footage.kind
print(f"{name}: {tuple(clip.shape)}, {clip.dtype}, {footage.fps:.4g} frames per second")
print("time, channels (red, green, blue), height, width")

# %% [markdown]
# **Explore.** Press Tab until you reach the player, or click its image; then the space bar starts and stops it, and the arrow
# keys step. All that it shows is already in the page, so it also works where no Python runs.

# %%
figures.player(clip, name, **footage.playback)

# %% [markdown]
# A tensor can be cut along any axis. The usual cut gives frames.

# %%
figures.frames(clip, sampling.equally_spaced(len(clip), 6), name)

# %% [markdown]
# Now cut along time: fix one row of pixels, and let time run downwards. What is static draws a vertical line, what moves draws
# a slanted one, and the slant is its speed.
#
# **Predict:** in the puppet's clip the row goes through the waving arm. What does the arm draw, and what do the trees, while
# the camera moves?

# %%
row = footage.row
figures.time_slice(clip, row, clip[:, :, row].movedim(0, 1))  # (3, T, W)

# %% [markdown]
# <details><summary>What happened</summary>
#
# > In the puppet's clip the arm draws a zigzag, the wave; the trees draw slanted bands, the pan of the camera. No single frame
# > tells that anything moves. Motion is between the frames, and how to find it is what the rest of this notebook is about.
#
# </details>
#
# ## 2 · What sampling loses
#
# Networks rarely look at every frame. Here are the rules of some papers, scaled to this short clip. Each is a pure function
# from a length to indices, and none of them invents a frame. The first:

# %%
show(sampling.equally_spaced, docstring=False)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# five rules, with numbers that fit a clip of this length
count, fps, seconds = len(clip), footage.fps, min(2.0, len(clip) / footage.fps)
first_seconds = sampling.over_first_seconds(count, fps, n=4, seconds=seconds)
generator = torch.Generator().manual_seed(seed)
rules = {
    "equally spaced (02: 25 frames)": sampling.equally_spaced(count, count // 2),
    f"first {seconds:.2g} s (03: 10 frames of 2 s)": first_seconds,
    "3 segments, centre (07, testing)": sampling.tsn_segments(count, 3),
    "3 segments, random (07, training)": sampling.tsn_segments(count, 3, generator=generator),
    f"{fps / 4:.3g} frames per second (05: 1 or 6)": sampling.at_frame_rate(count, fps, fps / 4),
}
figures.rules(rules, count)

# %% [markdown]
# A low frame rate does not only drop detail, it can show another motion. Below is the cut along time from section 1 again (an
# *x-t slice*: x to the right, time downwards), if only every second, fourth or eighth frame is taken, and shown until the next
# one comes.
#
# **Predict:** the arm swings with a period of eight frames. What will it seem to do at one frame in eight?

# %%
waving = puppet.frames[:, :, study.arm_row(puppet)].movedim(0, 1)  # (3, T, W)
time = torch.arange(len(puppet.frames))
figures.frame_rates({stride: waving[:, time // stride * stride] for stride in (1, 2, 4, 8)})

# %% [markdown]
# <details><summary>What happened</summary>
#
# > At one frame in eight the hand no longer waves: it is caught at the same point of every swing, and only drifts along with
# > the body. This is aliasing; because of it the wheels of a car can seem static in a movie. At the clip's 8 frames per
# > second, one in eight is 1 frame per second, the rate that paper 05 takes from long videos. The paper knows what that costs,
# > and brings motion back in another way: as flow.
#
# </details>
#
# ## 3 · What flow is
#
# Optical flow is a vector for every pixel: from where its point is in this frame to where it is in the next, `(dx, dy)` in
# pixels, x to the right and y down. A field has the shape `(2, H, W)`. For the puppet the field is known exactly. For a clip
# of your own it is an estimate by TV-L1, which section 5 explains.

# %%
field = footage.forward  # (T-1, 2, H, W)
top = viz.typical_speed(field)  # one colour scale for all figures of this field
print(f"{kind} flow: {tuple(field.shape)}, {field.dtype}")
longest = field.norm(dim=1).max()
print(f"99 % of the vectors are shorter than {top:.1f} pixels, the longest has {longest:.1f}")

# %% [markdown]
# We look at one moment more closely, one with much motion, but without a cut: flow means nothing across a cut. Videos also
# contain copies of frames, between which nothing moves: to turn 25 frames per second into 30, every fifth frame is shown
# twice. How much change is much depends on the clip, so each step is compared with the livelier ones.

# %%
change = clip.diff(dim=0).abs().mean((1, 2, 3))  # (T-1,)
t = int(change.argsort()[len(change) * 3 // 4])
print(*study.odd_steps(change), f"the moment: frames {t} and {t + 1}", sep="\n")
figures.arrows(clip[t], field[t], t, kind)

# %% [markdown]
# Arrows need room. Usually every pixel gets a colour instead: hue is direction, saturation is speed, white is rest.

# %%
figures.moments(field, t, top, kind)

# %% [markdown]
# A network gets neither arrows nor colours but two values for every pixel: the horizontal and the vertical component. This is
# Figure 2 (d) and (e) of Simonyan & Zisserman on our clip, in colour where theirs is grey.

# %%
figures.components(field[t])

# %% [markdown]
# **Explore** all of it in motion. The trajectories follow points through the whole clip, from field to field: each point moves
# by the vector that it finds at its position.

# %%
tracks = flow.trajectories(field, study.spread_points(clip))  # (N, T, 2)
figures.motion(clip, field, tracks, name=name, kind=kind, **footage.playback)

# %% [markdown]
# ## 4 · Why flow has to be guessed
#
# ### Brightness constancy
#
# A camera records brightness, not motion. To get from one to the other, all estimators in this notebook assume that a point
# keeps its brightness while it moves:
#
# $$I(x + u,\; y + v,\; t + 1) = I(x, y, t)$$
#
# If that is true, the first frame can be rebuilt from the second, by reading the second frame where each pixel has moved to.
# This is called backward warping. **Predict:** where will the rebuilt frame differ from the true one?

# %%
show(flow.backward_warp, docstring=False)

# %%
now, then = clip[t], clip[t + 1]
rebuilt, inside = flow.backward_warp(then, field[t])
as_they_are, warped = ((image - now).abs().mean(0) * 255 for image in (then, rebuilt))
before, after = (difference[inside].mean().item() for difference in (as_they_are, warped))
print(f"mean difference: {before:.2f} of 255 as they are, {after:.2f} after warping")
figures.warping(as_they_are, warped)

# %% [markdown]
# What remains has three causes. Between pixels the frame has to be interpolated, which softens fine texture. A pixel on an
# outline mixes two things that move differently, and can follow only one. And some points have no partner at all: something
# covers them, or they leave the image. If flow is known in both directions, such points can be recognised: if you follow the
# flow forward and then the flow back, you do not return to the point where you started.

# %%
show(flow.occlusion_mask, docstring=False)

# %%
hidden = flow.occlusion_mask(field[t], footage.backward[t])  # (H, W)
masks = {"forward-backward check": hidden, **footage.occluded(t)}
print(study.agreement(*masks.values()))
figures.partners(now, masks, kind)

# %% [markdown]
# > The check is strict. It also marks pixels next to an outline, where the flow back is a mixture of two, and at the border.
#
# ### The aperture problem
#
# Three striped cards slide behind a hole: one to the right, one down, one diagonally. **Predict** which is which. Decide with
# the hole in place, then switch the screen off.

# %%
velocities = {"A": (1.0, 0.0), "B": (0.0, 1.0), "C": (0.5, 0.5)}
holes = {card: world.aperture(velocity, frames=12) for card, velocity in velocities.items()}
no_hole = {
    card: world.aperture(velocity, frames=12, hole=False) for card, velocity in velocities.items()
}
figures.cards(*({card: of[card].frames for card in velocities} for of in (holes, no_hole)))

# %% [markdown]
# Nobody can tell: through the hole they are not just similar, they are equal, pixel by pixel. Anything that looks only through
# the hole must give one answer for all three, and that can be right for one of them at most.

# %%
core = study.inside_hole()  # (H, W)
answers = {card: flow.tvl1(hole.frames[5], hole.frames[6]) for card, hole in holes.items()}
for card, hole in holes.items():
    assert torch.equal(hole.frames[:, :, core], holes["A"].frames[:, :, core])
    dx, dy = answers[card][:, core].mean(-1).tolist()
    print(f"{card} moves by {velocities[card]}, the estimate in the hole is ({dx:.2f}, {dy:.2f})")
figures.answers({card: hole.forward[5] for card, hole in holes.items()}, answers, core)

# %% [markdown]
# > One answer for all: the motion **across** the stripes, the only part that can be seen. Of the card that moves to the right,
# > half the motion runs along the stripes and is lost. For C, which moves straight across, the answer is almost right; the
# > edge of the hole, which does not move, holds it back a little.
#
# The reason shows when brightness constancy is written for a small motion. Then the image may be replaced by its slope, where
# $I_x$ and $I_y$ are differences between neighbouring pixels, and $I_t$ is the difference between the frames:
#
# $$I(x + u,\; y + v,\; t + 1) \approx I + I_x u + I_y v + I_t, \qquad \text{so} \qquad I_x u + I_y v + I_t = 0$$
#
# One equation for two unknowns: a line in the plane of velocities, and every point on it explains what this pixel sees. More
# pixels help only if their lines cross. Whether they do is in the *structure tensor*, the mean of the products of these
# differences over a neighbourhood. Its larger eigenvalue says how much the brightness changes in the direction in which it
# changes most, its smaller one how much it changes at right angles to that.

# %%
show(flow.structure_tensor_eigenvalues, docstring=False)

# %%
eigenvalues = flow.structure_tensor_eigenvalues(now)  # (2, H, W), the larger one first
chosen = study.choose_locations(eigenvalues, avoid=hidden)  # both small; one large; both large
figures.locations(now, chosen)

# %% [markdown]
# Now try every velocity at each of the three, and see how badly it explains the next frame. The figures show this error for
# every $(u, v)$. **Predict** for each of the three locations: is it flat, a valley, or a pit?

# %%
true = {location: field[t, :, y, x] for location, (x, y) in chosen.items()}  # (2,) each
reach = max(4.0, *(velocity.abs().max().item() + 1 for velocity in true.values()))
errors = {at: flow.matching_error(now, then, point, reach) * 255 for at, point in chosen.items()}
figures.matching(errors, true, reach, kind)

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Flat: anything fits. Edge: a valley, and the flow lies somewhere along it. Corner: one pit. Only corners determine the
# > motion; everywhere else an estimator must add an assumption of its own. Estimators differ in which.
#
# </details>
#
# ## 5 · Three estimators
#
# - **Farnebäck** ([2003](https://doi.org/10.1007/3-540-45103-X_50)) fits a parabola to the brightness around every pixel, and
#   asks how it has shifted. Assumption: a neighbourhood moves as one.
# - **DIS** ([Kroeger et al. 2016](https://arxiv.org/abs/1603.03590)) searches for matching patches on a coarse grid, from
#   small images to large ones, and then smooths. It is fast.
# - **TV-L1** ([Zach et al. 2007](https://doi.org/10.1007/978-3-540-74936-3_22)) looks for the field that explains the
#   brightness and jumps as little as possible: the sum of all its jumps, its total variation, should be small. So it is
#   constant in patches, with sharp borders where the images ask for them. The lab's own is [tvl1.py](../labkit/flow/tvl1.py).
#
# Simonyan & Zisserman used yet another, Brox et al. (2004). TV-L1 became usual in later two-stream work.
#
# **Predict:** think of section 4. Where can none of them know the answer? Watch these parts; then switch to the error: how
# far, in pixels, the estimated arrow ends from the true one (end-point error, EPE), or, without a truth, from the mean of all.

# %%
methods = {"Farnebäck": flow.farneback, "DIS": flow.dis, "TV-L1": flow.tvl1}
estimates = {name: estimate(clip[:-1], clip[1:]) for name, estimate in methods.items()}
reference = footage.reference(estimates)
errors = {name: metrics.end_point_error_map(flows, reference) for name, flows in estimates.items()}
figures.estimators({**footage.exact, **estimates}, errors, top, fps=fps, start=t)

# %% [markdown]
# With a truth we can also say where the error is, and compare it with that of a guess: nothing moves.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the mean error in each area of the image, that of the guess as well
errors |= footage.guess
table = {
    area: {estimator: error[mask].mean().item() for estimator, error in errors.items()}
    for area, mask in footage.areas.items()
}
print(study.worse_than_guess(table))
figures.errors_by_area(table, kind)

# %% [markdown]
# > In the puppet's clip the error gathers at the seams between things that move differently. Farnebäck and DIS smear the
# > motion of the limbs into the background around them; TV-L1 keeps the outlines, but loses what is thin and fast. Points that
# > disappear are the hardest: there is nothing to measure, and what an estimator puts there, the motion of what covers the
# > point, can easily be worse than no motion at all.
#
# ### A clip that was filmed
#
# Puppets have the truth, filmed clips have the surprise. This one shows towers at night, in time-lapse: the camera creeps by
# a fraction of a pixel a frame, and people switch their lights on and off.
#
# **Predict:** section 4 rebuilt a frame from the next one. How much of the change between two frames will that explain here?

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the clip of the towers, its estimated flow, and points to follow
city = study.Footage.of(puppet, FILMS["city"], device=device)
lit = flow.trajectories(city.forward, study.spread_points(city.clip))
towers = {"name": "towers at night", "kind": "estimated", **city.playback}
figures.motion(city.clip, city.forward, lit, **towers)

# %%
for what, of in (("puppet", footage), ("towers", city)):
    warped, _ = flow.backward_warp(of.clip[1:], of.forward)
    after, before = ((image - of.clip[:-1]).abs().mean() * 255 for image in (warped, of.clip[1:]))
    print(f"{what}: mean difference {before:.2f} of 255 as they are, {after:.2f} after warping")

# %% [markdown]
# <details><summary>What happened</summary>
#
# > What remains at the towers is light: a lamp that is switched on has no partner in the frame before. An estimator has to explain it
# > by motion, and cannot. In video on the web, shadows, flashes and compression do the same. (With a clip of your own, the
# > first line is about that clip.)
#
# </details>
#
# ## 6 · A moving camera, and mean subtraction
#
# When the camera moves, everything moves; and near things pass faster than far ones, which is called parallax. **The paper**
# (Simonyan & Zisserman, section 3.1) uses the simplest remedy: from each flow field it subtracts its mean vector.

# %%
show(flow.mean_flow_subtraction, docstring=False)

# %% [markdown]
# The puppet walks twice: before a camera on a tripod, and before one that shakes two and a half times as much as above.
#
# **Predict:** what can one vector per frame repair, and what not? And what does it do where the camera does not move?

# %%
shots = {"camera on a tripod": 0.0, "camera by hand": 2.5}
scenes = {shot: study.stroll(profile, seed, camera=strength) for shot, strength in shots.items()}
figures.cameras({shot: (scene.frames, scene.forward) for shot, scene in scenes.items()})

# %%
before = {shot: study.background_speed(scene, scene.forward) for shot, scene in scenes.items()}
without_mean = {shot: flow.mean_flow_subtraction(scene.forward) for shot, scene in scenes.items()}
after = {shot: study.background_speed(scenes[shot], without_mean[shot]) for shot in scenes}
figures.background_speed(before, after)

# %% [markdown]
# > The subtraction takes away what the whole image shares: the pan of the camera. A turn of the camera moves each part of the
# > image differently, and parallax each distance; both remain, and the bars tell how much that is. With a static camera the
# > subtraction does harm, if little: it takes the mean of the puppet's own motion, and gives it, reversed, to a background
# > that was at rest. It is a cheap remedy. Earlier work estimated the camera's motion and subtracted that; **the paper** says
# > of itself: "we consider a simpler approach".
#
# The same for the clip of section 1:

# %%
figures.without_mean(clip, field, name=name, kind=kind, start=t, **footage.playback)

# %% [markdown]
# ## 7 · How flow is stacked
#
# One field shows one instant. **The paper's** temporal stream gets $L$ of them as one volume $I_\tau$ of $2L$ channels. Let
# $d_t$ be the flow from frame $t$ to frame $t + 1$. At the location $p_1 = (u, v)$ the channels $2k - 1$ and $2k$ hold
#
# $$d_{\tau + k - 1}(p_1) \quad (1), \qquad \text{or} \qquad d_{\tau + k - 1}(p_k), \quad p_k = p_{k-1} + d_{\tau + k - 2}(p_{k-1}) \quad (2)$$
#
# Equation (1) is **optical flow stacking**: it always reads at the same location. Equation (2) is **trajectory stacking**: it
# reads where the point has got to by then. Notebook 02 shows both in code. In a **bi-directional** volume half of the fields
# look ahead from $\tau$, half look back; in the lab the forward half comes first, and both run outwards from $\tau$.

# %%
show(flow.bidirectional_stacking, docstring=False)

# %%
L = min(10, len(field) // 2 * 2)
tau = min(t, len(field) - L)
middle = tau + L // 2  # the bi-directional volume starts here, so that all see the same frames
fields, back = field[tau : tau + L], footage.backward[tau:middle]
volumes = {
    "stacking": flow.optical_flow_stacking(fields),
    "trajectories": flow.trajectory_stacking(fields),
    "bi-directional": flow.bidirectional_stacking(fields[L // 2 :], back),
    "stacking - mean": flow.mean_flow_subtraction(flow.optical_flow_stacking(fields)),
}
# at first both read at the same location
assert torch.equal(volumes["stacking"][:2], volumes["trajectories"][:2])
{way: tuple(volume.shape) for way, volume in volumes.items()}  # 2L channels, height, width

# %% [markdown]
# First, where the two read: at the same location for $L$ frames (the white dot), or along the path of the point. This is the
# idea of Figure 3 of the paper, drawn on the clip, for points that travel farther than their neighbours.

# %%
figures.paths(clip[tau], fields, tau)

# %% [markdown]
# **Explore** the volumes. Each panel plays through its $L$ channel pairs; switch between the horizontal and the vertical
# component. In which volume does the outline of what moves stay where it is? And what happens around it?

# %%
figures.volumes(volumes, tau, middle)

# %% [markdown]
# > With plain stacking the outline walks through the volume. With trajectories the puppet's torso keeps its location, but
# > around arms and legs the image tears: a background point that gets covered is carried off by the limb in front of it. That
# > may be one reason why trajectories gained nothing. In **the paper** (Table 1b,
# > [UCF-101](https://www.crcv.ucf.edu/research/data-sets/ucf101/) split 1, with mean subtraction) one field reaches 73.9 %,
# > five 80.4 %, ten 81.0 %; ten along trajectories 80.2 %. Notebook 02 builds the networks.
#
# ## 8 · What it costs to store flow
#
# Estimating flow takes longer than reading it, so it is usually stored. **The paper** rescales each component to the range 0
# to 255, and compresses it as JPEG; this "reduced the flow size for the UCF-101 dataset from 1.5TB to 27GB". To see what it
# costs, we write our fields to a file and read them again:

# %%
show(study.through_disk, docstring=False)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the fields at six qualities: their size, and what got lost
stored = {quality: study.through_disk(field, quality) for quality in (50, 70, 80, 90, 95, 100)}
size = {quality: copy.kilobytes for quality, copy in stored.items()}
lost = {at: metrics.end_point_error(copy.fields, field).item() for at, copy in stored.items()}
error = metrics.end_point_error_map(stored[90].fields, field)  # (T-1, H, W)
uncompressed = field[0].numel() * 4 / 1000  # kilobytes per field as floating point
print(f"quality 90: {uncompressed / size[90]:.0f} times smaller; the paper's {1500 / 27:.0f} times")
print(f"mean error {lost[90]:.3f} pixels, the largest {error.max():.2f}")
still = torch.zeros_like(field[:1])
unchanged = torch.equal(study.through_disk(still, 95).fields, still)
print("a field at rest comes back at rest:", unchanged)
figures.storage(size, lost, uncompressed)

# %%
figures.storage_errors(field[t], error[t], top)

# %% [markdown]
# > Errors gather where flow jumps, because JPEG is made for what is smooth; elsewhere they are small compared with the errors
# > of section 5. A field without any motion comes back exactly, because each field keeps its own range. With one fixed range
# > for all fields, small motions get few of the 256 levels: paper 05, for one, cuts at ±40 pixels.
#
# ## Recap
#
# - A video is a tensor; motion is what its frames do not show one by one. Sampling decides which motion remains.
# - Flow is an arrow per pixel. Brightness alone does not determine it: one equation, two unknowns.
# - Estimators fill the gap with assumptions, and fail where these break: at outlines, and where things disappear.
# - A camera's pan can be subtracted; its turns and the parallax stay.
# - A temporal stream sees $L$ fields as $2L$ channels: read at fixed locations or along paths, ahead or both ways.
# - As JPEG, flow takes a small part of its size, and loses most where it jumps.
#
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
viz.quiz("01")

# %% [markdown]
# **Try it.** Set `seed = 1`, or `video` to `"bunny"` (a rabbit of fur gets out of bed) or to a clip of yours, and run again. What do the estimators of section 5 make of it?
#
# **Next:** [02_two_stream](02_two_stream.ipynb), where a network sees these volumes, and nothing else.
