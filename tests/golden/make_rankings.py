#!/usr/bin/env python3
"""Writes rankings.golden: how Torch-Pruning scores the channels of two small networks, for filter criteria.

    pip install --no-deps --target FOLDER torch-pruning==1.6.1
    PYTHONPATH=FOLDER python3 make_rankings.py            (needs torch and numpy; the CPU is enough)

The layout is that of make_golden.py. Arrays: "<network>/images", "/labels", "/initial/<parameter>", and
"/<criterion>/<convolution>": one score a filter, for the dependency group that grows from that convolution.
Torch-Pruning reduces scores in float32.

  l1, l2        its magnitude of the group's first layer (l2: squares)
  fpgm          its FPGM of the first layer. It measures distances between |w|^p: here p is 1 and the filters are
                replaced by their absolute values, where that is the distance of the paper
  lamp          its LAMP of the first layer
  snip          its Taylor of the first layer, sum |w dL/dw|, of the mean loss over all images
  taylor        its multivariable Taylor of the first layer, |sum w dL/dw|, the mean over losses of one image each.
                As a convolution is linear this is |sum over positions of activation * gradient| of its output
  group_norm    its magnitude of the whole group, p = 2, mean over layers, divided by the mean
  obd           no part of Torch-Pruning: sum w^2 / 2 * mean over images of (dL_image/dw)^2, by autograd
"""

import torch
import torch_pruning
from make_golden import GoldenFile, SmallResnet, parameters_of
from torch import nn
from torch.nn import functional
from torch_pruning import importance


class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 9, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(9)
        self.conv2 = nn.Conv2d(9, 11, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(11)
        self.conv3 = nn.Conv2d(11, 7, 3, padding=1, bias=False)
        self.fc = nn.Linear(7, 4)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        x = functional.relu(self.conv3(functional.max_pool2d(x, 2)))
        return self.fc(x.mean(dim=(2, 3)))


def convolutions_of(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}


def backward(model, images, labels):
    model.zero_grad()
    functional.cross_entropy(model(images), labels).backward()


def scores_of(model, graph, criterion):
    scores = {}
    for name, module in convolutions_of(model).items():
        group = graph.get_pruning_group(module, torch_pruning.prune_conv_out_channels, list(range(module.out_channels)))
        scores[name] = criterion(group).double()
    return scores


def write_network(golden, name, model, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for key, tensor, _ in parameters_of(model):
            noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            if key.endswith(("scale", "running_variance")):
                tensor.copy_(1 + 0.3 * noise.abs())
            elif key.endswith("weight"):
                # Filters of unlike sizes, so that no ranking hangs on rounding.
                size = 0.5 + torch.rand(tensor.shape[0], generator=generator, dtype=torch.float64)
                noise *= size.reshape(-1, *[1] * (tensor.dim() - 1))
                tensor.copy_(noise * (2.0 / tensor[0].numel()) ** 0.5)
            else:
                tensor.copy_(0.2 * noise)
    images = torch.randn(6, 3, 8, 8, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (6,), generator=generator)
    golden.add(f"{name}/images", images)
    golden.add(f"{name}/labels", labels)
    for key, tensor, _ in parameters_of(model):
        golden.add(f"{name}/initial/{key}", tensor)

    graph = torch_pruning.DependencyGraph().build_dependency(model, example_inputs=images[:1])

    def add(criterion, scores):
        for layer, values in scores.items():
            golden.add(f"{name}/{criterion}/{layer}", values)

    def first(p):
        return importance.GroupMagnitudeImportance(p=p, group_reduction="first", normalizer=None)

    add("l1", scores_of(model, graph, first(1)))
    add("l2", scores_of(model, graph, first(2)))
    add("lamp", scores_of(model, graph, importance.LAMPImportance(group_reduction="first")))
    add("group_norm", scores_of(model, graph, importance.GroupMagnitudeImportance(p=2)))

    backward(model, images, labels)
    taylor = importance.GroupTaylorImportance(group_reduction="first", normalizer=None)
    add("snip", scores_of(model, graph, taylor))

    taylor = importance.GroupTaylorImportance(group_reduction="first", normalizer=None, multivariable=True)
    of_image, fisher = [], {layer: 0 for layer in convolutions_of(model)}
    for i in range(len(images)):
        backward(model, images[i : i + 1], labels[i : i + 1])
        of_image.append(scores_of(model, graph, taylor))
        for layer, module in convolutions_of(model).items():
            fisher[layer] += module.weight.grad**2 / len(images)
    add("taylor", {layer: sum(scores[layer] for scores in of_image) / len(images) for layer in of_image[0]})
    weights = {layer: module.weight.detach() for layer, module in convolutions_of(model).items()}
    add("obd", {layer: (fisher[layer] * w**2).flatten(1).sum(1) / 2 for layer, w in weights.items()})

    with torch.no_grad():
        for module in convolutions_of(model).values():
            module.weight.abs_()
    add("fpgm", scores_of(model, graph, importance.FPGMImportance(p=1, group_reduction="first", normalizer=None)))


def main():
    torch.set_num_threads(1)
    golden = GoldenFile()
    golden.extra = {"torch_pruning": torch_pruning.__version__}
    write_network(golden, "chain", Chain(), 4, 31)
    write_network(golden, "residual", SmallResnet(trunk=8, inner=9, wide_inner=11, wide_trunk=10), 5, 32)
    golden.write("rankings.golden")


if __name__ == "__main__":
    main()
