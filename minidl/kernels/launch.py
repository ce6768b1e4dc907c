"""From inside a kernel into the pool: ``launch`` runs one compiled function for many tasks.

    @jit
    def _scale_block(i, x, y): ...                          # block i of the work

    @parallel
    def _scale(pool, blocks, x, y):
        launch(pool, blocks, _scale_block, (x, y))          # blocks 0, 1, ... wherever they run

It emits the call of Numba's pool that ``prange`` comes down to. With ``prange`` the same machine code is compiled and
optimised five times (the loop's body, its kernel, the kernel's wrapper, the function around them, and once more for a
serial form), which takes seconds for kernels made of tiles; with ``launch`` it is compiled once.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

I32, I64 = ir.IntType(32), ir.IntType(64)
BYTES = ir.IntType(8).as_pointer()
# What Numba's pools call, the form of a NumPy generalised ufunc: (arguments, counts, steps, data). The pool adds the
# number of the first iteration times the step to each argument: with one argument that begins at 0, and a step of 1,
# the argument is that number.
WORKER = ir.FunctionType(ir.VoidType(), [BYTES.as_pointer(), I64.as_pointer(), I64.as_pointer(), BYTES])
# parallel_for(worker, arguments, counts, steps, data, inner dimensions, arguments, threads)
PARALLEL_FOR = ir.FunctionType(ir.VoidType(), [BYTES, *WORKER.args, I64, I64, I32])


@intrinsic
def launch(typing: Any, pool: Any, tasks: Any, task: Any, args: Any) -> Any:
    """Call ``task(i, *args)`` for every i below ``tasks``, in the pool or, if that has one thread, here.

    ``pool`` is what ``threads.parallel`` passes to a kernel: the address of the pool's ``parallel_for`` and the number
    of threads. A task must not raise.
    """
    signature = task.get_call_type(typing, (types.int64, *args), {})

    def generate(context: Any, builder: Any, _sig: Any, given: Any) -> Any:
        pool, tasks, _task, args = given
        compiled = task.dispatcher.get_compile_result(signature)
        context.active_code_library.add_linking_library(compiled.library)
        function = context.declare_function(builder.module, compiled.fndesc)
        data = cgutils.alloca_once_value(builder, args)
        worker = _worker(context, builder.module, function, signature, args.type)
        operands = [cgutils.alloca_once_value(builder, value) for value in (BYTES(None), tasks, I64(1))]
        operands.append(builder.bitcast(data, BYTES))
        address, threads = (builder.extract_value(pool, i) for i in range(2))
        with builder.if_else(builder.icmp_signed(">", threads, I64(1))) as (several, one):
            with several:
                parallel_for = builder.inttoptr(address, PARALLEL_FOR.as_pointer())
                rest = [I64(0), I64(1), builder.trunc(threads, I32)]
                builder.call(parallel_for, [builder.bitcast(worker, BYTES), *operands, *rest])
            with one:
                builder.call(worker, operands)
        return context.get_dummy_value()

    return types.void(pool, types.int64, task, args), generate


def _worker(context: Any, module: Any, function: Any, signature: Any, struct: Any) -> Any:
    """A function of the form that the pool calls, which runs a range of tasks; the data is their arguments."""
    worker = ir.Function(module, WORKER, module.get_unique_name("minidl.worker"))
    worker.linkage = "internal"
    builder = ir.IRBuilder(worker.append_basic_block())
    first, count, _steps, data = worker.args
    start = builder.ptrtoint(builder.load(first), I64)
    args = builder.load(builder.bitcast(data, struct.as_pointer()))
    fields = [builder.extract_value(args, i) for i in range(len(signature.args) - 1)]
    with cgutils.for_range(builder, builder.load(count), intp=I64) as loop:
        task = builder.add(start, loop.index)
        context.call_conv.call_function(
            builder, function, signature.return_type, signature.args, [task, *fields]
        )
    builder.ret_void()
    return worker
