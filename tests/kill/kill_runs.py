#!/usr/bin/env python3
"""Kills runs of the program with SIGKILL at random moments, goes on with --resume, and compares the end with an
undisturbed run: model.h5, or the packed file, must be the same file, byte for byte.

usage: kill_runs.py PROGRAM [--kills N] [--seed K] [--folder DIR] [--log FILE] [--scenario NAME]

Scenarios: train; prune (training and fine-tuning in rounds); fallback (every removal falls back, is rolled back and
softened); latency (pruning to a budget of measured time); pack (a folder of images packed into one file; goes on by the
same command). Every second kill is aimed at a file that is being written (its temporary file is there), the others
at any moment from the start of the process to its end. A run is killed and resumed until it ends by itself.
Exit code 0 only if every run ended with the bytes of the undisturbed one and no resume was refused.

Measured times differ from run to run, so that the undisturbed run of `latency` is one that is given the table of times that
the killed run ended with: it must measure nothing and leave the same file. Nothing may be measured twice either: what was
in the kept table when a process was killed is in the table at the end, number for number.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

DATA = "--data synthetic --synthetic-train 160 --synthetic-test 40 --batch 32 --threads 1".split()
TRAIN = "train --model resnet8 --validation 40 --learning-rate 0.05 --epochs 4".split() + DATA
LATENCY = ("prune --rounds 2 --latency 0.9@4 --round-to 16 --fallback no --train-epochs 1 --finetune-epochs 1".split()
           + "--sample-images 32".split() + DATA)
PRUNE = ("prune --rounds 3 --round-to 1 --train-epochs 1 --finetune-epochs 1 --sample-images 32 --rate 0.2".split() + DATA)
FALLBACK = PRUNE + "--tau 0 --fallback-epochs 2 --max-halvings 2 --fallback yes --set prune.learning-rate=0.5".split()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class RefusedError(Exception):
    """A run that was not begun, with a reason that is no fault."""


class Scenario:
    """A command, the folder that it always runs in (its name is part of the stored recipe), and its right end."""

    def __init__(self, program, name, command, folder, result="model.h5"):
        self.program, self.name, self.command, self.folder = program, name, command, folder
        self.result = folder / result
        self.trains = result == "model.h5"
        self.output = folder.parent / f"{name}.txt"
        self.reset()
        started = time.monotonic()
        self.start().wait()
        self.seconds = time.monotonic() - started
        if not self.result.exists():
            sys.exit(f"{name}: the undisturbed run failed:\n{self.output.read_text()}")
        self.expected = digest(self.result)
        log = (folder / "run.jsonl").read_text() if self.trains else ""
        self.events = sorted({json.loads(line)["event"] for line in log.splitlines()})

    def reset(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        if not self.trains:
            self.folder.mkdir()

    def arguments(self):
        if not self.trains:
            return [*self.command, str(self.result)]
        resume = (self.folder / "last.h5").exists()
        return [*([self.command[0], "--resume"] if resume else self.command), "--out", str(self.folder)]

    def start(self):
        with open(self.output, "w") as output:
            return subprocess.Popen([self.program, *self.arguments()], stdout=output, stderr=subprocess.STDOUT)

    def end_differs(self):
        """What is wrong with the end of a run, or an empty text."""
        return "" if digest(self.result) == self.expected else "it left other bytes"

    def after_kill(self):
        """Called when a process was killed."""

    def summary(self):
        return ""

    def writing(self):
        return any(name.endswith(".tmp") for name in os.listdir(self.folder)) if self.folder.exists() else False

    def kill_once(self, rng, aimed):
        """True if the process was killed, False if it ended by itself before."""
        process = self.start()
        # Most kills come early in a process, so that hundreds take minutes; some at any moment, so that it gets on.
        most = 1.1 * self.seconds if rng.random() < 0.3 else min(3, self.seconds)
        deadline = time.monotonic() + rng.uniform(0, most)
        while process.poll() is None:
            late = time.monotonic() >= deadline
            if late and (not aimed or self.writing()):
                process.send_signal(signal.SIGKILL)
                process.wait()
                self.after_kill()
                return process.returncode == -signal.SIGKILL
            time.sleep(0.0002 if aimed and late else 0.002)
        self.require_success(process)
        return False

    def finish(self):
        process = self.start()
        process.wait()
        self.require_success(process)

    def require_success(self, process):
        if process.returncode == 0:
            return
        text = self.output.read_text()
        if self.is_refusal(text):
            raise RefusedError
        raise RuntimeError(f"{self.name}: the run failed (exit code {process.returncode}):\n{text}")

    def is_refusal(self, text):
        """Whether the run was rightly refused, and is no failure."""
        return False


class LatencyScenario(Scenario):
    """Pruning to a budget of latency, with a cache of its own: every run that begins anew measures anew."""

    def __init__(self, program, name, command, folder):
        self.cache = folder.parent / f"{name}-cache"
        os.environ["SECATEUR_CACHE"] = str(self.cache)
        self.seen = {}
        self.killed_measuring = 0
        super().__init__(program, name, command, folder)
        if "measuring" not in self.output.read_text():
            sys.exit(f"{name}: the undisturbed run measured nothing:\n{self.output.read_text()}")

    def reset(self):
        super().reset()
        shutil.rmtree(self.cache, ignore_errors=True)
        self.seen = {}

    def cached_times(self):
        tables = list(self.cache.glob("layer-times/*.json"))
        if len(tables) > 1:
            raise RuntimeError(f"{self.name}: {len(tables)} tables of one network on one machine")
        return times_of(tables[0]) if tables else {}

    def after_kill(self):
        kept = self.cached_times()
        lost = [key for key, value in self.seen.items() if kept.get(key) != value]
        if lost:
            raise RuntimeError(f"{self.name}: lost or measured twice: {lost}")
        self.killed_measuring += not (self.folder / "layer-times.json").exists() and len(kept) > 0
        self.seen = kept

    def end_differs(self):
        times = times_of(self.folder / "layer-times.json")
        if any(times.get(key) != value for key, value in self.seen.items()):
            return "times that a killed process had kept were measured again"
        if times != self.cached_times():
            return "the run's table is not the one that is kept"
        got = digest(self.result)
        shutil.rmtree(self.folder)
        self.finish()
        if "measuring" in self.output.read_text():
            return "an undisturbed run with its table measured again"
        return "" if digest(self.result) == got else "an undisturbed run with its table left other bytes"

    def is_refusal(self, text):
        # Times that were measured beside other programs may leave no widths that meet the budget.
        return "cannot be met: with every layer at its least width" in text and not (self.folder / "last.h5").exists()

    def summary(self):
        return f", {self.killed_measuring} while layers were measured"


def times_of(file):
    """Entries of a table of layer times, by layer and widths."""
    entries = json.loads(file.read_text())["entries"]
    return {(entry["layer"], entry["in"], entry["out"]): entry for entry in entries}


def make_images(root, count=150, side=64):
    """A folder of images in two classes, as binary PPM."""
    rng = random.Random(7)
    for part in ("train", "val"):
        for name in ("ape", "bee"):
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.randbytes(3 * side * side)
                (root / part / name / f"{i}.ppm").write_bytes(f"P6\n{side} {side}\n255\n".encode() + pixels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=6, help="of each scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--log", type=pathlib.Path)
    parser.add_argument("--scenario", choices=["train", "prune", "fallback", "latency", "pack"])
    options = parser.parse_args()
    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = []

    def say(text):
        print(text, flush=True)
        lines.append(text)

    weights = ["--weights", str(folder / "base/model.h5")]
    images = folder / "images"
    pack = ["data", "pack", "--data", "imagefolder", "--data-dir", str(images), "--size", "48"]
    scenarios = {"train": TRAIN, "prune": PRUNE + weights, "fallback": FALLBACK + weights, "latency": LATENCY + weights,
                 "pack": pack}
    if options.scenario:
        scenarios = {options.scenario: scenarios[options.scenario]}
    if {"prune", "fallback", "latency"} & set(scenarios):
        Scenario(options.program, "base", TRAIN, folder / "base")
    if "pack" in scenarios:
        make_images(images)
    say(subprocess.run([options.program, "version"], capture_output=True, text=True).stdout.strip())
    failures = 0
    for name, command in scenarios.items():
        if name == "latency":
            scenario = LatencyScenario(options.program, name, command, folder / name)
        else:
            scenario = Scenario(options.program, name, command, folder / name,
                                "images.h5" if name == "pack" else "model.h5")
        say(f"{name}: undisturbed {scenario.seconds:.1f} s, {scenario.result.name} {scenario.expected[:16]}"
            + (f", events {', '.join(scenario.events)}" if scenario.events else ""))
        if name == "fallback" and not {"fallback_start", "rollback"} <= set(scenario.events):
            say("fallback: FAILED: the undisturbed run never fell back")
            failures += 1
        rng = random.Random(f"{options.seed} {name}")
        kills = aimed_kills = runs = refused = 0
        scenario.reset()
        started = time.monotonic()
        while kills < options.kills:
            aimed = rng.random() < 0.5
            try:
                if scenario.kill_once(rng, aimed):
                    kills += 1
                    aimed_kills += aimed
                    if kills < options.kills:
                        continue
                    scenario.finish()
            except RefusedError:
                refused += 1
                scenario.reset()
                continue
            except RuntimeError as error:
                failures += 1
                say(f"FAILED after {kills} kills: {error}")
                scenario.reset()
                continue
            runs += 1
            leftovers = [path.name for path in scenario.folder.iterdir() if path.suffix == ".tmp"]
            wrong = scenario.end_differs()
            if wrong:
                failures += 1
                say(f"{name}: FAILED: run {runs} ended, and {wrong} (after {kills} kills)")
                shutil.copytree(scenario.folder, folder / f"{name}-differs-{runs}")
            elif kills == options.kills and leftovers:
                say(f"{name}: left behind by killed processes: {', '.join(leftovers)}")
            scenario.reset()
        if refused:
            say(f"{name}: {refused} runs were refused before they trained: no widths met the budget by the times measured")
        say(f"{name}: {kills} kills ({aimed_kills} while a file was written{scenario.summary()}), {runs} runs ended, "
            f"{'same bytes each time' if failures == 0 else f'{failures} FAILURES'}, "
            f"{time.monotonic() - started:.0f} s")
    if options.log:
        options.log.write_text("\n".join(lines) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
