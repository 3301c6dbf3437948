#!/usr/bin/env python3
"""Writes corruption_golden.txt: what the authors' own functions (Hendrycks and Dietterich 2019, as the package imagenet_c
of PyPI has them) make of one image. Those that draw random numbers are handed the ones that the engine draws (seed 0, image
0): its generator, Philox4x32-10, is written here once more, and NumPy's drawing functions are replaced by it.

    apt-get install libmagickwand-6.q16-6
    pip install imagenet-c opencv-python-headless scikit-image scipy "numpy<2" pillow wand
    python3 make_corruption_golden.py

A line is: corruption, severity, then 64 values in levels, before they are rounded. Not here: frost, whose photographs the
engine does not have.
"""

import pathlib

import numpy
import scipy.stats
from imagenet_c import corruptions
from PIL import Image

SIDE = 224  # that the authors' script pixelates to
VALUES = 64
STRIDE = 2351

gaussian = corruptions.gaussian
# The package was written for an older scikit-image, in which colours were said by another argument.
corruptions.gaussian = lambda image, sigma, multichannel=False, **options: gaussian(
    image, sigma, channel_axis=-1 if multichannel else None, **options
)


# In the engine's order, of which each has its own sequence.
DRAWS = {
    "gaussian_noise": 0,
    "shot_noise": 1,
    "impulse_noise": 2,
    "glass_blur": 4,
    "motion_blur": 5,
    "snow": 7,
    "fog": 9,
    "elastic_transform": 12,
}
PURPOSE = 11


def philox(positions, key_b):
    """Four words for each position, of seed 0 and image 0."""
    mask = numpy.uint64(0xFFFFFFFF)
    high = numpy.uint64(32)
    counter = [positions.astype(numpy.uint64), *(numpy.full_like(positions, value, numpy.uint64) for value in (key_b, 0, PURPOSE))]
    key = [0, 0]
    for _ in range(10):
        product0 = numpy.uint64(0xD2511F53) * counter[0]
        product1 = numpy.uint64(0xCD9E8D57) * counter[2]
        counter = [
            (product1 >> high) ^ counter[1] ^ numpy.uint64(key[0]),
            product1 & mask,
            (product0 >> high) ^ counter[3] ^ numpy.uint64(key[1]),
            product0 & mask,
        ]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return numpy.stack(counter, axis=-1).reshape(-1)


class Draws:
    """The engine's numbers in its order, in the place of numpy.random's functions."""

    def __init__(self, corruption):
        self.corruption = corruption
        self.words = philox(numpy.arange(400_000), DRAWS[corruption])
        self.used = 0
        self.second = None  # of pairs that the engine draws one after the other

    def uniforms(self, count):
        self.used += count
        assert self.used <= self.words.size
        return self.words[self.used - count : self.used] / 2.0**32

    def normal(self, loc=0.0, scale=1.0, size=None):
        pairs = self.uniforms(numpy.prod(size)).reshape(-1, 2)
        radius = numpy.sqrt(-2 * numpy.log(1 - pairs[:, 0]))
        angle = 2 * numpy.pi * pairs[:, 1]
        normals = numpy.stack([radius * numpy.cos(angle), radius * numpy.sin(angle)], axis=-1)
        return loc + scale * normals.reshape(size)

    def poisson(self, mean):
        return scipy.stats.poisson.ppf(self.uniforms(mean.size).reshape(mean.shape), mean)

    def uniform(self, low, high, size=None):
        if size is None:
            return low + (high - low) * self.uniforms(1)[0]
        if self.corruption == "fog":
            # Per step: the squares' middles; then, a pair a square, the middles of their upper and left edges, which the
            # authors draw as two arrays.
            self.calls = getattr(self, "calls", -1) + 1
            count = numpy.prod(size)
            if self.calls % 3 == 1:
                pairs = self.uniforms(2 * count).reshape(-1, 2)
                drawn, self.second = pairs[:, 0], pairs[:, 1]
            else:
                drawn = self.uniforms(count) if self.calls % 3 == 0 else self.second
        else:
            drawn = self.uniforms(numpy.prod(size))
        return low + (high - low) * drawn.reshape(size)

    def randint(self, low, high, size):
        """Each by multiplication, as the engine does; none of these is one that it would reject."""
        words = (self.uniforms(numpy.prod(size)) * 2.0**32).astype(numpy.uint64) * numpy.uint64(high - low)
        threshold = (2**32 - (high - low)) % (high - low)
        assert ((words & numpy.uint64(0xFFFFFFFF)) >= threshold).all()
        return low + (words >> numpy.uint64(32)).astype(int).reshape(size)

    def random(self, size):
        """Of impulse noise: whether a value is hit, and by which colour, which the engine draws in turn."""
        if self.second is None:
            pairs = self.uniforms(2 * numpy.prod(size)).reshape(-1, 2)
            first, self.second = pairs[:, 0], pairs[:, 1]
            return first.reshape(size)
        second, self.second = self.second, None
        return second.reshape(size)

    def take_numpys_place(self):
        for name in ("normal", "poisson", "uniform", "randint"):
            setattr(numpy.random, name, getattr(self, name))
        numpy.random.default_rng = lambda *_: self


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
    for name in ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression", *DRAWS):
        for severity in range(1, 6):
            if name in DRAWS:
                Draws(name).take_numpys_place()
            result = numpy.asarray(getattr(corruptions, name)(Image.fromarray(pixels), severity), dtype=float)
            assert result.shape == pixels.shape, (name, result.shape)
            flat = result.reshape(-1)
            picked = [flat[i * STRIDE % flat.size] for i in range(VALUES)]
            lines.append(" ".join([name, str(severity), *(f"{value:.3f}" for value in picked)]))
    path = pathlib.Path(__file__).resolve().parent / "corruption_golden.txt"
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
