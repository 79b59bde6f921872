"""Each command is one call of the API: the calls, what is printed, and how failures end."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import ANY, Mock, call

import pytest
from click.testing import CliRunner, Result

from daskgraph import __version__, api, cli
from daskgraph.errors import DaskgraphError, UnknownEntityError, UsageError
from daskgraph.planning import Memory, Plan, Rates

EVALUATION = {
    "split": "test",
    "candidates": "all",
    "filtered": True,
    "protocol": "filtered, against all entities",
    "edges": 20,
    "mrr": 0.25,
    "mean_rank": 4.0,
    "hits": {"1": 0.1, "10": 0.5},
    "auc": 0.75,
    "seen": {"edges": 19, "mrr": 0.26, "mean_rank": 4.0, "hits": {"1": 0.1, "10": 0.5}, "auc": 0.75},
    "sides": {"head": {"edges": 20, "mrr": 0.2}},
}
SUMMARY = {"edges": 300, "epochs": 3, "loss": 0.5, "evaluation": EVALUATION | {"split": "valid"}}
TRAIN_DEFAULTS = {
    "preset": None,
    "columns": None,
    "features": None,
    "init": None,
    "init_optimizer": True,
    "callback": ANY,
}
ANSWERS = [("/m/1", "One", 0.5), ("/m/2", None, 0.25)]


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Mock:
    mock = Mock()
    mock.train.return_value.summary = SUMMARY
    mock.import_edges.return_value = {"edges": {"train": 300}}
    mock.evaluate.return_value.to_dict.return_value = EVALUATION
    mock.open_model.return_value.neighbors.return_value = ANSWERS
    mock.open_model.return_value.predict.return_value = ANSWERS
    mock.info.return_value = {"kind": "graph", "entities": {"user": 2000}}
    mock.restore.return_value.configure_mock(path=Path("m.zarr"), epochs=3)
    mock.plan.return_value = PLAN
    for name in ("train", "import_edges", "evaluate", "classify", "open_model", "info", "plan", "restore"):
        monkeypatch.setattr(api, name, getattr(mock, name))
    return mock


PLAN = Plan(
    entities={"user": 1000, "item": 10},
    edges=20_000,
    partitions=8,
    buckets=64,
    buffer=4,
    memory_bytes=15 << 20,
    memory=Memory(1 << 20, 2 << 20, 3 << 20, 4 << 20, 5 << 20, 0),
    disk_bytes=1 << 30,
    sweeps=3,
    swaps=9,
    seconds=3725.0,
    rates=Rates(12_345.6, 1e9, 2e9),
    workers_at_most=1,
    notes=("something to know",),
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments))


def rows(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.stderr
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_train(mocked: Mock) -> None:
    assert rows(run("train", "edges.tsv"))[:7] == [
        ["training", "value"],
        ["edges", "300"],
        ["epochs", "3"],
        ["loss", "0.5"],
        ["valid, filtered, against all entities", "all edges", "seen entities", "heads", "tails"],
        ["edges", "20", "19", "20", "-"],
        ["MRR", "0.25", "0.26", "0.2", "-"],
    ]
    assert mocked.mock_calls == [call.train("edges.tsv", None, config={}, **TRAIN_DEFAULTS)]


def test_train__only_given_keys_are_passed(mocked: Mock, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[training]\nepochs = 3\nseed = 1\n")
    result = run("train", "a", "-o", "m.zarr", "-c", str(config), "-s", "training.seed=2", "--json")
    assert json.loads(result.stdout) == SUMMARY
    given = {"training": {"epochs": 3, "seed": 2}}
    assert mocked.mock_calls == [call.train("a", "m.zarr", config=given, **TRAIN_DEFAULTS)]


def test_train__init(mocked: Mock) -> None:
    assert run("train", "a", "--init", "o.zarr", "--no-init-optimizer").exit_code == 0
    given = TRAIN_DEFAULTS | {"init": "o.zarr", "init_optimizer": False}
    assert mocked.mock_calls == [call.train("a", None, config={}, **given)]


@pytest.mark.parametrize("option", ["--valid", "--test"])
def test_train__other_splits_are_imported(mocked: Mock, option: str) -> None:
    result = run("train", "a", option, "b.tsv")
    assert result.exit_code == 2
    assert f"daskgraph import SOURCE -o GRAPH.zarr {option} b.tsv" in result.stderr
    assert option not in run("train", "--help").stdout
    assert not mocked.mock_calls


def test_import(mocked: Mock) -> None:
    result = run(
        "import", "a.tsv", "b.tsv", "-o", "g.zarr", "--columns", "h, r,t", "--test", "t.tsv", "--labels", "l"
    )
    assert rows(result) == [["import", "value"], ["edges.train", "300"]]
    assert mocked.mock_calls == [
        call.import_edges(
            ("a.tsv", "b.tsv"),
            "g.zarr",
            config={},
            columns=["h", "r", "t"],
            valid=None,
            test="t.tsv",
            labels="l",
            features=None,
            callback=ANY,
        )
    ]


def test_plan(mocked: Mock) -> None:
    printed = rows(run("plan", "edges.tsv", "-o", "m.zarr", "-s", "training.epochs=3", "--workers", "2"))
    assert [
        row for row in printed if row[0] in ("entities, user", "memory", "  vectors", "disk", "time", "note")
    ] == [
        ["entities, user", "1,000"],
        ["memory", "15.0MiB"],
        ["  vectors", "2.0MiB"],
        ["disk", "1.0GiB"],
        ["time", "1 h 2 min"],
        ["note", "something to know"],
    ]
    assert mocked.mock_calls == [
        call.plan(
            "edges.tsv",
            "m.zarr",
            nodes=None,
            edges=None,
            relations=1,
            config={"training": {"epochs": 3}},
            preset=None,
            columns=None,
            workers=2,
        )
    ]


def test_plan__as_json(mocked: Mock) -> None:
    found = json.loads(run("plan", "a.zarr", "--json").stdout)
    keys = ("partitions", "buckets", "memory_bytes", "disk_bytes", "swaps", "seconds", "workers_at_most")
    assert [found[key] for key in keys] == [8, 64, 15 << 20, 1 << 30, 9, 3725.0, 1]
    assert found["memory"]["process"] == 1 << 20
    assert found["rates"]["edges_per_second"] == 12_345.6


@pytest.mark.parametrize(
    ("given", "nodes"),
    [(["20"], 20), (["user=20", "item=3"], {"user": 20, "item": 3})],
)
def test_plan__of_numbers(mocked: Mock, given: list[str], nodes: object) -> None:
    options = [part for number in given for part in ("--nodes", number)]
    assert run("plan", *options, "--edges", "50").exit_code == 0
    assert mocked.plan.call_args.kwargs["nodes"] == nodes
    assert mocked.plan.call_args.kwargs["edges"] == 50


@pytest.mark.parametrize("given", [["some"], ["0"], ["user=x"], ["3", "user=3"], ["-3"]])
def test_plan__of_wrong_numbers(mocked: Mock, given: list[str]) -> None:
    options = [f"--nodes={number}" for number in given]
    result = run("plan", *options, "--edges", "50")
    assert result.exit_code == 2
    assert "TYPE=NUMBER" in result.stderr


@pytest.mark.parametrize("command", ["train", "import"])
def test_features(mocked: Mock, command: str) -> None:
    run(command, "e.tsv", "-o", "o.zarr", "--features", "user=u=1.tsv", "--features", "film=f.csv")
    called = mocked.train if command == "train" else mocked.import_edges
    assert called.call_args.kwargs["features"] == {"user": "u=1.tsv", "film": "f.csv"}


@pytest.mark.parametrize("value", ["users.tsv", "=users.tsv", "user="])
def test_features__malformed(mocked: Mock, value: str) -> None:
    result = run("import", "e.tsv", "-o", "g.zarr", "--features", value)
    assert result.exit_code == 2
    assert f"{value!r} should be TYPE=FILE" in result.stderr
    assert not mocked.mock_calls


def test_eval(mocked: Mock) -> None:
    assert rows(run("eval", "m.zarr"))[:3] == [
        ["test, filtered, against all entities", "all edges", "seen entities", "heads", "tails"],
        ["edges", "20", "19", "20", "-"],
        ["MRR", "0.25", "0.26", "0.2", "-"],
    ]
    mocked.open_model.assert_called_once_with("m.zarr")
    mocked.evaluate.assert_called_once_with(
        mocked.open_model.return_value,
        "test",
        candidates="all",
        sampling="uniform",
        filtered=True,
        constrained=False,
        per_relation=False,
        seed=0,
        callback=ANY,
        config={},
    )


def test_eval__with_options(mocked: Mock) -> None:
    figures = {
        "split": "valid",
        "protocol": "raw, against 50 entities",
        "per_relation": {"likes": EVALUATION},
    }
    mocked.evaluate.return_value.to_dict.return_value = EVALUATION | figures
    options = "--split valid --candidates 50 --sampling frequency --seed 3 --raw --constrained --per-relation"
    options += " -s cluster.workers=2"
    printed = rows(run("eval", "m.zarr", *options.split()))
    assert printed[0][0] == "valid, raw, against 50 entities"
    assert printed[-1][:3] == ["likes", "20", "0.25"]
    mocked.evaluate.assert_called_once_with(
        mocked.open_model.return_value,
        "valid",
        candidates=50,
        sampling="frequency",
        filtered=False,
        constrained=True,
        per_relation=True,
        seed=3,
        callback=ANY,
        config={"cluster": {"workers": 2}},
    )


def test_eval__nothing_to_draw(mocked: Mock) -> None:
    result = run("eval", "m.zarr", "--sampling", "frequency")
    assert result.exit_code == 2
    assert "say how many with --candidates N" in result.stderr
    assert not mocked.mock_calls


def test_eval__as_json(mocked: Mock) -> None:
    assert json.loads(run("eval", "m.zarr", "--json").stdout) == EVALUATION


def test_neighbors(mocked: Mock) -> None:
    assert rows(run("neighbors", "m.zarr", "One", "-k", "2")) == [
        ["entity", "label", "score"],
        ["/m/1", "One", "0.5000"],
        ["/m/2", "", "0.2500"],
    ]
    assert mocked.mock_calls == [
        call.open_model("m.zarr"),
        call.open_model().neighbors("One", 2, callback=ANY, config={}),
    ]


def test_neighbors__as_json(mocked: Mock) -> None:
    answer = api.Answer("/m/1", "One", 0.5)
    mocked.open_model.return_value.neighbors.return_value = [answer]
    printed = json.loads(run("neighbors", "m.zarr", "One", "--json").stdout)
    assert printed == [{"entity": "/m/1", "label": "One", "score": 0.5}]


@pytest.mark.parametrize(("option", "side"), [("--head", "head"), ("--tail", "tail")])
@pytest.mark.parametrize("skips", [False, True])
def test_predict(mocked: Mock, option: str, side: str, skips: bool) -> None:
    more = ["--skip-known"] * skips
    assert len(rows(run("predict", "m.zarr", option, "One", "--relation", "likes", *more))) == 3
    asked: dict[str, Any] = {
        "head": None,
        "tail": None,
        "relation": "likes",
        "k": 10,
        "skip_known": skips,
        "callback": ANY,
        "config": {},
    }
    asked[side] = "One"
    assert mocked.mock_calls == [call.open_model("m.zarr"), call.open_model().predict(**asked)]


def test_export(mocked: Mock) -> None:
    written = {"file": "out.tsv", "entities": {"user": 2000}, "bytes": 90}
    mocked.open_model.return_value.export.return_value = written
    printed = [["export", "value"], ["file", "out.tsv"], ["entities.user", "2,000"], ["bytes", "90"]]
    assert rows(run("export", "m.zarr", "-o", "out.tsv")) == printed
    assert mocked.mock_calls == [
        call.open_model("m.zarr"),
        call.open_model().export("out.tsv", callback=ANY, config={}),
    ]
    assert json.loads(run("export", "m.zarr", "-o", "out.tsv", "--json").stdout) == written


def test_info(mocked: Mock) -> None:
    assert rows(run("info", "g.zarr")) == [["store", "value"], ["kind", "graph"], ["entities.user", "2,000"]]
    assert json.loads(run("info", "g.zarr", "--json").stdout)["kind"] == "graph"
    mocked.info.assert_called_with("g.zarr")


def test_restore(mocked: Mock) -> None:
    assert rows(run("restore", "m.zarr")) == [["restored", "value"], ["model", "m.zarr"], ["epochs", "3"]]
    mocked.restore.assert_called_once_with("m.zarr", None, callback=ANY)
    printed = run("restore", "m.zarr", "--snapshot", "3", "--json").stdout
    assert json.loads(printed) == {"model": "m.zarr", "epochs": 3}
    mocked.restore.assert_called_with("m.zarr", "3", callback=ANY)


@pytest.mark.parametrize(
    "arguments",
    [
        ["trian", "a"],
        ["train"],
        ["train", "a", "--epochs", "3"],
        ["train", "a", "-s", "training.epochs"],
        ["train", "a", "-c", "missing.toml"],
        ["import", "-o", "g.zarr"],
        ["import", "a.tsv"],
        ["eval", "m.zarr", "--candidates", "some"],
        ["eval", "m.zarr", "--candidates", "0"],
        ["neighbors", "m.zarr", "One", "-k", "0"],
        ["predict", "m.zarr", "--relation", "likes"],
        ["predict", "m.zarr", "--head", "One", "--tail", "Two"],
        ["export", "m.zarr"],
        ["restore"],
        [],
    ],
)
def test_bad_usage__is_status_2(mocked: Mock, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert mocked.mock_calls == []


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        (UnknownEntityError("One", "Ones"), 1, "no entity has the id or label 'One'; did you mean 'Ones'?"),
        (UsageError("not so"), 2, "not so"),
        (DaskgraphError("two\nlines"), 1, "two lines"),
        (ValueError("broken"), 1, "unexpected ValueError: broken (--debug shows where)"),
        (MemoryError(), 1, "unexpected MemoryError (--debug shows where)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failure__is_one_line(mocked: Mock, raised: BaseException, status: int, line: str) -> None:
    mocked.info.side_effect = raised
    result = run("info", "g.zarr")
    assert (result.exit_code, result.stdout, result.stderr) == (status, "", f"Error: {line}\n")


@pytest.mark.parametrize("arguments", [["--debug", "info", "g.zarr"], ["info", "g.zarr", "--debug"]])
def test_failure__has_a_traceback_with_debug(mocked: Mock, arguments: list[str]) -> None:
    mocked.info.side_effect = UsageError("not so")
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("Error: not so\n")


def test_train__interrupted_tells_how_to_go_on(mocked: Mock) -> None:
    mocked.train.side_effect = KeyboardInterrupt
    result = run("train", "a")
    assert result.exit_code == 130
    assert (
        result.stderr
        == "Error: interrupted; the same command goes on from the last commit, if there was one\n"
    )


def test_broken_pipe__is_left_to_click(mocked: Mock) -> None:
    mocked.info.side_effect = BrokenPipeError(32, "Broken pipe")
    result = run("info", "g.zarr")
    assert (result.exit_code, result.stderr) == (1, "")


def process(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "daskgraph.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


@pytest.mark.parametrize("command", ["", *sorted(cli.main.commands)])
def test_process__help(command: str) -> None:
    done = process(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage:")


def test_process__version() -> None:
    assert process("--version").stdout == f"daskgraph, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["info", "missing.zarr"], 1),
        (["eval", "missing.zarr"], 1),
        (["neighbors", "missing.zarr", "One"], 1),
        (["export", "missing.zarr", "-o", "out.tsv"], 1),
        (["restore", "missing.zarr"], 1),
        (["train", "missing.tsv"], 1),
        (["import", "missing.tsv", "-o", "g.zarr"], 1),
        (["train", "missing.tsv", "-s", "training.epochs=ten"], 2),
        (["train", "missing.tsv", "-s", "trainin.epochs=10"], 2),
        (["train", "missing.tsv", "-s", "model.operator=trans"], 2),
    ],
)
def test_process__failure_is_one_line_and_leaves_nothing(
    arguments: list[str], status: int, tmp_path: Path
) -> None:
    done = process(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")
    assert "unexpected" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_process__interrupted() -> None:
    script = (
        "import time; from daskgraph import api, cli; "
        "api.info = lambda path: (print('ready', flush=True), time.sleep(60)); cli.main(['info', 'x'])"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=30)
    assert (child.returncode, stderr) == (130, "Error: interrupted\n")


def test_classify(mocked: Mock) -> None:
    scores = {"micro_f1": 0.41, "micro_f1_spread": 0.01, "macro_f1": 0.27, "macro_f1_spread": 0.02}
    answer = {"protocol": "as DeepWalk does", "unknown": 1200, "fractions": {"0.5": scores}}
    mocked.classify.return_value.to_dict.return_value = answer
    found = run(
        "classify",
        "m.zarr",
        "labels.tsv",
        "--fractions",
        "0.5",
        "--splits",
        "3",
        "--normalized",
        "-s",
        "cluster.workers=2",
    )
    assert found.stderr == (
        "as DeepWalk does\nnot in the graph, and left out: 1,200 of the nodes of labels.tsv\n"
    )
    printed = rows(found)
    assert printed[1] == ["0.5", "0.4100", "0.0100", "0.2700", "0.0200"]
    mocked.classify.assert_called_once_with(
        "m.zarr",
        "labels.tsv",
        entity_type=None,
        fractions=[0.5],
        splits=3,
        normalized=True,
        seed=0,
        callback=ANY,
        config={"cluster": {"workers": 2}},
    )
    assert json.loads(run("classify", "m.zarr", "labels.tsv", "--json").output) == answer


@pytest.mark.parametrize("wrong", ["half", "0", "1", "0.5,", "-0.1"])
def test_classify__wrong_fractions(mocked: Mock, wrong: str) -> None:
    result = run("classify", "m.zarr", "labels.tsv", f"--fractions={wrong}")
    assert result.exit_code == 2
    assert "should be shares between 0 and 1" in result.stderr
