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
# # Back-dropout: whose gain is it?
#
# Ren et al., [*Back-dropout transfer learning for action recognition*](https://doi.org/10.1049/iet-cvi.2016.0309), IET
# Computer Vision 2018. The paper is [back_dropout.py](../labkit/papers/back_dropout.py), its experiments are
# [studies/back_dropout.py](../labkit/studies/back_dropout.py).
#
# **What you will see here**
#
# - what fine-tuning changes in a network, drawn on its weights (Figure 2);
# - how misclassified images name neurons that are to blame: one vote by hand, then all of them (Figure 3);
# - whether the method finds culprits where we have planted some;
# - whether a gain remains beside two controls that the paper does not have;
# - which layers, how many neurons, how many images (Tables 1 and 2), class by class (Figures 4 and 5).
#
# The method is one idea, quickly told. The larger part of this lesson is about a question that every new method has to
# face: compared with *what*?
#
# **To know beforehand**: convolutional networks, dropout, fine-tuning and the standard error of a mean. No optical flow.
#
# **Time** about one minute on two cores, most of it training. Numbers of sections are the paper's; we go through them
# in another order.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "ucf101"
data_root = ""  # of the real set: the folder that holds ucf101/
seed = 0
device = "cpu"  # or "cuda"
missing = "error"  # of the real set: "skip" takes the videos that are there

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from labkit import parameters

parameters.check(globals(), dataset=["world", "ucf101"], missing=["error", "skip"])
data_root = parameters.user_path(data_root)

from labkit.papers import back_dropout
from labkit.scoreboard import Scoreboard
from labkit.studies import culprits, neurons
from labkit.studies.back_dropout import BackDropout
from labkit.studies.gains import gain_in_words
from labkit.viz import quiz, show
from labkit.viz.papers import back_dropout as figures

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the study of this lesson, its clips, and its records
of_videos = {"dataset": dataset, "data_root": data_root, "missing": missing}
study = BackDropout(profile, seed=seed, device=device, **of_videos)
board = Scoreboard(study)
clips = study.clips

# %% [markdown]
# ## 1 · Transfer, and a source that misleads
#
# **The paper** starts from a network that was trained to recognise objects in photos, and fine-tunes it to recognise actions
# in frames of [UCF101](https://www.crcv.ucf.edu/research/data-sets/ucf101/) (its Figure 1). Then it looks for neurons that
# lead to mistakes, removes them, and trains again: *negative back-dropout transfer learning*, **NB-TL**.

# %%
figures.procedure()

# %% [markdown]
# Why should there be such neurons? The paper speaks of *category bias*: "the source dataset and the target dataset contain
# the same or similar categories, but with slightly different meanings". Its example is the
# [ImageNet](https://www.image-net.org) category "Horse Riding", which may mislead a network that has to tell *Horse
# Riding* from *Horse Race*.
#
# > Here the target task is eighteen actions of the lab's puppets; with `dataset="ucf101"` it is UCF101 itself, and where
# > the text speaks of puppets it means the lab's own. The source task is 24 classes of stills, things and postures of other
# > puppets. One of them is a trap on purpose: *croquet*. Its mallet looks like the tool of *hammer*, but croquet is played
# > in the forest, where puppets *chop*.
#
# Hammering and chopping, two actions of the target task:

# %%
figures.player(clips.test, study.misled)

# %% [markdown]
# And croquet, a class of the source task:

# %%
figures.source_class(study.stills, "croquet")

# %% [markdown]
# **Predict:** the network of the source task knows no hammer and no axe. Which actions will it take for croquet?

# %%
figures.taken_for(neurons.taken_for(study, "croquet"), "croquet")

# %% [markdown]
# > Look at *chop* and *hammer*: are axes in the forest taken for croquet more often than hammers in the workshop? Then the
# > scene weighs more than the tool. Whether such a bias survives fine-tuning we ask at the end; the answer will be less than
# > you hope.
#
# ### 3.2, 3.3 · What the equations say
#
# Equations (1) to (5) of the paper define a risk of giving an image to a class, and add a regulariser
# $\Omega(\theta^{(nb)})$ that is "replicated with negative back-dropout". (6) to (9) are the forward pass of any network:
# the output of a layer is $g(Wy + b)$ of the layer before. **None of them says which neurons are dropped.** The algorithm
# stands in sentences of sections 3.3, 4.3 and 4.4.
#
# ## 4.1, 4.2 · The clips, and fine-tuning (Figure 2)
#
# Of the training clips "we use 90% to learn the fine-tuned model, and use 10% to create penalty set".

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# how many clips and groups each part has
{
    part: f"{len(subset)} clips of {len(subset.groups.unique())} groups"
    for part, subset in clips._asdict().items()
}

# %% [markdown]
# > A group is one actor and, for each action, one scene; no group is in the training and in the test part. The paper seems to
# > hold out a tenth of all *frames*. A network that has seen a frame in training has memorised its neighbours, so we hold out
# > whole clips.
#
# The network is CNN-M-2048, which lesson [02](02_two_stream.ipynb) reads line by line; unless the profile is `paper`, it is
# the same class with smaller layers. Its convolutions are followed by two hidden fully connected layers, **fc6** and **fc7**,
# and the classifier, which reads fc7. **The paper** trains it on single frames: the first layers slowly (a learning rate of
# 0.001, "decreased" from 0.01), the last two "boosted".

# %%
print(study.recipe())
study.measure("fine_tuned")

# %% [markdown]
# > Percent of test clips, with the standard error. (The paper: 66.47 on UCF101.) By how much the last two layers are
# > boosted the paper does not say, nor for how many steps it trains. Here fc7 and the new classifier get the original 0.01.
#
# **Predict:** which layers has fine-tuning changed most? **The paper** draws it with *dark* neurons where "weights will be
# changed". Here it is measured: each dot stands for a tenth of the neurons (or filters) of a layer, the largest change on top;
# the *brighter* it is, the further their incoming weights have moved, relative to their length.

# %%
figures.changes(neurons.changes(study))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Mostly you see the learning rates: fc7 had ten times the rate of the layers before it. (So had the classifier, which is new
# > and has nothing to compare with.)
#
# </details>
#
# ## 4.4 · The penalty set
#
# **The paper:** "We classify each image in the validation set [...] and then treat the image as a penalty image if it is
# misclassified."

# %%
show(back_dropout.penalty_set, docstring=False)

# %%
penalty, tuned = study.penalty, study.fine_tuned()
print(
    f"{len(penalty)} wrong images, from {penalty.num_clips} of {len(clips.held_out)} held-out clips"
)
figures.mistakes(*neurons.examples(study))

# %% [markdown]
# ## 3.3 · Negative back-dropout (Figure 3)
#
# **The paper**, in four sentences: "we search for the neurons with high-value weights for the penalty set"; "Neurons with
# large absolute weights are considered as negative contributing neurons"; "one penalty image can only determine one neuron
# to punish"; "weights are ordered in descending order, and the first 10% neurons in the last two fully connected layers
# are dropped". As an algorithm, as we read it:
#
# ```text
# repeat until 10 % of both layers are chosen:
#     of all weights from a neuron of fc7 to the wrong class of an image, take the largest |w|
#         (of images that have not voted, and neurons that are not chosen)  -> a neuron of fc7
#     of all weights from a neuron of fc6 to that neuron, take the largest |w|
#         (of neurons that are not chosen)                                   -> a neuron of fc6
# set all weights of the chosen neurons to zero, and train again
# ```
#
# > The text leaves gaps, and the answers decide what the method is. *The last FC layer* is fc7 here: to drop units of the
# > classifier would be to drop classes. "All the neurons connected to the dropped neurons in the preceding layers" would be
# > the whole of fc6; we take the one with the largest weight. [The file](../labkit/papers/back_dropout.py) lists all of
# > our choices, and what else the sentences could mean.
#
# ### One vote by hand
#
# The image that votes first, its class, and the wrong class that the network predicted:

# %%
# we read `walk_back` below; here: who votes first?
votes = back_dropout.walk_back(tuned, penalty, max_votes=100)
image = int(votes.images[0])
own, wrong = int(penalty.labels[image]), int(penalty.predicted[image])
its_class, predicted = clips.test.classes[own], clips.test.classes[wrong]
figures.mistakes(neurons.penalty_images(study, [image]), [its_class], [predicted])

# %% [markdown]
# The classifier has a weight from each neuron of fc7 to this wrong class. The three largest by absolute value, and the
# numbers of their neurons:

# %%
to_wrong = tuned.classifier.weight[wrong].detach()
to_wrong.abs().topk(3)

# %% [markdown]
# The first index is the neuron of fc7 that the image votes out. That neuron has a weight from each neuron of fc6:

# %%
to_neuron = tuned.fc7.weight[to_wrong.abs().argmax()].detach()
to_neuron.abs().topk(3)

# %% [markdown]
# And the first index here is the neuron of fc6. Both are gone now. **Predict:** suppose that other images were taken for the
# same class. Which neurons of fc7 do they name? And does it matter what these images show?

# %%
same_class = penalty.predicted[votes.images] == wrong
neurons_of_fc7, their_weights = votes.fc7[same_class], votes.link7[same_class]
{"neurons of fc7": neurons_of_fc7.tolist(), "their weights": their_weights.tolist()}

# %% [markdown]
# <details><summary>What happened</summary>
#
# > They walk down the same list, and leave out what other classes have named before. |w| does not look at the image: which
# > neurons go depends on the wrong classes alone. It does not look at the sign either. A neuron with a *negative* weight
# > speaks against the wrong class; it was right, and is dropped all the same.
#
# </details>
#
# Therefore we also try what a neuron *contributes* in this image, $|w a|$, its weight times its activation $a$. The whole
# algorithm, and how neurons are dropped:

# %%
show(back_dropout.walk_back, back_dropout.drop, docstring=False)

# %%
units = study.units()
width = {layer: getattr(tuned, layer).out_features for layer in units}
{layer: f"{len(chosen)} of {width[layer]} neurons" for layer, chosen in units.items()}

# %% [markdown]
# > *Dropped* means removed: the gradient of a neuron without weights is zero, so it stays out while the others learn again.
# > The paper's "dropout strategy", "for each sample", may also mean that a neuron pauses while this one sample is learned.
#
# **Predict:** will the accuracy on the test clips rise as the culprits go, before anything is learned again, or fall? And
# which curve will be lowest?
#
# **Explore.** Drag the slider: on the left the image that votes, on the right what it was taken for, and dotted the way back.
# Crosses are neurons that are gone. The curves are the accuracies.

# %%
figures.votes(**neurons.voting(study), classes=clips.test.classes)

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Neurons with large weights are neurons that the network makes much use of, for right answers as for wrong ones. Whether
# > those that go were culprits or merely busy, the curve of the random ones tells: if dropping by weight costs *less* than
# > dropping at random, the votes have found culprits; if it costs *more*, they have found neurons that the network needs.
#
# </details>
#
# ## Ours · Does it find culprits where there are some?
#
# Before you judge a method by a task where it may have nothing to find, try it where you *know* what there is to find: a
# **positive control**. We take the network of the source task and plant culprits: a tenth of its fc7 neurons, at random, get
# a large weight to a class at random. Half of the stills give the penalty set, which votes out a tenth of fc7; the other
# half measures accuracy. Nothing is trained.

# %%
show(culprits.plant, docstring=False)

# %% [markdown]
# **Predict** for culprits of growing strength: the accuracy with all neurons; after the vote, by weight or by contribution;
# after a tenth was dropped at random; and after exactly the culprits were dropped.

# %%
figures.planted({strength: study.culprits(strength).accuracy for strength in (0, 4, 8, 12, 16)})

# %%
{name: f"{percent:.0f} % of the culprits" for name, percent in study.culprits().found.items()}

# %% [markdown]
# > Where single large weights do harm, the method finds far more of them than a random choice does, and repairs much of the
# > damage without any training. So the code works, and our measure would show it. (It cannot find all: a culprit is named
# > only if images are taken for its class.) What remains is whether fine-tuned networks *have* such culprits.
#
# ## Learning again, and what to compare with
#
# **The paper** compares its result, 88.2 % (on the first split, it seems; 88.9 is the mean of three, Table 3), with the
# fine-tuned network that it started from, 66.5 %.
#
# > That network has seen fewer batches. So we also continue with a copy in which nothing is dropped (`further`), and with one
# > that loses as many neurons at `random`. All learn from the same clips in the same order, for as many steps at the same
# > rates, from the same weights; the dropout of CNN-M stays on in all of them.
#
# **Predict** the order: fine-tuned; fine-tuned further; NB-TL (`size.full` of Table 2, the same as `drop.both_10` of Table 1);
# random neurons; neurons by contribution.

# %%
study.measure("fine_tuned", "control.further", "nb_tl", "control.random", "control.contribution")

# %% [markdown]
# > Whatever the order is, do not explain it yet. First see how much of it chance could have done.
#
# ### Whose gain is it?
#
# The gain of NB-TL is a sum of three: what learning for longer brings to any network; what it brings to have *some*
# neurons fewer; and what it brings that the penalty set has chosen *these*. Only the third belongs to the method.
#
# > Each comes with an interval. The same test clips are compared before and after, and clips of one group count as one sample,
# > because they tend to be right or wrong together. A gain smaller than twice its standard error cannot be told from no gain
# > by these clips. Other batches and another dropout would be further chances, of which a single run knows nothing.

# %%
gains = neurons.gains(study)
figures.gains(gains)

# %%
for part, gain in gains.items():
    print(f"{part:20} {gain_in_words(*gain)}")

# %% [markdown]
# > One run on one world decides little; the verdicts at the end have several. But the form of the argument is the same
# > whatever the numbers: a gain over a baseline that had less time is not a gain of the method, and a method that chooses
# > has to beat a random choice.
# >
# > What might explain the paper's 22 points? It has no control. Its baseline is low: Simonyan & Zisserman (lesson 02, Table
# > 1a) fine-tune the same network to 72.8 %, with a dropout of 0.9. (Section 4.5 says that it "is adapting in the last layer";
# > we measure that one as well, `control.last_layer`.) And if single frames are held out, their neighbours have been
# > memorised: then the penalty set is not a fair sample.
#
# ## 4.3 · Which layers, how many neurons (Table 1)
#
# **The paper** finds the last two layers together best, the last one better than the second-last, and 10 % better than 20 %.
# All of its differences are below three points. (It used 260 penalty clips for this table, and has 69.2 % where Table 2, with
# 2,648, has 88.2; ours has all there are.) A lesson trains one of the six rows; the others are records of studies.

# %%
board.table("table 1", claimed=("nb.last_two", "nb.ratio"))

# %% [markdown]
# ## 4.4 · How large a penalty set (Table 2)
#
# **The paper** takes a third, two thirds or all of its penalty clips, and drops 10 % of the last two layers each time:
# 72.2, 79.9, 88.2 %.
#
# **Predict** from the vote by hand: of the neurons that all penalty clips name, how many do two thirds of them name?

# %%
{"two thirds": neurons.overlap(study, 2 / 3), "a third": neurons.overlap(study, 1 / 3)}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# table 2, with the number of penalty clips of this run
board.table(
    "table 2",
    claimed=("nb.size", "nb.learned", "nb.vs_finetune", "nb.vs_further", "nb.vs_random"),
    computed={"NB-TL, all penalty clips": [penalty.num_clips, board.live["size.full"]]},
)

# %% [markdown]
# > As soon as there are enough images of each wrong class, a larger set names the same neurons: compare the two percentages
# > above. In our studies, whose penalty sets are larger, two thirds name nearly all of them: only a wrong class of few images
# > names fewer. Nearly the same neurons give nearly the same network, so our reading of the method leaves `nb.size` little
# > room, and in this reading the paper's 16 points cannot come from which neurons are dropped.
# >
# > Perhaps its penalty images are *learned*, with their right labels: it speaks of "the size of penalty set to re-train the
# > model". Then a larger set means more data. The study has this reading too (rows `learned.third`, `learned.two_thirds`,
# > `learned.full`), with the control that belongs to it: the same images learned, and nothing dropped (`learned.further`).
#
# ## 4.5 · Class by class (Figures 4 and 5)
#
# **The paper** finds "the same tendency" for most classes, with NB-TL higher on average.
#
# **Predict:** will the two profiles be alike? And those of two networks that have nothing to do with NB-TL, say fine-tuned
# and fine-tuned further?

# %%
by_network = {name: of for name, of in study.profiles().items() if name in ("fine-tuned", "NB-TL")}
figures.profiles(by_network, "precision", clips.test.classes)

# %%
figures.profiles(by_network, "recall", clips.test.classes)

# %%
study.measure("profile")

# %% [markdown]
# > Correlations over the classes, times 100: the first pair compares NB-TL with the fine-tuned network, the pair that ends in
# > `_further` compares the network that was fine-tuned further. If both are equally high, NB-TL has nothing to do with it:
# > what networks share without a penalty set is due to the task, with its easy and its hard classes, and to their common
# > start. (A class without a bar in Figure 4 is never predicted.)
#
# ## 1 · The trap: is the bias gone?
#
# The method is meant to remove what the source task has brought along wrongly. Back to hammering and chopping: we take many
# more clips of the two, of actors in scenes that no other set has. **Predict:** a hammer misleads only where it is swung in
# the forest. How many of the clips with a hammer are set there?

# %%
figures.scenes(study.trap)

# %%
figures.confusions(study.confusions())

# %% [markdown]
# <details><summary>What happened</summary>
#
# > In the lab's world hardly any hammer is in the forest, so the trap catches nothing. Eight hammers of ten are in the
# > workshop, the others are spread over nine scenes: on average one in forty-five is in the forest, with some seeds none.
# > Where nothing misleads, nothing can be repaired. So these bars say nothing about the method.
#
# </details>
#
# > Two questions to put to any such bars: is there a bias at all after fine-tuning? And if NB-TL has less of it, do the
# > controls as well? (**The paper** names a confusion too, drumming taken for hammering, and compares with another network.)
#
# ### A deeper trap
#
# So let us help the bias as far as we can. A second source task knows the very actions of the target task, but has seen each
# of them where its *look-alike* is at home: hammering in the forest, for one.

# %%
figures.source_class(study.misleading(), "hammer")

# %% [markdown]
# Only the last layer learns on top of it, from four clips of each of the six actions that have a home. They are filmed
# anywhere, so nothing in them says that the source was wrong; at the test everybody is at home. The control is a source task
# that was filmed anywhere, too. **Predict:** how many clips does the bias cost? Are they taken for the look-alike? Does
# NB-TL give them back, or do as many neurons dropped at random, or neither?

# %%
board.condition("bias", start=-1)

# %% [markdown]
# > Slide to the left, and watch two things apart: how many clips are right, and how many are taken for the look-alike. A bias
# > need not show as the one confusion that its maker had in mind. (From a study of the lab's world; `labkit study` ran it.)
#
# ## 4.6 · Beside others (Table 3)

# %%
board.table("table 3")

# %% [markdown]
# > The mean of three splits, each with a penalty set of its own. The column is headed mAP in the paper; text and sources speak
# > of accuracy, and so do we. Some of the lab's actions cannot be told from a single frame, so compare its numbers with each
# > other, not with those of UCF101.
#
# ## Recap
#
# - Mistakes can be charged to neurons, by weights or by contributions. Weights alone know the wrong class, not the image.
# - A positive control shows that a method *can* work, and that you would notice.
# - What it costs to drop neurons, and what remains of that once the network has learned again, are two different numbers.
# - A gain is worth what it is compared with: give the baseline the same time, and let the choice beat a random one.
# - A point on a few hundred clips is not a finding. Say how much chance alone can do.
#
# **Predict:** is any gain left once dropping at random and training for as long stand beside it? What this run says, and
# what became of the claims over several seeds:

# %%
print(f"NB-TL against the fine-tuned network: {gain_in_words(*gains['all together'])}.")
print(f"What remains for the choice of the penalty set: {gain_in_words(*gains['these neurons'])}.")

# %%
board.verdicts()

# %% [markdown]
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
quiz("09")

# %% [markdown]
# ## On the real data
#
# `.venv/bin/python data_scripts/ucf101.py /data/ucf101` fetches UCF101; no flow is needed. The network starts from ImageNet
# weights of a CNN-M-2048, which nobody ships for [PyTorch](https://pytorch.org): put yours at
# `/data/cnn_m_imagenet.safetensors`, with the names of `labkit.backbones.cnn_m`. Mind the input: the lab's frames are RGB, of
# zero mean and unit variance; Caffe's CNN-M expects BGR from 0 to 255, minus a mean. So reverse the three input channels of
# its conv1, and multiply these weights by 58, the standard deviation in levels. Then each row of the tables runs by
# itself, on any of the three splits, is kept, and continues after an interruption:
#
# ```
# .venv/bin/labkit study list 09 --profile paper --dataset ucf101 --data-root /data
# .venv/bin/labkit study run 09 --rows nb_tl,control.further,control.random --seeds 0 --profile paper \
#     --dataset ucf101 --data-root /data --device cuda --precision bf16 --workers 16
# ```
#
# Rows that drop the same neurons share one training. There the trap is *HorseRiding*, taken for *HorseRace*.
#
# **Try it.** Change `seed` above: other actors, scenes and motions, and another training of the source network. Or let the
# penalty images be learned as well, `study.measure("learned.full", "learned.further")`. How much of the first one's gain is due to the neurons it has lost?
#
# **Next:** [10_scoreboard](10_scoreboard.ipynb), all claims of all papers.
