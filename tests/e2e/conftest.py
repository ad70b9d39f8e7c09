"""A workspace with a world, a few days of explore data, and the store and service around it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from learned_workspace import N_TITLES, N_USERS, LearnedWorkspace, silent
from on_disk import explore

from artwork.bench.testbed.service_process import running_service
from artwork.demo.loop import Loop
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.store.client import URL_VARIABLE
from batch.store.embedded import start_store, stop_store
from batch.workspace.workspace import Workspace

EXPLORED_DAYS = 6


@pytest.fixture(scope="session")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``learned`` copies; nobody else writes to it."""
    root = tmp_path_factory.mktemp("explored")
    write(Workspace(root), synthetic.build(N_USERS, N_TITLES, seed=5))
    loop = Loop.of(Workspace(root), Config(seed=5))
    for day in range(EXPLORED_DAYS):
        explore(loop, day)
    return root


@pytest.fixture(scope="module")
def learned(explored: Path) -> Iterator[LearnedWorkspace]:
    # A folder of its own directly under the temporary one: pytest's are too deep for comfort, and modules share nothing.
    root = Path(tempfile.mkdtemp(prefix="artwork-"))
    patch = pytest.MonkeyPatch()
    patch.delenv(URL_VARIABLE, raising=False)
    try:
        shutil.copytree(explored, root, dirs_exist_ok=True)
        yield LearnedWorkspace(Loop.of(Workspace(root), Config(seed=5)), start_store(root).url)
    finally:
        stop_store(root)
        shutil.rmtree(root)
        patch.undo()


@pytest.fixture(scope="module")
def address(learned: LearnedWorkspace) -> Iterator[str]:
    """A running service that follows the store closely and, on a busy machine, waits for it."""
    if not learned.workspace.targets.exists():
        learned.loop.learn(learned.url, silent)
    settings = {"ARTWORK_POLL_SECONDS": "0.05", "ARTWORK_STORE_DEADLINE_MS": "2000"}
    with running_service(learned.workspace.root, settings=settings) as found:
        yield found
