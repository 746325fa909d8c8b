"""LSTM layers for tests: by hand, torch's, and with weights that are all different."""

import numpy as np
import torch
from fakes import random_tensor
from torch import nn


def array(tensor):
    return tensor.detach().double().numpy()


def plain_copy(cell):
    """torch's LSTM with the weights of ours, whose peepholes it leaves out."""
    plain = nn.LSTM(cell.weight_x.shape[1], cell.weight_h.shape[1], batch_first=True)
    with torch.no_grad():
        for there, here in zip(plain.all_weights[0], (cell.weight_x, cell.weight_h, cell.bias), strict=False):
            there.copy_(here)
        plain.bias_hh_l0.zero_()
    return plain


def lstm_by_hand(cell, inputs, h, c):
    """Equations 3.3 to 3.7, one clip, in NumPy."""
    (xi, xf, xc, xo), (hi, hf, hc, ho) = np.split(array(cell.weight_x), 4), np.split(array(cell.weight_h), 4)
    (bi, bf, bc, bo), (ci, cf, co) = np.split(array(cell.bias), 4), array(cell.peepholes)

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    outputs, cells, gates = [], [], []
    for x in inputs:
        i = sigmoid(xi @ x + hi @ h + ci * c + bi)
        f = sigmoid(xf @ x + hf @ h + cf * c + bf)
        c = f * c + i * np.tanh(xc @ x + hc @ h + bc)
        o = sigmoid(xo @ x + ho @ h + co * c + bo)
        h = o * np.tanh(c)
        outputs.append(h), cells.append(c), gates.append((i, f, o))
    return np.array(outputs), np.array(cells), np.array(gates)


def shaken(cell, seed=0):
    with torch.no_grad():
        for number, parameter in enumerate(cell.parameters()):
            parameter.copy_(0.6 * random_tensor(*parameter.shape, seed=seed + number))
    return cell
