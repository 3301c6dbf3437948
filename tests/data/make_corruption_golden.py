#!/usr/bin/env python3
"""Writes corruption_golden.txt: what the authors' own functions (Hendrycks and Dietterich 2019, as the package imagenet_c
of PyPI has them) make of one image, for the corruptions without random draws.

    pip install imagenet-c opencv-python-headless scikit-image "numpy<2" pillow
    python3 make_corruption_golden.py

A line is: corruption, severity, then 64 values in levels, before they are rounded. Their package imports ImageMagick's
binding, which these corruptions do not use: an empty module stands in.
"""

import pathlib
import sys
import types

import numpy

SIDE = 224  # that the authors' script pixelates to
VALUES = 64
STRIDE = 2351


def stand_in(name, **members):
    module = types.ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


class Anything:
    def __getattr__(self, name):
        return Anything()

    def __call__(self, *arguments):
        return Anything()


class WandImage:
    pass


api = stand_in("wand.api", library=Anything())
image = stand_in("wand.image", Image=WandImage)
color = stand_in("wand.color")
stand_in("wand", api=api, image=image, color=color)
from imagenet_c import corruptions  # noqa: E402
from PIL import Image  # noqa: E402


def triangle(value):
    return abs(value % 510 - 255)


def test_image():
    rows = [
        [
            [(2 * triangle(3 * y + 2 * x + 40 * c) + triangle(11 * x + 7 * y * (c + 1))) // 3 for c in range(3)]
            for x in range(SIDE)
        ]
        for y in range(SIDE)
    ]
    return numpy.array(rows, dtype=numpy.uint8)


def main():
    pixels = test_image()
    lines = []
    for name in ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"):
        for severity in range(1, 6):
            result = numpy.asarray(getattr(corruptions, name)(Image.fromarray(pixels), severity), dtype=float)
            assert result.shape == pixels.shape, (name, result.shape)
            flat = result.reshape(-1)
            picked = [flat[i * STRIDE % flat.size] for i in range(VALUES)]
            lines.append(" ".join([name, str(severity), *(f"{value:.3f}" for value in picked)]))
    path = pathlib.Path(__file__).resolve().parent / "corruption_golden.txt"
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
