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
# # The same place again: local features and VLAD
#
# Ng, Yang & Davis, *Exploiting local features from deep networks for image retrieval*, CVPR Workshops 2015; chapter 2
# of Ng's thesis. Files: [conv_vlad.py](../labkit/papers/conv_vlad.py) has the procedure,
# [vlad.py](../labkit/vlad.py) the encoding, [retrieval.py](../labkit/retrieval.py) the scores.
#
# **What you will see here**
#
# - what a network holds at each layer, and how many local features that makes of a photo (Table 2.1);
# - how 100 visual words turn them into one vector (VLAD, equation 2.1), step by step;
# - which layer finds a place again, at two sizes of the photo (Figure 2.2);
# - what a layer takes for alike: click a patch, and see its neighbours (Figures 2.3 and 2.4);
# - what two scales, 128 numbers instead of thousands, and other encodings do to it (Tables 2.2 and 2.3).
#
# **Time** about one minute on two cores, a third of it spent on drawing the places.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "holidays", "oxford5k", "paris6k", or "folder": your own photos
data_root = ""  # folder of the set; of your own photos: a sub-folder, or a beginning of the name, for each thing
seed = 0
device = "cpu"  # or "cuda"
network = "googlenet"  # profile paper: or "vgg16"
missing = "error"  # of the real sets: "skip" leaves photos out that are not there or damaged, and names them

# %%
from labkit import parameters

datasets = ["world", "holidays", "oxford5k", "paris6k", "folder"]
parameters.check(globals(), dataset=datasets, network=["googlenet", "vgg16"], missing=["error", "skip"])
data_root = parameters.user_path(data_root)

import math
import tempfile
from dataclasses import replace
from functools import partial

import torch
from sklearn.mixture import GaussianMixture
from torch.utils.data import ConcatDataset
from torchvision.models import googlenet, vgg16
from torchvision.transforms.v2 import functional as pictures

from labkit import data, viz, vlad, world
from labkit.papers import conv_vlad
from labkit.retrieval import listed, ranking, retrieval_average_precision
from labkit.scoreboard import Scoreboard

study = profile != "lesson"  # everything; a lesson leaves out what takes long, and shows records of it
NEAREST = pictures.InterpolationMode.NEAREST
measured = network if profile == "paper" else "googlenet_tiny"
board = Scoreboard("conv_vlad", profile=profile, dataset=dataset, seed=seed, network=measured)
bars = profile != "smoke"  # whether to show progress

# %% [markdown]
# ## 2.4 · The task
#
# A photo of a place; find the other photos of *the same* place, among many that look like it. Nobody has told the
# network which places there are. So this is not "is it a church?", which networks are trained for, but "is it *this*
# church?".

# %%
sets = {"holidays": data.Holidays, "oxford5k": data.Oxford5k, "paris6k": data.Paris6k, "folder": data.PhotoFolder}
many = {
    "smoke": {"size": 96, "instances": 6, "distractors": 6},
    "lesson": {"size": 192, "instances": 24, "distractors": 48},
}.get(profile, {"size": 192, "instances": 60, "distractors": 120})


def picture(clip):
    """The only frame (3, H, W) uint8 of a still."""
    return clip.frames([0])[0]


if dataset == "world":
    places = world.Places(seed=seed, **many).prepare(workers=2 if bars else 0, progress=bars)
else:
    places = sets[dataset](data_root, missing=missing)
photos, queries = places.map(picture), places.queries
board.clips([], [places])
print(f"{len(places)} photos, {len(queries)} queries")


# %%
def kinds(query):
    """Good, ok and junk photos for a query."""
    good, ok = places.positives(query)
    return {"good": good, "ok": ok, "junk": places.junk(query)}


def called(name):
    """A name short enough for a caption."""
    return name.split("/")[-1].removeprefix("test_").replace("_", " ")[:20]


shown = queries[len(queries) // 2]
views = [("query", shown), *((kind, index) for kind, some in kinds(shown).items() for index in some)][:7]
taken = {index for query in queries for some in kinds(query).values() for index in some} | set(queries)
others = [index for index in range(len(places)) if places.labels[index] != places.labels[shown]]
views.append(("another place", next((index for index in others if index not in taken), others[0])))
viz.picture_grid(
    [photos[index] for _, index in views],
    columns=4,
    labels=[kind for kind, _ in views],
    title="A query, what should be found, and what should not",
    alt=f"Photos: {', '.join(kind for kind, _ in views)}.",
)

# %% [markdown]
# The rules are those of the Oxford and Holidays sets. *Good* and *ok* photos are to be found; of *junk* so little can be
# seen that it counts neither for nor against. The query itself is left out of its own ranking, as in Holidays; in Oxford
# and Paris it stays in, and counts as found. The score is the
# **mean average precision**: rank all photos by their distance to the query, and take the area below the curve of
# precision against recall, averaged over the queries.

# %%
finds_itself = getattr(places, "finds_itself", False)  # in Oxford 5k and Paris 6k it is among the good ones
positives = listed([[*kinds(query)["good"], *kinds(query)["ok"]] for query in queries], len(places))
junk = listed([kinds(query)["junk"] + ([] if finds_itself else [query]) for query in queries], len(places))
group = places.labels[queries]


def ranked(descriptors):
    """All photos from the nearest to the farthest (Q, N), for each query, from descriptors of photos (N or more, D)."""
    return ranking(descriptors[queries], descriptors[: len(places)])


def precision(descriptors):
    """Average precision of each query."""
    return retrieval_average_precision(ranked(descriptors), positives, junk)


noise = torch.randn(20, len(places), 8, generator=torch.Generator().manual_seed(seed))
chance = torch.stack([precision(some) for some in noise])
colours = torch.stack([photo.float().mean((1, 2)) for photo in photos])  # (N, 3)
print(f"by chance {100 * chance.mean():.0f} % mAP, by mean colour {100 * precision(colours).mean():.0f} %")

# %% [markdown]
# ## 2.3.1 · Layers of a network (Table 2.1)
#
# **The paper** takes GoogLeNet and VGG-16, trained on ImageNet. A photo is warped to 224 x 224 pixels, and every layer
# gives a map: n x n places, d numbers at each.
#
# > Here a small GoogLeNet stands in, with a quarter of the channels, trained on stills of puppets and things, 64 x 64
# > pixels. It has never seen a house. With `profile="paper"` it is the real one.

# %%
if profile == "paper":
    trunk = {"googlenet": conv_vlad.googlenet_paper, "vgg16": conv_vlad.vgg16_paper}[network]()
else:
    trunk = conv_vlad.googlenet_tiny(side=64)  # scale 1 is the size that the net was trained on, as in the thesis
trunk.net.to(device)
layers, last = list(trunk.layers), list(trunk.layers)[-1]
for scale in conv_vlad.SCALES:
    print(f"scale {scale}, {scale * trunk.side} x {scale * trunk.side} pixels:")
    print("  " + ", ".join(f"{name} {n}x{n}x{d}" for name, (n, d) in trunk.sizes(scale).items()))

# %% [markdown]
# The sizes of the real networks, worked out from their code without computing a single number:

# %%
with torch.device("meta"):
    architectures = {
        "GoogLeNet": conv_vlad.Trunk(googlenet(init_weights=False), conv_vlad.GOOGLENET_LAYERS),
        "VGG-16": conv_vlad.Trunk(vgg16(), conv_vlad.VGG16_LAYERS),
    }
board.table(
    "table 2.1",
    computed={f"{net} {name}": size for net, one in architectures.items() for name, size in one.sizes().items()},
)

# %% [markdown]
# **Before you go on:** one photo, layer Inception 4a. How many local features are that, how long is each, and what part
# of the photo does one of them see?

# %%
middle = layers[len(layers) // 3 + 1] if "Inception 4a" not in layers else "Inception 4a"
cells, channels = trunk.sizes()[middle]
field = trunk.receptive_fields()[middle]
print(
    f"{middle}: {cells} x {cells} = {cells**2} features of {channels} numbers, each sees {field.size} x {field.size} pixels"
)
one = conv_vlad.local_features(trunk, [photos[shown]], [middle])[middle]  # (1, n * n, d)
assert one.shape == (1, cells**2, channels)
assert ((one.norm(dim=2) - 1).abs() < 1e-4).logical_or(one.norm(dim=2) == 0).all()

# %% [markdown]
# ## 2.3.3 · From features to one vector
#
# Photos cannot be compared feature by feature: there are too many. So k-means finds 100 typical features, the *visual
# words*, and each feature goes to its nearest word. Here is who goes where: cells of one colour have the same word.

# %%
most, words = {"smoke": (2_000, 16), "lesson": (20_000, 100)}.get(profile, (50_000, 100))
extract = {
    scale: conv_vlad.ConvFeatures(trunk, scale=scale, batch=16 if profile == "paper" else 32, progress=bars)
    for scale in conv_vlad.SCALES
}
vocabulary = {
    scale: conv_vlad.vocabularies(conv_vlad.sample_features(extract[scale], photos, most, seed), words, seed)
    for scale in conv_vlad.SCALES
}

# %%
names = ["query", "good", "another place"]
triple = [dict(reversed(views))[name] for name in names]
of_word = torch.rand(words, 3, generator=torch.Generator().manual_seed(seed))  # a colour each
shown_words, labels = [], []
for name, index in zip(names, triple, strict=True):
    found = conv_vlad.local_features(trunk, [photos[index]], [middle])[middle][0]  # (n * n, d)
    nearest = vlad.assign(found, vocabulary[1][middle]).unflatten(0, (cells, cells))  # (n, n)
    mosaic = of_word[nearest].movedim(2, 0)  # (3, n, n)
    shown_words += [trunk.warp([photos[index]])[0], pictures.resize(mosaic, [trunk.side] * 2, NEAREST)]
    labels += [name, f"{len(nearest.unique())} words"]
viz.picture_grid(
    shown_words,
    columns=6,
    labels=labels,
    title=f"Words of {middle}, a colour each",
    alt="Three photos, and beside each the words of its cells as colours.",
)

# %% [markdown]
# > Neighbouring cells often share a word, and many words come back in other photos. Which words there are says little
# > about *which* house it is.
#
# So VLAD does not count them. It adds up how each feature *differs* from its word, word by word:
#
# $$v = \Big[\sum_{NN(f)=c_1} f - c_1,\ \dots,\ \sum_{NN(f)=c_k} f - c_k\Big] \qquad (2.1)$$
#
# A word that covers half the sky would drown all others. **Intra-normalisation** makes every word's block of the
# vector equally long.

# %%
sums = vlad.vlad(one, vocabulary[1][middle])  # (1, k, d)
lengths = {
    "as summed": sums[0].norm(dim=1),
    "signed square root": vlad.signed_square_root(sums)[0].norm(dim=1),
    "intra-normalised": vlad.intra_normalization(sums)[0].norm(dim=1),
}
order = lengths["as summed"].argsort(descending=True)
viz.line_chart(
    {name: (list(range(1, words + 1)), (one_[order] / one_.norm()).tolist()) for name, one_ in lengths.items()},
    title="How much of the vector each word gets",
    alt="Length of each word's block, sorted. As summed, some words get several times as much as others; after intra-normalisation all words that occur have the same.",
    x_title="word, the longest first",
    y_title="share of the length",
)

# %% [markdown]
# ## 2.4.1 and 2.4.2 · Which layer, at which scale? (Figure 2.2)
#
# Now all photos, all layers, both scales; features of a batch are thrown away as soon as they are summed.
#
# **Before you look:** the network was trained to tell categories apart, and its last layer does that best. Is the last
# layer best at telling *this* place from its like? And what happens if the photo is shown at twice the size?

# %%
elsewhere = []  # photos of other places, for a study to learn from how descriptors vary; see "128 numbers"
if dataset == "world" and profile == "study":
    other = world.Places(seed=seed, part="train", size=many["size"], instances=1, views=2, distractors=600)
    elsewhere = other.prepare(workers=2, progress=bars).map(picture)
everything = ConcatDataset([photos, elsewhere]) if elsewhere else photos
folder = tempfile.TemporaryDirectory()


def room(shape):
    """Where descriptors (N, D) go: thousands of photos' are too long for the memory, and go to a file."""
    if profile != "paper":
        return torch.empty(shape)
    with tempfile.NamedTemporaryFile(dir=folder.name, delete=False) as file:
        return torch.from_file(file.name, shared=True, size=math.prod(shape)).view(shape)


def described(encoding_of):
    """Descriptors of all photos for each layer and scale, given what encodes a layer's features at a scale."""
    return {
        (layer, scale): found
        for scale in conv_vlad.SCALES
        for layer, found in conv_vlad.encode(
            extract[scale], everything, {layer: (layer, encoding_of(layer, scale)) for layer in layers}, room
        ).items()
    }


coded = described(lambda layer, scale: conv_vlad.vlad_encoding(vocabulary[scale][layer]))
scored = {name: precision(found) for name, found in coded.items()}

# %%
viz.line_chart(
    {
        f"scale {scale} ({scale * trunk.side} pixels)": (
            list(range(1, len(layers) + 1)),
            [100 * scored[layer, scale].mean().item() for layer in layers],
        )
        for scale in conv_vlad.SCALES
    },
    title="Figure 2.2, alive: retrieval by layer",
    alt="Mean average precision over the layers from low to high, a line for each scale.",
    x_title="layer: "
    + ", ".join(f"{number} {layer.removeprefix('Inception ')}" for number, layer in enumerate(layers, 1)),
    y_title="mAP (%)",
    height=400,
)

# %% [markdown]
# The best layer is the peak of a curve, and the thesis reads it off the very queries that it reports. That can flatter: of
# eleven layers one will be lucky. So we choose the layer on four fifths of the places and report it on the rest, in turn.


# %%
def chosen_from(candidates, reported=None):
    """The best candidate, chosen on other places than it is reported on: its mAP in percent, and who was chosen."""
    fitted = conv_vlad.cross_fitted(candidates, reported=reported, groups=group, seed=seed)
    return 100 * fitted.value, fitted.chosen


for scale in conv_vlad.SCALES:
    of_scale = {layer: scored[layer, scale] for layer in layers}
    best, picked = chosen_from(of_scale)
    prefix = "layer" if scale == 1 else "scale2"
    board[f"{prefix}.best"], board[f"{prefix}.last"] = best, 100 * of_scale[last].mean()
    board[f"depth.scale{scale}"] = sum(conv_vlad.depth(layer, layers) for layer in picked) / len(picked)
    flattered = 100 * max(one.mean().item() for one in of_scale.values())
    print(
        f"scale {scale}: {best:.1f} % ({', '.join(sorted(set(picked)))}); chosen on the same queries {flattered:.1f} %"
    )
favourite = max(layers, key=lambda layer: scored[layer, 1].mean().item())  # to look at below, not to report

# %%
board.table("figure 2.2", claimed=("vlad.middle", "vlad.scale2", "vlad.repetitive"))

# %% [markdown]
# ## 2.3.3 · Does intra-normalisation help?
#
# The thesis takes it on trust ("has been shown to give superior results"); we measure it. Same features, same words.

# %%
ways = {"intra": vlad.intra_normalization, "ssr": vlad.signed_square_root, "none": None}
again = {
    (layer, way): (layer, conv_vlad.vlad_encoding(vocabulary[1][layer], normalization))
    for layer in layers
    for way, normalization in ways.items()
    if study or layer == favourite
}
normalised = {name: precision(found) for name, found in conv_vlad.encode(extract[1], photos, again).items()}
for way in ways:
    of_way = {layer: found for (layer, this), found in normalised.items() if this == way}
    board[f"norm.{way}"] = chosen_from(of_way)[0] if len(of_way) > 1 else 100 * of_way[favourite].mean()
print({way: round(board[f"norm.{way}"], 1) for way in ways})

# %% [markdown]
# ## 2.4.3 · What does a layer take for alike?
#
# A feature stands for the square in the middle of what it sees. Below, the patch at the left of each row, and beside it
# the patches of *other* photos whose features are nearest.
#
# **Before you look:** what will a low layer find alike, what the last one, and what the last one at twice the size?

# %%
few = (triple[:1] + [i for i in queries if i not in triple] + [i for i in range(len(places)) if i not in queries])[:40]
some_photos = [photos[index] for index in few]
low = next((layer for layer in layers if layer in ("Inception 3a", "conv3_1")), layers[0])
panels, seen_as = {}, 256 // trunk.side  # patches are cut from larger photos than a small net sees: look at them
for scale, wanted in ((1, [low, middle, last]), (2, [last])):
    finer = max(seen_as // scale, 1)
    found = conv_vlad.patches_of(trunk, some_photos, wanted, scale, finer=finer, progress=bars)
    panels |= {f"{layer.removeprefix('Inception ')}{', scale 2' * (scale == 2)}": found[layer] for layer in wanted}
low_, middle_, last_, fine_ = panels
{
    name: f"{len(found.starts)}x{len(found.starts)} cells, patches of 1/{len(found.starts)} of the photo's width"
    for name, found in panels.items()
}


# %%
def cluster_picture(name):
    """Five patches with something in them and, beside each, the nine that are nearest in other photos."""
    found, draws = panels[name], torch.Generator().manual_seed(seed)
    some = torch.randint(len(found.features), (100,), generator=draws)
    contrast = found[some].float().flatten(1).std(1)  # (100,)
    rows, distances = found.clusters(some[contrast.topk(10).indices[::2]], 9)
    return viz.picture_grid(
        list(rows.flatten(0, 1)),
        columns=10,
        labels=[text for row in distances for text in ("asked for", *(f"{distance:.2f}" for distance in row))],
        title=f"Figure 2.4, alive: what {name} takes for alike, with distances",
        alt=f"Five rows of patches: at the left the one asked for, then its nine nearest by the features of {name}.",
    )


cluster_picture(low_)

# %%
cluster_picture(last_)

# %%
cluster_picture(fine_)

# %% [markdown]
# Now rebuild a whole photo: every patch gives way to the mean of its nearest patches *from other photos*. What a layer
# knows about a place survives; what it has forgotten is replaced.

# %%
rebuilt, labels = [], []
for name in (middle_, last_, fine_):
    found = panels[name]
    own = found.features[: len(found.starts) ** 2]  # of the query shown above
    rebuilt += [found.correspondence(found.images[0], own, k, skip=0) for k in (1, 5)]
    labels += [f"{name}, k = 1", f"{name}, k = 5"]
large = panels[fine_].images[0]  # show all at its size
viz.picture_grid(
    [large, *(pictures.resize(one, large.shape[1:], NEAREST) for one in rebuilt)],
    columns=4,
    labels=["the photo", *labels],
    title="Figure 2.3, alive: a photo made of its neighbours",
    alt="A photo, and the same rebuilt from nearest patches by a middle layer, by the last one, and by the last one at twice the size.",
)

# %% [markdown]
# How repetitive is it? Take two features that lie side by side, and measure how alike they are, over all photos.

# %%
alike = {}
for scale in conv_vlad.SCALES:
    total, count = dict.fromkeys(layers, 0.0), 0
    for features in extract[scale](photos):
        for layer, found in features.items():
            total[layer] += len(found) * conv_vlad.neighbour_similarity(found)
        count += len(found)
    alike |= {(layer, scale): 100 * total[layer] / count for layer in layers}
inner = layers[1:-1]
most_alike = max(inner, key=lambda layer: scored[layer, 1].mean().item())
board["alike.middle"] = alike[most_alike, 1]
board["alike.last"], board["alike.last_scale2"] = alike[last, 1], alike[last, 2]
viz.line_chart(
    {
        f"scale {scale}": (list(range(1, len(layers) + 1)), [alike[layer, scale] / 100 for layer in layers])
        for scale in conv_vlad.SCALES
    },
    title="How alike neighbours are",
    alt="Mean cosine of features side by side over the layers, a line for each scale.",
    x_title="layer, from low to high",
    y_title="cosine of neighbours",
)

# %% [markdown]
# **To touch.** Click a patch, or walk with the arrow keys: its nearest patches in the other photos, by the layer and at
# the scale you choose.


# %%
def nearest_in_others(found, asked=4, k=6):
    """For each cell of the first few photos the nearest cells of all other photos."""
    own = found.features.unflatten(0, (len(few), -1))  # (photos, n * n, d)
    pairs = [found.nearest(own[index], k, skip=index) for index in range(asked)]
    distances, numbers = (torch.stack(some) for some in zip(*pairs, strict=True))  # (asked, n * n, k)
    centres = found.starts + (found.side - 1) / 2
    return viz.NearestPatches(numbers, distances, centres, found.side, found.images.shape[-1])


asked = min(4, len(few))
viz.PatchExplorer(
    trunk.warp(some_photos, max(seen_as, 1)),
    {name: nearest_in_others(found, asked) for name, found in panels.items()},
    names=[called(places.names[index]) for index in few],
    asked=range(asked),
    title="What is this patch like?",
    alt="A photo with a grid of cells; for the chosen cell its patch, and the nearest patches of other photos in order.",
)

# %% [markdown]
# > The low layer often finds the same edge or the same paint, wherever it is. Each cell of the last one sees the whole photo:
# > patches that it takes for alike need not look alike. At twice the size it sees less of the photo at once; its cells
# > also lie closer together in it, so that neighbours share more of what they see.
#
# ## 2.4.4 · Both scales, and only 128 numbers (Tables 2.2 and 2.3)
#
# The final descriptor of the thesis: the best layer, its vectors of both scales side by side. That is long. PCA keeps
# 128 numbers of it, *whitening* makes them equally important.
#
# **Before you look:** what is lost when all but 128 of thousands of numbers go?


# %%
def both(layer):
    """Descriptors of a layer at both scales."""
    return conv_vlad.multi_scale(coded[layer, 1], coded[layer, 2])


of_both = {layer: precision(both(layer)) for layer in layers}
board["multi.full"], picked = chosen_from(scored, {(layer, scale): of_both[layer] for layer, scale in scored})
print(f"both scales: {board['multi.full']:.1f} % ({', '.join(sorted({layer for layer, _ in picked}))})")

# %% [markdown]
# > Whitening learns how descriptors vary, so it needs many more photos than it keeps numbers. Which photos the thesis
# > took it does not say. A study adds 600 photos of other places to the database; a lesson keeps fewer numbers.

# %%
dims = conv_vlad.DIMENSIONS if len(everything) >= 8 * conv_vlad.DIMENSIONS else max(len(everything) // 8, 2)
whole = dims == conv_vlad.DIMENSIONS


def shortened(descriptors):
    """Descriptors in so many numbers, whitened; learned on themselves."""
    return vlad.PCAWhitening.fit(descriptors, min(dims, descriptors.shape[1]))(descriptors)


short = {layer: precision(shortened(both(layer))) for layer in (layers if study else [favourite])}
if whole:
    board["multi.128"], _ = chosen_from(scored, {(layer, scale): short[layer] for layer, scale in scored})
before, after = (100 * found[favourite].mean().item() for found in (of_both, short))
print(f"{favourite}: {both(favourite).shape[1]:,} numbers {before:.1f} %; {dims} numbers {after:.1f} %")

# %% [markdown]
# ### Against what came before
#
# **Pooling** keeps the largest value, or the sum, of each channel over the photo. **SIFT** looks only where there are
# corners and blobs, with numbers that people thought up and no network learned.

# %%
pooled = {}
for way, pool in (("max", vlad.max_pool), ("sum", vlad.sum_pool)):
    found = described(lambda layer, scale, pool=pool: pool)
    pooled[f"{way}-pooling"], _ = chosen_from({name: precision(shortened(one)) for name, one in found.items()})
    if whole:
        board[f"pool.{way}"] = pooled[f"{way}-pooling"]

# %%
sift = conv_vlad.SIFTFeatures()
sample = conv_vlad.sample_features(sift, photos, most, seed)
large = {"smoke": 50, "lesson": 500}.get(profile, 2000)  # words of the bag; the paper's row has 200,000
(few_words,) = conv_vlad.vocabularies(sample, words, seed).values()
(many_words,) = conv_vlad.vocabularies(sample, large, seed).values()
ways_of_sift = {"vlad": conv_vlad.vlad_encoding(few_words), "bow": partial(vlad.bag_of_words, words=many_words)}
of_sift = conv_vlad.encode(sift, everything, {name: ("SIFT", way) for name, way in ways_of_sift.items()})
of_sift["bow"] = vlad.l2_normalization(of_sift["bow"] * vlad.inverse_document_frequency(of_sift["bow"]))
for name, descriptors in of_sift.items():
    board[f"sift.{name}"] = 100 * precision(descriptors).mean().item()
if whole:
    board["sift.vlad_128"] = 100 * precision(shortened(of_sift["vlad"])).mean().item()

# %% [markdown]
# And other ways to make one vector of a network's features, which the thesis says would do as well. All at one layer
# and scale 1:

# %%
features = conv_vlad.sample_features(extract[1], photos, min(most, 20_000), seed)[favourite].double().numpy()
mixture = GaussianMixture(min(words, 64), covariance_type="diag", random_state=seed, max_iter=30).fit(features)
swapped = {
    "Fisher vector": partial(vlad.fisher_vector, gmm=mixture),
    "bag of words": partial(vlad.bag_of_words, words=vocabulary[1][favourite]),
}
only = replace(extract[1], layers=[favourite])
found = conv_vlad.encode(only, photos, {name: (favourite, way) for name, way in swapped.items()})
rows = {"VLAD": 100 * scored[favourite, 1].mean().item()}
rows |= {name: 100 * precision(one).mean().item() for name, one in found.items()}
rows |= {f"VLAD, {way}": board[f"norm.{way}"] for way in ("ssr", "none")} if not study else {}
rows |= {
    "two scales": board["multi.full"],
    **pooled,
    "SIFT, VLAD": board["sift.vlad"],
    "SIFT, words": board["sift.bow"],
}
viz.bar_chart(
    {"mAP": rows},
    title=f"Ways to describe a photo (VLAD, Fisher, words: {favourite})",
    alt="Mean average precision of several descriptors.",
    x_title="descriptor",
    y_title="mAP (%)",
    height=400,
)

# %%
board.table("table 2.2", claimed=("vlad.multi", "vlad.vs_sift", "vlad.intra"))

# %%
board.table("table 2.3", claimed=("vlad.128", "vlad.vs_pool"))

# %% [markdown]
# **To touch.** Choose a query: what each descriptor finds, from the best on. Right, wrong and junk photos have different
# frames; beside them the curve of precision against recall.

# %%
viz.RetrievalBrowser(
    photos,
    {
        f"{favourite}, VLAD": ranked(coded[favourite, 1]),
        f"{last}, VLAD": ranked(coded[last, 1]),
        "two scales": ranked(both(favourite)),
        f"two scales, {dims} numbers": ranked(shortened(both(favourite))),
        "SIFT, VLAD": ranked(of_sift["vlad"]),
    },
    queries=queries,
    good=listed([kinds(query)["good"] for query in queries], len(places)),
    ok=listed([kinds(query)["ok"] for query in queries], len(places)),
    junk=junk,
    names=[called(name) for name in places.names],
    title="Who finds what",
    alt="A query and, for two methods side by side, the photos ranked first, each marked as right, wrong or skipped.",
)

# %% [markdown]
# > Look at what comes first when it is wrong. Is it a thing of the same *kind*, or one with the same bricks? Do two
# > descriptors make the same mistakes?
#
# ## What to take home
#
# - A feature map is a grid of local features; 100 words and a sum of differences make one vector of them.
# - Which layer to take depends on the question: the layer that is best for "what is it?" need not be for "which one?".
# - The same layer sees smaller things if the photo is larger.
# - Choose on other queries than you report on; eleven layers and two scales are 22 chances to be lucky.
# - Whitening in 128 dimensions needs many more than 128 photos.
#
# ## Scoreboard

# %%
folder.cleanup()
board.keep()
board.verdicts()

# %% [markdown]
# ## On your own photos, and on the real sets
#
# `.venv/bin/papermill notebooks/04_conv_vlad.ipynb mine.ipynb --cwd notebooks -p dataset folder -p data_root ~/Pictures/places`
# takes a folder with a sub-folder, or a common beginning of the file names, for each thing.
#
# `.venv/bin/python data_scripts/holidays.py /data/holidays` (or `oxford5k.py`, `paris6k.py`) fetches a real set. With
# `-p profile paper -p dataset holidays -p data_root /data/holidays -p device cuda -p network vgg16` it is the thesis's
# experiment, with torchvision's weights.
#
# **Try it.** Take away what makes places hard: `world.Places(change=world.Change(viewpoint=0))`, and see which layers
# gain. Or look for the query's place by a patch: which layer would find the window again?
#
# **Next:** [05_long_video](05_long_video.ipynb), where pooling meets time.
