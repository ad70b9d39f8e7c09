"""``artwork serve`` as a process with its workers, and connections of the plainest kind to it."""

import json
import re
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from prometheus_client.parser import text_string_to_metric_families
from shell import artwork_started

HANG_SECONDS = 30.0
NO_STORE = "redis://127.0.0.1:1/0"
"""Nothing listens on port 1: look-ups are answered 503, which is an answer."""


def until(what: Callable[[], bool], hope: str) -> None:
    """Ask until it is so."""
    give_up = time.monotonic() + HANG_SECONDS
    while not what():
        assert time.monotonic() < give_up, f"it never came to be: {hope}"
        time.sleep(0.01)


@dataclass(frozen=True)
class WorkerProcesses:
    """A running service."""

    process: subprocess.Popen[str]
    port: int

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def connections(self) -> Counter[int]:
        """How many connections each worker has, by its process id."""
        table = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        ours = {row[9] for row in table if row[1].endswith(f":{self.port:04X}") and row[3] == "01"}  # 01: established
        found: Counter[int] = Counter()
        for pid in self.workers():
            links = (str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir())
            found[pid] = sum(match[1] in ours for link in links if (match := re.match(r"socket:\[(\d+)\]", link)))
        return found


@contextmanager
def serving(workers: int, *words: str) -> Iterator[WorkerProcesses]:
    """``artwork serve`` on a free port, ready; stopped at the end of the block, if it still runs."""
    command = ["serve", "--port", "0", "--workers", str(workers), "--json", *words]
    with artwork_started(*command, ARTWORK_REDIS_URL=NO_STORE) as process:
        try:
            assert process.stdout is not None
            text = "".join(iter(process.stdout.readline, "}\n"))
            assert text, f"the service ended with {process.wait()}"
            yield WorkerProcesses(process, int(json.loads(text + "}")["url"].rpartition(":")[2]))
        finally:
            process.terminate()
            process.communicate(timeout=HANG_SECONDS)


@dataclass(frozen=True)
class Answer:
    """An answer as it was read."""

    status: int
    closes: bool
    body: bytes


class Client:
    """One connection that keeps to what the server announces."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, *paths: str) -> None:
        """Ask, all at once, and do not wait."""
        self.socket.sendall("".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths).encode())

    def answer(self) -> Answer | None:
        """The next answer, or None where the connection ended instead."""
        try:
            head = b"".join(iter(self._file.readline, b"\r\n")) if self._file.peek(1) else b""
        except ConnectionResetError:
            return None
        if not head:
            return None
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length is not None, head
        body = self._file.read(int(length[1]))
        return Answer(int(head.split()[1]), b"connection: close" in head.lower(), body)

    def get(self, path: str) -> Answer | None:
        """Ask and wait."""
        self.send(path)
        return self.answer()

    def closed(self) -> bool:
        """Whether the server has closed it, as far as is known here."""
        self.socket.setblocking(False)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        finally:
            self.socket.settimeout(HANG_SECONDS)

    def total(self, name: str, **labels: str) -> float:
        """A metric, summed over the labels that are not named."""
        scraped = self.get("/metrics")
        assert scraped is not None
        families = text_string_to_metric_families(scraped.body.decode())
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())
