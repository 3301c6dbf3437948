"""Tests of kernels/static/report.py: what it reads out of the tools' output, and that each bound fails when it is broken.

The text is cut from the tools' output. With NVCC, and cuobjdump and nvdisasm in reach (SECATEUR_CUDA_TOOLS), a kernel
that really spills is compiled, too, and must be found out.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "kernels" / "static"))
import report  # noqa: E402

RESOURCES = """
Fatbin elf code:
================
arch = sm_80
identifier = fill.cu

Resource usage:
 Common:
  GLOBAL:0
 Function _Z4fillPf:
  REG:32 STACK:0 SHARED:1024 LOCAL:0 CONSTANT[0]:504 TEXTURE:0 SURFACE:0 SAMPLER:0

Fatbin elf code:
================
arch = sm_90
 Function _Z4fillPf:
  REG:30 STACK:16 SHARED:2048 LOCAL:0 CONSTANT[0]:504 TEXTURE:0 SURFACE:0 SAMPLER:0
"""

PTX = """
.visible .entry _Z4fillPf(
.param .u64 _Z4fillPf_param_0
)
.maxntid 16, 8, 2
{
"""

DISASSEMBLY = """
.text._Z4fillPf:
        .type           _Z4fillPf,@function
_Z4fillPf:
        /*0000*/                   IMAD.MOV.U32 R1, RZ, RZ, c[0x0][0x28] ;
        /*0010*/                   LDG.E.128.CONSTANT R4, [R2.64] ;
        /*0020*/              @!P0 LDG.E R4, desc[UR4][R2.64] ;
        /*0030*/              @P3  LDG.E.U16 R4, desc[UR4][R2.64] ;
        /*0040*/                   STG.E.64 [R2.64], R4 ;
        /*0050*/                   FFMA R4, R4, R5, R6 ;
        /*0060*/                   HMMA.16816.F32 R4, R8, R10, R4 ;
.text._Z5spillPf:
        /*0000*/                   STL [R1], R4 ;
        /*0010*/              @P0  LDL.LU.64 R4, [R1] ;
        /*0020*/                   LDS.128 R4, [R1] ;
"""


def kernel(name="fill_kernel<float, true>", architecture="sm_80", registers=32, stack=0, shared=0, threads=256, **code):
    code = {"loads": {16: 1}, "stores": {16: 1}, **code}
    return report.Kernel(name, architecture, registers, stack, shared, threads, report.Code(**code))


class Reading(unittest.TestCase):
    def test_resources(self):
        found = report.parse_resources(RESOURCES)
        self.assertEqual(found, {("_Z4fillPf", "sm_80"): (32, 0, 1024), ("_Z4fillPf", "sm_90"): (30, 16, 1024)})

    def test_block_sizes(self):
        self.assertEqual(report.parse_block_sizes(PTX), {"_Z4fillPf": 256})

    def test_instructions(self):
        found = report.parse_disassembly(DISASSEMBLY)
        fill, spill = found["_Z4fillPf"], found["_Z5spillPf"]
        self.assertEqual(fill.loads, {16: 1, 4: 1, 2: 1})
        self.assertEqual(fill.stores, {8: 1})
        self.assertEqual((fill.local_accesses, fill.tensor_core), (0, 1))
        self.assertEqual((spill.local_accesses, spill.loads), (2, {}))

    def test_names(self):
        mangled = "_ZN8secateur7kernels12_GLOBAL__N_111fill_kernelI6__halfLb1EEEvPT_"
        self.assertEqual(report.short_names({mangled}), {mangled: "fill_kernel<half, true>"})

    def test_occupancy(self):
        # By hand from the limits: bound by registers, by shared memory, by blocks, by nothing.
        self.assertEqual(report.occupancy("sm_80", 256, 128, 0), 16 / 64)
        self.assertEqual(report.occupancy("sm_86", 256, 40, 48 * 1024), 16 / 48)
        self.assertEqual(report.occupancy("sm_86", 32, 16, 0), 16 / 48)
        self.assertEqual(report.occupancy("sm_90", 1024, 32, 0), 1)
        self.assertIsNone(report.occupancy("sm_80", 0, 32, 0))


class Bounds(unittest.TestCase):
    def broken(self, kernel_, **bounds):
        return list(report.violations_of(kernel_, bounds))

    def test_a_spill_fails_without_any_bound(self):
        self.assertEqual(self.broken(kernel()), [])
        self.assertIn("spills", self.broken(kernel(stack=8))[0])
        self.assertIn("spills", self.broken(kernel(local_accesses=1))[0])

    def test_each_bound_can_fail(self):
        for bounds, good, bad in [
            ({"registers": 40}, kernel(registers=40), kernel(registers=41)),
            ({"static_shared_bytes": 512}, kernel(shared=512), kernel(shared=513)),
            ({"occupancy": {"sm_80": 0.5}}, kernel(registers=64), kernel(registers=65)),
            ({"occupancy": {"sm_80": 0.5}}, kernel(), kernel(threads=0)),
            ({"wide_loads": True}, kernel(), kernel(loads={8: 9})),
            ({"wide_stores": True}, kernel(), kernel(stores={})),
            ({"tensor_core": True}, kernel(tensor_core=1), kernel()),
        ]:
            with self.subTest(bounds=bounds):
                self.assertEqual(self.broken(good, **bounds), [])
                self.assertEqual(len(self.broken(bad, **bounds)), 1)

    def test_the_last_rule_that_fits_decides(self):
        rules = {"all": {"registers": 16},
                 "rule": [{"instances": "*<*, true>", "registers": 32}, {"instances": "other*", "registers": 8}]}
        self.assertEqual(report.bounds_of(kernel(), rules), {"registers": 32})
        self.assertEqual(report.bounds_of(kernel("x<float, false>"), rules), {"registers": 16})

    def test_a_bounds_file_with_mistakes_fails(self):
        self.assertIn("fits no kernel", report.check([kernel()], {"rule": [{"instances": "gone*"}]})[0])
        self.assertIn("unknown bound", report.check([kernel()], {"all": {"register": 3}})[0])
        self.assertEqual(report.check([], {}), ["no kernel found"])
        self.assertEqual(report.check([kernel()], {"all": {"registers": 32}}), [])


SPILLING = """
extern "C" __global__ void __launch_bounds__(1024) spilling_kernel(float* x, int n) {
  float v[96];
#pragma unroll
  for (int i = 0; i < 96; ++i) v[i] = x[i * n + threadIdx.x];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 96; ++i) x[i * n + threadIdx.x] = v[i] * v[95 - i];
}
"""


class WholeProgram(unittest.TestCase):
    def test_a_kernel_that_spills_fails(self):
        nvcc = os.environ.get("NVCC") or shutil.which("nvcc")
        tools = os.environ.get("SECATEUR_CUDA_TOOLS", "")
        folders = [tools] if tools else []
        if not nvcc or not all(report.find_tool(name, folders) for name in ("cuobjdump", "nvdisasm")):
            self.skipTest("no nvcc, cuobjdump or nvdisasm")
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            (folder / "spilling.cu").write_text(SPILLING)
            (folder / "bounds.toml").write_text("")
            subprocess.run([nvcc, "-arch=sm_80", "-c", "spilling.cu", "-o", "spilling.o"], cwd=folder, check=True)
            done = subprocess.run(
                [sys.executable, report.__file__, folder / "spilling.o", "--bounds", folder / "bounds.toml",
                 *(option for tool in folders for option in ("--tools", tool))],
                capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("spilling_kernel (sm_80): spills", done.stderr)


if __name__ == "__main__":
    unittest.main()
