"""What tests in a real browser share: a browser, a demo that is watched, and pages that note what went wrong in them.

Without Playwright or a browser these tests are skipped, and the skip says what is missing.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browsing import Demo, VisitMaker, browser_path, running_demo


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them need a browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, or the one that ``playwright install chromium`` has put in its place."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: make browser installs it"
    )
    with sync_api.sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        path = browser_path() or (str(own) if own.is_file() else None)
        if path is None:
            pytest.skip("no Chromium: apt-get install chromium, or .venv/bin/playwright install chromium")
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of 100 people and 24 titles that is watched, for all tests; each leaves it as it found it."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def visit(browser: Any, demo: Demo) -> Iterator[VisitMaker]:
    """Opens pages of the demo; at the end nothing may have gone wrong in them, and nothing may have been asked elsewhere."""
    with ExitStack() as stack:
        yield VisitMaker(browser, demo, stack)
