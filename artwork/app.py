"""The families of commands, loaded when they are used, and the doors that every option of theirs passes."""

import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from math import isfinite
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_group

from artwork.cli import FAMILIES
from artwork.extras import check, complaint
from bandit.boundary import DEBUG, DEBUG_VARIABLE, EXIT_INPUT, take_debug, write_out
from bandit.errors import InputError

_LARGEST = 2**63 - 1


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
        if lacking := complaint(cmd_name):
            return TyperCommand(cmd_name, help=f"Not installed: {lacking}.", callback=partial(check, cmd_name))
        family = get_group(import_module(f"artwork.commands.{FAMILIES[cmd_name]}").app)
        return _guarded(family.get_command(ctx, cmd_name) or family)


app = typer.Typer(
    name="artwork",
    cls=Families,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(asked: bool) -> None:
    if asked:
        write_out(f"artwork-bandit {importlib.metadata.version('artwork-bandit')}\n")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool,
        typer.Option(
            DEBUG, help=f"Show tracebacks; may stand anywhere, or set {DEBUG_VARIABLE}=1.", show_default=False
        ),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Choose, for every user and title, which artwork to show; serve the picks, and learn from what was played."""
    del debug, version  # taken off before; printed


def load() -> Callable[[], object]:
    """The command line, with the module of the command that is asked for loaded."""
    words = take_debug(sys.argv[1:])
    asked = next((word for word in words if not word.startswith("-")), None)
    if asked in FAMILIES:
        import_module(f"artwork.commands.{FAMILIES[asked]}")
    return partial(_command, words)


def _command(words: Sequence[str]) -> object:
    try:
        return app(list(words), prog_name="artwork", standalone_mode=False)
    except TyperException as error:
        # Without a message it is the help, which has been shown.
        if message := _complaint(error):
            raise InputError(
                f"{message.strip().rstrip('.')}; `{_path(error)} --help` tells what is expected"
            ) from error
        return EXIT_INPUT


def _complaint(error: TyperException) -> str:
    """What was wrong with which option, and what was given."""
    from pydantic import ValidationError  # noqa: PLC0415 - typer has it by now

    parameter, cause = getattr(error, "param", None), error.__cause__
    if parameter is None or not isinstance(cause, ValidationError):
        return error.format_message()
    first = cause.errors(include_url=False)[0]
    return f"{_name(parameter)} is {first['input']!r}: {first['msg']}"


def _name(parameter: Any) -> str:
    return next((word for word in parameter.opts if word.startswith("--")), str(parameter.name))


def _path(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return "artwork" if context is None else str(context.command_path)


def _guarded(command: Any) -> Any:
    """The command with every option behind the door of its values; so are those of the commands below it."""
    for below in getattr(command, "commands", {}).values():
        _guarded(below)
    for parameter in command.params:
        parameter.callback = parameter.callback or _checked
    return command


def _checked(_context: Any, parameter: Any, value: Any) -> Any:
    """Refuse what no command can use: numbers that are none or too large, text that is not UTF-8.

    Raises:
        InputError: names the option.
    """
    for item in value if isinstance(value, list | tuple) else (value,):
        name = _name(parameter)
        if isinstance(item, float) and not isfinite(item):
            raise InputError(f"{name}: the {str(parameter.name).replace('_', ' ')} is {item}, expected a finite number")
        if isinstance(item, int) and abs(item) > _LARGEST:
            raise InputError(f"{name} has {len(str(item))} digits, expected a number of at most 18")
        if isinstance(item, str) and not _is_utf8(item):
            raise InputError(f"{name} is {item!a}, expected UTF-8")
    return value


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
