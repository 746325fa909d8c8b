import math

import pytest
import torch
from torch import nn

from labkit.losses import classification_loss, soft_targets


@pytest.mark.parametrize("between", [(), (None,), (torch.zeros(2), torch.zeros(2))])
def test_cross_entropy_and_accuracy_by_hand(between):
    logits = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]], requires_grad=True)  # probabilities 3/4 and 1/4
    loss, shown = classification_loss(nn.Identity(), (logits, *between, torch.tensor([0, 1])))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    assert shown == {"accuracy": 0.5}
    loss.backward()
    expected = torch.tensor([[3 / 4 - 1, 1 / 4], [3 / 4, 1 / 4 - 1]]) / 2  # probabilities minus targets, averaged
    torch.testing.assert_close(logits.grad, expected)


def test_labels_have_equal_parts_of_their_targets():
    multi_hot = torch.tensor([[True, False, True], [False, True, False]])
    assert soft_targets(multi_hot).tolist() == [[0.5, 0, 0.5], [0, 1, 0]]
    with pytest.raises(ValueError, match=r"multi_hot must be \(B, K\); got \(2,\)"):
        soft_targets(torch.tensor([0, 1]))
