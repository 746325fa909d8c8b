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
# **To know beforehand**: what a convolutional network and a softmax are, and PyTorch's `nn.Module`; what optical flow is, from
# [01_video_and_flow](01_video_and_flow.ipynb).
#
# **Time** about two and a half minutes on two cores, most of it training. Numbers of sections are the paper's; we go through them in
# another order.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "ucf101": the paper's two sets, UCF101 and HMDB51
data_root = ""  # of the real sets: the folder that holds ucf101/ and hmdb51/
seed = 0
device = "cpu"  # or "cuda"
missing = "error"  # of the real sets: "skip" takes the videos that are there

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
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
from labkit.viz import show
from labkit.viz.papers import two_stream as figures

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the study of this lesson, its clips, and its records
of_videos = {"dataset": dataset, "data_root": data_root, "missing": missing}
study = TwoStream(profile, seed=seed, device=device, **of_videos)
board = Scoreboard(study)
large, small = study.large, study.small

# %% [markdown]
# ## The actions
#
# One frame of each action of the large set, which we use instead of UCF101. The small one, instead of HMDB51, has twelve
# actions.
#
# **Predict:** they are hammer, chop, guitar, broom, ski, skateboard, wave, clap, jump, squat, walk left, walk right, sit
# down, stand up, open arms, close arms, pick up and put down, in another order. Which could you name from one frame?

# %%
large_set = "One frame of each action of the large set"
viz.class_sheet(large.test, title=large_set, named=False, seed=seed)

# %%
{"large": large.counts(), "small": small.counts()}

# %% [markdown]
# > In the lab's own world puppets act in painted scenes. Clips of one *group* share the actor and, for each action, the
# > scene; no group is on both sides of a split. Of the large set about a fifth of the training clips is held out from all
# > networks: we make choices on them, and train the fusion on them. Frames are 64 x 88 pixels, as wide beside their height
# > as old video.
# > With `dataset="ucf101"` the sets are the paper's own, and no puppet appears.
#
# The small set keeps one group to train on and holds out another one, and on each split others. To resemble movies, from which
# HMDB51 is cut, it is also *drawn harder* than the large one: its camera moves three times as much, twice as many things stand
# about, and tempo, size and position vary three times as much. So numbers of the two sets differ for two reasons, the number
# of clips and how they are drawn.

# %%
viz.class_sheet(small.test, title="One frame of each action of the small set", seed=seed)

# %% [markdown]
#
# ## 2 · Two streams (Figure 1)
#
# **The paper** divides video into two parts: "The spatial part, in the form of individual frame appearance, carries
# information about scenes and objects depicted in the video. The temporal part, in the form of motion across the frames,
# conveys the movement of the observer (the camera) and the objects." It notes that the human visual cortex, too, has one
# pathway that recognises objects and one that recognises motion.

# %%
figures.architecture()

# %% [markdown]
# Both streams have the same architecture, CNN-M-2048 of [Chatfield et al.](https://arxiv.org/abs/1405.3531), each with
# weights of its own: five convolutions and three fully connected layers. The temporal one lacks the second normalisation.

# %%
show(CNNM.__init__, CNNM.forward, CNNM.taps, docstring=False)

# %% [markdown]
# The shape of what each layer gives, for two frames at the paper's size:

# %%
with torch.device("meta"):  # shapes alone: nothing is computed
    spatial, frames = two_stream.spatial_network(num_classes=101), torch.empty(2, 3, 224, 224)
    print({name: tuple(values.shape) for name, values in spatial.taps(frames).items()})

# %% [markdown]
# > On a laptop this network would train far longer than a lesson. Unless the profile is `paper`, both streams are the same
# > class with smaller numbers: 56 x 56 pixels, and a third to an eighth of the channels.
#
# ## 3 · Motion as an input
#
# The temporal stream sees no frame. Its input is *optical flow*: for every pixel, how far it moves to the right and how
# far down, from one frame to the next. The paper shows both components in its Figure 2. In colour, the hue is the direction
# and full saturation the highest speed; in grey, the middle is zero, and bright is to the right, or down.

# %%
clip = large.test[0]
figures.flow_and_components(clip, name=large.test.classes[clip.label])

# %% [markdown]
# > **The paper** estimates flow from the frames, by Brox's method. In the lab's world flow is *exact*: the renderer knows
# > where every pixel goes. An estimator has to guess it from the frames; the last image is one such guess, by
# > [DIS](https://arxiv.org/abs/1603.03590). So the temporal stream below gets more than it would get from a real video. How
# > much that matters, a study measures: the last two rows of Table 1b. (On real videos, flow is always estimated.)
#
# ### 3.1 · A stack of flow
#
# A clip of the world has 16 frames, so one field shows a fifteenth of it. The network gets $L$ fields, ten in the paper. Let $d_t$ be the flow from frame $t$ to frame $t+1$, with
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
# A hand does not stay at one location: after one step it is somewhere else. **Trajectory stacking** follows it. It reads
# the $k$-th displacement where the point that started at $(u, v)$ has arrived by then:
#
# $$I_\tau(u, v, 2k-1) = d^x_{\tau+k-1}(p_k), \quad I_\tau(u, v, 2k) = d^y_{\tau+k-1}(p_k) \qquad (2)$$
#
# $$p_1 = (u, v), \qquad p_k = p_{k-1} + d_{\tau+k-2}(p_{k-1}) \quad (k > 1)$$

# %%
show(flow.trajectory_stacking, flow.stack._follow, docstring=False)

# %% [markdown]
# (`sample_bilinear` reads a field between pixels.) Figure 3 of the paper draws both. Here they are on a clip: stacking reads
# at the starting point of each line all the time, trajectory stacking along the line.

# %%
figures.paths(clip, steps=6)

# %% [markdown]
# **Explore** the input volume itself. Each step of the player shows one field; the volume holds all $L$ of them. The buttons
# choose the frame $\tau$ at which it starts. The third panel is **bi-directional**, which **the paper** calls a natural
# extension: $L/2$ fields forward from $\tau$, and $L/2$ backward.

# %%
figures.volume_player(clip, steps=6)

# %% [markdown]
# > In stacking, each location shows whatever passes through it. Along trajectories the part that moves at $\tau$ keeps its
# > place, and its channels tell how its velocity changes. But soon there are several arms: a point of the wall over which
# > the arm passes is carried along, because the flow at its position is then the arm's. Equation (2) knows no occlusion.
# > The second half of the bi-directional volume runs backwards in time.
#
# ### 3.1 · Subtracting the mean
#
# When the camera moves, every field is shifted as a whole. **The paper** therefore subtracts from each field its mean
# vector. **Predict:** how much of the field is left, where the actor is small and the camera restless?

# %%
show(flow.mean_flow_subtraction, docstring=False)

# %%
figures.mean_subtraction(small.test)

# %% [markdown]
# That clip is one of the small set, whose camera is restless. **Predict:** a temporal network is trained on fields with their
# mean, another one on fields without. By how much will they differ where the camera is on a tripod, and where it shakes?
# **Explore:** slide the condition. (Each dot is a world of its own. 108 clips to train on, 576 to test on: two or three
# points are noise.)

# %%
board.condition("camera")

# %% [markdown]
# ### 3.2 · What hand-made features knew
#
# **The paper** compares its input with the best hand-made features of the time, such as histograms of motion boundaries
# (MBH), which are computed from derivatives of flow. A network on flow can learn them: a derivative is a convolution.
#
# > For example with the filter (-1, 0, 1). It needs three weights; a filter of the first layer has 7 x 7 in each channel.

# %%
figures.motion_boundaries(clip)

# %% [markdown]
# Remember this when you see the filters of the trained network (Figure 4).
#
# ## 5 · How the networks train, and how they are tested
#
# To train, a network sees one random frame (or stack) of a clip: a random crop of it, flipped in half of all cases. To test,
# **the paper** says, "we sample a fixed number of frames (25 in our experiments) with equal temporal spacing between them".
# From each frame it takes ten crops, the four corners and the centre, and the same flipped, and averages the scores.
#
# > A lesson takes two moments and, without flips, five crops of 56 x 56 pixels. In frames of 64 x 88 they lie far apart: the
# > corners on the left and on the right share 24 columns.

# %%
show(two_stream.spatial_view, two_stream.temporal_view, docstring=False)

# %% [markdown]
# Where a crop is flipped, the horizontal component of its flow changes its sign. (In the world nothing is flipped: walking
# to the left and walking to the right are two of its actions.) Four training views of one clip, and the recipe:

# %%
torch.manual_seed(seed)
view = study.frame_view()
figures.training_views([view.modality.to_image(view.train(clip)[0]) for _ in range(4)])

# %%
print(study.recipe("from_scratch"), study.recipe("fine_tuning"), sep="\n\n")

# %% [markdown]
# > Learning rates, momentum and the order of steps are the paper's. Steps and batch are smaller (the paper: 80,000 steps of
# > 256 samples from scratch, 20,000 to fine-tune), and the weight decay is ours.
#
# ## 6 · The spatial stream (Table 1a)
#
# Appearance can be learned from images. **The paper** starts from ImageNet. The world has a source task of its own: still
# images of things, buildings and scenes, before which people pass by in any posture. The weights come with the lab.
#
# **Predict:** a single frame, all these actions. From scratch; from the source task with all layers fine-tuned; from the
# source task with only the last layer trained: in which order will they come out? (`d5` is a dropout of 0.5; the numbers
# are percent of the test clips, with their standard error.)

# %%
study.measure("spatial.scratch_d5", "spatial.fine_tune_d5", "spatial.last_layer_d5")

# %% [markdown]
# **The paper** finds the last two about equal, and continues with the last layer only. We continue with the one that is
# best on the held-out clips, because we must not choose on the test clips:

# %%
best = study.best_spatial()
best

# %%
one_frame = study.spatial_scores(best)
viz.recall_chart({"one frame": one_frame}, large.test, title="Recall from one frame")

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Compare with what you predicted. Some actions can be told by a thing or a scene, others by a posture. Sitting down and
# > standing up, however, consist of the same frames in reversed order, and so do the other pairs of this kind. A network
# > that knows it is one of the two, and no more, gets about 100 % if you add the two bars of such a pair. Less than that
# > means that it takes some of these clips for other actions as well.
#
# </details>
#
# ## 6 · The temporal stream (Table 1b)
#
# **Predict:** the same actions, no frame at all, only flow. Better or worse than frames? And how much worse with
# a single field than with ten?

# %%
study.measure("temporal.l1", "temporal.l10")

# %%
ten_fields = study.temporal_scores("l10")
streams = {"one frame": one_frame, "ten flow fields": ten_fields}
viz.recall_chart(streams, large.test, title="Recall from one frame, and from ten flow fields")

# %% [markdown]
# > In the lab's world hammering and chopping are one motion, and so are skiing and skateboarding; picking up and putting
# > down both bend down and rise again. Which pairs does your temporal network confuse?
#
# All of Table 1, the paper's numbers beside ours. Compare rows only if both are live or both are recorded: a lesson trains
# for 60 % of the steps of a study, on one seed. Below the table stand the paper's claims that rest on it.
#
# Each claim has a *margin*, the smallest difference that counts, and its records give an *interval* for the difference (90 %,
# over seeds). The claim *holds* if the whole interval lies beyond the margin; the two are *level* if all of it is smaller
# than the margin on either side; it is *the other way round* if it lies beyond the margin on the wrong side. An interval
# across one of these edges only *leans*; across two of them one *can't tell here*. (Where a claim says that two are equal, it
# holds between the margins.) A claim is *stale* if a record is older than the study is now.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# table 1, and the claims that rest on it
board.table(
    "table 1",
    claimed=(
        "ts.pretrain",
        "ts.last_layer",
        "ts.dropout",
        "ts.dropout_last",
        "ts.stack",
        "ts.mean",
        "ts.traj",
        "ts.temporal",
    ),
)

# %% [markdown]
# > Look at the last two rows first. On flow that is estimated from these small frames, the temporal stream falls far behind
# > what it reaches on exact flow. Compare it with the spatial streams, too. (In rows marked ↻ the pre-trained networks may have
# > known postures.) How good motion is as an input depends on who estimates it: the paper's frames have sixteen times as many
# > pixels, and its estimator is a better one.
# >
# > Compare the rows with dropout 0.5 and 0.9. **The paper** gains from 0.9 where it trains from scratch; even so this "leads
# > to over-fitting (even with high dropout)". Its networks see each video about two thousand times, those of the table
# > each clip about forty times, and they have little to overfit with. Our temporal networks have a dropout of 0.5 for that
# > reason, the paper's 0.9.
#
# What if they train for longer, on fewer clips? **Predict:** where will the gap between training and test clips be wider,
# with dropout 0.5 or with 0.9? And what do initial weights give that know *things*, or *postures* as well, or ImageNet?
# **Explore:** slide the length of training.

# %%
board.condition("length")

# %% [markdown]
# > Postures are what many of these actions consist of. Does a source task that shows them give a network of single frames a
# > part of the answer, one that ImageNet does not give? Compare the bars of both source tasks with that of
# > EfficientNet-Lite0, a real network with real ImageNet weights, of which the last layer alone is trained.
#
# ### Stacked frames instead of stacked flow
#
# Could a network find out about motion by itself? **The paper** also trains one on eleven stacked frames, after the "slow
# fusion" of [Karpathy et al.](https://openaccess.thecvf.com/content_cvpr_2014/html/Karpathy_Large-scale_Video_Classification_2014_CVPR_paper.html),
# from scratch: 56.4 %, where a single frame gives 52.3 % and stacked flow 81.0 %.

# %%
show(two_stream.SlowFusion, docstring=False)

# %%
board.known("slow_fusion")

# %% [markdown]
# ## 3.3 · What the first layer has learned (Figure 4)
#
# A column is a filter of the temporal network, a row one of its input channels. Grey is zero. We group the filters by the
# pattern that they resemble more than random weights do: a derivative in space, a derivative in time, an average.
#
# **Predict:** which of these should a network on flow need?

# %%
weights = study.filters()
kinds, fractions = filter_kinds(weights)
figures.filters(weights, kinds, fractions, FILTER_KINDS)

# %% [markdown]
# The clearest of each kind in detail: how its weights change over the ten fields, and how it responds to a clip.

# %%
figures.clearest_filters(weights, kinds, fractions, FILTER_KINDS, clip)

# %% [markdown]
# <details><summary>What the paper says</summary>
#
# **The paper** sees both kinds: "some filters compute spatial derivatives of the optical flow", as MBH does; "Other filters
# compute temporal derivatives".
#
# </details>
#
# Count the kinds, after training and before, in percent:

# %%
study.measure("filters", "filters.untrained")

# %% [markdown]
# > Most filters still look like the noise they were initialised with: a lesson trains for 240 steps.
#
# ## 6 · Both together (Table 3)
#
# Each stream gives every clip a score for each action. The paper averages them.
#
# **Predict:** you know the accuracy of each stream. Will the average of their scores lie between them, or above both?

# %%
show(two_stream.average_fusion, docstring=False)

# %%
study.measure("fusion.average")

# %% [markdown]
# **Explore.** Drag the weight of the temporal stream from none to all of it. Follow the actions that one stream confuses: on
# which side do their bars fall?

# %%
weights_of_flow = torch.linspace(0, 1, 21).tolist()
weighted = {w: two_stream.average_fusion(one_frame, ten_fields, w) for w in weights_of_flow}
slider = "weight of the temporal stream"
viz.recall_slider(weighted, large.test, title="Two streams, weighted", slider=slider)

# %% [markdown]
# Which weight is best? We must not choose it on the test clips. Choose it on the curve of the held-out clips; then see what
# the test clips say, and how much the paper's one half loses.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the curves: of the held-out clips, and of the test clips
known = study.spatial_scores(best, "held_out"), study.temporal_scores("l10", "held_out")
held_out = {weight: two_stream.average_fusion(*known, weight) for weight in weighted}
parts = {
    "held-out clips": (held_out, large.held_out.labels),
    "test clips": (weighted, large.test.labels),
}
figures.fusion_curves(parts)

# %% [markdown]
# *Why* is the average better? Look at which actions are taken for which (Figure 5; the paper's is of its best model,
# multi-task and SVM). **Explore:** switch between the streams, and click a cell to see clips in it.

# %%
streams = {"spatial stream": one_frame, "temporal stream": ten_fields, "both": weighted[0.5]}
viz.confusion_switch(streams, large.test, title="Figure 5, on our data")

# %% [markdown]
# > The large cells off the diagonal tell what a stream cannot see. Where the other stream can see it, the average is right;
# > where neither can, it is not. **The paper** tells this of Hammering, the worst class of UCF-101: "the spatial ConvNet
# > confuses Hammering with HeadMassage", "the temporal ConvNet confuses Hammering with BrushingTeeth".

# %%
average = {"both": weighted[0.5]}
viz.recall_chart(average, large.test, title="Figure 6, on our data: sorted", in_order=True)

# %% [markdown]
# ### An SVM in place of the average
#
# Instead of averaging, **the paper** also trains a multi-class linear SVM on "stacked $L_2$-normalised softmax scores".
#
# > It can learn how far to trust each stream for each action. On clips that the networks were trained on, scores look better
# > than they are. So we train the SVM on the held-out clips; the paper does not say on which it does. The last two rows of
# > the table use a network that the next section explains.

# %%
show(two_stream.svm_fusion, two_stream._stacked, docstring=False)

# %%
board.table("table 3", claimed=("ts.complementary", "ts.bidir"))

# %% [markdown]
# ## 4 · A small set profits from a large one (Table 2)
#
# The small set alone is too small for a temporal network. **The paper** compares three remedies: start from a network of
# the large set; add the classes that only the large set has; or **multi-task learning**: one network with a softmax layer
# for each set, each trained on its own clips.

# %%
figures.two_heads()

# %%
show(two_stream.MultiTask, two_stream.multi_task_loss, docstring=False)

# %%
num_classes = [len(large.test.classes), len(small.test.classes)]
heads = two_stream.multi_task_network(num_classes, size="tiny")
[tuple(logits.shape) for logits in heads(torch.rand(4, 20, 56, 56), torch.rand(4, 20, 56, 56))]

# %% [markdown]
# **Predict** the order of the four rows, then look at the records.

# %%
board.table("table 2", claimed=("ts.multitask", "ts.added_classes", "ts.multitask_large"))

# %% [markdown]
# > Rows marked ↻ are older than the present study: their networks saw unequal numbers of clips of the small set. In the
# > study as it is now, each row sees equally many, and so networks that see the large set as well train for longer; **the
# > paper** keeps one schedule "for all training sets".
#
# ## 6 · All splits (Table 4)

# %%
board.table("table 4", claimed=("ts.svm", "ts.complementary_small"))

# %% [markdown]
# > **Discuss.** On our small set the average of both streams is *worse* than the temporal stream alone, in the records so
# > far; in the paper it gains three points. In those records an SVM repairs it, which learned
# > from three times as many held-out clips as it does now. Before you explain it, look at the row of the spatial
# > stream: it has seen one actor, and one scene for each action. What does an average do with a stream that is wrong, and
# > sure of itself? What can the SVM do that an average cannot?
# >
# > Other people's systems stand in the paper's table for comparison; the lab does not rebuild them.
#
# ## Recap
#
# What the records suggest so far; the verdicts below say how sure that is:
#
# - One frame and ten flow fields are right about different actions. On the large set their average is ahead of both; on the
#   small set, where one stream is weak, it is not.
# - The temporal network is better than the spatial one here; its flow is exact.
# - Appearance can be learned from images; for motion, a small set of videos can use a large one.
# - Subtracting the mean takes out the camera's part of a field; whether that helps depends on how much the camera moves.
#
# **Predict:** which claim of this paper needs the exact flow of our world, and which might fail *because* the world is so
# small? What became of the paper's claims on this data, over several seeds:

# %%
board.verdicts()

# %% [markdown]
# ### How sure is sure?
#
# A verdict can be wrong through bad luck. Say that "A beats B by more than 2 points" is judged, that the difference varies by 3
# points from seed to seed, and that we *knew* the true difference. **Predict:** if A and B are truly equal, how often do
# three seeds say that it *holds*? How often do they find the two level? And how many seeds does it take to find a true
# difference of 4 points more often than not?

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# four hundred made-up batches for each number of seeds and each difference, judged as ours are
board.how_sure("a > b by 2", spread=3.0)

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Move the slider. With few seeds most batches say nothing or lean, and hardly any decide wrongly: the rule would rather say
# > nothing. More seeds do not make the truth more favourable, only clearer.
#
# </details>
#
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
viz.quiz("02")

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
# and the flow of `/data/hmdb51`, forward alone, about 10 GB. The spatial network starts from ImageNet weights of a CNN-M-2048, which nobody ships
# for PyTorch: put yours at `/data/cnn_m_imagenet.safetensors`, with the names of `labkit.backbones.cnn_m`. Then each row
# of the tables runs by itself, is kept, and continues after an interruption:
#
# ```
# .venv/bin/labkit study list 02 --profile paper --dataset ucf101 --data-root /data
# .venv/bin/labkit study run 02 --rows temporal.l10,spatial.last_layer_d5 --seeds 0 --profile paper \
#     --dataset ucf101 --data-root /data --device cuda --precision bf16 --workers 16
# ```
#
# **Try it.** Change `seed` above: other actors, scenes and motions. Or train the temporal network on estimated flow,
# `study.measure("temporal.estimated_l10")`, and compare it with `temporal.l10`.
#
# **Next:** [03_frame_rnn](03_frame_rnn.ipynb).
