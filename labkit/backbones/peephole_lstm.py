"""An LSTM layer with peepholes: gates that see the cell that they guard, which `torch.nn.LSTM` lacks.

In: ``(B, T, D)``, float32. Out: ``(B, T, H)``, and on request the cells and all gates at every step.

The loop below *is* the equations. On a CPU it takes 1.7 times as long as `nn.LSTM` in the lesson's size, and 1.3 to 3
times as long in the paper's, where the CNN below takes most of the time (`benchmarks/test_long_video.py`).

Source: Ng, PhD thesis, University of Maryland 2018, equations 3.3 to 3.7 (see `labkit.papers.long_video`), after Gers,
Schraudolph and Schmidhuber, "Learning precise timing with LSTM recurrent networks", JMLR 2002.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LSTMTrace(NamedTuple):
    """What one LSTM layer did, frame by frame: all ``(B, T, H)``, gates between 0 and 1."""

    outputs: Tensor
    cells: Tensor
    input_gate: Tensor
    forget_gate: Tensor
    output_gate: Tensor


class PeepholeLSTM(nn.Module):
    """One LSTM layer whose gates also see the cell: eq. 3.3 to 3.7.

    Peepholes W_ci, W_cf, W_co are diagonal, as usual: a gate sees its own cell only. The thesis writes matrices and
    does not say. Rows of the weights lie as in `nn.LSTM`: input gate, forget gate, cell, output gate. Weights are
    initialised as there; but so that cells at first keep what they hold, the bias of the forget gate is 1 (Jozefowicz
    et al., ICML 2015, section 2.2), and peepholes are 0.

    Args:
        input_size: D, of x_t.
        hidden_size: H, of c_t and h_t.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.weight_x = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_h = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))
        self.peepholes = nn.Parameter(torch.zeros(3, hidden_size))  # w_ci, w_cf, w_co
        for weight in (self.weight_x, self.weight_h):
            nn.init.uniform_(weight, -1 / math.sqrt(hidden_size), 1 / math.sqrt(hidden_size))
        nn.init.ones_(self.bias.data[hidden_size : 2 * hidden_size])

    def forward(
        self, inputs: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Outputs ``(B, T, H)`` of inputs ``(B, T, D)``, and the last (h, c), ``(B, H)`` each."""
        trace = self.trace(inputs, state)
        return trace.outputs, (trace.outputs[:, -1], trace.cells[:, -1])

    def trace(self, inputs: Tensor, state: tuple[Tensor, Tensor] | None = None) -> LSTMTrace:
        """The same with cells and gates at every step."""
        zero = self.weight_h.new_zeros(len(inputs), self.weight_h.shape[1])
        h, c = (zero, zero) if state is None else state
        w_ci, w_cf, w_co = self.peepholes
        steps = []
        for x in F.linear(inputs, self.weight_x, self.bias).unbind(dim=1):  # W_x x_t + b, (B, 4H)
            i, f, g, o = (x + F.linear(h, self.weight_h)).chunk(4, dim=1)  # (B, H) each
            i = torch.sigmoid(i + w_ci * c)  # eq. 3.3
            f = torch.sigmoid(f + w_cf * c)  # eq. 3.4
            c = f * c + i * torch.tanh(g)  # eq. 3.5
            o = torch.sigmoid(o + w_co * c)  # eq. 3.6
            h = o * torch.tanh(c)  # eq. 3.7
            steps.append((h, c, i, f, o))
        return LSTMTrace(*(torch.stack(values, dim=1) for values in zip(*steps, strict=True)))  # (B, T, H) each
