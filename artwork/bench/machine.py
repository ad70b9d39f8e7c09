"""The machine that a benchmark was measured on."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from threadpoolctl import threadpool_info


@dataclass(frozen=True)
class Machine:
    """What the figures depend on; ``versions`` has None for what is not installed."""

    processor: str
    cores: int
    system: str
    python: str
    blas: str
    versions: dict[str, str | None]

    @property
    def installed(self) -> str:
        """The libraries with their versions, as a list in a sentence."""
        return ", ".join(f"{name} {number or 'not installed'}" for name, number in self.versions.items())


def this_machine(libraries: list[str]) -> Machine:
    """The machine that this process runs on, with the versions of some installed libraries."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=platform.platform(),
        python=platform.python_version(),
        blas=_blas(),
        versions={name: _version(name) for name in libraries},
    )


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _blas() -> str:
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    named = (f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip() for pool in pools)
    return ", ".join(dict.fromkeys(named))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
