"""The ``artwork`` command: one typer application, and the one place where exceptions become exit codes."""

import sys

import typer

from artwork.commands import register_all
from artwork.output import errors
from bandit.errors import InputError, SurroundingsError

EXIT_INPUT = 2
EXIT_SURROUNDINGS = 3

app = typer.Typer(
    name="artwork",
    help="Choose, for every user and title, which artwork to show; serve the picks, learn from what was played.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
register_all(app)


def main() -> None:
    """Run the command line: exit 0 done, 1 found wanting, 2 wrong input, 3 the surroundings failed."""
    try:
        app()
    except InputError as error:
        sys.exit(_fail(str(error), EXIT_INPUT))
    except SurroundingsError as error:
        sys.exit(_fail(str(error), EXIT_SURROUNDINGS))
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str, code: int) -> int:
    errors.print(
        f"[bold red]error:[/] {message}" if errors.is_terminal else f"error: {message}", markup=errors.is_terminal
    )
    return code


if __name__ == "__main__":
    main()
