"""Values made from files are made once, and the last good ones stay while the files cannot be read."""

from pathlib import Path

import pytest

from artwork.web.kept import Kept, NotReadyError, stamps
from bandit.errors import InputError, SurroundingsError


class Source:
    """A value with a stamp, which can be broken, and how often it was made."""

    def __init__(self) -> None:
        self.stamp, self.value, self.made = 1, "first", 0
        self.error: Exception | None = None
        self.stamp_error: Exception | None = None
        self.kept = Kept(self._stamp, self._make)

    def _stamp(self) -> int:
        if self.stamp_error is not None:
            raise self.stamp_error
        return self.stamp

    def _make(self) -> str:
        self.made += 1
        if self.error is not None:
            raise self.error
        return self.value


def test_a_value_is_made_once_for_each_stamp() -> None:
    source = Source()
    assert [source.kept.get() for _ in range(3)] == ["first"] * 3
    source.stamp, source.value = 2, "second"
    assert [source.kept.get() for _ in range(3)] == ["second"] * 3
    assert source.made == 2


@pytest.mark.parametrize("error", [InputError("half a file"), SurroundingsError("the disk"), FileNotFoundError("gone")])
def test_a_value_that_cannot_be_made_leaves_the_last_good_one(error: Exception) -> None:
    source = Source()
    source.kept.get()
    source.stamp, source.error = 2, error
    assert source.kept.get() == "first"
    source.stamp, source.error, source.value = 3, None, "third"
    assert source.kept.get() == "third"


@pytest.mark.parametrize("error", [SurroundingsError("the disk"), FileNotFoundError("gone")])
def test_files_that_cannot_even_be_looked_at_leave_the_last_good_value(error: Exception) -> None:
    source = Source()
    source.stamp_error = error
    with pytest.raises(NotReadyError):
        source.kept.get()
    source.stamp_error = None
    assert source.kept.get() == "first"
    source.stamp_error = error
    assert source.kept.get() == "first"


def test_files_that_have_not_changed_are_not_tried_again_at_once() -> None:
    source = Source()
    source.error = InputError("half a file")
    for _ in range(5):
        with pytest.raises(NotReadyError, match="half a file"):
            source.kept.get()
    assert source.made == 1


def test_an_error_of_ours_is_not_hidden() -> None:
    source = Source()
    source.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        source.kept.get()


def test_a_stamp_changes_with_a_files_content_and_with_its_replacement(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    seen = [stamps([path])]
    path.write_text("1")
    seen.append(stamps([path]))
    path.write_text("12")
    seen.append(stamps([path]))
    other.write_text("21")
    other.replace(path)
    seen.append(stamps([path]))
    assert len(set(seen)) == 4
