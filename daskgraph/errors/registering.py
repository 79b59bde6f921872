"""Operators, comparators and losses of one's own."""

from dataclasses import dataclass

from daskgraph.errors.base import HOW_TO_IMPORT, UsageError


@dataclass(eq=False)
class UnregisteredError(UsageError):
    """A store whose config names a variant that was registered elsewhere, and was not here."""

    store: str
    """Its path."""
    path: str
    """Dotted path of the key."""
    given: str
    """The name as stored."""

    def __str__(self) -> str:
        return (
            f"{self.store} has {self.path} = {self.given!r}, which is not registered in this process: import "
            f"the module that registers it{HOW_TO_IMPORT}, or choose another path with -o"
        )


@dataclass(eq=False)
class NameTakenError(UsageError):
    """An operator, comparator or loss was to be registered under a name that exists."""

    kind: str
    """Which of the three."""
    name: str
    """The name."""
    known: tuple[str, ...]
    """All names there are."""

    def __str__(self) -> str:
        return f"the {self.kind} {self.name!r} exists already; take another name than {', '.join(self.known)}"


@dataclass(eq=False)
class RegistrationError(UsageError):
    """An operator, comparator or loss that can not work was to be registered."""

    name: str
    """Its name."""
    reason: str
    """What is wrong, and what is allowed."""

    def __str__(self) -> str:
        return f"{self.name!r} can not be registered: {self.reason}"


@dataclass(eq=False)
class KernelError(UsageError):
    """A function of a registered operator, comparator or loss that Numba can not compile."""

    name: str
    """Name of the operator, comparator or loss."""
    use: str
    """Which of its functions."""
    reason: str
    """What Numba says."""
    called: str
    """How the function is called."""

    def __str__(self) -> str:
        return (
            f"{self.use} of {self.name!r} can not be compiled: {self.reason}; it is called as {self.called}"
        )


@dataclass(eq=False)
class ModuleImportError(UsageError):
    """A module of the user's own that can not be imported."""

    module: str
    """Its name as given."""
    reason: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return f"--import {self.module}: {self.reason}"
