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
# # The scoreboard
#
# What the papers claim, what became of it here, and everybody on the same clips at last.
#
# **What you will see here**
#
# - all claims at a glance: which hold in the world of puppets, which fail, and which three seeds cannot decide;
# - where each table and figure of the papers has its counterpart, with a link;
# - paper by paper, how far each statement lies beyond its margin, or why it does not get there;
# - one comparison that no paper could make: all systems on the same clips, with what they cost;
# - beside them three video networks of today, [R3D](https://arxiv.org/abs/1711.11248),
#   [S3D](https://arxiv.org/abs/1712.04851) and [MViT](https://arxiv.org/abs/2112.01526), which get the same clips
#   and as much time.
#
# **To know beforehand**: what the other notebooks are about; one or two of them read is better.
#
# **Time** about half a minute. This notebook reads the records that the other ones have left behind. The comparison at
# its end is trained in profile `study`; a lesson shows its records, and takes the time on your machine.

# %% tags=["parameters"]
profile = "lesson"  # smoke | lesson | study | paper
dataset = "world"  # whose records to show, where a notebook knows it; in profile paper, those there are most of
data_root = ""  # not used: nothing is read but records
seed = 0
device = "cpu"  # or "cuda": to train; times are taken on the CPU
budget = 1.0  # times as many steps for the nets of today; numbers of another budget are not recorded

# %%
from labkit import parameters

datasets = ["ucf101", "hmdb51", "sports1m", "holidays", "oxford5k", "paris6k", "folder", "tvhi"]
parameters.check(globals(), dataset=["world", *datasets], budget=float)

import time
from collections import Counter
from functools import partial
from statistics import median

import torch
from IPython.display import display
from torch import nn

from labkit import claims, course, flow, losses, viz, world
from labkit.backbones import card, cross_modality_init, load_weights, source_weights, video_nets
from labkit.backbones.codes import FrameCoder, extract_codes
from labkit.backbones.resnet import resnet_tiny
from labkit.papers import action_flow_net as afn
from labkit.papers import attention_transfer, back_dropout, frame_rnn, long_video, two_stream
from labkit.papers import temporal_difference as td
from labkit.views.sampling import tsn_segments
from labkit.scoreboard import Scoreboard
from labkit.studies.feature_maps import extract_feature_maps, feature_maps, whole_video
from labkit.training import Recipe, evaluate, fit, uniform_over_classes

counting = profile if profile in claims.COUNTING else "study"  # whose records are shown
papers = [paper for paper in claims.ledger().values() if paper.claims]
print(f"{len(papers)} papers, {sum(len(paper.claims) for paper in papers)} claims")

# %% [markdown]
# ## All claims at a glance
#
# A claim is a list of statements, written down before its study was judged: "ten flow fields beat one, by more than
# nothing", "the two are at most 3 points apart". Each is measured with at least three seeds, and each seed is another
# world with other actors, places and motions. A statement *holds* if the 90 % interval of its difference lies inside the
# margin, *fails* if it lies outside, and is *unclear* if it lies across the edge. A claim holds if all of its statements
# do.
#
# **What do you expect?** The papers' numbers come from real videos, large nets and long trainings, ours from puppets
# and small nets. Of ten claims, how many will survive?


# %%
def board_of(paper):
    """Its scoreboard, on the records of the profile that counts."""
    there = Counter(line.dataset for line in claims.records(paper.name) if line.profile == counting)
    chosen = there.most_common(1)[0][0] if there and profile == "paper" and dataset == "world" else dataset
    return Scoreboard(paper.name, profile=counting, dataset=chosen if chosen in paper.datasets else "world", seed=seed)


boards = {paper.name: board_of(paper) for paper in papers}
verdicts = {name: board.judged() for name, board in boards.items()}
short = {paper.name: f"{paper.notebook}  {paper.name.replace('_', ' ')}" for paper in papers}
viz.verdict_tiles(
    {short[name]: [found.plain() for found in some] for name, some in verdicts.items()},
    title="Every claim of every paper<br>a tile is a claim: point at it",
    alt="Rows of tiles, one for each paper, a tile for each of its claims, by what became of it.",
)

# %% [markdown]
# > A claim that fails here is not refuted. It was made about other videos, and larger nets; the sections below give the
# > cause as far as we know it. Nor does one that holds hold everywhere. And where it says *unclear*, look before you
# > blame the paper: often the effect is there, and smaller than the noise of three seeds. What is *stale* (↻) was
# > measured before something was put right, and waits to be measured again.
#
# ## Where everything is
#
# The tables and figures of the papers, and the notebooks in which their counterparts live. Tables of other people's
# results are there as well; their rows say so.
#
# **To touch.** A line opens and closes its list.

# %%
stems = {source.stem[:2]: source.stem for source in course.sources()}


def numbers(entry):
    """How many of a table's rows have numbers of ours, or what a figure is here."""
    if not entry.rows:
        return "drawn from our data"
    rows = [row for row in entry.rows if any(row.ours)]
    known = sum(any(metric and boards[entry.paper].known(metric) is not None for metric in row.ours) for row in rows)
    others = len(entry.rows) - len(rows)
    return f"{known} of {len(rows)} rows measured" + (f", {others} of others" if others else "")


for paper in papers:
    rows = [
        (entry.id.capitalize(), entry.title, entry.where, numbers(entry), stems[paper.notebook])
        for entry in paper.entries
    ]
    where = ("", "what it shows", "in the paper", "here", "notebook")
    listed = viz.contents(rows, title=paper.title, columns=where, href=f"{stems[paper.notebook]}.ipynb")
    display(viz.folded(f"{paper.notebook} · {paper.title}: {len(rows)} tables and figures", listed))
print(f"{sum(len(paper.entries) for paper in papers)} tables and figures")

# %% [markdown]
# ## Paper by paper
#
# Each row below is a statement: a point for the mean of its difference over the seeds, a line for the 90 % interval, and
# in the middle of the picture the margin that was asked for. Right of it is "as stated". Behind the lines that fold out
# are the claims in words, with their causes, and the tables, the paper's numbers beside ours.


# %%
def show(name):
    """Statements of a paper as a forest plot; its claims and its tables folded."""
    board, found = boards[name], verdicts[name]
    statements = [
        {
            "claim": one.claim.id,
            "text": check.statement.text,
            "outcome": str(check.outcome),
            **{"mean": check.mean, "low": check.low, "high": check.high},
            **{"least": check.statement.low, "most": check.statement.high},
        }
        for one in found
        for check in one.checks
    ]
    seeds = {check.seeds for one in found for check in one.checks if check.seeds}
    counted = f"{len(found)} claims, {len(statements)} statements"
    if seeds:
        plot = viz.forest_plot(
            statements,
            title=f"{board.paper.title}<br>{counted}, at most {max(seeds)} seeds, data set {board.dataset}",
            alt="For each statement of the paper's claims the difference beyond its margin with its interval.",
        )
        display(plot)
    else:
        print(f"{counted}: not yet run")
    display(viz.folded("The claims in words, and why they fail where they do", board.verdicts()))
    tables = [board.table(entry.id) for entry in board.paper.entries if entry.rows]
    display(viz.folded(f"{len(tables)} of its tables, ours beside the paper's", *tables))


# %% [markdown]
# ### 02 · Two streams
#
# Frames know what is there, flow knows how it moves, and together they know more: that holds on the large set, as does
# what learning from stills beforehand is worth. On the small set, of which the paper says the same, their average is
# behind flow alone (Table 4). What is said about dropout and about the last layer does not show with our small nets.

# %%
show("two_stream")

# %% [markdown]
# ### 03 · Codes of frames, read in order
#
# On [UCF101](https://www.crcv.ucf.edu/research/data-sets/ucf101/) the order of ten frames gains a point or nothing.
# Here a third of the classes is nothing but order, so readers in order win by far: a claim about a data set as much
# as about a method.

# %%
show("frame_rnn")

# %% [markdown]
# ### 04 · Local features find the same thing again
#
# The one work that names no class but looks for the same place. Its question is which layer of a network to take and how
# to put its cells together. A layer in the middle it is, and few numbers do. That a network beats SIFT fails: drawn
# places have the sharp corners that SIFT was made for.

# %%
show("conv_vlad")

# %% [markdown]
# ### 05 · Full-length video
#
# Most claims compare ways to pool, numbers of frames, and what flow adds where the camera is quiet or not. Many of the
# differences are a few points, which 132 test clips and three seeds cannot tell from nothing.

# %%
show("long_video")

# %% [markdown]
# ### 06 · ActionFlowNet
#
# With few labels, what does a net gain that has learned to see motion beforehand, and goes on seeing it? Much, beside a
# net that starts from nothing; less than from photos of other puppets, or from flow that is given. Most of its records are
# out of date (↻): they were made with another colour jitter than the paper's, and wait to be measured again.

# %%
show("action_flow_net")

# %% [markdown]
# ### 07 · Temporal differences
#
# What a difference of features adds to the features, with a baseline that starts and trains as the rival does. Reversed
# pairs are what differences are good at. Six of eight claims held by records that are out of date now (↻): they were
# made with another colour jitter, and with conv1 tapped before its pooling.

# %%
show("temporal_difference")

# %% [markdown]
# ### 08 · What photos teach about video
#
# Attention maps are meant to travel from photos to videos better than scores do. With the ResNet they are ahead of a vote
# of the frames by 26 points and more where puppets meet, and by 5 on actions. But most of that is the vote's loss: beside a
# plain mean of the scores, recorded for one net, 7 of 35 points are left. One claim goes far: maps without any labelled video against scores with
# all of them. Here three seeds cannot tell the two apart.

# %%
show("attention_transfer")

# %% [markdown]
# ### 09 · Back-dropout
#
# The paper reports a gain of 22 points and has no control. Three of the claims below ask more than it does: one is
# nothing but a control of ours, two contain one. Here NB-TL gains about a point, going on half of that, and
# what is left is within the noise.

# %%
show("back_dropout")

# %% [markdown]
# ## Everybody on the same clips
#
# These works used several sets of data, and where they share one, other splits, nets and recipes. Here they get the same:
# eighteen actions of puppets, clips of sixteen frames, groups of clips that share actor and place on one side of the
# split only. Each system trains with the recipe of its notebook on all training clips (in a lesson nothing is trained).
# Small nets, as everywhere in the lab.
#
# The eighteen actions come in three families of six: *appearance pairs* (hammer and chop: one motion, other things),
# *motion only* (wave, jump: nothing in the hands), *reversed pairs* (sit down, stand up: the same frames backwards).

# %%
trains, learns = profile in ("smoke", "study"), profile == "study"
recorded = learns and device == "cpu" and budget == 1
board = Scoreboard("comparison", profile="study" if recorded else "lesson", seed=seed)
families = {
    "appearance": ("hammer", "chop", "guitar", "broom", "ski", "skateboard"),
    "motion": ("wave", "clap", "jump", "squat", "walk_left", "walk_right"),
    "order": ("sit_down", "stand_up", "open_arms", "close_arms", "pick_up", "put_down"),
}
some = {"classes": [name for names in families.values() for name in names[:2]]} if profile == "smoke" else {}
size = {"groups": 24, "clips": 2} if learns else {"groups": 3, "clips": 1}
train, test = (world.Actions(seed=seed, part=part, **size, **some) for part in ("train", "test"))
train = train if trains else train.subset(range(4))  # a lesson only builds the nets, to take their time
if learns:
    for clips in (train, test):
        clips.prepare(progress=learns)
count, looks = len(test.classes), 1 if profile == "smoke" else 3
family = {name: torch.tensor([c in names for c in test.classes])[test.labels] for name, names in families.items()}
print(f"{len(train)} clips to learn from, {len(test)} to test, {count} actions")

# %% [markdown]
# What each of them gets of a clip when it is tested. Most look three times, at the central window (56 of 64 pixels, 48
# for ActionFlowNet and the nets of today; codes, photos and NB-TL shrink the whole frame to 56 instead), and the scores
# are averaged; who reads the whole clip, or its codes, looks once. Dots are
# the frames of one look.

# %%
frames = test[0].num_frames
middle = range(frames // 2 - 4, frames // 2 + 4)
viz.timeline(
    {
        "single frames: spatial stream, NB-TL, photos": [frames // 2],
        "flow fields: temporal stream": [*range(3, 13)],
        "ten codes: Average, bidirectional RNN": frame_rnn.sample_frames(test[0]),
        "all frames: Conv Pooling, deep LSTM": range(frames),
        "two frames: ActionFlowNet-2F": [7, 8],
        "eight frames: ActionFlowNet, R3D, S3D, MViT": middle,
        "three frames, or their differences: TSN, TDN": tsn_segments(frames, 3).flatten(),
    },
    title="What one look is",
    alt="Seven lines over sixteen frames with dots where a system looks, from a single frame to all of them.",
    x_title="frame",
    length=frames,
)

# %% [markdown]
# Times are CPU time of one core, which a busy machine hardly distorts. For training, all that a system needs counts:
# first stages, codes, reading of clips. What was there before does not: source weights from stills, flow nets, and the
# world's exact flow. For the test, the network alone counts, with all looks at one clip, in turn with the spatial stream.

# %%
threads = torch.get_num_threads()
torch.set_num_threads(1)
systems, spent, scores = {}, {}, {}


def learned(net, recipe, data, loss, **how):
    """A net that has learned by a recipe; in a lesson as it was, in a smoke run after two steps."""
    if trains:
        short = {} if learns else {"steps": 2, "batch": 2, "schedule": None}
        fit(net, Recipe(**{**recipe, **short, "seed": seed}), data, loss, device=device, progress=learns, **how)
    return net.cpu()


def clock():
    """Seconds of CPU time so far."""
    return time.process_time()


def size_of(*parts):
    """Numbers in the parameters of modules."""
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


# %% [markdown]
# One function notes them all: how often a system is right, on which family, how large it is, what it took.


# %%
def look(name, net, views, forward=None, to_scores=None, parts=None, decide=None):
    """Keep a system: what runs, on which views (V, ...) of a clip; and its scores of the test clips, if it has learned."""
    systems[name] = net.eval(), views, forward or (lambda net, seen: net(seen))
    board[f"{name}.parameters"] = size_of(*(parts or [net])) / 1e6
    if not trains:
        return
    board[f"{name}.training"] = spent[name]
    to_scores = to_scores or partial(torch.softmax, dim=-1)
    found = evaluate(net, test.map(views), forward=forward, to_scores=to_scores, progress=learns)
    note(name, found.videos if decide is None else decide(found.clips, found.video_of_clip))


def note(name, found):
    """Keep scores (N, K), and put their accuracy on the board, of all test clips and of each family."""
    scores[name] = found
    right = (found.argmax(1) == test.labels).double()
    board[f"{name}.accuracy"] = 100 * right.mean().item()
    for kind, rows in family.items():
        board[f"{name}.{kind}"] = 100 * right[rows].mean().item()


# %% [markdown]
# ### Two streams, and codes read in order

# %%
look_at = {"crop_size": 56, "short_side": None, "flip": False}  # to walk left and right are mirror images
still, motion = two_stream.spatial_view(**look_at), two_stream.temporal_view(**look_at)
evenly = uniform_over_classes(train.labels)
for name, view, recipe in (
    ("spatial", still, two_stream.RECIPES["tiny"]["fine_tuning"]),
    ("temporal", motion, two_stream.RECIPES["tiny"]["from_scratch"]),
):
    start = clock()
    torch.manual_seed(seed)
    net = getattr(two_stream, f"{name}_network")(count, size="tiny")
    if name == "spatial":
        load_weights(net, source_weights("cnn_m"), skip=("classifier",))
    learned(net, recipe, train.map(view.train), losses.classification_loss, order=evenly)
    spent[name] = clock() - start
    look(name, net, partial(view.test, num_samples=looks, centre_only=True))
streams = [systems[name][0] for name in ("spatial", "temporal")]
board["two_stream.parameters"] = size_of(*streams) / 1e6
if trains:
    note("two_stream", two_stream.average_fusion(scores["spatial"], scores["temporal"]))
    board["two_stream.training"] = spent["spatial"] + spent["temporal"]

# %%
coder = FrameCoder(
    two_stream.spatial_network(len(card(source_weights("cnn_m"))["classes"]), size="tiny"), "fc7", size=(56, 56)
)
load_weights(coder.network, source_weights("cnn_m"))
start = clock()
codes = extract_codes(train, coder, frame_rnn.sample_frames, progress=learns)
coding = clock() - start
readers = frame_rnn.frame_rnn_models(count, codes.codes.shape[-1], size="tiny", seed=seed)
for name in ("average", "birnn"):
    start = clock()
    reader = learned(getattr(readers, name), frame_rnn.RECIPES["tiny"], codes, frame_rnn.loss)
    spent[name] = coding + clock() - start
    look(
        name,
        frame_rnn.FineTuned(coder, reader),
        lambda clip: (clip.frames(frame_rnn.sample_frames(clip))[None], clip.label),
        parts=[coder.network.features, coder.network.fc6, coder.network.fc7, reader],
    )

# %% [markdown]
# ### Pooling and a deep LSTM
#
# A net of single frames first; then its trunk looks at all frames once, and pooling or the LSTM learns on top.

# %%
start = clock()
crops = {"rate": None, "min_frames": 1, "short_side": None, "crop_size": 56, "flip": False}
film, one = (long_video.video_view(count, length, **crops) for length in (frames, 1))
torch.manual_seed(seed)
taught = long_video.alexnet(len(card(source_weights("alexnet"))["classes"]), size="tiny")
load_weights(taught, source_weights("alexnet"))
single = long_video.alexnet(count, size="tiny")
long_video.expand(single, taught, skip=("head.classifier",))
learned(single, long_video.RECIPES["tiny"], train.map(one.train), long_video.loss)
parts = [extract_feature_maps(single.backbone, train, film, crops=2 if learns else 1, seed=seed, progress=learns)]
maps = feature_maps(parts, train.multi_hot, frames=frames)
first = clock() - start
for name, head, recipe, loss in (
    ("conv_pooling", long_video.ConvPooling, long_video.RECIPES["tiny"], long_video.loss),
    ("deep_lstm", long_video.DeepLSTM, long_video.lstm_recipe(frames, "tiny"), long_video.lstm_loss),
):
    start = clock()
    torch.manual_seed(seed)
    net = long_video.alexnet(count, head, frames=frames, size="tiny")
    long_video.expand(net, single)
    learned(net.head, recipe, maps, loss)
    spent[name] = first + clock() - start
    look(name, net, partial(whole_video, film))

# %% [markdown]
# ### Nets that learned to see motion, and nets that see differences
#
# The flow nets come with the lab. They know the motion of other puppets, and go on learning it beside the names.

# %%
for name, length, build, weights, steps, batch in (
    ("flow2", 2, afn.two_frame_tiny, "flownet_target", 600, 32),
    ("flow8", 8, afn.multi_frame_tiny, "flownet_target_multi", 400, 16),
):
    start = clock()
    view = afn.clip_view(length, with_flow=True, crop_size=48, short_side=None, crop_scales=(64, 56, 48), flip=False)
    torch.manual_seed(seed)
    net = build(count)
    load_weights(net, source_weights(weights), skip=("encoder.fc",))
    rate = afn.TINY["options"]["lr"]
    falling = {round(0.6 * steps): rate / 3, round(0.85 * steps): rate / 10}
    recipe = {**afn.TINY, "steps": steps, "batch": batch, "schedule": falling}
    learned(net, recipe, train.map(view.train), afn.multitask_loss)
    spent[name] = clock() - start
    look(name, net, partial(view.test, num_samples=looks, centre_only=True), parts=[net.encoder])

# %%
source = resnet_tiny(len(card(source_weights("resnet"))["classes"]))
load_weights(source, source_weights("resnet"))
snippets = td.rgb_view(crop_size=56, short_side=None, crop_scales=(64, 56, 48), flip=False)
seen = train.map(snippets.train)
start = clock()
torch.manual_seed(seed)
tsn, tdn = td.tsn(count, size="tiny"), td.tdn(count, size="tiny")
cross_modality_init(tsn.image, source)
first_phase = td.RECIPES["tiny"]["rgb"]
learned(tsn, first_phase, seen, td.loss)
cross_modality_init(tdn.difference, source)
tdn.image.load_state_dict(tsn.image.state_dict())
first = clock() - start
for name, net in (("tsn", tsn), ("tdn", tdn)):
    start = clock()
    for recipe, prepare in ((first_phase, td.freeze_image_backbone), (td.joint(first_phase), td.train_jointly)):
        learned(prepare(net) if name == "tdn" else net, recipe, seen, td.loss)
    spent[name] = first + clock() - start
    views = partial(snippets.test, num_samples=looks, centre_only=True)
    look(name, net, views, lambda net, clips: net(clips).mean(1), nn.Identity())

# %% [markdown]
# ### Photos instead of videos, and neurons voted out
#
# The image classifier of notebook 08 sees no video at all before it is tested, only photos of the same actions, in
# another style. NB-TL is a spatial stream that holds a tenth of its clips back to vote.

# %%
start = clock()
image = attention_transfer.image_view(crop_size=56, flip=False)
photos = world.Stills(of="actions", seed=seed, groups=48 if learns else 3, classes=test.classes)
torch.manual_seed(seed)
net = attention_transfer.attention_resnet_tiny(count)
load_weights(net.net, source_weights("resnet"), skip=("fc",))
twice = attention_transfer.WEB_IMAGES_TINY | {"steps": 400, "schedule": {260: 1e-3}}  # as notebook 08 for actions
learned(net, twice, photos.map(image.train), losses.classification_loss)
spent["voting"] = spent["unatt"] = clock() - start


def three(clip):
    """Three frames of a clip, and its label."""
    return image.at(clip, torch.linspace(0, clip.num_frames - 1, 5).long()[1:4]), clip.label


look("voting", net, three, to_scores=nn.Identity(), decide=attention_transfer.voting)
best_windows = lambda net, images: attention_transfer.energy(net.look(images).maps)  # noqa: E731, of eq. (2)
look("unatt", net, three, best_windows, nn.Identity())

# %%
start = clock()
frame = back_dropout.frame_view(crop_size=56)
kept, held = train.hold_out(0.1 if learns else 0.5, torch.Generator().manual_seed(seed))
torch.manual_seed(seed)
net = back_dropout.back_dropout_tiny(count)
load_weights(net, source_weights("cnn_m"), skip=("classifier",))
tuning, seen = back_dropout.FINE_TUNING_TINY, kept.map(frame.train)
learned(net, tuning, seen, losses.classification_loss)
if trains:
    penalty = back_dropout.penalty_set(net, held.map(partial(frame.test, num_samples=16)), progress=False)
    back_dropout.drop(net, back_dropout.negative_back_dropout(net, penalty))
learned(net, back_dropout.re_learning(tuning), seen, losses.classification_loss)
spent["nb"] = clock() - start
look("nb", net, partial(frame.test, num_samples=looks))

# %% [markdown]
# ### Video nets of today
#
# R3D-18, S3D and MViTv2-S are three of the nets that [torchvision](https://docs.pytorch.org/vision/) offers for
# videos today, made for hundreds of thousands of clips of ten seconds and days of many GPUs. Here they get what
# ActionFlowNet gets: the same eight frames of 48 pixels, the same windows, batches of 16, and three to four CPU
# minutes each, however far that takes them: R3D and MViT see every clip hardly more than once, S3D six times. They
# begin from random weights: those that torchvision offers have seen Kinetics, and nobody else here has.
#
# **What do you expect?** Ten times the parameters and more, years of progress, 576 clips, three minutes.

# %%
view = afn.clip_view(8, leaves_room=True, crop_size=48, short_side=None, crop_scales=(64, 56, 48), flip=False)
modern = {"r3d": (video_nets.r3d_18, 45, 1e-3), "s3d": (video_nets.s3d, 220, 1e-3)}
modern["mvit"] = partial(video_nets.mvit_v2_s, frames=8, size=48), 45, 3e-4
for name, (build, steps, rate) in modern.items():
    start = clock()
    torch.manual_seed(seed)
    net = build(count)
    steps = max(round(budget * steps), 2)
    falling = {round(0.7 * steps): rate / 5, round(0.9 * steps): rate / 25} if steps > 20 else None
    options = {"lr": rate, "weight_decay": 0.05 if name == "mvit" else 1e-4}
    recipe = {"optimizer": torch.optim.AdamW, "options": options, "steps": steps, "batch": 16, "schedule": falling}
    learned(net, {**recipe, "clip_norm": 1.0}, train.map(view.train), losses.classification_loss)
    spent[name] = clock() - start
    look(name, net, partial(view.test, num_samples=looks, centre_only=True))

# %% [markdown]
# ### What a clip takes at test
#
# Each system names a clip several times, in turn with the spatial stream; the median counts.


# %% tags=["nbval-ignore-output"]
def milliseconds(net, views, forward):
    """CPU time of all looks at one clip."""
    start = clock()
    forward(net, views)
    return 1000 * (clock() - start)


clip = test[0]
ready = {name: (net, views(clip)[0], forward) for name, (net, views, forward) in systems.items()}
for name in ready:
    rounds = 1 if profile == "smoke" else 3 if name in modern else 15
    with torch.no_grad():
        pairs = [(milliseconds(*ready["spatial"]), milliseconds(*ready[name])) for _ in range(rounds + 1)][1:]
    board[f"{name}.test"] = median(own for _, own in pairs)
    board[f"{name}.ratio"] = median(own / base for base, own in pairs)
for what in ("test", "ratio"):
    board[f"two_stream.{what}"] = board[f"spatial.{what}"] + board[f"temporal.{what}"]
film = clip.frames(range(frames))
start = clock()
flow.dis(film[:-1], film[1:])
estimate = 1000 * (clock() - start)
torch.set_num_threads(threads)
print(f"to estimate the flow of a clip by DIS, were it not given, takes {estimate:.0f} ms of CPU time")

# %% [markdown]
# ### The table
#
# In a lesson sizes and times at test are of your machine, all else is recorded.

# %% tags=["nbval-ignore-output"]
if recorded:
    board.keep()
board.table("table 1")

# %% [markdown]
# > What is not the same for all: the temporal stream is *given* flow, exact flow even, for free. ActionFlowNet was taught
# > flow on other puppets and sees the true flow while it trains, not when it is tested. The systems "from stills" begin
# > with weights that know 24 things and postures, the temporal stream and the nets of today with nothing. The photo
# > classifier has no video to learn from. Budgets differ, too, by the notebooks' recipes; they are in the table.
# >
# > The nets of today name one clip in seven, nearly all of them appearance pairs. That says what three minutes are worth
# > to them, not what they can do: with four times as long (once, seed 1000) it was 30 % for R3D, 25 for S3D and still 10
# > for MViT.
#
# **To touch.** The buttons choose what it costs; the area of a mark is the number of parameters. Who lies at the upper
# left?

# %% tags=["nbval-ignore-output"]
names = {
    **{"spatial": "spatial stream", "temporal": "temporal stream", "two_stream": "two streams"},
    **{"average": "codes, Average", "birnn": "codes, BiRNN", "conv_pooling": "Conv Pooling", "deep_lstm": "deep LSTM"},
    **{"flow2": "ActionFlowNet-2F", "flow8": "ActionFlowNet", "tsn": "TSN", "tdn": "TDN", "nb": "NB-TL"},
    **{"voting": "photos, voting", "unatt": "photos, UnAtt", "r3d": "R3D-18", "s3d": "S3D", "mvit": "MViTv2-S"},
}
kinds = dict.fromkeys(names, "frames of videos, begun from stills")
kinds |= dict.fromkeys(("temporal", "two_stream"), "given flow") | dict.fromkeys(("flow2", "flow8"), "taught flow")
kinds |= dict.fromkeys(("voting", "unatt"), "photos only") | dict.fromkeys(modern, "nets of today, from scratch")
costs = {"test": "CPU ms a clip", "training": "CPU s of training", "parameters": "million parameters"}
known = {name: {what: board.known(f"{name}.{what}") for what in ("accuracy", *costs)} for name in names}
points = [
    viz.System(names[name], kinds[name], had["accuracy"], had["parameters"], {costs[what]: had[what] for what in costs})
    for name, had in known.items()
    if None not in had.values()
]
if points:
    chart = viz.trade_off_chart(
        points,
        title="What they achieve, and what it costs",
        alt="A mark for each system: accuracy over its cost, the area its number of parameters.",
        y_title="accuracy (% of test clips)",
        size_title="million parameters",
    )
    display(chart)
else:
    print("no records of the comparison yet: .venv/bin/labkit claims run 10")

# %% [markdown]
# > If training is the cost, it is the bidirectional RNN: seventeen seconds, for it reads codes of a net that was there
# > before, and only TDN and the systems that are given flow are better. Those that were *taught* flow lie behind the
# > single frames: what these two nets know of motion, after the little they were taught of it, is worth less here than
# > what the others know from stills.
#
# What nobody's records are needed for: time and size.

# %% tags=["nbval-ignore-output"]
viz.bar_chart(
    {"times the spatial stream": {names[name]: board[f"{name}.ratio"] for name in names}},
    title="What a clip takes, measured just now",
    alt="CPU time of each system for one clip, relative to the spatial stream.",
    x_title="system",
    y_title="times the spatial stream",
    height=400,
).update_yaxes(type="log", rangemode="normal")

# %% [markdown]
# Accuracy over all actions hides who is good at what.
#
# **Before you move the slider:** which systems must be at 50 % of the reversed pairs at best, whatever their size?

# %%
labels = {"appearance": "appearance pairs", "motion": "motion only", "order": "reversed pairs", "accuracy": "all"}
steps = {
    names[name]: {label: board.known(f"{name}.{what}") for what, label in labels.items()}
    for name in names
    if board.known(f"{name}.order") is not None
}
if steps:
    sliding = viz.bar_slider(
        steps,
        title="Who is good at what",
        alt="Accuracy on three families of actions and on all, for a system chosen by a slider: "
        + "; ".join(f"{name}: " + ", ".join(f"{k} {v:.0f}" for k, v in row.items()) for name, row in steps.items()),
        x_title="family of actions",
        y_title="accuracy (% of test clips)",
        slider="system",
    )
    display(sliding)

# %% [markdown]
# > Whoever looks at single frames, and takes the mean or the maximum of what each of them says, cannot know which of two
# > came first: the spatial stream, the mean of codes, Conv Pooling, TSN, photos, NB-TL. For them a reversed pair is a coin
# > to toss. (Where a posture is held longer at one end, the coin is not quite fair.) Flow tells, and differences, and
# > reading in order. Two or eight frames at once could tell as well, but ActionFlowNet does no better than the coin here.
#
# ## Recap
#
# - A claim is worth what its margin and its seeds are worth. Both were fixed before anything was judged.
# - Where a claim fails, the cause is worth more than the verdict: it says what the claim needs to be true.
# - On equal clips the question is less *which net* than *what it gets to see*: flow, differences and order are far ahead
#   of single frames, whatever reads them. To have been taught flow is not the same as to be given it.
# - Large nets live on many clips, or on weights that others have paid for. Read their rows with that in mind.
# - Times and sizes belong beside accuracies. A point at ten times the price is not the same point.
#
# ## Run it yourself
#
# `.venv/bin/labkit claims` prints all verdicts, `.venv/bin/labkit claims run 02` runs a notebook's study on three seeds,
# about three quarters of an hour each, and `.venv/bin/labkit claims run 10` this comparison. A notebook run in profile
# `paper` on a real data set leaves its numbers beside those of the world; with `-p profile paper` this one shows them, and
# trains nothing.
#
# **Try it.** `-p profile study -p budget 10 -p seed 1000`: where do the nets of today end with ten times the time?
