"""Keys of a config, and files of them."""

from dataclasses import dataclass

from daskgraph.errors.base import HOW_TO_IMPORT, UsageError, nearest_name, shortened, suggestion


class ConfigError(UsageError):
    """The config is wrong."""


@dataclass(eq=False)
class UnknownKeyError(ConfigError):
    """A key that does not exist, usually misspelt."""

    path: str
    """Dotted path of the key."""
    nearest: str | None
    """Dotted path of the key that was probably meant."""
    known: tuple[str, ...] = ()
    """Names allowed in that place."""

    def __str__(self) -> str:
        if self.nearest is not None:
            return f"config: unknown key {self.path}; did you mean {self.nearest}?"
        return f"config: unknown key {self.path}; known here are: {', '.join(self.known)}"


@dataclass(eq=False)
class ConfigValueError(ConfigError):
    """A key has a value that is not allowed."""

    path: str
    """Dotted path of the key."""
    given: object
    """The value as given."""
    allowed: str
    """What would be right, as the end of a sentence."""

    def __str__(self) -> str:
        return f"config: {self.path} = {shortened(self.given)} {self.allowed}"


@dataclass(eq=False)
class UnknownVariantError(ConfigError):
    """An operator, comparator, loss or regularizer that does not exist."""

    path: str
    """Dotted path of the key."""
    given: str
    """The name as given."""
    known: tuple[str, ...]
    """All names there are."""

    def __str__(self) -> str:
        nearest = nearest_name(self.given, self.known)
        hint = f"did you mean {nearest!r}? " if nearest else ""
        own = "" if nearest else f"; one of your own must be registered first{HOW_TO_IMPORT}"
        return (
            f"config: {self.path} = {self.given!r} is unknown; {hint}known are: {', '.join(self.known)}{own}"
        )


@dataclass(eq=False)
class UnknownTypeError(ConfigError):
    """A relation names an entity type that has no table."""

    path: str
    """Dotted path of the key."""
    given: str
    """The type as given."""
    known: tuple[str, ...]
    """All declared entity types."""

    def __str__(self) -> str:
        hint = suggestion(self.given, self.known)
        return f"config: {self.path} = {self.given!r} has no table [entities.{self.given}]; {hint}"


@dataclass(eq=False)
class ConfigFileError(ConfigError):
    """A config file is missing, unreadable or no TOML."""

    path: str
    """The file."""
    line: int | None
    """Line number, from 1, where one line is to blame."""
    reason: str
    """What is wrong."""

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{where}: {self.reason}"


@dataclass(eq=False)
class OverrideError(ConfigError):
    """An override that is no `section.key=value`."""

    text: str
    """The override as given."""

    def __str__(self) -> str:
        return f"override {self.text!r} should be section.key=value, such as training.epochs=20"
