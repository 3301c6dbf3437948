#!/usr/bin/env python3
"""Runs exported networks in ONNX Runtime, and compares with what Secateur answered.

    python3 check_exports.py SAMPLES VENV [NAME...]

SAMPLES is the program export_samples, VENV a folder for a virtual environment with ONNX Runtime, which is made
where the interpreter at hand does not have it. Where it cannot be had: the reason, and exit code 77. Where torch is
at hand, the safetensors files are rebuilt by apps/interop/load_safetensors.py and compared too.
"""

import os
import pathlib
import struct
import subprocess
import sys
import tempfile

BOUND = 1e-4
PACKAGES = ["onnxruntime>=1.20,<1.24", "numpy"]


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(77)


def restart_in(venv):
    """Starts this script again with ONNX Runtime, installing it first."""
    if os.environ.get("SECATEUR_CHECK_EXPORTS"):
        skip("ONNX Runtime was installed and cannot be imported")
    python = venv / "bin" / "python"
    ready = venv / ".ready"
    if not ready.exists():
        for command in ([sys.executable, "-m", "venv", str(venv)],
                        [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:",
                         "--disable-pip-version-check", *PACKAGES]):
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            except (OSError, subprocess.TimeoutExpired) as error:
                skip(f"ONNX Runtime cannot be installed: {error}")
            if done.returncode != 0:
                last = (done.stderr or done.stdout).strip().splitlines()
                skip(f"ONNX Runtime cannot be installed: {last[-1] if last else 'no reason given'}")
        ready.touch()
    os.execve(python, [str(python), *sys.argv], {**os.environ, "SECATEUR_CHECK_EXPORTS": "1"})


try:
    import numpy
    import onnxruntime
except ImportError:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    restart_in(pathlib.Path(sys.argv[2]).resolve())

try:
    import torch
except ImportError:
    torch = None


def read_floats(path):
    import json
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        flat = numpy.frombuffer(data[8 + length + begin:8 + length + end], dtype="<f4")
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def error_of(got, wanted):
    assert got.size == wanted.size, (got.shape, wanted.shape)
    assert numpy.isfinite(got).all()
    return float(numpy.abs(got.reshape(wanted.shape) - wanted).max() / numpy.abs(wanted).max())


def check(samples, name, folder):
    subprocess.run([samples, name, folder], check=True)
    run = read_floats(folder / "run.safetensors")
    images, wanted = run["images"], run["logits"]
    errors = {}
    for kind in ("plain", "folded", "dynamic"):
        session = onnxruntime.InferenceSession(folder / f"{kind}.onnx", providers=["CPUExecutionProvider"])
        (given,), (answer,) = session.get_inputs(), session.get_outputs()
        assert (given.name, answer.name) == ("image", "logits"), (given.name, answer.name)
        expected = list(wanted.shape) if wanted.shape[2:] != (1, 1) else list(wanted.shape[:2])
        if kind == "dynamic":
            expected[0] = "batch"
        assert answer.shape == expected, (answer.shape, expected)
        errors[kind] = error_of(session.run(None, {"image": images})[0], wanted)
        if kind == "dynamic":  # any number of images
            twice = session.run(None, {"image": numpy.concatenate([images, images[:1]])})[0]
            errors[kind] = max(errors[kind], error_of(twice[:2], wanted), error_of(twice[2:], wanted[:1]))
    if torch is not None:
        import load_safetensors
        with torch.no_grad():
            answer = load_safetensors.load(folder / "net.safetensors")(torch.from_numpy(images.copy()))
        errors["torch"] = error_of(answer.numpy(), wanted)
    return errors


def main():
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "apps" / "interop"))
    samples = str(pathlib.Path(sys.argv[1]).resolve())
    names = sys.argv[3:] or subprocess.run([samples], check=True, capture_output=True, text=True).stdout.splitlines()
    failures = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            errors = check(samples, name, pathlib.Path(folder))
        bad = max(errors.values()) >= BOUND
        failures += bad
        print(f"{'FAILED' if bad else 'ok':6} {name:26}", *(f"{kind} {error:.1e}" for kind, error in errors.items()))
    print(f"{len(names) - failures} of {len(names)} samples equal to {BOUND:.0e} in ONNX Runtime "
          f"{onnxruntime.__version__}" + (f" and torch {torch.__version__}" if torch else ""))
    return 1 if failures or not names else 0


if __name__ == "__main__":
    sys.exit(main())
