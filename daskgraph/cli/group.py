"""The group of all commands: whatever fails in one ends in one line and an exit status."""

import errno
import logging
import os
import sys
import traceback
from importlib import import_module
from typing import Any, NoReturn

import click

from daskgraph.cli.options import DEBUG
from daskgraph.errors import DaskgraphError, ModuleImportError


class Commands(click.Group):
    """Commands whose every failure ends in one line and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; 0: done, 1: failed, 2: bad usage, 130: interrupted."""
        # Dask leaves tasks behind that end with their worker; what that means is told as an event.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
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
    if ctx.meta.get(DEBUG):
        traceback.print_exc()
    click.echo(f"Error: {' '.join(reason.splitlines())}", err=True)
    ctx.exit(status)


def import_user_module(name: str) -> None:
    """Import a module of the user's own, also from the current folder. Raises ModuleImportError."""
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
