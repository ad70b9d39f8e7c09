"""Rows of the store: packed by the job, checked and unpacked by the service."""

from collections.abc import Iterator
from functools import partial

from artwork.bench.kernels.results import Measured, Row, Setting
from artwork.bench.targets import WrongAnswerError
from artwork.bench.timing import Side
from bandit.snapshot import Pick, decode_row, encode_row

PART = "store rows"
_USER, _GENERATION, _IDENTITY = "u1", 17, "0" * 32


def measure(setting: Setting) -> Iterator[Row]:
    """Rows per second, of 100 titles and of the 1,682 of MovieLens.

    Raises:
        WrongAnswerError: a pick is not read as it was written.
    """
    for picks in (100, 1682):
        body = bytes([1, 255, 127]) * picks
        row = encode_row(_USER, _GENERATION, _IDENTITY, 0, body)
        pick = _unpack(row)
        if pick is None or (pick.arm, pick.weight) != (1, 32767):
            raise WrongAnswerError(f"a pick of arm 1 with weight 32767 is read back as {pick}")
        packing = Side(partial(encode_row, _USER, _GENERATION, _IDENTITY, 0, body), 1)
        yield Measured(PART, f"packed, {picks:,} picks", "rows/s", packing).alone(setting.pace)
        unpacking = Side(partial(_unpack, row), 1)
        yield Measured(PART, f"checked and one pick read, {picks:,} picks", "rows/s", unpacking).alone(setting.pace)


def _unpack(row: bytes) -> Pick | None:
    return decode_row(row, _USER, _GENERATION, _IDENTITY).pick(3)
