"""The Open Bandit Dataset: the samples in the wheel, and the full release in pieces."""

import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bandit.errors import InputError, SurroundingsError
from bandit.evaluation import LoggingPolicy, PolicyTarget, Settings, evaluate, learn, samples_of
from bandit.evaluation.targets import Target
from bandit.policies import Uniform
from batch.datasets.wheels import default_cache
from batch.logs import open_bandit
from batch.logs.logged import LoggedData
from batch.logs.open_bandit import ITEMS, NAMES, read_open_bandit


def sample(name: str) -> LoggedData:
    """One of the logs in the wheel, which is downloaded once."""
    try:
        return read_open_bandit(name, default_cache())
    except SurroundingsError as error:
        pytest.skip(f"the package index cannot be reached: {error}")


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_has_10_000_impressions_of_its_campaigns_items(name: str) -> None:
    data = sample(name)
    log = data.log
    campaign = name.rpartition("/")[2]
    assert (len(log), log.n_arms) == (10_000, ITEMS[campaign])
    assert 38 <= log.rewards.sum() <= 69
    assert log.positions is not None
    assert set(log.positions.tolist()) == {1, 2, 3}
    assert log.times is not None
    assert (np.diff(log.times) >= 0).all()
    assert (log.contexts[:, 0] == 1).all()
    assert data.days == pytest.approx(7, abs=0.01)
    assert log.propensities is not None
    if "random" in name:
        np.testing.assert_allclose(log.propensities, 1 / ITEMS[campaign])


def of_uniform(name: str) -> tuple[float, float, float, bool]:
    """IPS, SNIPS and the effective sample size of the uniform policy, and whether the log can judge it."""
    log = sample(name).log
    targets: list[Target | LoggingPolicy] = [LoggingPolicy(), PolicyTarget(Uniform(), learn(log, "beta"))]
    found = evaluate(
        dict(zip(("logging", "uniform"), samples_of(log, targets), strict=True)),
        Settings(("ips", "snips")),
        log.n_eligible,
    ).results[1]
    ips, snips = found.estimates["ips"], found.estimates["snips"]
    values = [each.value if each.value is not None else each.unreliable_value for each in (ips, snips)]
    assert found.overlap is not None
    return float(values[0] or 0), float(values[1] or 0), found.overlap.effective_sample_size, found.is_reliable


def test_uniform_on_campaign_all_is_what_the_pipeline_reports() -> None:
    ips, snips, size, reliable = of_uniform("open-bandit/bts/all")
    assert ips == pytest.approx(0.002360, abs=5e-7)
    assert snips == pytest.approx(0.002334, abs=5e-7)
    assert round(size) == 340
    assert reliable


def test_campaign_women_is_refused() -> None:
    _, _, size, reliable = of_uniform("open-bandit/bts/women")
    assert round(size) == 2
    assert not reliable


# --- the full release --------------------------------------------------------------------------------------------------


def rows(m: int, seed: int = 1) -> pl.DataFrame:
    """A file of the release's format: an index without a name, and columns that are not used."""
    random = np.random.default_rng(seed)
    seconds = random.permutation(m)
    return pl.DataFrame(
        {
            "": np.arange(m),
            "timestamp": [
                f"2019-11-{24 + s % 6:02d} {s % 24:02d}:00:{s % 60:02d}.{s % 1000:03d}000+00:00" for s in seconds
            ],
            "item_id": random.integers(0, 34, m),
            "position": random.integers(1, 4, m),
            "click": random.integers(0, 2, m),
            "propensity_score": random.uniform(0.01, 0.9, m),
            **{f"user_feature_{n}": random.choice(["aa", "bb", "cc"], m) for n in range(4)},
            **{f"user-item_affinity_{n}": np.zeros(m) for n in range(5)},
        }
    )


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "open_bandit_dataset" / "bts" / "men"
    folder.mkdir(parents=True)
    rows(500).write_csv(folder / "men.csv")
    return tmp_path


def test_the_release_is_read_from_its_folder_its_zip_or_its_file(release: Path, tmp_path: Path) -> None:
    inner = release / "open_bandit_dataset" / "bts" / "men" / "men.csv"
    archive = tmp_path / "open_bandit_dataset.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(inner, "open_bandit_dataset/bts/men/men.csv")
    logs = [read_open_bandit("open-bandit/bts/men", tmp_path, path).log for path in (release, archive, inner)]
    assert (len(logs[0]), logs[0].n_arms) == (500, 34)
    assert logs[0].n_features == 1 + 4 * 2 + 2
    for other in logs[1:]:
        assert (other.arms == logs[0].arms).all()
        assert (other.contexts == logs[0].contexts).all()


def test_a_file_in_pieces_is_read_as_the_whole(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_open_bandit("open-bandit/bts/men", release, release).log
    monkeypatch.setattr(open_bandit, "CHUNK_BYTES", 1000)  # the size of a buffer, not behaviour
    pieces = read_open_bandit("open-bandit/bts/men", release, release).log
    assert (pieces.arms == whole.arms).all()
    assert (pieces.contexts == whole.contexts).all()
    np.testing.assert_array_equal(pieces.propensities, whole.propensities)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("open-bandit/bts/kids", "there is no log 'open-bandit/bts/kids'; choose one of open-bandit/random/all"),
        ("open-bandit/bts", "there is no log 'open-bandit/bts'"),
    ],
)
def test_an_unknown_log_is_refused_with_those_there_are(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_open_bandit(name, tmp_path)
    assert said in str(caught.value)


def test_a_release_that_is_none_is_told(release: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no bts/women/women\.csv in it"):
        read_open_bandit("open-bandit/bts/women", tmp_path, release)
    with pytest.raises(InputError, match=r"nowhere is missing; expected the folder, zip or CSV file"):
        read_open_bandit("open-bandit/bts/men", tmp_path, tmp_path / "nowhere")
    path = tmp_path / "men.csv"
    rows(20).drop("click").write_csv(path)
    with pytest.raises(InputError, match="lacks the column 'click'"):
        read_open_bandit("open-bandit/bts/men", tmp_path, path)
    rows(20).with_columns(click=pl.lit("maybe")).write_csv(path)
    with pytest.raises(InputError, match="has a value that is not of its column"):
        read_open_bandit("open-bandit/bts/men", tmp_path, path)
    for name, value in (("item_id", "NA"), ("propensity_score", "0,5"), ("timestamp", "soon"), ("user_feature_1", "")):
        some = pl.when(pl.int_range(20) == 7).then(pl.lit(value)).otherwise(pl.col(name).cast(pl.String))
        rows(20).with_columns(some.alias(name)).write_csv(path, quote_style="non_numeric")
        with pytest.raises(InputError, match=f"row 7 has a value that is not of its column: '{value}' as {name}"):
            read_open_bandit("open-bandit/bts/men", tmp_path, path)
    rows(20).head(0).write_csv(path)
    with pytest.raises(InputError, match="has a header and no rows"):
        read_open_bandit("open-bandit/bts/men", tmp_path, path)
    rows(20).with_columns(item_id=pl.lit(40)).write_csv(path)
    with pytest.raises(InputError, match="row 0 has the arm 40, expected 0 to 33"):
        read_open_bandit("open-bandit/bts/men", tmp_path, path)


def test_rows_are_counted_through_the_pieces_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "men.csv"
    wrong = pl.when(pl.int_range(500) == 321).then(-1).otherwise("click")
    rows(500).with_columns(wrong.alias("click")).write_csv(path)
    monkeypatch.setattr(open_bandit, "CHUNK_BYTES", 1000)  # the size of a buffer, not behaviour
    with pytest.raises(InputError, match="row 321 has a value that is not of its column: '-1' as click"):
        read_open_bandit("open-bandit/bts/men", tmp_path, path)


def test_a_byte_order_mark_and_times_without_fractions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "men.csv"
    text = rows(50).with_columns(pl.col("timestamp").str.replace(r"\.\d+", "")).write_csv()
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert len(read_open_bandit("open-bandit/bts/men", tmp_path, path).log) == 50


def test_two_logs_of_one_name_are_not_chosen_from(release: Path, tmp_path: Path) -> None:
    other = release / "copy" / "bts" / "men"
    other.mkdir(parents=True)
    rows(20).write_csv(other / "men.csv")
    with pytest.raises(InputError, match=r"has .*copy/bts/men/men\.csv and .*; name the one that is meant by --from"):
        read_open_bandit("open-bandit/bts/men", tmp_path, release)
