"""An LSTM layer with peepholes: gates that look at the cell they guard, which `torch.nn.LSTM` has not.

In: ``(B, T, D)``, float32. Out: ``(B, T, cells)``, and on request the cells and all gates at every step.

Source: Ng, PhD thesis, University of Maryland 2018, equations 3.3 to 3.7 (see `labkit.papers.long_video`), after Gers,
Schraudolph and Schmidhuber, "Learning precise timing with LSTM recurrent networks", JMLR 2002.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from labkit import checks


class LSTMTrace(NamedTuple):
    """What one LSTM layer did, frame by frame: all ``(B, T, cells)``, gates between 0 and 1."""

    outputs: Tensor
    cells: Tensor
    input_gate: Tensor
    forget_gate: Tensor
    output_gate: Tensor


class PeepholeLSTM(nn.Module):
    """One LSTM layer whose gates also look at the cell: eq. 3.3 to 3.7. `nn.LSTM` has no such peepholes.

    Peepholes W_ci, W_cf, W_co are diagonal: a gate sees its own cell only. Rows of the weights lie as in `nn.LSTM`:
    input gate, forget gate, cell, output gate. Weights begin as there; but that cells at first keep what they hold, the
    forget gate's bias begins at 1 (Jozefowicz et al., ICML 2015, section 2.2), and that peepholes begin at 0.

    The gradient is written out by hand: it costs as much time as `nn.LSTM`'s, a loop under autograd several times more.

    Args:
        inputs: size of x_t.
        cells: size of c_t and h_t.
    """

    def __init__(self, inputs: int, cells: int) -> None:
        super().__init__()
        self.cells = cells
        self.weight_x = nn.Parameter(torch.empty(4 * cells, inputs))
        self.weight_h = nn.Parameter(torch.empty(4 * cells, cells))
        self.bias = nn.Parameter(torch.zeros(4 * cells))
        self.peepholes = nn.Parameter(torch.zeros(3, cells))  # w_ci, w_cf, w_co
        for weight in (self.weight_x, self.weight_h):
            nn.init.uniform_(weight, -1 / math.sqrt(cells), 1 / math.sqrt(cells))
        nn.init.ones_(self.bias.data[cells : 2 * cells])

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Any]:
        """Outputs ``(B, T, cells)`` of inputs ``(B, T, D)``, and the last (h, c), ``(B, cells)`` each."""
        trace = self.trace(inputs, state)
        return trace.outputs, (trace.outputs[:, -1], trace.cells[:, -1])

    def trace(self, inputs: Tensor, state: tuple[Tensor, Tensor] | None = None) -> LSTMTrace:
        """The same with cells and gates. Gates carry no gradient."""
        checks.require_shape(inputs, f"B T {self.weight_x.shape[1]}", "inputs", "one vector a frame")
        driven = F.linear(inputs.transpose(0, 1), self.weight_x, self.bias)  # (T, B, 4 * cells)
        driven = driven.to(self.weight_h.dtype)  # under autocast the recurrence stays in single precision
        zero = driven.new_zeros(driven.shape[1], self.cells)
        h, c = (zero, zero) if state is None else state
        outputs, cells, gates = _PeepholeSteps.apply(driven, self.weight_h, self.peepholes, h, c)
        entering, keeping, _, showing = (gate.transpose(0, 1) for gate in gates.chunk(4, dim=-1))
        return LSTMTrace(outputs.transpose(0, 1), cells.transpose(0, 1), entering, keeping, showing)


class _PeepholeSteps(torch.autograd.Function):
    """All steps of a layer: from what the inputs contribute, ``(T, B, 4H)``, to outputs and cells ``(T, B, H)``."""

    @staticmethod
    def forward(
        ctx: Any, driven: Tensor, weight: Tensor, peepholes: Tensor, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        frames, batch, width = *driven.shape[:2], h.shape[1]
        gates = driven.clone()
        outputs, cells = driven.new_empty(frames, batch, width), driven.new_empty(frames, batch, width)
        w_ci, w_cf, w_co = peepholes
        turned = weight.t()
        h_0, c_0 = h, c
        for t in range(frames):
            gate = gates[t].addmm_(h, turned)  # (B, 4H): W_x x_t + W_h h_{t-1} + b
            i, f, g, o = gate.chunk(4, dim=1)
            i.addcmul_(c, w_ci).sigmoid_()  # eq. 3.3
            f.addcmul_(c, w_cf).sigmoid_()  # eq. 3.4
            g.tanh_()
            torch.mul(f, c, out=cells[t])
            c = cells[t].addcmul_(i, g)  # eq. 3.5
            o.addcmul_(c, w_co).sigmoid_()  # eq. 3.6
            h = torch.mul(o, c.tanh(), out=outputs[t])  # eq. 3.7
        ctx.save_for_backward(weight, peepholes, h_0, c_0, outputs, cells, gates)
        ctx.mark_non_differentiable(gates)
        return outputs, cells, gates

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        d_outputs, d_cells, _ = grads
        weight, peepholes, h_0, c_0, outputs, cells, gates = ctx.saved_tensors
        w_ci, w_cf, w_co = peepholes
        slopes = torch.empty_like(gates)  # of the loss by what enters each gate
        tanh = cells.tanh()
        i, f, g, o = gates.chunk(4, dim=2)
        by_g, by_i = i * (1 - g * g), g * i * (1 - i)
        by_o, by_c = tanh * o * (1 - o), o * (1 - tanh * tanh)  # (T, B, H) each
        before = torch.cat([c_0[None], cells[:-1]])
        by_f = before * f * (1 - f)
        d_h, d_c = torch.zeros_like(h_0), torch.zeros_like(c_0)  # what later frames ask of h_t and c_t
        for t in range(len(gates) - 1, -1, -1):
            d_i, d_f, d_g, d_o = slopes[t].chunk(4, dim=1)
            d_h = d_h + d_outputs[t]
            torch.mul(d_h, by_o[t], out=d_o)
            d_c = d_c.add(d_cells[t]).addcmul_(d_h, by_c[t]).addcmul_(d_o, w_co)
            torch.mul(d_c, by_i[t], out=d_i)
            torch.mul(d_c, by_f[t], out=d_f)
            torch.mul(d_c, by_g[t], out=d_g)
            d_c = (d_c * f[t]).addcmul_(d_i, w_ci).addcmul_(d_f, w_cf)
            d_h = slopes[t] @ weight
        d_i, d_f, _, d_o = slopes.chunk(4, dim=2)
        earlier = torch.cat([h_0[None], outputs[:-1]])
        d_weight = slopes.flatten(0, 1).t() @ earlier.flatten(0, 1)  # one product for all frames
        d_peepholes = torch.stack([(d_i * before).sum((0, 1)), (d_f * before).sum((0, 1)), (d_o * cells).sum((0, 1))])
        return slopes, d_weight, d_peepholes, d_h, d_c
