"""Reading an HTTP/1.1 answer where it lies, as it arrives: compiled pieces of the driver's loop."""

import numpy as np

from loadtest.driver.libc import c_memmem, compiled
from loadtest.driver.tape import BODY, CHUNKED, FILLED, I64, LEAVES, LENGTH, STATUS, U8, UNTIL_CLOSE, Script, Wires

LENGTH_NAME, CODING_NAME, CONNECTION_NAME, CLOSE = (
    np.frombuffer(name, np.uint8) for name in (b"content-length:", b"transfer-encoding:", b"connection:", b"close")
)
NO_CONTENT, NOT_MODIFIED = 204, 304
CR, LF, SPACE, COLON, ZERO, NINE = 13, 10, 32, 58, 48, 57


@compiled
def is_whole(wires: Wires, c: int) -> bool:
    """Whether connection ``c`` holds all of an answer; reads its head once it is there."""
    row = wires.wire[c]
    if row[BODY] == 0:
        row[BODY] = end_of_head(wires.buffers[c], row[FILLED])
        if row[BODY] == 0:
            return False
        read_head(wires.buffers[c], row)
    return bool(row[LENGTH] != UNTIL_CLOSE and row[FILLED] >= row[BODY] + row[LENGTH])


@compiled
def end_of_head(buffer: U8, filled: int) -> int:
    """Where the body begins; 0 while the empty line has not arrived."""
    for at in range(3, filled):
        if buffer[at] == LF and buffer[at - 1] == CR and buffer[at - 2] == LF and buffer[at - 3] == CR:
            return at + 1
    return 0


@compiled
def read_head(buffer: U8, row: I64) -> None:
    """Status, length of the body, and whether the server leaves afterwards; HTTP/1.0 leaves unless it says otherwise."""
    row[STATUS], at = 0, 9
    while at < row[BODY] and ZERO <= buffer[at] <= NINE:
        row[STATUS] = row[STATUS] * 10 + buffer[at] - ZERO
        at += 1
    row[LENGTH], row[LEAVES] = UNTIL_CLOSE, buffer[7] == ZERO
    for at in range(10, row[BODY]):
        if buffer[at - 1] != LF:
            continue
        if starts_with(buffer, at, LENGTH_NAME):
            row[LENGTH] = number(buffer, at + len(LENGTH_NAME))
        elif starts_with(buffer, at, CODING_NAME):
            row[LENGTH], row[LEAVES] = UNTIL_CLOSE, -CHUNKED
            return
        elif starts_with(buffer, at, CONNECTION_NAME):
            row[LEAVES] = starts_with(buffer, at + len(CONNECTION_NAME) + 1, CLOSE)
    if row[STATUS] == NO_CONTENT or row[STATUS] == NOT_MODIFIED:
        row[LENGTH] = 0


@compiled
def starts_with(buffer: U8, at: int, name: U8) -> bool:
    """Whether ``name``, in small letters, stands at ``at`` of any size. A head ends in an empty line: it is not passed."""
    for i in range(len(name)):
        byte = buffer[at + i]
        if byte != name[i] and not (65 <= byte <= 90 and byte + 32 == name[i]):
            return False
    return True


@compiled
def number(buffer: U8, at: int) -> int:
    """The whole number at ``at``, after spaces."""
    while buffer[at] == SPACE:
        at += 1
    value = 0
    while ZERO <= buffer[at] <= NINE:
        value = value * 10 + buffer[at] - ZERO
        at += 1
    return value


@compiled
def lacks(script: Script, request: int, body_at: int, length: int) -> bool:
    """Whether a body lacks what the answer to this request must contain."""
    start, end = script.expected_starts[request], script.expected_starts[request + 1]
    return bool(c_memmem(body_at, length, script.expected_at + start, end - start) == 0)


@compiled
def first_mark(script: Script, body_at: int, length: int) -> int:
    """Which mark comes first in a body; -1 for none. Each is looked for only before the best so far."""
    found, best = -1, length
    for mark in range(len(script.mark_starts) - 1):
        start, end = script.mark_starts[mark], script.mark_starts[mark + 1]
        at = c_memmem(body_at, min(length, best + end - start - 1), script.marks_at + start, end - start)
        if at != 0:
            found, best = mark, at - body_at
    return found
