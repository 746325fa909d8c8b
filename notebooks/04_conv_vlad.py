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
# Joe Yue-Hei Ng, Fan Yang and Larry S. Davis,
# [*Exploiting local features from deep networks for image retrieval*](https://arxiv.org/abs/1504.05133), CVPR Workshops
# 2015. It is chapter 2 of Ng's thesis, whose sections, tables and figures are cited here. The paper is
# [conv_vlad.py](../labkit/papers/conv_vlad.py) with [vlad.py](../labkit/vlad.py), its experiments are
# [studies/conv_vlad.py](../labkit/studies/conv_vlad.py).
#
# **What you will see here**
#
# - how one forward pass gives a photo local features at every layer, tens to thousands of them (Table 2.1);
# - how 100 visual words turn them into one vector: VLAD, equation (2.1), step by step;
# - which layer finds a place again, at two sizes of the photo (Figure 2.2);
# - which patches look alike to a layer: click on one and see its neighbours (Figures 2.3 and 2.4);
# - what a descriptor gains from two scales, what few dimensions cost it, and how it compares with pooling and with
#   SIFT, the features of the time before networks (Tables 2.2 and 2.3).
#
# **To know beforehand**: what a convolution and a feature map are. No earlier notebook is needed.
#
# **Time** about three minutes on two cores, most of it for two passes of the network over all photos.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "holidays", "oxford5k", "paris6k", or "folder": your own photos
data_root = ""  # folder of the set; of your own photos: sub-folders, or names like tower_1.jpg
seed = 0
device = "cpu"  # or "cuda"
network = ""  # the profile's; or "lite0" of ImageNet, "googlenet"; in profile paper "vgg16" as well
missing = "error"  # of the real sets: "skip" leaves out photos that are missing or damaged

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from labkit import parameters

datasets = ["world", "holidays", "oxford5k", "paris6k", "folder"]
networks = ["", "lite0", "googlenet", "vgg16"]
parameters.check(globals(), dataset=datasets, network=networks, missing=["error", "skip"])
settings = {
    "dataset": dataset,
    "data_root": parameters.user_path(data_root),
    "seed": seed,
    "device": device,
}

import torch
from torchvision import models

from labkit import viz, vlad
from labkit.kmeans import assign
from labkit.papers import conv_vlad
from labkit.retrieval import listed, retrieval_average_precision
from labkit.scoreboard import Scoreboard
from labkit.studies.conv_vlad import ConvVLAD
from labkit.viz import show
from labkit.viz.papers import conv_vlad as figures

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the study of this lesson, and its records
study = ConvVLAD(profile, **settings, network=network, missing=missing)
board = Scoreboard(study)

# %% [markdown]
# ## 2.4 · The task
#
# Here is a photo of a place. Find the other photos of *the same* place, among many that look like it. The question is
# not "is it a church?", which networks are trained to answer, but "is it *this* church?". Nobody has told the network
# which houses there are.

# %%
search, photos = study.search, study.search.photos
print(f"{len(photos)} photos, {len(search.queries)} queries")

# %%
kinds, numbers = zip(*search.example, strict=True)
images = [photos[number] for number in numbers]
figures.query(images, kinds)

# %% [markdown]
# *Good* photos show the place clearly, *ok* photos at least a quarter of it; both are to be found. *Junk* shows less, and
# counts neither for nor against. These are the rules of the [Oxford](https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/)
# and [Paris](https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/) sets. There the query stays in its own ranking, and
# counts as found; in [Holidays](https://lear.inrialpes.fr/~jegou/data.php), and in our own world, it is left out.
#
# ### The score, on one short ranking
#
# Rank the database by distance to the query and walk down the list. **Precision** is the fraction of right photos among
# those that you have met so far, **recall** the fraction of all right photos that you have met. The **average
# precision** (AP) is the area below the curve of precision over recall. Say a query has two photos to be found, and the
# ranking is
#
# | rank | photo | without junk | precision before → after | recall after |
# |---|---|---|---|---|
# | 1 | **good** | 1 | 1 → 1/1 | 1/2 |
# | 2 | junk | – | | |
# | 3 | wrong | 2 | 1/1 → 1/2 | 1/2 |
# | 4 | **good** | 3 | 1/2 → 2/3 | 2/2 |
#
# Each good photo adds a strip that is 1/2 wide. The programs that come with these sets take the *trapezoid*: the height
# of a strip is the mean of the precision before and after. AP = 1/2 · (1 + 1)/2 + 1/2 · (1/2 + 2/3)/2 = 19/24.

# %%
order = torch.tensor([[0, 1, 2, 3]])  # numbers of photos, the nearest first
positives, junk = listed([[0, 3]], 4), listed([[1]], 4)  # (1, 4) bool each, of the four photos
precision = retrieval_average_precision(order, positives, junk).item()
print(f"{precision:.4f}, and 19/24 is {19 / 24:.4f}")

# %% [markdown]
# **Predict:** is AP lower or higher if the junk photo counts as wrong? And if the height of a strip is only the precision
# *after* the photo, the *step* rule of many libraries?

# %%
print(f"junk counts as wrong: {retrieval_average_precision(order, positives).item():.4f}")
print(f"step rule: {retrieval_average_precision(order, positives, junk, rule='step').item():.4f}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Junk that counts pushes the second good photo down. The step rule is the more generous one: 5/6. Scores by different
# > rules must not be compared.
#
# </details>
#
# The mean over all queries is **mAP**. How good are random descriptors, and how good is the mean colour of a photo?

# %%
colours = torch.stack([photo.float().mean((1, 2)) for photo in photos])  # (N, 3)
print(f"chance level: {100 * search.chance(seed):.0f} % mAP")
print(f"mean colour: {100 * search.average_precision(colours).mean():.0f} % mAP")

# %% [markdown]
# ## 2.3 · From a photo to one vector (Figure 2.1)
#
# The figure shows all steps. The next sections take them one by one, from left to right.

# %%
figures.overview()

# %% [markdown]
# ### 2.3.1 and 2.3.2 · Layers, and their local features (Table 2.1)
#
# **The paper** takes [GoogLeNet](https://arxiv.org/abs/1409.4842) and [VGG-16](https://arxiv.org/abs/1409.1556), trained
# on [ImageNet](https://www.image-net.org): "at each location $(i, j)$ ... in the feature map ..., we obtain a
# $d^l$-dimensional vector ... containing activations of all filters, which is considered as our feature vector." All
# layers come from one forward pass, in which `tap` keeps the feature maps of the layers asked for:

# %%
show(conv_vlad.ConvFeatures.forward, docstring=False)

# %% [markdown]
# > Both files of weights are too large to come with the lab. A lesson reads
# > [EfficientNet-Lite0](../labkit/backbones/efficientnet_lite.py) instead, which is not the thesis's network, but was
# > trained on ImageNet as well: its layers are blocks, `b0` to `b15`, and a head. With `network="googlenet"` you get a
# > small GoogLeNet that has only ever seen drawings of 64 x 64 pixels; with `profile="paper"` it is the real one.

# %%
backbone = study.backbone
low, middle, last = study.figure_layers
n_l, d = backbone.sizes()[middle]  # side of the feature map, number of channels
features = backbone([images[0]], [middle])[middle]  # (1, n_l * n_l, d)
assert features.shape == (1, n_l * n_l, d)
lengths = features.norm(dim=2)
assert ((lengths - 1).abs() < 1e-4).logical_or(lengths == 0).all()
fields = backbone.receptive_fields()
print(f"photos are warped to {backbone.input_size} x {backbone.input_size} pixels")
print(f"locations of {middle} are {fields[middle].step} pixels apart")

# %% [markdown]
# **Predict:** how many local features does a photo have at this layer? How much of the photo does one of them see, less
# than half of its width or more? And one of the last layer?

# %%
for layer in (low, middle, last):
    n, channels = backbone.sizes()[layer]
    print(f"{layer}: {n} x {n} = {n * n} features with {channels} values;", end=" ")
    print(f"each sees {fields[layer].size} pixels across")

# %% [markdown]
# > A receptive field may be wider than the photo: then it sees all of it, and padding. A feature is local all the same,
# > because the pixels in the middle of its field weigh most ([Luo et al. 2016](https://arxiv.org/abs/1701.04128)).
#
# Table 2.1: the sizes of all layers of the real networks, worked out from their code without computing a single value.
# Its $n$ is the side $n_l$ of a feature map.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the real networks, without their weights: the sizes of their layers
with torch.device("meta"):
    googlenet, vgg16 = models.googlenet(init_weights=False), models.vgg16()
networks = {
    "GoogLeNet": (googlenet, conv_vlad.GOOGLENET_LAYERS),
    "VGG-16": (vgg16, conv_vlad.VGG16_LAYERS),
}
sizes = {name: conv_vlad.ConvFeatures(*parts).sizes() for name, parts in networks.items()}
computed = {
    f"{name} {layer}": size for name, layers in sizes.items() for layer, size in layers.items()
}
board.table("table 2.1", computed=computed)

# %% [markdown]
# ### 2.3.3 · Visual words
#
# To compare photos feature by feature would take too long in a large database. **The paper** lets k-means find $k = 100$
# typical features $c_1, \dots, c_k$, the *visual words*, and assigns each feature to its nearest word $NN(f)$. It does
# not say from which features the words are made; here they are a sample from all photos of the database.

# %%
words = study.vocabulary(middle)  # (k, d)
names, compared = zip(*[(kinds[index], images[index]) for index in (0, 1, -1)], strict=True)
local = backbone(compared, [middle])[middle]  # (3, n_l * n_l, d)
nearest = assign(local.flatten(0, 1), words).view(3, n_l, n_l)
figures.words(backbone.warp(compared), nearest, len(words), names, seed=seed)

# %% [markdown]
# > Do neighbouring locations share a word? Does the good photo have more words of the query than the other place has?
#
# ### VLAD, equation (2.1)
#
# A *bag of words* would count the words. [VLAD](https://doi.org/10.1109/CVPR.2010.5540039) adds up how each feature
# *differs* from its word, and keeps one such sum for each word:
#
# $$v = \Big[\sum_{NN(f)=c_1} f - c_1,\ \dots,\ \sum_{NN(f)=c_k} f - c_k\Big] \qquad (2.1)$$

# %%
show(vlad.vlad, docstring=False)

# %% [markdown]
# In two dimensions it can be drawn: three words and 18 features around them. Thin lines are the residuals $f - c$, thick
# arrows their sums.

# %%
toy_words = torch.tensor([[0.0, 0.0], [4.0, 1.0], [1.0, 4.0]])
noise = torch.randn(18, 2, generator=torch.Generator().manual_seed(seed))
toy = toy_words.repeat(6, 1) + noise  # (18, 2)
toy_nearest = assign(toy, toy_words)  # (18,)
figures.residuals(toy, toy_words, toy_nearest)

# %% [markdown]
# **Predict:** take away the feature that lies farthest from its word. Which of the three sums change, and by how much?

# %%
distances = (toy - toy_words[toy_nearest]).norm(dim=1)  # (18,)
others = toy[distances < distances.max()]  # (17, 2)
print("the sums change by", (vlad.vlad(toy, toy_words) - vlad.vlad(others, toy_words)).norm(dim=1))
print(f"the longest residual has a length of {distances.max():.4f}")

# %% [markdown]
# > Residuals that point in all directions cancel; what is left tells on which side of the word the features of *this*
# > image lie. Many features on one side make a long arrow.
#
# A photo's VLAD is a block of $k$ rows, one for each word, and $d$ columns. Do the blocks of the same place look alike?

# %%
sums = vlad.vlad(local, words)  # (3, k, d)
figures.blocks(sums, names)

# %% [markdown]
# ### Intra-normalisation
#
# A word that is nearest to half of the sky outweighs all others. **The paper** scales the block $v_i$ of each word to
# length 1 ([intra-normalisation](https://doi.org/10.1109/CVPR.2013.207)); the older way is a signed square root (SSR) of
# every value:
#
# $$\text{intra: } v_i \leftarrow \frac{v_i}{\lVert v_i \rVert_2} \qquad\qquad
# \text{SSR: } x \leftarrow \operatorname{sign}(x)\sqrt{|x|}$$

# %%
show(vlad.intra_normalization, vlad.signed_square_root, docstring=False)

# %%
ways = {"SSR": vlad.signed_square_root(sums[0]), "intra": vlad.intra_normalization(sums[0])}
figures.lengths({"as summed": sums[0], **ways})

# %% [markdown]
# > Words that do not occur in the photo keep 0; all others get the same weight.
#
# **Try it:** write `vlad` yourself in five lines, with a loop over the words and no tricks. Check it with
# `torch.testing.assert_close(yours(local[0], words), sums[0])`.
#
# ### 2.3.4 · Retrieval
#
# **The paper:** "Image retrieval is done by calculating the L2 distance between the VLAD descriptors of the query image
# and database images." In the end we scale the whole vector to length 1, of which it does not speak.

# %%
show(conv_vlad.descriptors, docstring=False)

# %% [markdown]
# **Predict:** which of the two photos is nearer to the query? Unit vectors with nothing in common are $\sqrt 2$ apart.

# %%
query, *candidates = conv_vlad.descriptors(sums)  # (k * d,) each
for name, candidate in zip(names[1:], candidates, strict=True):
    print(f"from the query to {name}: {torch.dist(query, candidate):.2f}")

# %% [markdown]
# > A single pair proves nothing. The next section asks all queries.
#
# ## 2.4.1 and 2.4.2 · Which layer, at which scale? (Figure 2.2)
#
# Now all photos and all layers. **Scale 2** is the same network on photos warped to $2n \times 2n$ pixels, with four
# times as many locations.
#
# **Predict:** where does the curve over the layers peak, in a network that was trained to tell *categories* apart? Does
# the larger photo help?

# %%
scores = {scale: study.by_layer(scale) for scale in (1, 2)}  # average precisions, by layer
curves = {
    f"scale {scale}": {layer: 100 * ap.mean().item() for layer, ap in of_layers.items()}
    for scale, of_layers in scores.items()
}
figures.over_layers(curves, title="Figure 2.2: retrieval by layer", y_title="mAP (%)")

# %% [markdown]
# <details><summary>What the paper says</summary>
#
# **The paper:** "The mAP first increases as we go deeper into the network because the convolutional features achieve more
# invariance, until reaching a peak. However, the performance at higher layers gradually drops". On Holidays GoogLeNet has
# 82.0 % at Inception 3a and 68.5 % at the last layer; the text prints no other number of its curves. The finer scale is
# better "except VGG-16 on the Holidays dataset". Of GoogLeNet at scale 2 it says that on Holidays "the performance
# difference between layers ... is smaller", and that on Oxford and Paris higher layers are better than lower ones.
#
# </details>
#
# > It is another network and another world, so compare the shape of the curves, not their level. Where do they peak, and
# > does scale 2 change it? (The world's photos have 192 pixels and are enlarged for both scales: scale 2 adds locations, and
# > no detail. In the paper it adds both.)
#
# ### How good is the best layer?
#
# The best layer is the peak of a curve, and the thesis reads it off the very queries that it reports. That can flatter:
# the best of eleven layers may only be lucky. So we choose the layer on the queries of four fifths of the buildings, and
# report it on the other fifth, in turn: `cross_fitted` in [retrieval.py](../labkit/retrieval.py).

# %%
for scale, of_layers in scores.items():
    flattering = max(100 * ap.mean().item() for ap in of_layers.values())
    print(f"scale {scale}: chosen on the same queries {flattering:.1f} %")
study.measure("layers.scale1", "layers.scale2")  # best: chosen on other queries

# %% [markdown]
# > All values are in percent; after ± stands the standard error over the queries. `layer.best` and `scale2.best` are the
# > mAP of the best layer at scale 1 and 2. *depth* is how far up it lies, from 0 (first) to 100 (last). Where a curve is
# > flat, depth can jump from seed to seed; *centre* is the mean depth of all layers, weighted by their mAP, and does not.
#
# The paper's numbers beside ours. Compare rows only if both are live or both are recorded: a study searches among more
# photos, which is harder. Below the table stand the paper's claims that rest on it. A claim *holds* if the whole interval of
# the difference (90 %, over seeds) lies beyond its margin. If all of it is smaller than the margin the two are *level*; if it
# lies beyond the margin on the wrong side, it is *the other way round*. An interval across such an edge only *leans*.

# %%
board.table(
    "figure 2.2", claimed=("vlad.middle", "vlad.scale2", "vlad.scale2_depth", "vlad.scale2_gap")
)

# %% [markdown]
# One objection: a layer in the middle has more locations than the last one, so more features for its words. What remains
# of its lead if every layer gets as many features as the last one, evenly spaced?

# %%
study.measure("layers.scale1", "locations")

# %% [markdown]
# > `locations.best` is the best layer with so few features. As far as it lies below `layer.best`, the lead was a matter of
# > *how many* features there are; as far as it lies above `layer.last`, of what they know. (In the paper, on Holidays, it
# > is 784 features at the best layer, 49 at the last.)
#
# ### Does intra-normalisation help?
#
# **The paper** takes it from others, where it "has been shown to give superior results than signed square root". We
# measure it on the same features and words: at the layer that is best with each way, and (`_mean`) as the mean over all
# layers, where nothing is chosen. `norm.none` is the sum as it is, scaled to length 1.

# %%
study.measure("norm.intra", "norm.ssr", "norm.none")

# %% [markdown]
# > A difference smaller than the ± decides nothing. What several seeds say is in the verdicts at the end.
#
# ## 2.4.3 · What looks alike to a layer? (Figure 2.4)
#
# **The paper** lets each feature stand for a square patch in the middle of what it sees, $n/n_l$ pixels wide. In each row
# below, a reference patch is at the left; beside it are the patches of *other* photos whose features are nearest to its
# feature, with their L2 distances. Ours: the references are random ones among those with much contrast.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the patches of each layer, by the name of the layer
panels = {
    f"{layer}{', scale 2' * (scale == 2)}": patches
    for (layer, scale), patches in study.patches.items()
}
labels = list(panels)

# %% [markdown]
# **Predict:** in the next three figures, of a low layer, of the last one, and of the last one at twice the size, where do
# the patches of a row share edges and colours, and where do they not look alike at all?

# %%
figures.clusters(panels[labels[0]], labels[0], seed=seed)

# %%
figures.clusters(panels[labels[2]], labels[2], seed=seed)

# %%
figures.clusters(panels[labels[3]], labels[3], seed=seed)

# %% [markdown]
# **The paper** sees "strong edges, corners and texture" in Inception 3a, "parts with semantic meaning, such as different
# views of a car or scene" in Inception 5b, and at scale 2 "smaller parts of the images".
#
# > At both scales a feature of the last layer sees equally many pixels, which at scale 2 are half as much of the photo.
# > What has a meaning for a network is what it was trained on. Do doors stand beside doors, or bricks beside bricks?
#
# ### A photo made of its neighbours (Figure 2.3)
#
# Now rebuild a photo: replace each of its patches by the mean of the $k$ patches of other photos whose features are
# nearest. What a layer knows about the place survives, what it has forgotten does not.
#
# **Predict:** which is the most repetitive, the middle layer, the last one, or the last one at scale 2?

# %%
figures.rebuilt({label: panels[label] for label in labels[1:]})

# %% [markdown]
# <details><summary>What the paper says</summary>
#
# **The paper** sees "many repetitive patterns" in Inception 5b, "more diverse patches" at scale 2, and in Inception 4a
# "the edges in the images are better preserved".
#
# </details>
#
# > No patch covers a white margin: padding moves the centres of the receptive fields.
#
# How repetitive is it? Count how often two patches side by side are replaced by the *same* patch, in percent of all
# pairs, ± over the photos:

# %%
study.measure("repetition")

# %% [markdown]
# **The paper** explains the pattern: "local features spatially close to each other are highly similar". That can be
# measured as well, by the cosine of features side by side:

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the mean cosine of neighbours, at each layer and scale
cosines = {
    f"scale {s}": {
        layer: study.similarities(f"{layer}.scale{s}").mean().item() for layer in study.layers
    }
    for s in (1, 2)
}
figures.over_layers(
    cosines, title="How alike neighbouring features are", y_title="cosine of neighbours"
)

# %%
study.measure("alike")

# %% [markdown]
# > These are cosines times 100; `alike.middle` is of the best layer between the first and the last. At scale 2 neighbours
# > are closer together in the photo, which makes them more alike, whatever the layer. `alike.last_farther` compares
# > features two locations apart: as far in the photo as neighbours at scale 1. What does this fairer comparison say?
# > And careful with the step from the middle to the last layer: what a block of EfficientNet-Lite0 gives may be negative,
# > what its head gives may not, and features without negative values are more alike anyway. (In GoogLeNet and VGG-16 none
# > is negative.) So the claim below compares the last layer with itself.
#
# **Explore.** Choose a layer, then click on a patch or move with the arrow keys: you see the nearest patches of the other
# photos.

# %%
figures.explorer(panels, [search.names[index] for index in study.patch_photos])

# %% [markdown]
# ## 2.4.4 · Both scales, and few dimensions (Tables 2.2 and 2.3)
#
# The final descriptor of **the paper** joins the descriptors of both scales at the best layer.

# %%
show(conv_vlad.multi_scale, docstring=False)

# %%
favourite = study.favourite  # the best layer at scale 1: to look at, not to report
both_scales = study.both_scales(favourite)  # (N, 2 * k * d)
print(f"{favourite}: {100 * search.average_precision(both_scales).mean():.1f} % mAP")
print(f"{both_scales.shape[1]:,} dimensions, of which {study.dimensions} will be kept below")
study.measure("multi.full")

# %% [markdown]
# > The layer of the first number was chosen on these very queries. For `multi.full` it is the best one at either scale, and
# > chosen on other queries, as for `layer.best` and `scale2.best` above: compare it with these.
#
# These are many dimensions. PCA keeps the directions $U$ in which descriptors vary most, and *whitening* divides by the
# standard deviations $\sigma$ along them, so that all count the same. **The paper** keeps 128.
#
# $$\hat v = \operatorname{diag}(\sigma)^{-1}\, U^\top (v - \mu), \qquad \hat v \leftarrow \hat v / \lVert \hat v \rVert_2$$

# %%
show(vlad.PCAWhitening.__call__, docstring=False)

# %% [markdown]
# > Whitening learns how descriptors vary, so it needs many more photos than it keeps dimensions. The thesis does not say
# > which photos it used. A study adds 600 photos of other houses; a lesson keeps fewer dimensions.
#
# **Predict:** how many points of mAP does this layer lose, or gain, if so few dimensions are kept?

# %%
short = study.shortened(both_scales)
percent = 100 * search.average_precision(short).mean()
print(f"{favourite}: {short.shape[1]} dimensions, {percent:.1f} % mAP")

# %% [markdown]
# **The paper** reports "minimal performance loss" with 128 dimensions. On Paris it is 10 points (Tables 2.2 and 2.3).

# %% [markdown]
# ### Against pooling
#
# **Pooling** keeps only the largest value, or the sum, of each channel over the photo. **The paper** finds "more
# sophisticated encoding methods" important "instead of simple max-pooling", but compares its VLAD, of two scales, with
# another paper's pooling. There are two ways to do it. The claim below takes each at a layer that suits it (`multi.128`
# against `pool.max`, measured by a study). Here both get the same layer, one that was chosen beforehand (Inception 4e, conv5_1
# of VGG-16, or block 9 of EfficientNet-Lite0), and scale 1: as they are (`raw`) and in few dimensions, whitened (`white`).
# This changes one thing only, but it is hard on pooling where a layer has few channels: block 9 has 112, half of their values
# are negative, and a study whitens all of them.
#
# **Predict:** which of the three gains most from whitening, VLAD, the maximum or the sum?

# %%
study.measure("same.vlad", "same.max", "same.sum")

# %% [markdown]
# > Does VLAD lead the sum as they are, and does it still lead once both are whitened?
#
# ### Against SIFT, and against other encodings
#
# [SIFT](https://doi.org/10.1023/B:VISI.0000029664.99615.94) describes the surroundings of corners and blobs by values that
# people designed. And **the paper** says of VLAD that "other encoding schemes can be readily applied". Here are two: a bag
# of words, and a [Fisher vector](https://doi.org/10.1007/978-3-642-15561-1_11), for which a mixture of Gaussians takes the
# part of k-means. All bars of the network are of the layer above, chosen on these very queries.
#
# **Predict:** who wins on walls with sharp corners, under shadows that fall differently in each photo: SIFT, made for
# corners, or a network that has seen a million photos?

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# all ways to describe a photo, on the same queries
study.measure("sift.vlad", "sift.bow")
precisions = {"VLAD": study.by_layer()[favourite], **study.swapped_in(favourite)}
precisions |= {"VLAD, two scales": search.average_precision(both_scales)}
percent = {name: 100 * values.mean().item() for name, values in precisions.items()}
percent |= {"SIFT VLAD": study.live["sift.vlad"], "SIFT bag of words": study.live["sift.bow"]}
figures.methods(percent, favourite)

# %% [markdown]
# > **The paper** has 65.3 % for SIFT with VLAD on Holidays, and 84.0 % for GoogLeNet.
#
# ### Slide the condition: shadows
#
# What does a network learn from a million photos that helps here? SIFT describes a corner by the edges around it. In light
# from everywhere these are always the same edges; a cast shadow adds some of its own, others in each photo. The world can
# turn its shadows up and down, `Change(shadow=...)`. **Predict**, before you move the slider: how deep must they be until
# the network is ahead?

# %%
board.condition("shadow", start=-1)

# %% [markdown]
# > Measured by a study: EfficientNet-Lite0 with a layer that was fixed beforehand, on worlds that judge no claim. How far
# > does a small network get that has seen drawings only? `network="googlenet"` tells, at the depth of this lesson, .75.
#
# Both tables, the paper's numbers beside ours. Those of Table 2.3 are only measured by a study, in 128 dimensions.

# %%
board.table("table 2.2", claimed=("vlad.multi", "vlad.vs_sift"))

# %%
board.table("table 2.3", claimed=("vlad.128", "vlad.vs_pool"))

# %% [markdown]
# **Explore.** Choose a query and two descriptors, and see which photos each ranks first. Right, wrong and junk photos have
# different frames; above them is the curve of precision over recall.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the ranking of each descriptor
rankings = {f"{layer}, VLAD": search.rank(study.descriptors(layer)) for layer in (favourite, last)}
rankings |= {
    "two scales": search.rank(both_scales),
    f"two scales, {short.shape[1]} dimensions": search.rank(short),
}
rankings["SIFT, VLAD"] = search.rank(study.sift("vlad"))
options = {"queries": search.queries, "names": search.names, **search.truth}
figures.who_finds_what(photos, rankings, **options)

# %% [markdown]
# > Look at what comes first when it is wrong. Is it a thing of the same *kind*, or one with the same bricks? Do two
# > descriptors make the same mistakes?
#
# ## What to take home
#
# - A feature map is a grid of local features; 100 words and a sum of differences make one vector of them.
# - Which layer to take depends on the question: the layer that is best for "what is it?" need not be for "which one?".
# - In a larger photo, the same layer sees smaller parts of it.
# - Choose on other queries than you report on: eleven layers and two scales are 22 chances to be lucky.
# - A fair comparison changes one thing: the number of locations, the distance in the photo and the whitening matter too.
#
# ## Verdicts
#
# **Predict:** does the middle of the network still win once other photos and other starts are asked? What longer runs
# (profile `study`, several seeds) make of the paper's claims:

# %%
board.verdicts()

# %% [markdown]
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
viz.quiz("04")

# %% [markdown]
# ## On your own photos, and on the real sets
#
# A folder of photos, with a sub-folder or a common beginning of the file names for each thing:
#
# `.venv/bin/papermill notebooks/04_conv_vlad.ipynb mine.ipynb --cwd notebooks -p dataset folder -p data_root ~/Pictures`
#
# The paper's experiment: `.venv/bin/python data_scripts/holidays.py /data/holidays` (or `oxford5k.py`, `paris6k.py`)
# fetches a set. Every row of the tables is measured by itself, and continues after an interruption:
#
# `.venv/bin/labkit study run 04 --profile paper --dataset holidays --data-root /data/holidays --network vgg16 --device cuda`
#
# **Try it.** Take away something that makes a house hard to find, and run the notebook again with this below `study = ...`, in the folded cell
# that makes the study:
#
# ```
# from labkit import world
# from labkit.studies.photo_search import PhotoSearch
#
# sizes = {"size": 192, "instances": 16, "distractors": 32, "objects": False}
# constant = world.Places(seed=seed, **sizes, change=world.Change(light=0, shadow=0))
# study.search = PhotoSearch(constant)
# ```
#
# Which layers gain most if the light is always the same, and where is the peak now? What has that to do with "more
# invariance"? Then keep the camera still instead, `viewpoint=0`.
#
# **Next:** [05_long_video](05_long_video.ipynb), where pooling meets time.
