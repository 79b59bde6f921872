"""How kernels are compiled: one set of flags, one cache, and variants as first-class functions."""

import hashlib
import marshal
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, cast

import numba
from llvmlite import binding, ir
from numba.core import caching, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

_config: Any = numba.config

# False where Numba is told to leave Python as it is, to debug it or to count its lines.
COMPILED = not _config.DISABLE_JIT

# Sums may be reordered, so that they vectorise; NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "nsz", "arcp"}
# Polynomials written for a given order of operations keep it.
ORDERED = {"contract", "nsz"}

Matrix = types.Array(types.float32, 2, "C")
Vector = types.Array(types.float32, 1, "C")
Ids = types.Array(types.int64, 1, "C")
Chances = types.Array(types.float64, 1, "C")
Counters = types.Array(types.uint64, 1, "C")
Ranges = types.Array(types.int64, 2, "C")
Flags = types.Array(types.boolean, 1, "C")


def record(kind: type, *fields: Any) -> Any:
    """The Numba type of a NamedTuple class whose fields have the types `fields`."""
    if len(set(fields)) == 1:
        return types.NamedUniTuple(fields[0], len(fields), kind)
    return types.NamedTuple(fields, kind)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, on first use, without the GIL; the result is kept on disk.

    No kernel may allocate: without reference counts, drivers compile in half the time.
    """
    return _dispatcher(function, FAST)


def inner_kernel(function: Callable[..., Any]) -> Any:
    """As `kernel`, for a function that only kernels call: it gets no entry for Python, which takes long
    to compile.
    """
    return _dispatcher(function, FAST, **_NO_ENTRY)


def inlined_kernel(function: Callable[..., Any]) -> Any:
    """As `inner_kernel`, written anew into everyone that calls it: what it calls is linked and compiled once
    less.
    """
    return _dispatcher(function, FAST, inline="always", **_NO_ENTRY)


def ordered_kernel(function: Callable[..., Any]) -> Any:
    """As `inner_kernel`, with floating-point operations kept in the order of the source."""
    return _dispatcher(function, ORDERED, **_NO_ENTRY)


def allocating_kernel(function: Callable[..., Any]) -> Any:
    """As `inner_kernel`, for a function that makes arrays of its own."""
    return _dispatcher(function, FAST, _nrt=True, **_NO_ENTRY)


_NO_ENTRY = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class Variant:
    """One of several functions with one signature, compiled when it is first needed, called by its address.

    A driver that received dispatchers would be compiled again for each of them, in every process. One
    that receives addresses is compiled once for all variants, and found in the cache.
    """

    def __init__(self, signature: Any, function: Callable[..., Any], allocates: bool = False) -> None:
        self.signature = signature
        self.function = function
        self.allocates = allocates
        self.__doc__ = function.__doc__

    def __call__(self, *arguments: Any) -> Any:
        """Call it from Python, for tests and a look around: compiled once more, with an entry for Python."""
        return _python_entry(self.function, self.allocates)(*arguments)

    def __reduce__(self) -> str | tuple[Any, ...]:
        # A variant stands in the place of its function, which therefore can not be pickled by that name.
        self.__module__, name = self.function.__module__, self.function.__qualname__
        if getattr(sys.modules.get(self.__module__), name, None) is self:
            return name
        return Variant, (self.signature, self.function, self.allocates)

    def address(self) -> Any:
        """What a driver is given: the compiled function's address; the function itself where nothing is
        compiled.
        """
        if not COMPILED:
            return self.function
        with _COMPILING:
            return _compiled(self.signature, self.function, self.allocates)[1]


def variant(signature: Any, allocates: bool = False) -> Callable[[Callable[..., Any]], Variant]:
    """Make a function one of several that a compiled driver may be given as an argument."""
    return lambda function: Variant(signature, function, allocates)


def caller(signature: Any) -> Callable[..., Any]:
    """How compiled code calls a variant of this signature: `call(address, (argument, ...))`.

    Numba's own first-class functions do the same with three times the code at every call, which drivers
    pay for in compile time.
    """
    if not COMPILED:
        return lambda function, arguments: function(*arguments)

    @intrinsic
    def call(typing: Any, address: Any, arguments: Any) -> Any:
        def codegen(context: Any, builder: Any, called: Any, values: Any) -> Any:
            expected = [context.get_value_type(kind) for kind in signature.args]
            function = ir.FunctionType(context.get_value_type(signature.return_type), expected)
            packed = [
                context.cast(builder, builder.extract_value(values[1], i), given, wanted)
                for i, (given, wanted) in enumerate(zip(arguments.types, signature.args, strict=True))
            ]
            result = builder.call(builder.inttoptr(values[0], function.as_pointer()), packed)
            return context.get_dummy_value() if signature.return_type is types.none else result

        return signature.return_type(types.int64, arguments), codegen

    return cast("Callable[..., Any]", call)


_COMPILING = RLock()


# Once for all copies of a variant, and for good: an address must outlive whoever asked for it first.
@cache
def _compiled(signature: Any, function: Callable[..., Any], allocates: bool) -> tuple[Any, int]:
    dispatcher = _dispatcher(function, FAST, _nrt=allocates, no_cpython_wrapper=True)
    dispatcher.compile(signature.args)
    result = dispatcher.get_compile_result(signature)
    returned, wanted = result.signature.return_type, signature.return_type
    value_type = dispatcher.targetctx.get_value_type
    if value_type(returned) != value_type(wanted):
        # Newer versions of Numba look at it themselves; with others a caller takes whatever a register holds.
        raise TypingError(f"mismatch of return type: {returned} vs {wanted}")
    return dispatcher, int(result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name))


@cache
def _python_entry(function: Callable[..., Any], allocates: bool) -> Any:
    return _dispatcher(function, FAST, _nrt=allocates)


def _dispatcher(function: Callable[..., Any], fastmath: set[str], **options: Any) -> Any:
    flags: Any = {"nogil": True, "error_model": "numpy", "fastmath": fastmath, "_nrt": False, **options}
    dispatcher = numba.njit(**flags)(function)
    if COMPILED and _cache_folder() is not None:
        dispatcher._cache = _Cache(function, flags)
    return dispatcher


@cache
def sources_digest() -> str:
    """Digest of every kernel source: a changed inner function must invalidate all its callers."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def processor_features() -> str:
    """What the processor can do, in LLVM's words: "+avx2,+fma,-avx512f,..."."""
    return str(_config.CPU_FEATURES or binding.get_host_cpu_features().flatten())


@cache
def machine_digest() -> str:
    """Digest of what compiled code depends on beside its source: unlike machines may share a home."""
    name = _config.CPU_NAME or binding.get_host_cpu_name()
    chosen = (numba.__version__, name, processor_features())
    return hashlib.sha256(repr(chosen).encode()).hexdigest()


@cache
def _cache_folder() -> str | None:
    """The user's cache folder for these very sources and this kind of machine, or None where nothing can be
    written.
    """
    name = f"kernels-{sources_digest()[:16]}-{machine_digest()[:8]}"
    try:
        folder = _cache_base() / "daskgraph" / name
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


def _cache_base() -> Path:
    if _config.CACHE_DIR:
        return Path(_config.CACHE_DIR)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


class _Locator(caching._CacheLocator):
    """Places compiled kernels in the user's cache folder, under the digest of their sources."""

    def __init__(self, function: Any, path: str) -> None:
        self._py_file = path
        self._code = function.__code__
        self._line = function.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(_cache_folder())

    def get_source_stamp(self) -> str:
        # A user's function may stand in no file, such as one typed into an interpreter.
        own = Path(self._py_file)
        text = own.read_bytes() if own.exists() else marshal.dumps(self._code)
        return sources_digest() + hashlib.sha256(text).hexdigest()

    def get_disambiguator(self) -> str:
        place = hashlib.sha256(self._py_file.encode()).hexdigest()[:8]
        return f"{self._line}-{place}"

    @classmethod
    def from_function(cls, function: Any, path: str) -> "_Locator":
        return cls(function, path)


class _Implementation(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012


class _Cache(caching.FunctionCache):
    _impl_class = _Implementation

    def __init__(self, function: Any, flags: dict[str, Any]) -> None:
        super().__init__(function)
        # A function compiled with and without an entry for Python is two functions: in one file, one would
        # be taken for the other.
        options = sorted(
            (name, sorted(value) if name == "fastmath" else value) for name, value in flags.items()
        )
        digest = hashlib.sha256(repr(options).encode()).hexdigest()
        self._cache_file = caching.IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}-{digest[:8]}",
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, signature: Any, context: Any) -> Any:
        # A file cut short by a crash must not stop any later training.
        try:
            return super().load_overload(signature, context)
        except Exception:
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        # A full disk must not stop a training that could run from memory.
        try:
            super().save_overload(signature, data)
        except OSError:
            self.disable()
