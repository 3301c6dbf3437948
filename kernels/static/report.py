#!/usr/bin/env python3
"""What the compiler made of every kernel instance, seen without a GPU, and whether that keeps within bounds.

Reads the built library (libsecateur_kernels.a) with cuobjdump and nvdisasm: registers, stack and local-memory accesses
(spills), static shared memory, the width of global loads and stores, tensor-core instructions; the block size comes from
the PTX that the library carries, and the theoretical occupancy from all of these. Every architecture in the library is
reported; bounds are checked for each.

usage: report.py LIBRARY [--bounds FILE] [--table FILE] [--json FILE] [--cache FOLDER] [--tools FOLDER]

Without --table the table goes to standard output. The exit code is 0, or 1 where a bound is broken, or 77 where a tool
is missing (CTest's code for a skipped test). Disassembling takes half a minute; --cache keeps its counts by the hash of
the machine code.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import fnmatch
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

SKIPPED = 77
CACHE_VERSION = 1


@dataclasses.dataclass
class Code:
    """What the machine code of one kernel holds. Keys of loads and stores are bytes a thread moves at once."""

    loads: dict = dataclasses.field(default_factory=dict)
    stores: dict = dataclasses.field(default_factory=dict)
    local_accesses: int = 0
    tensor_core: int = 0


@dataclasses.dataclass
class Kernel:
    name: str
    architecture: str
    registers: int
    stack_bytes: int
    shared_bytes: int  # static; dynamic shared memory is chosen by the launch
    threads: int
    code: Code

    @property
    def occupancy(self):
        return occupancy(self.architecture, self.threads, self.registers, self.shared_bytes)


# CUDA C++ Programming Guide, "Technical Specifications per Compute Capability": warps and blocks a multiprocessor holds,
# its shared memory; 64 Ki registers everywhere, given out to a warp by 256; 1 KiB of shared memory a block is reserved.
RESERVED_SHARED = 1024
Limits = collections.namedtuple("Limits", "warps blocks shared_kib")
LIMITS = {
    "sm_80": Limits(64, 32, 164), "sm_86": Limits(48, 16, 100), "sm_87": Limits(48, 16, 164),
    "sm_89": Limits(48, 24, 100), "sm_90": Limits(64, 32, 228), "sm_100": Limits(64, 32, 228),
    "sm_103": Limits(64, 32, 228), "sm_120": Limits(48, 24, 100),
}


def occupancy(architecture, threads, registers, shared_bytes):
    """Share of the warps that a multiprocessor could hold; None where the limits are not known."""
    limits = LIMITS.get(re.sub(r"[af]$", "", architecture))
    if limits is None or not threads:
        return None
    warps = -(-threads // 32)
    registers_of_warp = -(-max(registers, 1) * 32 // 256) * 256
    # Each of the four schedulers has a quarter of the registers and takes whole warps.
    by_registers = (65536 // 4 // registers_of_warp) * 4 // warps
    shared = -(-(shared_bytes + RESERVED_SHARED) // 128) * 128
    blocks = min(limits.blocks, limits.warps // warps, by_registers, limits.shared_kib * 1024 // shared)
    return blocks * warps / limits.warps


# --- reading the tools' output ---------------------------------------------------------------------------------------


def parse_resources(text):
    """cuobjdump -res-usage: {(mangled name, architecture): (registers, stack, shared)}."""
    found, architecture, name = {}, "", ""
    for line in text.splitlines():
        if match := re.match(r"arch = (\w+)", line):
            architecture = match[1]
        elif match := re.match(r"\s*Function (\S+):", line):
            name = match[1]
        elif match := re.match(r"\s*REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", line):
            registers, stack, shared, local = map(int, match.groups())
            # From sm_90 on the number holds the KiB that the system keeps for itself; ptxas -v leaves it out, as here.
            if shared and int(re.search(r"\d+", architecture)[0]) >= 90:
                shared -= RESERVED_SHARED
            found[name, architecture] = (registers, stack + local, shared)
    return found


def parse_block_sizes(text):
    """cuobjdump -ptx: {mangled name: threads of a block}, for kernels that declare it (__launch_bounds__)."""
    sizes, name = {}, ""
    for line in text.splitlines():
        if match := re.search(r"\.entry (\w+)", line):
            name = match[1]
        elif match := re.match(r"\s*\.(?:max|req)ntid (\d+)(?:, (\d+))?(?:, (\d+))?", line):
            sizes[name] = int(match[1]) * int(match[2] or 1) * int(match[3] or 1)
    return sizes


INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P[T\d]+\s+)?([A-Z][\w.]*)")
WIDTHS = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16, "256": 32}


def parse_disassembly(text):
    """nvdisasm -c: {mangled name: Code}."""
    kernels, code = {}, None
    for line in text.splitlines():
        if line.startswith(".text."):
            code = kernels.setdefault(line[len(".text."):].rstrip(":"), Code())
            continue
        match = INSTRUCTION.match(line)
        if match is None or code is None:
            continue
        operation, *modifiers = match[1].split(".")
        width = next((WIDTHS[m] for m in modifiers if m in WIDTHS), 4)
        # Generic addresses (LD, ST) count as global: they may be, and then they are as slow.
        if operation in ("LDG", "LD", "LDGSTS"):
            code.loads[width] = code.loads.get(width, 0) + 1
        elif operation in ("STG", "ST"):
            code.stores[width] = code.stores.get(width, 0) + 1
        elif operation in ("LDL", "STL"):
            code.local_accesses += 1
        elif re.fullmatch(r"[A-Z]*MMA", operation):
            code.tensor_core += 1
    return kernels


def short_names(mangled):
    """{mangled name: what a reader of the sources would call the instance}."""
    order = sorted(mangled)
    text = subprocess.run(["c++filt", "-p"], input="\n".join(order), capture_output=True, text=True, check=True).stdout
    names = {}
    for name, readable in zip(order, text.splitlines()):
        readable = re.sub(r"^void ", "", readable)
        readable = re.sub(r"secateur::kernels::|\(anonymous namespace\)::|(?<!\w)__(nv_)?", "", readable)
        names[name] = re.sub(r"\((\w+)\)(\d+)", r"\1 \2", readable)
    return names


# --- running the tools -----------------------------------------------------------------------------------------------


def find_tool(name, folders):
    for folder in folders:
        candidate = pathlib.Path(folder).resolve() / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    return shutil.which(name)


def output_of(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stderr.strip()}")
    return done.stdout


def disassemble(nvdisasm, cubin, cache):
    stored = None
    if cache:
        stored = cache / f"{hashlib.sha256(cubin.read_bytes()).hexdigest()}-{CACHE_VERSION}.json"
        if stored.exists():
            read = json.loads(stored.read_text())
            # JSON makes strings of the keys.
            return {name: Code({int(k): v for k, v in loads.items()}, {int(k): v for k, v in stores.items()}, *rest)
                    for name, (loads, stores, *rest) in read.items()}
    codes = parse_disassembly(output_of(nvdisasm, "-c", cubin))
    if stored:
        stored.write_text(json.dumps({name: dataclasses.astuple(code) for name, code in codes.items()}))
    return codes


def read_library(library, cuobjdump, nvdisasm, cache):
    resources = parse_resources(output_of(cuobjdump, "-res-usage", library))
    threads = parse_block_sizes(output_of(cuobjdump, "-ptx", library))
    names = short_names({name for name, _ in resources})
    codes = {}
    with tempfile.TemporaryDirectory() as scratch:
        output_of(cuobjdump, "-xelf", "all", library.resolve(), cwd=scratch)
        cubins = sorted(pathlib.Path(scratch).glob("*.cubin"))
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            for cubin, found in zip(cubins, pool.map(lambda c: disassemble(nvdisasm, c, cache), cubins)):
                architecture = re.search(r"\.(sm_\w+)\.cubin$", cubin.name)[1]
                codes.update({(name, architecture): code for name, code in found.items()})
    missing = [names[name] for name, architecture in resources if (name, architecture) not in codes]
    if missing:
        raise RuntimeError(f"nvdisasm gave no code for {missing[0]} and {len(missing) - 1} more")
    return [Kernel(names[name], architecture, *numbers, threads.get(name, 0), codes[name, architecture])
            for (name, architecture), numbers in sorted(resources.items(), key=lambda item: (names[item[0][0]], item[0]))]


# --- bounds ----------------------------------------------------------------------------------------------------------

KNOWN_BOUNDS = {"registers", "static_shared_bytes", "occupancy", "wide_loads", "wide_stores", "tensor_core"}


def bounds_of(kernel, rules):
    """The bounds of an instance: [all], then every [[rule]] whose pattern fits it, the later one winning."""
    bounds = dict(rules.get("all", {}))
    for rule in rules.get("rule", []):
        if fnmatch.fnmatchcase(kernel.name, rule["instances"]):
            bounds.update({key: value for key, value in rule.items() if key not in ("instances", "because")})
    return bounds


def violations_of(kernel, bounds):
    """What is wrong with one instance. Spills and stack frames always are."""
    if kernel.stack_bytes or kernel.code.local_accesses:
        yield f"spills: {kernel.stack_bytes} bytes of stack, {kernel.code.local_accesses} local-memory accesses"
    if "registers" in bounds and kernel.registers > bounds["registers"]:
        yield f"{kernel.registers} registers, bound {bounds['registers']}"
    if "static_shared_bytes" in bounds and kernel.shared_bytes > bounds["static_shared_bytes"]:
        yield f"{kernel.shared_bytes} bytes of static shared memory, bound {bounds['static_shared_bytes']}"
    least = bounds.get("occupancy", {}).get(kernel.architecture)
    if least is not None:
        if kernel.occupancy is None:
            yield "no __launch_bounds__ in its PTX, so that its occupancy is not known"
        elif kernel.occupancy < least:
            yield f"occupancy {kernel.occupancy:.2f}, bound {least:.2f}"
    if bounds.get("wide_loads") and max(kernel.code.loads, default=0) < 16:
        yield f"no 16-byte global load (widest: {max(kernel.code.loads, default=0)} bytes)"
    if bounds.get("wide_stores") and max(kernel.code.stores, default=0) < 16:
        yield f"no 16-byte global store (widest: {max(kernel.code.stores, default=0)} bytes)"
    if bounds.get("tensor_core") and not kernel.code.tensor_core:
        yield "no tensor-core instruction"


def check(kernels, rules):
    """All violations, as lines to print. An unknown bound or a rule that fits nothing is one, too."""
    lines = [] if kernels else ["no kernel found"]
    for rule in [rules.get("all", {}), *rules.get("rule", [])]:
        unknown = set(rule) - KNOWN_BOUNDS - {"instances", "because"}
        if unknown:
            lines.append(f"unknown bound in the bounds file: {', '.join(sorted(unknown))}")
    for rule in rules.get("rule", []):
        if not any(fnmatch.fnmatchcase(kernel.name, rule["instances"]) for kernel in kernels):
            lines.append(f"the rule for '{rule['instances']}' fits no kernel")
    for kernel in kernels:
        for violation in violations_of(kernel, bounds_of(kernel, rules)):
            lines.append(f"{kernel.name} ({kernel.architecture}): {violation}")
    return lines


# --- output ----------------------------------------------------------------------------------------------------------


def counts(by_width):
    return " + ".join(f"{count} x {width}" for width, count in sorted(by_width.items(), reverse=True)) or "none"


def joined(values):
    """One value where all architectures agree."""
    values = [str(value) for value in values]
    return values[0] if len(set(values)) == 1 else " / ".join(values)


def table(kernels):
    architectures = sorted({kernel.architecture for kernel in kernels}, key=lambda name: (len(name), name))
    # A kernel in an anonymous namespace of a shared header is there once a source, with the same code: one row.
    rows = collections.defaultdict(dict)
    for kernel in kernels:
        rows[kernel.name][kernel.architecture] = kernel
    lines = [f"Values that differ between {' / '.join(architectures)} stand in that order.", "",
             "| kernel | threads | registers | spills | static shared bytes | occupancy % | global loads (count x bytes) "
             "| global stores | tensor-core instructions |", "|---|---|---|---|---|---|---|---|---|"]
    for name, by_architecture in rows.items():
        some = [by_architecture[architecture] for architecture in architectures if architecture in by_architecture]
        percent = [f"{100 * kernel.occupancy:.0f}" if kernel.occupancy is not None else "?" for kernel in some]
        cells = [name, some[0].threads or "?", joined(k.registers for k in some),
                 joined(k.stack_bytes + k.code.local_accesses for k in some), joined(k.shared_bytes for k in some),
                 joined(percent), joined(counts(k.code.loads) for k in some), joined(counts(k.code.stores) for k in some),
                 joined(k.code.tensor_core for k in some)]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def as_json(kernels):
    return [{**dataclasses.asdict(kernel), "occupancy": kernel.occupancy} for kernel in kernels]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", metavar="LIBRARY", type=pathlib.Path)
    parser.add_argument("--bounds", type=pathlib.Path, default=pathlib.Path(__file__).with_name("bounds.toml"))
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--cache", type=pathlib.Path)
    parser.add_argument("--tools", action="append", default=[], help="where to look for cuobjdump and nvdisasm first")
    arguments = parser.parse_args()

    tools = [find_tool(name, arguments.tools) for name in ("cuobjdump", "nvdisasm")]
    if None in tools:
        print("SKIPPED: cuobjdump and nvdisasm are not here (they come with the CUDA toolkit; ./secateur setup takes "
              "them from PyPI where it lacks them)")
        return SKIPPED
    if arguments.cache:
        arguments.cache.mkdir(parents=True, exist_ok=True)
    kernels = read_library(arguments.archive, *tools, arguments.cache)
    if arguments.table:
        arguments.table.write_text(table(kernels))
    else:
        print(table(kernels))
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(kernels), indent=1) + "\n")
    rules = tomllib.loads(arguments.bounds.read_text())
    if kernels and not any(kernel.threads for kernel in kernels):
        print("the library carries no PTX (CMAKE_CUDA_ARCHITECTURES are all -real): occupancy is not known, nor checked",
              file=sys.stderr)
        for rule in (rules.get("all", {}), *rules.get("rule", [])):
            rule.pop("occupancy", None)
    wrong = check(kernels, rules)
    for line in wrong:
        print(line, file=sys.stderr)
    instances = len({kernel.name for kernel in kernels})
    architectures = sorted({kernel.architecture for kernel in kernels})
    print(f"{instances} kernel instances on {', '.join(architectures)}: {len(wrong)} bounds broken", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
