"""Where a training step's time goes: clocks around every function that the compiled drivers call."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba.core.registry import cpu_target
from numpy.typing import NDArray

from daskgraph_kernels.jit import Variant

_WORD = ir.IntType(64)


class Timers:
    """Stands in for a model's functions, and counts the processor's ticks in each; for one thread only.

    Ticks are read in a few nanoseconds; the operating system's clocks take longer than some kernels do.
    They go on while the thread waits for its turn.

    Parameters
    ----------
    functions
        Variants by name, as drivers are given them.
    """

    def __init__(self, functions: Mapping[str, Variant]) -> None:
        self.names = tuple(functions)
        self._ticks, self.calls = np.zeros((2, len(functions)), np.int64)
        self._span = np.zeros(2, np.int64)
        module = ir.Module()
        module.triple = binding.get_process_triple()
        self._clock = module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(_WORD, []))
        self._define_now(module)
        for number, variant in enumerate(functions.values()):
            self._define(module, number, variant)
        machine = binding.Target.from_default_triple().create_target_machine()
        # It must live as long as its addresses are called.
        self._engine = binding.create_mcjit_compiler(binding.parse_assembly(str(module)), machine)
        self._engine.finalize_object()
        self.now = ctypes.CFUNCTYPE(ctypes.c_int64)(self._engine.get_function_address("now"))
        self._started = self.now(), time.perf_counter()

    @property
    def addresses(self) -> list[Any]:
        """What drivers are given in the place of each function."""
        return [self._engine.get_function_address(f"timed_{n}") for n in range(len(self.names))]

    @property
    def ticks_a_second(self) -> float:
        """The rate of the clock, as measured since it was made."""
        ticks, seconds = self._started
        return float((self.now() - ticks) / (time.perf_counter() - seconds))

    def take(self) -> tuple[NDArray[np.int64], int]:
        """Return the ticks since the last time: in each function, in the order of `names`, and in all.

        All is from the first function's beginning to the last one's end, whatever was done between.
        """
        taken, (first, last) = self._ticks.copy(), self._span
        self._ticks[:] = 0
        self._span[:] = 0
        return taken, int(last - first)

    def _define_now(self, module: ir.Module) -> None:
        function = ir.Function(module, ir.FunctionType(_WORD, []), "now")
        builder = ir.IRBuilder(function.append_basic_block())
        builder.ret(builder.call(self._clock, []))

    def _define(self, module: ir.Module, number: int, variant: Variant) -> None:
        """Add timed_<number>, which does as the variant does between two looks at the clock."""
        context = cpu_target.target_context
        arguments = [context.get_value_type(kind) for kind in variant.signature.args]
        form = ir.FunctionType(context.get_value_type(variant.signature.return_type), arguments)
        function = ir.Function(module, form, f"timed_{number}")
        builder = ir.IRBuilder(function.append_basic_block())

        def place(array: NDArray[np.int64], index: int) -> Any:
            address = ir.Constant(_WORD, array[index:].ctypes.data)
            return builder.inttoptr(address, _WORD.as_pointer())

        def add(array: NDArray[np.int64], value: Any) -> None:
            builder.store(builder.add(builder.load(place(array, number)), value), place(array, number))

        started = builder.call(self._clock, [])
        first = builder.load(place(self._span, 0))
        none_before = builder.icmp_signed("==", first, ir.Constant(_WORD, 0))
        builder.store(builder.select(none_before, started, first), place(self._span, 0))
        original = builder.inttoptr(ir.Constant(_WORD, variant.address()), form.as_pointer())
        result = builder.call(original, function.args)
        ended = builder.call(self._clock, [])
        builder.store(ended, place(self._span, 1))
        add(self._ticks, builder.sub(ended, started))
        add(self.calls, ir.Constant(_WORD, 1))
        builder.ret(result)
