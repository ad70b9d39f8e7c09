"""Embeddings of images by a network of one's own: a file in ONNX that takes images and gives a vector for each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from bandit.arrays import F64
from bandit.errors import InputError
from batch.datasets.image_numbers import Pixels

MEANS: Final = (0.485, 0.456, 0.406)
DEVIATIONS: Final = (0.229, 0.224, 0.225)
"""Of red, green and blue in ImageNet, by which nearly every published network wants its images standardised."""
USUAL_SIDE: Final = 224
"""Where the network takes images of any size."""


class ImageModel:
    """A network in ONNX: images (n, 3, height, width), float32, to embeddings (n, e).

    Images are cut to their middle square, brought to the network's size, divided by 255 and standardised by the means and
    standard deviations of ImageNet. The first output is taken; one with further dimensions is averaged over them. Embeddings have
    length 1, so that networks with large numbers do not outweigh the prior.

    Raises:
        InputError: the file is no network, or takes something else than images.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # several images are looked at side by side
        options.log_severity_level = 4  # what is wrong comes as an exception
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except OSError as error:
            raise InputError(f"cannot read the network {path}: {error.strerror}") from error
        except Exception as error:  # onnxruntime's are of many classes without a common name
            raise InputError(f"{path} is no network in ONNX that onnxruntime can run: {_first_line(error)}") from error
        self._path = path
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape) if inputs else []
        if len(inputs) != 1 or len(shape) != 4 or inputs[0].type != "tensor(float)" or shape[1] not in (3, None, "3"):
            said = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs) or "nothing"
            raise InputError(
                f"the network {path} takes {said}; expected one input of float32 images, [n, 3, height, width]"
            )
        self._input = inputs[0].name
        self._height, self._width = (side if isinstance(side, int) else USUAL_SIDE for side in shape[2:])

    def embed(self, pixels: Pixels) -> F64:
        """The embedding of an image, red, green and blue (height, width, 3); of length 1, (e,).

        Raises:
            InputError: the network fails, or gives something else than finite numbers.
        """
        try:
            [raw, *_] = self._session.run(None, {self._input: self._prepared(pixels)[None]})
        except Exception as error:
            raise InputError(f"the network {self._path} failed: {_first_line(error)}") from error
        out = np.asarray(raw, float)
        if out.ndim < 2 or len(out) != 1:
            raise InputError(
                f"the network {self._path} gives an array of shape {out.shape} for one image; expected (1, e)"
            )
        vector = out[0].reshape(len(out[0]), -1).mean(axis=1)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise InputError(f"the network {self._path} gives an embedding that is not finite, or 0; expected numbers")
        return np.asarray(vector / length)

    def _prepared(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        cv2.setNumThreads(1)
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = pixels[top : top + side, left : left + side]
        way = cv2.INTER_AREA if side > max(self._height, self._width) else cv2.INTER_LINEAR
        scaled = cv2.resize(square, (self._width, self._height), interpolation=way).astype(np.float32) / 255
        return np.ascontiguousarray(((scaled - MEANS) / DEVIATIONS).transpose(2, 0, 1), np.float32)


def main_directions(embeddings: F64, count: int) -> tuple[F64, F64]:
    """The mean of embeddings (n, e) and the directions in which they differ most, (e,) and (count, e).

    Principal components (Pearson 1901), each with its largest entry positive, so that they do not depend on a solver's signs.
    """
    mean = embeddings.mean(axis=0)
    _, _, directions = np.linalg.svd(embeddings - mean, full_matrices=False)
    kept = directions[:count]
    signs = np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])
    return mean, np.asarray(kept * signs[:, None])


def _first_line(error: Exception) -> str:
    lines: Sequence[str] = str(error).splitlines() or [type(error).__name__]
    return lines[0][:300]
