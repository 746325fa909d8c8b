# ---
# jupyter:
#   jupytext:
#     formats: py:percent
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
# # Assignment 1 · Video and flow
#
# To lesson 01. You will choose frames of a clip, rebuild a frame from the next one, measure how
# wrong an estimate of flow is, and find the motion of the camera although a puppet fills the
# image. A part of it happens in a world that is your own: nobody else has its numbers.
#
# Everything here is small: the whole notebook runs in half a minute. Below most questions there
# is a check. It says `fine so far` or what is missing, costs nothing, and may be run as often as
# you like. Hidden cases decide about the points; what they are about stands under each question.
#
# As in the lesson, a frame is `(3, H, W)`, and a flow field is `(2, H, W)`: `(dx, dy)` in pixels
# per frame, x to the right, y down.

# %% tags=["parameters"]
student = ""  # your student number
variant = 0  # filled in for you

# %% setup
import torch
import torch.nn.functional as F

from labkit import flow, metrics, world
from labkit.teaching import checking

RULE = ("middles", "ends")[variant % 2]  # how your world samples frames: question 1
SPEED = (0.8, 1.0, 1.2, 1.4)[variant // 2 % 4]  # of your cards, in pixels per frame: question 6
print(f"world {variant}: sample by {RULE!r}, cards of speed {SPEED}")

# %% [markdown] question="sample" points=3 minutes=15 difficulty=1 importance=4 judged="clips of 1 to 300 frames; also more frames asked for than there are" without="labkit.views.sampling.equally_spaced"
# ## 1 · Which frames?
#
# Networks rarely see every frame (lesson 01, section 2). Write a function that chooses `n`
# frames, evenly spread, of a clip with `num_frames` frames N. The cell above has printed the rule
# of your world:
#
# - `'middles'`: cut the clip into n equal parts and take the middle of each. Frame i, counted
#   from 0, is $\lfloor (i + 1/2) \cdot N / n \rfloor$.
# - `'ends'`: the first frame is the first, the last one is the last, and the others lie evenly
#   between them. Frame i is $\lfloor i \cdot (N - 1) / (n - 1) + 1/2 \rfloor$; a single frame is
#   frame 0.
#
# $\lfloor x \rfloor$ is the largest whole number that is not above x. If more frames are asked
# for than there are, the same formula simply names some of them twice. Return indices `(n,)` as
# an int64 tensor.


# %% answer="sample"
def sample(num_frames, n):
    """Indices of n frames out of num_frames, (n,) int64, by the rule of your world."""
    # BEGIN SOLUTION
    i = torch.arange(n)
    if RULE == "middles":
        return (2 * i + 1) * num_frames // (2 * n)
    return (2 * i * (num_frames - 1) + n - 1) // (2 * max(n - 1, 1))
    # END SOLUTION


# %% check="sample"
with checking("sample"):
    got = sample(9, 3)
    assert isinstance(got, torch.Tensor), f"return a tensor; got {type(got).__name__}"
    assert got.dtype == torch.int64, f"indices are whole numbers, torch.int64; got {got.dtype}"
    assert got.shape == (3,), (
        f"three frames asked for, so the shape is (3,); got {tuple(got.shape)}"
    )
    first, last = {"middles": (1, 7), "ends": (0, 8)}[RULE]
    assert got[0] == first, f"of 9 frames, your rule takes frame {first} first; got {int(got[0])}"
    assert got[-1] == last, f"of 9 frames, your rule takes frame {last} last; got {int(got[-1])}"


# %% cases="sample"
def cases(seed):
    for num_frames, n in (
        (299, 25),
        (16, 5),
        (10, 4),
        (7, 3),
        (6, 4),
        (9, 1),
        (1, 1),
        (1, 3),
        (2, 3),
        (5, 8),
        (30, 30),
    ):
        yield dict(num_frames=num_frames, n=n)
    yield dict(num_frames=201 + 2 * (seed % 49), n=12)


# %% mistake="sample" says="that is the other rule; the first cell says which one your world has"
def sample(num_frames, n):
    i = torch.arange(n)
    if RULE == "ends":
        return (2 * i + 1) * num_frames // (2 * n)
    return (2 * i * (num_frames - 1) + n - 1) // (2 * max(n - 1, 1))


# %% mistake="sample" says="the half is missing in the formula: every frame comes half a step too early, or is rounded down"
def sample(num_frames, n):
    i = torch.arange(n)
    if RULE == "middles":
        return i * num_frames // n
    return i * (num_frames - 1) // max(n - 1, 1)


# %% mistake="sample" says="`round` is another rounding than the one asked for: it takes 1.5 and 2.5 both to 2"
def sample(num_frames, n):
    if RULE == "middles":
        return torch.tensor(
            [min(round((i + 0.5) * num_frames / n), num_frames - 1) for i in range(n)]
        )
    return torch.tensor([round(i * (num_frames - 1) / max(n - 1, 1)) for i in range(n)])


# %% mistake="sample" says="where more frames are asked for than there are, it gives back fewer than n"
def sample(num_frames, n):
    n = min(n, num_frames)
    i = torch.arange(n)
    if RULE == "middles":
        return (2 * i + 1) * num_frames // (2 * n)
    return (2 * i * (num_frames - 1) + n - 1) // (2 * max(n - 1, 1))


# %% mistake="sample" says="where more frames are asked for than there are, it repeats the last one only: spread the repetitions evenly"
def sample(num_frames, n):
    if n > num_frames:
        return torch.arange(n).clamp(max=num_frames - 1)
    i = torch.arange(n)
    if RULE == "middles":
        return (2 * i + 1) * num_frames // (2 * n)
    return (2 * i * (num_frames - 1) + n - 1) // (2 * max(n - 1, 1))


# %% [markdown] teacher="sample"
# - **Hint:** draw nine frames in a row and mark three of them by hand, by both rules.
# - **Troubles:** division by zero for n = 1 with the rule `ends`; `round`, which takes halves to
#   the even number; `linspace(...).long()`, which rounds down and loses the last frame to
#   floating point.
# - **Viva:** Which of the two rules sees more of a clip whose action happens at its very end?
#   What does a network see twice if you ask for 25 frames of a clip of 16, and does that harm an
#   average of scores?

# %% [markdown] question="warp" points=4 minutes=25 difficulty=3 importance=5 judged="whole and half pixels, any flow, points outside of the image, several images in one call" without="labkit.flow.backward_warp, labkit.flow.sample_bilinear"
# ## 2 · Rebuild a frame from the next one
#
# Backward warping (lesson 01, section 4) undoes motion: the result at the pixel $(x, y)$ is the
# frame read at $(x + dx, y + dy)$, where $(dx, dy)$ is the flow at $(x, y)$. If the frame is the
# *second* one of a pair and the flow leads from the first to the second, the result looks like
# the first.
#
# - Between pixels read bilinearly: the four nearest pixels, weighted by closeness.
# - A point outside of the image reads the nearest point of its border.
# - $(0, 0)$ is the centre of the top left pixel, so the image ends at $x = W - 1$ and
#   $y = H - 1$.
# - Any number of dimensions may stand in front, also none: `(C, H, W)`, `(B, C, H, W)`, ...
#
# You may use `torch.nn.functional.grid_sample`; if you do, read in its documentation what
# `align_corners` and `padding_mode` mean, and in which order it expects x and y.


# %% answer="warp"
def warp(frame, flow):
    """Read a frame (..., C, H, W) where its flow (..., 2, H, W) points to, as (..., C, H, W)."""
    # BEGIN SOLUTION
    channels, height, width = frame.shape[-3:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")  # (H, W) each
    x, y = x + flow[..., 0, :, :], y + flow[..., 1, :, :]  # (..., H, W) each
    points = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)  # (..., H, W, 2)
    images, points = (
        frame.reshape(-1, channels, height, width),
        points.reshape(-1, height, width, 2),
    )
    warped = F.grid_sample(images, points, padding_mode="border", align_corners=True)
    return warped.reshape(frame.shape)
    # END SOLUTION


# %% check="warp"
with checking("warp"):
    frame = torch.arange(12.0).reshape(1, 3, 4)  # one channel, 3 rows of 4 pixels: 0 to 11
    still = torch.zeros(2, 3, 4)
    got = warp(frame, still)
    assert got.shape == (1, 3, 4), (
        f"the result has the shape of the frame, (1, 3, 4); got {tuple(got.shape)}"
    )
    assert torch.allclose(got, frame, atol=1e-5), "without any motion the frame comes back as it is"
    right = torch.tensor([1.0, 0.0])[:, None, None].expand(2, 3, 4)
    row = warp(frame, right)[0, 0]
    assert abs(row[0] - 1) < 1e-5, (
        f"with dx = 1 the first pixel reads its right neighbour, 1; got {row[0]:.3g}"
    )
    assert abs(row[3] - 3) < 1e-5, (
        f"at the right border there is no neighbour: read 3 again; got {row[3]:.3g}"
    )


# %% cases="warp" within=0.0001
def cases(seed):
    g = torch.Generator().manual_seed(seed)

    def steady(dx, dy, *size):
        return torch.tensor([dx, dy])[:, None, None].expand(2, *size).clone()

    yield dict(frame=1 + torch.rand(3, 6, 9, generator=g), flow=steady(2.0, 1.0, 6, 9))
    yield dict(frame=1 + torch.rand(3, 7, 5, generator=g), flow=steady(0.5, -0.5, 7, 5))
    yield dict(frame=1 + torch.rand(1, 8, 8, generator=g), flow=torch.randn(2, 8, 8, generator=g))
    yield dict(
        frame=1 + torch.rand(2, 5, 7, generator=g), flow=4 * torch.randn(2, 5, 7, generator=g)
    )
    yield dict(
        frame=1 + torch.rand(3, 2, 6, 4, generator=g), flow=torch.randn(3, 2, 6, 4, generator=g)
    )
    yield dict(
        frame=1 + torch.rand(2, 2, 1, 4, 6, generator=g),
        flow=torch.randn(2, 2, 2, 4, 6, generator=g),
    )
    yield dict(frame=1 + torch.rand(3, 4, 5, generator=g), flow=steady(-9.0, 9.0, 4, 5))


# %% mistake="warp" says="the frame is read where the point came from, at x - flow: it is x + flow"
def warp(frame, flow):
    channels, height, width = frame.shape[-3:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = x - flow[..., 0, :, :], y - flow[..., 1, :, :]
    points = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)
    images, points = (
        frame.reshape(-1, channels, height, width),
        points.reshape(-1, height, width, 2),
    )
    return F.grid_sample(images, points, padding_mode="border", align_corners=True).reshape(
        frame.shape
    )


# %% mistake="warp" says="dx and dy are exchanged: the first component of flow moves along x, that is along the columns"
def warp(frame, flow):
    channels, height, width = frame.shape[-3:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = x + flow[..., 1, :, :], y + flow[..., 0, :, :]
    points = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)
    images, points = (
        frame.reshape(-1, channels, height, width),
        points.reshape(-1, height, width, 2),
    )
    return F.grid_sample(images, points, padding_mode="border", align_corners=True).reshape(
        frame.shape
    )


# %% mistake="warp" says="positions are scaled by the width W instead of W - 1, so that the image is read a little stretched"
def warp(frame, flow):
    channels, height, width = frame.shape[-3:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = x + flow[..., 0, :, :], y + flow[..., 1, :, :]
    points = torch.stack([2 * x / width - 1, 2 * y / height - 1], -1)
    images, points = (
        frame.reshape(-1, channels, height, width),
        points.reshape(-1, height, width, 2),
    )
    return F.grid_sample(images, points, padding_mode="border", align_corners=True).reshape(
        frame.shape
    )


# %% mistake="warp" says="a point outside of the image reads 0: it should read the nearest point of the border"
def warp(frame, flow):
    channels, height, width = frame.shape[-3:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = x + flow[..., 0, :, :], y + flow[..., 1, :, :]
    points = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)
    images, points = (
        frame.reshape(-1, channels, height, width),
        points.reshape(-1, height, width, 2),
    )
    return F.grid_sample(images, points, align_corners=True).reshape(frame.shape)


# %% mistake="warp" says="only the nearest pixel is read: between pixels mix the four nearest"
def warp(frame, flow):
    height, width = frame.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x = (x + flow[..., 0, :, :]).round().long().clamp(0, width - 1)
    y = (y + flow[..., 1, :, :]).round().long().clamp(0, height - 1)
    index = (y * width + x).flatten(-2)[..., None, :].expand(*frame.shape[:-2], -1)
    return frame.flatten(-2).gather(-1, index).reshape(frame.shape)


# %% [markdown] teacher="warp"
# - **Hint:** begin with a flow of zeros, then with one that is `(1, 0)` everywhere, on a frame of
#   3 x 4 pixels with the values 0 to 11. Only then try half pixels.
# - **Troubles:** `meshgrid` without `indexing="ij"`; `grid_sample` wants (x, y) in the last
#   dimension, from -1 to 1, and its default `align_corners=False` puts -1 at the outer edge of a
#   pixel; a missing batch.
# - **Viva:** Why *backward* warping: what goes wrong if every pixel is sent to where it moves
#   instead? Where must the rebuilt frame be wrong, however good the flow is?

# %% [markdown] question="epe" points=2 minutes=10 difficulty=1 importance=4 judged="several fields, masks of all sizes, unknown flow outside of the mask, an empty mask" without="labkit.metrics.end_point_error, labkit.metrics.end_point_error_map"
# ## 3 · How wrong is a flow field?
#
# The end-point error of a pixel is the distance, in pixels, between the end of the estimated
# arrow and the end of the true one: the length of the difference of the two vectors. Write the
# mean of it over all pixels, of all fields together, for which `valid` is True.
#
# Where `valid` is False, the truth is unknown and may hold any value, however large. If no pixel
# is valid, the answer is 0. Return a tensor without dimensions.


# %% answer="epe"
def epe(flow, truth, valid):
    """Mean end-point error, in pixels, of flow (..., 2, H, W) where valid (..., H, W) is True."""
    # BEGIN SOLUTION
    errors = (flow - truth).square().sum(-3).sqrt()[valid]  # (number of valid pixels,)
    return errors.sum() / max(len(errors), 1)
    # END SOLUTION


# %% check="epe"
with checking("epe"):
    zero, truth = (
        torch.zeros(2, 1, 2),
        torch.tensor([[[3.0, 0.0]], [[4.0, 1.0]]]),
    )  # vectors (3, 4) and (0, 1)
    got = epe(zero, truth, torch.tensor([[True, False]]))
    assert got.ndim == 0, (
        f"one number: a tensor without dimensions; got the shape {tuple(got.shape)}"
    )
    assert abs(got - 5) < 1e-5, f"the vector (3, 4) is 5 pixels long; got {got:.3g}"
    got = epe(zero, truth, torch.tensor([[True, True]]))
    assert abs(got - 3) < 1e-5, f"the mean of 5 and 1 is 3; got {got:.3g}"


# %% cases="epe" within=0.0001
def cases(seed):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=g)

    yield dict(flow=draw(2, 5, 7), truth=draw(2, 5, 7), valid=torch.ones(5, 7, dtype=torch.bool))
    yield dict(flow=draw(3, 2, 5, 7), truth=draw(3, 2, 5, 7), valid=draw(3, 5, 7) > 0.3)
    uneven = torch.ones(2, 4, 6, dtype=torch.bool)
    uneven[0, 1:] = False
    yield dict(flow=draw(2, 2, 4, 6), truth=3 * draw(2, 2, 4, 6), valid=uneven)
    valid = draw(6, 4) > 0
    unknown = torch.where(valid, draw(2, 6, 4), 1e10)  # as in the files of the Middlebury benchmark
    yield dict(flow=draw(2, 6, 4), truth=unknown, valid=valid)
    yield dict(flow=draw(2, 3, 3), truth=draw(2, 3, 3), valid=torch.zeros(3, 3, dtype=torch.bool))
    one = torch.zeros(2, 2, 3, 5, dtype=torch.bool)
    one[1, 0, 2, 2] = True
    yield dict(flow=draw(2, 2, 2, 3, 5), truth=draw(2, 2, 2, 3, 5), valid=one)


# %% mistake="epe" says="that is the mean of both components: the error of a pixel is the length of the difference"
def epe(flow, truth, valid):
    errors = (flow - truth).abs().mean(-3)[valid]
    return errors.sum() / max(len(errors), 1)


# %% mistake="epe" says="the squared length is missing its root"
def epe(flow, truth, valid):
    errors = (flow - truth).square().sum(-3)[valid]
    return errors.sum() / max(len(errors), 1)


# %% mistake="epe" says="all pixels count: leave out those that are not valid"
def epe(flow, truth, valid):
    return (flow - truth).square().sum(-3).sqrt().mean()


# %% mistake="epe" says="the sum over the valid pixels is divided by the number of all pixels"
def epe(flow, truth, valid):
    errors = (flow - truth).square().sum(-3).sqrt()[valid]
    return errors.sum() / valid.numel()


# %% mistake="epe" says="first the mean of each field, then the mean of these: then a pixel counts more where few are valid"
def epe(flow, truth, valid):
    errors = (flow - truth).square().sum(-3).sqrt() * valid
    return (errors.sum((-2, -1)) / valid.sum((-2, -1)).clamp(min=1)).mean()


# %% [markdown] teacher="epe"
# - **Hint:** how long is the vector (3, 4)? Choose the valid pixels first, then take the mean.
# - **Troubles:** `errors * valid` keeps a NaN if the truth is NaN where it is unknown; `.mean()`
#   of nothing is NaN.
# - **Viva:** Two estimators have the same mean error. How could one of them still be far more
#   useful than the other? Should pixels that are hidden in the next frame count?

# %% [markdown]
# ## Three estimators in your world
#
# A puppet strolls through your world, and the renderer knows the true flow. `areas` says where
# the background is, where the puppet, and which pixels the next frame no longer shows.

# %% puppet
puppet = world.stroll(variant, frames=7, height=72, width=96)
clip, truth = (
    puppet.frames / 255,
    puppet.forward,
)  # (7, 3, 72, 96), and (6, 2, 72, 96) between neighbours
on_puppet = puppet.mask("puppet")[:-1]  # (6, 72, 96)
areas = {"background": ~on_puppet, "puppet": on_puppet, "hidden in the next frame": puppet.occluded}
methods = {"Farnebäck": flow.farneback, "DIS": flow.dis, "TV-L1": flow.tvl1}
print({name: int(area.sum()) for name, area in areas.items()}, "pixels")

# %% [markdown] question="estimators" points=3 minutes=15 difficulty=2 importance=3
# ## 4 · Which estimator is best, and where?
#
# A method takes two batches of images, `(6, 3, H, W)` each, and returns the flow from the first
# to the second: call each with frames 0 to 5 and frames 1 to 6 of `clip`. Put the mean end-point
# errors, in pixels, into the tensor `errors` of shape `(3, 3)`: a row for each method, a column
# for each area, both in the order in which they stand above. You may use your own `epe` or
# `labkit.metrics`.

# %% answer="estimators" value="errors" within=0.005
# BEGIN SOLUTION errors = ...
estimates = [method(clip[:-1], clip[1:]) for method in methods.values()]
errors = torch.stack(
    [
        torch.stack([metrics.end_point_error(estimate, truth, area) for area in areas.values()])
        for estimate in estimates
    ]
)  # (3, 3)
# END SOLUTION

# %% check="estimators"
with checking("estimators"):
    assert tuple(errors.shape) == (3, 3), (
        f"three methods, three areas: (3, 3); got {tuple(errors.shape)}"
    )
    assert (errors > 0).all(), (
        "an error is a length, and no estimator is perfect: all nine are above 0"
    )
    assert (errors < 10).all(), (
        "nothing moves by 10 pixels here: is the flow in the right direction, are rows methods?"
    )
    best = list(methods)[errors[:, 1].argmin()]
    print(f"on the puppet of your world, {best} is best: {errors[:, 1].min():.2f} pixels")

# %% mistake="estimators" says="every area is measured on all pixels: choose those of the area"
errors = torch.stack(
    [metrics.end_point_error(m(clip[:-1], clip[1:]), truth).repeat(3) for m in methods.values()]
)

# %% mistake="estimators" says="the flow is estimated backward, from the later frame to the earlier one"
errors = torch.stack(
    [
        torch.stack(
            [
                metrics.end_point_error(m(clip[1:], clip[:-1]), truth, area)
                for area in areas.values()
            ]
        )
        for m in methods.values()
    ]
)

# %% mistake="estimators" says="that is the mean error of the two components, not the length of the difference"
errors = torch.stack(
    [
        torch.stack(
            [(m(clip[:-1], clip[1:]) - truth).abs().mean(1)[area].mean() for area in areas.values()]
        )
        for m in methods.values()
    ]
)

# %% mistake="estimators" says="rows and columns are exchanged: a row is a method"
errors = torch.stack(
    [
        torch.stack(
            [metrics.end_point_error(m(clip[:-1], clip[1:]), truth, area) for m in methods.values()]
        )
        for area in areas.values()
    ]
)

# %% [markdown] teacher="estimators"
# - **Hint:** two loops, one over `methods.values()`, one over `areas.values()`.
# - **Troubles:** frames from 0 to 255 instead of 0 to 1; `clip[1:]` and `clip[:-1]` exchanged.
# - **Viva:** Why is every estimator worst where something disappears? Two of your columns
#   overlap: which pixels belong to both, and does that matter for what you conclude?

# %% [markdown]
# ## Close-ups in your world
#
# Mean subtraction (lesson 01, section 6) takes the mean of a field for the motion of the camera.
# That is not bad if the puppet is small. Here it is not: `close_ups` crops each field to the
# puppet and little more. It also tells where the background is, but only to judge: your function
# will not see that.

# %% close-ups
MOTIONS = ("wave", "clap", "jump", "squat", "walk_left", "walk_right")


def close_ups(seed, groups):
    """A flow field (2, h, w) of each clip, cropped to the puppet, and its background (h, w)."""
    clips = world.Actions(seed=seed, groups=groups, clips=1, frames=2, classes=MOTIONS)
    for index in range(len(clips)):
        field, background = clips[index].flow([0])[0], ~clips[index].mask([0], "puppet", "prop")[0]
        y, x = (~background).nonzero(as_tuple=True)  # where the puppet is, and what it holds
        rows = slice(max(int(y.min()) - 3, 0), int(y.max()) + 4)
        columns = slice(max(int(x.min()) - 3, 0), int(x.max()) + 4)
        yield field[:, rows, columns], background[rows, columns]


def within_a_tenth(answers, seed, groups):
    """Fraction of answers (2,) that are less than 0.1 pixels from the background's median."""
    truths = [
        field[:, background].median(1).values for field, background in close_ups(seed, groups)
    ]
    gaps = [(answer - truth).norm() for answer, truth in zip(answers, truths, strict=True)]
    return (torch.stack(gaps) < 0.1).float().mean().item()


fields = [field for field, _ in close_ups(variant, groups=4)]
by_mean = within_a_tenth([field.mean((1, 2)) for field in fields], variant, groups=4)
print(
    f"the mean vector is right for {100 * by_mean:.0f} % of {len(fields)} close-ups of your world"
)

# %% [markdown] question="camera" points=4 minutes=25 difficulty=3 importance=4 judged="72 close-ups of a world that you have not seen"
# ## 5 · How did the camera move?
#
# Write a function that gets the flow field of a close-up and returns the motion of its
# background, `(dx, dy)` in pixels per frame. The truth that it is compared with is the median of
# each component over the background; an answer is right if it is less than 0.1 pixels away.
#
# It is judged on 72 close-ups of a world that you have not seen: 38 % right earn 1 point, 46 % 2,
# 75 % 3, and 92 % all 4. Look at some fields first, say with `labkit.viz`, and ask where in the
# image you would look.


# %% answer="camera"
def camera_of(flow):
    """The motion (2,) of the background of a flow field (2, h, w) that a puppet fills."""
    # BEGIN SOLUTION
    rim = torch.cat(
        [flow[:, 0], flow[:, -1], flow[:, :, 0], flow[:, :, -1]], 1
    )  # (2, number of pixels)
    return rim.median(1).values
    # END SOLUTION


# %% check="camera"
with checking("camera"):
    steady = torch.tensor([1.0, -2.0])[:, None, None].expand(2, 12, 9)
    got = camera_of(steady)
    assert got.shape == (2,), f"one vector, (2,); got the shape {tuple(got.shape)}"
    assert (got - steady[:, 0, 0]).norm() < 0.01, (
        f"where all moves by (1, -2), so does the camera; got {got.tolist()}"
    )
    right = within_a_tenth([camera_of(field) for field in fields], variant, groups=4)
    print(f"right for {100 * right:.0f} % of {len(fields)} close-ups of your world")


# %% cases="camera"
def cases(seed):
    for field, _ in close_ups(seed, groups=12):
        yield dict(flow=field)


def judge(got, seed):
    """Points of 4, and what to say."""
    answers = [torch.as_tensor(answer).float() for answer in got]
    if any(answer.shape != (2,) or not answer.isfinite().all() for answer in answers):
        return 0, "each answer must be one finite vector, (2,)"
    right = within_a_tenth(answers, seed, groups=12)
    return sum(
        right >= least for least in (0.38, 0.46, 0.75, 0.92)
    ), f"{100 * right:.0f} % of unseen close-ups right"


# %% mistake="camera" says="that is the mean vector: the puppet drags it along"
def camera_of(flow):
    return flow.mean((1, 2))


# %% mistake="camera" says="that is the median of the whole field: better than the mean, but in a close-up the puppet fills too much"
def camera_of(flow):
    return flow.flatten(1).median(1).values


# %% [markdown] teacher="camera"
# - **Hint:** first: which statistic does not care about a few wild values? Then: which pixels
#   hardly ever show the puppet, wherever it is?
# - **Troubles:** tuning on the few close-ups of one's own world until all are right; forgetting
#   that fields have different sizes.
# - **Viva:** When would your answer fail, although a person would see the motion of the camera?
#   The truth here is one vector. What does a camera that turns do to that?

# %% [markdown]
# ## Your cards
#
# The three striped cards of the lesson (section 4), with the speed of your world. Through the
# hole they look the same, and an estimator has one answer for all of them.

# %% cards
cards = {"A": (SPEED, 0.0), "B": (0.0, SPEED), "C": (SPEED / 2, SPEED / 2)}
line = torch.arange(96) - 47.5
in_hole = torch.hypot(line[:, None], line[None]) < 20  # (96, 96)
for card, velocity in cards.items():
    frames = world.aperture(velocity, frames=4).frames
    dx, dy = flow.tvl1(frames[1], frames[2])[:, in_hole].mean(-1).tolist()
    print(f"card {card} moves by {velocity}, the estimate in the hole is ({dx:.2f}, {dy:.2f})")

# %% [markdown] question="cards" points=4 minutes=10 difficulty=2 importance=4
# ## 6 · A fourth card
#
# Give the velocity $(u, v)$ of a fourth card D which moves unlike A, B and C, but looks the same
# through the hole; and of a fifth, E, which looks different. What would you expect an estimator
# to answer for E in the hole? Give numbers, and say why, with the equation
# $I_x u + I_y v + I_t = 0$. About 80 words.

# %% [markdown] answer="cards" words=80
# <!-- BEGIN SOLUTION -->
# In the hole brightness depends on x + y alone, so $I_x = I_y$ everywhere, and the equation only
# contains $u + v$. For A, B and C this sum is the speed s of my world. D may have any other
# velocity with that sum, for instance (2s, -s). E has another sum: (s, s), for one. Only the part
# across the stripes shows, half the sum in each component: for E I expect about (s, s), a little
# less because the edge of the hole does not move.
# <!-- END SOLUTION -->

# %% [markdown] rubric="cards"
# - 1 point: D differs from A, B and C, and its components add up to the speed of the student's
#   world
# - 1 point: E's components add up to something else
# - 1 point: the estimate expected for E is its part across the stripes, about half the sum in
#   each component
# - 1 point: the reason: one equation for two unknowns; motion along the stripes changes no
#   brightness

# %% [markdown] teacher="cards"
# - **Hint:** draw the stripes on paper, and slide the sheet along them. What do you see through a
#   hole?
# - **Troubles:** the direction across the stripes taken for the direction along them; a D that is
#   only a multiple of A.
# - **Viva:** What in the image would have to change for the estimator to tell A from B? Where do
#   real videos have such cards?
