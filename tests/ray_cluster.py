"""A Ray cluster of two nodes with a core each, on 127.0.0.1, in a process of its own: what it starts ends with it.

As a script it prints an address and the processes of the nodes that are not the head's, and ends when its input is closed.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shell import environment

ON_LOOPBACK = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_memory_monitor_refresh_ms": "0",  # the machine may be full of other tests
    "no_proxy": "127.0.0.1",
}


@dataclass(frozen=True)
class RayCluster:
    """Where drivers connect to, and the process of the second node's raylet."""

    address: str
    second: int


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """A cluster for as long as the block lasts."""
    # A short folder: the path of a socket has 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        variables = environment(**ON_LOOPBACK, RAY_TMPDIR=folder)
        with subprocess.Popen([sys.executable, __file__], stdin=-1, stdout=-1, text=True, env=variables) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                yield RayCluster(**json.loads(process.stdout.readline()))
            finally:
                process.stdin.close()
                process.wait(60)


def main() -> None:
    """Start the nodes, say where they are, and wait."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - ray may be missing where the tests are collected

    # Nodes are found dead after seconds, not after half a minute.
    checks = {
        "health_check_initial_delay_ms": 5000,
        "health_check_period_ms": 1000,
        "health_check_failure_threshold": 5,
    }
    own = {"node_ip_address": "127.0.0.1", "object_store_memory": 80_000_000, "num_cpus": 1}
    cluster = Cluster(initialize_head=True, head_node_args=own | {"include_dashboard": False, "_system_config": checks})
    second = cluster.add_node(**own)
    processes = [info.process.pid for infos in second.all_processes.values() for info in infos]
    sys.stdout.write(json.dumps({"address": cluster.address, "second": processes[0]}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    os.environ.update(ON_LOOPBACK)
    main()
