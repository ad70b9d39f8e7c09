"""What tests share: a small workspace, and a real Valkey, one per process, empty at the start of every test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import browser_fixtures
import pytest
import redis
import require_all
from event_logs import make_world
from hypothesis import settings
from shared_store import SharedStore
from threadpoolctl import threadpool_limits

from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.store.client import connect
from batch.workspace.workspace import Workspace

os.environ.pop("COLUMNS", None)  # processes of pytest-xdist are told of 80, which tables would keep to

collect_ignore_glob = ["fixtures/*.py"]  # scripts that run beside a checkout of something else

# The same examples in every run: a change is judged by what it changes. HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure(config: pytest.Config) -> None:
    """Doctests of the product lie outside of this folder: a plugin sees them, a hook in this file would not."""
    config.pluginmanager.register(require_all)
    config.pluginmanager.register(browser_fixtures)


@pytest.fixture(scope="session")
def written_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``workspace`` copies; nobody else writes to it."""
    root = tmp_path_factory.mktemp("written-tables")
    write(Workspace(root), synthetic.build(n_users=600, n_titles=12, seed=3))
    return root


@pytest.fixture
def workspace(written_tables: Path, tmp_path: Path) -> Workspace:
    """Synthetic tables of 12 titles and 600 users, which are three blocks, the last one padded."""
    shutil.copytree(written_tables, tmp_path, dirs_exist_ok=True)
    return Workspace(tmp_path)


@pytest.fixture
def two_blas_threads() -> Iterator[None]:
    """Two threads of linear algebra, where ``make test`` gives a process one: what wants one has to see to it."""
    with threadpool_limits(limits=2, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def event_world(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``served`` copies; nobody else writes to it."""
    root = tmp_path_factory.mktemp("event-world")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    make_world(Workspace(root))
    return root


@pytest.fixture
def served(event_world: Path, tmp_path: Path) -> Workspace:
    """A workspace with two generations and two revisions of its catalogue, as ``event_logs.make_world`` makes them."""
    shutil.copytree(event_world, tmp_path / "served")
    return Workspace(tmp_path / "served")


@pytest.fixture(scope="session")
def shared_store() -> Iterator[SharedStore]:
    """The Valkey of this process."""
    # A short folder, not pytest's: the path of a socket has 108 bytes at most.
    with tempfile.TemporaryDirectory() as folder, SharedStore(Path(folder)) as store:
        yield store


@pytest.fixture
def store(shared_store: SharedStore) -> str:
    """The URL of a Valkey that holds nothing, has the settings of its start and serves no other test meanwhile."""
    shared_store.renew()
    return shared_store.url


@pytest.fixture
def client(store: str) -> Iterator[redis.Redis]:
    """A client of ``store``."""
    with connect(store) as connected:
        yield connected
