"""Classes of one's own, named on the command line as ``module:Class``."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from bandit.errors import InputError, blaming

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
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    module, _, name = word.partition(":")
    with blaming(f"{word} cannot be loaded"):
        found = getattr(importlib.import_module(module), name)
    if not callable(found):
        raise InputError(f"{word} is {type(found).__name__}, expected a class")
    return found
