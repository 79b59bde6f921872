import json
import re
from pathlib import Path
from typing import Any

import pytest
from config_strategies import configs
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.config import Config, load, merge, parse_bytes, parse_seconds
from daskgraph.config.models import Section
from daskgraph.errors import (
    ConfigError,
    ConfigFileError,
    ConfigValueError,
    OverrideError,
    UnknownKeyError,
    UnknownTypeError,
    UnknownVariantError,
)
from daskgraph_kernels import names


@given(configs())
def test_round_trip(keys: dict[str, Any]) -> None:
    config = Config.from_dict(keys)
    assert Config.from_dict(config.to_dict()) == config
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@given(configs())
def test_explicit_keys_give_the_config_back(keys: dict[str, Any]) -> None:
    config = Config.from_dict(keys)
    assert Config.from_dict(config.explicit()) == config
    assert merge({}, load(dicts=[keys])) == config


@given(configs(), st.integers(1, 1000))
def test_override_changes_one_key(keys: dict[str, Any], epochs: int) -> None:
    config = Config.from_dict(keys)
    changed = config.override([f"training.epochs={epochs}"])
    expected = config.to_dict()
    expected["training"]["epochs"] = epochs
    assert changed.to_dict() == expected


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=2)
    )
)
def test_any_value_is_taken_or_refused_by_path(value: Any) -> None:
    for path in leaf_paths():
        section, key = path.split(".")
        assert path in refusal_of({section: {key: value}}, default=path)


def refusal_of(keys: dict[str, Any], default: str) -> str:
    try:
        Config.from_dict(keys)
    except ConfigError as error:
        return str(error)
    return default


def leaf_paths() -> list[str]:
    return [
        f"{name}.{key}"
        for name, section in Config()
        if isinstance(section, Section)
        for key in type(section).model_fields
    ]


def test_every_key_has_a_default() -> None:
    assert Config.from_dict({}) == Config()
    assert len(leaf_paths()) > 25


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"trainin": {}}, "unknown key trainin; did you mean training?"),
        ({"training": {"learning_rat": 0.1}}, "did you mean training.learning_rate?"),
        ({"training": {"dimension": 4}}, "unknown key training.dimension; did you mean model.dimension?"),
        ({"entities": {"user": {"dimenson": 4}}}, "did you mean entities.user.dimension?"),
        ({"relations": [{"nam": "a"}]}, "did you mean relations.0.name?"),
        ({"graph": {"zzz": 1}}, "unknown key graph.zzz; known here are: partitions"),
    ],
)
def test_unknown_key(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownKeyError, match=re.escape(message)):
        Config.from_dict(keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"training": {"epochs": "ten"}}, "training.epochs = 'ten' should be a whole number"),
        ({"training": {"epochs": 1.5}}, "training.epochs = 1.5 should be a whole number"),
        ({"training": {"epochs": True}}, "training.epochs = True should be a whole number"),
        ({"training": {"epochs": 0}}, "training.epochs = 0 should be greater than or equal to 1"),
        ({"training": {"learning_rate": -1}}, "training.learning_rate = -1 should be greater than 0"),
        ({"training": {"memory": "4 Gigs"}}, "training.memory = '4 Gigs' should be a size such as '4GiB'"),
        ({"training": {"memory": "0GiB"}}, "training.memory = '0GiB' should be more than nothing"),
        ({"training": {"checkpoint": "soon"}}, "training.checkpoint = 'soon' should be a duration"),
        ({"training": 3}, "training = 3 should be a table"),
        ({"graph": {"partitions": "x"}}, "graph.partitions = 'x' should be 'auto' or a whole number"),
        ({"loss": {"margin": float("nan")}}, "loss.margin = nan should be a finite number"),
        ({"model": {"reciprocal": "yes"}}, "model.reciprocal = 'yes' should be true or false"),
        ({"negatives": {"corrupt": "heads"}}, "should be 'both', 'head' or 'tail'"),
        ({"negatives": {"uniform": 0, "in_batch": False}}, "negatives.uniform = 0 leaves no candidates"),
        ({"model": {"dropout": 1.0}}, "model.dropout = 1.0 should be less than 1"),
        ({"loss": {"adversarial_temperature": 2.0}}, "adversarial_temperature = 2.0 has no place in softmax"),
        ({"evaluation": {"sampling": "frequency"}}, "sampling = 'frequency' draws candidates; say how many"),
        ({"negatives": {"stand_for_all": True}}, "stand_for_all = True needs negatives.in_batch = false"),
        (
            {
                "negatives": {"stand_for_all": True, "in_batch": False},
                "loss": {"function": "ranking"},
            },
            "stand_for_all = True needs loss.function = softmax",
        ),
        ({"relations": {"name": "a"}}, "relations = {'name': 'a'} should be a list of tables"),
        ({"relations": [{"name": "a"}, {"name": "a"}]}, "relations.1.name = 'a' is the name of an earlier"),
        ({"entities": {"user": {}}}, "entities.user = {} is used by no relation"),
        ({"entities": {"a/b": {}}}, "entities.'a/b' = {} should be named with letters"),
        ({1: {}}, "config: 1 = "),
    ],
)
def test_wrong_value(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigValueError, match=re.escape(message)):
        Config.from_dict(keys)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("model.operator", names.OPERATORS),
        ("model.comparator", names.COMPARATORS),
        ("loss.function", names.LOSSES),
        ("loss.regularizer", names.REGULARIZERS),
    ],
)
def test_unknown_variant(path: str, known: tuple[str, ...]) -> None:
    with pytest.raises(UnknownVariantError, match="known are: " + ", ".join(known)) as caught:
        Config().override([f"{path}=complex_diagnal"])
    assert caught.value.path == path


def test_unknown_operator__of_a_relation() -> None:
    with pytest.raises(UnknownVariantError, match=r"relations.0.operator = 'diag'.*did you mean 'diagonal'"):
        Config.from_dict({"relations": [{"operator": "diag"}]})


def test_unknown_entity_type() -> None:
    keys = {"entities": {"user": {}}, "relations": [{"head": "user", "tail": "usr"}]}
    with pytest.raises(UnknownTypeError, match=r"relations.0.tail = 'usr' .* did you mean 'user'"):
        Config.from_dict(keys)


def test_joined_types_of_unequal_dimension() -> None:
    keys = {
        "entities": {"user": {"dimension": 3}, "item": {}},
        "relations": [{"name": "buys", "head": "user", "tail": "item"}],
    }
    with pytest.raises(ConfigValueError, match="'user' and 'item' of dimensions 3 and 100"):
        Config.from_dict(keys)


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"model": {"operator": "complex_diagonal", "dimension": 101}}, "model.dimension"),
        (
            {"model": {"operator": "complex_diagonal"}, "entities": {"entity": {"dimension": 9}}},
            "entities.entity.dimension",
        ),
        ({"model": {"dimension": 5}, "relations": [{"operator": "complex_diagonal"}]}, "model.dimension"),
        ({"model": {"dimension": 5, "operator": "rotation"}}, "model.dimension"),
        ({"model": {"dimension": 5, "comparator": "complex_modulus"}}, "model.dimension"),
    ],
)
def test_odd_dimension_for_complex_numbers(keys: dict[str, Any], path: str) -> None:
    names = "complex_diagonal|rotation|complex_modulus"
    with pytest.raises(ConfigValueError, match=f"should be even for ({names})") as caught:
        Config.from_dict(keys)
    assert caught.value.path == path


def test_odd_dimension__where_no_relation_is_complex() -> None:
    keys = {
        "model": {"dimension": 5, "operator": "complex_diagonal"},
        "relations": [{"operator": "diagonal"}],
    }
    assert Config.from_dict(keys).model.dimension == 5


def test_toml(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[model]\ndimension = 64\n[[relations]]\nname = "a"\n[entities.entity]\npartitioned = false\n'
    )
    config = Config.from_toml(path)
    assert (config.model.dimension, config.relations[0].name) == (64, "a")
    assert not config.entities["entity"].partitioned


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"[model]\ndimension = \n", "line 2: TOML syntax"),
        (b"[model]\n\nbad line\n", "line 3: TOML syntax"),
        (b"[model]\nx = '''\n", "line 2: TOML syntax"),
        (b"[model]\na = 1\na = 2\n", "line 3: TOML syntax"),
        (b"[model]\n# \xff\n", "line 2: not UTF-8"),
    ],
)
def test_toml__syntax(tmp_path: Path, content: bytes, where: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigFileError, match=re.escape(f"{path}, {where}")):
        load([path])


def test_toml__missing_or_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigFileError, match=re.escape(str(path))):
            load([path])


def test_load__later_ones_win(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text("[training]\nepochs = 1\nseed = 1\nthreads = 1\n")
    second.write_text("[training]\nseed = 2\nthreads = 2\n")
    given = load([first, second], [{"training": {"threads": 3}}], ["training.batch_size=4"])
    assert given == {"training": {"epochs": 1, "seed": 2, "threads": 3, "batch_size": 4}}


def test_merge__keeps_what_is_not_given() -> None:
    stored = Config.from_dict({"model": {"dimension": 8}, "training": {"epochs": 3}}).to_dict()
    merged = merge(stored, load(overrides=["training.learning_rate=0.5"]))
    assert (merged.model.dimension, merged.training.epochs, merged.training.learning_rate) == (8, 3, 0.5)


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("training.memory=4GiB", ("training", "memory"), "4GiB"),
        ("training.memory='4GiB'", ("training", "memory"), "4GiB"),
        ("training.seed=7", ("training", "seed"), 7),
        ("training.learning_rate = 1e-2", ("training", "learning_rate"), 0.01),
        ("model.reciprocal=true", ("model", "reciprocal"), True),
        ("model.operator=diagonal", ("model", "operator"), "diagonal"),
    ],
)
def test_override(override: str, path: tuple[str, str], value: object) -> None:
    assert Config().override([override]).to_dict()[path[0]][path[1]] == value


def test_override__of_a_relation_by_number() -> None:
    config = Config.from_dict({"relations": [{"name": "a"}, {"name": "b"}]})
    changed = config.override(["relations.1.operator=diagonal"])
    assert [relation.operator for relation in changed.relations] == [None, "diagonal"]
    with pytest.raises(ConfigValueError, match=r"relations.2 .* numbered 0 to 1"):
        config.override(["relations.2.operator=diagonal"])
    with pytest.raises(ConfigValueError, match=r"relations.0 .* relations is an empty list"):
        Config().override(["relations.0.operator=diagonal"])


@pytest.mark.parametrize("override", ["epochs", "training.epochs=", "=3", "training..epochs=3", "a\nb=3", ""])
def test_override__malformed(override: str) -> None:
    with pytest.raises(OverrideError, match=r"should be section.key=value"):
        load(overrides=[override])


def test_override__of_the_wrong_type() -> None:
    with pytest.raises(ConfigValueError, match=r"training.epochs = 'ten' should be a whole number"):
        Config().override(["training.epochs=ten"])


def test_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().training.epochs = 3


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        (12, 12),
        ("1k", 1000),
        ("1KiB", 1024),
        ("1.5 GiB", 3 * 2**29),
        ("2MB", 2 * 10**6),
        ("1t", 10**12),
    ],
)
def test_parse_bytes(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("500ms", 0.5), ("5min", 300), ("2 h", 7200), ("1d", 86400), (1.5, 1.5)],
)
def test_parse_seconds(text: str | float, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "GiB", "-1s", "1e3", "inf", "nan", "1 x", True])
def test_parse__refused(text: str) -> None:
    for parse in (parse_bytes, parse_seconds):
        with pytest.raises(ValueError, match="should be a"):
            parse(text)


def test_memory_and_checkpoint_in_units() -> None:
    training = Config().override(["training.memory=1GiB", "training.checkpoint=2min"]).training
    assert (training.memory_bytes, training.checkpoint_seconds) == (2**30, 120.0)
    assert Config().training.memory_bytes is None


def test_dimension_and_operator_of() -> None:
    keys = {
        "entities": {"entity": {"dimension": 8}},
        "relations": [{"name": "a"}, {"name": "b", "operator": "linear"}],
    }
    config = Config.from_dict(keys)
    assert config.dimension_of("entity") == 8
    assert [config.operator_of(relation) for relation in config.relations] == ["none", "linear"]
