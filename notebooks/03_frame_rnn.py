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
# # CNN features of single frames, read in order
#
# Giel & Diaz, *Recurrent neural networks and transfer learning for action recognition*, a report of Stanford's course
# [CS231n](https://cs231n.stanford.edu), 2015. The paper is [frame_rnn.py](../labkit/papers/frame_rnn.py), its
# experiments are [studies/frame_rnn.py](../labkit/studies/frame_rnn.py).
#
# **What you will see here**
#
# - how a clip becomes ten short vectors, and how little space these take (the storage table);
# - what the frozen network responds to (Figure 3), and what its features know before anything is trained (Figure 7);
# - four models that read ten vectors, from their equations to their results, and the gates of an LSTM at work;
# - when recurrence pays: reverse a clip with a button and watch which predictions change;
# - what the paper gave up, and what it names as next.
#
# **To know beforehand**: what a convolutional network and a softmax are, and PyTorch's `nn.Module`. Recurrent networks are
# introduced here.
#
# **Time** about one and a half minutes on two cores, most of it for nine short trainings.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # or "ucf101"
data_root = ""  # of the real set: the folder that holds ucf101/
seed = 0
network = "alexnet"  # or "lite0": a network that has seen ImageNet; at first a minute or two more
device = "cpu"  # or "cuda"
missing = "error"  # of the real set: "skip" takes the videos that are there

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# imports, and a check of the parameters
from labkit import parameters

choices = {"network": ["alexnet", "lite0"], "missing": ["error", "skip"]}
parameters.check(globals(), dataset=["world", "ucf101"], **choices)
data_root = parameters.user_path(data_root)

import torch
from torch import nn

from labkit import viz
from labkit.backbones.codes import storage_table
from labkit.papers import frame_rnn
from labkit.scoreboard import Scoreboard
from labkit.studies import code_reading
from labkit.studies.code_metrics import influence_of_first_frame
from labkit.studies.frame_rnn import FrameRNN
from labkit.viz import show
from labkit.viz.papers import frame_rnn as figures

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the study of this lesson, its clips, and its records
of_videos = {"dataset": dataset, "data_root": data_root, "missing": missing}
study = FrameRNN(profile, network=network, seed=seed, device=device, **of_videos)
board = Scoreboard(study)
clips = study.clips

# %% [markdown]
# ## 1 · The clips
#
# **The paper** uses [UCF101](https://www.crcv.ucf.edu/research/data-sets/ucf101/), which its Figure 1 shows. Here the
# clips are from the lab's own world: eighteen actions of puppets, two seconds each, in three families of six.
#
# - *Appearance pairs*, such as hammer and chop: the same motion, with other tools in other scenes.
# - *Motion only*, such as wave, clap and jump: the same actors and scenes, and nothing in their hands.
# - *Reversed pairs*, such as sit down and stand up: the same postures in the opposite order.
#
# > The families differ in what a single frame reveals. Keep them in mind: the results depend on it. With
# > `dataset="ucf101"` the clips are the paper's own; where the text speaks of puppets it means the lab's.

# %%
viz.class_sheet(clips.test, title="Figure 1, on our data: one frame of each action")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# how many clips and groups each part has
{
    part: f"{len(subset)} clips of {len(subset.groups.unique())} groups"
    for part, subset in clips._asdict().items()
}

# %% [markdown]
# A group is one actor and, for each action, one scene. The official split keeps groups whole. So do we when we hold out a
# quarter of each class's training clips for validation.
#
# ### Ten frames
#
# **The paper** could not store whole videos: "We sampled 10 frames evenly distributed over the first 2 seconds of each
# video".

# %%
show(frame_rnn.sample_frames, docstring=False)

# %%
shown = clips.test.subset(clips.test.examples(["sit_down", "stand_up", "hammer", "wave"]))
sit, stand, hammer, wave = (clip.frames(frame_rnn.sample_frames(clip)) for clip in shown)
names = [shown.classes[label] for label in shown.labels.tolist()]
sit.shape

# %% [markdown]
# **Predict** what happens in the first row below, and what in the second. The answer stands under the figure.

# %%
figures.ten_frames(sit, stand)

# %%
names[:2]

# %% [markdown]
# > Between sitting down and standing up, only the order of the frames differs. **Explore** the second row in motion, at
# > five frames a second, beside a clip that a single frame gives away (in the lab's world).

# %%
figures.player({names[2]: hammer, names[1]: stand})

# %% [markdown]
# ## 2 · Codes: the features of a frozen network
#
# **The paper** has too little data to train a large network "from scratch". It takes CaffeNet, an
# [AlexNet](https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks) trained on
# [ImageNet](https://www.image-net.org), and never changes it. The output of a late layer is called the *code* of a
# frame.

# %%
figures.pipeline()

# %% [markdown]
# > Our clips are 64 pixels wide. So unless the profile is `paper`, a small CNN-M is used instead of AlexNet. It was
# > trained on stills of the lab's world, 24 classes of things and postures, and never on an action. With
# > `network = "lite0"` the codes come from EfficientNet-Lite0 instead
# > ([efficientnet_lite.py](../labkit/backbones/efficientnet_lite.py)): the mean of each of its 1,280 last feature maps.
# > Like the paper's network it has seen a million photos of ImageNet, and no puppet; but it is ten years younger, smaller
# > and better, so it is not the paper's.
#
# What does the first layer respond to? **The paper** shows "a subset of CaffeNet learned filters" in its Figure 3: edges
# and colours, general enough for another task. Each image below is one filter of our network, its weights as red, green
# and blue, those of the largest norm first.

# %%
figures.filters(study.coder.network)

# %% [markdown]
# > Bars, edges and pairs of colours are there, and more noise than in the paper's figure: a few classes of small stills
# > teach less than a million photos.
#
# **The paper** takes "the second to last fully connected layer (FC7)", 4096 values for each frame. Our small network has
# 512. Before or after the ReLU, the paper does not say; here after it, so that no value is negative.

# %%
code = study.coder(sit)
tuple(code.shape), code.min().item(), code.max().item()

# %% [markdown]
# As the network never changes, each frame has to pass it only once. **Predict** how many times smaller ten codes are
# than the video: for the paper's videos of 300 frames of 320 x 240 pixels, and for our small clips.

# %%
codes = study.codes()
for stage in storage_table(clips.test[0], codes.test.indices[0], codes.test.codes[0]):
    print(f"{stage.name:17}", " x ".join(map(str, stage.dimensions)), f"= {stage.bytes:,} bytes")

# %%
study.measure("storage")
board.table("table storage")

# %% [markdown]
# <details><summary>What happened</summary>
#
# > The paper's codes are 1700 times smaller than its videos. Our clips are small already, so that less is gained. What
# > matters remains: everything below trains on these few megabytes, in seconds.
#
# </details>
#
# ### What codes know before anything is trained
#
# **The paper** averages the ten codes of each clip and projects the clips of ten random classes onto a plane by PCA
# (Figure 7). They are "somewhat clustered showing the average CNN representation has strong classification power".
#
# **Predict** which of our classes form clusters of their own, and which lie on top of each other.

# %%
figures.mean_codes(*code_reading.plane_of_mean_codes(study))

# %% [markdown]
# A plane shows little of so many dimensions. So we count in all of them, for all classes: for how many clips is the
# nearest other clip of the same class, in percent? And how many would it be with shuffled labels?

# %%
study.measure("cluster")

# %% [markdown]
# > Far above chance level, and far from clean. Two classes that are each other reversed must overlap: the mean of ten
# > codes does not know which came first.
#
# ## 3 · Four models
#
# All of them read the same ten codes $x_1, \dots, x_{10}$. For the shape checks we build them untrained.

# %%
models = frame_rnn.frame_rnn_models(len(clips.test.classes), code.shape[1], size=study.size)
x = codes.test.codes[:3]
tuple(x.shape)

# %% [markdown]
# ### Average
#
# **The paper:** "a simple model which took the CNN codes of all 10 frames, averaged them, and fed them to a 2-layer fully
# connected neural network, utilizing the ReLU activation function and dropout".

# %%
show(frame_rnn.Average, docstring=False)

# %%
models.average(x).shape

# %% [markdown]
# **Predict** by how much the answers of Average change if the frames come in reverse order.

# %%
(models.average.eval()(x) - models.average(x.flip(1))).abs().max().item()

# %% [markdown]
# > At most by rounding errors. Whatever it learns, Average cannot know which frame came first.
#
# ### RNN
#
# **The paper:** the hidden layer sees a code *and its own past*, with a ReLU as activation $a$. An output follows from
# it. (Time can run in either direction; you will see below what for.)
#
# $$h_t = a(W_{ih} x_t + W_{hh} h_{t-1} + b_h), \qquad y_t = W_{ho} h_t + b_o$$

# %%
show(frame_rnn.ReLURecurrence, frame_rnn.Direction, docstring=False)

# %% [markdown]
# A softmax $g$ makes class probabilities of *every* output, and the prediction is the class with the largest mean:
#
# $$p = \operatorname{argmax}_i \frac{1}{T} \sum_{t=1}^T g(W_s y_t + b_s)_i$$
#
# **The paper:** "Thus we weight each timestep's class prediction equally, as opposed to alternatives such as only taking
# the last frame's prediction."

# %%
show(frame_rnn.average_probabilities, frame_rnn.RecurrentClassifier, docstring=False)

# %%
models.rnn.steps(x).shape, models.rnn(x).shape

# %%
figures.unrolled("ReLU")

# %% [markdown]
# ### How to initialise a recurrence
#
# > The paper does not say how its layers are initialised. For a ReLU recurrence this matters: at each step the state is
# > multiplied by $W_{hh}$ and cut off at zero. If that makes it smaller, the first frame is forgotten before the last one
# > comes; if it makes it larger, ten steps make it huge, and its gradients as well.
#
# **Predict** how much the first frame still matters to the state after ten steps, if $W_{hh}$ is the identity, a
# rotation (orthogonal), or has small or large random values.

# %%
torch.manual_seed(seed)
inits = {
    "identity": nn.init.eye_,
    "orthogonal": nn.init.orthogonal_,
    "random, std 0.1": lambda weight: nn.init.normal_(weight, std=0.1),
    "random, std 0.3": lambda weight: nn.init.normal_(weight, std=0.3),
}
examples = codes.train.codes[:64]
figures.influence({name: influence_of_first_frame(examples, init) for name, init in inits.items()})

# %% [markdown]
# <details><summary>What happened</summary>
#
# > With the identity the layer adds up its inputs: hardly anything fades, and nothing explodes. So we initialise it this
# > way ([Le et al. 2015](https://arxiv.org/abs/1504.00941)). As training may leave that state, gradients are clipped to a
# > norm of 5.
#
# </details>
#
# ### LSTM
#
# **The paper:** "exactly the same as the RNN model, but replacing the 'vanilla' RNN with a Long Short-Term Memory Layer".
# Its "input gate, forget gate, and output gate" regulate what flows through a cell. The paper points to
# [Graves](https://arxiv.org/abs/1308.0850), whose equations (7) to (11) are, without peepholes:
#
# $$i_t = \sigma(W_{xi} x_t + W_{hi} h_{t-1} + b_i), \quad f_t = \sigma(W_{xf} x_t + W_{hf} h_{t-1} + b_f), \quad
# o_t = \sigma(W_{xo} x_t + W_{ho} h_{t-1} + b_o)$$
#
# $$c_t = f_t c_{t-1} + i_t \tanh(W_{xc} x_t + W_{hc} h_{t-1} + b_c), \qquad h_t = o_t \tanh(c_t)$$

# %%
figures.lstm_cell()

# %%
show(frame_rnn.LSTMRecurrence, docstring=False)

# %%
layer = models.lstm.directions[0].layers[0]
# the equations are what PyTorch's layer computes
torch.testing.assert_close(layer.gates(x).state, layer(x))
layer.gates(x).forget.shape

# %% [markdown]
# > Read the equation of $c_t$ again. Where the forget gate is 1 and the input gate 0, a cell keeps its content for as long
# > as it takes. (In Graves, and probably in the paper, the gates also see the cells, through peepholes; PyTorch's layer
# > has none.)
#
# ### Bidirectional RNN
#
# **The paper** adds a layer that "ran the sequence back in time", $h^b_t = a(W^b_{ih} x_t + W^b_{hh} h^b_{t+1} + b_h)$.
# The output "was simply the sum" $y_t = y^f_t + y^b_t$.

# %%
figures.unrolled("ReLU", both_directions=True)

# %% [markdown]
# You have read its code already: it is a `RecurrentClassifier` of two `Direction`s. How large are all these models?

# %% jupyter={"source_hidden": true} tags=["hide-input"]
# the parameters of each model, counted
{
    name: f"{sum(p.numel() for p in model.parameters()):,} parameters"
    for name, model in models._asdict().items()
}

# %% [markdown]
# > The models are not equally large: the LSTM layer has four times as many parameters as the ReLU layer, and the
# > bidirectional RNN has two of these.
#
# ## 4 · Results
#
# **The paper** chose its settings on validation clips. So does a study of ours, among two learning rates with and without
# weight decay, and then it trains three times. A lesson takes one setting and trains once.

# %%
print(study.recipe())

# %% [markdown]
# **Predict:** the paper's classes are mostly told by a single frame, only a third of ours are. Will the recurrent models
# gain more here, or less? Which of the three will be best?

# %%
study.measure("average", "rnn", "lstm", "birnn")
board.table("table results", claimed=("rnn.recurrent", "rnn.lstm_worst", "rnn.birnn"))

# %% [markdown]
# > On UCF101 all four lie within five points, and in the paper's own test column the RNN is *below* Average. How far apart
# > are they here? Two thirds of our classes need motion to be told apart, and a third differs in nothing but order.
#
# **Predict:** a forward model has seen one frame at its first step and ten at its last. What does it cost to weight both
# equally? And does the number of a step mean anything to the bidirectional model?

# %%
figures.one_step_alone(code_reading.at_each_step(study))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > It costs little: a step with little evidence spreads its probability over many classes and moves the mean little. The
# > bidirectional model knows the whole clip at every step.
#
# </details>
#
# ### Overfitting, and a model that was given up
#
# **The paper** found that the best settings "massively overfit to our training set, often with training accuracies >95%".
# It also attempted "a one dimensional convolution on the collection of CNN codes", which was "extremely unstable
# in training with validation accuracy fluctuating drastically regardless of parameters". **Predict** how such a curve looks.

# %%
show(frame_rnn.CodeConvolution, docstring=False)

# %%
study.measure("conv1d", "conv1d.spread", "rnn.spread", "rnn.train")

# %%
figures.learning_curves({title: study.curve(model) for model, title in code_reading.TITLES.items()})

# %%
figures.accuracies(code_reading.by_part(study), title="Clips that were trained on, and others")

# %% [markdown]
# > The models overfit here as well: they memorise most of their training clips, and classify fewer others correctly.
# > The convolution is another matter. Its curve is calm (`spread` is the standard deviation of its second half, in points),
# > and it is among the best. The paper tells too little of it to say what went wrong there.
#
# ## 5 · When does recurrence pay?
#
# **The paper** explains its small gain by its data: "Looking at a single frame of the video between very different
# classes is sufficient". It expects more where "the CNN representation of a single frame is more similar between
# classes". Our families let us ask. For the reversed pairs the question is: given the right pair, which of the two is it?
#
# **Predict** what Average must get there.

# %%
figures.accuracies(code_reading.by_family(study), title="What each model is good at")

# %% [markdown]
# > Average can only guess, about half. (Where it is off, a posture at the start of a clip is held longer than the one at
# > its end, and the mean sees that much.) The recurrent models are nearly always right.
#
# Now the opposite: what if one frame *were* enough? We train and test all four on the six appearance classes alone, which
# is how the paper describes UCF101, with the same recipe. **Predict** whether the differences between the models grow.

# %%
all_and_six = code_reading.all_classes_and_six(study)
figures.accuracies(all_and_six, title="With and without classes that need motion or order")

# %%
board.table("table appearance")

# %% [markdown]
# > Without them no model is far ahead of Average, as in the paper's table. Whether recurrence pays is a question about the
# > data. (A single run on few test clips ranks none of these models; several seeds of a study may.)
#
# ### Slide the condition
#
# The condition is the fraction of classes that differ from another one in nothing but order. A study takes twelve classes
# each time: with none, one or two of the reversed pairs, the others from the two other families in equal numbers.
#
# **Predict** which model is best and which is worst at 0 %, then move the slider.

# %%
board.condition("order")

# %% [markdown]
# > Bars are means, dots are worlds of their own. Every reversed pair costs Average half of its answers there; compare what
# > it costs the others. UCF101 is at the left end of this slider, if the paper is right about it. Two of the bars read codes
# > of a network that knows *things* and no postures: what is not in the codes, no recurrence finds there.
#
# ### Codes of a network that has seen ImageNet
#
# **Predict** whether a better network makes recurrence superfluous. The next rows come from records. (Where they are "not yet
# run", `study.measure("lite0.average", "lite0.rnn")` measures two of them here; it takes minutes.)

# %%
board.table("table lite0")

# %% [markdown]
# ### Reverse a clip
#
# **Explore.** Each column below is a step: the frame that the models get, and what they predict after it; at the right
# the mean of all steps, the answer. The buttons bring the same ten frames in another order, and the models are not told.
# Before you choose *backwards*, **predict** what a model should answer that has understood the clip.

# %%
asked = code_reading.recognised(study, names[1])
in_orders = code_reading.read_in_orders(study, asked)
figures.step_by_step(in_orders, clips.test.classes, shown=(names[1], names[0]))

# %% [markdown]
# <details><summary>What happened</summary>
#
# > Run backwards, standing up *is* sitting down. Average does not change at all. Look at step 1 of the forward models,
# > too: a model that knows that this frame is the *first* knows that somebody who sits there is about to stand up. One
# > frame, ten times, is no action, but the models must name one: nothing in their training tells them to doubt.
#
# </details>
#
# How does the LSTM remember the order? We look for the cells whose contents at the last step differ most between all test
# clips of the two classes, and watch these cells, and the gates of the first of them, while the LSTM reads this clip and one
# of the partner class. **Predict** which gates must be open for a cell to remember the first posture.

# %%
cells = code_reading.telling_cells(study, names[1], names[0])
figures.lstm_at_work(*code_reading.lstm_at_work(study, asked, cells), name=names[1])

# %%
partner = code_reading.recognised(study, names[0])
figures.lstm_at_work(*code_reading.lstm_at_work(study, partner, cells), name=names[0])

# %% [markdown]
# > The rows are the same cells in both figures, and the forget gate keeps what was let in. A row that is orange at the end of
# > the one clip and blue at the end of the other has remembered in which order the postures came.
#
# The same for all test clips. If a clip of a reversed pair runs backwards, the correct answer is its partner's name.

# %%
reordered = code_reading.in_other_orders(study)
axis = "classes, order of the frames"
figures.accuracies(reordered, title="What remains when the order changes", x_title=axis)

# %% [markdown]
# > On the appearance pairs no order does much harm. A reversed pair that runs backwards is about as easy as any other clip
# > for the recurrent models; shuffled, it costs them many of their answers. Average gives the same answer each time.
#
# ## 6 · What the paper names as next
#
# Under "Future Work" the paper lists augmentation, fine-tuning of the CNN, codes of other layers and optical flow "as a
# dual stream model"; elsewhere bidirectional LSTMs and two layers.

# %%
show(frame_rnn.FineTuned, frame_rnn.DualStream, frame_rnn.flow_image, docstring=False)

# %%
figures.both_streams(code_reading.both_streams(study, names[3]), name=names[3])

# %% [markdown]
# **Predict** which of these helps most, then compare. All rows but the first were measured by studies only.

# %%
board.table("table extras", claimed=("rnn.conv1d", "rnn.fc6", "rnn.dual"))

# %% [markdown]
# > Three of the rows bring in something new: the two with optical flow, motion; the bidirectional LSTM, a second direction in
# > time. The others read the same stills in another way. Which of the two kinds gains more? (What averaging two RNNs on frames
# > gains was not measured: it would be the fair rival of the dual stream.)
# >
# > The budgets are not equal. With augmentation there are five times as many clips, for the same number of steps.
# > Fine-tuning continues with a trained RNN for further steps, and is one training where the others are the mean of three.
# > The bidirectional models and the dual stream have twice the parameters.
#
# ## Recap
#
# - A frozen network turns a clip into a few kilobytes; a model that reads these trains in seconds.
# - A mean of codes is a strong baseline wherever one frame gives the class away, and cannot see order.
# - A recurrent network passes a state from step to step. How it is initialised decides what it can remember; the gates of
#   an LSTM make remembering easy.
# - Whether a recurrent network is worth it is a question about the data.
#
# **Predict:** which model do several worlds place last, and on which classes? What became of the paper's claims on this
# data, over several seeds:

# %%
board.verdicts()

# %% [markdown]
# ## Check yourself
#
# Five questions on this lesson. An option is explained as soon as you choose it, the wrong ones too. Your browser remembers what
# you have answered.

# %%
viz.quiz("03")

# %% [markdown]
# ## On the real data
#
# Fetch UCF101 and compute the codes of AlexNet (and the flow, for the second stream):
#
# ```
# .venv/bin/python data_scripts/ucf101.py /data/ucf101
# .venv/bin/python data_scripts/extract_features.py /data/ucf101 --download --processes 8
# .venv/bin/python data_scripts/extract_flow.py /data/ucf101 --processes 8
# ```
#
# Codes that are not there are computed when a row needs them. Then each row of the tables runs by itself, at the paper's
# full size, is kept, and continues after an interruption:
#
# ```
# .venv/bin/labkit study list 03 --profile paper --dataset ucf101 --data-root /data
# .venv/bin/labkit study run 03 --profile paper --dataset ucf101 --data-root /data --device cuda
# ```
#
# **Try it.** Change `seed` above: other actors, scenes and motions. Or add an order of your own to `ORDERS` in
# [code_reading.py](../labkit/studies/code_reading.py), such as every second frame twice. Which model minds?
#
# **Next:** [04_conv_vlad](04_conv_vlad.ipynb), where the order of the frames is given up, and locations in the image too.
