import dataclasses
import pickle
import typing
from collections.abc import Mapping

import pytest

from daskgraph import errors


def subclasses(base: type[errors.DaskgraphError]) -> list[type[errors.DaskgraphError]]:
    found = []
    for inner in base.__subclasses__():
        found += [inner, *subclasses(inner)]
    return found


def example(error: type[errors.DaskgraphError]) -> errors.DaskgraphError:
    if not dataclasses.is_dataclass(error):
        return error("a reason")
    hints = typing.get_type_hints(error)
    values = {
        Mapping[str, int]: {"edges": 3},
        Mapping[str, tuple[int, ...]]: {"worker": (3, 5)},
        int: 3,
        float: 1.5,
        tuple[int, ...]: (3, 5),
        tuple[str, ...]: ("a", "b"),
        int | None: 3,
    }
    given = {field.name: values.get(hints[field.name], field.name) for field in dataclasses.fields(error)}
    return error(**given)


WHERE = f"{errors.__name__}."
ALL = [error for error in subclasses(errors.DaskgraphError) if error.__module__.startswith(WHERE)]


@pytest.mark.parametrize("error", ALL)
def test_error_is_one_line_and_survives_pickling(error: type[errors.DaskgraphError]) -> None:
    raised = example(error)
    again = pickle.loads(pickle.dumps(raised))
    assert type(again) is error
    assert str(again) == str(raised)
    assert vars(again) == vars(raised)
    assert str(raised)
    assert "\n" not in str(raised)


@pytest.mark.parametrize("error", ALL)
def test_exit_status(error: type[errors.DaskgraphError]) -> None:
    ended = 143 if error is errors.TerminatedError else 1
    assert example(error).exit_status == (2 if issubclass(error, errors.UsageError) else ended)


def test_long_content_is_shortened() -> None:
    assert len(str(errors.EdgeFileError("a.tsv", 7, "x" * 10_000, "two columns instead of three"))) < 300


def test_suggestion() -> None:
    assert errors.suggestion("Diagonl", ["diagonal", "none"]) == "did you mean 'diagonal'?"
    assert errors.suggestion("xyz", ["diagonal", "none"]) == "known are: diagonal, none"
    assert errors.suggestion("xyz", []) == "none is known"


def test_unknown_relation__lists_ten_at_most() -> None:
    many = tuple(f"relation {number}" for number in range(20))
    message = str(errors.UnknownRelationError("zzz", many))
    assert message.endswith("relation 9, …")
    assert "did you mean 'relation 7'" in str(errors.UnknownRelationError("relatio 7", many))


def test_optional_parts_of_messages() -> None:
    assert str(errors.ConfigFileError("a.toml", None, "no such file")) == "a.toml: no such file"
    assert str(errors.UnknownEntityError("x")) == "no entity has the id or label 'x'"
