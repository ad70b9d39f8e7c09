"""A pytest plugin: with ARTWORK_REQUIRE_ALL=1, as in CI, a test that is skipped has failed.

A skip is for a machine that lacks something. Where everything is installed, a skip means that something is proved no more.
"""

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

VARIABLE = "ARTWORK_REQUIRE_ALL"

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test, a doctest, or a fixture that it needs."""
    return _failed_if_skipped((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module: all of its tests are skipped, and none of them is ever heard of."""
    return _failed_if_skipped((yield))


def _failed_if_skipped(report: Report) -> Report:
    # pytest calls a test that was expected to fail, and did, skipped as well.
    if os.environ.get(VARIABLE) == "1" and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and {VARIABLE}=1 lets no test be skipped. {reason}"
    return report
