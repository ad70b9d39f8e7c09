"""Starts docker-compose.yml for real and tries what it promises: ``try_compose.py [--folder FOLDER]``, as root on Debian.

The images are built, every service but Grafana comes up confined and healthy, look-ups and the load test are answered, the store
is killed, and what is in the volumes outlives the containers. Exit 0 all of it holds, or skipped where there is no root or no
apt-get (with ARTWORK_REQUIRE_ALL=1 that is exit 3); 1 something does not hold; 3 the engine or the images cannot be had.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import yaml
from stand_ins import CommandFailedError, install_engine, make_engine, make_images, run

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = "artwork-trial"
SERVICE: Final = "http://127.0.0.1:8000"
SERVICES: Final[dict[str, dict[str, Any]]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PORTS: Final = {"service": 8000, "prometheus": 9090}
STAYING: Final = ("valkey", "batch", "service", "prometheus")
PATIENCE_SECONDS: Final = 150.0
"""How long anything may take that is waited for: a guard against hanging, no budget."""
PATIENT_MS: Final = 1000
FIRST_STEP: Final = "install podman and make the base images"


class WrongError(Exception):
    """Something does not hold that docker-compose.yml promises."""


class Containers:
    """The services of docker-compose.yml, with the monitoring, under an engine of their own."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        # With layers, the second image begins with what the first one has.
        self._build_flags = "--podman-build-args=--network=host --layers=true"

    def compose(self, *words: str, seconds: float = 120) -> str:
        """Run podman-compose."""
        file = ("--file", str(ROOT / "docker-compose.yml"), "--project-name", PROJECT, "--profile", "monitoring")
        command = Path(sys.executable).with_name("podman-compose")
        return run(command, *file, self._build_flags, *words, env=self.env, seconds=seconds)

    def podman(self, *words: str, seconds: float = 60) -> str:
        """Run podman."""
        return run("podman", *words, env=self.env, seconds=seconds)

    def container(self, service: str) -> str:
        """The name of the container of a service."""
        return f"{PROJECT}_{service}_1"

    def inside(self, service: str, *words: str) -> str:
        """What a command prints in the container of a service."""
        return self.podman("exec", self.container(service), *words)

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says about the container of a service."""
        found: dict[str, Any] = json.loads(self.podman("inspect", self.container(service)))[0]["State"]
        return found

    def is_healthy(self, service: str) -> bool:
        """Whether the health check of the compose file passes; it is run here, as podman leaves that to systemd."""
        with suppress(CommandFailedError):
            self.podman("healthcheck", "run", self.container(service))
            return True
        return False

    def start(self) -> None:
        """Bring everything up in the order of ``depends_on``, whose conditions podman-compose leaves out for old podman."""
        self.compose("up", "--detach", "--no-build", "password")
        wait_until("the password is made", lambda: self.state("password")["Status"] == "exited")
        expect("exit code of `password`", self.state("password")["ExitCode"], 0)
        self.compose("up", "--detach", "--no-build", "valkey", "data")
        wait_until("the store is healthy", lambda: self.is_healthy("valkey"))
        wait_until("the job `data` has ended", lambda: self.state("data")["Status"] == "exited")
        expect("exit code of `data`", self.state("data")["ExitCode"], 0)
        self.compose("up", "--detach", "--no-build", *STAYING)

    def logs(self) -> str:
        """The last lines of every container."""
        with suppress(CommandFailedError):
            names = self.podman("ps", "--all", "--format", "{{.Names}}").split()
            return "\n".join(self._logs_of(name) for name in names)
        return "the engine does not answer: no logs"

    def logs_of(self, service: str, lines: int) -> str:
        """The last lines of the container of a service."""
        return self._logs_of(self.container(service), lines)

    def _logs_of(self, name: str, lines: int = 30) -> str:
        return f"--- {name}\n" + run("sh", "-c", f"podman logs --tail {lines} {name} 2>&1", env=self.env)

    def remove(self) -> None:
        """Remove containers, volumes and networks."""
        for words in (("rm", "--all", "--force", "--time", "0"), ("volume", "rm", "--all", "--force"),
                      ("network", "prune", "--force")):  # fmt: skip
            with suppress(CommandFailedError):
                self.podman(*words)


def wait_until(what: str, holds: Callable[[], bool]) -> None:
    """Ask again and again until something holds."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > give_up:
            raise WrongError(f"waited {PATIENCE_SECONDS:g} s in vain until {what}")
        time.sleep(0.3)


def in_bytes(size: str) -> int:
    """A size of the compose file, such as 512m."""
    factor: int = 1024 ** " kmg".index(size[-1])
    return int(size[:-1]) * factor


def expect(what: str, is_now: object, expected: object) -> None:
    """Compare.

    Raises:
        WrongError: with both values.
    """
    if is_now != expected:
        raise WrongError(f"{what}: expected {expected!r}, got {is_now!r}")


def ask(path: str) -> tuple[int, Any]:
    """Status and body of an answer of the service; status 0 where there is none."""
    try:
        with build_opener(ProxyHandler({})).open(SERVICE + path, timeout=5) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")
    except OSError as error:
        return 0, str(error)


def artwork_of(user: str, title: str) -> dict[str, Any]:
    """The pick of a user and a title."""
    status, pick = ask(f"/v1/users/{user}/titles/{title}/artwork")
    expect(f"status of {user}, {title} ({pick})", status, 200)
    answer: dict[str, Any] = pick
    return answer


def is_ready() -> bool:
    """Whether the service is ready, with nothing degraded."""
    status, body = ask("/readyz")
    return status == 200 and body["status"] == "ready"


class Trial:
    """The steps, in their order; a later one builds on what an earlier one left running."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._users: list[str] = []
        self._titles: list[str] = []

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """What each step is called, and the step."""
        return [
            ("build the images", self.build),
            ("all services come up healthy", self.come_up),
            ("every container is confined as the file says", self.are_confined),
            ("every container has its limits of memory and processes", self.are_limited),
            ("the store wants its password, which nobody shows", self.wants_password),
            ("the load test's container does not reach the store", self.are_apart),
            ("the service's image has what it needs and no more", self.is_small),
            ("look-ups answer", self.look_up),
            ("Prometheus has read the metrics", self.are_scraped),
            ("the load test's container passes", self.load),
            ("the service goes on without its store, and finds it again", self.lose_the_store),
            ("the service starts while its store is frozen", self.start_beside_frozen_store),
            ("down and up keep what is in the volumes", self.keep_volumes),
        ]

    def build(self) -> None:
        """Build as docker-compose.yml says."""
        self._containers.compose("build", "service", "batch", seconds=900)

    def come_up(self) -> None:
        """Start, and run the health checks."""
        self._containers.start()
        self._all_healthy()
        targets = json.loads(self._containers.inside("batch", "cat", "/workspace/loadtest.json"))
        self._users, self._titles = targets["users"], targets["titles"]

    def _all_healthy(self) -> None:
        for service in STAYING:
            wait_until(f"`{service}` is healthy", lambda service=service: self._containers.is_healthy(service))  # type: ignore[misc]
        wait_until("the service is ready", is_ready)

    def are_confined(self) -> None:
        """No capability, no new privileges, a user that is not root, and nothing to write outside of the volumes."""
        for service in STAYING:
            lines = self._containers.inside(service, "cat", "/proc/1/status").splitlines()
            status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
            sets = {status[f"Cap{kind}"][0].lstrip("0") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
            expect(f"capabilities of `{service}`", sets, {""})
            expect(f"NoNewPrivs of `{service}`", status["NoNewPrivs"], ["1"])
            if "0" in status["Uid"]:
                raise WrongError(f"`{service}` runs as root")
            for place in ("/", "/etc", "/usr/local/bin", "/opt"):
                script = f"touch {place}/written 2>&1 | grep -q 'Read-only file system' && echo refused"
                answer = self._containers.inside(service, "sh", "-c", f"{script} || echo written")
                expect(f"writing to {place} in `{service}`", answer.strip(), "refused")

    def are_limited(self) -> None:
        """Read where the kernel keeps them, from inside; and a process too many is refused."""
        for service in STAYING:
            limits = SERVICES[service]["mem_limit"], SERVICES[service]["pids_limit"]
            read = "cat /sys/fs/cgroup/{0} 2>/dev/null || cat /sys/fs/cgroup/{1}"  # of either version of control groups
            memory = self._containers.inside(
                service, "sh", "-c", read.format("memory.max", "memory/memory.limit_in_bytes")
            )
            processes = self._containers.inside(service, "sh", "-c", read.format("pids.max", "pids/pids.max"))
            expect(f"limits of `{service}`", (int(memory), int(processes)), (in_bytes(limits[0]), limits[1]))

    def wants_password(self) -> None:
        """Without it, or with another one, every command is refused; it stands in no argument, variable or log."""
        cli = ("valkey-cli", "-h", "valkey")
        for words in ((*cli, "ping"), (*cli, "get", "art:current"), (*cli, "--no-auth-warning", "-a", "guess", "ping")):
            said = self._containers.inside("valkey", "sh", "-c", f"{shlex.join(words)} 2>&1")
            if "NOAUTH" not in said and "WRONGPASS" not in said:
                raise WrongError(f"the store answers {shlex.join(words)} without its password: {said}")
        password = self._containers.inside("valkey", "cat", "/secrets/store").strip()
        expect("digits of the password", len(password), 64)
        for service in STAYING:
            shown = self._containers.podman("inspect", self._containers.container(service))
            shown += self._containers.inside(service, "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>&1")
            shown += self._containers.logs_of(service, lines=10_000)
            if password in shown:
                raise WrongError(f"`{service}` shows the password of the store")
        for service in ("valkey", "service", "batch"):
            self._containers.inside(service, "sh", "-c", "! touch /secrets/store 2>/dev/null")

    def are_apart(self) -> None:
        """Neither by its name nor by its address: whoever asks the service has no way to the store."""
        networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = self._containers.podman("inspect", "--format", networks, self._containers.container("valkey")).strip()
        code = (
            "import socket, sys\n"
            "def reaches(*place):\n"
            "    try: socket.create_connection(place, timeout=3).close()\n"
            "    except OSError: return False\n"
            "    return True\n"
            f"print('reached', [reaches(*place) for place in (('service', 8000), ('valkey', 6379), ('{address}', 6379))])"
        )
        said = self._containers.compose("--profile", "loadtest", "run", "--rm", "-T", "locust", "python", "-c", code)
        expect(
            "what locust reaches of the service, the store and the store's address",
            "reached [True, False, False]" in said,
            True,
        )
        expect(
            "the store's address from the service",
            self._containers.inside("service", "python", "-c", code).strip(),
            "reached [True, True, True]",
        )

    def is_small(self) -> None:
        """No load test, no reward models, no Parquet; what pip put together fits."""
        listed = json.loads(self._containers.inside("service", "python", "-m", "pip", "list", "--format", "json"))
        names = {item["name"].lower() for item in listed}
        expect("packages that the service does without", names & {"locust", "gevent", "scikit-learn", "polars"}, set())
        expect("packages that the service needs", {"fastapi", "uvicorn", "redis", "artwork-bandit"} - names, set())
        self._containers.inside("service", "python", "-m", "pip", "check")

    def look_up(self) -> None:
        """A single one, a page, an unknown user, an unknown title."""
        user, titles = self._users[0], self._titles[:40]
        generation = ask("/readyz")[1]["generation"]
        status, page = ask(f"/v1/users/{user}/artwork?" + urlencode({"title_id": titles}, doseq=True))
        expect("status of the page", status, 200)
        expect("titles of the page", [pick["title_id"] for pick in page["picks"]], titles)
        expect("sources of the page", {pick["source"] for pick in page["picks"]}, {"personalized"})
        expect("generation of the page", page["generation"], generation)
        for pick in page["picks"][:5]:
            expect("the single look-up beside the page", artwork_of(user, pick["title_id"]), pick)
        expect("artwork that its title does not have", self._strangers(page["picks"]), [])
        unknown = artwork_of("nobody-knows-me", titles[0])
        expect("source of an unknown user", unknown["source"] in ("popularity", "default"), True)
        expect("status of an unknown title", ask(f"/v1/users/{user}/titles/no-such-title/artwork")[0], 404)

    def _strangers(self, picks: list[dict[str, Any]]) -> list[list[str]]:
        """Pairs of title and artwork that the workspace's own table does not have."""
        code = (
            "import json, polars as pl; t = pl.read_parquet('artworks.parquet').select('title_id', 'artwork_id');"
            "print(json.dumps([list(row) for row in t.iter_rows()]))"
        )
        known = json.loads(self._containers.inside("batch", "python", "-c", code))
        return [pair for pick in picks if (pair := [pick["title_id"], pick["artwork_id"]]) not in known]

    def are_scraped(self) -> None:
        """The file that is mounted into the container of Prometheus leads it to the service."""
        query = "http://127.0.0.1:9090/api/v1/query?query=artwork_store_up"
        read = ("python3", "-c", f"import urllib.request as u; print(u.urlopen('{query}').read().decode())")

        def values() -> list[str]:
            answer = json.loads(self._containers.inside("prometheus", *read))
            return [result["value"][1] for result in answer["data"]["result"]]

        wait_until("Prometheus has artwork_store_up = 1", lambda: values() == ["1"])

    def load(self) -> None:
        """Right answers at the rate asked for. Milliseconds are printed, not judged: who else works here is not known."""
        patient = [f"--env=ARTWORK_LOADTEST_{kind}_P99_MS={PATIENT_MS}" for kind in ("SINGLE", "PAGE")]
        words = ("--profile", "loadtest", "run", "--rm", "-T", *patient, "locust")
        print(self._containers.compose(*words))

    def lose_the_store(self) -> None:
        """Killed for a while, then killed and restarted by its own policy."""
        user, title, store = self._users[0], self._titles[0], self._containers.container("valkey")
        before = artwork_of(user, title)
        self._containers.podman("stop", "--time", "0", store)  # killed, and left so: nothing restarts what is stopped
        for number in range(200):
            pick = artwork_of(user, title)
            expect(f"source of look-up {number} without a store", pick["source"], "popularity")
            expect("generation without a store", pick["generation"], before["generation"])
        wait_until("/readyz says what is degraded", lambda: "store" in str(ask("/readyz")[1]["degraded"]))
        expect("`service` is healthy without its store", self._containers.is_healthy("service"), True)
        self._containers.podman("start", store)
        wait_until("the pick is as before", lambda: artwork_of(user, title) == before)
        was = self._containers.state("valkey")
        os.kill(was["Pid"], signal.SIGKILL)  # not `podman kill`, after which podman restarts nothing
        wait_until("the killed store was restarted", lambda: self._restarted(was["StartedAt"], user, title))
        wait_until("the pick is as before", lambda: artwork_of(user, title) == before)
        wait_until("the service is ready", is_ready)

    def _restarted(self, was: str, user: str, title: str) -> bool:
        artwork_of(user, title)  # answered all along
        state = self._containers.state("valkey")
        return bool(state["Status"] == "running" and state["StartedAt"] != was)

    def start_beside_frozen_store(self) -> None:
        """The kept catalogue in the volume `state` answers before the store does."""
        user, title = self._users[0], self._titles[0]
        before = artwork_of(user, title)
        frozen = [
            int(pid) for pid in self._containers.podman("top", self._containers.container("valkey"), "hpid").split()[1:]
        ]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        self._containers.podman("restart", "--time", "20", self._containers.container("service"))
        wait_until("the service answers", lambda: ask("/readyz")[0] == 200)
        pick = artwork_of(user, title)
        expect("source and generation", (pick["source"], pick["generation"]), ("popularity", before["generation"]))
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        wait_until("the pick is as before", lambda: artwork_of(user, title) == before)

    def keep_volumes(self) -> None:
        """The store's rows, the workspace and what Prometheus and the service keep outlive their containers."""
        user, title = self._users[0], self._titles[0]
        before = artwork_of(user, title)
        self._containers.compose("down")
        expect("containers after `down`", self._containers.podman("ps", "--all", "--quiet"), "")
        # The store and the service by themselves: the job would publish the next generation at once.
        self._containers.compose("up", "--detach", "--no-build", "service")
        wait_until("the service answers", lambda: ask("/readyz")[0] == 200)
        wait_until("the pick is as before", lambda: artwork_of(user, title) == before)
        self._containers.start()
        self._all_healthy()
        expect("exit code of `data`, which leaves what is there", self._containers.state("data")["ExitCode"], 0)


def why_not() -> str | None:
    """Why containers cannot be started here."""
    if os.geteuid() != 0:
        return "only root may start them"
    if shutil.which("apt-get") is None or not Path("/etc/debian_version").exists():
        return "the engine and the base images are made from Debian's archive, which needs apt-get"
    return None


def is_free(port: int) -> bool:
    """Whether nothing listens at a port of this machine."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def own_folder(kept: Path | None) -> Iterator[Path]:
    """Where the engine keeps everything; it is removed in the end unless it was named."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="artwork-compose-"))
    try:
        yield folder
    finally:
        unmount(folder)
        shutil.rmtree(folder)


def unmount(folder: Path) -> None:
    """Let go of the mounts below a folder, innermost first."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((place for place in mounts if place.startswith(f"{folder}/")), reverse=True):
        with suppress(CommandFailedError):
            run("umount", "--lazy", mount)


def try_all(folder: Path) -> int:
    """Run every step; the exit code."""
    begun = time.monotonic()
    name, containers = FIRST_STEP, Containers(make_engine(folder))
    try:
        say(begun, name)
        install_engine()
        make_images(folder, containers.env)
        containers.remove()  # what an earlier run in a kept folder left
        for name, step in Trial(containers).steps():
            say(begun, name)
            step()
    except (WrongError, CommandFailedError) as error:
        print(f"{containers.logs()}\nerror: step failed: {name}\n{error}", file=sys.stderr)
        return 1 if name != FIRST_STEP else 3
    finally:
        containers.remove()
    say(begun, "everything holds")
    return 0


def say(begun: float, what: str) -> None:
    """Print a step with the seconds so far."""
    print(f"{time.monotonic() - begun:4.0f} s  {what}", flush=True)


def main() -> int:
    """Read the flags, look whether it can be done here, do it."""
    parser = argparse.ArgumentParser(description="Start docker-compose.yml for real and try what it promises.")
    parser.add_argument("--folder", type=Path, help="Keep images there, so that the next run takes a minute or two.")
    kept = parser.parse_args().folder
    if reason := why_not():
        required = os.environ.get("ARTWORK_REQUIRE_ALL") == "1"
        print(f"{'error' if required else 'skipped'}: containers are not started here: {reason}", file=sys.stderr)
        return 3 if required else 0
    if taken := [f"{port} ({name})" for name, port in PORTS.items() if not is_free(port)]:
        print(f"error: docker-compose.yml needs ports that are in use: {', '.join(taken)}", file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is removed
    with own_folder(kept) as folder:
        return try_all(folder)


if __name__ == "__main__":
    sys.exit(main())
