"""Commands that ask a model: how well it ranks and classifies, what is near, what is missing."""

from typing import Any

import click

from daskgraph.cli.options import count_option, output_options, place_options


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


@click.command("eval")
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
@place_options
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
    given: dict[str, Any],
    as_json: bool,
) -> None:
    """Rank the edges of a split under MODEL."""
    from daskgraph import api, progress, tables

    if sampling == "frequency" and candidates == "all":
        raise click.UsageError("--sampling frequency draws candidates: say how many with --candidates N.")
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
            config=given,
        ).to_dict()
    if as_json:
        tables.write_json(evaluation)
        return
    write_evaluation(evaluation)
    if per_relation:
        columns = ("relation", *tables.figure_names(evaluation))
        tables.write_table(columns, tables.relation_rows(evaluation["per_relation"]))


@click.command()
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
@place_options
@output_options
def classify(
    model: str,
    labels: str,
    entity_type: str | None,
    fractions: list[float],
    splits: int,
    normalized: bool,
    seed: int,
    given: dict[str, Any],
    as_json: bool,
) -> None:
    """Tell LABELS, a file of nodes and their labels, from MODEL's vectors: micro and macro F1."""
    from daskgraph import api, progress, tables

    with progress.show() as callback:
        found = api.classify(
            model,
            labels,
            entity_type=entity_type,
            fractions=fractions,
            splits=splits,
            normalized=normalized,
            seed=seed,
            callback=callback,
            config=given,
        ).to_dict()
    if as_json:
        tables.write_json(found)
        return
    click.echo(found["protocol"], err=True)
    if found["unknown"]:
        click.echo(f"not in the graph, and left out: {found['unknown']:,} of the nodes of {labels}", err=True)
    columns = ("trained on", "micro F1", "±", "macro F1", "±")
    tables.write_table(columns, tables.classification_rows(found))


@click.command()
@click.argument("model")
@click.argument("entity")
@count_option
@place_options
@output_options
def neighbors(
    model: str,
    entity: str,
    count: int,
    given: dict[str, Any],
    as_json: bool,
) -> None:
    """Name the entities nearest to ENTITY, an id or a unique label, under MODEL's comparator."""
    from daskgraph import api, progress

    with progress.show() as callback:
        answers = api.open_model(model).neighbors(entity, count, callback=callback, config=given)
    _write_answers(answers, as_json)


@click.command()
@click.argument("model")
@click.option("--head", metavar="ENTITY", help="Ask for tails of this head.")
@click.option("--relation", metavar="RELATION", help="The relation  [default: the only one].")
@click.option("--tail", metavar="ENTITY", help="Ask for heads of this tail.")
@click.option("--skip-known", is_flag=True, help="Leave out answers that are edges of the graph.")
@count_option
@place_options
@output_options
def predict(
    model: str,
    head: str | None,
    relation: str | None,
    tail: str | None,
    skip_known: bool,
    count: int,
    given: dict[str, Any],
    as_json: bool,
) -> None:
    """Name the best tails of a head and relation, or the best heads of a relation and tail."""
    from daskgraph import api, progress

    if (head is None) == (tail is None):
        raise click.UsageError("Give either --head, to ask for tails, or --tail, to ask for heads.")
    with progress.show() as callback:
        answers = api.open_model(model).predict(
            head=head,
            relation=relation,
            tail=tail,
            k=count,
            skip_known=skip_known,
            callback=callback,
            config=given,
        )
    _write_answers(answers, as_json)


def write_evaluation(evaluation: dict[str, Any]) -> None:
    """Print an evaluation for people."""
    from daskgraph import tables

    title = f"{evaluation['split']}, {evaluation['protocol']}"
    columns = (title, "all edges", "seen entities", "heads", "tails")
    tables.write_table(columns, tables.evaluation_rows(evaluation))


def _write_answers(answers: list[Any], as_json: bool) -> None:
    from daskgraph import tables

    if as_json:
        tables.write_json(answers)
    else:
        tables.write_table(("entity", "label", "score"), tables.answer_rows(answers))
