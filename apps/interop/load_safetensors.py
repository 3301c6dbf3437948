#!/usr/bin/env python3
"""Networks exported by `secateur export --format safetensors`, pruned ones too, as plain PyTorch modules.

    from load_safetensors import load
    network = load("pruned.safetensors")        # torch.nn.Module in eval mode
    logits = network(images)                    # [N, C, H, W], normalised as in training

The file carries the graph of the network; this module rebuilds it and needs torch and nothing else. Submodules
have the names of the file (`layer1.0.conv1`), so that the state dict is torchvision's where it was exported
with --names torchvision.

    python3 load_safetensors.py FILE            prints the layers and their widths
"""

import json
import struct
import sys

import torch
from torch import nn
from torch.nn import functional

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
         "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8}
ROLES = {"scale": "weight", "shift": "bias", "running_variance": "running_var"}


def read_safetensors(path):
    """Tensors by name, and the metadata."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(data, dtype=torch.uint8)[begin:end].clone().view(TYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata


def write_safetensors(path, tensors, metadata=None):
    header, blobs, start = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    names = {value: key for key, value in TYPES.items()}
    for name, tensor in tensors.items():
        blob = bytes(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [start, start + len(blob)]}
        start += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def pair(value):
    return tuple(value) if isinstance(value, list) else (value, value)


class Network(nn.Module):
    relu = staticmethod(functional.relu)  # torch.relu_ saves a pass in training

    def __init__(self, graph, names):
        super().__init__()
        self.nodes = graph["nodes"]
        self.output = graph["output"]
        self.layers = {}  # index of a node -> path of its submodule
        widths = []
        for index, node in enumerate(self.nodes):
            inputs = [widths[i] for i in node["inputs"]]
            layer, width = self.make(node, inputs)
            widths.append(width)
            if layer is not None:
                # The path: the weight's name in the file, without its last part.
                own = node["name"] + (".scale" if node["op"] == "batch_norm" else ".weight")
                path = names[own].rsplit(".", 1)[0]
                self.place(path, layer)
                self.layers[index] = path

    @staticmethod
    def make(node, inputs):
        """The node's submodule, if it has parameters, and the shape (height, width, channels) of its value."""
        op, a = node["op"], node["attributes"]
        height, width, channels = inputs[0] if inputs else (0, 0, 0)
        layer = None
        if op == "input":
            return None, (a["height"], a["width"], a["channels"])
        if op == "conv2d":
            layer = nn.Conv2d(channels, a["out_channels"], pair(a["kernel"]), pair(a.get("stride", 1)),
                              pair(a.get("padding", 0)), pair(a.get("dilation", 1)), a.get("groups", 1),
                              bool(a.get("bias", 0)))
            sizes = [(extent + 2 * p - d * (k - 1) - 1) // s + 1 for extent, k, s, p, d in zip(
                (height, width), layer.kernel_size, layer.stride, layer.padding, layer.dilation)]
            return layer, (*sizes, a["out_channels"])
        if op == "linear":
            return nn.Linear(channels, a["out_features"], bool(a.get("bias", 1))), (1, 1, a["out_features"])
        if op == "batch_norm":
            return nn.BatchNorm2d(channels, a.get("epsilon", 1e-5), a.get("momentum", 0.1)), inputs[0]
        if op in ("max_pool", "avg_pool"):
            kernel, padding = pair(a["kernel"]), pair(a.get("padding", 0))
            stride = pair(a["stride"]) if "stride" in a else kernel
            sizes = [(extent + 2 * p - k) // s + 1 for extent, k, s, p in zip((height, width), kernel, stride, padding)]
            return None, (*sizes, channels)
        if op == "global_avg_pool":
            return None, (1, 1, channels)
        if op == "flatten":
            return None, (1, 1, height * width * channels)
        if op == "concat":
            return None, (height, width, sum(shape[2] for shape in inputs))
        if op in ("gather_channels", "pad_channels"):
            return None, (height, width, len(a["table"]))
        if op in ("relu", "add", "dropout", "scatter_add"):
            return None, inputs[0]
        raise ValueError(f"layer '{node['name']}': op '{op}' is not known to this script")

    def place(self, path, layer):
        parent = self
        *folders, last = path.split(".")
        for folder in folders:
            if folder not in parent._modules:
                parent.add_module(folder, nn.Module())
            parent = parent._modules[folder]
        parent.add_module(last, layer)

    def forward(self, images):
        values = []
        for index, node in enumerate(self.nodes):
            op, a = node["op"], node["attributes"]
            inputs = [values[i] for i in node["inputs"]]
            x = inputs[0] if inputs else images
            if op in ("conv2d", "batch_norm"):
                x = self.get_submodule(self.layers[index])(x)
            elif op == "linear":
                x = self.get_submodule(self.layers[index])(x.flatten(1))[:, :, None, None]
            elif op == "relu":
                x = self.relu(x)
            elif op == "add":
                x = sum(inputs[1:], x)
            elif op == "dropout":
                x = functional.dropout(x, a.get("rate", 0.5), self.training)
            elif op in ("max_pool", "avg_pool"):
                kernel, padding = pair(a["kernel"]), pair(a.get("padding", 0))
                stride = pair(a["stride"]) if "stride" in a else kernel
                if op == "max_pool":
                    x = functional.max_pool2d(x, kernel, stride, padding)
                else:
                    x = functional.avg_pool2d(x, kernel, stride, padding,
                                              count_include_pad=bool(a.get("count_include_pad", 0)))
            elif op == "global_avg_pool":
                x = x.mean((2, 3), keepdim=True)
            elif op == "flatten":
                x = x.flatten(1)[:, :, None, None]
            elif op == "concat":
                x = torch.cat(inputs, 1)
            elif op == "gather_channels":
                x = x[:, a["table"]]
            elif op == "pad_channels":
                table = [x.shape[1] if entry < 0 else entry for entry in a["table"]]
                x = torch.cat([x, x.new_zeros(x.shape[0], 1, *x.shape[2:])], 1)[:, table]
            elif op == "scatter_add":
                x = x.index_add(1, torch.tensor(a["table"], device=x.device), inputs[1])
            values.append(x)
        answer = values[self.output]
        return answer.flatten(1) if answer.shape[2:] == (1, 1) else answer


def load(path):
    tensors, metadata = read_safetensors(path)
    if "secateur.graph" not in metadata:
        raise ValueError(f"{path}: the file carries no graph")
    names = json.loads(metadata["secateur.names"])
    network = Network(json.loads(metadata["secateur.graph"]), names)
    state = {}
    for own, name in names.items():
        folder = name.rsplit(".", 1)[0]
        role = own.rsplit(".", 1)[1]
        state[f"{folder}.{ROLES.get(role, role)}"] = tensors[name]
    missing, unexpected = network.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"{path}: missing {missing}, unexpected {unexpected}")
    return network.eval()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, parameter in load(sys.argv[1]).named_parameters():
        print(f"{name:50} {tuple(parameter.shape)}")
