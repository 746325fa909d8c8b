"""What the lesson shows of trained models agrees with what the study measures."""

import pytest
import torch

from labkit.studies import code_reading


@pytest.fixture(scope="module")
def study(frame_rnn):
    return frame_rnn


def test_each_step_and_their_mean(study):
    for model, (name, accuracies) in zip(code_reading.RECURRENT, code_reading.at_each_step(study).items(), strict=True):
        mean = study.measure(model)[f"{model}.test"]
        assert name == f"{code_reading.TITLES[model]} (mean of all steps: {mean:.0f} %)"
        assert len(accuracies) == 10
    test = study.codes().test
    last = study.readers("rnn")[0].eval().steps(test.codes)[:, -1].argmax(dim=1)
    values = next(iter(code_reading.at_each_step(study).values()))
    assert values[-1] == pytest.approx(100 * (last == test.labels).double().mean().item())


def test_parts_and_families_are_those_of_the_rows(study):
    study.measure("rnn", "rnn.train", "lstm", "lstm.appearance", "lstm.order")
    parts, families = code_reading.by_part(study), code_reading.by_family(study)
    assert parts["test"]["RNN"] == study.live["rnn.test"]
    assert parts["validation"]["LSTM"] == study.live["lstm.validation"]
    assert parts["train"]["RNN"] == study.live["rnn.train"]
    assert families["appearance pairs"]["LSTM"] == study.live["lstm.appearance"]
    assert families["reversed pairs: right order"]["LSTM"] == study.live["lstm.order"]


def test_other_orders(study):
    values = code_reading.in_other_orders(study)
    average = values["Average"]
    assert average["appearance,<br>as filmed"] == average["appearance,<br>shuffled"]
    assert average["appearance,<br>as filmed"] == study.measure("average.appearance")["average.appearance"]
    test = study.codes().test
    labels = study.labels_of("reversed").tolist()
    partner = dict(zip(labels, [labels[i ^ 1] for i in range(6)], strict=True))
    model, right = study.readers("birnn")[0].eval(), []
    for codes, label in zip(test.codes, test.labels.tolist(), strict=True):
        if label in partner:
            right.append(model(codes.flip(0)[None]).argmax().item() == partner[label])
    assert values["Bidirectional RNN"]["reversed,<br>backwards"] == pytest.approx(100 * sum(right) / len(right))


def test_a_clip_in_all_orders(study):
    index = code_reading.recognised(study, "wave")
    test = study.codes().test
    assert test.classes[test.labels[index]] == "wave"
    read = code_reading.read_in_orders(study, index)
    frames, predicted = read["as filmed"]
    assert torch.equal(read["backwards"][0], frames.flip(0))
    assert torch.equal(read["one frame, ten times"][0], frames[[4] * 10])
    assert predicted["Average"].shape == (18,)
    assert predicted["LSTM"].shape == (10, 18)
    torch.testing.assert_close(read["shuffled"][1]["Average"], predicted["Average"])
    torch.testing.assert_close(
        predicted["RNN"].mean(dim=0), study.readers("rnn")[0](test.codes[[index]])[0].exp().detach()
    )


def test_the_recognised_clip_is_one_that_all_recurrent_models_recognise_if_there_is_one(study):
    test = study.codes().test
    right = torch.ones(len(test), dtype=torch.bool)
    for model in code_reading.RECURRENT:
        right &= study.readers(model)[0].eval()(test.codes).argmax(dim=1) == test.labels
    names = {test.classes[label] for label in test.labels[right].tolist()}
    assert names  # or nothing is tested
    assert all(right[code_reading.recognised(study, name)] for name in names)


def test_cells_that_tell_two_classes_apart(study):
    cells = code_reading.telling_cells(study, "stand_up", "sit_down", num_cells=5)
    test = study.codes().test
    gates = study.readers("lstm")[0].directions[0].layers[0].gates(test.codes)
    means = [gates.cell[test.labels == test.classes.index(name), -1].mean(dim=0) for name in ("stand_up", "sit_down")]
    difference = means[0] - means[1]
    assert difference[cells].tolist() == sorted(difference[cells].tolist(), reverse=True)
    assert difference[cells].abs().min() >= difference.abs().sort(descending=True).values[4]
    frames, bands = code_reading.lstm_at_work(study, 3, cells)
    assert frames.shape == (10, 3, 64, 64)
    torch.testing.assert_close(bands["contents of cells"], gates.cell[3].T[cells].detach())
    assert list(bands[f"gates of cell {cells[0]}"]) == ["input gate", "forget gate", "output gate"]


def test_the_plane_keeps_one_clip_of_each_class_and_group(study):
    plane = code_reading.plane_of_mean_codes(study, num_classes=4)
    groups = {clip.name: clip.group for part in study.clips for clip in part}
    keys = [(label, groups[name]) for label, name in zip(plane.labels.tolist(), plane.names, strict=True)]
    assert len(set(keys)) == len(keys) == 4 * 6
    assert all(name.startswith(plane.classes[label]) for label, name in zip(plane.labels, plane.names, strict=True))
    assert plane.points.mean(dim=0).abs().max() < 1e-6
    assert plane.explained[0] >= plane.explained[1] > 0
