"""Commands that make and change models, or tell of them: train, restore, cancel, export, info."""

import os
from typing import Any

import click

from daskgraph.cli.answers import write_evaluation
from daskgraph.cli.options import (
    chosen_config,
    cluster_option,
    columns_option,
    config_options,
    features_option,
    output_options,
    place_options,
    preset_option,
)


def _refuse_split(_: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        option = f"--{parameter.name}"
        first = f"daskgraph import SOURCE -o GRAPH.zarr {option} {value}"
        raise click.UsageError(
            f"train takes no {option}: import the edges first ({first}) and train the graph, "
            "or train a folder of train, valid and test files."
        )


@click.command()
@click.argument("source")
@click.option(
    "-o", "--output", metavar="MODEL.zarr", help="The model  [default: SOURCE's name with .model.zarr]."
)
@columns_option
@features_option
@click.option("--valid", hidden=True, expose_value=False, callback=_refuse_split)
@click.option("--test", hidden=True, expose_value=False, callback=_refuse_split)
@preset_option
@click.option("--init", metavar="OTHER.zarr", help="Begin a new model with another one's vectors, by name.")
@click.option(
    "--init-optimizer/--no-init-optimizer",
    default=True,
    show_default=True,
    help="Take its Adagrad sums along.",
)
@cluster_option
@click.option("--dry-run", is_flag=True, help="With SLURM: only print the script of its jobs.")
@config_options
@output_options
def train(
    source: str,
    output: str | None,
    columns: list[str] | None,
    features: dict[str, str] | None,
    preset: str | None,
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

    given = chosen_config(files, overrides, cluster)
    if dry_run:
        click.echo(api.job_script(source, output, config=given), nl=False)
        return
    # A run on a cluster is long, and its log is read when something has happened.
    stamped = given.get("cluster", {}).get("kind") == "slurm" or "SLURM_JOB_ID" in os.environ
    with progress.show(stamped=stamped) as callback:
        model = api.train(
            source,
            output,
            config=given,
            preset=preset,
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
    if summary["epochs"] or summary["edges"]:
        tables.write_table(("training", "value"), tables.flat_rows(summary))
    if evaluation:
        write_evaluation(evaluation)


@click.command()
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
    tables.write_facts("restored", found, as_json)


@click.command()
@click.argument("model")
@output_options
def cancel(model: str, as_json: bool) -> None:
    """Cancel all jobs of SLURM that train or ask MODEL, and let their drivers stop."""
    from daskgraph import api, tables

    jobs = api.cancel(model)
    if as_json:
        tables.write_json({"jobs": jobs})
    else:
        tables.write_table(("cancelled", "value"), tables.flat_rows({"jobs": ", ".join(jobs) or "none"}))


@click.command()
@click.argument("model")
@click.option(
    "-o", "--output", metavar="OUT", required=True, help="A .tsv, .parquet, .npz or .kv file to write."
)
@place_options
@output_options
def export(
    model: str,
    output: str,
    given: dict[str, Any],
    as_json: bool,
) -> None:
    """Write MODEL's vectors, with their names, to a file; .kv is gensim's KeyedVectors text."""
    from daskgraph import api, progress, tables

    with progress.show() as callback:
        written = api.open_model(model).export(output, callback=callback, config=given)
    tables.write_facts("export", written, as_json)


@click.command()
@click.argument("path")
@output_options
def info(path: str, as_json: bool) -> None:
    """Tell what the graph or model store at PATH holds."""
    from daskgraph import api, tables

    found = api.info(path)
    tables.write_facts("store", found, as_json)
