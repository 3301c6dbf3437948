"""Images decoded, cropped and scaled by PyTorch's DataLoader, for `secateur bench loader --against pytorch`.

The transforms are torchvision's where it is installed, else the same ones written with Pillow, which torchvision calls
itself. A batch is a tensor of 8 bits [N, 3, size, size], as it would travel to a GPU.
"""

import math
import random
import time

import peer


def prepare(spec):
    import numpy as np
    import torch
    from PIL import Image, features

    size, least_area = spec["size"], spec["least_area"]
    try:
        from torchvision import transforms

        transform = transforms.Compose([
            transforms.RandomResizedCrop(size, scale=(least_area, 1)),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
        ])
        name = "torchvision"
    except ImportError:
        name = "Pillow"

        def transform(image):
            width, height = image.size
            box = (0, 0, width, height)
            for _ in range(10):
                area = width * height * random.uniform(least_area, 1)
                ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
                w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
                if 0 < w <= width and 0 < h <= height:
                    x, y = random.randint(0, width - w), random.randint(0, height - h)
                    box = (x, y, x + w, y + h)
                    break
            image = image.crop(box).resize((size, size), Image.BILINEAR)
            if random.random() < 0.5:
                image = image.transpose(Image.FLIP_LEFT_RIGHT)
            return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    class Files(torch.utils.data.Dataset):
        def __len__(self):
            return len(spec["files"])

        def __getitem__(self, index):
            with open(spec["files"][index], "rb") as file:
                return transform(Image.open(file).convert("RGB"))

    images = spec["batch"] * spec["steps"]
    sampler = torch.utils.data.RandomSampler(Files(), replacement=True, num_samples=images)
    loader = torch.utils.data.DataLoader(
        Files(), batch_size=spec["batch"], sampler=sampler, num_workers=spec["threads"], persistent_workers=True)

    def answer(_question):
        start = time.perf_counter()
        count = sum(len(batch) for batch in loader)
        return {"seconds": time.perf_counter() - start, "images": count}

    turbo = features.check_feature("libjpeg_turbo")
    library = f"PyTorch {torch.__version__}'s DataLoader with {name}, libjpeg{'-turbo' if turbo else ''}"
    return {"library": library, "workers": spec["threads"]}, answer


if __name__ == "__main__":
    peer.serve(prepare)
