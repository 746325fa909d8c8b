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
# - what a moving camera does to flow, and how much of that a simple subtraction repairs;
# - the four ways to hand flow to a network, and what it costs to store it as JPEG.
#
# **Time** about a minute on a two-core laptop. **No paper yet**: this notebook lays the ground that all the
# others stand on. It redraws two figures of Simonyan & Zisserman (2014): Fig. 2, the components of flow, and
# Fig. 3, stacking against trajectories.
#
# **On your own clip**: `papermill 01_video_and_flow.ipynb out.ipynb -p video /path/to/clip.mp4`, or put the
# path into the cell below. A real clip comes without the truth; the notebook then compares estimators with each
# other.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # the lab's own; this notebook reads single clips, see video
data_root = ""  # a folder that video is relative to
video = ""  # path of a clip; empty: a puppet takes a stroll
seed = 0
device = "cpu"

# %%
from pathlib import Path

import torch
import torch.nn.functional as F

from labkit import flow, metrics, sampling, viz, world
from labkit.data import read_video

sizes = {"smoke": (10, 48, 64), "lesson": (24, 120, 160), "study": (48, 240, 320), "paper": (48, 240, 320)}
length, height, width = sizes[profile]

# %% [markdown]
# ## 1. A video is a tensor
#
# By default you look at a small clip that the lab paints itself: a puppet strolls through a park and waves, and
# the camera follows it by hand. Because every limb is a rigid piece, the program knows where each pixel goes.
# With a clip of your own, the notebook takes consecutive frames from its middle and shrinks them to the same
# height.

# %%
if video:
    path = Path(data_root) / video
    recording = read_video(
        path, lambda info: torch.arange(info.num_frames)[max(0, (info.num_frames - length) // 2) :][:length]
    )
    scale = height / min(recording.info.height, recording.info.width)
    clip = F.interpolate(recording.frames / 255, scale_factor=min(1, scale), mode="bilinear", antialias=True).clamp(
        0, 1
    )
    fps, truth = recording.info.fps, None
    print(
        f"{path.name}: {recording.info.num_frames} frames, {recording.info.width} x {recording.info.height}, {fps:.5g} fps"
    )
else:
    truth = world.stroll(seed, frames=length, height=height, width=width)
    clip, fps = truth.frames / 255, 8.0
clip = clip.to(device)

print("clip:", tuple(clip.shape), clip.dtype, "= time, channels (red, green, blue), height, width")

# %% [markdown]
# Play it. Space starts and stops, the arrow keys step. Everything the player shows is already in the page, so
# it also works where no Python runs.

# %%
what = f"the clip {Path(video).name}" if video else "a puppet that strolls to the right through a park and waves"
viz.ClipPlayer({"image": clip}, title="The clip", alt=f"A short clip: {what}.", fps=fps, quality=90 if video else None)

# %% [markdown]
# A tensor can be cut along any axis. The usual cut gives frames.

# %%
few = sampling.equally_spaced(len(clip), 6)
viz.frame_strip(
    clip[few],
    labels=[f"t = {t}" for t in few.tolist()],
    title="Cut across time: frames",
    alt=f"Six frames from {what}.",
)

# %% [markdown]
# Cut along time instead: fix one row of pixels and let time run downwards. What stands still draws a vertical
# line, what moves draws a slanted one, and the slant is its speed.
#
# **Before you look:** what does a hand that waves draw?

# %%
row = clip.shape[-2] // 2
if truth:  # the row that the waving forearm crosses most often
    arm = truth.part == truth.names.index("right forearm")
    row = int(arm.any(2).sum(0).argmax())
slice_xt = clip[:, :, row].movedim(0, 1).repeat_interleave(3, dim=1)  # (3, 3 T, W): row y over time, 3 pixels a frame
with_line = clip[len(clip) // 2].clone()
with_line[:, row] = torch.tensor([1.0, 0.85, 0.1], device=device)[:, None]
viz.picture_grid(
    [with_line, slice_xt],
    labels=["one frame, the row marked", "that row over time (downwards)"],
    title="Cut along time: an x-t slice",
    alt="Left a frame with one row of pixels marked. Right this row at every moment, stacked downwards: still things "
    "draw vertical bands, moving things slanted or wavy ones.",
)

# %% [markdown]
# > The waving hand draws a zigzag. Nothing in a single frame tells you that it moves at all: motion lives
# > between the frames, and to find it is what the rest of this notebook is about.
#
# ## 2. What sampling loses
#
# No network looks at every frame of every video. Each paper has its rule for choosing; here they are on one
# time line. They are pure functions from a length to indices, and none of them invents a frame.

# %%
n = min(25, len(clip))
seconds = min(2.0, len(clip) / fps)
generator = torch.Generator().manual_seed(seed)
rules = {
    f"equally spaced, {n // 2}": sampling.equally_spaced(len(clip), n // 2),
    f"first {seconds:.2g} s, {n // 5}": sampling.over_first_seconds(len(clip), fps, n=n // 5, seconds=seconds),
    "3 segments, centre": sampling.tsn_segments(len(clip), 3),
    "3 segments, random": sampling.tsn_segments(len(clip), 3, generator=generator),
    f"{fps / 4:.3g} frames per second": sampling.at_frame_rate(len(clip), fps, fps / 4),
}
viz.timeline(
    rules,
    length=len(clip) - 1,
    x_title="frame",
    title="Which frames each rule picks",
    alt="Five time lines with dots: equally spaced frames, frames of the first seconds, the middle and a random "
    "place of three segments, and a lower frame rate.",
)

# %% [markdown]
# A low frame rate does not just blur motion, it can invent another one. Below, the same x-t slice as seen by a
# machine that takes only every second, fourth and eighth frame and has to guess what lies between.
#
# **Before you look:** the puppet's arm swings with a period of eight frames. What will it seem to do at one
# frame in eight?

# %%
strides = [s for s in (1, 2, 4, 8) if s < len(clip)]
held = [slice_xt.unflatten(1, (-1, 3))[:, torch.arange(len(clip)) // s * s].flatten(1, 2) for s in strides]
viz.picture_grid(
    held,
    labels=["every frame", *(f"1 frame in {s}" for s in strides[1:])],
    title="The same motion at lower frame rates",
    alt="The x-t slice four times, each with fewer distinct frames: the zigzag of the hand turns into steps, and at one "
    "frame in eight it is gone.",
)

# %% [markdown]
# > At one frame in eight the hand stands still: it is always caught at the same point of its swing. This is
# > aliasing, the reason why a wheel on film can turn backwards. Keep it in mind when a paper reports that 1
# > frame per second is enough: enough for what happens in the scene, not for how things move.
#
# ## 3. What flow is
#
# Optical flow is a vector for every pixel: from where the point is in this frame to where it is in the next,
# `(dx, dy)` in pixels, x to the right and y down. A field has the shape `(2, H, W)`.
#
# For the puppet the field is known exactly. For your own clip we take the estimate of TV-L1, which section 5
# explains; estimates below are marked as such.

# %%
estimated = flow.tvl1(clip[:-1], clip[1:])  # (T-1, 2, H, W), all pairs at once
field = truth.forward.to(device) if truth else estimated
kind = "exact" if truth else "estimated"
print(f"{kind} flow:", tuple(field.shape), field.dtype, f"  longest vector: {field.norm(dim=1).max():.1f} pixels")

# %%
change = clip.diff(dim=0).abs().mean((1, 2, 3))
t = int(change.argsort()[len(change) * 3 // 4])  # a moment with more motion than most, yet no cut
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
    {f"frame {i}": field[i] for i in sampling.equally_spaced(len(field), 4).tolist()},
    title=f"Flow as colour<br>four moments, {kind}",
    alt="Four flow fields as colours; the limbs stand out from the body, and the background has the colour of the camera.",
)

# %% [markdown]
# A network gets neither arrows nor colours but two numbers for every pixel: the horizontal and the vertical
# component. This is Fig. 2 (d) and (e) of Simonyan & Zisserman, on our clip.

# %%
viz.flow_components(
    field[t],
    title="The two components of a flow field<br>after Simonyan & Zisserman, Fig. 2 (d, e)",
    alt="Left the horizontal component, right the vertical one, both on one signed scale from blue over white to brown.",
)

# %% [markdown]
# Now all of it moving. Choose an overlay with the buttons or with the keys 1 to 4. The trajectories follow
# points through the whole clip, from field to field.

# %%
points = torch.cartesian_prod(
    torch.arange(6, clip.shape[-1] - 1, clip.shape[-1] // 12), torch.arange(6, clip.shape[-2] - 1, clip.shape[-2] // 8)
).to(field)
tracks = flow.trajectories(field, points)  # (N, T, 2)
speed = field.norm(dim=1)  # (T-1, H, W)
overlays = {
    "image": viz.Layer(clip, alt="the clip"),
    "flow": viz.Layer(
        viz.flow_to_rgb(field),
        caption=f"hue: direction, rim of the wheel: {viz.typical_speed(field):.2g} pixels per frame",
        key=viz.colour_wheel(48),
        alt="flow as colour",
    ),
    "speed": viz.Layer(viz.heat_to_rgb(speed), caption=f"blue: at rest, yellow: {speed.max():.1f} pixels per frame"),
    "trajectories": viz.Layer(clip, tracks=tracks, caption="the paths of points since the first frame", alt="paths"),
}
viz.ClipPlayer(overlays, title=f"Flow, {kind}", alt=f"Flow of {what}.", fps=fps, quality=90 if video else None)

# %% [markdown]
# ## 4. Why flow has to be guessed
#
# ### Brightness constancy
#
# A camera records brightness, not motion. To get from one to the other every estimator assumes that a point
# keeps its brightness while it moves:
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
    "warping: almost everything is gone but thin seams at the borders of moving things.",
)

# %%
before, after = (change[inside].mean().item() for change in difference.values())
print(f"mean difference: {before:.2f} of 255 as they are, {after:.2f} after warping")
assert not truth or after < before, "exact flow should explain part of the change"

# %% [markdown]
# What is left has two causes. Between pixels the frame has to be interpolated, which softens fine texture. And
# some points have no partner at all: they get covered by something, or leave the picture. Nothing can be read
# there. If flow is known in both directions, such points give themselves away: going there and coming back does
# not lead home.

# %%
backward = truth.backward.to(device) if truth else flow.tvl1(clip[1:], clip[:-1])
checked = flow.occlusion_mask(field[t], backward[t])
masks = {"forward-backward check": checked} | ({"exact occlusion": truth.occluded[t]} if truth else {})
shade = torch.tensor([0.84, 0.37, 0.0], device=device)[:, None, None]
viz.picture_grid(
    [torch.where(mask.to(device), shade, now * 0.6 + 0.4) for mask in masks.values()],
    labels=list(masks),
    title=f"Points without a partner<br>{kind} flow in both directions",
    alt="The frame with a thin coloured rim along the leading edges of whatever moves: points that disappear.",
)

# %% [markdown]
# ### The aperture problem
#
# Three striped cards slide behind a hole: one to the right, one down, one diagonally.
#
# **Before you play:** which is which? Decide with the hole in place, then switch the screen off.

# %%
velocities = {"A": (1.0, 0.0), "B": (0.0, 1.0), "C": (0.5, 0.5)}
holes = {name: world.aperture(v, frames=12) for name, v in velocities.items()}
cards = {name: world.aperture(v, frames=12, hole=False) for name, v in velocities.items()}
viz.ClipPlayer(
    *(
        viz.Panel(name, {"through the hole": holes[name].frames, "screen off": cards[name].frames})
        for name in velocities
    ),
    title="Three cards behind a hole",
    alt="Three striped cards move in three directions. Through the hole all three look the same.",
    fps=8,
)

# %% [markdown]
# Through the hole they are not just similar, they are equal, pixel by pixel. Whatever looks only through the
# hole must give one answer for all three, and it can be right for one of them at most.

# %%
y, x = torch.meshgrid(torch.arange(96) - 47.5, torch.arange(96) - 47.5, indexing="ij")
core = torch.hypot(x, y) < 96 * world.HOLE
answers = {name: flow.tvl1(hole.frames[5], hole.frames[6]).cpu() for name, hole in holes.items()}
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
# > The estimate is the same for all: the motion **across** the stripes, the only one that can be seen. Of C it
# > is the truth.
#
# Linearise brightness constancy and the reason shows. Each pixel gives one equation for two unknowns,
#
# $$I_x u + I_y v + I_t = 0$$
#
# a line in the plane of velocities: every point on it explains what this pixel sees. More pixels help only if
# their lines cross. Below, we take three places of the clip, try every velocity on a patch of 7 x 7 pixels
# around each, and show how badly it explains the next frame.
#
# **Before you look:** one place lies on plain ground, one on an edge, one on a corner. What shape has the error
# of each?

# %%
gradient_y, gradient_x = torch.gradient(now.mean(0))
products = torch.stack([gradient_x**2, gradient_x * gradient_y, gradient_y**2])
xx, xy, yy = F.avg_pool2d(products, 7, stride=1, padding=3)
mean, spread = (
    (xx + yy) / 2,
    (((xx - yy) / 2) ** 2 + xy**2).sqrt(),
)  # eigenvalues of the structure tensor: mean +- spread
safe = torch.zeros_like(mean, dtype=torch.bool)
safe[10:-10, 10:-10] = True  # far enough from the border
safe &= ~F.max_pool2d(checked[None].float(), 15, 1, 7)[0].bool()  # and nothing disappears nearby
flatness, edgeness, cornerness = -mean, spread - 3 * (mean - spread), mean - spread
places = {
    name: divmod(int(torch.where(safe, score, -torch.inf).argmax()), clip.shape[-1])
    for name, score in {"plain ground": flatness, "an edge": edgeness, "a corner": cornerness}.items()
}

# %%
steps = torch.linspace(-4, 4, 41)
tries = torch.cartesian_prod(steps, steps).flip(-1)  # (1681, 2) velocities (u, v)
patch = torch.cartesian_prod(torch.arange(-3, 4), torch.arange(-3, 4)).flip(-1)  # (49, 2) offsets (x, y)
surfaces, marks = {}, {}
for name, (y0, x0) in places.items():
    centre = torch.tensor([x0, y0]) + patch  # (49, 2)
    looked_at = flow.sample_bilinear(then.cpu(), (centre + tries[:, None]).flatten(0, 1).float())  # (3, 1681 * 49)
    expected = flow.sample_bilinear(now.cpu(), centre.float())  # (3, 49)
    error = (looked_at.unflatten(-1, (-1, 49)) - expected[:, None]).square().mean((0, 2)).sqrt() * 255
    surfaces[name] = error.reshape(41, 41)  # v down, u to the right
    marks[name] = tuple(((field[t, :, y0, x0].cpu() + 4) * 5).tolist())
viz.heat_maps(
    surfaces,
    unit="brightness levels of 255",
    marks=marks,
    title="How badly each velocity explains a patch"
    f"<br>u from -4 to 4 to the right, v from -4 to 4 down, in pixels per frame; the cross is the {kind} flow",
    alt="Three error maps over velocities. Plain ground: low everywhere. An edge: a long valley. A corner: one pit.",
)

# %% [markdown]
# > Plain ground: anything goes. An edge: a valley, and the truth lies somewhere along it. A corner: one pit.
# > Only corners pin the motion down; everywhere else an estimator must bring in an assumption of its own.
# > Estimators differ in which.
#
# ## 5. Three estimators
#
# - **Farnebäck** (2003) fits a small parabola to every neighbourhood and asks how it has shifted. Assumption: a
#   neighbourhood moves as one.
# - **DIS** (Kroeger et al. 2016) searches for matching patches on a coarse grid, from small pictures to large
#   ones, then refines. Fast.
# - **TV-L1** (Zach et al. 2007) looks for the field that explains the brightness with the least total
#   variation: smooth, with sharp borders where the pictures ask for them. The lab's own version, in PyTorch,
#   takes all pairs of a clip at once; two-stream networks have been fed with TV-L1 ever since.
#
# **Before you look:** where will all three go wrong?

# %%
estimates = {
    "Farnebäck": flow.farneback(clip[:-1], clip[1:]),
    "DIS": flow.dis(clip[:-1], clip[1:]),
    "TV-L1": estimated,
}
shown = ({"exact": field[t]} if truth else {}) | {name: estimate[t] for name, estimate in estimates.items()}
viz.flow_fields(
    shown,
    max_speed=viz.typical_speed(field[t]),
    title=f"The same moment, estimated<br>frame {t}",
    alt="Flow fields of one moment side by side in one colour scale: estimates are blurred where limbs meet background.",
)

# %% [markdown]
# The usual measure is the end-point error (EPE): how far, in pixels, the estimated arrow ends from the true
# one. With a truth at hand we can say where the error sits; without one, only how much the estimators disagree.

# %%
if truth:
    errors = {name: metrics.end_point_error_map(e.to(field), field) for name, e in estimates.items()}
else:
    names = list(estimates)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    errors = {f"{a} and {b}": metrics.end_point_error_map(estimates[a], estimates[b]) for a, b in pairs}
viz.heat_maps(
    {name: error[t] for name, error in errors.items()},
    unit="pixels",
    title="End-point error" if truth else "Where the estimators disagree",
    alt="Maps of the end-point error: low on textured ground, high along the borders of moving limbs.",
)

# %%
if truth:
    body = truth.part[:-1].to(device) >= truth.names.index("left upper arm")
    areas = {"background": ~body, "puppet": body, "hidden in the next frame": truth.occluded.to(device)}
else:
    areas = {"everywhere": torch.ones_like(field[:, 0], dtype=torch.bool)}
table = {area: {name: error[where].mean().item() for name, error in errors.items()} for area, where in areas.items()}
if truth:
    table["background"]["all zero"], table["puppet"]["all zero"], table["hidden in the next frame"]["all zero"] = (
        speed[where].mean().item() for where in areas.values()
    )
viz.bar_chart(
    table,
    x_title="estimator" if truth else "pair of estimators",
    y_title="EPE (pixels)" if truth else "disagreement (pixels)",
    title="Mean end-point error by area" if truth else "Mean disagreement",
    alt="; ".join(f"{area}: " + ", ".join(f"{n} {v:.2f}" for n, v in row.items()) for area, row in table.items()),
)

# %%
if truth:
    for name in estimates:
        assert table["puppet"][name] < table["puppet"]["all zero"], f"{name} should beat the guess that nothing moves"

# %% [markdown]
# > The error sits where assumptions break: at the seams between things that move differently, on thin fast
# > limbs, and most of all at points that disappear, where nothing can be measured. The background, large and
# > textured, is easy.
#
# ## 6. A moving camera, and mean subtraction
#
# When the camera moves, everything moves. Simonyan & Zisserman meet this with the simplest means there is:
# subtract from every flow field its mean vector (their section 3.1).
#
# **Before you play:** what can one vector per frame repair, and what not? Compare the two puppets, then switch
# to *flow - mean*.

# %%
shots = {"camera on a tripod": 0.0, "camera by hand": 2.5}
scenes = {
    name: world.stroll(seed, frames=length, height=height, width=width, camera=strength)
    for name, strength in shots.items()
}
if video:
    moving = {"your clip": (clip, field)}
else:
    moving = {name: (scene.frames, scene.forward) for name, scene in scenes.items()}
top = max(viz.typical_speed(fields) for _, fields in moving.values())
viz.ClipPlayer(
    *(
        viz.Panel(
            name,
            {
                "image": frames,
                "flow": viz.flow_to_rgb(fields, top),
                "flow - mean": viz.flow_to_rgb(flow.mean_flow_subtraction(fields), top),
            },
        )
        for name, (frames, fields) in moving.items()
    ),
    title="What the camera adds, and what mean subtraction takes away",
    alt="The same walk filmed from a tripod and by hand; flow before and after the mean vector of each field is subtracted.",
    fps=fps,
    quality=90 if video else None,
)

# %%
tripod, by_hand = scenes["camera on a tripod"], scenes["camera by hand"]
ground = [scene.part[:-1] < scene.names.index("left upper arm") for scene in (tripod, by_hand)]
plain, subtracted = by_hand.forward, flow.mean_flow_subtraction(by_hand.forward)
background = {
    "tripod": tripod.forward.norm(dim=1)[ground[0]].mean().item(),
    "by hand": plain.norm(dim=1)[ground[1]].mean().item(),
    "by hand, mean subtracted": subtracted.norm(dim=1)[ground[1]].mean().item(),
}
viz.bar_chart(
    {"background": background},
    x_title="camera",
    y_title="mean speed (px per frame)",
    title="How fast the background seems to move<br>the puppet's clip",
    alt="; ".join(f"{name}: {value:.2f} pixels per frame" for name, value in background.items()),
)

# %%
assert background["by hand, mean subtracted"] < background["by hand"], "one vector per field should help"

# %% [markdown]
# > The subtraction takes out what the whole picture shares: a pan. It cannot take out a turn of the camera,
# > which moves every place differently, nor parallax, by which near things pass faster than far ones. And where
# > a large body fills the picture, part of its own motion goes too. A cheap remedy: earlier work, the paper
# > says, estimates the global motion and takes that out; it settles for the mean.
#
# ## 7. Four ways to stack
#
# One field shows one instant. The temporal stream gets L of them, as a volume of 2L channels. The paper
# describes four ways to fill it; `tau` is the frame it starts from.
#
# - **Optical flow stacking**, eq. (1): channel pair k holds the flow of frame tau + k - 1 *at the same place*.
# - **Trajectory stacking**, eq. (2): channel pair k holds that flow *at the place the point has got to by
#   then*.
# - **Bi-directional**: half of the fields look ahead, half look back.
# - **Mean subtraction**, from section 6, can be combined with each.

# %%
L = min(10, len(field) - len(field) % 2)
tau = min(t, len(field) - L)
middle = tau + L // 2
volumes = {
    "stacking": flow.optical_flow_stacking(field[tau : tau + L]),
    "trajectories": flow.trajectory_stacking(field[tau : tau + L]),
    "bi-directional": flow.bidirectional_stacking(field[middle : middle + L // 2], backward[middle - L // 2 : middle]),
    "stacking - mean": flow.mean_flow_subtraction(flow.optical_flow_stacking(field[tau : tau + L])),
}
for name, volume in volumes.items():
    print(f"{name:16} {tuple(volume.shape)} = 2L channels, height, width")
assert all(volume.shape[0] == 2 * L for volume in volumes.values())
assert torch.equal(
    volumes["stacking"][:2], volumes["trajectories"][:2]
)  # before the first step both look at the same place

# %% [markdown]
# First, where the two ways read: the same place for L frames, or along the path of the point. This is Fig. 3 of
# the paper, drawn on the clip. The points are the ones that travel farthest.

# %%
margin = clip.shape[-2] // 8
visible = torch.zeros_like(field[tau, 0], dtype=torch.bool)
visible[margin:-margin, margin:-margin] = True
grid = flow.pixel_grid(*field.shape[-2:], like=field)
paths = flow.trajectories(field[tau : tau + L], grid)  # (H * W, L + 1, 2)
travelled = (paths.diff(dim=1).norm(dim=-1).sum(1) * visible.flatten()).reshape(1, *field.shape[-2:])
near = max(3, clip.shape[-2] // 12)
peaks = (travelled == F.max_pool2d(travelled, 2 * near + 1, 1, near)).flatten() & (travelled.flatten() > 0)
farthest = torch.where(peaks, travelled.flatten(), 0).topk(min(12, int(peaks.sum()))).indices
viz.trajectory_plot(
    clip[tau],
    paths[farthest],
    title=f"Where trajectory stacking reads<br>L = {L} fields from frame {tau}; optical flow stacking stays at the white dot",
    alt="Paths drawn over the first frame, from a white dot where the point starts to a coloured one where it ends.",
)

# %% [markdown]
# Now the volumes. Each panel below plays through its L channel pairs; switch between the horizontal and the
# vertical component.
#
# **Before you play:** in which volume does the outline of the puppet stay in place?

# %%
limit = float(torch.stack(list(volumes.values())).abs().quantile(0.995))


def signed(component: torch.Tensor) -> torch.Tensor:
    """(L, H, W) signed to (L, 3, H, W) pictures: grey is 0."""
    return (component / (2 * limit) + 0.5).clamp(0, 1)[:, None].expand(-1, 3, -1, -1)


viz.ClipPlayer(
    *(viz.Panel(name, {"dx": signed(volume[0::2]), "dy": signed(volume[1::2])}) for name, volume in volumes.items()),
    title=f"Four input volumes, {L} channel pairs each",
    alt="Four ways to fill the input of the temporal stream, played through their channel pairs; grey is no motion.",
    fps=4,
)

# %% [markdown]
# > With trajectories the puppet of the first frame keeps its place: each pixel reports on one and the same
# > point, wherever it has gone. With plain stacking the outline walks through the volume. The paper found plain
# > stacking slightly better; notebook 02 asks why.
#
# ## 8. What it costs to store flow
#
# Estimating flow takes longer than reading it, so everybody stores it, and as floating point it is large: 101
# classes of short clips make 1.5 terabytes. Simonyan & Zisserman rescale each field to the range 0 to 255 and
# store it as JPEG, which brings this down to 27 gigabytes (both numbers are the paper's). Here is the price, on
# our fields.

# %%
import tempfile

raw = field[0].numel() * 4
qualities, kilobytes, losses = [50, 70, 80, 90, 95, 100], [], []
with tempfile.TemporaryDirectory() as folder:
    for quality in qualities:
        stored = Path(folder) / f"quality_{quality}.flow"
        flow.save_flow(stored, field.cpu(), quality=quality)
        kilobytes.append(stored.stat().st_size / len(field) / 1000)
        losses.append(metrics.end_point_error(flow.load_flow(stored), field.cpu()).item())
        if quality == 90:
            reloaded = flow.load_flow(stored)
viz.line_chart(
    {"per-field range + JPEG": (kilobytes, losses)},
    x_title=f"kilobytes per field (as floating point: {raw / 1000:.0f})",
    y_title="error (EPE, pixels)",
    title="The price of JPEG<br>from left to right: quality " + ", ".join(map(str, qualities)),
    alt="; ".join(f"quality {q}: {k:.1f} kB, {e:.3f} px" for q, k, e in zip(qualities, kilobytes, losses, strict=True)),
)

# %%
viz.heat_maps(
    {"error at quality 90": metrics.end_point_error_map(reloaded[t], field[t].cpu())},
    unit="pixels",
    title="Where JPEG hurts",
    alt="A map of the error after storing: faint blocks of 8 x 8 pixels around the outlines of moving things.",
)

# %%
still = torch.zeros(1, 2, *field.shape[-2:])
with tempfile.TemporaryDirectory() as folder:
    flow.save_flow(Path(folder) / "still.flow", still)
    assert torch.equal(flow.load_flow(Path(folder) / "still.flow"), still)  # rest stays rest, to the last bit
assert losses[-1] < losses[0], "higher quality should cost accuracy less"

# %% [markdown]
# > Errors gather where flow jumps, for JPEG likes what is smooth. At quality 90 they are far below those of any
# > estimator in section 5. A field at rest comes back exactly at rest: each field keeps its own range. With one
# > fixed range for all, as later code does it (±20 pixels), small motions get few of the 256 levels.
#
# ## What to take home
#
# - A video is a tensor; motion is what its frames do not show one by one. Sampling decides which motion is
#   left.
# - Flow is an arrow per pixel. Brightness alone does not determine it: one equation, two unknowns.
# - Estimators fill the gap with assumptions, and fail where these break: at borders and where things disappear.
# - A camera's pan can be subtracted; its turns and the parallax stay.
# - A temporal stream sees L fields as 2L channels: read in place or along paths, ahead or both ways.
#
# **Try it.** Set `seed = 1`, or `video` to a clip of yours, and run again. What does your clip make of section
# 5? **Next:** `02_two_stream`, where a network gets these volumes as its only food.
