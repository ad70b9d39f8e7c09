"""Installs the wheel with each of its extras into an environment of its own, and tries what it promises: ``try_extras.py``.

The library alone runs its doctests, with the pinned numpy and scipy and with the oldest that pyproject.toml allows, and shows
its types to a program that uses it. With an extra its commands work, and the others say which extra they need. Exit 0 all of it
holds; 1 something does not; 3 the wheel or an environment cannot be made.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import ProxyHandler, build_opener

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES: Final = ("artwork", "bandit", "batch", "loadtest", "service", "pyproject.toml", "README.md", "LICENSE")
EXTRAS: Final = ("batch", "service", "loadtest")
BARE: Final = "bare"
OLDEST: Final = "oldest"
STEP_SECONDS: Final = 300
"""How long a command may take: a guard against hanging, no budget."""
OF_OTHERS: Final = {
    BARE: {"fastapi", "locust", "polars", "pydantic", "redis", "rich", "scikit-learn", "typer"},
    "batch": {"fastapi", "locust", "uvicorn"},
    "service": {"locust", "polars", "scikit-learn"},
    "loadtest": {"fastapi", "polars", "redis", "scikit-learn"},
}
"""What an environment must not have."""
REFUSALS: Final = {
    BARE: {"": "all", "train": "batch", "serve": "service", "demo": "all", "loadtest": "loadtest"},
    "batch": {"serve": "service", "demo": "all", "loadtest": "loadtest", "data features .": "images"},
    "service": {"train": "batch", "web": "all", "loadtest": "loadtest"},
    "loadtest": {"train": "batch", "serve": "service", "bench": "all"},
}
"""The commands that an environment refuses, and the extra that they name."""

NOT_COMPILED: Final = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
"""What is compiled is the same in every environment, and compiling takes longer than all else here; one program does it."""

DOCTESTS: Final = """
import doctest, importlib, pkgutil, sys, warnings
import numpy, scipy, bandit
warnings.simplefilter("error")
warnings.simplefilter("ignore", RuntimeWarning)  # what is compiled wraps around and divides by zero without a word
tried = 0
for module in pkgutil.walk_packages(bandit.__path__, "bandit."):
    result = doctest.testmod(importlib.import_module(module.name))
    tried += result.attempted
    if result.failed:
        sys.exit(f"doctests of {module.name}: {result.failed} failed")
if tried < 50:
    sys.exit(f"only {tried} examples were found")
print(f"{tried} examples, numpy {numpy.__version__}, scipy {scipy.__version__}")
"""
CONSUMER: Final = """
import numpy as np

from bandit.policies import ThompsonSampling, decide
from bandit.posterior import LinearPosterior

posterior = LinearPosterior(n_arms=2, n_features=2)
posterior.observe([[1.0, 0.0]], np.array([0]), [1.0])
probabilities = ThompsonSampling().probabilities(posterior.scores([[1.0, 0.5]], arms=[0, 1]))
arms, weights = decide(probabilities, np.array([7], dtype=np.uint64))
print("drawn", arms, "with weight", weights)
"""
WRONG_CONSUMER: Final = "from bandit.posterior import LinearPosterior\n\nLinearPosterior(n_arms='two', n_features=2)\n"


class WrongError(Exception):
    """Something does not hold that the extras promise."""


def run(*words: str | Path, code: int | None = 0, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a command prints, on both streams; ``code`` is what it has to end with, None for whatever it does.

    Raises:
        WrongError: it ended with another exit code, or not in time.
    """
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            timeout=STEP_SECONDS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WrongError(f"{words}: no end within {STEP_SECONDS} s") from error
    if code not in {None, done.returncode}:
        raise WrongError(f"{words}: exit code {done.returncode}, expected {code}\n{done.stdout[-3000:]}")
    return done.stdout


class Environment:
    """A virtual environment with the wheel and one of its extras; a folder beside it is where its commands work."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.python = folder / name / "bin" / "python"
        self.artwork = folder / name / "bin" / "artwork"
        self.folder = folder / f"work-{name}"

    def make(self, wheel: Path, constraints: Path, like: "Environment | None" = None) -> None:
        """Install the wheel as anybody would, in the versions that are pinned; what ``like`` has of others is there already."""
        self.folder.mkdir()
        run(sys.executable, "-m", "venv", "--without-pip", self.python.parents[1])
        if like is not None:
            for source in like.packages.iterdir():
                if source.name.startswith(("numpy", "scipy", "numba", "llvmlite")):
                    shutil.copytree(source, self.packages / source.name, copy_function=os.link)
        wanted = str(wheel) if self.name in {BARE, OLDEST} else f"{wheel}[{self.name}]"
        self.pip("install", "--quiet", "--no-compile", "--constraint", str(constraints), wanted)

    @property
    def packages(self) -> Path:
        """Its folder of packages."""
        return next((self.python.parents[1] / "lib").glob("python3*/site-packages"))

    def pip(self, *words: str) -> str:
        """Run pip on it."""
        return run(sys.executable, "-m", "pip", "--python", self.python, *words)

    def installed(self) -> dict[str, str]:
        """The version of each distribution."""
        lines = self.pip("list", "--format", "json").splitlines()
        listed = next(line for line in lines if line.startswith("["))
        return {item["name"].lower(): item["version"] for item in json.loads(listed)}

    def call(self, *words: str, code: int | None = 0) -> str:
        """What a command of it prints."""
        return run(self.artwork, *words, code=code, cwd=self.folder, env=NOT_COMPILED)

    def execute(self, program: str, env: Mapping[str, str] | None = None) -> str:
        """What a program prints that is run with it."""
        return run(self.python, "-P", "-c", program, cwd=self.folder, env=env)


def build(folder: Path) -> Path:
    """The wheel, from a copy of what belongs to it: an older build beside the sources would be packed as well."""
    copy = folder / "sources"
    for name in SOURCES:
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder / "dist",
        copy,
    )
    return next((folder / "dist").glob("*.whl"))


def pins(folder: Path, *, oldest: bool) -> Path:
    """The pinned versions as constraints; numpy and scipy the oldest that pyproject.toml allows, where that is asked for."""
    locked = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]*\])?==([^\s;]+)", locked, re.MULTILINE))
    if oldest:
        lowest = (re.match(r"(numpy|scipy)>=([0-9.]+)", text) for text in PROJECT["project"]["dependencies"])
        versions |= {match[1]: match[2] for match in lowest if match}
    path = folder / f"constraints-{'oldest' if oldest else 'pinned'}.txt"
    path.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8")
    return path


def expect(what: str, is_now: object, expected: object) -> None:
    """Compare.

    Raises:
        WrongError: with both values.
    """
    if is_now != expected:
        raise WrongError(f"{what}: expected {expected!r}, got {is_now!r}")


def has_its_own_alone(environment: Environment) -> None:
    """What pip installed fits together, and nothing of another extra came with it."""
    environment.pip("check")
    expect(f"of other extras in {environment.name}", OF_OTHERS[environment.name] & set(environment.installed()), set())


def refuses_the_others(environment: Environment) -> None:
    """One line each, exit code 2, which names the extra."""
    for command, extra in REFUSALS[environment.name].items():
        said = environment.call(*command.split(), code=2)
        expect(f"lines of `artwork {command}`", said.count("\n"), 1)
        expect(
            f"the end of `artwork {command}`",
            said.rpartition("; ")[2],
            f"run `pip install 'artwork-bandit[{extra}]'`\n",
        )


def runs_examples(environment: Environment) -> None:
    """The doctests of every module of the library, and one program with compiled kernels."""
    print(environment.execute(DOCTESTS, NOT_COMPILED), end="")
    if environment.name == OLDEST:  # the tests run compiled kernels on the pinned versions all the time
        expect("a draw", environment.execute(CONSUMER).startswith("drawn ["), True)


def shows_its_types(environment: Environment) -> None:
    """A program that uses the library passes mypy's strict mode against the installed wheel, and one that misuses it fails."""
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", environment.python)
    for name, program, code, expected in (
        ("consumer", CONSUMER, 0, "no issues"), ("wrong_consumer", WRONG_CONSUMER, 1, 'Argument "n_arms"')
    ):  # fmt: skip
        path = environment.folder / f"{name}.py"
        path.write_text(program, encoding="utf-8")
        said = run(*mypy, path, code=code, cwd=environment.folder)
        expect(f"mypy's words about {name} hold {expected} ({said})", expected in said, True)


def learns(environment: Environment) -> None:
    """Data is made and checked and a generation is trained, drawn and listed, with what the extra ``batch`` brings."""
    environment.call("data", "synthetic", "--users", "60", "--titles", "4", "--seed", "1")
    environment.call("run")
    expect(
        "generations",
        [item["generation"] for item in json.loads(environment.call("generations", "list", "--json"))],
        [1],
    )


def serves(environment: Environment, filled: Environment) -> None:
    """A look-up is answered personally, from the workspace that ``batch`` filled; the store is the embedded one."""
    workspace = filled.folder / "workspace"
    with service(environment, workspace) as address:
        targets = json.loads((workspace / "loadtest.json").read_bytes())
        pick = ask(f"{address}/v1/users/{targets['users'][0]}/titles/{targets['titles'][0]}/artwork")
        expect("source of a pick", pick["source"], "personalized")


def loads(environment: Environment, server: Environment, filled: Environment) -> None:
    """The load test runs from an environment without the service; how fast this machine is just now is not judged."""
    workspace = filled.folder / "workspace"
    with service(server, workspace) as address:
        flags = ("--host", address, "-w", str(workspace), "--rate", "200", "--users", "4", "--duration", "8s")
        environment.call("loadtest", *flags, code=None)
    report = json.loads((environment.folder / "reports" / "loadtest.json").read_bytes())
    for figures in report["figures"]["scenarios"]:
        expect(
            f"requests of {figures['name']}, and failures", (figures["requests"] > 0, figures["failures"]), (True, 0)
        )
    expect("the page", (environment.folder / "reports" / "loadtest.html").exists(), True)


@contextmanager
def service(environment: Environment, workspace: Path) -> Iterator[str]:
    """The address of a service that runs in an environment."""
    words = (environment.artwork, "serve", "--port", "0", "--json", "-w", workspace)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=environment.folder) as process:
        try:
            yield _address(process)
        finally:
            process.terminate()
            process.wait(STEP_SECONDS)


def _address(process: subprocess.Popen[str]) -> str:
    text = ""
    for line in process.stdout or ():
        text += line
        if line.startswith("}"):
            return str(json.loads(text)["url"])
    raise WrongError(f"`artwork serve` ended with {process.wait()}")


def ask(url: str) -> Mapping[str, Any]:
    """The JSON of an address."""
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        found: Mapping[str, Any] = json.load(answer)
        return found


def steps(made: Mapping[str, Environment]) -> Sequence[tuple[str, Callable[[], object]]]:
    """What is tried, in its order: the service answers from what the job filled."""
    batch, server, load, bare = made["batch"], made["service"], made["loadtest"], made[BARE]
    return [
        *((f"{name} has its own packages alone", lambda name=name: has_its_own_alone(made[name])) for name in OF_OTHERS),
        *((f"{name} says what the other commands need", lambda name=name: refuses_the_others(made[name])) for name in OF_OTHERS),
        ("the library runs its doctests", lambda: runs_examples(bare)),
        ("the library runs its doctests on the oldest numpy and scipy", lambda: runs_examples(made[OLDEST])),
        ("the library shows its types", lambda: shows_its_types(bare)),
        ("help of every command", lambda: [made[extra].call("--help") for extra in EXTRAS]),
        ("batch learns and publishes", lambda: learns(batch)),
        ("service answers", lambda: serves(server, batch)),
        ("loadtest loads it", lambda: loads(load, server, batch)),
    ]  # fmt: skip


def main() -> int:
    """Build, install, try; the exit code."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="artwork-extras-") as name:
        folder = Path(name)
        made = {extra: Environment(folder, extra) for extra in (BARE, OLDEST, *EXTRAS)}
        say(begun, "build the wheel, and install it in five environments")
        try:
            wheel = build(folder)
            pinned, oldest = pins(folder, oldest=False), pins(folder, oldest=True)
            made[BARE].make(wheel, pinned)
            with ThreadPoolExecutor(2) as pool:
                jobs = [pool.submit(made[extra].make, wheel, pinned, made[BARE]) for extra in EXTRAS]
                made[OLDEST].make(wheel, oldest)
                [job.result() for job in jobs]
        except WrongError as error:
            print(f"error: {error}", file=sys.stderr)
            return 3
        try:
            for step, holds in steps(made):
                say(begun, step)
                holds()
        except WrongError as error:
            print(f"error: step failed: {step}\n{error}", file=sys.stderr)
            return 1
        finally:
            stop_store(made["batch"])
    say(begun, "everything holds")
    return 0


def stop_store(environment: Environment) -> None:
    """Stop the embedded store of its workspace, if there is one."""
    if (environment.folder / "workspace").exists():
        environment.call("store", "stop")


def say(begun: float, what: str) -> None:
    """Print a step with the seconds so far."""
    print(f"{time.monotonic() - begun:4.0f} s  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
