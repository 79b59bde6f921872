"""The command line: each command is one call of the Python API, its results on standard output."""

import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click

from daskgraph import __version__
from daskgraph.errors import DaskgraphError, ModuleImportError

Command = TypeVar("Command", bound=Callable[..., Any])

_DEBUG = "daskgraph.debug"


class Commands(click.Group):
    """Commands whose every failure ends in one line and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; 0: done, 1: failed, 2: bad usage, 130: interrupted."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            way_on = "; the same command goes on from the last commit, if there was one"
            _fail(ctx, "interrupted" + (way_on if ctx.invoked_subcommand == "train" else ""), 130)
        except DaskgraphError as error:
            _fail(ctx, str(error), error.exit_status)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            _fail(ctx, f"unexpected {reason} (--debug shows where)", 1)


def _fail(ctx: click.Context, reason: str, status: int) -> NoReturn:
    if ctx.meta.get(_DEBUG):
        traceback.print_exc()
    click.echo(f"Error: {' '.join(reason.splitlines())}", err=True)
    ctx.exit(status)


def _remember_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_DEBUG] = True


def _candidates(_: click.Context, parameter: click.Parameter, value: str) -> str | int:
    if value == "all":
        return value
    if value.isdecimal() and int(value):
        return int(value)
    raise click.BadParameter(f"{value!r} is neither 'all' nor a number of entities", param=parameter)


def _fractions(_: click.Context, parameter: click.Parameter, value: str) -> list[float]:
    try:
        found = [float(part) for part in value.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < fraction < 1 for fraction in found):
        raise click.BadParameter(
            f"{value!r} should be shares between 0 and 1, such as 0.1,0.5", param=parameter
        )
    return found


def _columns(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",")]


def _nodes(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    """Return a number of nodes, or one for each entity type that is named."""
    counts: dict[str, int] = {}
    for value in values:
        name, _equals, number = value.rpartition("=")
        if not (number.isdecimal() and int(number)):
            raise click.BadParameter(f"{value!r} should be a number, or TYPE=NUMBER", param=parameter)
        counts[name] = int(number)
    if not counts:
        return None
    if "" not in counts:
        return counts
    if len(counts) > 1:
        raise click.BadParameter("give one number, or TYPE=NUMBER for every type", param=parameter)
    return counts[""]


def _features(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str] | None:
    found = {}
    for value in values:
        name, _equals, file = value.partition("=")
        if not name or not file:
            raise click.BadParameter(f"{value!r} should be TYPE=FILE", param=parameter)
        found[name] = file
    return found or None


def _refuse_split(_: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        option = f"--{parameter.name}"
        first = f"daskgraph import SOURCE -o GRAPH.zarr {option} {value}"
        raise click.UsageError(
            f"train takes no {option}: import the edges first ({first}) and train the graph, "
            "or train a folder of train, valid and test files."
        )


def _together(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(function: Command) -> Command:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_remember_debug,
    help="Show the traceback of an error.",
)
features_option = click.option(
    "--features",
    multiple=True,
    callback=_features,
    metavar="TYPE=FILE",
    help="Two columns: an entity of a featurised type, one of its features.",
)
output_options = _together(
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    debug_option,
)
config_options = _together(
    click.option("-c", "--config", "files", multiple=True, metavar="FILE", help="Read a TOML config."),
    click.option(
        "-s",
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set one key, such as training.epochs=20.",
    ),
)
count_option = click.option(
    "-k", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many to name."
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="daskgraph")
@click.option(
    "--import",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="Import a Python module first, such as one that registers operators of your own.",
)
@debug_option
def main(modules: tuple[str, ...]) -> None:
    """Turn graphs of any size into embeddings, on ordinary CPUs."""
    for module in modules:
        _import_module(module)


def _import_module(name: str) -> None:
    from importlib import import_module

    # As `python -m` does: an installed command looks beside itself, not where it is called.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        import_module(name)
    except DaskgraphError:
        raise
    except Exception as error:
        reason = f"it fails with {type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
            reason = "there is no such module; give the name of one that is installed or in this folder"
        raise ModuleImportError(name, reason) from error


@main.command()
@click.argument("source")
@click.option(
    "-o", "--output", metavar="MODEL.zarr", help="The model  [default: SOURCE's name with .model.zarr]."
)
@click.option("--columns", callback=_columns, help="Columns by name or number: head,relation,tail,weight.")
@features_option
@click.option("--valid", hidden=True, expose_value=False, callback=_refuse_split)
@click.option("--test", hidden=True, expose_value=False, callback=_refuse_split)
@click.option("--init", metavar="OTHER.zarr", help="Begin a new model with another one's vectors, by name.")
@click.option(
    "--init-optimizer/--no-init-optimizer",
    default=True,
    show_default=True,
    help="Take its Adagrad sums along.",
)
@click.option(
    "--cluster",
    metavar="local|slurm|ADDRESS|FILE.json",
    help="Train on this machine, in jobs of SLURM, or on the Dask cluster of an address or scheduler file.",
)
@click.option("--dry-run", is_flag=True, help="With SLURM: only print the script of its jobs.")
@config_options
@output_options
def train(
    source: str,
    output: str | None,
    columns: list[str] | None,
    features: dict[str, str] | None,
    init: str | None,
    init_optimizer: bool,
    cluster: str | None,
    dry_run: bool,
    files: tuple[str, ...],
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train embeddings of SOURCE, or go on with a model that exists.

    SOURCE is a graph store, an edge file, or a directory with train, valid and test edge files.
    """
    from daskgraph import api, progress, tables
    from daskgraph.config import load

    given = load(files, overrides=overrides)
    if cluster is not None:
        named = cluster in ("local", "slurm")
        where = {"kind": cluster} if named else {"kind": "address", "address": cluster}
        given["cluster"] = given.get("cluster", {}) | where
    if dry_run:
        click.echo(api.job_script(source, output, config=given), nl=False)
        return
    with progress.show() as callback:
        model = api.train(
            source,
            output,
            config=given,
            columns=columns,
            features=features,
            init=init,
            init_optimizer=init_optimizer,
            callback=callback,
        )
    if as_json:
        tables.write_json(model.summary)
        return
    summary = dict(model.summary)
    evaluation = summary.pop("evaluation", None)
    tables.write_table(("training", "value"), tables.flat_rows(summary))
    if evaluation:
        _write_evaluation(evaluation)


@main.command()
@click.argument("source", required=False)
@click.option("--nodes", multiple=True, callback=_nodes, metavar="[TYPE=]N", help="Without SOURCE: entities,")
@click.option("--edges", type=click.IntRange(min=1), metavar="M", help="edges of a graph,")
@click.option("--relations", type=click.IntRange(min=1), default=1, metavar="R", help="and relations.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Machines  [default: cluster.workers on this one].",
)
@click.option("-o", "--output", metavar="MODEL.zarr", help="Where the model will be  [default: here].")
@click.option("--columns", callback=_columns, help="Columns by name or number: head,relation,tail,weight.")
@config_options
@output_options
def plan(
    source: str | None,
    nodes: int | dict[str, int] | None,
    edges: int | None,
    relations: int,
    workers: int | None,
    output: str | None,
    columns: list[str] | None,
    files: tuple[str, ...],
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tell what training SOURCE will take: partitions, memory, disk, time.

    SOURCE is as of `train`. Without one, give --nodes and --edges.
    """
    from daskgraph import api, tables
    from daskgraph.config import load

    found = api.plan(
        source,
        output,
        nodes=nodes,
        edges=edges,
        relations=relations,
        config=load(files, overrides=overrides),
        columns=columns,
        workers=workers,
    )
    if as_json:
        tables.write_json(found.to_dict())
    else:
        tables.write_table(("plan", "value"), tables.plan_rows(found))


@main.command("import")
@click.argument("edges", nargs=-1, required=True)
@click.option("-o", "--output", metavar="GRAPH.zarr", required=True, help="The graph store to write.")
@click.option("--columns", callback=_columns, help="Columns by name or number: head,relation,tail,weight.")
@click.option("--valid", metavar="FILE", help="Edges of the valid split.")
@click.option("--test", metavar="FILE", help="Edges of the test split.")
@click.option("--labels", metavar="FILE", help="Id, label and description per entity.")
@features_option
@config_options
@output_options
def import_(
    edges: tuple[str, ...],
    output: str,
    columns: list[str] | None,
    valid: str | None,
    test: str | None,
    labels: str | None,
    features: dict[str, str] | None,
    files: tuple[str, ...],
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Import EDGES, files of TSV, CSV or Parquet, into a graph store."""
    from daskgraph import api, progress, tables
    from daskgraph.config import load

    given = load(files, overrides=overrides)
    with progress.show() as callback:
        summary = api.import_edges(
            edges,
            output,
            config=given,
            columns=columns,
            valid=valid,
            test=test,
            labels=labels,
            features=features,
            callback=callback,
        )
    if as_json:
        tables.write_json(summary)
    else:
        tables.write_table(("import", "value"), tables.flat_rows(summary))


@main.command("eval")
@click.argument("model")
@click.option("--split", default="test", show_default=True, help="The split to rank.")
@click.option("--candidates", callback=_candidates, default="all", show_default=True, metavar="all|N")
@click.option(
    "--sampling",
    type=click.Choice(["uniform", "frequency"]),
    default="uniform",
    show_default=True,
    help="How N are drawn: all with the same chance, or by their train edges.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="What draws depend on."
)
@click.option("--raw", is_flag=True, help="Let other true edges outrank an edge.")
@click.option(
    "--constrained", is_flag=True, help="Only candidates that train edges of the relation have on this side."
)
@click.option("--per-relation", is_flag=True, help="Figures of every relation too.")
@output_options
def evaluate(
    model: str,
    split: str,
    candidates: str | int,
    sampling: str,
    seed: int,
    raw: bool,
    constrained: bool,
    per_relation: bool,
    as_json: bool,
) -> None:
    """Rank the edges of a split under MODEL."""
    from daskgraph import api, progress, tables

    with progress.show() as callback:
        evaluation = api.evaluate(
            api.open_model(model),
            split,
            candidates=candidates,
            sampling=sampling,
            filtered=not raw,
            constrained=constrained,
            per_relation=per_relation,
            seed=seed,
            callback=callback,
        ).to_dict()
    if as_json:
        tables.write_json(evaluation)
        return
    _write_evaluation(evaluation)
    if per_relation:
        columns = ("relation", *tables.figure_names(evaluation))
        tables.write_table(columns, tables.relation_rows(evaluation["per_relation"]))


@main.command()
@click.argument("model")
@click.argument("labels")
@click.option("--entity-type", metavar="TYPE", help="What the nodes are  [default: the only type].")
@click.option(
    "--fractions",
    callback=_fractions,
    default="0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9",
    show_default=True,
    help="Shares of the labelled nodes to train on.",
)
@click.option(
    "--splits", type=click.IntRange(min=1), default=10, show_default=True, help="Random splits of each."
)
@click.option("--normalized", is_flag=True, help="Scale every vector to the length 1 first.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="What splits depend on."
)
@output_options
def classify(
    model: str,
    labels: str,
    entity_type: str | None,
    fractions: list[float],
    splits: int,
    normalized: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Tell LABELS, a file of nodes and their labels, from MODEL's vectors: micro and macro F1."""
    from daskgraph import api, tables

    found = api.classify(
        model,
        labels,
        entity_type=entity_type,
        fractions=fractions,
        splits=splits,
        normalized=normalized,
        seed=seed,
    ).to_dict()
    if as_json:
        tables.write_json(found)
        return
    columns = ("trained on", "micro F1", "±", "macro F1", "±")
    tables.write_table(columns, tables.classification_rows(found))


@main.command()
@click.argument("model")
@click.argument("entity")
@count_option
@output_options
def neighbors(model: str, entity: str, count: int, as_json: bool) -> None:
    """Name the entities nearest to ENTITY, an id or a unique label, under MODEL's comparator."""
    from daskgraph import api

    _write_answers(api.open_model(model).neighbors(entity, count), as_json)


@main.command()
@click.argument("model")
@click.option("--head", metavar="ENTITY", help="Ask for tails of this head.")
@click.option("--relation", metavar="RELATION", help="The relation  [default: the only one].")
@click.option("--tail", metavar="ENTITY", help="Ask for heads of this tail.")
@count_option
@output_options
def predict(
    model: str, head: str | None, relation: str | None, tail: str | None, count: int, as_json: bool
) -> None:
    """Name the best tails of a head and relation, or the best heads of a relation and tail."""
    from daskgraph import api

    if (head is None) == (tail is None):
        raise click.UsageError("Give either --head, to ask for tails, or --tail, to ask for heads.")
    answers = api.open_model(model).predict(head=head, relation=relation, tail=tail, k=count)
    _write_answers(answers, as_json)


@main.command()
@click.argument("model")
@click.option(
    "-o", "--output", metavar="OUT", required=True, help="A .tsv, .parquet, .npz or .kv file to write."
)
@output_options
def export(model: str, output: str, as_json: bool) -> None:
    """Write MODEL's vectors, with their names, to a file; .kv is gensim's KeyedVectors text."""
    from daskgraph import api, tables

    written = api.open_model(model).export(output)
    if as_json:
        tables.write_json(written)
    else:
        tables.write_table(("export", "value"), tables.flat_rows(written))


@main.command()
@click.argument("model")
@click.option(
    "--snapshot", metavar="EPOCH|best", help="What to go back to  [default: the latest without damage]."
)
@output_options
def restore(model: str, snapshot: str | None, as_json: bool) -> None:
    """Put a snapshot of MODEL in place of what it is now; the next training goes on from there."""
    from daskgraph import api, progress, tables

    with progress.show() as callback:
        restored = api.restore(model, snapshot, callback=callback)
    found = {"model": str(restored.path), "epochs": restored.epochs}
    if as_json:
        tables.write_json(found)
    else:
        tables.write_table(("restored", "value"), tables.flat_rows(found))


@main.command()
@click.argument("model")
@output_options
def cancel(model: str, as_json: bool) -> None:
    """Cancel all jobs of SLURM that train MODEL, and let its driver stop."""
    from daskgraph import api, tables

    jobs = api.cancel(model)
    if as_json:
        tables.write_json({"jobs": jobs})
    else:
        tables.write_table(("cancelled", "value"), tables.flat_rows({"jobs": ", ".join(jobs) or "none"}))


@main.command()
@click.argument("path")
@output_options
def info(path: str, as_json: bool) -> None:
    """Tell what the graph or model store at PATH holds."""
    from daskgraph import api, tables

    found = api.info(path)
    if as_json:
        tables.write_json(found)
    else:
        tables.write_table(("store", "value"), tables.flat_rows(found))


def _write_evaluation(evaluation: dict[str, Any]) -> None:
    from daskgraph import tables

    title = f"{evaluation['split']}, {evaluation['protocol']}"
    tables.write_table((title, "all edges", "seen entities"), tables.evaluation_rows(evaluation))


def _write_answers(answers: list[Any], as_json: bool) -> None:
    from daskgraph import tables

    if as_json:
        tables.write_json(answers)
    else:
        tables.write_table(("entity", "label", "score"), tables.answer_rows(answers))


if __name__ == "__main__":
    sys.exit(main())
