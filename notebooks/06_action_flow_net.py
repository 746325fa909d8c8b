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
# # ActionFlowNet: learning to see motion while learning actions
#
# Ng, Choi, Neumann & Davis, [*ActionFlowNet: learning motion representation for action
# recognition*](https://arxiv.org/abs/1612.03052), WACV 2018; here after chapter 4 of Ng's PhD thesis of the same year,
# whose sections, figures and equations are cited. The paper is
# [action_flow_net.py](../labkit/papers/action_flow_net.py), its experiments are
# [studies/action_flow_net.py](../labkit/studies/action_flow_net.py).
#
# **What you will see here**
#
# - a network that reads frames and predicts the optical flow between them, and one field more: the flow that comes next;
# - its losses, equations (4.1) to (4.4), each above the code that computes it;
# - what networks know about motion, also those that were never told the name of an action;
# - the same actions learned from ten clips each, with and without flow as a second task, and what is forgotten;
# - a black square to move over a frame: where does each network look?
#
# **To know beforehand**: convolutional networks and their training, and optical flow ([01](01_video_and_flow.ipynb)).
#
# **Time** about one and a half minutes on two cores, most of it training. Our order is: data, networks, losses, who knows what
# about flow, training, forgetting, tables, where networks look. Numbers of sections are the thesis's.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "ucf101", with HMDB51 as the small set
data_root = ""  # of the real sets: the folder with ucf101/, hmdb51/; and with chairs/, sintel/
seed = 0
device = "cpu"  # or "cuda"
missing = "error"  # of the real sets: "skip" takes the videos that are there

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from labkit import parameters

parameters.check(globals(), dataset=["world", "ucf101"], missing=["error", "skip"])
data_root = parameters.user_path(data_root)

import torch

from labkit import viz
from labkit.papers import action_flow_net as afn
from labkit.scoreboard import Scoreboard
from labkit.studies import flow_lesson
from labkit.studies.action_flow_net import AFN
from labkit.viz import show
from labkit.viz.papers import action_flow_net as figures


# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the study of this lesson, its clips, and its records
torch.set_grad_enabled(False)  # networks are only looked at; where one is trained, gradients are on
of_videos = {"dataset": dataset, "data_root": data_root, "missing": missing}
study = AFN(profile, seed=seed, device=device, **of_videos)
board = Scoreboard(study)
large, small = study.large, study.small

# %% [markdown]
# ## 4.4.1 · The data: few labels, flow for all
#
# Labelling actions takes people's time. Flow takes nobody's: it can be computed for any video and serves as the target,
# even if it is an estimate. **The thesis** takes that of [EpicFlow](https://arxiv.org/abs/1501.02565) as its
# pseudo-groundtruth; for real videos we take TV-L1 or DIS, and in the lab's world flow is exact. Labels are few: ten
# clips of each of eighteen actions, which we use instead of
# [UCF101](https://www.crcv.ucf.edu/research/data-sets/ucf101/), and four clips of each of twelve actions, instead of
# [HMDB51](https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/).

# %%
print({"large": large.counts(), "small": small.counts()})
viz.class_sheet(large.test, title="One frame of each action of the large set")

# %% [markdown]
# > The actions come in three families. In *appearance pairs*, such as hammer and chop, one motion is made with
# > different things. *Motion only*: wave, clap and jump, for example, with empty hands. *Reversed pairs*, such as
# > sitting down and standing up, consist of the same frames in opposite order. We shall ask for the accuracy of each.
# > (Where the text speaks of puppets and families, it means the world's, not real videos.)
#
# ## 4.3.1 · Many frames in, as many flow fields out
#
# An **encoder**, a [ResNet](https://arxiv.org/abs/1512.03385), makes frames smaller and smaller. After its first layer,
# conv1, and a max-pooling, it has four *stages* of residual blocks, called res2 to res5. Each stage from res3 on halves
# height and width, and has twice as many channels. In a *3D-ResNet* all filters also reach over three frames, and these
# stages halve time as well. A **decoder** then makes flow of the last feature maps. A *deconvolution* is a convolution
# run backwards: one location of its input spreads over several of its output, so feature maps become larger. And
# because fine detail is lost in res5, each step also gets the encoder's feature maps of its size: *skip connections*.

# %%
network = study.flow_net("target_multi")  # comes with the lab; what it was trained on is told below
clips = flow_lesson.clips_of(study, "multi_frame")
stages = flow_lesson.stage_shapes(network, clips)
# (batch, time, channels, height, width); (channels, time, height, width)
tuple(clips.shape), stages

# %%
labels = f"{study.num_frames} frames", "as many<br>fields"
figures.architecture(stages, *labels, title="Figure 4.1, on our network")

# %%
show(afn.FlowDecoder3D.forward)

# %% [markdown]
# The whole model is an encoder, a classifier at its end, and this decoder. Read `forward`: the decoder does not occur in
# it. **Predict** the shapes that come out of `forward`, and out of `both`.

# %%
show(afn.ActionFlowNet.forward, afn.ActionFlowNet.flow, afn.ActionFlowNet.both)

# %%
logits, (flow,) = network.both(clips)
{"forward": tuple(network(clips).shape), "both": (tuple(logits.shape), tuple(flow.shape))}

# %% [markdown]
# > $T$ frames have $T - 1$ flow fields between them. This network has to give $T$: the last one leads from the last
# > frame to one that it has *never seen*. **The thesis** gives two reasons. It is easier to build, because a decoder
# > gives as many fields as the encoder gets frames; and "semantic reasoning is required" to know how a motion
# > continues.
#
# ### 4.3.3 · Two frames
#
# Two frames, stacked as six channels, make a cleaner experiment: what sixteen frames gain may be motion, or just more
# views of the same things. Their decoder is that of [FlowNet](https://arxiv.org/abs/1504.06852): it predicts flow on four
# scales, and each field is an input of the next finer one. `predictions` makes a field of feature maps, `enlargements`
# make a field twice as large, `deconvolutions` make feature maps twice as large.

# %%
show(afn.FlowDecoder.forward)

# %%
network, pair = study.flow_net("target"), flow_lesson.clips_of(study, "two_frame")
stages = flow_lesson.stage_shapes(network, pair)
[tuple(flow.shape) for flow in network.flow(pair)]  # from coarse to fine

# %%
labels = "2 frames", "one field,<br>four scales"
figures.architecture(stages, *labels, title="Figure 4.3, on our network")

# %% [markdown]
# A network that is trained for flow alone is called a **FlowNet**; training it is *pre-training*, because no action is
# learned yet. There are three ways to use it for actions. **FlowNet fine-tune**: continue to train its encoder, now on
# actions alone. **ActionFlowNet**: train it on both tasks together. **Stacked**: leave it as it is, and train a second
# network on the flow that it predicts.

# %%
figures.stacked(stages)

# %%
study.parameters()  # at the paper's size

# %% [markdown]
# > The decoder of ActionFlowNet-2F is needed in training alone. Stacked needs all its parameters for each clip, and
# > sees nothing but flow.
#
# ## Losses, equations (4.1) to (4.4)
#
# Flow is measured by its **end-point error** (EPE): how far, in pixels, the predicted displacement of a pixel ends from
# where the true one ends. With the target $\mathbf{o}_{j,t,p}$ of video $j$, frame $t$ and pixel $p$, and the
# prediction
# $\widehat{\mathbf{o}}_{j,t,p}$, the loss of the multi-frame network is
#
# $$\sum_{t=1}^T \sum_p \|\mathbf{o}_{j,t,p} - \widehat{\mathbf{o}}_{j,t,p}\|_2 \qquad (4.1)$$
#
# The two-frame network has one field on four scales $r$, each with a weight $\alpha_r$:
#
# $$\sum_{r=1}^4 \alpha_r \sum_p \|\mathbf{o}_{j,t,p}^{(r)} - \widehat{\mathbf{o}}_{j,t,p}^{(r)}\|_2 \qquad (4.3)$$
#
# Both are one function; `reduce_flow` brings the target to the size of a scale.

# %%
show(afn.epe_loss, docstring=False)

# %% [markdown]
# **Predict** the loss of a prediction that is 2 pixels off everywhere, on four scales whose weights are 0.25, 0.25, 0.5
# and 1. Then read the code for what is *not* in the equations: means, and pixels whose flow nobody knows.

# %%
# 2 pixels to the right, everywhere, on four scales
to_the_right = torch.tensor([2.0, 0.0])[:, None, None]
off = [to_the_right.expand(1, 1, 2, side, side) for side in (3, 6, 12, 24)]
afn.epe_loss(off, torch.zeros(1, 1, 2, 48, 48)).item()

# %% [markdown]
# **ActionFlowNet** adds the classification. Of many frames, and of two:
#
# $$-\mathbb{1}(y_j = \hat{y}_j) \log p(\hat{y}_j) + \lambda \sum_{t=1}^T \sum_p
# \|\mathbf{o}_{j,t,p} - \widehat{\mathbf{o}}_{j,t,p}\|_2 \qquad (4.2)$$
#
# $$-\mathbb{1}(y_j = \hat{y}_j) \log p(\hat{y}_j) + \lambda \sum_{r=1}^4 \alpha_r \sum_p
# \|\mathbf{o}_{j,t,p}^{(r)} - \widehat{\mathbf{o}}_{j,t,p}^{(r)}\|_2 \qquad (4.4)$$

# %%
show(afn.multitask_loss, docstring=False)

# %% [markdown]
# > Read to the letter, the indicator $\mathbb{1}$ would leave out every video that is not yet recognised; we take it for
# > the usual cross-entropy. The thesis gives no value of $\lambda$ and $\alpha_r$: ours are 1, and FlowNet's, rescaled
# > because our losses are means.
#
# ## Who knows what about flow?
#
# Three tiny FlowNets come with the lab. `target` reads two frames, and was trained on 3240 clips of *other* puppets, without
# a single label. These are the *target videos*: the kind of video in which actions will be recognised. `chairs` reads two
# frames, and was trained on things that fly about, as the first FlowNet on its *flying chairs*. `target_multi` reads eight
# frames (the thesis: sixteen) of target videos; it has seen about half as many samples as the
# other two, of eight fields of flow each.
#
# ### 4.4.3.2 · The future (Figure 4.5)
#
# **Predict** how the last field, in the red frame, will differ from those before it.

# %%
jump, arms, wave = large.test.subset(large.test.examples(("jump", "open_arms", "wave")))
figures.strip(*flow_lesson.flow_of(study, jump, "target_multi"))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Where several futures are possible, the guess with the smallest error lies between them: pale, and blurred.
#
# </details>
#
# Is it better than simple guesses? We compare three: nothing moves; everything continues as in the true field before;
# everything continues as in the network's *own* field before. The last is the fairest, because the network does not know
# the true field either.

# %%
print(study.measure("future"))  # of the last field, in pixels
figures.future(flow_lesson.future_errors(study))

# %% [markdown]
# **Explore** the same network on another clip, frame by frame.

# %%
figures.player(*flow_lesson.flow_of(study, arms, "target_multi"))

# %% [markdown]
# ### Where is the error?
#
# The mean over all pixels hides something. A puppet and its things cover about a tenth of the frame; in the rest, only
# the camera moves. The world knows which pixel is which.
#
# **Predict:** on which of the two are networks better, compared with the guess that nothing moves?

# %%
figures.errors_by_region(flow_lesson.errors_by_region(study))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > The camera is the easy part. Limbs of a few pixels are hard for everybody, and flow at half the resolution loses their
# > outlines (the last bars). Remember this for Stacked, which sees nothing but a FlowNet's flow.
#
# </details>
#
# ### 4.4.4 · Other motion (Figure 4.7)
#
# **The thesis** finds that the FlowNet of chairs fails on small motion, because things in
# [FlyingChairs](https://lmb.informatik.uni-freiburg.de/resources/datasets/FlyingChairs.en.html) move far.

# %%
names = ("target", "chairs", "tvl1", "dis", "farneback")
few_pixels = study.pairs("small motion")[0]
figures.small_motion(*flow_lesson.flow_of(study, few_pixels, *names, on="small motion"))

# %%
print(study.measure(*study.comparable))  # pixels
figures.errors_on_pairs(flow_lesson.errors_on_pairs(study))

# %% [markdown]
# > Large motion is too large for the network of the target videos: it has never seen any. Is the network of chairs worse on
# > small motion? In what it was trained on, pixels move by 3.5 pixels on average, those of puppets by 1.3; but in images as
# > small as these, many still move by less than one.
#
# ### What do frozen networks know about actions?
#
# **The thesis** expects that a network trained for flow "should encode motion information in intermediate levels which
# support action classification". We can ask: freeze the network, take the mean of each stage's feature maps, and train
# nothing but a linear classifier on it, with the labels of the large set. Beside FlowNets we probe random weights, and
# two networks that were trained on photos, as ImageNet's are. To the first, photos have named *things*: props, houses,
# scenes, before which people only pass by. To the second they have named *postures* as well.
#
# **Predict:** which family can a FlowNet tell that random weights cannot? And which can a single frame tell?

# %%
print(study.measure("probe.random", "probe.chairs", "probe.target"))  # of res5, % of all test clips
print(study.measure_here("probe.stills", "probe.postures"))
figures.probes(flow_lesson.probes(study), chance=100 / len(large.test.classes))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Follow the lines from res2 to res5. Flow without a label already teaches something about actions that are motion. A
# > single frame can tell appearance pairs; of a reversed pair it cannot know which of the two it was, so it is right about
# > half at most (or a little more, where a posture is held longer at one end).
# >
# > Compare the two networks from photos on actions that are motion only. A network that knows postures can name motion from
# > one frame: so ask what a rival's photos have shown before you say that it does without motion. ImageNet's name things.
#
# </details>
#
# ## 4.4.3 · Few labels (Table 4.1)
#
# Now actions are learned. All networks see the same frames in the same order, crops of several sizes, in changing
# colours, with a dropout of 0.5. To test, **the thesis** averages 25 random segments of a video and ten crops of each;
# a lesson takes five segments, and the centre crop.

# %%
print(study.recipe("two_frame"))

# %% [markdown]
# Four networks learn from ten clips of each action: one from scratch; a fine-tuned FlowNet; a FlowNet with both tasks; and
# the network that knows things from photos, which sees one frame. **The thesis** has 51.3, 66.0, 70.0 and 80.7 % on UCF101. **Predict**
# the order here, and how far apart they are. (The first four numbers are percent of the test clips, with standard errors;
# the last four are of the *training* clips.)

# %%
names = flow_lesson.NETWORKS.values()
study.measure(*(f"{name}.large" for name in names), *(f"{name}.train" for name in names))

# %% [markdown]
# > Training accuracy far below 100 % says that a network could still learn more: a lesson trains for 300 steps, the
# > recorded study for 600, the thesis for 40,000.

# %%
recorded = {words: board.recorded(f"{name}.large") for words, name in flow_lesson.NETWORKS.items()}
figures.accuracies(flow_lesson.accuracies(study), recorded)

# %%
figures.by_family(flow_lesson.by_family(study))

# %% [markdown]
# > Compare fine-tuning with both tasks, family by family: where does the second task help? With so few test clips a
# > difference of a few points means little; look at the bars of the standard error, and at the dots of other seeds.
#
# ### Slide the condition: how long they learn
#
# Clips can be memorised: a network that sees the ten clips of a class often enough learns the postures that occur in it.
# A study trains 600 steps, and 2.5 times as many. **Predict:** who gains most from more steps?

# %%
board.condition("length")

# %% [markdown]
# > Is ActionFlowNet ahead of the network that knows things from photos, and is it of the one that knows postures? **The
# > thesis** trains 40,000 steps of 128 samples.
#
# ## 4.3.2 · What is forgotten
#
# "The originally initialized flow information could be destroyed", says **the thesis** of fine-tuning: *catastrophic
# forgetting*. While a network is fine-tuned to actions, no loss asks for flow. Its decoder is still there, though. So we
# can look at the error of its flow from time to time, next to that of the network with both tasks. **Predict** both
# curves.

# %%
figures.forgetting(flow_lesson.forgetting(study))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > With actions alone the error of flow rises, although nobody wants it to; the second task holds it down.
#
# </details>
#
# The errors of the FlowNet, after fine-tuning, and with both tasks (`epe.before`, `epe.after`, `lambda_epe.1`):

# %%
errors = study.measure("epe.before", "epe.after", "lambda_epe.1")
of_wave = flow_lesson.flow_of(study, wave, "target", "fine_tune", "multi2")
errors = dict(zip(of_wave.estimates, errors.values(), strict=True))
figures.before_and_after(*of_wave, errors=errors)

# %% [markdown]
# ### How much should flow count?
#
# On the left of the slider, $\lambda = 0$ is fine-tuning. 0.1 and 10 are means of earlier recorded runs, in which networks
# trained twice as long: compare 0 with 1, and 0.1 with 10, not across. **Explore** what it does to actions and to flow.

# %%
no_motion = float(study.errors("target").zero)
figures.weights_of_flow(flow_lesson.weights_of_flow(board.known), no_motion=no_motion)

# %% [markdown]
# ### 4.3.2 · Inference costs nothing extra
#
# **The thesis:** "the decoder can be removed", so the model "runs at the same speed as a single-stream RGB network". We
# count the layers of the decoder that run to classify, and take the time on top of a plain ResNet, in percent:

# %%
study.measure("inference")

# %% [markdown]
# ## The tables
#
# The profile `study` trains all networks. Networks of many frames see as many samples as networks of two. On the small set
# every network starts from its weights of the large set. Rows marked *live* are from this run: compare live with live, and
# recorded with recorded. Rows marked ↻ are of other seeds, measured with an earlier version: there, networks of many frames
# saw a third as many samples, and a fifth as many clips were tested.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# table 4.1, and the claims that rest on it
claims = [
    "flow_helps",
    "multitask",
    "stacked",
    "chairs",
    "multitask16",
    "multi_frame",
    "headline",
    "as_stacked",
    "appearance",
]
board.table("table 4.1", claimed=tuple(f"afn.{name}" for name in claims))

# %% [markdown]
# > One row cannot be compared. In the thesis the network that starts from FlyingChairs meets all videos of UCF101 when it
# > learns both tasks. Here 3240 unlabelled clips were shown to the FlowNet of the target videos only; the network that starts
# > from chairs never sees them.

# %%
board.table("table 4.2")

# %% [markdown]
# ### 4.4.4 · The better flow, the better classifier? (Table 4.3)
#
# **The thesis** finds: no. The FlowNet of chairs has the lower error on [Sintel](http://sintel.is.tue.mpg.de), and
# Stacked on it is the worse classifier by eighteen points. It believes that the mean error elsewhere says little about
# whether small motion and outlines survive.

# %%
claimed = ("afn.epe_not_accuracy", "afn.small_motion", "afn.stacked_lt_flow", "afn.upsampling")
board.table("table 4.3", claimed=claimed)

# %% [markdown]
# ## Where do they look?
#
# ### 4.4.3.1 · What must not be covered (Figure 4.4)
#
# Cover a part of both frames with a black square, and ask again. Where the confidence in the right class drops, the
# network has used what is there. **The thesis** compares ActionFlowNet-2F with the network from ImageNet, which sees
# one frame. **Predict** where each of them looks when someone waves, and when someone plays the guitar.

# %%
covered = flow_lesson.covered_clips(study, ("wave", "squat", "sit_down", "guitar", "chop", "ski"))
figures.where_it_costs(covered, **study.square)

# %% [markdown]
# > **The thesis** finds that ActionFlowNet-2F "focuses more on motion", and that the network from ImageNet "relies more on
# > background appearance". Is it so in the rows above?
#
# **Explore.** Move the mouse over the frame: the square covers what is under it. The bars are what remains of each
# network's confidence; a mark shows what it was.

# %%
figures.occluder(covered, study.corners, side=study.square["side"], classes=large.test.classes)

# %% [markdown]
# A few examples prove little. A study can count how much of what moves lies under the square that costs most. (Rows marked
# "not yet run" have no records so far.)

# %%
board.table("table regions", claimed=("afn.regions",))

# %% [markdown]
# ### 4.4.3.3 · Who gains? (Figure 4.6)
#
# **The thesis** compares class by class with C3D, which was trained on a million labelled videos, and with the network
# from ImageNet: ActionFlowNet is ahead on "simple and discriminative motion", they are on "complex appearance". We use
# the network from scratch instead of C3D.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the recall of each class, of three networks
names = ("multi2", "scratch", "images")
ours, *others = (viz.recalls(study.model_scores(name), large.test) for name in names)
rivals = dict(zip(("the network from scratch", "the one from still images"), others, strict=True))
figures.gains(ours, rivals, name="ActionFlowNet-2F")

# %% [markdown]
# > Do not read too much into a single bar, of ten test clips in a lesson. The families gather six actions each:

# %%
study.measure_here("fine_tune.families", "multi2.families", "images.families")
board.table("table families", claimed=("afn.classes",))

# %%
study.measure_here("puppet_epe", "rest_epe")
tables = map(board.table, ("table training", "table probe", "table puppet"))
viz.folded("Tables of our own: training clips, probes, errors on the puppet", *tables)

# %% [markdown]
# ## Recap
#
# - A network that reads frames can learn about motion from flow that nobody has to label.
# - Fine-tuned to actions alone, it forgets flow; with both tasks it keeps most of it. At test the decoder costs nothing.
# - A mean error hides where the error is: on the puppet, a tiny FlowNet knows less than its mean suggests.
# - A linear probe shows what a network knows before it is trained for a task, and how strong a rival is.
#
# **Predict:** what is flow worth that was learned from other things than people? What became of the claims on this data,
# over several seeds:

# %%
board.verdicts()

# %% [markdown]
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
viz.quiz("06")

# %% [markdown]
# ## On the real data
#
# The scripts `ucf101.py`, `hmdb51.py`, `flying_chairs.py` and `sintel.py` of `data_scripts/` fetch the data, here to
# `/data/ucf101`, `/data/hmdb51`, `/data/chairs` and `/data/sintel`, and `extract_flow.py` computes the flow of the
# first two. Then each row runs by itself, is kept, and continues after an interruption. A FlowNet is trained once,
# 40,000 steps of 128 samples as every network, and shared by the rows that need it. A training view of sixteen frames
# with its flow takes about 0.2 seconds of a core, so give it many `--workers`; activations of a batch take about 40 GB.
#
# ```
# .venv/bin/labkit study run 06 --rows multi2.large,fine_tune.large --seeds 0 --profile paper \
#     --dataset ucf101 --data-root /data --device cuda --precision bf16 --workers 16
# ```
#
# **Try it.** Does flow help more when there is less to learn from? In the folded cell that makes the study, insert
# `study.scale = study.scale._replace(labels=(4, 4))` directly after `study = AFN(...)`, and run all cells again. Or train
# with $\lambda = 10$: `study.measure("lambda_10")`.
#
# **Next:** [07_temporal_difference](07_temporal_difference.ipynb), motion that needs no estimate.
