"""Options that several commands have, and what their values may be."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

DEBUG = "daskgraph.debug"
"""Where a context remembers that tracebacks are wanted."""


def _remember_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[DEBUG] = True


def _columns(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",")]


def _features(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str] | None:
    found = {}
    for value in values:
        name, _equals, file = value.partition("=")
        if not name or not file:
            raise click.BadParameter(f"{value!r} should be TYPE=FILE", param=parameter)
        found[name] = file
    return found or None


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

columns_option = click.option(
    "--columns", callback=_columns, help="Columns by name or number: head,relation,tail,weight."
)

preset_option = click.option(
    "--preset",
    type=click.Choice(["knowledge-graph", "network", "recommender"]),
    help="Choose settings from the graph's shape, and say why; -c and -s count before.",
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

cluster_option = click.option(
    "--cluster",
    metavar="local|slurm|ADDRESS|FILE.json",
    help="Train on this machine, in jobs of SLURM, or on the Dask cluster of an address or scheduler file.",
)


def chosen_config(files: tuple[str, ...], overrides: tuple[str, ...], cluster: str | None) -> dict[str, Any]:
    """Return the keys that options give."""
    from daskgraph.config import load

    given = load(files, overrides=overrides)
    if cluster is not None:
        named = cluster in ("local", "slurm")
        where = {"kind": cluster} if named else {"kind": "address", "address": cluster}
        given["cluster"] = given.get("cluster", {}) | where
    return given


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command, as `given`, the config that says who does the work."""

    @functools.wraps(command)
    def placed(
        files: tuple[str, ...], overrides: tuple[str, ...], cluster: str | None, **others: Any
    ) -> None:
        command(given=chosen_config(files, overrides, cluster), **others)

    where = click.option(
        "--cluster",
        metavar="local|slurm|ADDRESS|FILE.json",
        help="Let workers of this machine (-s cluster.workers=N), of SLURM's or of a Dask cluster do it.",
    )
    return where(config_options(placed))


count_option = click.option(
    "-k", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many to name."
)
