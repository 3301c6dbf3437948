"""Training steps in PyTorch, for `secateur bench train --against pytorch`.

The network comes as a safetensors file that carries its graph, so that it is the same one, pruned or not. What a
step does is what Secateur's does: images of 8 bits, shuffled, are cropped, mirrored and normalised; forward, loss,
backward, and SGD with momentum and weight decay; the loss is read by the host (once a block on a GPU).
"""

import resource
import time

import peer

MEAN, DEVIATION = 0.5, 0.25
PADDING = 4


def prepare(spec):
    import torch
    from torch.nn import functional

    import load_safetensors

    device = torch.device("cuda" if spec["device"] == "cuda" else "cpu")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("this PyTorch finds no GPU")
    if device.type == "cpu":
        torch.set_num_threads(spec["threads"])
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = spec["precision"] == "tf32"
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(spec["precision"])

    batch, count = spec["batch"], spec["batch"] * spec["steps"]
    height, width, channels = spec["image"]
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8, generator=generator).to(device)
    targets = torch.randint(0, spec["classes"], (count,), generator=generator).to(device)
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    fixed = torch.randn(batch, channels, height, width, generator=generator).to(device)

    def augmented(chosen):
        """A batch, channels last: random crop of the padded image, mirroring, normalisation."""
        n = len(chosen)
        padded = functional.pad(pixels[chosen], (0, 0, PADDING, PADDING, PADDING, PADDING))
        y = torch.randint(0, 2 * PADDING + 1, (n, 1), device=device) + rows
        x = torch.randint(0, 2 * PADDING + 1, (n, 1), device=device)
        mirrored = torch.rand(n, 1, device=device) < 0.5
        x = x + torch.where(mirrored, width - 1 - columns, columns)
        image = torch.arange(n, device=device)[:, None, None]
        crops = padded[image, y[:, :, None], x[:, None, :]]
        return crops.permute(0, 3, 1, 2).to(torch.float32).mul_(1 / 255).sub_(MEAN).div_(DEVIATION)

    class Contender:
        def __init__(self, name):
            self.network = load_safetensors.load(spec["network"]).to(device).train()
            self.network.relu = torch.relu_
            self.format = torch.contiguous_format if name == "eager" else torch.channels_last
            self.network = self.network.to(memory_format=self.format)
            settings = {"lr": spec["learning_rate"], "momentum": 0.9, "weight_decay": 5e-4}
            try:
                self.optimizer = torch.optim.SGD(self.network.parameters(), fused=True, **settings)
            except (RuntimeError, TypeError):
                self.optimizer = torch.optim.SGD(self.network.parameters(), foreach=True, **settings)
            self.scaler = torch.amp.GradScaler("cuda") if half == torch.float16 and device.type == "cuda" else None
            self.run = self.network
            modes = {"compile": "default", "reduce-overhead": "reduce-overhead", "max-autotune": "max-autotune"}
            if name in modes:
                self.run = torch.compile(self.network, mode=modes[name])
            self.images = fixed.contiguous(memory_format=self.format)

        def block(self, steps):
            """Seconds of all steps, and of their parts where the clock of the host can tell."""
            parts = dict.fromkeys(("input", "forward", "backward", "update"), 0.0)
            order = torch.randperm(count, device=device)
            total = torch.zeros((), device=device)
            on_host = device.type == "cpu"
            processor = time.process_time()
            start = now = time.perf_counter()

            def mark(part):
                nonlocal now
                if on_host:
                    before, now = now, time.perf_counter()
                    parts[part] += now - before

            for step in range(steps):
                chosen = order[(step * batch) % count:][:batch]
                images = augmented(chosen).contiguous(memory_format=self.format) if spec["augment"] else self.images
                labels = targets[chosen]
                mark("input")
                with torch.autocast(device.type, dtype=half, enabled=half is not None):
                    loss = functional.cross_entropy(self.run(images), labels)
                if on_host:
                    loss.item()
                else:
                    total += loss.detach()
                mark("forward")
                self.optimizer.zero_grad(set_to_none=True)
                if self.scaler is not None:
                    self.scaler.scale(loss).backward()
                else:
                    loss.backward()
                mark("backward")
                if self.scaler is not None:
                    self.scaler.step(self.optimizer)
                    self.scaler.update()
                else:
                    self.optimizer.step()
                mark("update")
            if not on_host:
                total.item()
            answer = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - processor}
            if on_host:
                answer["parts"] = parts
            return answer

    variants = ["eager", "channels_last"]
    if device.type == "cuda":
        variants += ["compile", "reduce-overhead", "max-autotune"]
    contenders = {}

    def answer(question):
        name = question["variant"]
        if name not in contenders:
            contenders[name] = Contender(name)
        result = contenders[name].block(question["steps"])
        result["peak_bytes"] = (torch.cuda.max_memory_allocated() if device.type == "cuda" else
                                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return result

    what = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return {"library": f"PyTorch {torch.__version__}", "device": what, "variants": variants}, answer


peer.serve(prepare)
