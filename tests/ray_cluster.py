"""A Ray cluster of nodes with a core each, on 127.0.0.1, in a process of its own: what it starts ends with it.

As a script it prints its address and the processes of the head, adds a node for each line that it reads, whose process it
prints, and ends when its input is closed. A line may name a folder that comes first on the path of the node's workers.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shell import HANG_SECONDS, environment

ON_LOOPBACK = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_memory_monitor_refresh_ms": "0",  # the machine may be full of other tests
}
_TESTS = str(Path(__file__).parent)
"""On the path of workers, for what tests run there."""


class RayCluster:
    """Where drivers connect to, and the processes of the head: ``gcs_server`` and ``raylet``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        told = self._read()
        self.address: str = told["address"]
        self.head: dict[str, int] = told["head"]

    def add_node(self, path: Path | str = "") -> int:
        """The process of one more node's raylet."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        return int(self._read()["raylet"])

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """A cluster of its head alone, for as long as the block lasts."""
    # A short folder: the path of a socket has 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        variables = environment(**ON_LOOPBACK, RAY_TMPDIR=folder, PYTHONPATH=_TESTS)
        # In a session of its own: Ctrl-C in the tests would end the nodes before what runs on them.
        with subprocess.Popen(
            [sys.executable, __file__], stdin=-1, stdout=-1, text=True, env=variables, start_new_session=True
        ) as process:
            assert process.stdin is not None
            try:
                yield RayCluster(process)
            finally:
                process.stdin.close()
                process.wait(60)


def wait_for_shard(raylet: int, job: subprocess.Popen[str]) -> None:
    """Wait until a worker of a node is at work on a shard of a job, by the title that Ray gives to its process."""
    deadline = time.monotonic() + HANG_SECONDS
    while not any(
        _parent(folder) == raylet and _title(folder).startswith(b"ray::run_shard") for folder in _processes()
    ):
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between looks at the processes


def _processes() -> list[Path]:
    return [folder for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return 0


def _title(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def main() -> None:
    """Start the head, say where it is, and do as told."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - ray may be missing where the tests are collected

    # Nodes are found dead after seconds, not after half a minute.
    checks = {
        "health_check_initial_delay_ms": 5000,
        "health_check_period_ms": 1000,
        "health_check_failure_threshold": 5,
    }
    own = {"object_store_memory": 80_000_000, "num_cpus": 1}
    of_head = {"node_ip_address": "127.0.0.1", "include_dashboard": False, "_system_config": checks}
    cluster = Cluster(initialize_head=True, head_node_args=own | of_head)
    head = {name: infos[0].process.pid for name, infos in cluster.head_node.all_processes.items()}
    _tell({"address": cluster.address, "head": head})
    for line in sys.stdin:
        os.environ["PYTHONPATH"] = f"{line.strip()}{os.pathsep}{_TESTS}"
        # Another address: a driver is of the node that has its own, and this one is killed.
        node = cluster.add_node(node_ip_address="127.0.0.2", **own)
        _tell({"raylet": node.all_processes["raylet"][0].process.pid})
    cluster.shutdown()


def _tell(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
