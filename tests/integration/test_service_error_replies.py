"""A store that answers with errors, answers what nobody asked, or hangs up: a line with its reason, and nothing worse."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop
from failing_store import failing_store
from samples import sample
from structlog.testing import capture_logs

from service.app import create_app
from service.http.state import Service
from service.lookup.row_reads import UNREAD, JoinedRows, read_row
from service.metrics.exposition import exposition
from service.metrics.health import Health
from service.metrics.metrics import Metrics
from service.settings import Settings

HANG_SECONDS = 20.0
COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n")


@dataclass(frozen=True)
class Script:
    """What a server does that is no store."""

    greeting: bytes = b""
    reply: bytes = b""
    hangs_up: bool = False


SCRIPTS = {
    "protected mode": Script(greeting=b"-DENIED Redis is running in protected mode\r\n", hangs_up=True),
    "two greetings": Script(greeting=b"-DENIED a\r\n-DENIED b\r\n", reply=b"-DENIED c\r\n"),
    "hangs up": Script(hangs_up=True),
    "replies twice": Script(reply=b"+PONG\r\n+PONG\r\n"),
    "replies twice with errors": Script(reply=b"-ERR a\r\n-ERR b\r\n"),
    "replies and hangs up": Script(reply=b"-ERR max number of clients reached\r\n", hangs_up=True),
    "no protocol of a store": Script(reply=b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "an error without a word": Script(reply=b"-\r\n"),
    "an address that is none": Script(reply=b"-MOVED somewhere else\r\n"),
    **{
        error: Script(reply=b"-%b for a reason\r\n" % error.encode())
        for error in (
            *("ERR", "NOAUTH", "WRONGPASS", "NOPERM", "LOADING", "OOM", "MISCONF", "BUSY", "MASTERDOWN", "READONLY"),
            *("CLUSTERDOWN", "TRYAGAIN", "ASK", "EXECABORT", "NOSCRIPT", "UNBLOCKED", "NOREPLICAS", "NOPROTO"),
        )
    },
}


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[str]:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(script.greeting)
        while script.reply and (data := await reader.read(1 << 16)):
            writer.write(script.reply * len(COMMAND.findall(data)))
            if script.hangs_up:
                break
        if not script.hangs_up:
            await reader.read()
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        async with await asyncio.start_unix_server(server, f"{folder}/s"):
            yield f"unix://{folder}/s"


async def logged(script: Script) -> list[Any]:
    """What the service logs of some polls and reads, all of which fail."""
    with capture_logs() as lines:
        async with scripted(script) as url:
            app = create_app(Settings(redis_url=url, poll_seconds=0.01, store_deadline_ms=50))
            async with app.router.lifespan_context(app) as state:
                service: Service = dict(state or {})["service"]
                async with asyncio.timeout(HANG_SECONDS):
                    while (sample(exposition(service.metrics.blocks), "artwork_polls_total") or 0) < 10:
                        await asyncio.sleep(0.005)
                assert service.poller.serving is None
                assert service.health.degraded() != []
    return lines


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_whatever_a_store_answers_instead_is_a_line_without_a_traceback(script: Script) -> None:
    lines = uvloop.run(logged(script))
    assert [line for line in lines if "exc_info" in line or line.get("reason") == "unexpected"] == []
    told = [line for line in lines if line["event"] in ("store_unreachable", "generation_refused")]
    assert 1 <= len(told) <= 3
    assert all(line["error"] for line in told)


REFUSALS = {
    "NOPERM": b"-NOPERM this user may not\r\n",
    "BUSY": b"-BUSY running a script\r\n",
    "MASTERDOWN": b"-MASTERDOWN link is down\r\n",
    "MOVED": b"-MOVED nowhere\r\n",
    "without a word": b"-\r\n",
    "no rows": b"+OK\r\n",
    "too few rows": b"*0\r\n",
}


async def refused(url: str, reads: int) -> list[Any]:
    """What is logged of some reads of rows, none of which gets any."""
    health, metrics = Health(), Metrics()
    with capture_logs() as lines:
        rows = JoinedRows(url, deadline_ms=5000, metrics=metrics, health=health)
        await rows.wait_ready(HANG_SECONDS)
        for _ in range(reads):
            assert await read_row(rows, b"art:g:1:u:{ann}") is UNREAD
        await rows.close()
    assert health.degraded() != []
    assert (sample(exposition(metrics.blocks), "artwork_store_read_errors_total", reason="reply") or 0) > 0
    return lines


@pytest.mark.parametrize("reply", REFUSALS.values(), ids=REFUSALS)
def test_a_store_that_refuses_rows_alone_is_one_line_with_its_reason(store: str, reply: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        real, own = Path(store.removeprefix("unix://")), Path(folder) / "p"
        with failing_store(real, own, lambda _, command: reply if command[0] == b"MGET" else None) as url:
            lines = uvloop.run(refused(url, 20))
    assert [line["event"] for line in lines] == ["store_refused_rows"]
    reason = reply[1:].decode().strip() if reply.startswith(b"-") else "expected as many rows as keys"
    assert (reason or "an error without a word") in lines[0]["error"]
    assert "exc_info" not in lines[0]
