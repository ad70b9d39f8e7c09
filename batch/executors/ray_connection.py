"""Connecting to a Ray cluster, or starting one on this machine."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from bandit.errors import InputError, SurroundingsError
from batch.executors.processes import cores

LOCAL: Final = "local"
AUTO: Final = "auto"
_ADDRESS: Final = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")
ANSWER_SECONDS: Final = 10.0
"""How long a cluster may take to accept a connection."""

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "150",
}
"""Nothing is told to Ray's makers. And a process that cannot reach the cluster's control service (GCS) any more is ended by Ray
after so many seconds, without a word of ours: that is more than it takes us to find out and to take leave."""

_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


def check_address(address: str) -> None:
    """Refuse what is no address of a cluster.

    Raises:
        InputError: it is neither ``auto`` nor ``local`` nor HOST:PORT.
    """
    match = _ADDRESS.fullmatch(address)
    if address not in {LOCAL, AUTO} and not (match and 0 < int(match["port"]) < 1 << 16):
        raise InputError(
            f"--address {address} is none of a Ray cluster; expected {AUTO}, {LOCAL}, or HOST:PORT as `ray start --head`"
            " prints it"
        )


@contextmanager
def connected(address: str, workers: int | None) -> Iterator[Any]:
    """The module ray, connected to a cluster, which is left or, where it was started here, ended with the block.

    For a process that does nothing else: its environment changes, and Ray's files are in the current folder.

    Raises:
        InputError: the environment names what is no address.
        SurroundingsError: there is no such cluster, or it cannot be started.
    """
    # Read when ray is first imported and by the processes that it starts.
    os.environ.update(_QUIET | (_secret() if address == LOCAL else {}))
    import ray  # noqa: PLC0415 - few have it

    try:
        _choose_network(_found(address))
        try:
            ray.init(address, log_to_driver=False, **_settings(address, workers))
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _no_cluster(address, error) from error
        yield ray
    finally:
        ray.shutdown(wait_for_processes=True)


def _settings(address: str, workers: int | None) -> dict[str, Any]:
    if address != LOCAL:
        return {}
    return {
        "num_cpus": workers or cores(),
        "num_gpus": 0,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
        "_temp_dir": str(Path.cwd()),
    }


def _secret() -> dict[str, str]:
    """By which processes of a cluster that is started here know each other: no other user of the machine can give it tasks."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token_hex(32)}


def _found(address: str) -> str:
    """HOST:PORT of an address, where something listens: Ray tries for minutes where nothing does.

    Raises:
        InputError: the environment names what is no address.
        SurroundingsError: there is no cluster, or nobody answers.
    """
    if address == LOCAL:
        return "127.0.0.1:0"
    try:
        if address == AUTO:
            services: Any = import_module("ray._private.services")
            address = services.get_ray_address_from_environment(AUTO, None)
            check_address(address)
        socket.create_connection(host_and_port(address), ANSWER_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, error) from error
    return address


def _choose_network(address: str) -> None:
    """Have Ray take 127.0.0.1 for itself, as it does on macOS; elsewhere it turns it into the address of a network card."""
    constants: Any = import_module("ray._private.ray_constants")
    constants.ENABLE_RAY_CLUSTER = host_and_port(address)[0] not in _LOOPBACK


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of HOST:PORT; an IPv6 address stands in brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _no_cluster(address: str, error: Exception) -> SurroundingsError:
    remedy = {
        LOCAL: "free memory, disk or ports, or take --executor processes",
        AUTO: "start one on this machine by `ray start`, or name one by --address HOST:PORT",
    }.get(
        address,
        "see there by `ray status` whether it runs, and run this on one of its nodes with the same release of ray",
    )
    return SurroundingsError(f"cannot use the Ray cluster ({address}): {first_line(error)}; {remedy}")


def first_line(error: object) -> str:
    """The first line of what a library says, without colours."""
    lines = [line.strip() for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
