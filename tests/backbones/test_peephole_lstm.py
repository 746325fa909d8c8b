import numpy as np
import torch
from fakes import random_tensor
from lstms import array, lstm_by_hand, plain_copy, shaken
from torch import nn

from labkit.backbones.peephole_lstm import PeepholeLSTM


def test_the_cell_is_its_equations():
    cell, inputs = shaken(PeepholeLSTM(5, 4)), random_tensor(3, 7, 5)
    state = random_tensor(3, 4, seed=5), random_tensor(3, 4, seed=6)
    trace = cell.trace(inputs, state)
    for number in range(3):
        by_hand = lstm_by_hand(cell, array(inputs)[number], *(array(part)[number] for part in state))
        for found, wanted in zip((trace.outputs, trace.cells), by_hand, strict=False):
            np.testing.assert_allclose(array(found)[number], wanted, atol=1e-5)
        gates = np.stack([array(gate)[number] for gate in trace[2:]], axis=1)
        np.testing.assert_allclose(gates, by_hand[2], atol=1e-5)


def test_without_peepholes_it_is_torchs_lstm():
    cell, inputs = shaken(PeepholeLSTM(5, 4)), random_tensor(3, 9, 5)
    nn.init.zeros_(cell.peepholes)
    plain = plain_copy(cell)
    ours, (h, c) = cell(inputs)
    theirs, (h_there, c_there) = plain(inputs)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(h, h_there[0])
    torch.testing.assert_close(c, c_there[0])
    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(cell.weight_x.grad, plain.weight_ih_l0.grad)
    torch.testing.assert_close(cell.weight_h.grad, plain.weight_hh_l0.grad)
    torch.testing.assert_close(cell.bias.grad, plain.bias_ih_l0.grad)
    assert cell.peepholes.grad.abs().min() > 0  # they could begin to look


def test_states_may_be_handed_on():
    cell, inputs = shaken(PeepholeLSTM(3, 2)).double(), random_tensor(2, 6, 3).double()
    whole = cell(inputs)[0]
    first, state = cell(inputs[:, :2])
    second, _ = cell(inputs[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


def test_cells_at_first_keep_what_they_hold():
    cell = PeepholeLSTM(3, 4)
    assert cell.bias.chunk(4)[1].tolist() == [1] * 4
    assert cell.bias.sum() == 4
    assert not cell.peepholes.any()


def test_cells_stay_in_single_precision_under_autocast():
    cell, inputs = PeepholeLSTM(3, 4), random_tensor(2, 5, 3)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, _ = cell(inputs.bfloat16())
    assert outputs.dtype == torch.float32
    outputs.sum().backward()
