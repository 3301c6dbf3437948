#!/usr/bin/env python3
"""Writes the golden files of this folder: what PyTorch computes, in float64, for ops and for two small networks.

    python3 make_golden.py            (needs torch and numpy; the CPU is enough)

A file is: the length of the header (8 bytes, little endian), the header (JSON), the values (float64, little endian).
The header holds the version of torch and, for each array, its shape and the index of its first value. Activations
are NHWC and filters KRSC: whatever is NCHW in PyTorch is converted here.
"""

import json
import pathlib
import struct

import numpy
import torch
from torch import nn
from torch.nn import functional

FOLDER = pathlib.Path(__file__).resolve().parent


def channels_last(tensor):
    """[N, C, H, W] -> [N, H, W, C]; filters [K, C, R, S] -> [K, R, S, C] is the same move."""
    return tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor


class GoldenFile:
    def __init__(self):
        self.arrays = {}
        self.extra = {}

    def add(self, name, tensor):
        array = channels_last(tensor.detach()).contiguous().to(torch.float64).numpy()
        assert name not in self.arrays and numpy.isfinite(array).all(), name
        self.arrays[name] = array.copy()

    def write(self, name):
        index = {}
        start = 0
        for key, array in self.arrays.items():
            index[key] = {"shape": list(array.shape), "first": start}
            start += array.size
        header = {"torch": torch.__version__, "numpy": numpy.__version__, "arrays": index, **self.extra}
        text = json.dumps(header, sort_keys=True).encode()
        values = b"".join(array.astype("<f8").tobytes() for array in self.arrays.values())
        (FOLDER / name).write_bytes(struct.pack("<Q", len(text)) + text + values)


# Networks -------------------------------------------------------------------------------------------------------------


class SmallVgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 5, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(5)
        self.conv2 = nn.Conv2d(5, 6, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(6)
        self.conv3 = nn.Conv2d(6, 7, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(7)
        self.fc = nn.Linear(28, 4)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        x = functional.max_pool2d(x, 2)
        x = functional.relu(self.bn3(self.conv3(x)))
        x = functional.max_pool2d(x, 2)
        return self.fc(channels_last(x).flatten(1))


class SmallResnet(nn.Module):
    def __init__(self, trunk=4, inner=4, wide_inner=6, wide_trunk=6):
        super().__init__()
        widths = {"stem": (3, trunk, 3, 1), "conv1": (trunk, inner, 3, 1), "conv2": (inner, trunk, 3, 1)}
        widths |= {"conv3": (trunk, wide_inner, 3, 2), "conv4": (wide_inner, wide_trunk, 3, 1)}
        widths |= {"shortcut": (trunk, wide_trunk, 1, 2)}
        for name, (inputs, outputs, kernel, stride) in widths.items():
            conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
            self.add_module(name, conv)
            self.add_module(name + "_bn", nn.BatchNorm2d(outputs))
        self.fc = nn.Linear(wide_trunk, 5)

    def forward(self, x):
        def conv_bn(name, x):
            return getattr(self, name + "_bn")(getattr(self, name)(x))

        x = functional.relu(conv_bn("stem", x))
        x = functional.relu(x + conv_bn("conv2", functional.relu(conv_bn("conv1", x))))
        branch = conv_bn("conv4", functional.relu(conv_bn("conv3", x)))
        x = functional.relu(branch + conv_bn("shortcut", x))
        return self.fc(x.mean(dim=(2, 3)))


NORM_ROLES = {"weight": "scale", "bias": "shift", "running_mean": "running_mean", "running_var": "running_variance"}


def parameters_of(model):
    """(name in the engine, tensor, is trained)"""
    for module_name, module in model.named_modules():
        is_norm = isinstance(module, nn.BatchNorm2d)
        for role, tensor in module.named_parameters(recurse=False):
            yield f"{module_name}.{NORM_ROLES[role] if is_norm else role}", tensor, True
        for role, tensor in module.named_buffers(recurse=False):
            if role in NORM_ROLES:
                yield f"{module_name}.{NORM_ROLES[role]}", tensor, False


def write_network(name, model, classes, seed, smoothing, optimiser_settings):
    """Two steps on one batch: the first starts momentum, the second uses it."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double()
    with torch.no_grad():
        for key, tensor, _ in parameters_of(model):
            noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            if key.endswith(("scale", "running_variance")):
                tensor.copy_(1 + 0.3 * noise.abs())
            elif key.endswith("weight"):
                tensor.copy_(noise * (2.0 / tensor[0].numel()) ** 0.5)
            else:
                tensor.copy_(0.2 * noise)
    images = torch.randn(6, 3, 8, 8, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (6,), generator=generator)

    golden = GoldenFile()
    golden.extra = {"label_smoothing": smoothing, **optimiser_settings}
    golden.add("images", images)
    golden.add("labels", labels)
    for key, tensor, _ in parameters_of(model):
        golden.add("initial/" + key, tensor)
    model.eval()
    golden.add("inference_logits", model(images))
    model.train()
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=optimiser_settings["learning_rate"],
        momentum=optimiser_settings["momentum"],
        weight_decay=optimiser_settings["weight_decay"],
        nesterov=optimiser_settings["nesterov"],
    )
    for step in (1, 2):
        optimiser.zero_grad()
        logits = model(images)
        losses = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        losses.mean().backward()
        golden.add(f"step{step}/logits", logits)
        golden.add(f"step{step}/losses", losses)
        for key, tensor, trained in parameters_of(model):
            if trained:
                golden.add(f"step{step}/gradient/{key}", tensor.grad)
        optimiser.step()
        for key, tensor, _ in parameters_of(model):
            golden.add(f"step{step}/after/{key}", tensor)
    golden.write(name)


# Ops ------------------------------------------------------------------------------------------------------------------


class OpFile:
    """Arrays "<case>/input0", "/parameter0", "/output", "/output_gradient", "/input_gradient0", "/parameter_gradient0",
    "/after0" (statistics); header entry "cases": name, op, attributes, number of inputs and parameters."""

    def __init__(self, seed):
        self.golden = GoldenFile()
        self.cases = []
        self.generator = torch.Generator().manual_seed(seed)

    def random(self, *shape):
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def add(
        self, name, op, attributes, inputs, parameters, compute, statistics=(), batch_statistics=False, constant=None
    ):
        """inputs: NCHW or [N, K] or labels [N], of which `constant` has no gradient; compute(inputs, parameters) gives the
        output."""
        for index, tensor in enumerate(statistics):
            self.golden.add(f"{name}/parameter{len(parameters) + index}", tensor)
        differentiable = [
            t.requires_grad_() for t in [*inputs, *parameters] if t.is_floating_point() and t is not constant
        ]
        output = compute(inputs, parameters)
        output_gradient = self.random(*output.shape)
        gradients = dict(zip(map(id, differentiable), torch.autograd.grad(output, differentiable, output_gradient)))
        for index, tensor in enumerate(inputs):
            self.golden.add(f"{name}/input{index}", tensor)
            if id(tensor) in gradients:
                self.golden.add(f"{name}/input_gradient{index}", gradients[id(tensor)])
        for index, tensor in enumerate(parameters):
            self.golden.add(f"{name}/parameter{index}", tensor)
            self.golden.add(f"{name}/parameter_gradient{index}", gradients[id(tensor)])
        for index, tensor in enumerate(statistics):
            self.golden.add(f"{name}/after{len(parameters) + index}", tensor)
        self.golden.add(f"{name}/output", output)
        self.golden.add(f"{name}/output_gradient", output_gradient)
        self.cases.append(
            {
                "name": name,
                "op": op,
                "attributes": attributes,
                "inputs": len(inputs),
                "parameters": len(parameters) + len(statistics),
                "batch_statistics": batch_statistics,
            }
        )

    def write(self, name):
        self.golden.extra = {"cases": self.cases}
        self.golden.write(name)


def add_convolution(file, name, inputs, outputs, height, width, **attributes):
    full = {"kernel": [3, 3], "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1, "bias": 0}
    full |= {"out_channels": outputs} | attributes
    parameters = [file.random(outputs, inputs // full["groups"], *full["kernel"])]
    if full["bias"]:
        parameters.append(file.random(outputs))

    def compute(x, p):
        bias = p[1] if full["bias"] else None
        return functional.conv2d(x[0], p[0], bias, full["stride"], full["padding"], full["dilation"], full["groups"])

    file.add("conv2d_" + name, "conv2d", full, [file.random(2, inputs, height, width)], parameters, compute)


def write_ops():
    file = OpFile(seed=20)
    add_convolution(file, "plain", 5, 4, 6, 7)
    add_convolution(file, "same", 3, 6, 6, 6, padding=[1, 1], bias=1)
    add_convolution(file, "strided", 4, 3, 9, 8, stride=[2, 2], padding=[1, 1])
    add_convolution(file, "dilated", 3, 5, 9, 9, dilation=[2, 2], padding=[2, 2], bias=1)
    add_convolution(file, "grouped", 6, 9, 5, 5, groups=3, padding=[1, 1], bias=1)
    add_convolution(file, "depthwise", 5, 5, 6, 6, groups=5, padding=[1, 1])
    add_convolution(file, "unequal", 3, 4, 7, 10, kernel=[1, 5], stride=[2, 1], padding=[0, 2], dilation=[1, 2])

    file.add("linear", "linear", {"out_features": 6}, [file.random(4, 7)], [file.random(6, 7), file.random(6)],
             lambda x, p: functional.linear(x[0], p[0], p[1]))  # fmt: skip

    for training in (False, True):
        mean, variance = file.random(5), 1 + file.random(5).abs()

        def batch_norm(x, p, mean=mean, variance=variance, training=training):
            return functional.batch_norm(x[0], mean, variance, p[0], p[1], training, momentum=0.3, eps=1e-3)

        file.add("batch_norm_" + ("batch" if training else "running"), "batch_norm", {"epsilon": 1e-3, "momentum": 0.3},
                 [2 * file.random(3, 5, 4, 3) + 1], [file.random(5), file.random(5)], batch_norm, (mean, variance),
                 training)  # fmt: skip

    pool = {"kernel": [3, 3], "stride": [2, 2], "padding": [1, 1]}
    file.add("max_pool", "max_pool", pool, [file.random(2, 3, 7, 8)], [],
             lambda x, p: functional.max_pool2d(x[0], 3, 2, 1))  # fmt: skip
    file.add("max_pool_ties", "max_pool", pool, [torch.round(file.random(2, 3, 7, 8))], [],
             lambda x, p: functional.max_pool2d(x[0], 3, 2, 1))  # fmt: skip
    file.add("max_pool_default_stride", "max_pool", {"kernel": [2, 3]}, [file.random(2, 3, 7, 8)], [],
             lambda x, p: functional.max_pool2d(x[0], (2, 3)))  # fmt: skip
    for counted in (0, 1):
        file.add(f"avg_pool_{counted}", "avg_pool", pool | {"count_include_pad": counted}, [file.random(2, 3, 7, 8)],
                 [], lambda x, p, counted=counted: functional.avg_pool2d(x[0], 3, 2, 1, False, bool(counted)))  # fmt: skip
    file.add("global_avg_pool", "global_avg_pool", {}, [file.random(2, 3, 5, 4)], [],
             lambda x, p: x[0].mean(dim=(2, 3)))  # fmt: skip

    file.add("relu", "relu", {}, [file.random(2, 3, 4, 5)], [], lambda x, p: functional.relu(x[0]))
    file.add("add", "add", {}, [file.random(2, 3, 4, 5), file.random(2, 3, 4, 5)], [], lambda x, p: x[0] + x[1])
    file.add("concat", "concat", {}, [file.random(2, 3, 4, 5), file.random(2, 2, 4, 5)], [],
             lambda x, p: torch.cat(x, dim=1))  # fmt: skip
    file.add("flatten", "flatten", {}, [file.random(2, 3, 4, 5)], [], lambda x, p: channels_last(x[0]).flatten(1))
    file.add("gather_channels", "gather_channels", {"table": [2, 0, 2, 1]}, [file.random(2, 3, 4, 5)], [],
             lambda x, p: x[0][:, [2, 0, 2, 1]])  # fmt: skip
    file.add("pad_channels", "pad_channels", {"table": [-1, 0, 1, 2, -1]}, [file.random(2, 3, 4, 5)], [],
             lambda x, p: functional.pad(x[0], (0, 0, 0, 0, 1, 1)))  # fmt: skip
    file.add("scatter_add", "scatter_add", {"table": [3, 0]}, [file.random(2, 4, 3, 3), file.random(2, 2, 3, 3)], [],
             lambda x, p: x[0].index_add(1, torch.tensor([3, 0]), x[1]))  # fmt: skip

    for smoothing in (0.0, 0.1):
        file.add(f"softmax_cross_entropy_{int(10 * smoothing)}", "softmax_cross_entropy",
                 {"label_smoothing": smoothing}, [3 * file.random(5, 7), torch.tensor([3, -1, 0, 6, 2])], [],
                 lambda x, p, smoothing=smoothing: functional.cross_entropy(
                     x[0], x[1], reduction="none", ignore_index=-1, label_smoothing=smoothing))  # fmt: skip

    # Hinton et al. 2015, with PyTorch's own divergence.
    weight, temperature, labels, teacher = 0.7, 3.0, torch.tensor([3, -1, 0, 6, 2]), 3 * file.random(5, 7)

    def distilled(x, p):
        hard = functional.cross_entropy(x[0], x[1], reduction="none", ignore_index=-1, label_smoothing=0.1)
        soft = functional.kl_div(
            functional.log_softmax(x[0] / temperature, 1),
            functional.log_softmax(x[2] / temperature, 1),
            reduction="none",
            log_target=True,
        ).sum(1)
        return (1 - weight) * hard + weight * temperature**2 * soft * (x[1] >= 0)

    file.add("softmax_cross_entropy_taught", "softmax_cross_entropy",
             {"label_smoothing": 0.1, "distillation": weight, "temperature": temperature},
             [3 * file.random(5, 7), labels, teacher], [], distilled, constant=teacher)  # fmt: skip
    file.write("ops.golden")


def main():
    torch.set_num_threads(1)
    write_ops()
    sgd = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    write_network("vgg.golden", SmallVgg(), 4, 21, 0.0, sgd | {"nesterov": False})
    write_network("resnet.golden", SmallResnet(), 5, 22, 0.1, sgd | {"nesterov": True})


if __name__ == "__main__":
    main()
