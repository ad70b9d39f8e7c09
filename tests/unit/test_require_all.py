"""Where everything has to be there, nothing is skipped in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import require_all

SKIPS = {
    "a mark": "import pytest\n@pytest.mark.skip(reason='because')\ndef test_it(): pass",
    "a condition": "import pytest\n@pytest.mark.skipif(True, reason='because')\ndef test_it(): pass",
    "a parameter": "import pytest\n@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.skip(reason='because'))])\n"
    "def test_it(x): pass",
    "in a test": "import pytest\ndef test_it(): pytest.skip('because')",
    "in a fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('because')\ndef test_it(f): pass",
    "in a teardown": "import pytest\n@pytest.fixture\ndef f():\n    yield\n    pytest.skip('because')\ndef test_it(f): pass",
    "a library": "import pytest\npytest.importorskip('because_it_is_not_there')\ndef test_it(): pass",
    "a module": "import pytest\npytest.skip('because', allow_module_level=True)\ndef test_it(): pass",
    "a module's mark": "import pytest\npytestmark = pytest.mark.skip(reason='because')\ndef test_it(): pass",
    "unittest": "import unittest\nclass TestIt(unittest.TestCase):\n    @unittest.skip('because')\n    def test_it(self): pass",
    "a doctest": "import unittest\ndef f():\n    '''\n    >>> raise unittest.SkipTest('because')\n    '''\ndef test_it(): f()",
}


def exit_code(folder: Path, code: str, required: str) -> tuple[int, str]:
    (folder / "test_it.py").write_text(code)
    options = ["-p", "require_all", "-p", "no:cacheprovider", "--doctest-modules", "--rootdir", str(folder)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), require_all.VARIABLE: required}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_it.py"],
        cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("code", SKIPS.values(), ids=SKIPS)
def test_a_skip_is_a_failure_that_names_the_test_and_its_reason_where_all_is_required(
    tmp_path: Path, code: str
) -> None:
    returned, said = exit_code(tmp_path, code, "1")
    assert returned in (1, 2)
    assert "test_it.py" in said
    assert "was skipped, and ARTWORK_REQUIRE_ALL=1 lets no test be skipped" in said
    assert "because" in said


@pytest.mark.parametrize("code", SKIPS.values(), ids=SKIPS)
def test_elsewhere_a_skip_is_a_skip(tmp_path: Path, code: str) -> None:
    returned, said = exit_code(tmp_path, code, "")
    assert returned in (0, 5)
    assert "skipped" in said


def test_a_failure_that_is_expected_is_no_skip(tmp_path: Path) -> None:
    code = "import pytest\n@pytest.mark.xfail(reason='because', strict=True)\ndef test_it(): assert False"
    assert exit_code(tmp_path, code, "1")[0] == 0


def test_these_tests_themselves_are_under_that_rule(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.is_registered(require_all)
