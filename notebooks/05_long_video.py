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
# # Full-length video: pool it, or read it
#
# Ng, Hausknecht, Vijayanarasimhan, Vinyals, Monga & Toderici, [*Beyond short snippets: deep networks for video
# classification*](https://arxiv.org/abs/1503.08909), CVPR 2015. We follow chapter 3 of Ng's thesis; numbers of sections and
# tables are those of the thesis. The paper is [long_video.py](../labkit/papers/long_video.py), its experiments are
# [studies/long_video.py](../labkit/studies/long_video.py).
#
# **What you will see here**
#
# - five ways to pool over time, in code and as drawings of the modules (Figure 3.2, Table 3.1);
# - why the maximum, and not the mean; and which frame won each maximum;
# - a deep LSTM that reads a clip frame by frame, from its equations to its gates at work (Figures 3.3 and 3.4);
# - what more frames do to a prediction (Table 3.3), flow as an image (Tables 3.4, 3.5 and 3.7), and frame rates (Table 3.6).
#
# **To know beforehand**: how a convolutional network classifies an image; what a recurrent network is, from
# [03_frame_rnn](03_frame_rnn.ipynb), and optical flow, from [01_video_and_flow](01_video_and_flow.ipynb).
#
# **Time** about one and a half minutes on two cores, most of it drawing clips and training; many rows come from recorded runs.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "sports1m": Sports-1M and, to transfer to, UCF101, below data_root
data_root = ""  # of the real sets: the folder that holds sports1m/ and ucf101/
seed = 0
device = "cpu"  # or "cuda"
missing = "error"  # of the real sets: "skip" takes the videos that are there

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from labkit import parameters

parameters.check(globals(), dataset=["world", "sports1m"], missing=["error", "skip"])
data_root = parameters.user_path(data_root)

import torch

from labkit.backbones.alexnet import alexnet_backbone
from labkit.backbones.peephole_lstm import PeepholeLSTM
from labkit.papers import long_video
from labkit.scoreboard import Scoreboard
from labkit.studies import video_reading as reading
from labkit.studies.long_video import LongVideo
from labkit.viz import quiz, show
from labkit.viz.papers import long_video as figures
from labkit.viz.towers import layers_of

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the study of this lesson, its clips, and its records
of_videos = {"dataset": dataset, "data_root": data_root, "missing": missing}
study = LongVideo(profile, seed=seed, device=device, **of_videos)
board = Scoreboard(study)

# %% [markdown]
# ## The idea (Figure 3.1)
#
# **The paper:** "each individual video frame forms only a small part of the video’s story". A network that sees a few seconds
# may miss what the video is about. So a CNN sees one frame a second, for two minutes or five, with the same weights at every
# frame, and what it finds is aggregated.

# %%
figures.overview()

# %% [markdown]
# ## The data (section 3.4.1)
#
# **The paper** trains on [Sports-1M](https://github.com/gtoderici/sports-1m-dataset): minutes of video with one label or a
# few for the whole video; nobody says *when* the sport can be seen.
#
# > Our clips last ten seconds. An action happens in three of five stretches, the rest is idling. In a quarter of the clips
# > another action happens in another stretch; these clips have two labels. The camera is restless and cuts twice.
# >
# > An *example* is a stretch of a video as a network sees it. Tables and names keep the paper's numbers of frames: what is
# > called 30 frames is 8 here, and 120 frames are 30, the whole clip. (A clip starts over until there are 75 frames, so that
# > an example of 30 can begin anywhere.) In detail:
#
# | | the paper | here, unless the profile is `paper` |
# |---|---|---|
# | frames to choose from | 300: five minutes, 1 a second | 30: ten seconds, 3 a second |
# | shorter videos start over, until there are | 300 | 75 |
# | frames in an example | 1, 30 or 120 | 1, 8 or 30 |
# | examples averaged in a test | 240 | 6 in a lesson, 12 in a study (12 and 24 of single frames) |
# | frame rates of the clean set (section 3.4.2) | 30 and 6 a second | 6 and 1.5 a second |
# | LSTM | 5 layers of 512 cells, momentum | 2 layers of 128 cells, [Adam](https://arxiv.org/abs/1412.6980) |

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the clips, counted
noisy = study.noisy
two_labels = (noisy.test.multi_hot.sum(dim=1) > 1).double().mean()
print(f"{len(noisy.train)} training clips")
print(f"{len(noisy.test)} test clips, {two_labels:.0%} of them with two labels")

# %% [markdown]
# **Predict:** you get one of these frames at random. How likely is it that you can name the action?

# %%
example = reading.example_clip(study)
fields = reading.flow_images(study, example)
figures.player(example.frames, fields, example.happening, example.names, study.scale.rate)

# %% [markdown]
# <details><summary>What happened</summary>
#
# > An action fills three stretches of five, so about three frames in five show it (if the clip has two labels, four in five
# > show one of them). Of the frames that a single-frame model learns from, two in five show nothing but idling. And one that
# > sees a few seconds may miss the action altogether.
#
# </details>
#
# ## 3.3 · One frame at a time
#
# Everything stands on a CNN for single frames, the *backbone*. **The paper** has an AlexNet with "square convolutional
# layers of size 11, 9, and 5" and a [GoogLeNet](https://arxiv.org/abs/1409.4842), both pre-trained on
# [ImageNet](https://www.image-net.org).

# %%
show(alexnet_backbone, docstring=False)

# %%
with torch.device("meta"):  # shapes alone: nothing is computed
    maps = alexnet_backbone()(torch.empty(2, 3, 220, 220))
tuple(maps.shape)

# %% [markdown]
# > Our AlexNet is smaller (56 x 56 pixels, filters of 7, 5 and 3). It was pre-trained on the *source task* of the lab's world,
# > our ImageNet: things in stills of the world. First it is trained on single frames of the clips. Then it stays as it is: its
# > feature maps of all frames are computed once, and everything that follows is trained on them.

# %%
study.measure("alexnet.single")

# %% [markdown]
# **Hit@k** is the percentage of videos with one of their labels among the $k$ likeliest classes; ± is its standard error over
# the test clips. Here the predictions for twelve frames of each clip are averaged. Remember the number. (A guess among twelve
# classes is right in about one clip of ten; the paper's AlexNet reaches 63.6 % on single frames of Sports-1M.)
#
# ## 3.3.1 · Where in the network should time disappear? (Figure 3.2)
#
# A backbone makes feature maps $(C, h, w)$ of each of $T$ frames; at the end there is one set of class scores. Somewhere in
# between, $T$ must become 1. **The paper** tries five ways. They differ in where the maximum over time is, before or after the
# fully connected layers, and in whether it covers all frames or spans of ten. We read two of them: `self.fc` are the two fully
# connected layers, `self.classifier` is the softmax layer; both are made in the base class `Head`.
#
# ### Conv Pooling
#
# **The paper:** it "performs max-pooling over the final convolutional layer across the video's frames"; its advantage is that
# "the spatial information in the output of the convolutional layer is preserved".

# %%
show(long_video.ConvPooling, docstring=False)

# %% [markdown]
# ### Late Pooling
#
# **The paper:** it "first passes convolutional features through two fully connected layers before applying the max-pooling
# layer", with weights that are shared between the frames. The same lines in another order:

# %%
show(long_video.LatePooling, docstring=False)

# %%
maps = torch.rand(2, 30, 128, 3, 3)  # clips, frames, channels, height, width
settings = {"hidden": (256, 256), "dropout": 0.5}
conv = long_video.ConvPooling((128, 3, 3), 12, 30, **settings).eval()  # 12 classes, 30 frames
late = long_video.LatePooling((128, 3, 3), 12, 30, **settings).eval()
tuple(maps.shape), tuple(conv(maps).shape), tuple(late(maps).shape)

# %% [markdown]
# > In Conv Pooling thirty feature maps become one, and the fully connected layers run once per clip. At each location each
# > channel remembers its largest response, whenever it was. Late Pooling combines what the layers make of *whole* frames.
#
# **Predict:** by how much do the logits change if the thirty frames come in another order?

# %%
order = torch.randperm(30)
[(head(maps[:, order]) - head(maps)).abs().max().item() for head in (conv, late)]

# %% [markdown]
# A maximum forgets the order. The other three variants: **Slow Pooling** takes the maximum over spans of ten frames, one span
# every five frames; a shared layer follows, and then the maximum over all spans. **Local Pooling** takes the first maximum
# only: the layers run for each span (a *tower*), and one larger softmax layer reads all towers. **Time-Domain Convolution**
# has kernels of 3 x 3 across ten frames first. The drawing is made by running the modules, with widths of our small networks
# (at the paper's size feature maps are 256 x 6 x 6, where the 256 is ours, and layers 4096 wide).

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the five modules at the widths of our small networks, and GoogLeNet's
names = ["ConvPooling", "LatePooling", "SlowPooling", "LocalPooling", "TimeDomainConvolution"]
heads = {name: getattr(long_video, name)((128, 3, 3), 12, 120, **settings) for name in names}
towers = {name: layers_of(head, (128, 3, 3), 120) for name, head in heads.items()}
# GoogLeNet takes the mean over all locations
google = long_video.ConvPooling((256, 1, 1), 12, 120, **settings)
figures.poolings(towers | {"GoogLeNet Conv Pooling": layers_of(google, (256, 1, 1), 120)})

# %% [markdown]
# ### Why the maximum, and not the mean?
#
# **The paper:** "both average pooling and a fully connected layer for pooling failed to learn effectively due to the large
# number of gradients that they generate". **Predict:** of all values in the feature maps of a clip of 30 frames, which
# fraction gets a gradient through a maximum over time? Through a mean?

# %%
figures.gradients(reading.values_with_gradient(study))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > At most one frame in thirty at each location and channel: the one that won. The mean sends a gradient to every frame.
#
# </details>
#
# ### 3.3.3 · Network expansion
#
# **The paper:** "Max-pooling models are first initialized as single-frame networks then expanded to 30-frames and again to
# 120-frames." In Conv and Late Pooling the parameters do not depend on the number of frames, so they are simply copied: read
# the loop. Only the softmax layer of Local Pooling grows with the frames; the lines with `_spread_over_towers` are for it
# alone. On a clip in which nothing changes, an expanded network must predict what the single-frame network predicts.

# %%
show(long_video.expand, docstring=False)

# %%
reading.after_expansion(study)

# %% [markdown]
# ### Does the position matter? (Table 3.1)
#
# **Predict** the order of the four: the maximum in two positions, the mean, and a learned weight for each frame.
#
# In the table, rows marked *live* are from this run, with fewer clips and steps than recorded ones; ↻ marks records that are
# older than the present code. Compare live with live, and recorded with recorded.

# %%
study.measure("pool.conv", "pool.late", "pool.average", "pool.fc")

# %%
board.table("table 3.1", claimed=("long.convpool", "long.late", "long.tdconv", "long.maxpool"))

# %% [markdown]
# > Our backbone stays as it is, so gradients that reach the convolutions, the paper's reason, cannot explain what you see.
# > There is another difference between maximum and mean: one keeps the frame that tells, the other dilutes it. Is the order
# > of positions in the table the paper's? In our first records it was reversed, Late and Slow Pooling ahead of Conv Pooling;
# > why, we do not know. (Our Time-Domain Convolution has 64 filters for 128 channels; the paper's has 256, for a number of channels that is not given.)
#
# ### Slide the condition
#
# How much does it dilute? A study draws the same clips several times: in one set the action fills the clip, in others it
# lasts for three, two and one of five stretches. In the set above it is three: from one, and as few clips, our networks
# learn hardly more than to guess. (These clips last five seconds and have one label each: compare bars with bars, not with
# the table.)
#
# **Predict:** where every frame tells, is there any reason to prefer the maximum to the mean? Then move the slider to the
# right: fewer and fewer frames show the action.

# %%
board.condition("telling")

# %% [markdown]
# > Bars are means, dots are worlds of their own. Compare the maximum with the mean, and the mean with the average of the
# > scores of single frames: both dilute what one frame shows.
#
# ### Which frame won?
#
# **Explore.** Each value of the pooled map comes from one frame. Drag the cursor: which frames gave most of the maxima, and
# does something happen there? The rows of the lowest band are locations in the image, nine of them in our small network.

# %%
figures.maxima(example.frames, reading.maxima_won(study, example), example.happening)

# %% [markdown]
# **Explore.** Add frames one by one, from the first on. Does the label come up, and when?

# %%
figures.first_frames(reading.pooled_so_far(study, example))

# %% [markdown]
# ## 3.3.2 · A deep LSTM (Figures 3.3 and 3.4)
#
# Pooling forgets the order. An LSTM reads one frame after the other; its cells $c_t$ keep what the input gates $i_t$ let in
# until the forget gates $f_t$ let it go, and the output gates $o_t$ show it:
#
# $$i_t = \sigma(W_{xi}x_t + W_{hi}h_{t-1} + W_{ci}c_{t-1} + b_i) \quad (3.3), \qquad f_t = \sigma(W_{xf}x_t + W_{hf}h_{t-1} +
# W_{cf}c_{t-1} + b_f) \quad (3.4)$$
#
# $$c_t = f_t c_{t-1} + i_t \tanh(W_{xc}x_t + W_{hc}h_{t-1} + b_c) \qquad (3.5)$$
#
# $$o_t = \sigma(W_{xo}x_t + W_{ho}h_{t-1} + W_{co}c_t + b_o) \quad (3.6), \qquad h_t = o_t \tanh(c_t) \quad (3.7)$$
#
# $x_t$ is the feature vector of frame $t$, $h_t$ the output of the layer, $\sigma$ the logistic sigmoid; the $W$ and $b$ are
# learned. The gates see the cell through *peepholes* $W_{ci}, W_{cf}, W_{co}$, which [PyTorch](https://pytorch.org)'s LSTM
# lacks. In the code these are vectors: each gate sees only its own cell (the thesis writes matrices, and does not say). The
# products of all gates with $x_t$ and $h_{t-1}$ are computed together, in the first two lines; then five lines follow for the
# five equations:

# %%
show(PeepholeLSTM.trace, docstring=False)

# %%
trace = PeepholeLSTM(input_size=256, hidden_size=128).trace(torch.rand(2, 30, 256))
{name: tuple(values.shape) for name, values in trace._asdict().items()}

# %%
figures.lstm_cell()

# %% [markdown]
# **The paper** has "five stacked LSTM layers, each with 512 memory cells. Following the LSTM layers, a Softmax classifier makes a
# prediction at every frame."

# %%
show(long_video.DeepLSTM.steps, docstring=False)

# %%
deep = long_video.DeepLSTM((256, 1, 1), 12, num_layers=5, hidden_size=128)
models = {"LSTM": deep, "Conv Pooling": google}
figures.deep_lstm({name: layers_of(model, (256, 1, 1), 30) for name, model in models.items()})

# %% [markdown]
# ### 3.3.3 · Training: a gain that rises
#
# **The paper** uses the label at every frame, and multiplies its gradients by a gain $g_t$ that rises linearly from 0 to 1,
# because at later frames "the LSTM's internal state captured more information". With $p_{tk}$ the predicted probability of
# class $k$ at frame $t$, and $y_k$ the target, we write the loss of a clip as follows. (The thesis has words only; the
# division by the sum makes the three kinds of gain comparable.)
#
# $$L = -\frac{1}{\sum_t g_t} \sum_{t=1}^{T} g_t \sum_{k=1}^{K} y_k \log p_{tk}$$

# %%
show(long_video.lstm_loss, docstring=False)

# %% [markdown]
# The linear gain "resulted in faster learning and higher accuracy" than $g = 1$ everywhere or at the last frame only.
# **Predict** which learns fastest here. `area` is the mean of Hit@1 over the training: the area under its curve in the figure.
# All three are read at the last frame: it is the only one at which all of them are trained.

# %%
study.measure("gain.linear", "gain.ones", "gain.last")

# %%
gains = ("linear", "ones", "last")
curves = {f"gain {kind}": study.curve(f"alexnet.lstm120.{kind}") for kind in gains}
figures.learning_curves(curves, title="Three gains<br>one example of each test clip")

# %% [markdown]
# > One training each, on few test clips: such curves would cross with other initial weights. A study trains each three times.
# > (In a lesson `gain.linear` is the same network, read in the same way, as `rule.last` below.)
#
# ### 3.3.3 · Inference: four rules
#
# The LSTM predicts at every frame, but the video needs one prediction. [combine](../labkit/papers/long_video.py) has four
# rules: the last frame; the maximum over time; the sum; the sum weighted by the gain. **The paper:** "less than 1% different",
# and "weighted predictions usually resulted in the best performance".

# %%
study.measure("rule.last", "rule.max", "rule.sum", "rule.weighted")

# %% [markdown]
# ### The LSTM at work
#
# **Explore.** Drag the cursor. Above, the LSTM's prediction after each frame; below, its gates and cells. Does anything happen
# when the action begins, when it is over, and at the cuts? We choose a test clip with one label that the LSTM recognises. (It
# recognises few; if there is none, the first clip is shown.) To see the clip from above, put `example` in place of `clip`.

# %%
clip = reading.recognised(study)
figures.lstm_at_work(clip.frames, reading.lstm_at_work(study, clip), clip.happening, clip.names)

# %% [markdown]
# ## 3.4.1 · How many frames, and which network (Tables 3.2 and 3.3)
#
# **Predict:** one frame, a quarter of the clip, all of it. What does each add, to a single example and to many averaged?

# %%
study.measure("alexnet.conv")
figures.hit_rates(reading.by_frames(study), title="More frames, AlexNet with Conv Pooling")

# %% [markdown]
# > **The paper:** 63.6 % with a single frame, 70.4 with 30 (Table 3.2).
#
# GoogLeNet is left to studies. "(fc)" means that the CNN stays as it was pre-trained and only the LSTM learns; there the whole
# video is seen once, and nothing is averaged.

# %%
claims = ("long.googlenet", "long.lstm_alexnet", "long.finetune", "long.testaug")
board.table("table 3.2", claimed=claims)

# %% [markdown]
# > Compare the two single-frame rows first. If our two small backbones are about equally good, there is no better one to
# > profit from.

# %%
board.table("table 3.3", claimed=("long.more_frames", "long.lstm_pooling", "long.expand"))

# %% [markdown]
# ## 3.3.4 · Flow, as an image (Table 3.4)
#
# At three frames a second, let alone one, motion is lost. **The paper** brings it back as optical flow between neighbouring
# frames, stored as an image: both components cut off at ±40 pixels and brought to 0 to 255, the third channel zero. Its
# network is initialised from the image network, which allows "faster convergence than when training from scratch".
#
# > The paper's flow is *estimated*, and in shaky videos estimates are often bad. So is ours, by
# > [DIS](https://arxiv.org/abs/1603.03590), although the world knows its flow exactly; below the table stand records with the
# > exact one. And the paper computes flow at 15 frames a second, we at the clip's own rate. Our image is cut off at ±2.5
# > pixels: things move by a pixel or less here, and within 10 pixels, the paper's 40 of 256, that would be nearly one grey.
#
# **Predict:** why should a network that knows colours know anything about flow?

# %%
study.measure("init.rgb", "init.scratch")

# %%
title = "Flow, from images or from scratch<br>single flow images of test clips"
trainings = {
    "from the image network": "alexnet.flow.single",
    "from scratch": "alexnet.scratch.single",
}
figures.learning_curves({name: study.curve(of) for name, of in trainings.items()}, title=title)

# %% [markdown]
# <details><summary>What the paper says</summary>
#
# > **The paper:** "features that can describe for raw frames like edges also help in classifying optical flow images". A
# > flow image has outlines, too.
#
# </details>
#
# Then both streams, and the average of their scores. The next cell does it with AlexNet and Conv Pooling of all frames; the
# table has GoogLeNet and few frames, as in the paper.
#
# **Predict:** the camera shakes and cuts. Will flow alone be any good? Will it help pooling, or the LSTM?

# %%
reading.both_streams(study)

# %% [markdown]
# <details><summary>What the paper says</summary>
#
# > **The paper:** flow takes the LSTM from 72.1 to 73.1 %, pooling from 71.7 to 71.8 (Table 3.4).
#
# </details>

# %%
claims = ("long.flow_alone", "long.flow_noisy", "long.flow_pooling", "long.rgb_init")
board.table("table 3.4", claimed=claims)

# %%
board.table("table exact")

# %% [markdown]
# > The second table has flow that is never wrong. What differs between the two tables is due to the estimator alone.
#
# ## 3.4.2 · Clean video, and frame rates (Tables 3.6 and 3.7)
#
# **The paper** continues on [UCF-101](https://www.crcv.ucf.edu/research/data-sets/ucf101/) with its models of Sports-1M: short
# clips, one action each, no cuts. There flow "provides a much larger improvement", and a lower frame rate gives 30 frames "more
# context".
#
# > Ours is the second set of the world: twelve actions, four of which the first one has too, no cuts, a quieter camera,
# > eight seconds each. All of its rows come from records; on UCF-101 they are means over three splits.

# %%
board.table("table 3.6", claimed=("long.fps", "long.many_clean"))

# %%
board.table("table 3.7", claimed=("long.flow_clean",))

# %% [markdown]
# ### The best system
#
# **The paper's** headline: on both sets the LSTM on images and flow is best, and it explains why: the LSTM "can use optical flow
# in a manner which lends itself to late model fusion, which was not possible for the max-pool model".

# %%
board.table("table 3.5", claimed=("long.lstm_flow",))

# %% [markdown]
# > **Discuss.** In our first records it was the other way round: Conv Pooling of all frames, with flow, ahead of the LSTM on
# > both sets. Is it so in the records above? What differs? Pooling sees nearly four times as many frames on the noisy set
# > (four times in the paper), on the clean one twelve different frames against eight; with equally many the two were close in
# > those records. (Their flow was exact, and their actions filled one stretch of five.) An LSTM has to be *trained* to keep
# > what one frame shows, on a few hundred clips or on a million; a maximum keeps it by construction. Which of these could an
# > experiment tell apart?
#
# ## Recap
#
# - A label for minutes of video says nothing about *when*. A maximum over time can find the telling frame on its own.
# - Shared weights do not depend on the number of frames: train with few, continue with many.
# - An LSTM reads in order and predicts at every frame; how these predictions become one is a choice of detail.
# - Motion that is lost at one frame a second comes back as flow.
#
# **Predict:** the differences of Table 3.1 are of a point or two. How many of them can be told from noise here? What became
# of the paper's claims on this data, over several seeds:

# %%
board.verdicts()

# %% [markdown]
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
quiz("05")

# %% [markdown]
# ## On the real data
#
# UCF101 is enough for section 3.4.2. Its networks then start from ImageNet instead of Sports-1M: torchvision's GoogLeNet, from
# where [torch.hub](https://docs.pytorch.org/docs/stable/hub.html) keeps it, or `/data/googlenet_imagenet.pth`. Their feature
# maps are kept, about 5 GB for the images of a split and as much for flow.
#
# ```
# .venv/bin/python data_scripts/ucf101.py /data/ucf101
# .venv/bin/python data_scripts/extract_flow.py /data/ucf101 --processes 8
# .venv/bin/labkit study run 05 --rows 'fps.*,clean.*' --profile paper --dataset ucf101 --data-root /data --device cuda
# ```
#
# For the rest bring the videos of Sports-1M, whose lists come with `data_scripts/sports1m.py`: `--dataset sports1m`. There every
# network is trained as a whole. AlexNet starts from scratch, because nobody ships weights for filters of 11, 9 and 5 pixels;
# `--network googlenet_torchvision_alexnet` takes another AlexNet, with weights, which the row `alexnet.lstm_fc` cannot do without.
#
# **Try it.**
#
# 1. *Move one line* of `ConvPooling.forward`, so that it becomes Late Pooling. Write it for `late` and `maps` above, with `late.fc`
#    and `late.classifier`; `torch.equal(yours, late(maps))` must be True.
# 2. *Shuffle the frames.* `lstm = long_video.DeepLSTM((128, 3, 3), 12)`, then `(lstm(maps[:, order]) - lstm(maps)).abs().max()`:
#    compare it with the exact 0 of Conv Pooling. And try `local = long_video.LocalPooling((128, 3, 3), 12, 30, **settings).eval()`.
#    Why does Local Pooling mind, although it takes maxima?
# 3. *Look at the estimates.* `study.sets("alexnet.flow").test` has the clips of `study.noisy.test` with estimated flow. Draw
#    `flow([20])` of a clip of both with `labkit.viz.flow_fields`. Where do they differ?
# 4. *Stop the camera.* Without `noisy=True` there are no cuts, and with `camera=0` nothing shakes. What does flow add now?
#
# ```
# from labkit import world
# from labkit.studies.parts import TwoParts
#
# quiet = LongVideo(profile, seed=seed)
# options = {"seed": seed, "groups": 18, "clips": 1, "telling": study.scale.telling}
# options["difficulty"] = world.Difficulty(camera=0)
# quiet.noisy = TwoParts(*(world.LongClips(part=part, **options) for part in ("train", "test")))
# reading.both_streams(quiet)
# ```
#
# **Next:** [06_action_flow_net](06_action_flow_net.ipynb), a network that learns to see flow while it learns to name actions.
