#!/usr/bin/env python3
"""Carries networks between PyTorch and Secateur and back, and compares what they answer.

    python3 check_interchange.py PROGRAM [NETWORK...]     every check at full size; needs torch
    python3 check_interchange.py --golden                 writes interchange.safetensors, for the tests in C++

For each network of torch_networks.py, with random weights: PyTorch -> import -> export (torchvision's names) ->
PyTorch, where the tensors must be the very same; then the exported file -> load_safetensors.py, whose answer must
equal the original's to 1e-4. The program's own answer is compared by `secateur infer`, in probabilities. Without
torch it exits with 77: skipped.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    print("SKIPPED: torch is not installed")
    sys.exit(77)

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
sys.path.insert(0, str(FOLDER.parents[1] / "apps" / "interop"))
import load_safetensors  # noqa: E402
import torch_networks  # noqa: E402

BOUND = 1e-4


def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{program} {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def relative(got, wanted):
    return float((got - wanted).abs().max() / wanted.abs().max())


def write_ppm(path, pixels):
    height, width, _ = pixels.shape
    path.write_bytes(b"P6 %d %d 255\n" % (width, height) + bytes(pixels.reshape(-1).tolist()))


def check(program, name, folder):
    classes, side = 20, 64
    network = torch_networks.randomize(torch_networks.NETWORKS[name](classes), seed=7)
    pixels = torch.randint(0, 256, (4, side, side, 3), dtype=torch.uint8)
    images = pixels.permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        wanted = network(images)
        # Logits of a network with random weights are large; a softmax that is 0 and 1 would compare nothing.
        last = network.fc if hasattr(network, "fc") else network.classifier[0]
        factor = 2 / wanted.std()
        last.weight *= factor
        last.bias *= factor
        wanted = network(images)
    given = folder / "torch.safetensors"
    load_safetensors.write_safetensors(given, network.state_dict())
    model = folder / "model.h5"
    run(program, "import", given, "--from", "torchvision", "--model", name, "--image", side, "--normalization", "none",
        "--out", model)
    back = folder / "back.safetensors"
    run(program, "export", model, "--format", "safetensors", "--names", "torchvision", "--out", back)

    before, (after, _) = network.state_dict(), load_safetensors.read_safetensors(back)
    before = {key: value for key, value in before.items() if not key.endswith("num_batches_tracked")}
    assert before.keys() == after.keys(), before.keys() ^ after.keys()
    for key, value in before.items():
        assert torch.equal(value, after[key]), key

    with torch.no_grad():
        reloaded = load_safetensors.load(back)(images)
    error = relative(reloaded, wanted)
    assert error < BOUND, error

    for index in range(len(pixels)):
        write_ppm(folder / f"{index}.ppm", pixels[index])
    lines = run(program, "infer", model, *(folder / f"{i}.ppm" for i in range(len(pixels))), "--topk", classes,
                "--batch", 3, "--json").splitlines()
    assert len(lines) == len(pixels), lines
    probabilities = torch.zeros(len(pixels), classes)
    for index, line in enumerate(lines):
        for entry in json.loads(line)["classes"]:
            probabilities[index, entry["index"]] = entry["probability"]
    # Differences of log probabilities are differences of logits.
    ours = probabilities.log()
    own = relative(ours - ours.mean(1, keepdim=True), wanted - wanted.mean(1, keepdim=True))
    assert own < BOUND, own
    print(f"{name}: {len(after)} tensors the same; rebuilt in torch {error:.1e}; own answer {own:.1e}")


def write_golden():
    """A narrow ResNet-18 under torchvision's names, an image and PyTorch's answer."""
    network = torch_networks.randomize(torch_networks.ResNet(torch_networks.BasicBlock, (1, 1, 1, 1), 5, width=4), 3)
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        answer = network(images)
    tensors = network.state_dict()
    # As mixed files are: one tensor in half precision, one in bfloat16.
    for key, kind in (("layer1.0.conv1.weight", torch.float16), ("layer2.0.conv1.weight", torch.bfloat16)):
        tensors[key] = tensors[key].to(kind)
        network.get_parameter(key).data = tensors[key].float()
    with torch.no_grad():
        answer = network(images)
    tensors |= {"test.images": images, "test.logits": answer}
    load_safetensors.write_safetensors(FOLDER / "interchange.safetensors", tensors, {"torch": torch.__version__})


if __name__ == "__main__":
    if sys.argv[1:] == ["--golden"]:
        write_golden()
    elif len(sys.argv) >= 2:
        for which in sys.argv[2:] or torch_networks.NETWORKS:
            with tempfile.TemporaryDirectory() as temporary:
                check(sys.argv[1], which, pathlib.Path(temporary))
    else:
        sys.exit(__doc__)
