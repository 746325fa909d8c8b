"""What first-layer filters look like."""

import math

import pytest
import torch

from labkit.studies.filters import FILTER_KINDS, filter_kinds


def made_filters(length=10, size=7):
    """A filter of each kind, made from their definitions: (4, 2L, S, S)."""
    y, x = torch.meshgrid(*[torch.arange(size) - (size - 1) / 2] * 2, indexing="ij")
    bell = torch.exp(-(x**2 + y**2) / (2 * (size / 4) ** 2))
    slope = (0.6 * x - 0.8 * y) * bell
    course = torch.linspace(-1, 1, length)
    filters = torch.zeros(4, length, 2, size, size)
    filters[0, :, 1] = slope  # of dy, always
    filters[1, :, 0] = course[:, None, None] * bell  # of dx: late minus early
    filters[2] = bell
    filters[3] = (-1.0) ** (x + y)  # a chequerboard
    return filters.flatten(1, 2)


def test_filters_of_each_kind_are_told_apart():
    kinds, shares = filter_kinds(made_filters())
    assert kinds.tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(shares[:3], torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)
    assert shares[3].max() < 0.01
    assert [FILTER_KINDS[kind] for kind in kinds[:2]] == ["spatial derivative", "temporal derivative"]


def test_shares_of_a_mixture_are_those_of_its_energy():
    filters = made_filters()
    unit = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]
    mixed = 0.6 * unit[0] - 0.8 * unit[1]
    kinds, shares = filter_kinds(torch.stack([mixed, -5 * mixed]))
    torch.testing.assert_close(shares, torch.tensor([[0.36, 0.64, 0]], dtype=torch.float64).expand(2, 3))
    assert kinds.tolist() == [1, 1]


def test_filters_buried_in_noise_are_found_and_noise_alone_is_not():
    noise = torch.randn(20_000, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    kinds, shares = filter_kinds(noise, level=0.02)
    rates = torch.bincount(kinds, minlength=4)[:3] / 20_000
    assert rates.max() < 0.02 + 5 * math.sqrt(0.02 / 20_000)
    assert rates.min() > 0.015  # ties lose a little
    torch.testing.assert_close(shares.mean(dim=0) * 150, torch.tensor([12.0, 4, 2]).double(), rtol=0.03, atol=0)
    # half the energy of each filter is noise
    made = made_filters(3, 5)[:3]
    made = made / made.flatten(1).norm(dim=1)[:, None, None, None]
    for kind in range(3):
        buried = made[kind] + noise[:200] / noise[:200].flatten(1).norm(dim=1)[:, None, None, None]
        assert (filter_kinds(buried)[0] == kind).all()


def test_one_field_has_no_derivative_in_time():
    filters = torch.cat([made_filters(1)[[0, 2]], torch.zeros(1, 2, 7, 7)])
    kinds, shares = filter_kinds(filters)
    assert kinds.tolist() == [0, 2, 3]
    assert shares[:, 1].abs().max() < 1e-20
    assert shares[2].tolist() == [0, 0, 0]
    noise = filter_kinds(torch.randn(500, 2, 7, 7, generator=torch.Generator().manual_seed(0)))[0]
    assert (noise != 1).all()


def test_only_filters_of_flow_have_kinds():
    with pytest.raises(ValueError, match=r"weights must be \(F, 2L, S, S\), S at least 3; got \(96, 3, 7, 7\)"):
        filter_kinds(torch.zeros(96, 3, 7, 7))
