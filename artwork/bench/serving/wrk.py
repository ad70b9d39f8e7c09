"""wrk: as many requests as are answered, on connections that are kept."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artwork.bench.serving.contenders import Asked
from artwork.bench.serving.driving import CONNECTIONS, ClosedRun
from artwork.bench.testbed.service_process import HOST
from bandit.errors import SurroundingsError
from loadtest.driver.latency import Latency

_SCRIPT: Final = """
local requests = {}
local at = 0
function init(args)
  for path in io.lines(args[1]) do requests[#requests + 1] = wrk.format("GET", path) end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local failed = summary.errors
  io.write(string.format("FOUND %d %d %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    failed.connect + failed.read + failed.write + failed.timeout + failed.status,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9), latency.max))
end
"""
_FOUND: Final = re.compile(r"^FOUND" + r" (\d+)" * 8, re.MULTILINE)
_GRACE_SECONDS: Final = 30


def is_installed() -> bool:
    """Whether there is a wrk."""
    return shutil.which("wrk") is not None


def version() -> str:
    """What wrk calls itself."""
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)  # noqa: S607 - found on the path
    match = re.search(r"wrk \S*?(\d[\w.+-]*)", said.stdout + said.stderr)
    return match[1] if match else "of unknown version"


def run(port: int, requests: Sequence[Asked], seconds: float) -> ClosedRun:
    """One run on one thread; wrk takes whole seconds.

    Raises:
        SurroundingsError: wrk fails.
    """
    with TemporaryDirectory() as folder:
        script, paths = Path(folder) / "cycle.lua", Path(folder) / "paths"
        script.write_text(_SCRIPT, encoding="utf-8")
        paths.write_text("".join(f"{asked.path}\n" for asked in requests), encoding="utf-8")
        whole = max(1, round(seconds))
        load = ["-t1", f"-c{CONNECTIONS}", f"-d{whole}s", "-s", str(script), f"http://{HOST}:{port}"]
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["wrk", *load, "--", str(paths)],  # noqa: S607 - found on the path
            capture_output=True,
            text=True,
            check=False,
            timeout=whole + _GRACE_SECONDS,
        )
    match = _FOUND.search(done.stdout)
    if done.returncode or match is None:
        raise SurroundingsError(f"wrk ended with code {done.returncode}: {(done.stderr or done.stdout)[-500:].strip()}")
    answered, microseconds, failed, *latencies = (int(number) for number in match.groups())
    return ClosedRun(
        answered / microseconds * 1e6, failed, Latency(answered, *(latency / 1000 for latency in latencies))
    )
