"""Commands about graphs: import one, tell what training it will take."""

from typing import Any

import click

from daskgraph.cli.options import (
    columns_option,
    config_options,
    features_option,
    output_options,
    preset_option,
)


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


@click.command("import")
@click.argument("edges", nargs=-1, required=True)
@click.option("-o", "--output", metavar="GRAPH.zarr", required=True, help="The graph store to write.")
@columns_option
@click.option(
    "--valid",
    metavar="FILE|SHARE",
    help="Edges of the valid split, or a share of EDGES, such as 0.05, to hold out at random.",
)
@click.option("--test", metavar="FILE|SHARE", help="Likewise of the test split.")
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
    """Import EDGES, files of TSV, CSV or Parquet or a folder of train, valid and test, into a graph store."""
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
    tables.write_facts("import", summary, as_json)


@click.command()
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
@columns_option
@preset_option
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
    preset: str | None,
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
        preset=preset,
        columns=columns,
        workers=workers,
    )
    if as_json:
        tables.write_json(found.to_dict())
    else:
        tables.write_table(("plan", "value"), tables.plan_rows(found))
