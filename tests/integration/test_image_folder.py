"""Features of a folder of images: what is read, what is refused, and what a run after it finds."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("cv2")
pytest.importorskip("PIL")
pytest.importorskip("onnx")

import drawn_images as drawn
import onnx
from onnx import TensorProto, helper
from PIL import Image
from typer.testing import CliRunner, Result

from artwork.commands.data import app
from bandit.errors import BanditError, InputError
from batch.datasets.image_numbers import MEANINGS, Pixels, image_numbers, read_pixels


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in arguments])


def refusal(*arguments: object) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, BanditError), result.output
    return str(result.exception)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The example's workspace."""
    root = tmp_path / "workspace"
    assert run("example", "-w", root).exit_code == 0
    return root


def artworks_of(workspace: Path) -> pl.DataFrame:
    return pl.read_parquet(workspace / "artworks.parquet")


def put(folder: Path, title: str, name: str, pixels: Pixels) -> Path:
    path = folder / title / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def posters(workspace: Path, tmp_path: Path) -> Path:
    """An image of its own for every artwork of the workspace."""
    folder = tmp_path / "posters"
    random = np.random.default_rng(7)
    for title, artwork in artworks_of(workspace).select("title_id", "artwork_id").iter_rows():
        red, green, blue = (int(part) for part in random.integers(0, 256, 3))
        put(folder, title, f"{artwork}.png", drawn.plain((red, green, blue), 40, 60))
    return folder


def network(path: Path, channels: int = 3, *, dead: bool = False) -> Path:
    """A network in ONNX whose embedding is the mean of each colour."""
    shape: list[int | str] = ["n", channels, 32, 32]
    nodes = [helper.make_node("GlobalAveragePool", ["images"], ["pooled"])]
    constant = helper.make_tensor("factor", TensorProto.FLOAT, [1], [0.0 if dead else 2.0])
    nodes.append(helper.make_node("Mul", ["pooled", "factor"], ["embedding"]))
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", channels, 1, 1])],
        [constant],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def test_every_artwork_gets_the_numbers_of_its_own_image(workspace: Path, posters: Path) -> None:
    before = artworks_of(workspace)
    result = run("features", posters, "-w", workspace)
    assert result.exit_code == 0
    after = artworks_of(workspace)
    assert after.drop("features").equals(before.drop("features"))
    for title, artwork, features in after.select("title_id", "artwork_id", "features").iter_rows():
        expected = [1.0, *image_numbers(read_pixels(posters / title / f"{artwork}.png"))]
        assert features == pytest.approx(expected, abs=1e-6)
    for meaning in MEANINGS:
        assert meaning.name in result.output
    assert f"measured {after.height} images" in result.output
    kept = json.loads((workspace / "image-features.json").read_text())
    assert kept["names"] == ["constant", *(meaning.name for meaning in MEANINGS)]
    assert run("check", workspace).exit_code == 0


def test_a_folder_gives_the_same_file_again(workspace: Path, posters: Path) -> None:
    run("features", posters, "-w", workspace)
    first = (workspace / "artworks.parquet").read_bytes()
    run("features", posters, "-w", workspace)
    assert (workspace / "artworks.parquet").read_bytes() == first


def test_all_formats_and_modes_of_one_picture_are_measured_alike(tmp_path: Path) -> None:
    picture = drawn.square(0.3, 0.6)
    image = Image.fromarray(picture)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(picture)))
    turned_as = Image.Exif()
    turned_as[274] = 6  # the camera was held upright
    clear = image.convert("RGBA")
    clear.putalpha(image.convert("L"))
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "a.webp", lossless=True)
    image.save(tmp_path / "a.bmp")
    image.save(tmp_path / "a.tif")
    image.save(tmp_path / "a.jpg", quality=98)
    image.convert("P").save(tmp_path / "palette.png")
    image.convert("L").save(tmp_path / "grey.png")
    image.convert("1").save(tmp_path / "bits.png")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98)
    clear.save(tmp_path / "clear.png")
    turned.save(tmp_path / "turned.jpg", quality=98, exif=turned_as)
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    image.save(tmp_path / "a.gif", save_all=True, append_images=[Image.fromarray(drawn.plain((9, 9, 9)))])
    expected = image_numbers(picture)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 13
    for path in files:
        assert image_numbers(read_pixels(path)) == pytest.approx(expected, abs=0.08), path.name


def test_an_artwork_without_an_image_is_named_and_nothing_is_written(workspace: Path, posters: Path) -> None:
    before = (workspace / "artworks.parquet").read_bytes()
    title, artwork = artworks_of(workspace).select("title_id", "artwork_id").row(5)
    (posters / title / f"{artwork}.png").rename(posters / title / f".{artwork}.png")
    said = refusal("features", posters, "-w", workspace)
    assert f"no image of {title}/{artwork}" in said
    assert f"{posters}/{title}/{artwork}.jpg" in said
    assert (workspace / "artworks.parquet").read_bytes() == before
    assert not (workspace / "image-features.json").exists()


def test_two_images_of_one_artwork_are_refused_by_name(workspace: Path, posters: Path) -> None:
    title, artwork = artworks_of(workspace).select("title_id", "artwork_id").row(0)
    put(posters, title, f"{artwork}.JPG", drawn.plain((1, 2, 3)))
    said = refusal("features", posters, "-w", workspace)
    assert f"artwork {artwork} of title {title} has two images" in said


@pytest.mark.parametrize(
    "content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40), b"GIF89a", b"\xff\xd8\xff\xe0" + bytes(20)]
)
def test_a_file_that_is_no_image_is_refused_by_path(workspace: Path, posters: Path, content: bytes) -> None:
    title, artwork = artworks_of(workspace).select("title_id", "artwork_id").row(3)
    path = posters / title / f"{artwork}.png"
    path.write_bytes(content)
    assert f"the image {path}: it " in refusal("features", posters, "-w", workspace)


def test_an_image_that_breaks_off_is_refused_by_path(workspace: Path, posters: Path) -> None:
    title, artwork = artworks_of(workspace).select("title_id", "artwork_id").row(3)
    path = put(posters, title, f"{artwork}.png", drawn.faces((90, 90, 40)))
    path.write_bytes(path.read_bytes()[:700])
    assert f"the image {path}: it cannot be read" in refusal("features", posters, "-w", workspace)


def test_a_folder_that_is_not_there_and_a_workspace_without_artworks_are_refused(
    workspace: Path, tmp_path: Path
) -> None:
    assert "is not a folder; expected" in refusal("features", tmp_path / "none", "-w", workspace)
    assert "artworks.parquet does not exist" in refusal("features", workspace, "-w", tmp_path / "nothing")


def test_images_of_other_artworks_are_counted_and_passed_over(workspace: Path, posters: Path) -> None:
    put(posters, "another", "a01.png", drawn.plain((1, 2, 3)))
    (posters / "another" / "notes.txt").write_text("no image")
    assert json.loads(run("features", posters, "-w", workspace, "--json").output)["ignored"] == 1


def test_a_network_of_ones_own_gives_embeddings_of_length_one(workspace: Path, posters: Path, tmp_path: Path) -> None:
    result = run("features", posters, "-w", workspace, "--model", network(tmp_path / "net.onnx"))
    assert result.exit_code == 0, result.exception
    features = np.stack(artworks_of(workspace)["features"].to_list())
    assert features.shape[1] == 4
    assert (features[:, 0] == 1).all()
    assert np.linalg.norm(features[:, 1:], axis=1) == pytest.approx(np.ones(len(features)), abs=1e-6)
    title, artwork = artworks_of(workspace).select("title_id", "artwork_id").row(0)
    colour = read_pixels(posters / title / f"{artwork}.png")[0, 0] / 255
    expected = (colour - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    assert features[0, 1:] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


def test_main_directions_are_kept_so_that_images_that_stay_keep_their_numbers(
    workspace: Path, posters: Path, tmp_path: Path
) -> None:
    words = ("features", posters, "-w", workspace, "--model", network(tmp_path / "net.onnx"), "--dimensions", 2)
    run(*words)
    before = np.stack(artworks_of(workspace)["features"].to_list())
    title, artwork = artworks_of(workspace).select("title_id", "artwork_id").row(0)
    put(posters, title, f"{artwork}.png", drawn.plain((255, 0, 255)))
    result = run(*words)
    after = np.stack(artworks_of(workspace)["features"].to_list())
    assert "the directions are those of the run before" in result.output
    assert (after[1:] == before[1:]).all()
    assert (after[0] != before[0]).any()
    spread = before[:, 1:].std(axis=0)
    assert spread[0] >= spread[1]


@pytest.mark.parametrize(("wanted", "reason"), [(3000, "choose from 1 to 3"), (0, "")])
def test_more_directions_than_there_are_get_refused(
    workspace: Path, posters: Path, tmp_path: Path, wanted: int, reason: str
) -> None:
    result = run(
        "features", posters, "-w", workspace, "--model", network(tmp_path / "net.onnx"), "--dimensions", wanted
    )
    assert result.exit_code != 0
    assert reason in str(result.exception)


def test_directions_without_a_network_are_refused(workspace: Path, posters: Path) -> None:
    assert "--dimensions is for the embeddings of a network" in refusal(
        "features", posters, "-w", workspace, "--dimensions", 2
    )


def test_a_file_that_is_no_network_for_images_is_refused(workspace: Path, posters: Path, tmp_path: Path) -> None:
    def said(path: Path) -> str:
        return refusal("features", posters, "-w", workspace, "--model", path)

    (tmp_path / "text.onnx").write_text("no network")
    assert "is no network in ONNX" in said(tmp_path / "text.onnx")
    assert "cannot read the network" in said(tmp_path / "none.onnx")
    assert "expected one input of float32 images" in said(network(tmp_path / "four.onnx", channels=4))
    assert "not finite, or 0" in said(network(tmp_path / "dead.onnx", dead=True))


def test_kept_directions_that_are_damaged_are_refused(workspace: Path, posters: Path, tmp_path: Path) -> None:
    words = ("features", posters, "-w", workspace, "--model", network(tmp_path / "net.onnx"), "--dimensions", 2)
    run(*words)
    kept = workspace / "image-features.json"
    document = json.loads(kept.read_text())
    for damage in ({"mean": [1]}, {"directions": "x"}, {"directions": [[1, 2]]}):
        kept.write_text(json.dumps(document | damage))
        assert f"{kept} does not hold what" in refusal(*words)
    kept.write_text("{")
    assert f"{kept} does not hold what" in refusal(*words)


def test_the_error_for_a_missing_extra_names_it() -> None:
    from artwork.extras import explained  # noqa: PLC0415

    with pytest.raises(InputError, match=r"artwork-bandit\[images\]"), explained("data"):
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2")
