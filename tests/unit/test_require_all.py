"""Where everything has to be there, nothing is skipped in silence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import require_all

MARKED = "import pytest\n@pytest.mark."
FIXTURE = "import pytest\n@pytest.fixture\ndef f():\n    "
FILES = {
    "mark": MARKED + "skip(reason='because')\ndef test_it(): pass",
    "condition": MARKED + "skipif(True, reason='because')\ndef test_it(): pass",
    "parameter": MARKED
    + "parametrize('x', [pytest.param(1, marks=pytest.mark.skip('because'))])\ndef test_it(x): pass",
    "body": "import pytest\ndef test_it(): pytest.skip('because')",
    "fixture": FIXTURE + "pytest.skip('because')\ndef test_it(f): pass",
    "teardown": FIXTURE + "yield\n    pytest.skip('because')\ndef test_it(f): pass",
    "library": "import pytest\npytest.importorskip('because_it_is_not_there')\ndef test_it(): pass",
    "module": "import pytest\npytest.skip('because', allow_module_level=True)\ndef test_it(): pass",
    "module_mark": "import pytest\npytestmark = pytest.mark.skip(reason='because')\ndef test_it(): pass",
    "unittest": "import unittest\nclass TestIt(unittest.TestCase):\n    @unittest.skip('because')\n    def test_it(self): pass",
    "doctest": "def f():\n    '''\n    >>> import pytest; pytest.skip('because')\n    '''",
}


def run(folder: Path, required: str) -> subprocess.CompletedProcess[str]:
    options = ["-p", "require_all", "-p", "no:cacheprovider", "--doctest-modules", "--rootdir", str(folder), "-rfEs"]
    options += ["--continue-on-collection-errors", "--import-mode=importlib"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), require_all.VARIABLE: required, "COLUMNS": "300"}
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("skips")
    for name, code in FILES.items():
        (made / f"test_{name}.py").write_text(code)
    return made


def test_a_skip_is_a_failure_that_names_the_test_and_its_reason_where_all_is_required(folder: Path) -> None:
    done = run(folder, "1")
    assert done.returncode == 1
    said = re.findall(
        r"^test_(\w+)\.py\S* was skipped, and ARTWORK_REQUIRE_ALL=1 lets .*because", done.stdout, re.MULTILINE
    )
    assert set(said) == set(FILES), done.stdout


def test_elsewhere_a_skip_is_a_skip(folder: Path) -> None:
    done = run(folder, "")
    assert done.returncode == 0, done.stdout
    assert re.search(rf"{len(FILES)} skipped", done.stdout), done.stdout


def test_a_failure_that_is_expected_is_no_skip(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(MARKED + "xfail(reason='because', strict=True)\ndef test_it(): assert False")
    assert run(tmp_path, "1").returncode == 0


def test_these_tests_themselves_are_under_that_rule(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.is_registered(require_all)
