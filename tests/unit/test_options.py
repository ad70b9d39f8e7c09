"""Options that are declared as a class: what a command line gives, and what the command gets."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from artwork.console.options import command_line, with_options


@dataclass(frozen=True)
class Grouped:
    """Two flags below a heading of their own."""

    HELP_PANEL: ClassVar = "Some heading"

    size: Annotated[int, typer.Option(min=1, help="How large.")] = 3
    is_new: Annotated[bool, typer.Option("--new", help="Whether new.")] = False


def called(*words: str) -> tuple[int, str]:
    app = typer.Typer()

    @app.command()
    @with_options
    def command(*, name: Annotated[str, typer.Option(help="Which.")] = "x", grouped: Grouped) -> None:
        """Say what came."""
        typer.echo(f"{name} {grouped.size} {grouped.is_new}")

    result = CliRunner().invoke(app, words)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "x 3 False"),
        (("--size", "7"), "x 7 False"),
        (("--new", "--name", "y"), "y 3 True"),
    ],
)
def test_every_field_is_a_flag_and_comes_back_in_its_class(words: tuple[str, ...], said: str) -> None:
    assert called(*words) == (0, f"{said}\n")


def test_a_value_out_of_a_fields_range_is_refused() -> None:
    assert called("--size", "0")[0] == 2


def test_help_has_the_fields_below_the_heading_of_their_class() -> None:
    code, text = called("--help")
    assert code == 0
    assert text.index("Some heading") < text.index("--size") < text.index("--new")


def test_a_class_of_options_does_not_change_what_its_fields_declare() -> None:
    called("--help")
    assert Grouped.__annotations__["size"].__metadata__[0].rich_help_panel is None


def test_a_command_line_has_the_flags_whose_value_is_not_the_default() -> None:
    assert command_line(("tool", "go"), (Grouped(),)) == "tool go"
    assert command_line(("tool",), (Grouped(7, is_new=True),), "--name", "a b") == "tool --size 7 --new --name 'a b'"
