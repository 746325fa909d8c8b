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
# # Assignment 2 · Two streams
#
# To lesson 02 and its paper, Simonyan & Zisserman, [*Two-stream convolutional networks for action
# recognition in videos*](https://arxiv.org/abs/1406.2199), NIPS 2014. You will build the input of
# a temporal stream, take the camera out of it, weigh two small streams against each other, and
# describe motion so that an action can be told from its reverse. A part of it happens in a world
# that is your own: nobody else has its numbers.
#
# Everything here is small: the whole notebook runs in half a minute. Below most questions there
# is a check. It says `fine so far` or what is missing, costs nothing, and may be run as often as
# you like. Hidden cases decide about the points; what they are about stands under each question.
#
# A flow field is `(2, H, W)`: `(dx, dy)` in pixels per frame, x to the right, y down.

# %% tags=["parameters"]
student = ""  # your student number
variant = 0  # filled in for you

# %% setup
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from labkit import flow, world
from labkit.papers.two_stream import average_fusion
from labkit.teaching import checking

ORDER = ("xy", "yx")[variant % 2]  # the channels of your world: dx before dy, or dy before dx
LATEST_FIRST = variant // 2 % 2 == 1  # your fields: the last one first?
print(
    f"world {variant}: order {ORDER!r}, the {'latest' if LATEST_FIRST else 'earliest'} field first"
)

# %% [markdown] question="stack" points=4 minutes=20 difficulty=2 importance=5 judged="stacks of 1 to 5 fields, alone and in batches, in the order of your world" without="labkit.flow.optical_flow_stacking, labkit.flow.bidirectional_stacking"
# ## 1 · Stack flow
#
# A temporal stream sees L flow fields as one image of 2L channels. The paper's equation (1) puts
# dx and dy of the first field in front, then those of the second, and so on. Your world has an
# order of its own, which the cell above has printed:
#
# - `ORDER` is `'xy'` if dx stands before dy in each field's pair of channels, and `'yx'` if dy
#   stands before dx;
# - `LATEST_FIRST` is True if the pairs begin with the last field and end with the first.
#
# Write a function that takes fields `(..., L, 2, H, W)`, dx and dy as always, and returns
# `(..., 2L, H, W)`. The dots stand for any number of dimensions, also none: a batch of clips, for
# one.


# %% answer="stack"
def stack_fields(fields):
    """Stack flow fields (..., L, 2, H, W) into (..., 2L, H, W), in the order of your world."""
    # BEGIN SOLUTION
    if LATEST_FIRST:
        fields = fields.flip(-4)
    if ORDER == "yx":
        fields = fields.flip(-3)
    return fields.flatten(-4, -3)
    # END SOLUTION


# %% check="stack"
with checking("stack"):
    two = torch.arange(4.0).reshape(
        2, 2, 1, 1
    )  # two fields of one pixel: (dx, dy) is (0, 1), then (2, 3)
    got = stack_fields(two)
    assert tuple(got.shape) == (4, 1, 1), (
        f"two fields make 4 channels, (4, 1, 1); got {tuple(got.shape)}"
    )
    channels = got.flatten().tolist()
    assert set(channels[:2]) in ({0, 1}, {2, 3}), (
        f"dx and dy of one field stay together; got {channels}"
    )
    first = (0, 1, 2, 3)[2 * LATEST_FIRST + (ORDER == "yx")]
    assert channels[0] == first, (
        f"in your world the first channel holds {first} here; got {channels[0]:.0f}"
    )


# %% cases="stack"
def cases(seed):
    g = torch.Generator().manual_seed(seed)
    for shape in (
        (1, 2, 3, 3),
        (2, 2, 4, 5),
        (5, 2, 6, 7),
        (3, 4, 2, 5, 6),
        (2, 2, 3, 2, 4, 4),
        (1, 1, 2, 2, 2),
    ):
        yield dict(fields=torch.randn(*shape, generator=g))


# %% mistake="stack" says="dx and dy are in the other order: `ORDER` of your world says which comes first"
def stack_fields(fields):
    if LATEST_FIRST:
        fields = fields.flip(-4)
    if ORDER == "xy":
        fields = fields.flip(-3)
    return fields.flatten(-4, -3)


# %% mistake="stack" says="the fields are in the other order: `LATEST_FIRST` of your world says with which to begin"
def stack_fields(fields):
    if not LATEST_FIRST:
        fields = fields.flip(-4)
    if ORDER == "yx":
        fields = fields.flip(-3)
    return fields.flatten(-4, -3)


# %% mistake="stack" says="all dx come first, then all dy: equation (1) keeps the two of a field together"
def stack_fields(fields):
    if LATEST_FIRST:
        fields = fields.flip(-4)
    if ORDER == "yx":
        fields = fields.flip(-3)
    return fields.transpose(-4, -3).flatten(-4, -3)


# %% mistake="stack" says="a batch is refused or mixed up: count dimensions from the end"
def stack_fields(fields):
    if LATEST_FIRST:
        fields = fields.flip(0)
    if ORDER == "yx":
        fields = fields.flip(1)
    return fields.flatten(0, 1)


# %% [markdown] teacher="stack"
# - **Hint:** write the numbers 0 to 3 into two fields of one pixel and say, on paper, in which
#   order you want them.
# - **Troubles:** `reshape` where dimensions should be transposed; `flip` on the wrong dimension
#   once there is a batch.
# - **Viva:** Why may the order of channels be any, as long as it is always the same? What would a
#   network make of a stack whose order differs between training and testing?

# %% [markdown] question="camera" points=3 minutes=15 difficulty=2 importance=4 judged="stacks alone and in batches, with components that are spread unevenly" without="labkit.flow.mean_flow_subtraction"
# ## 2 · Take the camera out
#
# From each displacement field the paper subtracts its mean vector (section 3.1, "Mean flow
# subtraction"). A large puppet drags the mean along. The **median** does not mind a few large
# values: half of the pixels have less, half have more. Write a function that subtracts from each
# channel of a stack its own median over the image.


# %% answer="camera"
def without_camera(stack):
    """Subtract from each channel of a stack (..., 2L, H, W) its median over the image."""
    # BEGIN SOLUTION
    middle = stack.flatten(-2).quantile(0.5, dim=-1)  # (..., 2L)
    return stack - middle[..., None, None]
    # END SOLUTION


# %% check="camera"
with checking("camera"):
    stack = (
        torch.tensor([1.0, 1.0, 7.0]).reshape(1, 1, 3).expand(2, 1, 3)
        * torch.tensor([1.0, 2.0])[:, None, None]
    )
    got = without_camera(stack)
    assert got.shape == stack.shape, f"the shape stays {tuple(stack.shape)}; got {tuple(got.shape)}"
    assert got[0].flatten().tolist() == [0, 0, 6], (
        f"1, 1, 7 has the median 1: 0, 0, 6 is left; got {got[0].tolist()}"
    )
    assert got[1].flatten().tolist() == [0, 0, 12], (
        "each channel has a median of its own; the second one's is 2"
    )


# %% cases="camera" within=0.0001
def cases(seed):
    g = torch.Generator().manual_seed(seed + 1)
    yield dict(stack=torch.randn(4, 5, 7, generator=g) + 3)
    yield dict(stack=torch.randn(2, 9, 3, generator=g).exp())
    yield dict(stack=torch.randn(3, 6, 5, 5, generator=g).exp() + torch.arange(6.0)[:, None, None])
    yield dict(stack=torch.randn(2, 2, 4, 3, 5, generator=g) ** 3)
    yield dict(stack=torch.full((2, 3, 3), 1.5))


# %% mistake="camera" says="that is the mean: the median was asked for"
def without_camera(stack):
    return stack - stack.mean((-2, -1), keepdim=True)


# %% mistake="camera" says="one median for all channels: each has its own"
def without_camera(stack):
    return stack - stack.flatten(-3).quantile(0.5, dim=-1)[..., None, None, None]


# %% mistake="camera" says="all clips of a batch share a median: each has its own"
def without_camera(stack):
    if stack.ndim == 3:
        return stack - stack.flatten(-2).quantile(0.5, dim=-1)[..., None, None]
    flat = stack.movedim(-3, 0).flatten(1)  # (2L, everything else)
    return stack - flat.quantile(0.5, dim=1)[:, None, None]


# %% mistake="camera" says="every row is treated on its own: the median is over the whole image"
def without_camera(stack):
    return stack - stack.quantile(0.5, dim=-1, keepdim=True)


# %% [markdown] teacher="camera"
# - **Hint:** first flatten the last two dimensions into one.
# - **Troubles:** `Tensor.median(dim)` returns values *and* indices; the result has lost its
#   dimensions and no longer fits the stack. (`median` takes the lower of the middle two,
#   `quantile` their mean: the hidden images have an odd number of pixels, so both are right.)
# - **Viva:** When is the mean the better choice? What does the subtraction do to a clip whose
#   camera does not move?

# %% [markdown]
# ## Your two streams
#
# Two very small ones, given: a linear classifier on the colours of one frame, and another one on
# how much moves, and where. Both learn from the same clips of your world. As in the lesson, some
# clips are held out to make choices on, and others are for testing.

# %% streams
CLASSES = ("hammer", "chop", "guitar", "broom", "wave", "clap")
SIZES = {"seed": variant, "groups": 15, "clips": 1, "frames": 6, "classes": CLASSES}


def appearance(clips):
    """The colours of a frame in blocks of 8 x 8 pixels, (N, 192)."""
    frames = torch.stack([clip.frames([2])[0] for clip in clips]).float() / 255
    return F.avg_pool2d(frames, 8).flatten(1)


def motion(clips):
    """How much moves in blocks of 16 x 16 pixels, dx and dy apart, (N, 32)."""
    fields = torch.stack([clip.flow(range(5)) for clip in clips])  # (N, 5, 2, 64, 64)
    speed = flow.mean_flow_subtraction(fields).abs().mean(1)
    return 5 * F.avg_pool2d(speed, 16).flatten(1)


def scores_of(describe, learn, clips):
    """Probabilities (N, 6) of clips, by a linear classifier of what describes them."""
    inputs, labels = describe(learn).double().numpy(), learn.labels.numpy()
    model = LogisticRegression(max_iter=5000, tol=1e-7).fit(inputs, labels)  # until it settles
    return torch.from_numpy(model.predict_proba(describe(clips).double().numpy()))


learn, held_out = world.Actions(part="train", **SIZES).hold_out_groups(0.4)
parts = {"held-out": held_out, "test": world.Actions(part="test", **SIZES)}
labels = {part: clips.labels for part, clips in parts.items()}  # (N,) each
spatial = {
    part: scores_of(appearance, learn, clips) for part, clips in parts.items()
}  # (N, 6) each
temporal = {part: scores_of(motion, learn, clips) for part, clips in parts.items()}
for part, scores in (("spatial", spatial), ("temporal", temporal)):
    right = (scores["held-out"].argmax(1) == labels["held-out"]).float().mean()
    print(f"{part} stream: {100 * right:.0f} % of {len(held_out)} held-out clips are right")

# %% [markdown] question="weight" points=3 minutes=15 difficulty=2 importance=4
# ## 3 · Weigh the streams
#
# The paper averages the softmax scores of both streams (section 2).
# `average_fusion(spatial, temporal, weight)` gives the temporal stream a weight from 0 to 1, and
# the spatial one the rest. How good is each weight? Accuracy is a coarse answer with so few
# clips. A finer one is the mean, over clips, of the **logarithm** of the probability that the
# fused scores give to the clip's own class: 0 would be perfect, and -1.79, log of a sixth, is
# what guessing gets.
#
# Compute this mean for the weights 0, 0.1, ..., 1. Put it into the tensor `curves` of shape
# `(2, 11)`: the held-out clips in the first row, the test clips in the second.

# %% answer="weight" value="curves" within=0.002
# BEGIN SOLUTION
curves = torch.zeros(2, 11)
for row, part in enumerate(("held-out", "test")):
    for step in range(11):
        fused = average_fusion(spatial[part], temporal[part], step / 10)
        own = fused.gather(1, labels[part][:, None])  # (N, 1)
        curves[row, step] = own.log().mean()
# END SOLUTION

# %% check="weight"
with checking("weight"):
    assert tuple(curves.shape) == (2, 11), (
        f"two parts, eleven weights: (2, 11); got {tuple(curves.shape)}"
    )
    assert (curves < 0).all(), "the logarithm of a probability below 1 is negative"
    step = int(curves[0].argmax())
    print(
        f"best on the held-out clips: {step / 10}; there the test clips have {curves[1, step]:.2f}"
    )

# %% mistake="weight" says="the weights run the wrong way: at 1 only the temporal stream counts"
curves = torch.stack(
    [
        torch.stack(
            [
                average_fusion(temporal[p], spatial[p], k / 10)
                .gather(1, labels[p][:, None])
                .log()
                .mean()
                for k in range(11)
            ]
        )
        for p in ("held-out", "test")
    ]
)

# %% mistake="weight" says="that is the logarithm of the mean: first the logarithm of each clip, then the mean"
curves = torch.stack(
    [
        torch.stack(
            [
                average_fusion(spatial[p], temporal[p], k / 10)
                .gather(1, labels[p][:, None])
                .mean()
                .log()
                for k in range(11)
            ]
        )
        for p in ("held-out", "test")
    ]
)

# %% mistake="weight" says="the logarithms are averaged over streams: average the probabilities, then take the logarithm"
curves = torch.stack(
    [
        torch.stack(
            [
                average_fusion(spatial[p].log(), temporal[p].log(), k / 10)
                .gather(1, labels[p][:, None])
                .mean()
                for k in range(11)
            ]
        )
        for p in ("held-out", "test")
    ]
)

# %% mistake="weight" says="that is the accuracy, not the mean logarithm of a probability"
curves = torch.stack(
    [
        torch.stack(
            [
                (average_fusion(spatial[p], temporal[p], k / 10).argmax(1) == labels[p])
                .double()
                .mean()
                for k in range(11)
            ]
        )
        for p in ("held-out", "test")
    ]
)

# %% [markdown] teacher="weight"
# - **Hint:** `scores[torch.arange(len(labels)), labels]` picks the probability of each clip's own
#   class.
# - **Troubles:** `average_fusion` called with the streams exchanged; the weight chosen on the
#   test clips, which is what the held-out clips are for.
# - **Viva:** Why is the best weight not read off the second row? The fused curve is above both of
#   its ends in most worlds: what must be true of the mistakes of the two streams?

# %% [markdown]
# ## Six actions, and their reverses
#
# The description `motion` above says how *much* moves. That is little help with the six actions
# below: sitting down and standing up move the same parts equally fast. `named_rightly` measures a
# description of motion: of each group of clips it asks which class's mean, over all other groups,
# is nearest.

# %% reverses
REVERSES = ("walk_left", "walk_right", "sit_down", "stand_up", "open_arms", "close_arms")


def clips_of(seed, groups):
    """One clip of each action and group, with tempo, size and position more varied than usual."""
    varied = world.Difficulty(jitter=3)
    return world.Actions(
        seed=seed, groups=groups, clips=1, frames=13, classes=REVERSES, difficulty=varied
    )


def named_rightly(codes, clips):
    """Fraction of clips whose code (D,) is nearest to the mean of its own class."""
    codes, right = torch.stack(codes), 0
    for group in clips.groups.unique():
        here = clips.groups == group
        means = [codes[~here & (clips.labels == label)].mean(0) for label in range(len(REVERSES))]
        right += int(
            (torch.cdist(codes[here], torch.stack(means)).argmin(1) == clips.labels[here]).sum()
        )
    return right / len(clips)


my_clips = clips_of(variant, groups=8)
my_fields = [clip.flow(range(12)) for clip in my_clips]  # (12, 2, 64, 64) each
how_much = [
    F.avg_pool2d(flow.mean_flow_subtraction(fields).abs().mean(0), 16).flatten()
    for fields in my_fields
]
right = named_rightly(how_much, my_clips)
print(f"how much moves, and where: {100 * right:.0f} % of {len(my_clips)} clips right")

# %% [markdown] question="code" points=4 minutes=40 difficulty=3 importance=4 judged="84 clips of a world that you have not seen, by their nearest mean"
# ## 4 · A better description of motion
#
# Write a function that describes the flow of one clip by a vector of at most 400 values, such
# that the six actions above can be told apart. It is judged on 84 clips of a world that you have
# not seen, by `named_rightly`: 70 % earn 1 point, 80 % 2, 87 % 3, and 93 % all 4. Chance level is
# 17 %.
#
# Nothing is trained here but means, so the description has to bring out what differs between two
# classes, and hide what differs between two clips of the same class: the camera, the tempo, the
# size of the puppet.


# %% answer="code"
def motion_code(fields):
    """Describe the flow (12, 2, 64, 64) of one clip by a vector (D,), D at most 400."""
    # BEGIN SOLUTION
    fields = fields - fields.flatten(-2).median(-1).values[..., None, None]  # without the camera
    speed = fields.norm(dim=1, keepdim=True).clamp(min=0.5)  # (12, 1, 64, 64)
    fields = fields * (
        1 - 0.5 / speed
    )  # what is slower than half a pixel is the rest of the camera
    code = F.adaptive_avg_pool2d(fields.mean(0), 8).flatten()  # (128,): which way, and where
    return code / code.norm().clamp(min=1e-6)  # fast or slow, large or small
    # END SOLUTION


# %% check="code"
with checking("code"):
    codes = [motion_code(fields) for fields in my_fields]
    assert codes[0].ndim == 1, f"a vector, (D,); got the shape {tuple(codes[0].shape)}"
    assert len(codes[0]) <= 400, f"at most 400 values; got {len(codes[0])}"
    assert all(code.isfinite().all() for code in codes), (
        "some values are not finite: is something divided by zero?"
    )
    print(
        f"{100 * named_rightly(codes, my_clips):.0f} % of {len(my_clips)} clips of your world right"
    )


# %% cases="code"
def cases(seed):
    for clip in clips_of(seed, groups=14):
        yield dict(fields=clip.flow(range(12)))


def judge(got, seed):
    """Points of 4, and what to say."""
    codes = [torch.as_tensor(code).float() for code in got]
    if any(
        code.ndim != 1 or code.shape != codes[0].shape or not 0 < len(code) <= 400 for code in codes
    ):
        return 0, "each code must be a vector, always of the same length, of at most 400 values"
    if not all(code.isfinite().all() for code in codes):
        return 0, "a code must be finite"
    right = named_rightly(codes, clips_of(seed, groups=14))
    return sum(
        right >= least for least in (0.70, 0.80, 0.87, 0.93)
    ), f"{100 * right:.0f} % of unseen clips right"


# %% mistake="code" says="how much moves is there, but not which way: an action and its reverse look the same"
def motion_code(fields):
    fields = flow.mean_flow_subtraction(fields).abs().mean(0)
    return F.adaptive_avg_pool2d(fields, 8).flatten()


# %% mistake="code" says="one field of the twelve is too little: it depends on the moment"
def motion_code(fields):
    return F.adaptive_avg_pool2d(flow.mean_flow_subtraction(fields)[5], 8).flatten()


# %% mistake="code" says="which way everything moves on average says nothing about where"
def motion_code(fields):
    return fields.mean((0, 2, 3))


# %% [markdown] teacher="code"
# - **Hint:** what does a mean over time keep if nobody takes absolute values? What of the
#   background still moves once one vector has been subtracted, and how fast? And how could two
#   clips that only differ in tempo get the same code?
# - **Troubles:** too many values (a stack of 24 channels, pooled to 8 x 8, has 1536); the camera
#   left in; a code that is excellent on the 48 clips of one's own world and was tuned on them.
# - **Viva:** How would your code name a clip that is played backward? Which of your steps cost
#   accuracy when you left it out, and on how many clips did you measure that?

# %% [markdown] question="why" points=4 minutes=15 difficulty=3 importance=5
# ## 5 · Why two?
#
# Name a pair of actions that the temporal stream can hardly tell apart, and a pair that no stream
# of single frames can. Say for each why more training would not help, and what in the other
# stream's input does. About 80 words.

# %% [markdown] answer="why" words=80
# <!-- BEGIN SOLUTION -->
# Hammering and chopping are one motion: flow says how an arm swings, and hardly anything about
# the tool and nothing about the workshop or the forest, which any frame shows. Sitting down and
# standing up consist of the same frames in reversed order: a frame does not say what comes next,
# but flow points down in one and up in the other. No training can find in an input what is not in
# it.
# <!-- END SOLUTION -->

# %% [markdown] rubric="why"
# - 1 point: a pair with one motion (hammer and chop, guitar and broom, ski and skateboard), and
#   that a frame shows thing or scene
# - 1 point: a pair with the same frames (sit down and stand up, open and close arms, walk left
#   and right, pick up and put down), and that flow shows the direction
# - 2 points: the reason is information that the input does not have, not a lack of clips or of
#   training

# %% [markdown] teacher="why"
# - **Hint:** cover the title of a clip and look at one frame; then look at its flow alone.
# - **Troubles:** pairs that are merely difficult (waving and clapping) for pairs that differ in
#   nothing; walking to the left and to the right can be told from a frame if the puppet looks
#   where it walks: a good answer says so.
# - **Viva:** With exact flow the outline of a tool can be seen as it swings. Does that spoil your
#   example? Would an average of the scores help with a pair that both streams confuse?
