"""The locust file: users who ask for pages and for single artworks, and check what they get.

    locust -f loadtest/users/scenarios.py --host http://127.0.0.1:8000 --targets workspace/loadtest.json --users 16

Importing locust makes the whole process cooperative (gevent), so nothing but locust itself imports this module.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any

import gevent
import locust.stats
from locust import FastHttpUser, events
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS

from loadtest.address import KEY_VARIABLE
from loadtest.answers import Checked, check_page, check_single
from loadtest.figures import Figures, Tally, fine_bucket, scenario_figures, slice_length, write_figures
from loadtest.targets import (
    SCENARIOS,
    Targets,
    asking_users,
    draw_page,
    draw_title,
    page_path,
    read_targets,
    single_path,
)

NAMES = ("single", "page")
NAP_SECONDS = 0.01


class Clock:
    """How long a run took, what the client itself used, and how late it was, which is part of every figure.

    It runs from ``start`` to ``stop``; setting users up and taking them down stay out of it.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = time.perf_counter()
        self.cpu_share = 0.0
        self._lags_ms: list[float] = []

    def start(self) -> None:
        """Begin, and start to watch how late this process wakes up."""
        self._started, self._cpu_started = time.perf_counter(), time.process_time()
        self._watch: Any = gevent.spawn(self._watch_lag)

    def stop(self) -> None:
        """End."""
        self._watch.kill()
        self.seconds = time.perf_counter() - self._started
        self.cpu_share = (time.process_time() - self._cpu_started) / self.seconds

    def since_start(self) -> float:
        """Seconds since the start; before it, since this was made."""
        return time.perf_counter() - self._started

    @property
    def lag_p99_ms(self) -> float:
        """How late naps ended, 99th percentile: so late may this client be in noticing an answer, too."""
        if len(self._lags_ms) < 2:  # too short a run to know
            return max(self._lags_ms, default=0.0)
        return quantiles(self._lags_ms, n=100, method="inclusive")[-1]

    def _watch_lag(self) -> None:
        while True:
            due = time.perf_counter() + NAP_SECONDS
            gevent.sleep(NAP_SECONDS)
            self._lags_ms.append((time.perf_counter() - due) * 1000)


@dataclass
class Load:
    """What the users of one run share; it hangs on locust's environment."""

    targets: Targets
    options: Any
    users: Iterator[str]
    tally: Tally = field(default_factory=Tally)
    numbers: Iterator[int] = field(default_factory=count)
    clock: Clock = field(default_factory=Clock)


class Viewer(FastHttpUser):  # type: ignore[misc]  # locust is not followed by the type checker
    """One connection that asks at random times, independent of the others."""

    network_timeout = connection_timeout = 10.0

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.load: Load = environment.load
        self.rng = Random(f"{self.load.options.seed}:{next(self.load.numbers)}")  # noqa: S311  no secret
        self.due = 0.0

    def on_start(self) -> None:
        """Open the connection, unmeasured, and fall out of step with the other users."""
        with suppress(*FAILURE_EXCEPTIONS):
            self.client.client.urlopen(f"{self.host}/readyz")
        self.due = time.perf_counter()
        gevent.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Seconds until the next request is due.

        Gaps are exponential and counted from when the last request was due, not from when it was answered: a slow
        answer delays its successors, but the schedule catches up, and users do not fall into step with each other.
        """
        self.due += self.rng.expovariate(self.load.options.rate / self.load.options.num_users)
        return max(0.0, self.due - time.perf_counter())

    def visit(self) -> None:
        """One look-up: a page, or a single artwork."""
        user_id = next(self.load.users)
        if self.rng.random() < self.load.options.page_share:
            self.page(user_id)
        else:
            self.single(user_id)

    tasks = [visit]  # noqa: RUF012  locust's way to name what a user does

    def single(self, user_id: str) -> None:
        """Look one title up."""
        title_id, known = draw_title(self.load.targets, self.rng), self.load.targets.known_titles
        url = single_path(user_id, title_id)
        self.ask("single", url, lambda status, body: check_single(status, body, user_id, title_id, known))

    def page(self, user_id: str) -> None:
        """Look a page of titles up."""
        known = self.load.targets.known_titles
        title_ids = draw_page(self.load.targets, self.rng, self.load.options.page_titles)
        url = page_path(user_id, title_ids)
        self.ask("page", url, lambda status, body: check_page(status, body, user_id, title_ids, known))

    def ask(self, name: str, url: str, check: Callable[[int, bytes], Checked]) -> None:
        """Ask, check and count the answer, and tell locust whether it was right."""
        with self.client.get(url, name=name, headers=authorization(), catch_response=True) as response:
            checked = check_response(response, check)
            self.load.tally.note(name, checked, url)
            if checked.fault is None:
                response.success()
            else:
                response.failure(checked.fault)


def authorization() -> dict[str, str]:
    """The header that carries the key, where one is given."""
    return {"Authorization": f"Bearer {os.environ[KEY_VARIABLE]}"} if os.environ.get(KEY_VARIABLE) else {}


def check_response(response: Any, check: Callable[[int, bytes], Checked]) -> Checked:
    """Check what came back; no answer at all, or one that breaks off, is a fault too."""
    if not response.status_code:
        return Checked(f"no answer: {type(response.error).__name__}")
    try:
        body = response.content or b""
    except FAILURE_EXCEPTIONS as error:
        return Checked(f"the answer broke off: {type(error).__name__}")
    return check(response.status_code, body)


def add_options(parser: Any) -> None:
    """Put the load test's options on locust's command line."""
    parser.add_argument("--targets", required=True, help="File of users and titles that a publish writes.")
    parser.add_argument("--figures", help="Write the figures to this file as JSON.")
    parser.add_argument("--rate", type=float, default=500.0, help="Requests per second of all users together.")
    parser.add_argument("--page-share", type=float, default=0.5, help="Share of look-ups that ask for a page.")
    parser.add_argument("--page-titles", type=int, default=40, help="Titles on a page.")
    parser.add_argument("--scenario", choices=SCENARIOS, default="mixed", help="Who asks.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of every draw.")


def set_up(environment: Any, **_: Any) -> None:
    """Read the targets and give locust's statistics their finer buckets."""
    options = environment.parsed_options
    targets, rng = read_targets(Path(options.targets)), Random(options.seed)  # noqa: S311  no secret
    tally = Tally(slice_length(float(options.run_time or 0)))
    load = environment.load = Load(targets, options, asking_users(targets, rng, options.scenario), tally)
    environment.events.spawning_complete.add_listener(lambda **_: load.clock.start())
    environment.events.test_stopping.add_listener(lambda **_: load.clock.stop())
    environment.events.request.add_listener(
        lambda name, response_time, **_: tally.took(name, load.clock.since_start(), response_time)
    )
    locust.stats.bucket_response_time = fine_bucket


def collect(environment: Any, **_: Any) -> None:
    """Write what was measured."""
    load: Load = environment.load
    figures = Figures(
        host=environment.host,
        users=load.options.num_users,
        asked_rate=load.options.rate,
        scenario=load.options.scenario,
        seconds=load.clock.seconds,
        client_cpu_share=load.clock.cpu_share,
        client_lag_p99_ms=load.clock.lag_p99_ms,
        scenarios=tuple(
            scenario_figures(name, environment.stats.get(name, "GET"), load.tally.slices(name)) for name in NAMES
        ),
        sources=dict(load.tally.sources),
        faults=load.tally.listed(),
    )
    if load.options.figures:
        write_figures(Path(load.options.figures), figures)


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(set_up)
events.test_stop.add_listener(collect)
