"""Options that several commands share, and how options that belong together are declared as one class."""

import inspect
import shlex
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import field, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

T = TypeVar("T")

WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace", "-w", envvar="ARTWORK_WORKSPACE", help="Folder that holds tables, impressions and generations."
    ),
]
DEFAULT_WORKSPACE = Path("workspace")
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random number of this command.")]


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command of which every parameter that is a dataclass of options is given as one flag for each of its fields.

    So that options which belong together are declared once, and are handed on together. ``HELP_PANEL`` of such a class, if it
    has one, is the heading that they stand below in ``--help``.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: item.annotation for name, item in signature.parameters.items() if is_dataclass(item.annotation)
    }
    parameters = []
    for name, parameter in signature.parameters.items():
        parameters += _flags(groups[name]) if name in groups else [parameter.replace(kind=Parameter.KEYWORD_ONLY)]

    @wraps(command)
    def flagged(**given: Any) -> None:
        made = {
            name: kind(**{item.name: given.pop(item.name) for item in fields(kind)}) for name, kind in groups.items()
        }
        command(**made, **given)

    vars(flagged)["__signature__"] = signature.replace(parameters=parameters)
    return flagged


def option(default: T, text: str, *names: str, **limits: Any) -> T:
    """A field of a class of options: its default, its help, names of the flag that are not the field's, and what typer checks."""
    return field(default=default, metadata={"option": typer.Option(*names, help=text, **limits)})


def command_line(words: Sequence[str], options: Sequence[Any], *more: str) -> str:
    """A command as a shell takes it, with a flag for each value of its classes of options that is not the default."""
    given = list(words)
    for group in options:
        for flag in _flags(type(group)):
            value, name = getattr(group, flag.name), flag.annotation.__metadata__[0].default
            if value != flag.default:
                name = name if isinstance(name, str) else f"--{flag.name.replace('_', '-')}"  # as typer takes names
                values = value if isinstance(value, list) else [value]
                given += [name] if value is True else [word for item in values for word in (name, str(item))]
    return shlex.join([*given, *more])


def _flags(kind: Any) -> list[Parameter]:
    """A keyword with its default for each field of a class of options: by ``option``, or annotated as options of commands are."""
    hints, panel = get_type_hints(kind, include_extras=True), getattr(kind, "HELP_PANEL", None)
    flags = []
    for item in fields(kind):
        hint = hints[item.name]
        value, declared = (hint, item.metadata["option"]) if item.metadata else get_args(hint)
        declared = copy(declared)
        declared.rich_help_panel = panel or declared.rich_help_panel
        flags.append(
            Parameter(item.name, Parameter.KEYWORD_ONLY, default=item.default, annotation=Annotated[value, declared])
        )
    return flags
