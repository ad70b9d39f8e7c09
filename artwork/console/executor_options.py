"""Where shards run, as options of the commands of the job."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artwork.console.options import option
from bandit.errors import InputError
from batch.executors import EXECUTORS, RAY, SERIAL, Executor, open_executor
from batch.workspace.workspace import Workspace

_ADDRESS_VARIABLE: Final = "ARTWORK_RAY_ADDRESS"


@dataclass(frozen=True)
class ExecutorOptions:
    """Where shards run."""

    executor: str = option("serial", f"Where shards run: {', '.join(EXECUTORS)}.", envvar="ARTWORK_EXECUTOR")
    address: str | None = option(
        None,
        "The cluster of --executor ray: local starts one on this machine, auto takes the one that this machine is part of, or"
        " HOST:PORT. local by default.",
        envvar=_ADDRESS_VARIABLE,
    )

    def check_writers(self, writers: int) -> None:
        """Refuse several writers where there are no processes for them.

        Raises:
            InputError: says what to do.
        """
        if writers > 1 and self.executor == SERIAL:
            raise InputError(
                f"--writers {writers} are processes, and the executor is {SERIAL}; add --executor processes or ray, or leave"
                " --writers out"
            )

    def workspace(self, folder: Path) -> Workspace:
        """The workspace as shards are told of it: those on other machines run in another current folder."""
        return Workspace(folder.absolute() if self.executor == RAY else folder)

    def opened(self, there: Workspace) -> AbstractContextManager[Executor]:
        """The executor; what it started ends with the block.

        Raises:
            InputError, SurroundingsError: as ``open_executor``.
        """
        is_of_all = self.address == os.environ.get(_ADDRESS_VARIABLE)  # and so also of commands that run elsewhere
        address = None if is_of_all and self.executor != RAY else self.address
        return open_executor(self.executor, workspace=there.root, address=address)
