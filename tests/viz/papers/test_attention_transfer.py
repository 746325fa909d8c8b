"""The figures of attention transfer: made of what they are given, and described."""

import torch

from labkit.viz.papers import attention_transfer as figures


def test_the_siamese_has_four_instances_and_two_losses():
    figure = figures.siamese()
    texts = [note.text for note in figure.layout.annotations]
    assert sum("fc, ReLU, fc" in text for text in texts) == 4
    ends = [note for note in figure.layout.annotations if note.ax is not None]
    assert len(ends) == 8 + 2 * 2 + 3  # into the layers and out of them, the energies, the three of the triplet


def test_labels_say_what_each_instance_sees():
    images, maps = torch.zeros(8, 3, 16, 16, dtype=torch.uint8), torch.rand(8, 4, 4)
    figure = figures.mined(images, maps, [*"abcdefgh"], torch.tensor([1.5, 0.0]))
    texts = [note.text.replace("<br>", " ") for note in figure.layout.annotations]
    assert texts[0] == "loss 1.50, false anchor map: a"
    assert texts[5] == "true anchor map: f"
    assert "1.50, 0.00" in figure.layout.meta["alt"]


def test_the_growth_of_batches_stands_in_the_title():
    curves = {"energy loss": [(0, 1.0), (2, 0.5)]}
    assert "64 candidates, from step 2 on 256" in figures.mining([(0, 64), (2, 256)], curves).layout.title.subtitle.text
    assert "64 candidates throughout" in figures.mining([(0, 64), (2, 64)], curves).layout.title.subtitle.text


def test_unknown_numbers_of_figure_5_are_left_out():
    figure = figures.few_videos({"CNN": {5: 1.0, 10: None, 20: 3.0}, "UnAtt": {5: None}})
    assert [list(trace.x) for trace in figure.data] == [[5, 20]]


def test_every_figure_is_described():
    image, maps = torch.zeros(3, 16, 16, dtype=torch.uint8), torch.rand(2, 4, 4)
    rules = {"mAP": {"vote": 40.0, "UnAtt": 70.0}}
    drawn = [
        figures.photos_and_frames({"hug": torch.stack([image] * 6)}),
        figures.concept_maps(image, maps, torch.tensor([1.0, 2.0]), ["hug", "kiss"], 0),
        figures.ways_to_read(rules),
        figures.told({"0.36": torch.stack([image] * 3), "1.0": torch.stack([image] * 3)}),
        figures.recognised(image, maps, ["daisy", "bee"], [0.6, 0.1]),
        figures.similarities({"mean of words": torch.eye(2)}, ["hug", "kiss"]),
        figures.quadruplets(torch.stack([image] * 4), maps.repeat(2, 1, 1), [*"abcd"]),
        figures.learning_curves({"hard": [(0, 0.2), (1, 0.5)]}),
        figures.gains({"UnAtt over CNN": {"hug": 3.0, "kiss": -1.0}}),
        figures.rescued(torch.stack([image] * 2), maps, ["hug", "kiss"], torch.tensor([1.0, 0.5]), ["CNN wrong"]),
    ]
    assert all(len(figure.layout.meta["alt"]) > 30 for figure in drawn)
    explorer = figures.explorer(
        torch.stack([image] * 2), torch.rand(2, 2, 4, 4), ["hug", "kiss"], {"3 x 3": torch.rand(2, 2)}, 1
    )
    assert "kiss" in explorer.scene["title"]
