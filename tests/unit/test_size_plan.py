"""What `artwork size` reckons, beside numbers that were worked out by hand, and a run that it was not fitted on."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shell import call
from size_figures import READING, RECORDED, job, serving, sized, written

from artwork.size.measured import Figures, figures
from artwork.size.plan import FILL, MOST_OFF, USE, check_on_largest, plan
from artwork.size.stored import held, set_bytes
from artwork.size.traffic import answer_bytes, read_bytes
from artwork.size.wanted import Wanted, form_of, gap_bytes, row_bytes
from bandit.errors import InputError
from bandit.snapshot import FORMAT_2, FORMAT_3_OF_16, encode_row, gap_code, row_key

IDENTITY = "0" * 32


def wanted(**given: Any) -> Wanted:
    """A million users with a pick for each of 100 titles of 10 artworks, as the benches have them."""
    values: dict[str, Any] = {
        "users": 1_000_000,
        "titles": 100,
        "artworks": 10,
        "most_artworks": 10,
        "picks_per_user": 100,
        "rate": 60_000.0,
        "page": 1,
        "impressions": 2_100_000,
        "generations": 2,
        "replicas": 1,
        "node_gb": 64.0,
        "night_hours": 4.0,
        "id_length": 10,
    } | given
    return Wanted(form=values.pop("form", None) or form_of(None, values["most_artworks"]), **values)


@pytest.fixture
def measured(tmp_path: Path) -> Figures:
    return figures(written(tmp_path, job=job(), serving=serving(), reading=READING))


# --- bytes


@pytest.mark.parametrize(("form", "expected"), [(FORMAT_3_OF_16, 16 + 2 * 100), (FORMAT_2, 16 + 3 * 100)])
def test_a_dense_row_has_a_header_and_its_picks(form: Any, expected: int) -> None:
    row = encode_row("u", 1, IDENTITY, 0, form.pack([(1, 2)] * 100), row_format=form)
    assert row_bytes(form, 100, 100) == expected == len(row)


def test_a_shortlist_of_format_2_names_each_title_by_two_bytes() -> None:
    assert row_bytes(FORMAT_2, 15_000, 100) == 16 + 3 * 100 + 2 * 100


@pytest.mark.parametrize(("titles", "picks"), [(15_000, 100), (15_000, 10), (60_000, 3), (300, 299), (241, 1)])
def test_the_titles_of_a_shortlist_take_what_their_code_takes_on_average(titles: int, picks: int) -> None:
    drawn = random.Random(3)
    lengths = [len(gap_code(sorted(drawn.sample(range(titles), picks)))) for _ in range(400)]
    deviation = (sum((length - sum(lengths) / 400) ** 2 for length in lengths) / 400) ** 0.5
    assert gap_bytes(titles, picks) == pytest.approx(sum(lengths) / 400, abs=5 * deviation / 400**0.5 + 1e-9)


def test_a_row_takes_in_the_store_what_one_of_its_length_was_weighed_with(measured: Figures) -> None:
    weighed = measured.jobs[0].weighed
    dense = held(weighed, wanted())
    assert (dense.value, dense.low, dense.high) == pytest.approx((216 + 90, 216 + 80, 216 + 90))
    short = held(weighed, wanted(titles=15_000))
    assert short.value == pytest.approx(row_bytes(FORMAT_3_OF_16, 15_000, 100) + 80)


def test_the_interval_of_a_row_that_was_weighed_is_that_of_a_table_that_doubles(tmp_path: Path) -> None:
    weighed = job()["weighed"]
    weighed[0] |= {"lowest": 3.01, "highest": 3.2}
    [path] = written(tmp_path, job=job(weighed=weighed))
    dense = held(figures([path]).jobs[0].weighed, wanted())
    assert (dense.low, dense.value, dense.high) == pytest.approx((301, 306, 320))


def test_a_row_of_a_length_that_was_not_weighed_may_take_a_step_of_the_allocator_more(measured: Figures) -> None:
    longer = held(measured.jobs[0].weighed, wanted(titles=1000, picks_per_user=1000))
    assert longer.value == pytest.approx(2016 + 80)
    assert longer.high == pytest.approx(2016 + 90 + 0.2 * 2016)
    assert longer.times == pytest.approx(2016 / 336)


def test_a_longer_id_makes_a_longer_key(measured: Figures) -> None:
    weighed = measured.jobs[0].weighed
    assert held(weighed, wanted(id_length=36)).value - held(weighed, wanted()).value == 26


def test_generations_replicas_and_nodes_multiply(measured: Figures) -> None:
    own = plan(wanted(users=100_000_000, rate=1000.0, replicas=2, node_gb=16), measured)
    assert own.find("a generation").value == pytest.approx(30.6)
    assert own.find("2 generations, at rest").value == pytest.approx(61.2)
    assert own.find("3 generations, while one is published").value == pytest.approx(91.8)
    assert own.find("the same with all replicas").value == pytest.approx(275.4)
    assert own.find(f"primaries of 16 GB for memory, filled to {FILL:.0%}").value == 8  # 91.8 / 12 = 7.65
    assert own.find("nodes, replicas included").value == 24


def test_look_ups_may_need_more_nodes_than_memory_does(measured: Figures) -> None:
    own = plan(wanted(rate=6_000_000.0), measured)
    assert own.find("primaries of 64 GB for memory, filled to 75%").value == 1
    assert own.find("primaries for look-ups, a core of each used to 60%").value == 50  # 6e6 x 5 us / 0.6
    assert own.find("nodes, replicas included").value == 100


def test_a_store_that_one_node_carries_is_no_cluster_and_a_cluster_has_three_primaries(measured: Figures) -> None:
    assert plan(wanted(rate=100_000.0, replicas=0), measured).find("nodes, replicas included").value == 1
    assert plan(wanted(rate=200_000.0, replicas=0), measured).find("nodes, replicas included").value == 3


def test_a_cluster_is_published_to_as_fast_as_one_publisher_has_answers_from_it(measured: Figures) -> None:
    own = plan(wanted(users=300_000_000, node_gb=16), measured)
    free, served = "publishing into a store that serves nothing", "publishing while a generation is served"
    assert own.find(free).value == pytest.approx(40)  # 300 M rows at 250,000 per second, written and counted
    assert (own.find(free).low, own.find(free).high) == pytest.approx((2e6 / 1000 / 60, 3e6 / 1000 / 60))
    assert own.find(served).value == pytest.approx(80)
    assert plan(wanted(), measured).find(free).value < 0.2


# --- look-ups and network


def test_workers_hold_the_share_that_is_planned_for_of_the_highest_rate(measured: Figures) -> None:
    own = plan(wanted(rate=60_000.0), measured)
    workers = own.find("workers")
    assert workers.value == 10  # 60,000 / (0.6 x 10,000)
    assert (workers.low, workers.high) == (10, 12)  # 10 / 1.1 and 10 / 0.9, in whole workers
    assert own.find("cores that are busy on average").value == pytest.approx(1.8)  # 60,000 x 30 us


def test_a_page_is_one_request(measured: Figures) -> None:
    own = plan(wanted(rate=1_200_000.0, page=40), measured)
    assert own.find("requests of 40 artworks").value == 30_000
    assert own.find("workers").value == 10  # 30,000 / (0.6 x 5,000)


def test_a_rate_that_was_not_confirmed_gives_way_to_the_closed_loop(tmp_path: Path) -> None:
    own = plan(wanted(rate=180_000.0), figures(written(tmp_path, job=job(), serving=serving(None), reading=READING)))
    assert own.find("workers").value == 10  # 180,000 / (0.6 x 30,000)
    assert any("since no highest rate was confirmed" in line.what for line in own.planned)


def test_bytes_on_the_network_are_those_that_are_sent() -> None:
    own = wanted(id_length=4)
    key = row_key(1, "u123")
    row = 216
    asked, given = read_bytes(own)
    assert asked == len(f"*2\r\n$3\r\nGET\r\n${len(key)}\r\n{key}\r\n")
    assert given == len(f"${row}\r\n\r\n") + row
    assert set_bytes(own) == len(f"*3\r\n$3\r\nSET\r\n${len(key)}\r\n{key}\r\n${row}\r\n\r\n+OK\r\n") + row


def test_an_answer_is_counted_as_the_service_writes_it() -> None:
    single, page = answer_bytes(wanted()), answer_bytes(wanted(page=40))
    assert 250 < single < 400
    assert page > 40 * 150
    assert answer_bytes(wanted(id_length=30)) == single + 20


# --- the job


def test_the_plan_agrees_with_a_recorded_run_of_a_million_users_that_it_was_not_fitted_on(measured: Figures) -> None:
    checked = {check.what: check for check in check_on_largest(measured.jobs[0])}
    together = checked["the job of 1,000,000 users: seconds"]
    assert together.measured == pytest.approx(68.1)
    assert abs(together.off) <= MOST_OFF
    assert abs(checked["the job of 1,000,000 users, precompute: seconds"].off) <= MOST_OFF
    assert abs(checked["the job of 1,000,000 users, train: seconds"].off) <= MOST_OFF


def test_a_job_that_does_not_grow_as_its_small_runs_did_is_seen_to_be_off(tmp_path: Path) -> None:
    bent = (*RECORDED[:2], sized(1_000_000, 9.5, 152.7, 5.9))
    [path] = written(tmp_path, job=job(*bent))
    together = check_on_largest(figures([path]).jobs[0])[0]
    assert together.off < -MOST_OFF


def test_two_sizes_check_nothing_and_shortlists_do_not(tmp_path: Path) -> None:
    two, lists = written(
        tmp_path, two=job(*RECORDED[:2]), lists=job(plan={"impressions": 30_000, "titles": 15_000, "picks": 100})
    )
    assert check_on_largest(figures([two]).jobs[0]) == []
    assert check_on_largest(figures([lists]).jobs[0]) == []


def test_core_hours_grow_with_users_picks_and_artworks_and_training_with_impressions(tmp_path: Path) -> None:
    runs = [sized(users, 4.0, 10 + 40 * users / 1e6, 3 + users / 1e6) for users in (10_000, 100_000, 1_000_000)]
    trained = [{"impressions": 210_000, "stage": {"name": "train", "seconds": 1.3, "cpu_seconds": 2.6}}]
    own = figures(written(tmp_path, job=job(*runs, trained=trained, writing={"ours": [2e6]}), reading=READING))
    twice = plan(wanted(users=2_000_000, artworks=20, most_artworks=20, impressions=4_200_000), own)
    assert twice.find("precompute").value * 3600 == pytest.approx(2 * (10 + 40 * 4))
    assert twice.find("publish").value * 3600 == pytest.approx(2 * (3 + 2))
    assert twice.find("train").value * 3600 == pytest.approx(2 * (1 + 3 * 2))
    assert twice.find("precompute").source == "extrapolated 4 x"
    assert twice.find("train").source == "extrapolated 2 x"
    assert twice.find("publishing into a store that serves nothing").value * 60 == pytest.approx(5)
    assert twice.find("publishing while a generation is served").value * 60 == pytest.approx(10)
    hours = sum(twice.find(name).value for name in ("train", "precompute", "publish"))
    assert twice.find("together").value == pytest.approx(hours)
    assert twice.find("cores for a night of 4 h").value == 1


def test_what_is_within_the_runs_is_measured_and_every_interval_holds_its_figure(measured: Figures) -> None:
    own = plan(wanted(users=500_000), measured)
    assert own.find("precompute").source == "measured"
    for line in own.planned:
        assert 0 <= line.low <= line.value <= line.high, line


def test_shortlists_are_planned_by_a_job_of_shortlists_where_one_was_measured(tmp_path: Path) -> None:
    short = job(plan={"impressions": 300_000, "titles": 15_000, "picks": 100})
    short["sized"] = [sized(users, 9.0, 10.0 + users / 1000, 4.0) for users in (1_000, 10_000)]
    dense, both = written(tmp_path, dense=job(), short=short)
    own = wanted(titles=15_000)
    assert "dense rows" in plan(own, figures([dense])).find("precompute").source
    of_both = plan(own, figures([dense, both])).find("precompute")
    assert "dense rows" not in of_both.source
    assert of_both.value * 3600 == pytest.approx(2 * (10 + 1000))
    assert plan(wanted(), figures([dense, both])).find("precompute").value * 3600 < 130


# --- designs


def test_designs_are_reckoned_for_the_same_users(measured: Figures) -> None:
    own = plan(wanted(titles=15_000), measured)
    by_name = {design.name: design for design in own.designs}
    short = by_name["a shortlist of 100 titles per user"]
    assert own.designs[0] == short
    assert (short.beside, short.gigabytes) == pytest.approx((0, own.find("a generation").value))
    whole = by_name["a pick for every title"]
    assert whole.row_bytes == 16 + 2 * 15_000
    assert "refused" in whole.gives_up
    assert by_name["the 16 numbers of the context alone"].row_bytes == 80
    assert by_name["the same in row format 2"].row_bytes == 516
    for design in own.designs:
        assert design.gigabytes == pytest.approx(design.bytes_per_user * 1e6 / 1e9)


def test_a_dense_row_loses_by_defaults_because_few_picks_are_the_commonest(measured: Figures) -> None:
    own = plan(wanted(), replace(measured, commonest=0.27))
    listed = next(design for design in own.designs if "that differ" in design.name)
    assert listed.row_bytes == 16 + 73 * 2 + 73
    assert listed.beside > 0


def test_propensities_that_are_kept_leave_little_to_save(measured: Figures) -> None:
    own = plan(wanted(), replace(measured, commonest=0.27))
    marked = next(design for design in own.designs if "propensity kept" in design.name)
    assert marked.row_bytes == pytest.approx(16 + 100 * (1 + 12 + 0.73 * 4) / 8)
    assert -0.01 < marked.beside < 0


# --- what is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--users", "0"], "--users is 0"),
        (["--users", "-5"], "--users is -5"),
        (["--users", "9" * 13], "--users is"),
        (["--titles", "0"], "--titles is 0"),
        (["--titles", "70000", "--picks-per-user", "10"], "--titles is 70"),
        (["--picks-per-user", "0"], "--picks-per-user is 0"),
        (["--picks-per-user", "101"], "nobody has more picks than there are titles"),
        (["--artworks", "0"], "is 0, expected 1 to"),
        (["--artworks", "257"], "is 257, expected 1 to 256"),
        (["--artworks", "20", "--most-artworks", "10"], "--artworks is 20"),
        (["--artworks", "nan"], "--artworks"),
        (["--most-artworks", "300"], "--most-artworks is 300"),
        (["--titles", "15000"], "give each user a shortlist"),
        (["--titles", "60000", "--picks-per-user", "5000"], "lower --picks-per-user"),
        (["--format", "3", "--most-artworks", "33"], "--format 3 does not take"),
        (["--format", "4"], "--format is '4'"),
        (["--rate", "0"], "--rate is 0"),
        (["--rate", "inf"], "--rate"),
        (["--page", "0"], "--page is 0"),
        (["--page", "201"], "--page is 201"),
        (["--impressions", "-1"], "--impressions is -1"),
        (["--generations", "0"], "--generations is 0"),
        (["--replicas", "-1"], "--replicas is -1"),
        (["--replicas", "6"], "--replicas is 6"),
        (["--node-gb", "0"], "--node-gb is 0"),
        (["--night-hours", "25"], "--night-hours is 25"),
        (["--id-length", "65"], "--id-length is 65"),
        (["--users", "many"], "--users"),
    ],
)
def test_what_no_plan_can_be_made_of_is_refused_by_name(words: list[str], said: str) -> None:
    answer = call("size", *words)
    assert answer.code == 2
    assert said in answer.err
    assert answer.out == ""


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "is no JSON"),
        ("[1]", "is a JSON list"),
        ("{}", "has neither `sized`"),
        ("[" * 100_000, "is no JSON"),
        (job(plan={"impressions": 0}), "plan.impressions is '0'"),
        (job() | {"sized": []}, "sized is '[]'"),
        (job() | {"machine": {"processor": "x"}}, "machine.cores"),
        (job() | {"machine": 7}, "machine is '7'"),
        (job() | {"sized": [sized(10, 1.0, float("nan"), 1.0)]}, "seconds"),
        (job() | {"sized": [sized(10, 1.0, -1.0, 1.0)]}, "seconds is '-1.0'"),
        (job() | {"sized": [sized(10, 1.0, 1e400, 1.0)]}, "seconds"),
        (job() | {"sized": [sized(10, 1.0, 1.0, 1.0) | {"users": "10"}]}, "users is '10'"),
        (job() | {"sized": [sized(10, 1.0, 1.0, 1.0) | {"stages": []}]}, "has the stages []"),
        (job() | {"writing": {"ours": []}}, "writing.ours"),
        (serving() | {"cases": serving()["cases"][:1]}, "no case 'ours, page of 40'"),
        (READING | {"node_us_per_row": [0.0]}, "node_us_per_row.0 is '0.0'"),
    ],
)
def test_a_document_that_is_none_of_the_benches_is_refused_by_name(tmp_path: Path, document: Any, said: str) -> None:
    [path] = written(tmp_path, document=document)
    with pytest.raises(InputError) as error:
        figures([path])
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    answer = call("size", "--slopes", str(tmp_path / "none.json"))
    assert (answer.code, answer.out) == (2, "")
    assert "none.json cannot be read" in answer.err


def test_a_folder_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        figures([tmp_path])


def test_figures_of_this_machine_take_the_place_of_those_that_come_with_the_package(tmp_path: Path) -> None:
    own = plan(wanted(), figures(written(tmp_path, job=job(), serving=serving())))
    assert own.find("workers").value == 10
    assert any("serving.json: a processor, 2 cores" in line for line in own.told)


def test_the_figures_that_come_with_the_package_say_where_and_when_and_plan_what_is_measured() -> None:
    known = figures([])
    assert "on 20" in known.told[0]
    assert "commit" in known.told[0]
    own = plan(wanted(), known)
    assert all(line.value > 0 for line in own.planned)
    assert 0 < USE < 1


def test_text_and_json_tell_the_same(tmp_path: Path) -> None:
    import json  # noqa: PLC0415

    words = ["size", "--users", "260000000", "--titles", "15000", "--picks-per-user", "100", "--rate", "20000000"]
    document = json.loads(call(*words, "--json").out)
    text = call(*words).out
    for line in document["planned"]:
        assert line["what"].split(",")[0].split()[0] in text
    assert "a generation" in text
    assert document["wanted"]["users"] == 260_000_000
    assert {"what", "planned", "measured", "off"} <= set(document["checked"][0])
