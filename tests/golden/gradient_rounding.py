"""How far rounding alone takes the gradients of a deep network: PyTorch with every layer's output and its gradient
rounded to bf16 or fp16 (arithmetic in float32) against itself in float64. The bounds of `secateur selftest` for deep
networks (apps/selftest/check.h) quote what this prints.

usage: gradient_rounding.py [DRAWS] [BATCH]      (PyTorch; 2.15.0 was used, with 16 draws of 4 images)
"""

import copy
import sys

import torch
from torch import nn

from torch_networks import BasicBlock, Vgg16


def resnet20():
    layers, channels = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for filters in (16, 32, 64):
        for block in range(3):
            layers.append(BasicBlock(channels, filters, 2 if block == 0 and filters > 16 else 1))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def vgg16():
    return nn.Sequential(Vgg16(10).features, nn.Flatten(), nn.Linear(512, 10))


def initialise(network):
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data += 0.2 * torch.randn_like(layer.weight)
            layer.bias.data += 0.2 * torch.randn_like(layer.bias)
    return network


def rounded(network, dtype):
    """A copy whose layers read and write numbers of `dtype`, in both directions; gradients scaled by 1024 meanwhile."""

    class Round(torch.autograd.Function):
        @staticmethod
        def forward(_, value):
            return value.to(dtype).float()

        @staticmethod
        def backward(_, gradient):
            return (gradient * 1024).to(dtype).float() / 1024

    network = copy.deepcopy(network)
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Linear)):
            layer.register_forward_hook(lambda _layer, _inputs, output: Round.apply(output))
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.weight.data = layer.weight.data.to(dtype).float()
            layer.register_forward_pre_hook(lambda _layer, inputs: (Round.apply(inputs[0]),))
    return network


def gradients(network, images, labels):
    nn.functional.cross_entropy(network(images), labels).backward()
    return [parameter.grad.double() for parameter in network.parameters()]


def error(got, expected):
    return ((got - expected).norm() / expected.norm()).item()


def main():
    draws, batch = (int(word) for word in (sys.argv[1:] + ["16", "4"][len(sys.argv) - 1:]))
    for name, build in (("ResNet-20", resnet20), ("VGG-16", vgg16)):
        for dtype in (torch.bfloat16, torch.float16):
            worst, together = [], []
            for seed in range(draws):
                torch.manual_seed(seed)
                network = initialise(build())
                images, labels = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
                expected = gradients(copy.deepcopy(network).double(), images.double(), labels)
                got = gradients(rounded(network, dtype), images, labels)
                worst.append(max(map(error, got, expected)))
                together.append(error(*(torch.cat([part.flatten() for part in parts]) for parts in (got, expected))))
            print(f"{name} {dtype}: worst {min(worst):.2f} to {max(worst):.2f}, "
                  f"together {min(together):.2f} to {max(together):.2f}")


if __name__ == "__main__":
    main()
