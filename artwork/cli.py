"""The ``artwork`` command: families of commands loaded when they are used, and the one place where errors become exit codes."""

import signal
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from artwork.output import errors
from bandit.errors import InputError, SurroundingsError

EXIT_INPUT = 2
EXIT_SURROUNDINGS = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

FAMILIES = {
    "demo": "demo",
    "doctor": "doctor",
    "data": "data",
    "train": "jobs",
    "precompute": "jobs",
    "publish": "jobs",
    "run": "jobs",
    "serve": "serve",
    "store": "store",
    "generations": "generations",
    "explain": "explain",
    "compare": "compare",
    "loadtest": "loadtest",
    "bench": "bench",
}
"""The module of ``artwork.commands`` that holds each command."""


class Families(TyperGroup):
    """Imports the module of a command when it is called: ``artwork serve`` must not carry numba, which takes a second to load."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, in the order of a first walk through the project."""
        del ctx
        return list(FAMILIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or None."""
        if cmd_name not in FAMILIES:
            return None
        family = typer.Typer(rich_markup_mode="rich")
        family.callback()(lambda: None)  # keeps a family of one command a group
        import_module(f"artwork.commands.{FAMILIES[cmd_name]}").register(family)
        return get_group(family).get_command(ctx, cmd_name)


app = typer.Typer(
    name="artwork",
    cls=Families,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def root() -> None:
    """Choose, for every user and title, which artwork to show; serve the picks, and learn from what was played."""


def main() -> None:
    """Run the command line: exit 0 done, 1 found wanting, 2 wrong input, 3 the surroundings failed."""
    # A command that is told to end stops the store and the service that it started, as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))
    try:
        app()
    except InputError as error:
        sys.exit(_fail(str(error), EXIT_INPUT))
    except SurroundingsError as error:
        sys.exit(_fail(str(error), EXIT_SURROUNDINGS))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _fail(message: str, code: int) -> int:
    errors.print("error:", style="bold red", end=" ")
    errors.print(message, markup=False)
    return code


if __name__ == "__main__":
    main()
