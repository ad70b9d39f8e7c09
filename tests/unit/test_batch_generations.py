"""Generations on disk: numbers of one's own, manifests, and messages that say which generations there are."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import pytest

from bandit.errors import InputError
from batch.config import Config, Variant
from batch.executors import open_executor
from batch.workspace.generations import (
    Manifest,
    claim,
    claimed,
    finished,
    folder_of,
    read_manifest,
    resolve,
    verified_file,
    verify_files,
    write_manifest,
)
from batch.workspace.workspace import Workspace

DIGEST = "0123456789abcdef" * 2
FILES = {"posterior/beta.npz": DIGEST, "catalogue.parquet": DIGEST, "contexts/part-000000.parquet": DIGEST}
COUNTS = {"users": 600, "titles": 12, "artworks": 120, "picks": 7200, "rows": 600}


def write_stage(workspace: Workspace, stage: Literal["trained", "precomputed"]) -> int:
    generation = claim(workspace)
    manifest = Manifest.new(generation, None, Config())
    write_manifest(workspace, replace(manifest, stage=stage, counts=COUNTS, checksums=FILES))
    return generation


def test_numbers_count_up_from_one(tmp_path: Path) -> None:
    assert [claim(Workspace(tmp_path)) for _ in range(3)] == [1, 2, 3]


def test_a_number_is_never_given_twice_even_when_earlier_folders_are_gone(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for _ in range(3):
        claim(workspace)
    folder_of(workspace, 1).rmdir()
    assert claim(workspace) == 4


def test_processes_that_claim_at_once_get_different_numbers(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with open_executor("processes", workers=2) as executor:
        numbers = list(executor.map(claim, [workspace] * 200))
    assert sorted(numbers) == claimed(workspace) == list(range(1, 201))


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    generation = claim(workspace)
    config = Config.of("epsilon_greedy:epsilon=0.05", seed=11, floor=0.01)
    manifest = Manifest.new(generation, 4, config)
    written = replace(manifest, rows={"2026-01-01": 7}, counts=COUNTS, checksums=FILES, stage="trained")
    write_manifest(workspace, written)
    assert read_manifest(workspace, generation) == written
    assert read_manifest(workspace, generation).digest == written.digest


def test_manifests_that_differ_have_different_digests() -> None:
    manifest = Manifest.new(1, None, Config())
    assert replace(manifest, config=Config(seed=1)).digest != manifest.digest


def test_the_newest_generation_that_reached_a_stage_is_taken(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_stage(workspace, "precomputed")
    write_stage(workspace, "trained")
    claim(workspace)
    assert resolve(workspace, None, "precomputed") == 1
    assert resolve(workspace, None, "trained") == 2
    assert finished(workspace, "claimed") == finished(workspace, "trained") == [1, 2]


def test_a_workspace_without_generations_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"generations has no trained generation; run `artwork train` first"):
        resolve(Workspace(tmp_path), None, "trained")


def test_a_generation_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_stage(workspace, "precomputed")
    write_stage(workspace, "precomputed")
    with pytest.raises(
        InputError, match=r"generation 7 is not precomputed in .*; precomputed are 1, 2; run `artwork pre"
    ):
        resolve(workspace, 7, "precomputed")


def test_a_generation_that_is_only_trained_cannot_be_published(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    generation = write_stage(workspace, "trained")
    with pytest.raises(InputError, match=r"generation 1 is not precomputed in .*; precomputed are none"):
        resolve(workspace, generation, "precomputed")


def test_the_manifest_of_a_number_that_was_only_claimed_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    claim(workspace)
    with pytest.raises(InputError, match=r"generation 1 is not in .*; there are 1; see `artwork generations list`"):
        read_manifest(workspace, 1)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{}", b"null", b'{"generation": 1', b"\xff", b"{}{}", b"[" * 100_000, b"\0" * 1000),
        '{"generation": 1}'.encode("utf-16"),
    ],
)
def test_a_manifest_that_is_none_is_refused_with_its_path(content: bytes, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "trained")) / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"manifest\.json is not a manifest .*; mend it, or remove the folder"
    ) as caught:
        read_manifest(workspace, 1)
    assert "\n" not in str(caught.value)


def test_a_folder_a_pipe_or_a_dead_link_in_the_place_of_a_manifest_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    kinds: list[Callable[[Path], object]] = [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")]
    for place, make in enumerate(kinds, 1):
        path = folder_of(workspace, write_stage(workspace, "trained")) / "manifest.json"
        path.unlink()
        make(path)
        with pytest.raises(InputError, match=r"manifest\.json is not a manifest \(it cannot be read"):
            read_manifest(workspace, place)


NAMES = [
    *(
        "picks/../../../../outside.parquet",
        "../outside.parquet",
        "/etc/passwd",
        "picks//a",
        "picks/./a",
        "./a",
        ".",
        "..",
        "",
    ),
    *(
        "picks/",
        "picks/..",
        "picks\\..\\a",
        "C:\\a",
        "picks/a\0.parquet",
        "picks/a\nb",
        "picks/é",
        "a b",
        "~/a",
        ".hidden",
    ),
    *("picks/.a", "a" * 256, "file:///etc/passwd", "picks/%2e%2e/a", "picks/a\n", "*"),
]


def each(
    member: str, values: Iterable[Any], inside: Callable[[Any], Any] = lambda value: value
) -> list[tuple[str, Any]]:
    return [(member, inside(value)) for value in values]


WRONG_MEMBERS = [
    *each("checksums", NAMES, lambda name: FILES | {name: DIGEST}),
    *each(
        "checksums", ("", "x", DIGEST.upper(), DIGEST + "\n", 1, None, []), lambda value: {**FILES, "picks/a": value}
    ),
    *each("checksums", ([], "a", 1, {})),
    *each("generation", ("1", 1.0, True, 0, -1, 2, 2**32, 2**70, [1])),
    *each("parent", ("1", 1.5, True, 0, -1, 2**32)),
    *each("counts", (-1, 1.0, "600", None, True, 2**64, []), lambda value: {**COUNTS, "users": value}),
    *each("counts", ({}, [], "a", {"users": 600})),
    *each("rows", ("", "today", "2026-1-1", "../2026-01-01", "2026-01-01\n"), lambda day: {day: 1}),
    *each("rows", (-1, 0.5, "1", None, True), lambda value: {"2026-01-01": value}),
    *each("stage", ("done", "", 1, None, [])),
    *each("created_at", ("", "a\nb", "x" * 257, 1, None)),
    *each("code_version", ("", "é", 1)),
    *each("config", (None, [], "thompson", {"magic": 1}, {"policy": "magic"}, {"policy": 1})),
    *each("config", (-1, 1.0, "1", True, 2**64, None), lambda value: {"seed": value}),
    *each("config", (-0.1, 0.6, "0.1", True, None, 10**400), lambda value: {"floor": value}),
    ("format", 99),
]


@pytest.mark.parametrize(("member", "value"), WRONG_MEMBERS)
def test_a_manifest_with_a_member_of_another_type_or_range_is_refused_with_file_and_field(
    member: str, value: Any, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "precomputed")) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {member: value}))
    with pytest.raises(InputError, match=rf"{path} is not a manifest \({member}") as caught:
        read_manifest(workspace, 1)
    assert "\n" not in str(caught.value)
    assert finished(workspace, "claimed") == []


@pytest.mark.parametrize("member", ["generation", "parent", "created_at", "code_version", "config"])
def test_a_manifest_that_lacks_a_member_is_refused_with_its_name(member: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "precomputed")) / "manifest.json"
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != member}))
    with pytest.raises(InputError, match=rf"is not a manifest \({member}: "):
        read_manifest(workspace, 1)


@pytest.mark.parametrize("member", ["catalogue.parquet", "contexts/part-000000.parquet"])
def test_a_manifest_without_the_checksum_of_what_is_read_is_refused(member: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "trained")) / "manifest.json"
    checksums = {name: digest for name, digest in FILES.items() if name != member}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"checksums": checksums}))
    with pytest.raises(InputError, match=rf"checksums: a generation that is trained has one of {member}"):
        read_manifest(workspace, 1)


@pytest.mark.parametrize("name", ["1\N{SUPERSCRIPT TWO}", "9" * 200, "000000", "4294967296"])
def test_a_folder_whose_name_is_no_number_of_a_generation_is_none(name: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    claim(workspace)
    (workspace.generations / name).mkdir()
    assert claimed(workspace) == [1]
    assert claim(workspace) == 2


def made_with(*policies: str, generation: int = 1, files: dict[str, str] = FILES, **settings: Any) -> Manifest:
    return Manifest(generation, None, "now", "1", Config.of(*policies, **settings), checksums=files)


def made_of(*variants: Variant) -> Manifest:
    return replace(made_with(), config=Config(variants))


OTHERS = [
    made_with(generation=2),
    made_with(seed=1),
    made_with("greedy"),
    made_with(floor=0.03),
    made_with(explore_share=0.1),
    made_with("thompson", "greedy"),
    made_with("thompson", "greedy", share=0.2),
    made_with("thompson", "greedy", "softmax"),
    made_with("thompson", "greedy", salt="s"),
    made_with(salt="s"),
    made_of(Variant("a")),
    made_of(Variant("b")),
    made_of(Variant("a"), Variant("b", posterior="shared")),
    made_of(Variant("a"), Variant("b", reward="click")),
    made_of(Variant("a"), Variant("b", floor=0.03)),
    made_of(Variant("a"), Variant("b", new_floor=0.03)),
    made_of(Variant("a"), Variant("b")),
    made_of(Variant("b"), Variant("a")),
    made_of(Variant("a"), Variant("b", share=0.4)),
    made_with(files=FILES | {"posterior/beta.npz": "f" * 32}),
    made_with(files=FILES | {"catalogue.parquet": "f" * 32}),
    made_with(files=FILES | {"contexts/part-000000.parquet": "f" * 32}),
    made_with(files=FILES | {"candidates.parquet": DIGEST}),
]


def test_generations_whose_picks_may_differ_have_different_identities_and_digests() -> None:
    everyone = [made_with(), *OTHERS]
    assert len({made.identity for made in everyone}) == len({made.digest for made in everyone}) == len(everyone)


def test_times_versions_parents_and_the_picks_themselves_are_not_in_the_identity() -> None:
    one = made_with()
    other = replace(
        one, parent=7, created_at="then", code_version="2", rows={"2026-01-01": 1}, counts=COUNTS, stage="precomputed",
        checksums=FILES | {"picks/part-000000.parquet": DIGEST},
    )  # fmt: skip
    assert other.identity == one.identity
    assert other.digest != one.digest


def test_the_identity_of_a_known_generation_never_changes() -> None:
    assert (
        made_with("thompson", "greedy", generation=17, seed=7, floor=0.03).identity
        == "3c79e7a10d64693aa516bf58979eaedb"
    )


def test_a_number_that_is_written_as_whole_or_not_is_one_identity() -> None:
    assert made_with(floor=0, retention=1).identity == made_with(floor=0.0, retention=1.0).identity


def as_before(path: Path, **settings: object) -> None:
    """Write a manifest's settings as they were written before there were variants."""
    path.write_text(json.dumps(json.loads(path.read_text()) | {"config": settings}))


SINCE: list[tuple[dict[str, object], Config]] = [
    ({}, Config()),
    (
        {"policy": "greedy", "posterior": "beta", "seed": 3, "floor": 0.1},
        Config.of("greedy", posterior="beta", seed=3, floor=0.1),
    ),
    ({"floor": 0, "reward": "take"}, Config.of(floor=0.0)),
    (
        {"reward": "click", "retention": 0.5, "explore_share": 0.1},
        Config.of(reward="click", retention=0.5, explore_share=0.1),
    ),
    ({"other_policy": "", "other_share": 0.5}, Config()),
    ({"other_policy": "greedy"}, Config.of("thompson", "greedy")),
    ({"other_policy": "greedy", "other_share": 0.3}, Config.of("thompson", "greedy", share=0.3)),
    (
        {"policy": "softmax:temperature=0.1", "other_policy": "softmax", "posterior": "shared"},
        Config.of("softmax:temperature=0.1", "softmax", posterior="shared"),
    ),
]


@pytest.mark.parametrize(("settings", "config"), SINCE)
def test_a_manifest_of_before_there_were_variants_is_read_as_them_with_its_identity(
    settings: dict[str, object], config: Config, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "precomputed")) / "manifest.json"
    as_before(path, **settings)
    content = path.read_bytes()
    manifest = read_manifest(workspace, 1)
    assert manifest.config == config
    write_manifest(workspace, replace(manifest, config=config))
    assert json.loads(path.read_text())["config"].keys() >= {"variants", "salt"}
    again = read_manifest(workspace, 1)
    assert (again.identity, again.digest) == (manifest.identity, manifest.digest)
    assert path.read_bytes() != content


def link_the_folder(path: Path, outside: Path) -> None:
    path.parent.rmdir()
    path.parent.symlink_to(outside.parent)


OUTSIDE: dict[str, Callable[[Path, Path], object]] = {
    "a link": lambda path, outside: path.symlink_to(outside),
    "a linked folder": link_the_folder,
    "a link in a circle": lambda path, _: path.symlink_to(path),
    "a folder": lambda path, _: path.mkdir(),
    "a pipe": lambda path, _: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_file_that_lies_elsewhere_is_refused_though_its_bytes_are_right(kind: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    folder = folder_of(workspace, claim(workspace))
    (folder / "picks").mkdir()
    (tmp_path / "part.parquet").write_bytes(b"as it was")
    digest = blake2b(b"as it was", digest_size=16).hexdigest()
    OUTSIDE[kind](folder / "picks" / "part.parquet", tmp_path / "part.parquet")
    manifest = replace(Manifest.new(1, None, Config()), checksums={"picks/part.parquet": digest})
    for read in (
        lambda: verify_files(workspace, manifest),
        lambda: verified_file(workspace, manifest, *manifest.checksums),
    ):
        with pytest.raises(InputError, match=r"part\.parquet is missing or differs from its checksum"):
            read()


def test_a_link_inside_the_folder_and_a_workspace_behind_a_link_are_as_good_as_files(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").symlink_to("there")
    workspace = Workspace(tmp_path / "here")
    folder = folder_of(workspace, claim(workspace))
    (folder / "one.parquet").write_bytes(b"as it was")
    (folder / "two.parquet").symlink_to("one.parquet")
    paths = [folder / "one.parquet", folder / "two.parquet"]
    verify_files(workspace, Manifest.new(1, None, Config()).with_files(folder, paths, stage="trained"))


def test_the_digest_of_a_manifest_of_before_is_what_the_store_knows(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "trained")) / "manifest.json"
    for two in ({}, {"other_policy": "greedy", "other_share": 0.4}):
        as_before(
            path, policy="thompson", posterior="linear", seed=0, floor=0.02, new_floor=0.05, new_arm_impressions=100,
            retention=1.0, reward="take:engaged_fraction=0.7", explore_share=0.0, **two,
        )  # fmt: skip
        then = blake2b(json.dumps(json.loads(path.read_text()), sort_keys=True).encode(), digest_size=16).hexdigest()
        assert read_manifest(workspace, 1).digest == then


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (5, "config: Input should be an object"),
        ("variants", "config: Input should be an object"),
        ({"policy": 3}, "config.policy: "),
        ({"policy": "magic"}, "config: .*no policy 'magic'"),
        ({"other_policy": None}, "config.other_policy: "),
        ({"other_policy": "thompson"}, "config: .*are the same"),
        ({"other_policy": "greedy", "other_share": 1.0}, "config: .*leave nothing"),
        ({"colour": 1}, "config.colour: "),
        ({"variants": []}, "config: .*there are 0 variants, expected 1 to 255"),
        ({"variants": {}}, "config.variants: "),
        ({"variants": [], "policy": "thompson"}, "config.policy: "),
        ({"variants": [{"name": "a", "colour": 1}]}, "config.variants.0.colour: "),
        ({"variants": [{"name": "a", "share": 0}, {"name": "b"}]}, "config.variants.0: .*share of variant .* is 0"),
        ({"variants": [{"name": "a", "share": True}]}, "config.variants.0.share: "),
        ({"variants": [{"name": "a b"}]}, "config.variants.0: .*name is 'a b'"),
        ({"variants": [{"name": "a"}] * 2}, "config: .*two variants have the name a"),
        ({"variants": [{}], "salt": "\n"}, r"config: .*the salt is '\\n'"),
        ({"variants": [{}], "total": 4096}, "config: .*add up to 4096 have no row format; expected 4095, 2047, 65535"),
        ({"variants": [{}], "total": 0}, "config: .*add up to 0 have no row format"),
        ({"variants": [{}], "total": "4095"}, "config.total: "),
        ({"variants": [{}], "total": None}, "config.total: "),
        ({"total": -1}, "config: .*add up to -1 have no row format"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_the_manifest_and_their_place(
    config: object, named: str, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "trained")) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"config": config}))
    with pytest.raises(InputError, match=rf"manifest\.json is not a manifest \({named}"):
        read_manifest(workspace, 1)


def test_the_identity_depends_on_the_total_of_the_weights_and_a_manifest_that_says_none_has_65535(
    tmp_path: Path,
) -> None:
    manifest = read_manifest(Workspace(tmp_path), write_stage(Workspace(tmp_path), "trained"))
    path = folder_of(Workspace(tmp_path), 1) / "manifest.json"
    plain = json.loads(path.read_text())
    identities, digests = {manifest.identity}, {manifest.digest}
    for total in (4095, 2047):
        path.write_text(json.dumps(plain | {"config": plain["config"] | {"total": total}}))
        made = read_manifest(Workspace(tmp_path), 1)
        assert (made.row_format.number, made.row_format.total) == (3, total)
        identities.add(made.identity)
        digests.add(made.digest)
    assert len(identities) == len(digests) == 3
    del plain["config"]["total"]
    path.write_text(json.dumps(plain))
    before = read_manifest(Workspace(tmp_path), 1)
    assert (before.row_format.number, before.row_format.total) == (2, 65535)
    assert (before.identity, before.digest) == (manifest.identity, manifest.digest)


def test_two_texts_of_one_reward_are_one_configuration() -> None:
    spelt_out = "weighted_sum:take=0.75,take.engaged_fraction=0.7,click=0.25"
    assert Config.of(reward="weighted_sum:take=0.75,click=0.25") == Config.of(reward=spelt_out)
    assert Config.of(reward="take:engaged_fraction=0.7") == Config()


@pytest.mark.parametrize(
    ("policies", "explore_share", "names"),
    [
        ((), 0.0, ("thompson",)),
        (("softmax:temperature=0.1",), 0.01, ("softmax", "uniform")),
        (("uniform",), 0.01, ("uniform",)),
        (("thompson", "softmax:temperature=0.1"), 0.0, ("thompson", "softmax")),
        (("thompson", "greedy"), 0.01, ("thompson", "greedy", "uniform")),
        (("thompson", "uniform"), 0.01, ("thompson", "uniform")),
        (("uniform", "greedy"), 0.01, ("uniform", "greedy")),
        (("epsilon_greedy", "epsilon_greedy:epsilon=0.3"), 0.0, ("epsilon_greedy", "epsilon_greedy:epsilon=0.3")),
    ],
)
def test_what_rows_name_are_the_variants_and_explore_data(
    policies: tuple[str, ...], explore_share: float, names: tuple[str, ...]
) -> None:
    assert Config.of(*policies, explore_share=explore_share).names == names


def test_shares_that_are_left_out_are_equal_parts_of_the_rest() -> None:
    variants = (Variant("a"), Variant("b", share=0.4), Variant("c"))
    assert [variant.share for variant in Config(variants).variants] == pytest.approx([0.3, 0.4, 0.3])
    assert [variant.share for variant in Config().variants] == [1.0]


def test_variants_that_are_alike_may_be_compared_under_names_of_their_own() -> None:
    assert Config((Variant("a"), Variant("b"))).names == ("a", "b")


@pytest.mark.parametrize("change", ["removed", "other bytes"])
def test_a_file_that_changed_since_it_was_made_is_refused_with_its_path(change: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    folder = folder_of(workspace, claim(workspace))
    path = folder / "catalogue.parquet"
    path.write_bytes(b"as it was")
    manifest = Manifest.new(1, None, Config()).with_files(folder, [path], stage="trained")
    verify_files(workspace, manifest)
    path.write_bytes(b"as it is") if change == "other bytes" else path.unlink()
    with pytest.raises(
        InputError, match=r"catalogue\.parquet is missing or differs from its checksum in manifest\.json"
    ):
        verify_files(workspace, manifest)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"policy": "magic"}, "magic"),
        ({"policy": "epsilon_greedy:epsilon=2"}, "epsilon"),
        ({"posterior": "magic"}, "magic"),
        ({"floor": -0.1}, "floor"),
        ({"new_floor": 0.6}, "new_floor"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, r"the seed below 2\^64"),
        ({"retention": 0.0}, r"retention is 0\.0, expected above 0 and at most 1"),
        ({"retention": 1.5}, r"retention is 1\.5"),
        ({"retention": float("nan")}, "retention is nan"),
        ({"reward": "applause"}, "applause"),
        ({"reward": "take:engaged_fraction=2"}, "engaged_fraction"),
        ({"explore_share": 1.0}, r"explore_share is 1\.0, expected a share from 0 to below 1; .*--policy uniform"),
        ({"explore_share": -0.1}, r"explore_share is -0\.1"),
        ({"explore_share": float("nan")}, "explore_share is nan"),
        ({"salt": "a b"}, "the salt is 'a b'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_name(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Config.of(*[settings.pop("policy")] if "policy" in settings else [], **settings)


@pytest.mark.parametrize(
    ("variants", "named"),
    [
        ([{"policy": "magic"}], "no policy 'magic'"),
        (
            [{"policy": "epsilon_greedy"}, {"policy": "epsilon_greedy:epsilon=0.1"}],
            "variants epsilon_greedy, .* are the same",
        ),
        ([{"policy": "greedy"}, {"posterior": "shared"}, {"policy": "greedy"}], "are the same"),
        ([{}, {"posterior": "shared"}], "two variants have the name thompson"),
        ([{"name": "a"}, {"name": "a", "policy": "greedy"}], "two variants have the name a"),
        ([{"name": "thompson", "policy": "greedy"}, {}], "two variants have the name thompson"),
        ([{"name": "a/b"}], "name is 'a/b', expected up to 64 letters"),
        ([{"name": "a" * 65}], "expected up to 64 letters"),
        ([{"name": "greedy:"}], "name is 'greedy:'"),
        ([{"name": "uniform"}], "uniform is that of explore data"),
        ([{"share": 0.0}], "share of variant thompson is 0"),
        ([{"name": "a", "share": -0.5}, {"name": "b"}], r"share of variant a \(thompson\) is -0\.5, expected above 0"),
        ([{"share": float("nan")}], "is nan"),
        ([{"share": 1.5}], r"is 1\.5"),
        ([{"share": 0.5}], r"add up to 0\.5, expected 1"),
        ([{"name": "a", "share": 0.5}, {"name": "b", "share": 0.4}], r"add up to 0\.9, expected 1"),
        ([{"name": "a", "share": 1.0}, {"name": "b"}], "add up to 1 and leave nothing"),
        ([], "there are 0 variants"),
        ([{"name": f"v{number}"} for number in range(256)], "there are 256 variants, expected 1 to 255"),
    ],
)
def test_variants_that_make_no_sense_are_refused(variants: list[dict[str, Any]], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Config(tuple(Variant(**settings) for settings in variants))


@pytest.mark.parametrize(
    ("config", "identity", "digest"),
    [
        (Config.of("thompson", seed=3), "7765304683a7dc10a1eda2afa448c9c0", "fb96e8232646595287dcdf0347687d8a"),
        (
            Config(
                (Variant(policy="thompson", share=0.7), Variant(policy="greedy", floor=0.1, share=0.3)),
                seed=8,
                explore_share=0.1,
            ),
            "5b51dce810de4b40403befb70b0a5f61",
            "1c952ba3539b8b020bc3f3a7860e9d29",
        ),
    ],
)
def test_a_generation_that_keeps_no_picks_is_known_as_before_there_was_stickiness(
    config: Config, identity: str, digest: str
) -> None:
    manifest = Manifest(3, 2, "then", "1.0", config)
    assert (manifest.identity, manifest.digest) == (identity, digest)
