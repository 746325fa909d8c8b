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
# # Assignment 9 · Back-dropout: whose gain is it?
#
# To lesson 09 and its paper, Ren et al., [*Back-dropout transfer learning for action
# recognition*](https://doi.org/10.1049/iet-cvi.2016.0309), IET Computer Vision 2018. You will
# find the neurons that one mistake is charged to, draw a fair random control, tell a gain from
# chance, and write the rule by which a claim holds or fails. The last question is the one that
# the lesson is about: compared with *what*?
#
# Nothing is trained here for long: the whole notebook runs in half a minute. Below most questions
# there is a check. It says `fine so far` or what is missing, costs nothing, and may be run as
# often as you like. Hidden cases decide about the points; what they are about stands under each
# question.

# %% tags=["parameters"]
student = ""  # your student number
variant = 0  # filled in for you

# %% setup
import torch
import torch.nn.functional as F
from scipy import stats

from labkit import world
from labkit.teaching import checking

LINK = ("weight", "contribution")[variant % 2]  # how strong a link is, in your world: question 1
LEVEL = (0.90, 0.98)[variant // 2 % 2]  # of your intervals: questions 3 and 5
print(f"world {variant}: links by {LINK!r}, intervals of {100 * LEVEL:.0f} %")

# %% [markdown] question="walk_back" points=4 minutes=25 difficulty=3 importance=5 judged="random layers, links of both signs, neurons that are gone, links that are all zero" without="labkit.papers.back_dropout.walk_back, labkit.papers.back_dropout.negative_back_dropout"
# ## 1 · Who is to blame?
#
# One step of negative back-dropout, for one image that was taken for the wrong class (section 3.3
# of the paper, and the vote by hand in the lesson): take the neuron of fc7 with the strongest
# link to the wrong class, then the neuron of fc6 with the strongest link to *that* neuron of fc7.
# Neurons that are gone already cannot be taken.
#
# How strong a link is, your world decides; the cell above has printed it:
#
# - `'weight'`: the absolute value of its weight, $|w|$, as in the paper;
# - `'contribution'`: the absolute value of the weight times the activation of the neuron that the
#   link comes *from*, $|w\,a|$.
#
# The arguments are the weights `to_class` of the classifier, `(K, A)`, and `to_fc7`, `(A, B)`: a
# row for each neuron that a link leads *to*, as in PyTorch; the activations `fc7`, `(A,)`, and
# `fc6`, `(B,)`, of the image; the number of the wrong class; and which neurons are gone, `gone7`
# `(A,)` and `gone6` `(B,)`, bool. Return both numbers, that of fc7 first, as an int64 tensor
# `(2,)`. Of equally strong links, take the neuron with the lower number.


# %% answer="walk_back"
def walk_back(to_class, to_fc7, fc7, fc6, wrong, gone7, gone6):
    """The neuron of fc7 and the neuron of fc6 that one wrong image votes out, int64 (2,)."""
    # BEGIN SOLUTION
    strength7, by_weight = to_class[wrong], LINK == "weight"
    strength7 = (strength7 if by_weight else strength7 * fc7).abs()  # (A,)
    first = strength7.masked_fill(gone7, -1.0).argmax()
    strength6 = (to_fc7[first] if by_weight else to_fc7[first] * fc6).abs()  # (B,)
    return torch.stack([first, strength6.masked_fill(gone6, -1.0).argmax()])
    # END SOLUTION


# %% check="walk_back"
with checking("walk_back"):
    to_class = torch.tensor(
        [[0.0, 0.0, 0.0], [1.0, -4.0, 3.0]]
    )  # (K, A): two classes, three neurons of fc7
    to_fc7 = torch.tensor([[1.0, 2.0], [5.0, -6.0], [-8.0, 7.0]])  # (A, B): two neurons of fc6
    fc7, fc6 = torch.tensor([1.0, 0.1, 1.0]), torch.tensor([1.0, 2.0])
    nobody = torch.zeros(3, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)
    got = walk_back(to_class, to_fc7, fc7, fc6, 1, *nobody)
    assert isinstance(got, torch.Tensor), f"return a tensor; got {type(got).__name__}"
    assert got.shape == (2,), f"two numbers, (2,); got the shape {tuple(got.shape)}"
    strongest = {"weight": 1, "contribution": 2}[LINK]
    assert got[0] == strongest, (
        f"in your world neuron {strongest} of fc7 is the strongest here; got {int(got[0])}"
    )
    assert got[1] == 1, f"of fc6, neuron 1 is the strongest for it; got {int(got[1])}"


# %% cases="walk_back"
def cases(seed):
    g = torch.Generator().manual_seed(seed)

    def layers(classes, a, b, gone):
        return dict(
            to_class=torch.randn(classes, a, generator=g),
            to_fc7=torch.randn(a, b, generator=g),
            fc7=torch.randn(a, generator=g).relu(),
            fc6=torch.randn(b, generator=g).relu(),
            wrong=int(torch.randint(classes, (), generator=g)),
            gone7=torch.rand(a, generator=g) < gone,
            gone6=torch.rand(b, generator=g) < gone,
        )

    for classes, a, b, gone in (
        (5, 20, 40, 0.0),
        (3, 12, 30, 0.0),
        (4, 30, 25, 0.3),
        (7, 16, 16, 0.5),
    ):
        yield layers(classes, a, b, gone)
    case = layers(4, 20, 30, 0.2)
    case["to_class"], case["to_fc7"] = -case["to_class"].abs(), -case["to_fc7"].abs()
    yield case
    case = layers(3, 10, 10, 0.4)
    case["gone7"][0] = case["gone6"][0] = True
    case["gone7"][3] = case["gone6"][5] = False
    case["to_class"][:, ~case["gone7"]] = 0.0
    case["to_fc7"][:, ~case["gone6"]] = 0.0
    yield case


# %% mistake="walk_back" says="that is the other kind of link: `LINK` of your world says which one counts"
def walk_back(to_class, to_fc7, fc7, fc6, wrong, gone7, gone6):
    by_weight = LINK != "weight"
    strength7 = (to_class[wrong] if by_weight else to_class[wrong] * fc7).abs()
    first = strength7.masked_fill(gone7, -1.0).argmax()
    strength6 = (to_fc7[first] if by_weight else to_fc7[first] * fc6).abs()
    return torch.stack([first, strength6.masked_fill(gone6, -1.0).argmax()])


# %% mistake="walk_back" says="the largest link is taken, not the largest absolute value: negative ones count as well"
def walk_back(to_class, to_fc7, fc7, fc6, wrong, gone7, gone6):
    by_weight, never = LINK == "weight", -torch.inf
    strength7 = to_class[wrong] if by_weight else to_class[wrong] * fc7
    first = strength7.masked_fill(gone7, never).argmax()
    strength6 = to_fc7[first] if by_weight else to_fc7[first] * fc6
    return torch.stack([first, strength6.masked_fill(gone6, never).argmax()])


# %% mistake="walk_back" says="neurons that are gone are taken once more"
def walk_back(to_class, to_fc7, fc7, fc6, wrong, gone7, gone6):
    by_weight = LINK == "weight"
    first = (to_class[wrong] if by_weight else to_class[wrong] * fc7).abs().argmax()
    return torch.stack(
        [first, (to_fc7[first] if by_weight else to_fc7[first] * fc6).abs().argmax()]
    )


# %% mistake="walk_back" says="the neuron of fc6 is the one with the strongest link of all: look only at links to the neuron of fc7 that was taken"
def walk_back(to_class, to_fc7, fc7, fc6, wrong, gone7, gone6):
    by_weight = LINK == "weight"
    strength7 = (to_class[wrong] if by_weight else to_class[wrong] * fc7).abs()
    first = strength7.masked_fill(gone7, -1.0).argmax()
    strength6 = (to_fc7 if by_weight else to_fc7 * fc6).abs().amax(0)
    return torch.stack([first, strength6.masked_fill(gone6, -1.0).argmax()])


# %% mistake="walk_back" says="a neuron that is gone gets the strength 0, and wins where all others have 0, too: rule it out"
def walk_back(to_class, to_fc7, fc7, fc6, wrong, gone7, gone6):
    by_weight = LINK == "weight"
    first = ((to_class[wrong] if by_weight else to_class[wrong] * fc7).abs() * ~gone7).argmax()
    return torch.stack(
        [first, ((to_fc7[first] if by_weight else to_fc7[first] * fc6).abs() * ~gone6).argmax()]
    )


# %% [markdown] teacher="walk_back"
# - **Hint:** first write it for `'weight'` with nobody gone; that is two lines. `masked_fill`
#   rules neurons out.
# - **Troubles:** rows and columns of a PyTorch weight exchanged; the activation of the wrong
#   layer for `'contribution'`; `-1` and not `0` for those that are gone.
# - **Viva:** By weight alone, does it matter what the image shows? What does a large negative
#   weight to the wrong class mean, and would you drop that neuron?

# %% [markdown] question="random_control" points=3 minutes=15 difficulty=2 importance=5 judged="how many neurons, all different, from the whole layer, the same again with the same seed" without="labkit.papers.back_dropout.random_units"
# ## 2 · A fair control
#
# A method that chooses neurons has to beat a choice at random. The control loses as many neurons
# as the method, **in each layer** as many. They are drawn from the whole layer, each neuron with
# the same probability, so that some of the method's own may be among them.
#
# Write it: `units` has the numbers of the chosen neurons of each layer,
# `{"fc7": (n,), "fc6": (m,)}`, int64; `sizes` how many neurons the layer has. Return a dict with
# the same keys and as many numbers, all different. The same `seed` must give the same control,
# another seed another one: use a `torch.Generator`.


# %% answer="random_control"
def random_control(units, sizes, seed):
    """As many neurons of each layer, at random: a dict with the keys of units, each int64 (n,)."""
    # BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    return {
        layer: torch.randperm(sizes[layer], generator=generator)[: len(chosen)]
        for layer, chosen in units.items()
    }
    # END SOLUTION


# %% check="random_control"
with checking("random_control"):
    units = {"fc7": torch.tensor([1, 4, 5]), "fc6": torch.tensor([0, 2])}
    got = random_control(units, {"fc7": 8, "fc6": 16}, seed=3)
    assert isinstance(got, dict), f"return a dict; got {type(got).__name__}"
    assert set(got) == {"fc7", "fc6"}, f"its keys are the layers, fc7 and fc6; got {set(got)}"
    counts = {layer: len(numbers) for layer, numbers in got.items()}
    assert counts == {"fc7": 3, "fc6": 2}, f"3 neurons of fc7 and 2 of fc6 go; got {counts}"
    again = random_control(units, {"fc7": 8, "fc6": 16}, seed=3)
    assert torch.equal(got["fc7"], again["fc7"]), "the same seed must give the same neurons"


# %% cases="random_control"
def cases(seed):
    g = torch.Generator().manual_seed(seed)
    sizes = {"fc7": 40, "fc6": 80}
    for k in range(12):
        units = {
            layer: torch.randperm(size, generator=g)[: size // 4] for layer, size in sizes.items()
        }
        for own in (seed + k, seed + k, seed + k + 1000):  # one and the same twice, then another
            yield dict(units=units, sizes=sizes, seed=own)
    few = {"fc7": torch.arange(7), "fc6": torch.zeros(0, dtype=torch.int64)}
    yield dict(units=few, sizes={"fc7": 7, "fc6": 5}, seed=seed)


def judge(got, seed):
    """Points of 3, and what to say."""
    overlaps, numbers = [], []
    for case, answer in zip(cases(seed), got, strict=True):
        if not isinstance(answer, dict) or set(answer) != set(case["units"]):
            return 0, "each control must be a dict with the layers of `units`"
        for layer, chosen in case["units"].items():
            drawn, size = torch.as_tensor(answer[layer]).flatten(), case["sizes"][layer]
            inside = bool(((drawn >= 0) & (drawn < size)).all())
            if not len(drawn) == len(drawn.unique()) == len(chosen) or not inside:
                return 0, "a layer does not lose as many different neurons as `units` has of it"
            if size >= 40:
                overlaps.append(torch.isin(drawn, chosen).double().mean().item())
                numbers.append(drawn.double().mean().item() / (size - 1))
    overlap, middle = sum(overlaps) / len(overlaps), sum(numbers) / len(numbers)
    from_whole_layer = 0.15 < overlap < 0.35 and 0.4 < middle < 0.6  # 0.25 and 0.5 on average
    fc7 = [torch.as_tensor(answer["fc7"]).flatten().tolist() for answer in got[:-1]]
    seeded = all(fc7[k] == fc7[k + 1] != fc7[k + 2] for k in range(0, len(fc7), 3))
    said = [] if from_whole_layer else ["some neurons are never, or too rarely, drawn"]
    said += [] if seeded else ["the same seed must give the same neurons, another seed others"]
    return 1 + from_whole_layer + seeded, "; ".join(said) or "a fair control"


# %% mistake="random_control" says="a neuron can be drawn twice, so that fewer are dropped: draw without putting back"
def random_control(units, sizes, seed):
    g = torch.Generator().manual_seed(seed)
    return {
        layer: torch.randint(sizes[layer], (len(chosen),), generator=g)
        for layer, chosen in units.items()
    }


# %% mistake="random_control" says="only the total is right: each layer has to lose as many as with the method"
def random_control(units, sizes, seed):
    g, total = torch.Generator().manual_seed(seed), sum(len(chosen) for chosen in units.values())
    drawn, control, start = torch.randperm(sum(sizes.values()), generator=g)[:total], {}, 0
    for layer in units:
        control[layer] = drawn[(drawn >= start) & (drawn < start + sizes[layer])] - start
        start += sizes[layer]
    return control


# %% mistake="random_control" says="the method's own neurons are never drawn: then the control is no longer random, it avoids them"
def random_control(units, sizes, seed):
    g, control = torch.Generator().manual_seed(seed), {}
    for layer, chosen in units.items():
        order = torch.randperm(sizes[layer], generator=g)
        others = order[~torch.isin(order, chosen)]
        control[layer] = torch.cat([others, order[torch.isin(order, chosen)]])[: len(chosen)]
    return control


# %% mistake="random_control" says="the seed is not used, so that nobody can repeat the run"
def random_control(units, sizes, seed):
    return {layer: torch.randperm(sizes[layer])[: len(chosen)] for layer, chosen in units.items()}


# %% [markdown] teacher="random_control"
# - **Hint:** how would you deal three cards out of a pack? `torch.randperm` shuffles.
# - **Troubles:** `torch.randint` draws with replacement; a new generator for each layer (allowed,
#   but then equal layers lose equal neurons).
# - **Viva:** Why must the numbers agree in each layer and not only in total? How many controls
#   would you draw before you trust the comparison?

# %% [markdown] question="paired_gain" points=5 minutes=30 difficulty=4 importance=5 judged="groups of different sizes and any numbers, gains that are all equal, two groups only" without="labkit.studies.gains.paired_gain"
# ## 3 · A gain, and what chance can do
#
# The same N clips are classified before and after: `before` and `after` `(N,)` say of each how
# often it was right, 0 to 1. Clips of one group, an actor in the same scenes, tend to be right or wrong
# together, so G groups are fewer samples than N clips. Let $d_i$ be the difference of clip i,
# after minus before, and $m$ their mean over all clips. With the sum
# $S_g = \sum_{i \in g} (d_i - m)$ of each group, the standard error of $m$ is
#
# $$s = \frac{1}{N} \sqrt{\frac{G}{G - 1} \sum_g S_g^2}$$
#
# (Cameron and Miller, 2015; the lesson's own rule, "Whose gain is it?"). Return $m$ and both ends
# of the interval $m \pm t\,s$, as a tensor `(3,)`: mean, lower end, upper end. $t$ is such that
# Student's distribution with $G - 1$ degrees of freedom has the probability `LEVEL` of your world
# between $-t$ and $t$; `stats.t.ppf(p, G - 1)` is the value below which it has the probability p.
# `groups` `(N,)` has the number of each clip's group: any whole numbers, in any order.


# %% answer="paired_gain"
def paired_gain(before, after, groups):
    """Mean gain and the ends of its interval, float64 (3,)."""
    # BEGIN SOLUTION
    gains = after.double() - before.double()  # (N,)
    mean, numbers = gains.mean(), groups.unique()
    sums = torch.stack([(gains - mean)[groups == number].sum() for number in numbers])  # (G,)
    error = (sums.square().sum() * len(numbers) / (len(numbers) - 1)).sqrt() / len(gains)
    reach = stats.t.ppf((1 + LEVEL) / 2, len(numbers) - 1) * error
    return torch.stack([mean, mean - reach, mean + reach])
    # END SOLUTION


# %% check="paired_gain"
with checking("paired_gain"):
    before, after = torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([1.0, 1.0, 1.0, 1.0])
    got = paired_gain(before, after, torch.tensor([7, 7, 2, 2]))
    assert got.shape == (3,), f"mean, lower end, upper end: (3,); got {tuple(got.shape)}"
    assert abs(got[0] - 0.5) < 1e-6, f"two of four clips have gained, 0.5; got {got[0]:.3g}"
    assert abs((got[1] + got[2]) / 2 - got[0]) < 1e-6, "the mean lies in the middle of its interval"
    reach = {0.90: 3.157, 0.98: 15.910}[LEVEL]  # by hand: both sums are 1 and -1, so s = 0.5
    assert abs(got[2] - got[0] - reach) < 0.01, f"here t s is {reach}; got {got[2] - got[0]:.3f}"


# %% cases="paired_gain" within=0.0001
def cases(seed):
    g = torch.Generator().manual_seed(seed)

    def right(share, number):
        return (torch.rand(number, generator=g) < share).float()

    for number, groups in ((40, 8), (60, 5), (30, 2), (25, 12)):
        group = torch.cat(
            [torch.arange(groups), torch.randint(groups, (number - groups,), generator=g)]
        )
        yield dict(before=right(0.5, number), after=right(0.7, number), groups=17 * group - 5)
    group = torch.arange(6).repeat_interleave(torch.arange(1, 7))  # 21 clips in groups of 1 to 6
    before, alike = torch.rand(21, generator=g), torch.randn(6, generator=g)[group] / 4
    yield dict(before=before, after=(before + alike).clamp(0, 1), groups=group)
    yield dict(before=torch.zeros(12), after=torch.full((12,), 0.25), groups=torch.arange(12) // 3)


# %% mistake="paired_gain" says="the probability `LEVEL` is that of both sides together: (1 + LEVEL) / 2 lies below t"
def paired_gain(before, after, groups):
    gains, numbers = after.double() - before.double(), groups.unique()
    sums = torch.stack([(gains - gains.mean())[groups == number].sum() for number in numbers])
    error = (sums.square().sum() * len(numbers) / (len(numbers) - 1)).sqrt() / len(gains)
    reach = stats.t.ppf(LEVEL, len(numbers) - 1) * error
    return torch.stack([gains.mean(), gains.mean() - reach, gains.mean() + reach])


# %% mistake="paired_gain" says="that is an interval of another level than your world's"
def paired_gain(before, after, groups):
    gains, numbers = after.double() - before.double(), groups.unique()
    sums = torch.stack([(gains - gains.mean())[groups == number].sum() for number in numbers])
    error = (sums.square().sum() * len(numbers) / (len(numbers) - 1)).sqrt() / len(gains)
    reach = stats.t.ppf((1 + {0.90: 0.98, 0.98: 0.90}[LEVEL]) / 2, len(numbers) - 1) * error
    return torch.stack([gains.mean(), gains.mean() - reach, gains.mean() + reach])


# %% mistake="paired_gain" says="clips count as independent: those of a group are right or wrong together"
def paired_gain(before, after, groups):
    gains = after.double() - before.double()
    reach = stats.t.ppf((1 + LEVEL) / 2, len(gains) - 1) * gains.std() / len(gains) ** 0.5
    return torch.stack([gains.mean(), gains.mean() - reach, gains.mean() + reach])


# %% mistake="paired_gain" says="before and after are taken for different clips: the same clips are compared, so only differences count"
def paired_gain(before, after, groups):
    gain, number = after.double().mean() - before.double().mean(), len(before)
    error = ((before.double().var() + after.double().var()) / number).sqrt()
    reach = stats.t.ppf((1 + LEVEL) / 2, len(groups.unique()) - 1) * error
    return torch.stack([gain, gain - reach, gain + reach])


# %% mistake="paired_gain" says="every group weighs the same, whatever its size: the mean is over clips"
def paired_gain(before, after, groups):
    gains = after.double() - before.double()
    means = torch.stack([gains[groups == number].mean() for number in groups.unique()])
    reach = stats.t.ppf((1 + LEVEL) / 2, len(means) - 1) * means.std() / len(means) ** 0.5
    return torch.stack([means.mean(), means.mean() - reach, means.mean() + reach])


# %% [markdown] teacher="paired_gain"
# - **Hint:** work the check out by hand first: four differences, two groups, two sums.
# - **Troubles:** groups taken for numbers from 0 to G - 1; N and G exchanged; a quantile of one
#   side only.
# - **Viva:** Why does pairing make the interval shorter, and grouping longer? One run has a gain
#   of 2 points and an interval from 1 to 3. Which chances does that interval know nothing of?

# %% [markdown]
# ## Mistakes in your world
#
# A small network could not be simpler: an image is described by the colours of its blocks, and
# goes to the class whose mean is nearest. It learns from six groups of actors; four frames of
# each clip of the other three groups are classified, and `scores` says how near each class is,
# the highest being the answer.

# %% mistakes
CLASSES = ("hammer", "chop", "guitar", "broom", "wave", "squat")
SIZES = {"seed": variant, "groups": 9, "clips": 2, "frames": 8, "classes": CLASSES}


def images_of(clips):
    """Four frames of each clip in 8 x 8 blocks, (4 N, 192), and the classes of all, (4 N,)."""
    frames = torch.cat([clip.frames([1, 3, 5, 7]) for clip in clips]).float() / 255
    return F.avg_pool2d(frames, 8).flatten(1), clips.labels.repeat_interleave(4)


known, known_labels = images_of(world.Actions(part="train", **SIZES))
means = torch.stack([known[known_labels == label].mean(0) for label in range(len(CLASSES))])
images, labels = images_of(world.Actions(part="test", **SIZES))
scores = -torch.cdist(images, means)  # (144, 6)
right = (scores.argmax(1) == labels).float().mean()
print(f"{len(labels)} images, {100 * right:.0f} % of them right")

# %% [markdown] question="penalty" points=2 minutes=10 difficulty=1 importance=3
# ## 4 · The penalty set
#
# The paper: "We classify each image in the validation set [...] and then treat the image as a
# penalty image if it is misclassified" (section 4.4). Count the penalty images of your world: put
# into the tensor `penalty` of shape `(6, 6)` how many images of class i, the row, were taken for
# class j, the column. Images that are right are no penalty images, so the diagonal is 0.

# %% answer="penalty" value="penalty" within=0.5
# BEGIN SOLUTION
penalty = torch.zeros(6, 6)
for own, predicted in zip(labels.tolist(), scores.argmax(1).tolist(), strict=True):
    if own != predicted:
        penalty[own, predicted] += 1
# END SOLUTION

# %% check="penalty"
with checking("penalty"):
    assert tuple(penalty.shape) == (6, 6), f"six classes by six: (6, 6); got {tuple(penalty.shape)}"
    assert (penalty.diagonal() == 0).all(), (
        "an image that is right is no penalty image: the diagonal is 0"
    )
    assert (penalty >= 0).all(), "these are counts: none is negative"
    assert penalty.sum() < len(labels), "not every image is wrong"
    print(f"{int(penalty.sum())} penalty images of {len(labels)}")

# %% mistake="penalty" says="rows and columns are exchanged: a row is the class that an image is of"
penalty = torch.zeros(6, 6)
for own, predicted in zip(labels.tolist(), scores.argmax(1).tolist(), strict=True):
    penalty[predicted, own] += own != predicted

# %% mistake="penalty" says="images that are right are counted as well"
penalty = torch.zeros(6, 6)
for own, predicted in zip(labels.tolist(), scores.argmax(1).tolist(), strict=True):
    penalty[own, predicted] += 1

# %% mistake="penalty" says="clips are counted, not images: each of the four frames of a clip counts"
penalty = torch.zeros(6, 6)
for own, predicted in zip(
    labels[::4].tolist(), scores.unflatten(0, (-1, 4)).mean(1).argmax(1).tolist(), strict=True
):
    penalty[own, predicted] += own != predicted

# %% mistake="penalty" says="the lowest score is taken for the answer: it is the highest"
penalty = torch.zeros(6, 6)
for own, predicted in zip(labels.tolist(), scores.argmin(1).tolist(), strict=True):
    penalty[own, predicted] += own != predicted

# %% [markdown] teacher="penalty"
# - **Hint:** `scores.argmax(1)` is what each image was taken for; then count pairs.
# - **Troubles:** `penalty[labels, predicted] += 1` counts a pair that occurs several times only
#   once.
# - **Viva:** Which confusion is the largest in your world, and is it a matter of the scene? If
#   frames of the same clips were on both sides of the split, what would become of the penalty
#   set?

# %% [markdown] question="verdict" points=3 minutes=15 difficulty=2 importance=4 judged="clear and unclear cases, no spread at all, a single seed, margins of both signs"
# ## 5 · Holds, fails, unclear
#
# A claim such as "NB-TL beats random neurons by at least one point" is decided over several
# seeds. Write the verdict: `differences` is a list of floats, one for each seed; `margin` is the
# smallest difference that counts. With mean, standard deviation (with n - 1 below) and n, make
# the interval mean $\pm\, t\, s / \sqrt{n}$, with the `LEVEL` of your world and n - 1 degrees of
# freedom, as in question 3. Return
#
# - `"holds"` if the whole interval is at or above the margin,
# - `"fails"` if the whole interval is below the margin,
# - `"unclear"` otherwise, and with fewer than two seeds always.


# %% answer="verdict"
def verdict(differences, margin):
    """Whether the difference is at least margin: "holds", "fails" or "unclear"."""
    # BEGIN SOLUTION
    n = len(differences)
    if n < 2:
        return "unclear"
    values = torch.tensor(differences, dtype=torch.float64)
    reach = stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.std().item() / n**0.5
    if values.mean().item() - reach >= margin:
        return "holds"
    return "fails" if values.mean().item() + reach < margin else "unclear"
    # END SOLUTION


# %% check="verdict"
with checking("verdict"):
    got = verdict([5.0, 5.1, 4.9], 1.0)
    assert got == "holds", f"about 5 three times is clearly above 1: 'holds'; got {got!r}"
    got = verdict([0.1, 0.0, -0.1], 1.0)
    assert got == "fails", f"about 0 three times is clearly below 1: 'fails'; got {got!r}"
    got = verdict([-3.0, 5.0], 1.0)
    assert got == "unclear", f"-3 and 5 could mean anything: 'unclear'; got {got!r}"


# %% cases="verdict"
def cases(seed):
    g = torch.Generator().manual_seed(seed)
    yield dict(differences=[2.0, 3.0, 4.0, 5.0], margin=1.5)
    yield dict(differences=[2.0, 3.0, 4.0, 5.0], margin=0.5)
    yield dict(differences=[-2.0, -3.0, -4.0, -5.0], margin=-0.5)
    yield dict(differences=[-2.0, -3.0, -4.0, -5.0], margin=-1.5)
    yield dict(differences=[0.0, 4.0, 1.0, 6.0], margin=2.0)
    yield dict(differences=[1.9, 2.1, 2.0, 2.0], margin=3.0)
    yield dict(differences=[2.0, 2.0, 2.0], margin=2.0)
    yield dict(differences=[5.0], margin=1.0)
    yield dict(differences=[], margin=1.0)
    yield dict(differences=[-1.0, -1.2, -0.9, -1.1], margin=-2.0)
    shift = torch.rand(6, generator=g, dtype=torch.float64).tolist()
    yield dict(differences=[3 + value for value in shift], margin=1.0)


# %% mistake="verdict" says="only the mean is looked at: then nothing is ever unclear"
def verdict(differences, margin):
    return "holds" if sum(differences) / max(len(differences), 1) >= margin else "fails"


# %% mistake="verdict" says="the standard deviation is not divided by the root of n: the interval is about the mean"
def verdict(differences, margin):
    n = len(differences)
    if n < 2:
        return "unclear"
    values = torch.tensor(differences, dtype=torch.float64)
    mean, reach = values.mean().item(), stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.std().item()
    return "holds" if mean - reach >= margin else "fails" if mean + reach < margin else "unclear"


# %% mistake="verdict" says="the interval is compared with 0, not with the margin"
def verdict(differences, margin):
    n = len(differences)
    if n < 2:
        return "unclear"
    values = torch.tensor(differences, dtype=torch.float64)
    mean, reach = (
        values.mean().item(),
        stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.std().item() / n**0.5,
    )
    return "holds" if mean - reach >= 0 else "fails" if mean + reach < 0 else "unclear"


# %% mistake="verdict" says="one seed is taken for an interval without any width: nothing is known of its spread"
def verdict(differences, margin):
    n = len(differences)
    if n == 0:
        return "unclear"
    values = torch.tensor(differences, dtype=torch.float64)
    reach = stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.std().item() / n**0.5 if n > 1 else 0.0
    mean = values.mean().item()
    return "holds" if mean - reach >= margin else "fails" if mean + reach < margin else "unclear"


# %% mistake="verdict" says="that is the interval of another level than your world's"
def verdict(differences, margin):
    n = len(differences)
    if n < 2:
        return "unclear"
    values, level = torch.tensor(differences, dtype=torch.float64), {0.90: 0.98, 0.98: 0.90}[LEVEL]
    mean, reach = (
        values.mean().item(),
        stats.t.ppf((1 + level) / 2, n - 1) * values.std().item() / n**0.5,
    )
    return "holds" if mean - reach >= margin else "fails" if mean + reach < margin else "unclear"


# %% [markdown] teacher="verdict"
# - **Hint:** draw the margin as a line and the interval as a bar: above, below, across.
# - **Troubles:** `std` of a single value is NaN, and every comparison with NaN is False; `>` for
#   "at or above".
# - **Viva:** A claim is unclear after three seeds. May you add seeds until it holds? Who should
#   have chosen the margin, and when?

# %% [markdown] question="control" points=3 minutes=15 difficulty=3 importance=5
# ## 6 · From 66.5 to 88.2
#
# The paper's fine-tuned network has 66.5 % of UCF101, and with NB-TL it has 88.2 %. There is no
# control. Give three explanations of the 21.7 points that do not need the penalty set's *choice*
# of neurons, and describe the run, or the runs, that would separate them from it. About 100
# words.

# %% [markdown] answer="control" words=100
# <!-- BEGIN SOLUTION -->
# First, NB-TL trains for longer: a copy with nothing dropped, trained for as many steps at the
# same rates, shows what that brings. Second, fewer neurons overfit less, whichever they are: the
# same run with as many random neurons of each layer dropped. Third, the held-out frames have
# neighbours in the training clips, and the penalty images may be learned as well, so that more
# data explains it: hold out whole clips or groups, and learn the same images with nothing
# dropped. What NB-TL has above the best of these controls, over several seeds and with an
# interval, is due to its choice.
# <!-- END SOLUTION -->

# %% [markdown] rubric="control"
# - 1 point: three different explanations, such as longer training, any fewer neurons, penalty
#   images or their neighbours learned, a weak baseline, one lucky run
# - 1 point: a control that trains as long with nothing dropped, and one with as many random
#   neurons dropped, in each layer
# - 1 point: says what is compared in the end: NB-TL with the controls, on the same clips, over
#   seeds or with an interval

# %% [markdown] teacher="control"
# - **Hint:** list everything in which the two networks differ. Which of these has nothing to do
#   with *which* neurons went?
# - **Troubles:** explanations that are one and the same in other words; a control that changes
#   two things.
# - **Viva:** Which of your explanations could account for all 21.7 points, and which for one or
#   two? The baseline of lesson 02 has 72.8 % with the same network: what follows?
