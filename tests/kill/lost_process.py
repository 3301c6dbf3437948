#!/usr/bin/env python3
"""Kills one of two processes that train together with SIGKILL: the whole job must end within seconds with a nonzero exit
code and an error that names the lost process, and its checkpoint must be good: the run goes on from it to its end, in
two processes and in one.

usage: lost_process.py PROGRAM WAY --folder DIR      WAY: mpi (by mpirun) or tcp (by RANK and WORLD_SIZE)
Exit code 77, with the reason, where there is no MPI.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

TRAIN = ("train --model resnet8 --data synthetic --synthetic-train 320 --synthetic-test 40 --validation 40 --batch 32"
         " --learning-rate 0.05 --epochs 6 --threads 1 --sync-batch-norm yes").split()
PRUNE = ("prune --rounds 2 --round-to 1 --train-epochs 1 --finetune-epochs 1 --sample-images 32 --rate 0.2 --tau 1"
         " --data synthetic --synthetic-train 320 --synthetic-test 40 --batch 32 --threads 1").split()
MPIRUN = "mpirun --allow-run-as-root --oversubscribe -np 2".split()
SECONDS_TO_END = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Job:
    """Both processes, with their output in one file."""

    def __init__(self, program, way, arguments, output):
        self.way, self.output = way, output
        with open(output, "w") as file:
            common = {"stdout": file, "stderr": subprocess.STDOUT}
            if way == "mpi":
                self.started = [subprocess.Popen([*MPIRUN, program, *arguments], **common)]
                return
            shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_PORT": str(free_port())}
            self.started = [subprocess.Popen([program, *arguments], env={**shared, "RANK": str(rank)}, **common)
                            for rank in range(2)]

    def second(self, program):
        """The process of rank 1."""
        if self.way == "tcp":
            return self.started[1].pid
        for entry in pathlib.Path("/proc").iterdir():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                mine = os.readlink(entry / "exe") == str(program)
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if mine and parent == self.started[0].pid and b"OMPI_COMM_WORLD_RANK=1" in environment:
                return int(entry.name)
        return None

    def wait(self, seconds):
        """The exit codes of all processes that were started here."""
        deadline = time.monotonic() + seconds
        return [process.wait(max(deadline - time.monotonic(), 0.1)) for process in self.started]

    def stop(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()

    def text(self):
        return self.output.read_text()


def fail(job, message):
    job.stop()
    sys.exit(f"FAILED: {message}\n{job.text()}")


def finish(job, what):
    try:
        codes = job.wait(300)
    except subprocess.TimeoutExpired:
        fail(job, f"{what} did not end")
    if any(codes):
        fail(job, f"{what} ended with {codes}")


def kill_one(program, way, arguments, folder, output):
    """Starts the job, and kills rank 1 once the folder has a checkpoint of an epoch."""
    job = Job(program, way, arguments, output)
    log = folder / "run.jsonl"
    deadline = time.monotonic() + 300
    while not ((folder / "last.h5").exists() and log.exists() and log.read_text().count("epoch\"") > 1):
        if any(process.poll() is not None for process in job.started) or time.monotonic() > deadline:
            fail(job, "the job ended before it was killed")
        time.sleep(0.005)
    second = job.second(program)
    if second is None:
        fail(job, "rank 1 was not found")
    os.kill(second, signal.SIGKILL)
    killed = time.monotonic()
    try:
        codes = job.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        fail(job, f"{SECONDS_TO_END} s after the kill the job was still there")
    if 0 in codes:
        fail(job, f"a process ended as if all was well: {codes}")
    named = r"rank 1 .*on signal 9" if way == "mpi" else r"rank 0: error: rank 1 .*is gone"
    if not re.search(named, job.text()):
        fail(job, "no error names the lost process")
    return time.monotonic() - killed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("way", choices=["mpi", "tcp"])
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    options = parser.parse_args()
    program, way = options.program, options.way
    if way == "mpi":
        doctor = subprocess.run([program, "doctor"], capture_output=True, text=True).stdout
        if shutil.which("mpirun") is None or "Open MPI" not in doctor:
            print("SKIPPED: " + ("there is no mpirun" if shutil.which("mpirun") is None else "this build has no MPI"))
            return 77
    root = options.folder.resolve()
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    output = root / "output.txt"

    base = root / "base"
    seconds = kill_one(program, way, [*TRAIN, "--out", str(base)], base, output)
    print(f"train: the job ended {seconds:.1f} s after the kill")
    shutil.copytree(base, root / "alone")
    finish(Job(program, way, ["train", "--resume", "--out", str(base)], output), "the resumed run")
    if output.read_text().count("test: top-1") != 1:
        sys.exit(f"FAILED: not one process alone spoke:\n{output.read_text()}")
    subprocess.run([program, "train", "--resume", "--out", str(root / "alone")], check=True, stdout=subprocess.DEVNULL)
    for folder in (base, root / "alone"):
        epochs = [json.loads(line)["epoch"] for line in (folder / "run.jsonl").read_text().splitlines()
                  if json.loads(line)["event"] == "epoch"]
        if sorted(set(epochs)) != list(range(6)) or not (folder / "model.h5").exists():
            sys.exit(f"FAILED: {folder} went through the epochs {epochs}")
    print("train: resumed in two processes and in one")

    pruned = root / "pruned"
    arguments = [*PRUNE, "--weights", str(base / "model.h5"), "--out", str(pruned)]
    seconds = kill_one(program, way, arguments, pruned, output)
    print(f"prune: the job ended {seconds:.1f} s after the kill")
    finish(Job(program, way, ["prune", "--resume", "--out", str(pruned)], output), "the resumed pruning")
    subprocess.run([program, "inspect", str(pruned / "model.h5")], check=True, stdout=subprocess.DEVNULL)
    print("prune: resumed in two processes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
