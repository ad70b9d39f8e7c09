"""What is said of nodes of a cluster that would not compute the same, from plain records of what they said of themselves."""

from dataclasses import replace
from pathlib import Path

import pytest

from bandit.errors import InputError, SurroundingsError
from batch.executors import open_executor
from batch.executors.nodes import LIBRARIES, NodeFacts, facts_of, judge, meeting

HERE = NodeFacts("here", "3.11", "c" * 32, tuple((name, "1.0") for name in LIBRARIES), "EPYC 7763")
ALIKE = replace(HERE, node="10.0.0.7 (ab12)")


def without(library: str) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in HERE.libraries if pair[0] != library)


UNFIT = {
    "another Python": (replace(ALIKE, python="3.12"), "Python 3.12, expected 3.11"),
    "other sources": (replace(ALIKE, code="d" * 32), "dddddddddddd, expected cccccccccccc"),
    "the workspace is not there": (
        replace(ALIKE, trouble="/w/.nodes-1 cannot be used there (No such file or directory)"),
        "/w/.nodes-1 cannot be used there (No such file or directory); the workspace has to lie on a file system that all",
    ),
} | {
    f"{how} {name}": (replace(ALIKE, libraries=libraries), f"has {name} {found}, expected 1.0")
    for name in LIBRARIES
    for how, found, libraries in (
        ("another", "1.0.1", (*without(name), (name, "1.0.1"))),
        ("no", "none", without(name)),
    )
}


def test_nodes_that_are_alike_are_taken_without_a_word() -> None:
    assert judge(HERE, [ALIKE, replace(ALIKE, node="10.0.0.8 (cd34)")]) == []


@pytest.mark.parametrize(("facts", "said"), UNFIT.values(), ids=UNFIT)
def test_a_node_that_does_not_fit_is_named_with_what_was_found_and_expected(facts: NodeFacts, said: str) -> None:
    with pytest.raises(SurroundingsError) as refused:
        judge(HERE, [ALIKE, replace(facts, node="10.0.0.9 (ef56)")])
    assert str(refused.value).startswith("node 10.0.0.9 (ef56) does not fit: ")
    assert said in str(refused.value)


def test_of_many_that_do_not_fit_one_is_told_and_the_others_are_counted() -> None:
    wrong = [replace(ALIKE, node=f"10.0.0.{number}", python="3.13") for number in range(7)]
    with pytest.raises(SurroundingsError, match=r"^node 10\.0\.0\.0 does.*; 6 more of the 8 nodes do not fit either$"):
        judge(HERE, [ALIKE, *wrong])


def test_another_processor_is_warned_of_once_per_model_and_is_taken() -> None:
    others = [replace(ALIKE, node=f"n{number}", processor="Xeon 8375C") for number in range(5)]
    warnings = judge(HERE, [ALIKE, *others, replace(ALIKE, node="m", processor="Graviton")])
    assert [text.partition(":")[0] for text in warnings] == [
        "n0, n1, n2 and 2 more nodes have the processor Xeon 8375C, this machine has EPYC 7763",
        "m have the processor Graviton, this machine has EPYC 7763",
    ]


def test_what_is_said_of_this_environment_is_the_same_each_time_and_fits_itself() -> None:
    assert judge(facts_of("a"), [facts_of("b")]) == []
    assert all(version != "none" for _, version in facts_of("a").libraries)


def test_a_node_that_sees_the_workspace_is_seen_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with meeting(tmp_path) as place:
        assert not place.has_been("ab12")
        assert place.visit("ab12") == ""
        assert place.has_been("ab12")
    assert list(tmp_path.iterdir()) == []


def test_a_node_with_another_folder_under_the_same_path_has_trouble(tmp_path: Path) -> None:
    with meeting(tmp_path) as place:
        assert "cannot be used there (No such file or directory)" in replace(place, folder=tmp_path / "gone").visit(
            "ab12"
        )
        assert "expected 'another'" in replace(place, nonce="another").visit("ab12")
        assert not place.has_been("ab12")


def test_what_a_killed_job_left_is_removed_and_what_a_living_one_uses_stays(tmp_path: Path) -> None:
    left = tmp_path / ".nodes-00"
    left.mkdir()
    (left / "driver").write_text("nonce")
    with meeting(tmp_path) as living, meeting(tmp_path) as second:
        assert not left.exists()
        assert {path.name for path in tmp_path.iterdir()} == {living.folder.name, second.folder.name}


def test_a_workspace_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(SurroundingsError, match=r"cannot write .*gone/\.nodes-"), meeting(tmp_path / "gone"):
        pass


@pytest.mark.parametrize(
    "address",
    [
        "", "here", "10.0.0.7", "10.0.0.7:", ":6379", "10.0.0.7:0", "10.0.0.7:65536", "ray://10.0.0.7:10001", "a b:1", "[::1]",
        "host:1:2", "host:-1", "host:1\n",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_before_anything_starts(address: str, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"is none of a Ray cluster; expected auto, local, or HOST:PORT"),
        open_executor("ray", workspace=tmp_path, address=address),
    ):
        pass


def test_an_address_without_ray_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="--address auto is that of a Ray cluster, and the executor is serial"),
        open_executor("serial", workspace=tmp_path, address="auto"),
    ):
        pass


def test_ray_without_a_workspace_is_refused() -> None:
    with pytest.raises(InputError, match="runs the stages of a job in a workspace alone"), open_executor("ray"):
        pass


def test_ray_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="gone is not a folder; expected a workspace"),
        open_executor("ray", workspace=tmp_path / "gone"),
    ):
        pass
