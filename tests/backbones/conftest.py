"""What several tests of the backbones share."""

import pytest
import torch
from torchvision import models


@pytest.fixture(scope="session")
def alexnet(tmp_path_factory):
    """AlexNet as torchvision initialises it, in evaluation, and its file: 244 MB, made once."""
    torch.manual_seed(0)
    network, path = models.alexnet().eval(), tmp_path_factory.mktemp("alexnet") / "alexnet.pth"
    torch.save(network.state_dict(), path)
    return network, path
