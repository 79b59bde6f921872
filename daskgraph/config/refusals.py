"""From pydantic's findings to one error that names path, value and what is allowed."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from daskgraph.errors import ConfigError, ConfigValueError, UnknownKeyError, nearest_name


def refusal(error: ValidationError, root: type[BaseModel]) -> ConfigError:
    """Return the error to raise for the first thing that pydantic found; unknown keys come first."""
    findings = error.errors(include_url=False, include_context=False)
    unknown = [finding for finding in findings if finding["type"] == "extra_forbidden"]
    if unknown:
        return _unknown_key(unknown[0]["loc"], root)
    path = _real_path(findings[0]["loc"], root)
    same = [finding for finding in findings if _real_path(finding["loc"], root) == path]
    wanted = dict.fromkeys(_wanted(finding) for finding in same)
    given = findings[0]["input"]
    return ConfigValueError(".".join(path), given, "should be " + " or ".join(wanted))


def known_paths(section: type[BaseModel], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the paths of all keys; a name or number that the user chooses is `*`."""
    paths: list[tuple[str, ...]] = []
    for name, field in section.model_fields.items():
        inner, starred = _inner_section(field.annotation)
        path = (*prefix, name)
        if inner is None:
            paths.append(path)
        else:
            paths.extend(known_paths(inner, (*path, "*") if starred else path))
    return paths


def _unknown_key(location: tuple[int | str, ...], root: type[BaseModel]) -> UnknownKeyError:
    *parents, key = map(str, location)
    _, section = _descend(tuple(parents), root)
    siblings = tuple(section.model_fields) if section else ()
    given = ".".join([*parents, key])
    near = nearest_name(key, siblings)
    if near is not None:
        return UnknownKeyError(given, ".".join([*parents, near]), siblings)
    elsewhere = [path for path in known_paths(root) if path[-1] == key and "*" not in path]
    return UnknownKeyError(given, ".".join(elsewhere[0]) if elsewhere else None, siblings)


def _real_path(location: tuple[int | str, ...], root: type[BaseModel]) -> tuple[str, ...]:
    """Drop what pydantic adds to a path: the branches of a union."""
    return _descend(location, root)[0]


def _descend(
    location: tuple[int | str, ...], root: type[BaseModel]
) -> tuple[tuple[str, ...], type[BaseModel] | None]:
    """Follow a location as far as it names keys; return these and the section reached, None at a value."""
    section: type[BaseModel] | None = root
    path: list[str] = []
    parts = list(map(str, location))
    while parts and section is not None:
        path.append(parts.pop(0))
        field = section.model_fields.get(path[-1])
        section, starred = _inner_section(field.annotation) if field else (None, False)
        if starred and parts:
            path.append(parts.pop(0))
    return tuple(path), section


def _inner_section(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the section that a field holds, if any, and whether it holds several by name or number."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin = get_origin(annotation)
    if origin in (dict, tuple):
        sections = [argument for argument in get_args(annotation) if _is_section(argument)]
        return (sections[0], True) if sections else (None, False)
    if origin in (Annotated, Union, UnionType):
        return _inner_section(get_args(annotation)[0])
    return None, False


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "string_too_short": "a string that is not empty",
    "finite_number": "a finite number",
    "tuple_type": "a list of tables",
    "dict_type": "a table",
    "model_type": "a table",
    "invalid_key": "named by a string",
}


def _wanted(finding: ErrorDetails) -> str:
    known = _WANTED.get(finding["type"])
    if known is not None:
        return known
    message = finding["msg"].removeprefix("Value error, ")
    return message.removeprefix("Input should be ").removeprefix("should be ")
