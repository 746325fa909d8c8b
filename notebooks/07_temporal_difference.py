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
# # Temporal differences: what has changed, on every level
#
# Ng & Davis, *Temporal difference networks for video action recognition*, WACV 2018; here after chapter 5 of Ng's thesis,
# *Video understanding with deep networks*, of the same year. (Another ["TDN", of 2021](https://arxiv.org/abs/2012.10071),
# shares the name only.) The thesis is [temporal_difference.py](../labkit/papers/temporal_difference.py), its experiments are
# [studies/temporal_difference.py](../labkit/studies/temporal_difference.py).
#
# **What you will see here**
#
# - what remains when one frame is subtracted from another, in pixels and in the features of a network;
# - the baseline, a temporal segment network, and why it cannot know in which order its frames came;
# - two networks, one on frames and one on their differences, drawn from the module itself (Figures 5.1 and 5.2);
# - both trained on equal terms: which actions gain, and which of these gains are no surprise (Tables 5.1 to 5.3);
# - any two frames of a clip: their differences, where both networks look, what they predict (Figure 5.3);
# - how many levels it takes (Table 5.4), and the same on optical flow, from recorded runs.
#
# **To know beforehand**: convolutional networks with residual blocks, batch normalisation and a softmax; optical flow
# ([01](01_video_and_flow.ipynb)) and why two streams are better than one ([02](02_two_stream.ipynb)).
#
# **Time** about one and a half minutes on two cores, most of it training. Numbers of sections are the thesis's.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "hmdb51"
data_root = ""  # of the real set: the folder that holds hmdb51/
seed = 0
device = "cpu"  # or "cuda"
missing = "error"  # of the real set: "skip" takes the videos that are there

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from labkit import parameters

parameters.check(globals(), dataset=["world", "hmdb51"], missing=["error", "skip"])
data_root = parameters.user_path(data_root)

import torch

from labkit import viz
from labkit.papers import temporal_difference as td
from labkit.scoreboard import Scoreboard
from labkit.studies import difference_reading as reading
from labkit.studies.temporal_difference import TemporalDifference
from labkit.viz import show
from labkit.viz.papers import temporal_difference as figures

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the study of this lesson, its clips, and its records
of_videos = {"dataset": dataset, "data_root": data_root, "missing": missing}
study = TemporalDifference(profile, seed=seed, device=device, **of_videos)
board = Scoreboard(study)
train, test = study.first

# %% [markdown]
# ## The data
#
# **The thesis** uses three sets of videos: [HMDB51](https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/),
# [ACT](https://xiaolonw.github.io/actioncvpr.html) and [FCVID](https://fvl.fudan.edu.cn/dataset/fcvid/list.htm). It leaves out
# UCF101, which "heavily relies on appearance and context information". We use eighteen actions of the lab's puppets, in
# three families of six:
#
# - *appearance pairs*, such as hammer and chop: one motion, told apart by a tool or a scene;
# - *motion only*, such as wave and jump: the same scenes, nothing in the hands;
# - *reversed pairs*, such as sit down and stand up: the same frames in the opposite order.

# %%
viz.class_sheet(test, title="One frame of each action")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# how many clips and groups each part has
{
    name: f"{len(part)} clips of {len(part.groups.unique())} groups"
    for name, part in study.first._asdict().items()
}

# %% [markdown]
# > A group shares the actor and, for each action, the scene; no group is on both sides of the split. With
# > `dataset="hmdb51"` the clips are those of HMDB51; where the text names actions of puppets, figures then show others.
#
# ## 5.3.1 · Eulerian motion
#
# How do two frames $I_1$ and $I_2$ differ? Optical flow answers for each *point*: where has it gone? **The thesis** asks
# each *location* instead: what is different here? It calls the answer Eulerian motion:
#
# $$v = I_2 - I_1$$

# %%
show(td.eulerian_motion, docstring=False)

# %%
# three frames have two differences: (clips, differences, channels, height, width)
td.eulerian_motion(torch.rand(2, 3, 64, 28, 28)).shape

# %% [markdown]
# **Predict:** somebody sits down, and these two frames are half a clip apart. Where will the difference be zero? What will
# you see of the puppet?

# %%
stills = study.initial_tdn()  # the network of section 5.3.2, so far trained on stills alone
sitting = reading.pair(study, reading.example(study, "sit_down"), stills)
figures.change(sitting.frames, sitting.times, reading.name_of(study, sitting.clip))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > In the lab's world there are two ghosts: where the puppet was, and where it is. The background draws its edges, because the
# > camera shakes. The difference is zero, grey, only where both frames show the same colour: inside smooth areas. Nothing had
# > to be estimated, however far the puppet moved.
#
# </details>
#
# **The thesis** then takes the same difference of *features*, where $f^{(\ell)}(I)$ is the output of a network at layer $\ell$:
#
# $$v^{(\ell)} = f^{(\ell)}(I_2) - f^{(\ell)}(I_1)$$
#
# "Compared to raw images, the image features are more robust to translation and appearance changes." Low layers see small
# motions, high ones relations "across longer periods of time"; which level is best depends on the video, so it uses several.
#
# > In the lab's world these features come from a small network that was trained to name *things* in photos (props, houses,
# > scenes), never a posture or an action. The thesis starts from [ImageNet](https://www.image-net.org).

# %%
strengths = {level: reading.strength(motion) for level, motion in sitting.motion.items()}
figures.change_by_level(strengths)

# %% [markdown]
# > Bright is much change. On the lowest levels every edge counts that the camera has shifted. Higher up the background
# > becomes calmer, and the moving part remains.
#
# ## The baseline: a temporal segment network
#
# A clip can be long, and neighbouring frames are alike. A [temporal segment network](https://arxiv.org/abs/1608.00859) (TSN)
# therefore sees a few frames from all over the clip. It divides the clip into $s$ segments of equal length and takes a
# *snippet* at random from each: one frame, or five fields of flow. Each time it meets the clip, it sees others.

# %%
sampler, generator = study.view().sample, torch.Generator().manual_seed(seed)
samples = [sampler.train(sitting.clip, sitting.clip.num_frames, generator) for _ in range(4)]
figures.sampling(sitting.clip.num_frames, samples)

# %% [markdown]
# One and the same network $f$ scores each snippet $T_i$. The *segmental consensus* $G$ is the mean of the scores, and only
# then comes the softmax:
#
# $$G(T_1, \dots, T_s) = \frac{1}{s} \sum_{i=1}^{s} f(T_i), \qquad p = \operatorname{softmax}(G)$$

# %%
show(td.segmental_consensus, td.TSN.forward, docstring=False)

# %%
tsn = td.tsn(len(test.classes), size="tiny").eval()
clip = torch.rand(1, 3, 3, 56, 56)  # (batch, segments, channels, height, width)
tsn(clip).shape  # (batch, one network, classes)

# %% [markdown]
# **Predict** what happens to the scores if the snippets come in reverse order.

# %%
torch.allclose(tsn(clip), tsn(clip.flip(1)), atol=1e-5)

# %% [markdown]
# > A sum has no order. So no TSN can tell sitting down from standing up, however long it trains: of a reversed pair it
# > recognises about half of the clips. Remember this when you see which actions gain.
#
# The paper on TSNs also collects practices that keep a large network from memorising a small set of videos: it starts from
# ImageNet ("cross modality pre-training"), drops 80 % of the last features, crops corners in several sizes, and fixes the
# mean and variance of all batch normalisations but the first ("partial BN"). **The thesis** uses all of them on HMDB51 and
# ACT. A normalisation in `eval()` mode uses the mean and variance that it has, instead of those of the batch; nothing else
# changes:

# %%
show(td.fix_statistics, td.TSN.train, docstring=False)

# %% [markdown]
# > Our tiny networks use neither partial BN nor dropout: they have few parameters to overfit with.
#
# ## 5.3.2 · Two subnetworks (Figure 5.1)
#
# **The thesis** takes two networks of the same size. The *image subnetwork* sees single frames. The *difference subnetwork*
# never sees one. Its input is the difference of two frames, and "at the layers right before reducing the spatial resolution"
# the difference of the image subnetwork's features is added to its own activations $a^{(\ell)}$. In our notation (the thesis
# has a figure and words), with its stage $\ell$ as $g^{(\ell)}$, for the levels that are used:
#
# $$a^{(0)} = v^{(0)} = I_2 - I_1, \qquad a^{(\ell)} = g^{(\ell)}(a^{(\ell - 1)}) + v^{(\ell)}$$
#
# "By explicitly taking the difference of the features, the network is forced to focus on the motion", where a network that
# sees frames can rely on what things look like.
#
# Read two loops. The first is the image subnetwork: after each stage it takes the differences. The second is the difference
# subnetwork: after each stage it adds them. The remaining lines save memory and time.

# %%
show(td.TDN.features, td.TDN.forward, docstring=False)

# %%
features = stills.features(torch.rand(1, 3, 3, 56, 56))  # three frames
tuple(features.image.shape), tuple(features.difference.shape)

# %%
figures.wiring(reading.resolutions(study), stills.levels)

# %% [markdown]
# > The figure is drawn from the module: its stages, its levels, the sizes of what it computes. conv1 includes its
# > max-pooling, as a block of the thesis's figure does. The difference after res5 is not used: it would go directly "into
# > the final classifier without additional transformation".
#
# With $s$ frames there are $s$ image subnetworks, all the same one, and $s - 1$ difference subnetworks on neighbours. Each
# kind has a consensus of its own (Figure 5.2), and the final scores are the mean of both.

# %%
figures.consensus(features.image.shape[1], features.difference.shape[1])

# %% [markdown]
# **Predict:** what does the difference subnetwork get from a clip in which nothing moves, on each of its levels?

# %%
static = study.view().at(sitting.clip, [sitting.times[0]] * 2)  # one frame, twice
{level: motion.abs().max().item() for level, motion in stills.features(static[None]).motion.items()}

# %% [markdown]
# ## 5.3.4 · How both are trained
#
# The thesis does not write down the loss. We take a cross-entropy with the label $y$ for each consensus, and their sum:
#
# $$L = -\log \operatorname{softmax}(G^{\text{image}})_y - \log \operatorname{softmax}(G^{\text{difference}})_y$$
#
# **The thesis** trains in two phases: "We first fix the image subnetwork and only train the classifier in the image
# subnetwork and the entire difference subnetwork. After convergence, we jointly finetune both".

# %%
show(td.loss, td.freeze_image_backbone, td.train_jointly, docstring=False)

# %%
print(*(study.recipe(phase=phase) for phase in ("start", "first", "joint")), sep="\n\n")

# %% [markdown]
# > **A baseline must start where its rival starts, see what it sees, and train for as long.** The image subnetwork starts as
# > a TSN that has been trained by the recipe, for three times as many steps (in the profile `paper`, as many). That TSN itself
# > is the thesis's baseline, as far as we can tell; below it is `start`. Ours, `tsn`, is stricter: the same TSN continues
# > through both phases, with all of its layers, on the same snippets in the same order.
#
# ## 5.4.3 · With and without differences, on frames
#
# **Predict:** by how many points is the TDN ahead of a TSN that has trained for as long? And how good is each of its
# subnetworks alone?

# %%
study.measure("start.rgb", "tsn.rgb", "tdn.rgb", "subnet")

# %% [markdown]
# > Percent of the test clips, with their standard error; `subnet` is each subnetwork of the TDN alone.
#
# **Predict** two curves: that of the image subnetwork, whose backbone is frozen in the first phase, and that of the difference
# subnetwork, which at first knows only stills, and no action.

# %%
figures.learning_curves(reading.curves(study), joint=study.recipe().steps)

# %% [markdown]
# > These are a few of the test clips, so the lines are coarse. Where the TDN lies above both of its subnetworks, these are
# > right about different clips.
#
# **The thesis** gains 4.4 points on HMDB51 and 3.9 on ACT. Before you compare: a third of our classes are reversed pairs.
# **Predict:** which of the families gain from differences, and which do not? Then look at it class by class.

# %%
scores = {name: study.final_scores(name) for name in ("tsn", "tdn")}  # (N, K) each
figures.gains(scores["tsn"], scores["tdn"], test, reading.families(study))

# %%
study.measure_here("gain")
board.table("table gains", claimed=("tdn.motion_only", "tdn.actions"))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > The gain on reversed pairs was decided when we drew the classes: a network that knows the order of two frames must win
# > there, because the sign of a difference is the direction of time. The gain on classes of *motion only* is the one that
# > says something about the method. They can be told apart from unordered frames too, so a TSN is in the race.
#
# </details>
#
# **The thesis** names its five largest gains on FCVID: paper cutting, dumbbell workout, making ice cream, push-ups, making hot
# dogs (+14, +13, +10, +10 and +10 points of average precision). It observes that "all of them are actions instead of scenes or
# objects".
#
# ## Explore two frames
#
# Two sliders choose two frames of a clip. A *class activation map* (CAM) shows where a subnetwork finds evidence for the right
# class; the next section explains how it is made. The upper row has the CAM of the image subnetwork on each frame, the lower
# row that of the difference subnetwork, on the mean of both, and how much has changed on each level. Below are the
# predictions.
#
# **Predict** before you move: the same frame twice; two neighbours; the first and the last; and then these two in exchanged
# order. What changes in the prediction of the image subnetwork, what in that of the difference subnetwork?

# %%
stand_up = reading.all_pairs(study, reading.recognised(study, "stand_up"))
figures.explorer(*stand_up, classes=test.classes)

# %% [markdown]
# <details><summary>What happened</summary>
#
# > With the frames exchanged the image subnetwork predicts the same, because a mean has no order. All differences change their
# > sign (the heat shows their strength, so it stays the same). With one frame twice they are all zero: what remains is what
# > the difference subnetwork predicts from nothing.
#
# </details>
#
# **Explore**, in the lab's world, an action that a single frame gives away: which of the two subnetworks needs the second
# frame?

# %%
guitar = reading.all_pairs(study, reading.recognised(study, "guitar"))
figures.explorer(*guitar, classes=test.classes)

# %% [markdown]
# ## 5.4.5 · Where both look (Figure 5.3)
#
# A network that ends in a mean over all locations and one linear layer tells how much each location adds to the score of a
# class: apply the linear layer at each location instead of to the mean. **The thesis** enlarges this map and lays it over the
# frames: "The image subnetwork focuses more on the appearance and the background context, and the difference subnetwork
# focuses on the motions and actions."

# %%
names = ("squat", "stand_up", "open_arms", "chop", "ski")
pairs = [reading.pair(study, reading.recognised(study, name)) for name in names]
figures.activation_maps(pairs, test.classes)

# %% [markdown]
# Five clips prove nothing. The world knows which pixels have moved by themselves, and not with the camera, so both
# subnetworks can play the *pointing game*: does the strongest cell of the map lie on what moves?

# %%
rising = reading.pair(study, reading.recognised(study, "stand_up"))
figures.what_moved(rising.frames, rising.times, reading.moving(study, rising.clip, rising.times))

# %% [markdown]
# **Predict:** if the thesis is right, where should the image subnetwork point in a clip of an *appearance pair*, which a
# tool or a scene gives away?

# %%
figures.points(reading.points(study))

# %%
board.table("figure 5.3", claimed=("tdn.cam", "tdn.background"))

# %% [markdown]
# > *Chance* is how often a random cell would hit. Compare the two subnetworks on all pairs, then family by family. If the
# > image subnetwork looked at the background, it would hit less where the background tells the class than the other one
# > does there. Our puppets always stand near the middle, and the tool of an appearance pair is in the hand that moves:
# > "appearance" and "motion" can lie at the same location.
#
# ## 5.3.3 · Flow, and the fusion of both (Tables 5.1 and 5.2)
#
# The same two subnetworks can read optical flow, five fields a snippet. **The thesis** expects "more improvements from the RGB
# network as optical flow already encodes motion". For the fusion, the scores before the softmax are scaled to an $\ell_1$ norm
# of 1, and flow counts one and a half times. As a formula:
#
# $$S = \frac{S_{\text{RGB}}}{\lVert S_{\text{RGB}} \rVert_1} + 1.5 \cdot \frac{S_{\text{flow}}}{\lVert S_{\text{flow}} \rVert_1}$$

# %%
show(td.weighted_fusion, docstring=False)

# %% [markdown]
# **Predict** both fused scores by hand: 3 and -1 on frames, 0 and 5 on flow.

# %%
td.weighted_fusion(torch.tensor([[3.0, -1.0]]), torch.tensor([[0.0, 5.0]]))

# %% [markdown]
# **Predict** the sign of the TDN's gain on flow, and its size beside that on frames. (Rows that the lesson has not measured
# are records of longer runs, over several seeds: compare *live* with live, and recorded with recorded. ↻ marks records of
# other seeds, many of them older than the code; the verdicts do not count them.)

# %%
board.table("table 5.1", claimed=("tdn.rgb", "tdn.flow_marginal", "tdn.complementary"))

# %% [markdown]
# > **The thesis** gains 0.2 and 0.9 points on flow. Look at our rows TSN and TDN in the column of flow: is the sign the same?
# > In the lab's world flow is exact; if a TSN on flow is nearly always right, there is little left to gain. And half of a
# > TDN's scores come from differences of flow, which are changes of motion, and may tell less than the motion itself.
#
# Twelve actions of other puppets are used instead of ACT. They are drawn harder: the camera is restless, more stands about,
# and repetitions differ more.

# %%
print(*study.second.test.classes, sep=", ")

# %% [markdown]
# **Predict** the gain on frames: is one of these actions another one played backwards, or to the other side?

# %%
board.table("table 5.2", claimed=("tdn.second",))

# %% [markdown]
# > **The thesis** gains 3.9 points on frames. Here no action is another one reversed, and most of the gain on the first set is
# > made on those, which a TSN can hardly tell apart.
#
# ## 5.4.3.3 · Every class as a search (Table 5.3)
#
# FCVID has 91,223 videos of 167 seconds on average, some with several labels. **The thesis** stores a frame of every three
# seconds, drops the regularisation ("the dataset is already very large"), and asks for each class: if all videos are sorted by
# its score, how pure is the top of the list? That is average precision; its mean over the classes is mAP. **Predict:** which
# of the three is best, and by how much? (The thesis: 81.8 for the TSN, 83.7 for the TDN.)

# %%
# levels.res4: the TDN with all of its levels
study.measure_here("map.start", "map.tsn", "levels.res4")

# %%
board.table("table 5.3", claimed=("tdn.search",))

# %% [markdown]
# ## 5.4.4 · How many levels? (Table 5.4)
#
# **The thesis** adds one level after the other: the difference of pixels alone, then that of conv1 as well, and so on.
#
# **Predict:** is the difference of pixels not enough? The difference subnetwork is a deep network, and could compute the rest.

# %%
board.table("table 5.4", claimed=("tdn.levels", "tdn.features"))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > It could not compute *these* differences from pixels alone: the difference of two features is not the feature of the
# > difference, because a ReLU comes between them. What the image subnetwork knows about things, the difference subnetwork
# > would have to learn from differences of pixels.
#
# </details>
#
# ### Other ways to mix
#
# **The thesis** also tried a 1 x 1 convolution on the differences before they are added, and a gate that weights both, and
# "observed no significant difference in performance".

# %%
show(td.Convolved.forward, td.Gated.forward, docstring=False)

# %%
board.table("table mixing", claimed=("tdn.mixing",))

# %% [markdown]
# > How they are initialised is not said. If they start as the plain sum, one would expect a short training to stay near
# > it, and "no difference" to be nearly true by construction; so a study also starts them at random. The last row tries the
# > other reading of where the image subnetwork starts: from stills, not from a trained TSN. It lacks the first TSN's training, too, so a lower
# > number need not be due to where it starts. ("Not yet run" says that there is no record so far.)
#
# ## Recap
#
# - The difference of two frames, or of their features, is motion that nobody has to estimate.
# - A network that gets nothing else cannot rely on what things look like. The sign of a difference is the direction of time,
#   which a mean over frames does not have.
# - A gain has to be read class by class: some of it may be decided by the choice of the classes.
# - A baseline has to start where the rival starts, see what it sees, and train for as long.
# - A network that is given flow already has much of what differences tell.
#
# **Predict:** for which of its claims does the TDN need classes that only motion tells? What became of the claims on this
# data, over several seeds:

# %%
board.verdicts()

# %% [markdown]
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
viz.quiz("07")

# %% [markdown]
# ## On the real data
#
# HMDB51, and its flow:
#
# ```
# .venv/bin/python data_scripts/hmdb51.py /data/hmdb51
# .venv/bin/python data_scripts/extract_flow.py /data/hmdb51 --processes 8
# ```
#
# ACT and FCVID are handed out by their authors; [act.py](../data_scripts/act.py) and [fcvid.py](../data_scripts/fcvid.py) say where,
# check your copy in `/data/act` and `/data/fcvid`, and store FCVID's frames (`--frames`). Each row of the tables runs by
# itself, at the full size of ResNet-50, is kept, and continues after an interruption:
#
# ```
# .venv/bin/labkit study list 07 --profile paper --dataset hmdb51 --data-root /data
# .venv/bin/labkit study run 07 --rows tsn.rgb,tdn.rgb --seeds 0 --profile paper \
#     --dataset hmdb51 --data-root /data --device cuda --precision bf16 --workers 16
# .venv/bin/labkit study run 07 --rows second.* --profile paper --dataset act --data-root /data --device cuda
# .venv/bin/labkit study run 07 --rows map.*,levels.* --profile paper --dataset fcvid --data-root /data --device cuda
# ```
#
# **Try it.** Measure the TDN that gets the difference of pixels alone, `study.measure("levels.input")`, and compare it with
# `levels.res4`. Or change `seed` above: other actors, scenes and motions.
#
# **Next:** [08_attention_transfer](08_attention_transfer.ipynb), what photos teach about video.
