"""Operators, comparators and losses of one's own, under names that a config then accepts.

The tables of kernels are the registry: what is added here stands beside what daskgraph brings, for as long as
the process lives.
"""

import re
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

from numba.core import types
from numba.core.errors import NumbaError

from daskgraph.errors import KernelError, NameTakenError, RegistrationError
from daskgraph_kernels import comparators, losses, names, operators
from daskgraph_kernels.jit import Variant

Kernel = Callable[..., Any]


class OwnVariant(Variant):
    """A function of a user's own: when it can not be compiled, it says how it should look."""

    def __init__(self, name: str, use: str, kind: Any, function: Kernel) -> None:
        # It may make arrays of its own.
        super().__init__(kind, function, allocates=True)
        self.name, self.use = name, use

    def __reduce__(self) -> str | tuple[Any, ...]:
        return OwnVariant, (self.name, self.use, self.signature, self.function)

    def address(self) -> Any:
        """What a driver is given. Raises KernelError."""
        try:
            return super().address()
        except NumbaError as error:
            called = described(self.use, self.signature)
            raise KernelError(self.name, self.use, _essence(str(error)), called) from error


def described(use: str, kind: Any) -> str:
    """Return how a function is called: the names and Numba types of its arguments, and of what it returns."""
    arguments = zip(signature(_EXAMPLES[use].function).parameters, kind.args, strict=True)
    returned = "" if kind.return_type == types.none else f" -> {kind.return_type}"
    return f"{use}({', '.join(f'{name}: {_type_name(type_)}' for name, type_ in arguments)}){returned}"


def _type_name(type_: Any) -> str:
    return f"{type_.dtype}[{', '.join(':' * type_.ndim)}]" if isinstance(type_, types.Array) else str(type_)


def _essence(message: str) -> str:
    """Return the cause out of what Numba says, and where it is: the rest is how Numba found it."""
    cause = message.partition("(step: nopython frontend)\n")[2] or message
    cause = " ".join(re.split(r"There are \d+ candidate|During: |\nFile \"", cause)[0].split())
    place = re.search(r'File "([^"]+)", line (\d+)', message)
    return f"{cause} ({Path(place[1]).name}, line {place[2]})" if place else cause


_TABLES: tuple[tuple[dict[str, Any], list[str]], ...] = (
    (operators.OPERATORS, names.OPERATORS),
    (comparators.COMPARATORS, names.COMPARATORS),
    (losses.LOSSES, names.LOSSES),
)
_BROUGHT = tuple(frozenset(known) for _, known in _TABLES)


class Registered(NamedTuple):
    """What was registered in one process, to be known in another; it can be pickled."""

    tables: tuple[dict[str, Any], ...]
    """Operators, comparators and losses by name."""
    even: tuple[str, ...]
    """Those that need rows of an even length."""


def registered() -> Registered:
    """Return all that was registered in this process."""
    tables = tuple(
        {name: table[name] for name in known if name not in brought}
        for (table, known), brought in zip(_TABLES, _BROUGHT, strict=True)
    )
    own = {name for table in tables for name in table}
    return Registered(tables, tuple(name for name in names.EVEN if name in own))


def adopt(given: Registered) -> None:
    """Register here what was registered in another process, in the place of anything of the same name."""
    for (table, known), added in zip(_TABLES, given.tables, strict=True):
        table.update(added)
        known.extend(name for name in added if name not in known)
    names.EVEN.extend(name for name in given.even if name not in names.EVEN)


_EXAMPLES: dict[str, Variant] = {
    **{use: getattr(operators.OPERATORS["diagonal"], use) for use in ("forward", "backward")},
    **{use: getattr(comparators.COMPARATORS["cos"], use) for use in comparators.Comparator._fields[:6]},
    "function": losses.LOSSES["logistic"],
}
"""For every use a function that daskgraph brings, whose arguments have telling names."""

_SHAPES = ("d", "d/2", "d,d")
_FIRST = ("zeros", "ones", "identity")


def register_operator(
    name: str,
    forward: Kernel,
    backward: Kernel,
    parameters: Mapping[str, tuple[str, str]] | None = None,
    *,
    complex_numbers: bool = False,
    regularized: bool = True,
) -> None:
    """Add an operator of your own; docs/extending.md has an example.

    Parameters
    ----------
    name
        What `model.operator` or the `operator` of a relation then calls it.
    forward, backward
        Plain Python functions that Numba can compile, of the arguments that those of `diagonal` have.
    parameters
        Name of each parameter of a relation with its shape ("d", "d/2" or "d,d") and first value ("zeros",
        "ones", or "identity" for "d,d"). All of them are packed into one row, in this order.
    complex_numbers
        Whether rows hold complex numbers, real parts first; so must the packed row then, if it is
        regularized.
    regularized
        Whether the parameters count for the penalty.

    Raises
    ------
    NameTakenError
        There is an operator of that name.
    RegistrationError
        A function has the wrong number of arguments, or a parameter an unknown shape or first value.
    """
    _check_name("operator", name, names.OPERATORS)
    chosen = dict(parameters or {})
    for parameter, (shape, first) in chosen.items():
        if shape not in _SHAPES or first not in _FIRST or (first == "identity") > (shape == "d,d"):
            reason = (
                f"parameter {parameter!r} is {(shape, first)}; allowed are the shapes {', '.join(_SHAPES)}"
            )
            raise RegistrationError(name, f"{reason} and the first values {', '.join(_FIRST)}")
    operator = operators.Operator(
        _variant(name, "forward", operators.FORWARD, forward),
        _variant(name, "backward", operators.BACKWARD, backward),
        chosen,
        complex_numbers,
        regularized,
    )
    if complex_numbers and regularized and operators.packed_size(operator, 4) != 4:
        reason = "its parameters are not d numbers, as d/2 complex ones are; say regularized=False"
        raise RegistrationError(name, reason)
    operators.OPERATORS[name] = operator
    names.OPERATORS.append(name)
    if complex_numbers or any(shape == "d/2" for shape, _ in chosen.values()):
        names.EVEN.append(name)


def register_comparator(
    name: str,
    *,
    pairs: Kernel,
    pairs_backward: Kernel,
    scores: Kernel,
    scores_backward: Kernel,
    prepare: Kernel | None = None,
    prepare_backward: Kernel | None = None,
    rescales: bool = False,
    keeps_scores: bool = False,
    distance: bool = False,
    complex_numbers: bool = False,
) -> None:
    """Add a comparator of your own.

    Parameters
    ----------
    name
        What `model.comparator` then calls it.
    pairs, pairs_backward, scores, scores_backward, prepare, prepare_backward
        Plain Python functions that Numba can compile, of the arguments that those of `cos` have. Without the
        last two, rows are compared as they are.
    rescales
        Whether `prepare` changes rows.
    keeps_scores
        Whether the backward functions read the scores.
    distance
        Whether a score is a distance, negative.
    complex_numbers
        Whether rows hold complex numbers, real parts first, and must have an even length.

    Raises
    ------
    NameTakenError
        There is a comparator of that name.
    RegistrationError
        A function has the wrong number of arguments.
    """
    _check_name("comparator", name, names.COMPARATORS)
    kept = comparators.COMPARATORS["dot"]
    given = {
        "prepare": (comparators.PREPARE, prepare or kept.prepare.function),
        "prepare_backward": (
            comparators.PREPARE_BACKWARD,
            prepare_backward or kept.prepare_backward.function,
        ),
        "pairs": (comparators.PAIRS, pairs),
        "pairs_backward": (comparators.PAIRS_BACKWARD, pairs_backward),
        "scores": (comparators.SCORES, scores),
        "scores_backward": (comparators.SCORES_BACKWARD, scores_backward),
    }
    kernels = [_variant(name, use, kind, function) for use, (kind, function) in given.items()]
    # Its pairs need not be what stands on the diagonal of its scores: it is no plain product.
    comparators.COMPARATORS[name] = comparators.Comparator._make(
        [*kernels, rescales, keeps_scores, distance, complex_numbers, False]
    )
    names.COMPARATORS.append(name)
    if complex_numbers:
        names.EVEN.append(name)


def register_loss(name: str, function: Kernel) -> None:
    """Add a loss of your own.

    Parameters
    ----------
    name
        What `loss.function` then calls it.
    function
        A plain Python function that Numba can compile, of the arguments that `logistic` has. `loss.margin`
        and `loss.adversarial_temperature` reach it as they are.

    Raises
    ------
    NameTakenError
        There is a loss of that name.
    RegistrationError
        The function has the wrong number of arguments.
    """
    _check_name("loss", name, names.LOSSES)
    losses.LOSSES[name] = _variant(name, "function", losses.LOSS, function)
    names.LOSSES.append(name)


def _check_name(kind: str, name: str, known: list[str]) -> None:
    if name in known:
        raise NameTakenError(kind, name, tuple(known))


def _variant(name: str, use: str, kind: Any, function: Kernel) -> Variant:
    """Return a function as one that drivers call."""
    function = getattr(function, "py_func", function)
    given, wanted = len(signature(function).parameters), len(kind.args)
    if given != wanted:
        called = f"it will be called with {wanted}: {described(use, kind)}"
        raise RegistrationError(name, f"{use} takes {given} arguments; {called}")
    return OwnVariant(name, use, kind, function)
