"""Classes of one's own, named on the command line as ``module:Class``."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from bandit.errors import InputError, user_code_errors

_WORD = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def names_a_class(word: str) -> bool:
    """Whether a word has the form of one.

    >>> names_a_class("mine.policies:Best"), names_a_class("epsilon_greedy:epsilon=0.1"), names_a_class("thompson")
    (True, False, False)
    """
    return bool(_WORD.fullmatch(word))


def find_class(word: str) -> Any:
    """The class, looked for in the current folder too.

    Raises:
        InputError: there is no such module, it fails when it is imported, or it has no such class.
    """
    folder = _current_folder()
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))  # never first: a file there would stand in the way of every module of its name
    module, _, name = word.partition(":")
    with user_code_errors(f"{word} cannot be loaded"):
        loaded = importlib.import_module(module)
        found = getattr(loaded, name, None)
    if found is None:
        raise InputError(f"{word} cannot be loaded: {_lacks(loaded, module, name, folder)}")
    if not callable(found):
        raise InputError(f"{word} is {type(found).__name__}, expected a class")
    return found


def _lacks(loaded: ModuleType, module: str, name: str, folder: Path | None) -> str:
    """Why a module has no such class: perhaps it is another module of that name."""
    where = getattr(loaded, "__file__", None) or "Python itself"
    hidden = None if folder is None else folder / f"{module.partition('.')[0]}.py"
    if hidden is not None and hidden.is_file() and Path(where) != hidden:
        return f"the name {module} is taken by {where}, which comes before {hidden}; rename your file"
    return f"AttributeError: {where} has no {name}; look at its spelling"


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was deleted
        return None
