"""Under what circumstances a run was made: when, by which command, with which versions, on what machine.

A figure without them cannot be quoted. Names of the machine, of its user and of folders stay out.
"""

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """What the client ran on; the service too, where ``has_service``."""

    cores: int
    usable_cores: int
    processor: str
    memory_bytes: int
    system: str
    has_service: bool


@dataclass(frozen=True)
class Circumstances:
    """Of one run. ``versions`` are of this project, Python, locust and the service; None where one is not known."""

    began_at: str
    command: str
    versions: dict[str, str | None]
    machine: Machine


def look_around(began_at: datetime, command: str, host: str, service_version: str | None) -> Circumstances:
    """The circumstances of a run that began then."""
    versions = {
        "artwork-bandit": _version("artwork-bandit"),
        "python": platform.python_version(),
        "locust": _version("locust"),
        "service": service_version,
    }
    return Circumstances(began_at.isoformat(timespec="seconds"), command, versions, _machine(host))


def _machine(host: str) -> Machine:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        cores=os.cpu_count() or 1,
        usable_cores=usable,
        processor=_processor(),
        memory_bytes=_memory_bytes(),
        system=f"{platform.system()} {platform.machine()}",
        has_service=is_here(host),
    )


def is_here(host: str) -> bool:
    """Whether an address is of this machine's loopback.

    >>> is_here("http://127.0.0.1:8000"), is_here("http://[::1]:80"), is_here("http://localhost"), is_here("http://shop.example")
    (True, True, True, False)
    """
    name = urlsplit(host).hostname or ""
    with suppress(ValueError):
        return ip_address(name).is_loopback
    return name.rstrip(".").lower() == "localhost"


def _processor() -> str:
    with suppress(OSError):
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip().lower() == "model name" and value.strip():
                return " ".join(value.split())
    return platform.machine() or "unknown"


def _memory_bytes() -> int:
    with suppress(OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 0


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None
