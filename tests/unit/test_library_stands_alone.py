"""The mathematics is a library of its own: it knows no product, and its errors have one root."""

import ast
import re
from pathlib import Path

import pytest

import bandit
from bandit import errors
from bandit.errors import BanditError, InputError, SurroundingsError

FOLDER = Path(next(iter(bandit.__path__)))
OF_THE_PRODUCT = {"boundary.py", "urls.py", "snapshot"}
"""What the rooms share beside the mathematics: the command line's boundary, the store's address and its bytes."""
SOURCES = [path for path in sorted(FOLDER.rglob("*.py")) if path.relative_to(FOLDER).parts[0] not in OF_THE_PRODUCT]
PRODUCT = re.compile(r"artwork[-_ ]bandit|ArtworkError|ARTWORK_|`artwork |artwork-kernels")
INTERNAL = {"TypeError"}
"""Raised by the converters of ``bandit.objects`` and turned into an ``InputError`` by their one caller."""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_products_name_does_not_appear_in_the_mathematics(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if PRODUCT.search(line)] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_mathematics_raises_errors_of_its_own_alone(path: Path) -> None:
    own = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, BanditError)}
    calls = [
        node.exc.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    ]
    allowed = own | (INTERNAL if path.name == "objects.py" else set())
    assert [name for name in calls if name[0].isupper() and name not in allowed] == []


@pytest.mark.parametrize("kind", [InputError, SurroundingsError])
def test_every_error_has_one_root(kind: type[Exception]) -> None:
    assert issubclass(kind, BanditError)
