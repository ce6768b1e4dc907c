"""Kernels compiled for other processors than this one: run where this one can, and for NEON at least compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from llvmlite import binding, ir

import minidl
from minidl.kernels import simd

ROOT = Path(minidl.__file__).parent.parent
# An operation, one of its kernels, and of its cases one in how many is compared: those that hold vector instructions
# of ours, and a few that LLVM makes vectors of.
KERNELS = (
    ("matmul", "packed", 1),
    ("conv2d", "direct", 5),
    ("conv2d", "dots", 5),
    ("conv2d", "winograd4", 1),
    ("adam", "fused", 2),
    ("bce_with_logits", "fused", 1),
    ("relu", "fused", 1),
)
SCRIPT = f"""
from minidl.kernels.check import cases_of, check_kernel
from minidl.kernels.simd import machine
print(machine().name)
for operation, name, part in {KERNELS}:
    assert check_kernel(operation, name, cases_of(operation)[::part]) > 0
"""


@pytest.mark.slow
@pytest.mark.skipif(not simd._is_x86(), reason="these are x86 processors")
@pytest.mark.parametrize(
    ("cpu", "features", "machine", "needed"),
    [
        ("generic", "", "generic", set()),
        # Numba takes the features of the machine at hand, whatever the name, unless they are given too.
        ("haswell", "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+sse4.2", "AVX2", {"avx2", "fma"}),
    ],
)
def test_kernels_of_a_lesser_processor(cpu: str, features: str, machine: str, needed: set[str]) -> None:
    here = {name for name, present in binding.get_host_cpu_features().items() if present}
    if not needed <= here:
        pytest.skip(f"this processor lacks {needed - here}")
    target = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": str(ROOT), **target},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{machine}\n"


@pytest.mark.parametrize(("itemsize", "scalar"), [(4, ir.FloatType()), (8, ir.DoubleType())])
def test_the_tile_compiles_for_neon(monkeypatch: pytest.MonkeyPatch, itemsize: int, scalar: ir.Type) -> None:
    """Compiled, not run: one fused multiply-add for each sum in the loop, and none of them leaves its register."""
    triple = "aarch64-unknown-linux-gnu"
    neon = simd.machine_of(triple, "+neon")
    monkeypatch.setattr(simd, "machine", lambda: neon)
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple(triple).create_target_machine(cpu="generic", features="+neon", opt=3)

    module = ir.Module()
    module.triple = triple
    p, size = scalar.as_pointer(), ir.IntType(64)
    kind = ir.FunctionType(ir.VoidType(), [p, size, size, p, size, size, p, size, size, p, size])
    function = ir.Function(module, kind, "tile")
    builder = ir.IRBuilder(function.append_basic_block())
    a, a_row, a_k, b, b_k, k, c, c_row, n, bias, mode = function.args
    emitter = simd.Emitter(builder, scalar, itemsize, neon.rows, neon.vectors)
    sums = emitter.sums(a, a_row, a_k, b, b_k, k)
    emitter.finish(sums, c, c_row, bias, mode, emitter.masks(n))
    builder.ret_void()
    parsed = binding.parse_assembly(str(module))
    parsed.verify()

    blocks = target.emit_assembly(parsed).split("\n.L")
    (loop,) = [block for block in blocks if "fmla" in block]
    assert loop.count("fmla") == neon.rows * neon.vectors
    assert "\tst" not in loop
