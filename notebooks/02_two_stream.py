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
# # Two streams: what is there, and how it moves
#
# Simonyan & Zisserman, [*Two-stream convolutional networks for action recognition in
# videos*](https://arxiv.org/abs/1406.2199), NIPS 2014. The paper is
# [two_stream.py](../labkit/papers/two_stream.py), its experiments are
# [studies/two_stream.py](../labkit/studies/two_stream.py).
#
# **What you will see here**
#
# - how motion becomes the input of a network: stacks of optical flow, read at fixed locations or along paths;
# - one network that sees a single frame, one that never sees a frame, and what each of them is good at;
# - what the first layer of the temporal network has learned;
# - why two streams are better than one, and a data set on which they are not;
# - how a small data set profits from a large one.
#
# **To know beforehand** what a convolutional network and a softmax are, and PyTorch's `nn.Module`. What optical flow is
# you have seen in [01_video_and_flow](01_video_and_flow.ipynb).
#
# **Time** about four minutes on two cores, most of it training.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "ucf101": the paper's two sets, UCF101 and HMDB51
data_root = ""  # of the real sets: the folder that holds ucf101/ and hmdb51/
seed = 0
device = "cpu"  # or "cuda"
missing = "error"  # of the real sets: "skip" takes the videos that are there

# %%
from labkit import parameters

parameters.check(globals(), dataset=["world", "ucf101"], missing=["error", "skip"])
data_root = parameters.user_path(data_root)

import torch

from labkit import flow, viz
from labkit.backbones.cnn_m import CNNM
from labkit.papers import two_stream
from labkit.scoreboard import Scoreboard
from labkit.studies.filters import FILTER_KINDS, filter_kinds
from labkit.studies.two_stream import TwoStream
from labkit.views import View
from labkit.viz import show
from labkit.viz.papers import two_stream as figures

study = TwoStream(profile, dataset=dataset, data_root=data_root, seed=seed, device=device, missing=missing)
board = Scoreboard.of(study)
large, small = study.large, study.small

# %% [markdown]
# ## The actions
#
# One frame of each action. The large set stands in for UCF101, the small one, with twelve actions, for HMDB51.
#
# **Predict:** which of these could you name from this one frame, and which not?

# %%
viz.class_sheet(large.test, title="One frame of each action of the large set")

# %%
{name: {part: len(clips) for part, clips in study.sets(name)._asdict().items()} for name in ("large", "small")}

# %% [markdown]
# > Clips of one group share actor and scene, and a group never lies on both sides of a split. A fifth of the training
# > clips is held out from all networks: choices are made on them, and the fusion will learn from them. Of the small set a
# > single group is left to train on, and its camera is restless, because HMDB51 is cut from movies. With `dataset="ucf101"`
# > the sets are the paper's own; where the text speaks of puppets it means the lab's.
#
# ## 1 · Two streams (Figure 1)
#
# **The paper** starts from an observation about our own eyes, which have one pathway for form and one for motion. So it
# decomposes video: "the spatial part, in the form of individual frame appearance, carries information about scenes and
# objects depicted in the video. The temporal part, in the form of motion across the frames, conveys the movement of the
# observer (the camera) and the objects."

# %%
figures.architecture()

# %% [markdown]
# Both streams are the same network. It is Chatfield's CNN-M-2048: five convolutions, three fully connected layers.

# %%
show(CNNM.__init__, CNNM.taps, docstring=False)

# %% [markdown]
# The shape of what each layer gives, for two frames at the paper's size:

# %%
with torch.device("meta"):  # shapes alone: nothing is computed
    spatial, frames = two_stream.spatial_network(num_classes=101), torch.empty(2, 3, 224, 224)
    print({name: tuple(values.shape) for name, values in spatial.taps(frames).items()})

# %% [markdown]
# > On a laptop this network would train for days. Unless the profile is `paper`, both streams are the same class with
# > smaller numbers: 56 x 56 pixels, and a fifth of the channels.
#
# ## 3 · Motion as an input
#
# The temporal stream sees no frame. Its input is *optical flow*: for every pixel, how far it moves to the right and how
# far down, from one frame to the next. The paper shows both components in its Figure 2.

# %%
clip = large.test[0]
figures.flow_and_components(clip, name=large.test.classes[clip.label])

# %% [markdown]
# > **The paper** estimates flow from the frames, by Brox's method. In the lab's world flow is *exact*: the renderer knows
# > where every pixel goes. No estimator knows that, as the last image shows. So the temporal stream below gets more
# > than it would get from a real video. A study trains the same network on estimated flow as well; its row is at the end of
# > Table 1b. (On real videos, flow is always estimated.)
#
# ### 3.1 · A stack of flow
#
# A single field tells little. The network gets $L$ of them. Let $d_t$ be the flow from frame $t$ to frame $t+1$, with
# components $d^x_t$ and $d^y_t$. **Optical flow stacking** makes an input volume $I_\tau$ of $2L$ channels by putting the
# components on top of each other. At the location $(u, v)$, for $k = 1 \dots L$:
#
# $$I_\tau(u, v, 2k-1) = d^x_{\tau+k-1}(u, v), \qquad I_\tau(u, v, 2k) = d^y_{\tau+k-1}(u, v) \qquad (1)$$

# %%
show(flow.optical_flow_stacking, docstring=False)

# %%
fields = clip.flow(range(6))
print(tuple(fields.shape), "->", tuple(flow.optical_flow_stacking(fields).shape))

# %% [markdown]
# A location is not a thing: after one step the hand is somewhere else. **Trajectory stacking** follows it. It reads the
# $k$-th displacement where the point that started at $(u, v)$ has arrived by then:
#
# $$I_\tau(u, v, 2k-1) = d^x_{\tau+k-1}(p_k), \quad I_\tau(u, v, 2k) = d^y_{\tau+k-1}(p_k) \qquad (2)$$
#
# $$p_1 = (u, v), \qquad p_k = p_{k-1} + d_{\tau+k-2}(p_{k-1})$$

# %%
show(flow.trajectory_stacking, flow.stack._follow, docstring=False)

# %% [markdown]
# Figure 3 of the paper draws both. Here they are on a clip: stacking reads at the starting point of each line all the
# time, trajectory stacking along the line.

# %%
figures.paths(clip, steps=6)

# %% [markdown]
# **Explore** the input volume itself. Play through its steps: how far you get is $L$. The buttons choose the frame
# $\tau$ at which the volume starts. The third panel is **bi-directional**: $L/2$ fields forward from $\tau$, and $L/2$
# backward.

# %%
figures.volume_player(clip, steps=6)

# %% [markdown]
# > In stacking the moving part wanders through the volume. Along trajectories it stays where it was at $\tau$, and only its
# > velocity changes. The second half of the bi-directional volume runs backwards in time.
#
# ### Subtracting the mean
#
# When the camera pans, every field is shifted as a whole. **The paper** therefore subtracts from each field its mean
# vector.

# %%
show(flow.mean_flow_subtraction, docstring=False)

# %%
figures.mean_subtraction(large.test)

# %% [markdown]
# ### 3.2 · What hand-made features knew
#
# The best features before, histograms of flow (HOF) and of motion boundaries (MBH), were computed from flow by hand. **The
# paper** remarks that a network on flow can learn them: a motion boundary is a *derivative* of flow, and a derivative is
# a convolution with a filter such as $(-1, 0, 1)$, which "a single convolutional layer" can hold.

# %%
figures.motion_boundaries(clip.flow([clip.num_frames // 2])[0])

# %% [markdown]
# Remember this when you see the filters of the trained network (Figure 4).
#
# ## 5 · How the networks train, and how they are tested
#
# To train, a network sees one random frame (or stack) of a clip, a random crop of it, perhaps flipped. To test, it sees
# several moments of each clip, of each ten crops, and its softmax scores are averaged.

# %%
show(View.train, View.test, docstring=False)

# %% [markdown]
# Where a crop is flipped, the horizontal component of its flow changes its sign. (In the world nothing is flipped: walking
# to the left and walking to the right are two of its actions.) Four training views of one clip, and the recipe:

# %%
torch.manual_seed(seed)
view = study.frame_view()
figures.training_views([view.modality.to_image(view.train(clip)[0]) for _ in range(4)])

# %%
print(study.recipe())

# %% [markdown]
# > The recipe is that of section 5, made shorter: the paper trains for 80,000 steps of 256 samples.
#
# ## 6 · The spatial stream (Table 1a)
#
# Appearance can be learned from images. **The paper** starts from ImageNet. The world has a source task of its own: still
# images of puppets with other things, in other postures. The weights come with the lab.
#
# **Predict:** a single frame, eighteen actions. From scratch; from the source task with all layers fine-tuned; from the
# source task with only the last layer trained: in which order will they come out?

# %%
study.measure("spatial.scratch_d5", "spatial.fine_tune_d5", "spatial.last_layer_d5")

# %% [markdown]
# **The paper** finds the last two about equal, and continues with the last layer only. We continue with the one that is
# best on the held-out clips, because test clips must not choose:

# %%
best = study.best_spatial()
best

# %%
one_frame = study.spatial_scores(best)
viz.recall_chart({"one frame": one_frame}, large.test, title="What a single frame gives away")

# %% [markdown]
# > Things and scenes give some actions away immediately, postures others. But sitting down and standing up, or any other pair
# > that is one motion forwards and backwards, look alike in every frame. No amount of training helps: the answer is not
# > in the image.
#
# ## 6 · The temporal stream (Table 1b)
#
# **Predict:** the same eighteen actions, no frame at all, only flow. Better or worse than frames? And how much worse with
# a single field than with ten?

# %%
study.measure("temporal.l1", "temporal.l10")

# %%
ten_fields = study.temporal_scores("l10")
streams = {"one frame": one_frame, "ten flow fields": ten_fields}
viz.recall_chart(streams, large.test, title="What motion gives away")

# %% [markdown]
# > Where the temporal network errs in the lab's world, look at the pairs: hammering and chopping are one motion, and so
# > are skiing and skateboarding.
#
# All of Table 1, the paper's numbers beside ours. Rows that a lesson does not train come from recorded studies.

# %%
board.table(
    "table 1", claimed=("ts.pretrain", "ts.last_layer", "ts.dropout", "ts.stack", "ts.mean", "ts.traj", "ts.temporal")
)

# %% [markdown]
# > Look at the dropout column. **The paper** profits from a dropout of 0.9 where it trains from scratch: its networks had
# > seen each video thousands of times, and overfitted. Ours sees each clip about forty times. With a dropout of 0.9 it
# > hardly leaves chance level, which says nothing about the paper: the condition, overfitting, is absent here.
#
# ## Figure 4 · What the first layer has learned
#
# A column is a filter of the temporal network, a row one of its input channels. Grey is zero. We sort the filters by what
# they look like more than random weights would: a derivative in space, a derivative in time, an average.

# %%
weights = study.filters()
kinds, fractions = filter_kinds(weights)
figures.filters(weights, kinds, fractions, FILTER_KINDS)

# %% [markdown]
# Three of them in detail: how the filter's weights change over the ten fields, and how it responds to a clip.

# %%
figures.clearest_filters(weights, kinds, fractions, FILTER_KINDS, clip)

# %% [markdown]
# **The paper** sees that "some filters compute spatial derivatives of the optical flow ... other filters compute temporal
# derivatives", as MBH does. Count them, before training and after:

# %%
study.measure("filters", "filters.untrained")

# %% [markdown]
# ## 6 · Both together (Table 3)
#
# Each stream gives every clip a score for each action. The paper averages them.

# %%
show(two_stream.average_fusion, docstring=False)

# %%
study.measure("fusion.average")

# %% [markdown]
# **Explore.** Drag the weight of the temporal stream from none to all of it. What happens to each action?

# %%
weights_of_flow = torch.linspace(0, 1, 21).tolist()
weighted = {weight: two_stream.average_fusion(one_frame, ten_fields, weight) for weight in weights_of_flow}
viz.recall_slider(weighted, large.test, title="Two streams, weighted", slider="weight of the temporal stream")

# %% [markdown]
# Which weight is best? Test clips must not choose this either. The curve of the held-out clips would:

# %%
known = study.spatial_scores(best, "held_out"), study.temporal_scores("l10", "held_out")
held_out = {weight: two_stream.average_fusion(*known, weight) for weight in weighted}
parts = {"held-out clips": (held_out, large.held_out.labels), "test clips": (weighted, large.test.labels)}
figures.fusion_curves(parts)

# %% [markdown]
# *Why* is the average better? Look at who is confused with whom. **Explore:** switch between the streams, and click a cell
# to see clips in it.

# %%
streams = {"spatial stream": one_frame, "temporal stream": ten_fields, "both": weighted[0.5]}
viz.confusion_switch(streams, large.test, title="Figure 5, on our data")

# %% [markdown]
# > The spatial stream confuses actions of one scene and one posture, the temporal stream actions of one motion. They err
# > on different clips, and so the average has somebody to ask. **The paper** tells the same story of one class of HMDB51:
# > the spatial network takes hammering for a head massage, the temporal one for brushing teeth.

# %%
viz.recall_chart({"both": weighted[0.5]}, large.test, title="Figure 6, on our data: sorted", in_order=True)

# %% [markdown]
# ### An SVM in place of the average
#
# Instead of averaging, **the paper** also trains a multi-class linear SVM on "stacked $L_2$-normalised softmax scores". It
# can learn how far to trust each stream for each action. On clips that the networks were trained on, the scores are almost
# perfect and teach nothing. So here it learns from the held-out clips.

# %%
show(two_stream.svm_fusion, docstring=False)

# %%
board.table("table 3", claimed=("ts.complementary", "ts.bidir", "ts.svm"))

# %% [markdown]
# ## 4 · A small set profits from a large one (Table 2)
#
# The small set alone is too small for a temporal network. **The paper** compares three remedies: start from a network of
# the large set; add the classes that only the large set has; or **multi-task learning**: one network with a softmax layer
# for each set, each trained on its own clips.

# %%
show(two_stream.MultiTask, two_stream.multi_task_loss, docstring=False)

# %%
heads = two_stream.multi_task_network([18, 12], size="tiny")
[tuple(logits.shape) for logits in heads(torch.rand(4, 20, 56, 56), torch.rand(4, 20, 56, 56))]

# %% [markdown]
# **Predict** the order of the four rows, then look at the records.

# %%
board.table("table 2", claimed=("ts.multitask",))

# %% [markdown]
# > Every row has learned from as many clips of the small set. Networks that see the large one as well train for longer, at
# > the same batch size; the paper does not say how it did this.
#
# ## 6 · All splits, and a set on which two streams are worse than one (Table 4)

# %%
board.table("table 4")

# %% [markdown]
# > **Discuss.** On our small set the average of both streams is *worse* than the temporal stream alone, on every seed in
# > our records; in the paper it gains three points. The SVM repairs it. Before you explain it, look at the spatial
# > stream's row: it has seen one actor in one scene for each action. What does an average do with a stream that is
# > wrong, and sure of itself? What can the SVM do that an average cannot?
# >
# > Other people's systems stand in the paper's table for comparison; the lab does not rebuild them.
#
# ## Recap
#
# - One frame and ten flow fields know different things. Their average knows more than either, if both know something.
# - Motion handed over ready-made, as flow, beats frames from which the network would have to find it.
# - Appearance can be learned from images. Motion cannot, but a small set can borrow it from a large one.
# - The mean of each field is mostly the camera's; subtracting it is meant to help where the camera moves.
#
# What became of the paper's claims on this data, over several seeds:

# %%
board.verdicts()

# %% [markdown]
# ## On the real data
#
# Fetch both sets and compute their flow, in both directions for the bi-directional rows, about 40 GB a direction for UCF101:
#
# ```
# .venv/bin/python data_scripts/ucf101.py /data/ucf101
# .venv/bin/python data_scripts/hmdb51.py /data/hmdb51
# .venv/bin/python data_scripts/extract_flow.py /data/ucf101 --processes 8
# .venv/bin/python data_scripts/extract_flow.py /data/ucf101 --processes 8 --backward
# ```
#
# and the last two for `/data/hmdb51`. The spatial network starts from ImageNet weights of a CNN-M-2048, which nobody ships
# for PyTorch: put yours at `/data/cnn_m_imagenet.safetensors`, with the names of `labkit.backbones.cnn_m`. Then each row
# of the tables runs by itself, is kept, and continues after an interruption:
#
# ```
# .venv/bin/labkit study list 02 --profile paper --dataset ucf101 --data-root /data
# .venv/bin/labkit study run 02 --rows temporal.l10,spatial.last_layer_d5 --profile paper --dataset ucf101 \
#     --data-root /data --device cuda --precision bf16 --workers 16
# ```
#
# **Try it.** Change `seed` above: other actors, scenes and motions. Or train the temporal network on estimated flow,
# `study.measure("temporal.estimated_l10")`, and compare it with `temporal.l10`.
#
# **Next:** [03_frame_rnn](03_frame_rnn.ipynb).
