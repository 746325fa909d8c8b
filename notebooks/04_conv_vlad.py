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
# **What you will see**
#
# - how one forward pass gives a photo hundreds of local features at every layer (Table 2.1);
# - how 100 visual words turn them into one vector: VLAD, equation (2.1), step by step;
# - which layer finds a place again, at two sizes of the photo (Figure 2.2);
# - what a layer takes for alike: click on a patch and see its neighbours (Figures 2.3 and 2.4);
# - what two scales, 128 dimensions instead of thousands, and other methods do to it (Tables 2.2 and 2.3).
#
# **What to know beforehand:** what a convolution and a feature map are. No earlier notebook is needed.
#
# **Time:** about one and a half minutes on two cores, and half a minute more the first time, to draw the photos.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "holidays", "oxford5k", "paris6k", or "folder": your own photos
data_root = ""  # folder of the set; of your own photos: with a sub-folder, or a name with a number, for each thing
seed = 0
device = "cpu"  # or "cuda"
network = "googlenet"  # profile paper: or "vgg16"
missing = "error"  # of the real sets: "skip" leaves photos out that are not there or damaged, and names them

# %%
from labkit import parameters

datasets = ["world", "holidays", "oxford5k", "paris6k", "folder"]
parameters.check(globals(), dataset=datasets, network=["googlenet", "vgg16"], missing=["error", "skip"])
settings = {"dataset": dataset, "data_root": parameters.user_path(data_root), "seed": seed, "device": device}

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

study = ConvVLAD(profile, **settings, network=network, missing=missing)
board = Scoreboard.of(study)

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
kinds, shown = zip(*search.example, strict=True)
pictures = [photos[index] for index in shown]
figures.query(pictures, kinds)

# %% [markdown]
# *Good* and *ok* photos are to be found. *Junk* shows so little of the place that it counts neither for nor against. In
# [Holidays](https://lear.inrialpes.fr/~jegou/data.php), whose rule we follow in our own world, the query itself is left
# out of its ranking. In the [Oxford](https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/) and
# [Paris](https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/) sets it stays in, and counts as found.
#
# ### The score, on one short ranking
#
# Rank the database by distance to the query and walk down the list. **Precision** is the fraction of what you have met
# so far that is right, **recall** the fraction of what is right that you have met. The **average precision** (AP) is the
# area below the curve of precision over recall. Say a query has two photos to be found, and the ranking is
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
to_find, junk = listed([[0, 3]], 4), listed([[1]], 4)
print(f"{retrieval_average_precision(order, to_find, junk).item():.4f}, and 19/24 is {19 / 24:.4f}")

# %% [markdown]
# **Predict:** is AP lower or higher if the junk photo counts as wrong? And if the height of a strip is only the precision
# *after* the photo, the *step* rule of many libraries?

# %%
print(f"junk counts as wrong: {retrieval_average_precision(order, to_find).item():.4f}")
print(f"step rule: {retrieval_average_precision(order, to_find, junk, rule='step').item():.4f}")

# %% [markdown]
# > Junk that counts pushes the second good photo down. The step rule is the more generous one: 5/6. Scores by different
# > rules must not be compared.
#
# The mean over all queries is **mAP**. How good are descriptors that know nothing, or only the mean colour?

# %%
colours = torch.stack([photo.float().mean((1, 2)) for photo in photos])  # (N, 3)
print(f"chance level: {100 * search.chance(seed):.0f} % mAP")
print(f"mean colour: {100 * search.average_precision(colours).mean():.0f} % mAP")

# %% [markdown]
# ## 2.3 · From a photo to one vector (Figure 2.1)

# %%
figures.overview()

# %% [markdown]
# ### 2.3.1 and 2.3.2 · Layers, and their local features (Table 2.1)
#
# **The paper** takes [GoogLeNet](https://arxiv.org/abs/1409.4842) and [VGG-16](https://arxiv.org/abs/1409.1556), trained
# on ImageNet. "At each location (i, j) ... in the feature map ..., we obtain a d-dimensional vector ... containing
# activations of all filters, which is considered as our feature vector." All layers come from one forward pass:

# %%
show(conv_vlad.ConvFeatures.forward, docstring=False)

# %% [markdown]
# > Our own world has a small GoogLeNet, with a quarter of the channels, that was trained to recognise figures and things
# > on drawings of 64 x 64 pixels. **It has never seen a house.** With `profile="paper"` it is the real one.

# %%
backbone = study.backbone
low, middle, last = study.figure_layers
n, d = backbone.sizes()[middle]
features = backbone([photos[shown[0]]], [middle])[middle]  # (1, n * n, d)
assert features.shape == (1, n * n, d)
lengths = features.norm(dim=2)
assert ((lengths - 1).abs() < 1e-4).logical_or(lengths == 0).all()

# %% [markdown]
# **Predict:** how many local features does a photo have at this layer, and which part of the photo does one of them see?

# %%
field = backbone.receptive_fields()[middle]
print(f"{middle}: {n} x {n} = {n * n} features with {d} values")
print(f"each sees {field.size} x {field.size} of {backbone.input_size} x {backbone.input_size} pixels")

# %% [markdown]
# > The receptive field is larger than you might think. A local feature is local because the pixels in its middle weigh
# > most, not because it sees nothing else.
#
# The sizes of all layers of the real networks, worked out from their code without computing a single value:

# %%
with torch.device("meta"):
    googlenet, vgg16 = models.googlenet(init_weights=False), models.vgg16()
networks = {"GoogLeNet": (googlenet, conv_vlad.GOOGLENET_LAYERS), "VGG-16": (vgg16, conv_vlad.VGG16_LAYERS)}
sizes = {name: conv_vlad.ConvFeatures(*parts).sizes() for name, parts in networks.items()}
computed = {f"{name} {layer}": size for name, layers in sizes.items() for layer, size in layers.items()}
board.table("table 2.1", computed=computed)

# %% [markdown]
# ### 2.3.3 · Visual words
#
# Two photos cannot be compared feature by feature: there are too many. **The paper** lets k-means find $k = 100$ typical
# features $c_1, \dots, c_k$, the *visual words*, and assigns each feature to its nearest word $NN(f)$. Which features the
# words come from it does not say; here it is a sample of those of all photos.

# %%
words = study.vocabulary(middle)  # (k, d)
trio = backbone([pictures[0], pictures[1], pictures[-1]], [middle])[middle]  # (3, n * n, d)
nearest = assign(trio.flatten(0, 1), words).view(3, n, n)
three = [kinds[0], kinds[1], kinds[-1]]
figures.words(backbone.warp([pictures[0], pictures[1], pictures[-1]]), nearest, len(words), three, seed=seed)

# %% [markdown]
# > Neighbouring locations often share a word, and many words come back in other photos. *Which* words occur says little
# > about which house it is.
#
# ### VLAD, equation (2.1)
#
# So VLAD does not count words. It adds up how each feature *differs* from its word, and keeps one such sum for each word:
#
# $$v = \Big[\sum_{NN(f)=c_1} f - c_1,\ \dots,\ \sum_{NN(f)=c_k} f - c_k\Big] \qquad (2.1)$$

# %%
show(vlad.vlad, docstring=False)

# %% [markdown]
# In the plane it can be seen. Three words, a dozen and a half features around them; thin lines are the residuals
# $f - c$, thick arrows their sums.
#
# **Predict:** which of the three sums would change most if one far feature were taken away?

# %%
toy_words = torch.tensor([[0.0, 0.0], [4.0, 1.0], [1.0, 4.0]])
toy = toy_words.repeat(6, 1) + torch.randn(18, 2, generator=torch.Generator().manual_seed(seed))  # (18, 2)
own = assign(toy, toy_words)  # (18,)
vlad.vlad(toy, toy_words)  # (3, 2): the three arrows

# %%
figures.residuals(toy, toy_words, own)

# %% [markdown]
# > Residuals that point in all directions cancel; what is left tells to which side of the word the features of *this*
# > image lie. A word far from all its features, or with many of them, gets a long arrow.
#
# A photo's VLAD is a block of $k$ rows, one for each word, and $d$ columns. Do photos of the same place look alike?

# %%
sums = vlad.vlad(trio, words)  # (3, k, d)
figures.blocks(sums, three)

# %% [markdown]
# ### Intra-normalisation
#
# A word that covers half the sky outweighs all others. **The paper** scales the block $v_i$ of each word to length 1,
# then the whole vector; the older way takes a signed square root (SSR) of every value:
#
# $$\text{intra: } v_i \leftarrow \frac{v_i}{\lVert v_i \rVert_2} \qquad\qquad
# \text{SSR: } x \leftarrow \operatorname{sign}(x)\sqrt{|x|}$$

# %%
show(vlad.intra_normalization, vlad.signed_square_root, docstring=False)

# %%
of_query = {"as summed": sums[0], "SSR": vlad.signed_square_root(sums[0]), "intra": vlad.intra_normalization(sums[0])}
figures.lengths(of_query)

# %% [markdown]
# > Words that do not occur in the photo keep 0; all others get the same weight.
#
# **Try it:** write `vlad` yourself in five lines, with a loop over the words and no tricks. Check it with
# `torch.testing.assert_close(yours(trio[0], words), sums[0])`.
#
# ## 2.4.1 and 2.4.2 · Which layer, at which scale? (Figure 2.2)
#
# Now all photos and all layers. **Scale 2** is the same network on photos warped to $2n \times 2n$ pixels, with four
# times as many locations. **The paper:** "The mAP first increases as we go deeper into the network because the
# convolutional features achieve more invariance, until reaching a peak. However, the performance at higher layers
# gradually drops". At scale 2, "the performance difference between layers ... is smaller".
#
# **Predict:** where will the peak be, in a network trained to tell *categories* apart?

# %%
scores = {scale: study.by_layer(scale) for scale in (1, 2)}  # average precision of each query, by layer
curves = {f"scale {s}": {layer: 100 * ap.mean().item() for layer, ap in scores[s].items()} for s in (1, 2)}
printed = {"Inception 3a": 82.0, "Inception 5b": 68.5}  # all that the text prints of its curves
curves["paper, Holidays, scale 1"] = {layer: printed[layer] for layer in study.layers if layer in printed}
figures.over_layers(curves, title="Figure 2.2: retrieval by layer", y_title="mAP (%)")

# %% [markdown]
# > The level of our curves is that of a network without houses; compare their shape. Where do they peak, and does scale 2
# > change it?
#
# ### How good is the best layer?
#
# The best layer is the peak of a curve, and the thesis reads it off the very queries that it reports. That can flatter:
# of eleven layers one is lucky. So we choose the layer on the queries of four fifths of the houses and other things, and
# report it on the other fifth, in turn: `cross_fitted` in [retrieval.py](../labkit/retrieval.py).

# %%
for scale, of_layers in scores.items():
    flattering = max(100 * ap.mean().item() for ap in of_layers.values())
    print(f"scale {scale}: chosen on the same queries {flattering:.1f} %")
study.measure("layers.scale1", "layers.scale2")  # best: chosen on other queries

# %%
board.table("figure 2.2", claimed=("vlad.middle", "vlad.scale2"))

# %% [markdown]
# > *depth* is how far up the best layer lies, from 0 (first) to 100 (last). Where a curve is flat it jumps from seed to
# > seed; *centre* is the mean depth of all layers, weighted by their mAP, and does not.
#
# One objection: a layer in the middle has more locations than the last one, so more features for its words. What remains
# of its lead if every layer gets as many features as the last one, evenly spaced?

# %%
study.measure("layers.scale1", "locations")

# %% [markdown]
# > Compare `locations.best` with `layer.best` and `layer.last`. If it is lower than `layer.best`, the difference was a matter
# > of *how many* features there are, not of what they know. (In the paper it is 784 features at the best layer, 49 at the
# > last.)
#
# ### Does intra-normalisation help?
#
# **The paper** takes it from others, where it "has been shown to give superior results". We measure it on the same
# features and words: at the layer that is best with it, and (`_mean`) as the mean over all layers, where nothing is
# chosen.

# %%
ways = ("norm.intra", "norm.ssr", "norm.none")
study.measure(*ways)
for way in ways:
    for metric, measure in study.measures[way].items():
        print(f"{metric:15} {measure.value:.1f} ± {measure.stderr:.1f} % mAP")

# %% [markdown]
# > After ± stands the standard error over the queries. A difference of about as much as that decides nothing.
#
# ## 2.4.3 · What does a layer take for alike?
#
# **The paper** lets each feature stand for a square in the middle of what it sees, $n/n_l$ pixels wide. Below, a reference
# patch is at the left of each row, and beside it are the patches of *other* photos whose features are nearest.

# %%
show(study.patches[low, 1].clusters)

# %%
labels = [f"{layer}{', scale 2' * (scale == 2)}" for layer, scale in study.patches]
panels = dict(zip(labels, study.patches.values(), strict=True))

# %% [markdown]
# **Predict:** what will a low layer take for alike, what the last one, and what the last one at twice the size?

# %%
figures.clusters(panels[labels[0]], labels[0], seed=seed)

# %%
figures.clusters(panels[labels[2]], labels[2], seed=seed)

# %%
figures.clusters(panels[labels[3]], labels[3], seed=seed)

# %% [markdown]
# > The low layer often finds the same edge or the same paint. Each location of the last one sees most of the photo, so
# > patches that it takes for alike need not look alike. At twice the size it sees a smaller part of it.
#
# ### A photo made of its neighbours (Figure 2.3)
#
# Now rebuild a photo: each of its patches gives way to the mean of its $k$ nearest patches from other photos. What a layer
# knows about the place survives; what it has forgotten is replaced. **The paper** sees "many repetitive patterns" in
# Inception 5b, fewer at scale 2, and in Inception 4a "the edges in the images are better preserved".

# %%
figures.rebuilt({name: panels[name] for name in labels[1:]})

# %% [markdown]
# How repetitive is it? Count how often two patches side by side are replaced by the *same* patch:

# %%
study.measure("repetition")

# %% [markdown]
# Another yardstick is the cosine of features side by side, at each layer:

# %%
cosines = {
    f"scale {s}": {layer: study.similarities(f"{layer}.scale{s}").mean().item() for layer in study.layers}
    for s in (1, 2)
}
figures.over_layers(cosines, title="How alike neighbouring features are", y_title="cosine of neighbours")

# %%
study.measure("alike")

# %% [markdown]
# > At scale 2 neighbours are closer together in the photo, so their cosine is unfair to the paper's statement.
# > `alike.last_farther` compares features two locations apart: as far in the photo as neighbours at scale 1. What does the
# > fair comparison say?
#
# **Explore.** Click on a patch, or walk with the arrow keys: its nearest patches in the other photos, by the layer and at
# the scale you choose.

# %%
figures.explorer(panels, [search.names[index] for index in study.patch_photos])

# %% [markdown]
# ## 2.4.4 · Both scales, and only 128 dimensions (Tables 2.2 and 2.3)
#
# The final descriptor of **the paper** is that of the best layer at both scales, side by side. Compare `multi.full`, whose
# layer is again chosen on other queries, with `layer.best` and `scale2.best` above.

# %%
show(conv_vlad.multi_scale)

# %%
favourite = study.favourite  # the best layer at scale 1: to look at, not to report
both = study.both_scales(favourite)  # (N, 2 * k * d)
print(f"{favourite}: {both.shape[1]:,} dimensions, {100 * search.average_precision(both).mean():.1f} % mAP")
study.measure("multi.full")

# %% [markdown]
# That is long. PCA keeps the directions $U$ in which descriptors vary most, and *whitening* divides by the standard
# deviations $\sigma$ along them, so that all count the same:
#
# $$\hat v = \operatorname{diag}(\sigma)^{-1}\, U^\top (v - \mu), \qquad \hat v \leftarrow \hat v / \lVert \hat v \rVert_2$$
#
# > Whitening learns how descriptors vary, so it needs many more photos than it keeps dimensions. Which photos the thesis
# > took it does not say. A study adds 600 photos of other houses; a lesson keeps fewer dimensions.
#
# **Predict:** what is lost when almost all dimensions go?

# %%
short = study.shortened(both)
print(f"{favourite}: {short.shape[1]} dimensions, {100 * search.average_precision(short).mean():.1f} % mAP")

# %% [markdown]
# ### Against pooling
#
# **Pooling** keeps only the largest value, or the sum, of each channel over the photo. A fair comparison with VLAD takes
# the same layer and scale, and both as they are (`raw`) and whitened (`white`):

# %%
study.measure("same.vlad", "same.max", "same.sum")

# %% [markdown]
# > Does whitening help all three alike? The paper compares whitened VLAD of two scales with another paper's max-pooling.
#
# ### Against SIFT, and against other encodings
#
# SIFT looks only where there are corners and blobs, with values that people designed and no network learned. And the
# paper says of VLAD that "other encoding schemes can be readily applied": here are two, at one layer and scale 1.
#
# **Predict** who wins in a drawn world of flat walls and sharp corners: SIFT, made for corners, or a small network that
# has never seen a house?

# %%
study.measure("sift.vlad", "sift.bow")
methods = {f"VLAD, {favourite}": study.by_layer()[favourite], **study.swapped_in(favourite)}
percent = {name: 100 * ap.mean().item() for name, ap in methods.items()}
percent |= {"two scales": study.live["multi.full"]}
percent |= {"SIFT, VLAD": study.live["sift.vlad"], "SIFT, bag of words": study.live["sift.bow"]}
figures.methods(percent)

# %%
board.table("table 2.2", claimed=("vlad.multi", "vlad.vs_sift", "vlad.intra"))

# %%
board.table("table 2.3", claimed=("vlad.128", "vlad.vs_pool"))

# %% [markdown]
# **Explore.** Choose a query: what each descriptor finds, from the best on. Right, wrong and junk photos have different
# frames; beside them is the curve of precision over recall.

# %%
rankings = {f"{layer}, VLAD": search.rank(study.descriptors(layer)) for layer in (favourite, last)}
rankings |= {"two scales": search.rank(both), f"two scales, {short.shape[1]} dimensions": search.rank(short)}
rankings["SIFT, VLAD"] = search.rank(study.sift("vlad"))

# %%
options = {"queries": search.queries, "names": search.names, **search.truth}
alt = "A query and, for two methods side by side, the photos ranked first, each marked as right, wrong or skipped."
viz.RetrievalBrowser(photos, rankings, title="Who finds what", alt=alt, **options)

# %% [markdown]
# > Look at what comes first when it is wrong. Is it a thing of the same *kind*, or one with the same bricks? Do two
# > descriptors make the same mistakes?
#
# ## What to take home
#
# - A feature map is a grid of local features; 100 words and a sum of differences make one vector of them.
# - Which layer to take depends on the question: the layer that is best for "what is it?" need not be for "which one?".
# - The same layer sees smaller things if the photo is larger.
# - Choose on other queries than you report on: eleven layers and two scales are 22 chances to be lucky.
# - A fair comparison changes one thing: the number of locations, the distance in the photo and the whitening matter too.
#
# ## Verdicts
#
# What longer runs (profile `study`, several seeds) make of the paper's claims:

# %%
board.verdicts()

# %% [markdown]
# ## On your own photos, and on the real sets
#
# A folder of photos, with a sub-folder or a common beginning of the file names for each thing:
#
# `.venv/bin/papermill notebooks/04_conv_vlad.ipynb mine.ipynb --cwd notebooks -p dataset folder -p data_root ~/Pictures`
#
# The paper's experiment: `.venv/bin/python data_scripts/holidays.py /data/holidays` (or `oxford5k.py`, `paris6k.py`)
# fetches a set, and every row of the tables is measured, one by one, and again where it was interrupted, by
#
# `.venv/bin/labkit study run 04 --profile paper --dataset holidays --data-root /data/holidays --network vgg16 --device cuda`
#
# **Try it.** Take away what makes a place hard to find. After `study` has been made, write
# `study.search = PhotoSearch(world.Places(instances=24, distractors=48, change=world.Change(viewpoint=0)))`, with
# `PhotoSearch` from `labkit.studies.photo_search`. Which layers gain most when the camera never moves?
#
# **Next:** [05_long_video](05_long_video.ipynb), where pooling meets time.
