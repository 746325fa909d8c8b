"""What pytorch-grad-cam and captum say of a small network, recorded for the lab's own tests.

    .venv-peers/bin/python benchmarks/grad_cam_reference.py tests/grad_cam_reference.npz

The file holds the images, the weights, and the heat maps of all classes: of pytorch-grad-cam as it gives them,
enlarged to the image and each scaled to 0 to 1 by itself, and of captum's ``LayerGradCam`` with ``relu_attributions``,
raw. Both look behind the last ReLU, captum also before it: there pytorch-grad-cam would find what the in-place ReLU has
left. `tests/test_attribution.py` builds the same network and compares.
"""

import sys

import numpy as np
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

CLASSES, CONVOLUTION, RELU = 4, 3, 4


def network() -> nn.Sequential:
    """Two convolutions with in-place ReLUs and two linear layers: the head is not linear in the feature maps."""
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(6 * 5 * 5, 8),
        nn.ReLU(inplace=True),
        nn.Linear(8, CLASSES),
    )


def main(path: str) -> None:
    """Record both."""
    torch.manual_seed(0)
    net, images = network().eval(), torch.randn(2, 3, 20, 20)
    with torch.no_grad():
        for weight in net.parameters():
            weight *= 2  # so that maps are not mostly zeros
    with GradCAM(model=net, target_layers=[net[RELU]]) as cam:
        targets = [[ClassifierOutputTarget(label)] * len(images) for label in range(CLASSES)]
        maps = {"pytorch_grad_cam": np.stack([cam(input_tensor=images, targets=one) for one in targets], 1)}
    for name, number in (("captum", RELU), ("captum_convolution", CONVOLUTION)):
        layer = LayerGradCam(net, net[number])
        found = [layer.attribute(images, target=label, relu_attributions=True)[:, 0] for label in range(CLASSES)]
        maps[name] = torch.stack(found, 1).detach().numpy()  # (2, CLASSES, 5, 5)
    weights = {f"weights/{name}": value.numpy() for name, value in net.state_dict().items()}
    np.savez_compressed(path, images=images.numpy(), **{k: v.astype(np.float32) for k, v in maps.items()}, **weights)


if __name__ == "__main__":
    main(sys.argv[1])
