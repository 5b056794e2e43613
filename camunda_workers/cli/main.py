"""``camunda-workers``: the root of the command line.

Each command is a module of this package with a Typer ``app``, imported only when the command is run: the help page and every other command stay
fast, and a command whose optional parts are not installed harms none but itself.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from camunda_workers.errors import CamundaWorkersError

COMMANDS: dict[str, str] = {
    "setup": "Fetch the engine and prepare fast starts.",
    "demo": "Run real insurance claims through the claims process.",
    "up": "Run engine, workers and inbox for development.",
    "inbox": "Serve the inbox beside a cluster, for people who sign in at a provider.",
    "engine": "Run a Camunda engine for development.",
    "worker": "Run a project's workers.",
    "connect": "Show and check the connection to a Camunda cluster.",
    "case": "Tell the story of a case.",
    "tasks": "List, claim, complete and hand on human tasks.",
    "duties": "Explain and check who may do what.",
    "log": "Verify, read, feed and export the event log.",
    "test": "Run tests of processes: JSON test cases and Python tests, with coverage and mutants.",
}
"""Every command: the module of this package that has it, and its line on the help page."""


class _Lazy(TyperGroup):
    """A group that knows its commands by name and line, and imports one when it is about to run."""

    # Typer carries a copy of click whose types have no public name, hence Any.
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        help_line = COMMANDS.get(cmd_name)
        return None if help_line is None else TyperCommand(cmd_name, help=help_line)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        name, stub, rest = super().resolve_command(ctx, args)
        return name, stub if name is None else load(name), rest


def load(name: str) -> Any:
    """Import a command and return it as Typer runs it."""
    module: Any = importlib.import_module(f"camunda_workers.cli.{name}")
    command: Any = typer.main.get_command(module.app)
    command.name = name
    # Typer takes every app for a program of its own and offers to install completion for it.
    command.params = [parameter for parameter in command.params if parameter.name not in ("install_completion", "show_completion")]
    return command


app = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The Python side of Camunda 8: workers, human tasks and AI tasks on Camunda's own engine.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("camunda-workers"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """The Python side of Camunda 8: workers, human tasks and AI tasks on Camunda's own engine."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; the process ends with 0 (fine), 1 (failed), 2 (wrong usage) or 130 (interrupted).

    Args:
        arguments: the words after the program's name; by default those it was called with.
    """
    try:
        typer.main.get_command(app)(arguments, prog_name="camunda-workers")
    except CamundaWorkersError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
