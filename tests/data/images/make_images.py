#!/usr/bin/env python3
"""Makes the images of tests/data/images: small files of every sort that a folder of images holds, and beside each what
Pillow sees in it (NAME.png, upright RGB). Run with Pillow, NumPy and PyTorch at hand:

    python3 tests/data/images/make_images.py

sampled_4x4.jpg, whose scans cannot be interleaved, is libjpeg's own (scans.txt: a line "0;", "1;", "2;" each):

    cjpeg -sample 4x4,1x1,1x1 -scans scans.txt -quality 80 picture.ppm > sampled_4x4.jpg

The bytes depend on the version of libjpeg that Pillow was built with, so the files are committed.
"""
import pathlib

import numpy as np
import torch
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent


def picture(height, width, seed):
    """Something like a photograph: soft colours, hard edges, texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for c in range(3):
        a, b, phase = rng.uniform(1, 4, 3)
        planes.append(128 + 70 * np.sin(a * x / width * 3 + phase) * np.cos(b * y / height * 3 - phase))
    image = np.stack(planes, axis=-1)
    image[(x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (min(height, width) * 0.25) ** 2] *= (0.4, 1.2, 0.7)
    image += rng.normal(0, 6, image.shape)
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def keep(name, image, **options):
    image.save(HERE / name, **options)
    seen = ImageOps.exif_transpose(Image.open(HERE / name)).convert("RGB")
    seen.save(HERE / (pathlib.Path(name).stem + ".png"), optimize=True)
    return seen


def resized_by_torch(image, height, width):
    """Bilinear with antialiasing, in float64, rounded: what torchvision's Resize computes on tensors."""
    planes = torch.from_numpy(np.asarray(image).astype(np.float64)).permute(2, 0, 1)[None]
    out = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)
    return Image.fromarray(out[0].permute(1, 2, 0).round().clamp(0, 255).numpy().astype(np.uint8))


def main():
    photo = keep("photo.jpg", picture(96, 131, 1), quality=92)
    keep("progressive.jpg", picture(53, 70, 2), quality=85, progressive=True)
    keep("full_colour.jpg", picture(37, 29, 3), quality=90, subsampling=0)
    keep("grey.jpg", picture(40, 33, 4).convert("L"), quality=90)
    keep("inks.jpg", picture(33, 40, 5).convert("CMYK"), quality=90)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        keep(f"orientation_{orientation}.jpg", picture(16, 24, 6), quality=95, subsampling=0, exif=exif.tobytes())
    # A PNG under a JPEG's name, as ImageNet has one; with transparency.
    png = picture(20, 22, 7).convert("RGBA")
    png.putalpha(Image.linear_gradient("L").resize((22, 20)))
    png.save(HERE / "really_a_png.JPEG", format="png", optimize=True)
    over_black = Image.new("RGBA", png.size, (0, 0, 0, 255))
    over_black.alpha_composite(png)
    over_black.convert("RGB").save(HERE / "really_a_png.png", optimize=True)
    whole = (HERE / "photo.jpg").read_bytes()
    (HERE / "truncated.jpg").write_bytes(whole[: len(whole) * 2 // 3])

    # The validation transform: shorter side to 37, central 32 x 32; by Pillow and by PyTorch.
    width, height = photo.size
    shorter, side = 37, 32
    scaled = (shorter * width // height, shorter)
    left, top = round((scaled[0] - side) / 2), round((scaled[1] - side) / 2)
    box = (left, top, left + side, top + side)
    photo.resize(scaled, Image.BILINEAR).crop(box).save(HERE / "photo_center_pillow.png", optimize=True)
    resized_by_torch(photo, scaled[1], scaled[0]).crop(box).save(HERE / "photo_center_torch.png", optimize=True)
    # A crop (y 7, x 20, 61 x 77) to 24 x 24, and a small one (y 30, x 50, 11 x 9) that is enlarged.
    photo.crop((20, 7, 97, 68)).resize((24, 24), Image.BILINEAR).save(HERE / "photo_crop.png", optimize=True)
    photo.crop((50, 30, 59, 41)).resize((24, 24), Image.BILINEAR).save(HERE / "photo_enlarged.png", optimize=True)


if __name__ == "__main__":
    main()
