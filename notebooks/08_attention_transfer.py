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
# # Attention transfer: from photos to video
#
# Li, Wong, Zhao & Kankanhalli, [*Attention transfer from web images for video
# recognition*](https://arxiv.org/abs/1708.00973), ACM Multimedia 2017. The paper is
# [attention_transfer.py](../labkit/papers/attention_transfer.py), its experiments are
# [studies/attention_transfer.py](../labkit/studies/attention_transfer.py).
#
# **What you will see here**
#
# - photos and video frames of the same interactions, and a CNN that knows the photos and stumbles over the frames;
# - the attention maps of *all* concepts on a frame (Figure 2), and how they give an answer without any labelled video;
# - how much of that gain is due to attention, and how much to what it is compared with;
# - what becomes of it where every frame shows the interaction, and where few do;
# - what a real network from ImageNet sees in a photo of your own, and where it looks;
# - a small network that learns which energy an attention map deserves, equation by equation (Figure 3, Tables 2 and 3);
# - actions instead of interactions, a few videos instead of all (Tables 4 and 5, Figures 4 and 5), and Figure 6.
#
# **To know beforehand**: convolutional networks, the softmax, training and fine-tuning. No optical flow.
#
# **Time** about one and a half minutes on two cores, most of it training. Numbers of sections are the paper's.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "tvhi": photos of HII, videos of TV Human Interactions
data_root = ""  # of the real sets: the folder that holds tvhi/ and hii/
seed = 0
device = "cpu"  # or "cuda"
missing = "error"  # of the real sets: "skip" takes the videos and photos that are there
photo = ""  # path of a photo of your own; empty: one that comes with scikit-learn

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from labkit import parameters

parameters.check(globals(), dataset=["world", "tvhi"], missing=["error", "skip"], photo=str)
data_root, photo = parameters.user_path(data_root), parameters.user_path(photo)

import torch

from labkit.attribution import grad_cam, linear_grad_cam
from labkit.backbones.taps import tapping
from labkit.papers import attention_transfer
from labkit.scoreboard import Scoreboard
from labkit.studies import attention_reading as reading
from labkit.studies.attention_transfer import AttentionTransfer
from labkit.studies.own_photo import recognise
from labkit.viz import quiz, show
from labkit.viz.papers import attention_transfer as figures

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the study of this lesson, its clips, and its records
of_videos = {"dataset": dataset, "data_root": data_root, "missing": missing}
study = AttentionTransfer(profile, seed=seed, device=device, **of_videos)
board = Scoreboard(study)

# %% [markdown]
# ## 4.1 · Photos and videos
#
# **The paper** wants to recognise four interactions of two people on television: a handshake, a high five, a hug, a kiss ([TV
# Human Interactions](https://www.robots.ox.ac.uk/~vgg/data/tv_human_interactions/), TVHI). Labelled videos are rare, photos
# are not. It asks search engines for the four words and gets 17,500 photos ([HII](https://doi.org/10.5281/zenodo.832380),
# *noisy*), of which 2,410 remain after somebody has looked at each (*filtered*): six in seven were thrown away.
#
# > In the lab's world puppets meet. Their photos differ from their videos in style: they are closer, posed at the moment of
# > contact, often before coloured paper, and harder in contrast. The noisy photos are three times as many as the filtered
# > ones, and a quarter of them shows something else. **The paper** has 600 filtered photos and 25 training videos of each
# > class. So has our study; this lesson makes do with 48 photos.
#
# **Predict:** on the left is what the CNN will learn from, on the right what it will be asked. What will be difficult?

# %%
figures.photos_and_frames(reading.photos_and_frames(study))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > In a photo they touch. In some frames of a video they do not yet, or no longer: in three quarters of the frames they are
# > together, nearer than half of their way to each other.
#
# </details>
#
# ## 4.2 · A CNN learns from photos
#
# **The paper** takes [ResNet-101](https://arxiv.org/abs/1512.03385) and [VGG-16](https://arxiv.org/abs/1409.1556),
# pre-trained on [ImageNet](https://www.image-net.org), and fine-tunes them on the photos: shorter side 224 pixels, centre
# crop, horizontal flips, batches of 32; 30 % of the photos are held out.
#
# > Ours is a ResNet of ten layers, and instead of VGG a CNN-M (the network of lesson 02), on 56 x 56 pixels, pre-trained on
# > the lab's stills of things, buildings and scenes.

# %%
print(study.recipe("photos"))
study.measure("image.resnet_filtered")

# %% [markdown]
# That is the accuracy on held-out photos, in percent; the paper's ResNet has 94.1. **Predict** the accuracy on the frames of
# the test videos.

# %%
study.measure("frames.filtered")

# %% [markdown]
# > Videos look different from photos: this is the *domain shift*. And there is more: a frame in which two puppets still walk
# > towards each other is no photo of a hug.
#
# ## 3.1 · Spatial attention maps
#
# Which locations of a frame speak for a concept? **The paper** asks [Grad-CAM](https://arxiv.org/abs/1610.02391). It
# differentiates the score of concept $c$ with respect to the last feature maps $A^k$; the mean of the gradient over all
# locations is the weight $\alpha_k^c$, and the attention map of the frame $F$ for the concept $c$ is
#
# $$L(F, c) = \mathrm{ReLU}\Big(\sum_k \alpha_k^c A^k\Big). \qquad (1)$$
#
# Where a CNN ends in a mean over all locations and one linear layer, as a ResNet does, no gradient is needed: $\alpha_k^c$ is
# a weight of that layer, divided by the number of locations.

# %%
show(linear_grad_cam, docstring=False)

# %% [markdown]
# > Elsewhere the gradients of all concepts are computed together, as a batch. The text speaks of "vector quantization" of the
# > gradient that flows back; it means 1 for the concept that is asked for, and 0 for the others. Both ways give the same
# > attention maps:

# %%
cnn, clip = study.photo_network().eval(), study.interactions.test[0]
images = study.view().at(clip, range(4)).to(study.torch_device)
# `taken` keeps the layer's feature maps, to ask for a gradient there
with tapping(cnn.cnn, [cnn.layer], leaves=True) as taken:
    by_gradients = grad_cam(cnn(images), taken[cnn.layer])
without_gradients = cnn.look(images).maps
torch.testing.assert_close(by_gradients, without_gradients, rtol=1e-3, atol=1e-5)
tuple(by_gradients.shape)  # frames, concepts, height, width

# %% [markdown]
# **Predict** what the four attention maps of a frame of a hug look like. (Of the test frames we show the clearest one.)

# %%
frame = reading.clearest_frame(study, "hug")
maps, energies = frame.attention[0], frame.energies["energy"][0]
figures.concept_maps(frame.images[0], maps, energies, frame.concepts, frame.label)

# %% [markdown]
# > All four have one scale, and that is the point: only so can you see which concept has much to point at and which has
# > little. If each were stretched to its own maximum, all four would shine. **The paper:** the map of a concept that is there
# > has "high energy", that of a concept that is not has "low and sparse activations". This is the frame in which that is
# > clearest; the bars further down say how often it helps.
#
# ### A photo of your own
#
# Puppets are simple. What does a network see that knows a million photos? [EfficientNet-Lite0](https://arxiv.org/abs/1905.11946)
# is none of the paper's networks; it is the real one that comes with this lab, trained on the thousand classes of ImageNet. It
# ends like a ResNet, so the same `AttentionNet` reads it. **Try it:** write the path of a photo into `photo` above. **Predict**
# the five classes, and for each where it looks.

# %%
figures.recognised(*recognise(photo))

# %% [markdown]
# > Several classes can point at the same thing: an attention map says what speaks for a class, not what speaks against the
# > others. And a thousand classes are all that it knows: a thing that is none of them gets the names of what is most like it.
#
# ## 3.3 · Unsupervised attention
#
# The scores of a CNN are "domain-specific", says **the paper**; attention maps contain "the more general convolutional
# feature with class information". So it reads the answer from these (*UnAtt*). A square of 3 x 3 locations slides over the
# attention map with a stride of 1, and the energy $E$ is the largest sum in it. For a video of $N$ frames,
#
# $$\mathrm{score}(F, c_i) = \frac{1}{N} \sum_F E(L(F, c_i)), \qquad (2) \qquad\qquad c_v = \mathrm{argmax}_{c_i}\; \mathrm{score}(F, c_i). \qquad (3)$$

# %%
show(
    attention_transfer.energy,
    attention_transfer.mean_over_frames,
    attention_transfer.unatt,
    docstring=False,
)

# %% [markdown]
# Its rival, the *CNN*, lets every frame vote: "We select the majority frames that has the same class, and apply late fusion
# (average) on the frame-level scores". **Predict:** which is better, and by how much? (Percent; `mean` is explained below.)

# %%
study.measure("photos.resnet_filtered")

# %% [markdown]
# <details><summary>What the paper says</summary>
#
# > **The paper:** 89.7 for the vote, 94.3 for UnAtt.
#
# </details>
#
# These are mean average precisions (mAP), as **the paper** reports them for interactions; for actions it reports accuracy. For
# each class the test videos are sorted by their score for it; average precision is 100 % if all of its videos come first.
#
# > The two ask different questions. Accuracy (top-1) compares the scores of *one video* for all classes. Average precision
# > compares the scores of *all videos* for one class. A number that is added to all scores of a class, such as a bias,
# > changes accuracy and never changes average precision. A number that is added to all scores of a video does the opposite.
#
# ### What is it that helps?
#
# From the vote to UnAtt several things change. Take one step at a time: let the frames vote; average their scores instead;
# average their softmax; sum each attention map as a whole; take its best 3 x 3 only. **Predict** which step gains most.

# %%
figures.ways_to_read(reading.by_rule(study))

# %% [markdown]
# > In a ResNet the score of a concept *is* a sum over locations: that of its attention map before the ReLU, plus a bias. So
# > both are readings of the same evidence. By mAP, is UnAtt ahead of the vote, and of the plain mean? Which of the two is the
# > harder rival? **The paper** finds the mean of the scores "slightly" worse than the vote.
# >
# > Look at top-1 as well. In a frame in which nobody touches the CNN still has to choose a class, and such a frame has a vote
# > like any other. An attention map that finds nothing has no energy, so a mean of energies leaves such frames out.
#
# If that is the reason, the lead of UnAtt must depend on how many frames tell what happens. In the lab's world this is a
# parameter, `world.Interactions(telling=0.75)`. Here is one meeting with four values of it:

# %%
figures.told(reading.told(study, "hug"))

# %% [markdown]
# **Predict:** what becomes of the bars at 36 %, and what at 100 %, where nobody comes or goes? The slider shows records of the
# study: 160 test videos in each of three worlds, and one CNN of photos in each world, whatever the videos are like.

# %%
board.condition("telling", start=2)

# %% [markdown]
# The same by accuracy; *each frame alone* is the accuracy on single frames.

# %%
board.condition("telling_top1", start=2)

# %% [markdown]
# > With 100 % there is nothing for UnAtt to repair: how far apart are the vote and UnAtt there? Then move to the left. Each
# > frame that tells nothing still has a vote: does the vote fall first? **The paper's** pair, 89.7 and 94.3 % mAP,
# > is 4.6 points apart: at which position are ours? And is attention what it takes? By mAP look at the mean of the softmax,
# > which needs no attention map; by top-1 look who is ahead where few frames tell something.
#
# ## 3.4 · With labelled videos: EnergyNet
#
# With labelled videos, the CNN itself can be fine-tuned on their frames (*finetune+CNN*). **The paper** does that and then
# continues: concepts differ in what their attention maps look like, so one rule cannot fit them all. *EnergyNet* learns the
# rule. It gets the attention map as a vector $V_L$ and the concept as a vector $V_c$; "a two-layer fully-connected network
# with ReLU nonlinearity between the layers" turns both into an embedding $f(V_L, V_c)$ of $d = 64$ values, and
#
# $$\mathrm{EnergyNet}(F, c) = W_f\, f(V_L, V_c), \qquad (4) \qquad\qquad \mathrm{score}(F, c_i) = \frac{1}{N} \sum_F \mathrm{EnergyNet}(F, c_i). \qquad (5)$$

# %%
show(attention_transfer.EnergyNet, attention_transfer.energy_scores, docstring=False)

# %%
concepts = study.concepts("mean")
energy_net = attention_transfer.EnergyNet(7 * 7, concepts)
maps = torch.rand(10, len(concepts), 7, 7)  # ten frames, an attention map for each concept
energies = energy_net(maps)
tuple(energies.shape), f"{sum(weights.numel() for weights in energy_net.parameters()):,} parameters"

# %% [markdown]
# The vectors $V_c$ come from words. **The paper** takes [word2vec](https://arxiv.org/abs/1301.3781), vectors that were learned
# from text, in which words that are used alike are close to each other, and combines the words of a concept by Fisher vectors,
# which "can capture the semantic relatedness and compositionality between concepts".
#
# > Ours come from one-line definitions of the lab's classes ([words.py](../labkit/words.py)). EnergyNet gets the mean of the
# > words of a concept; in the profile `paper` it gets their Fisher vector.

# %%
vectors = {"mean of words": concepts, "Fisher vectors": study.concepts("fisher")}
figures.similarities(vectors, reading.names_of(study))

# %% [markdown]
# ### 3.4.1 and 3.4.3 · Two losses
#
# On every frame the *true map*, of the concept that is there, is to have more energy than the *false map* of any other one, by
# a margin $m = 1$, for all $c^F_{fa} \neq c^F_{gt}$:
#
# $$ELoss(F, c^F_{gt}, c^F_{fa}) = \max\{0,\; \mathrm{EnergyNet}(F, c^F_{fa}) - \mathrm{EnergyNet}(F, c^F_{gt}) + m\}. \qquad (6)$$
#
# And embeddings of the same concept are to be close to each other, by the cosine distance
#
# $$D(f_1, f_2) = 1 - \frac{f_1 \cdot f_2}{\lVert f_1 \rVert\, \lVert f_2 \rVert}. \qquad (7)$$
#
# An anchor $F$, a positive $F^+$ and a negative $F^-$ come from three videos, each with its true map. The paper wants (9), and
# gets it from the loss (10) with a margin $\beta = 0.5$:
#
# $$L = L(F, c), \qquad L^+ = L(F^+, c^+),\; c^+ = c, \qquad L^- = L(F^-, c^-),\; c^- \neq c \qquad (8)$$
#
# $$D(f(F, c), f(F^-, c^-)) > D(f(F, c), f(F^+, c^+)) \qquad (9)$$
#
# $$TLoss = \max\{0,\; D(f(F, c), f(F^+, c^+)) - D(f(F, c), f(F^-, c^-)) + \beta\} \qquad (10)$$

# %%
show(
    attention_transfer.energy_loss,
    attention_transfer.cosine_distance,
    attention_transfer.triplet_loss,
    docstring=False,
)

# %% [markdown]
# ### 3.4.4 · Both together
#
# Four instances of the same EnergyNet (with the same weights: *Siamese*) see a quadruplet: the false and the true map of the
# anchor, a positive and a negative.

# %%
figures.siamese()

# %%
show(attention_transfer.QuadrupletSampler.sample, docstring=False)

# %% [markdown]
# Some of them, from the attention maps of the fine-tuned CNN. The first two columns are one frame. **Predict** for each row:
# which of the two losses will be large before anything is learned?

# %%
drawn = reading.quadruplets(study)
figures.quadruplets(drawn.images, drawn.attention, drawn.concepts)

# %% [markdown]
# <details><summary>What happened</summary>
#
# > The energy loss. Before anything is learned the energies of a row differ little, so by (6) it costs about the margin, 1.
# > By (10) it would cost 0.5 if the positive and the negative were equally far from the anchor; on average it costs less,
# > because the embedding also gets the concept, which anchor and positive share.
#
# </details>
#
# ### 3.4.2 · Hard negatives
#
# "Generating all true-false concept pairs [...] with brute force approach would result in many pairs that easily satisfy" the
# margin, says **the paper**, and these contribute nothing. So it draws large batches of candidates at random, and learns from
# the $K$ with the largest loss and "a few random samples". At the start batches are small, so that the hardest are only
# *semi-hard*; "after the training loss decreases below a threshold, we increase the mini-batch size".
#
# > Which loss? That of the hardest hardly falls: mining always finds new ones. We take the loss of the random candidates.

# %%
network = attention_transfer.SiameseEnergyNet
show(network.forward, network.mine, attention_transfer.siamese_loss, docstring=False)

# %% [markdown]
# **Predict:** after fine-tuning, how do the vote, the mean, UnAtt and EnergyNet compare?

# %%
study.measure("tuned.resnet_filtered", "rules.tuned", "energynet.resnet_filtered")

# %% [markdown]
# <details><summary>What the paper says</summary>
#
# > **The paper:** 92.6, 94.7 and 96.8 for the vote, UnAtt and EnergyNet; it gives no number for the mean.
#
# </details>
#
# The five ways to read a CNN, before and after fine-tuning. (Rows marked *live* are from this run: compare live with live, and
# recorded with recorded. ↻ marks records of other seeds, many of them older than the code; the verdicts do not count them.)

# %%
board.table("table rules", claimed=("att.voting", "att.unatt_mean", "att.finetune_unatt_mean"))

# %%
losses = {"energy loss": study.curve("energy"), "triplet loss": study.curve("triplet")}
figures.mining(study.curve("candidates"), losses)

# %% [markdown]
# Near which value does the energy loss settle? By equation (6), which energies have that loss? (A loss of 1, the margin, means
# that the true and the false map have the same energy: mining keeps picking pairs that the network cannot tell apart.)
#
# Now look at what mining picks after EnergyNet has learned. **Predict** what a quadruplet with a loss of zero looks like.

# %%
mined = reading.mined(study)
figures.mined(mined.images, mined.attention, mined.concepts, mined.energies["loss"])

# %% [markdown]
# > Look at the frames of the hardest ones: are the two together? Where they are apart, no attention map can tell. What is hard
# > is not always worth learning; the paper starts with few candidates "to prevent early convergence to local minima". And the
# > easiest: is the true map strong, and the false one nearly empty?
#
# **Explore** the test video of a high five of which EnergyNet is surest. The slider chooses the frame, the buttons choose the
# concept: its attention map, and the square whose sum is the energy. The bars are the energies of all concepts in this frame,
# by the best square and by EnergyNet; below them the same over the whole video. Find the moment at which they touch. Does the
# energy rise there? Which wrong concept comes closest, and where does it look?

# %%
video = reading.surest_video(study, "high_five")
figures.explorer(video.images, video.attention, video.concepts, video.energies, video.label)

# %% [markdown]
# ## 4.4 · All methods, both CNNs, both sets of photos (Tables 1 to 3)
#
# **Predict:** are photos that nobody has looked at better or worse, if there are more of them? (Most rows are records.)

# %%
claims = ("unatt", "unatt_finetune", "finetune_unatt", "energynet", "noisy")
board.table("table 2", claimed=tuple(f"att.{name}" for name in claims))

# %% [markdown]
# > In **the paper** the ResNet gains from noisy photos, and VGG loses a little. And remember that the rows called CNN are
# > votes; two of our claims ask about the mean.
#
# What are photos worth? *NoImage* is the ResNet fine-tuned on videos alone. Ours is trained twice, as the others are, both
# times on videos.

# %%
board.table("table 3", claimed=("att.web",))

# %% [markdown]
# ### Do words help? Do hard negatives?
#
# **The paper** says that its embedding leads to "better performance compared with a one-hot embedding", and that easy
# negatives "can lead to slow convergence", without numbers. Here they are, with the same attention maps; `hard_steps` is the
# percentage of the steps after which nine tenths of the better final accuracy are reached, `hard_area` the mean accuracy over
# all of the training. **Predict** both.

# %%
study.measure("word.embedding", "word.fisher", "word.one_hot", "mining")

# %%
curves = {"hard negatives": study.curve(), "random negatives": study.curve(hard=False)}
figures.learning_curves(curves | {"hard, one-hot concepts": study.curve(embedding="one_hot")})

# %% [markdown]
# > The accuracy is that of the *test* videos. We watch it to draw this figure; nothing is chosen by it. With four concepts,
# > all of them seen in training, a word vector can tell hardly more than a number can. (Hours would be another measure: to
# > find its hard negatives, a step has to look at all candidates first.)
#
# ## 4.5 · Actions (Tables 4 and 5, Figures 4 and 5)
#
# The same for actions: 101 of them in **the paper**, photos of [BU101](http://cs-people.bu.edu/sbargal/BU-action/), videos of
# [UCF101](https://www.crcv.ucf.edu/research/data-sets/ucf101/), attention maps of one frame in five, accuracy instead of mAP.
#
# > Here the eighteen actions of puppets. One frame in five is four frames of each clip; the paper has about 37. Fine-tuning
# > draws from all frames. Some of these actions cannot be told from a single frame, whatever reads it.

# %%
reading.measure_actions(study)

# %%
board.table("table 4", claimed=("att.unatt_actions", "att.shift"))

# %% [markdown]
# With that, Table 1 is complete: held-out photos. Of the noisy ones of the world, held out or not, a quarter has a wrong
# label. The other three quarters can be right, and of the last quarter a guess among four classes is right one time in four:
# about 80 % is the most that a CNN can reach.

# %%
board.table("table 1")

# %% [markdown]
# **Predict** which of the eighteen actions gain: those with a thing in the hand, or those that are motion alone? The second
# series is EnergyNet's lead over the fine-tuned CNN, with a fifth of the training videos.

# %%
figures.gains(reading.gains(study))

# %% [markdown]
# > A photo can show a thing in the hand, but not a motion. Where a motion-only or a reversed class gains, ask whether its
# > postures are typical.
#
# ### A few videos
#
# **The paper** finds EnergyNet most useful where videos are few: 3.1 points ahead of the CNN with a fifth of them, 0.7 with
# all. **Predict:** with which percentage of the training videos is EnergyNet's lead largest here? (The figure draws
# records only; some of its points have not been measured yet.)

# %%
figures.few_videos(reading.few_videos(board.recorded))

# %%
board.table("table few", claimed=("att.few", "att.fewer", "att.few_unatt"))

# %%
board.table("table 5")

# %% [markdown]
# > 5 and 10 % of our videos are one or two of each class, in the paper five and ten. EnergyNet learns from attention maps of
# > the very videos that the CNN was fine-tuned on. **Discuss:** do these look like those of new videos, and how would you test
# > that? (One way: fine-tune the CNN on one half of the videos, and train EnergyNet on the other half.)
#
# ## 4.6 · What EnergyNet rescues (Figure 6)
#
# **The paper** shows frames that the fine-tuned CNN gets wrong and EnergyNet right: the attention map of the right concept
# beside that of the wrong one. Ours are interactions; if there are too few, others follow in which EnergyNet is ahead.

# %%
frames, notes = reading.rescued(study)
energies = frames.energies["EnergyNet"]
figures.rescued(frames.images, frames.attention, frames.concepts, energies, notes)

# %% [markdown]
# > Look where they shine, and where you would have pointed. An attention map tells what speaks for a concept *in this
# > network*; it is no proof that something has been understood.
#
# ## Recap
#
# - A CNN that has learned from photos meets frames of another kind, many of which do not show the action: its accuracy drops.
# - Grad-CAM tells which locations speak for each concept; all concepts cost hardly more than one forward pass.
# - UnAtt answers with the best square of the attention maps, and needs no labelled video. It is robust against frames that
#   show nothing. How far it leads depends on what it is compared with, and on how many frames tell: a vote suffers most where
#   few do.
# - EnergyNet learns from labelled videos, and from hard quadruplets of them, which energy each attention map deserves.
#
# **Predict:** attention against a plain mean of the scores: on how many of the eight worlds that judge will it be ahead?
# What became of the claims on this data, over several seeds:

# %%
board.verdicts()

# %% [markdown]
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
quiz("08")

# %% [markdown]
# ## On the real data
#
# Photos of interactions come from `data_scripts/hii.py /data/hii`. The clips of TV Human Interactions are no longer offered:
# ask their authors; `data_scripts/tvhi.py /data/tvhi` checks what you bring. Actions need neither of them, only
# `/data/ucf101` and `/data/bu101` (`data_scripts/ucf101.py`, `data_scripts/bu101.py`), and word vectors of word2vec for the
# names of the classes: text at `/data/words.txt`, or binary, such as those of Google News, at `/data/words.bin`. Each row runs
# by itself, is kept, and continues after an interruption; splits may run side by side. A verdict needs three seeds.
#
# ```
# .venv/bin/labkit study list 08 --profile paper --dataset ucf101 --data-root /data
# .venv/bin/labkit study run 08 --rows actions,few.20 --splits 1 --seeds 0 --profile paper \
#     --dataset ucf101 --data-root /data --device cuda --precision bf16 --workers 16
# .venv/bin/labkit study run 08 --rows 'energynet.*' --seeds 0 --profile paper --dataset tvhi --data-root /data --device cuda
# ```
#
# **Try it.** Write `energy` yourself, for `maps = study.attention().maps`: with `maps.unfold(2, 3, 1).unfold(3, 3, 1)`, a sum
# and a maximum. `torch.testing.assert_close(yours, attention_transfer.energy(maps))` says whether it is right; with `side=7`,
# it is the sum of the whole map. Or change `seed`: which sentences above still hold?
#
# **Next:** [09_back_dropout](09_back_dropout.ipynb), which neurons are to blame.
