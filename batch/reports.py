"""How a job tells how far it is."""

from collections.abc import Callable
from typing import TypeAlias

Report: TypeAlias = Callable[[str, int, int], None]
"""Called with (what, done, total) as a job goes on."""
