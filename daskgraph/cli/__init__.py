"""The command line: each command is one call of the Python API, its results on standard output."""

import click

from daskgraph import __version__
from daskgraph.cli.answers import classify, evaluate, neighbors, predict
from daskgraph.cli.graphs import import_, plan
from daskgraph.cli.group import Commands, import_user_module
from daskgraph.cli.models import cancel, export, info, restore, train
from daskgraph.cli.options import debug_option


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
        import_user_module(module)


for command in (train, import_, plan, evaluate, classify, neighbors, predict, export, restore, cancel, info):
    main.add_command(command)
