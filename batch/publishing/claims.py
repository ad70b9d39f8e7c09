"""A publisher's claim on the number of a generation, and commands that are carried out while it holds and not after.

A writer may stand still for longer than it takes others to sweep its generation, to empty the store and to publish there under
the same number. So it is not enough to look at the claim before writing: the store itself has to refuse what comes late.
"""

from typing import Any, Final, NamedTuple, cast

import redis
from redis.exceptions import ExecAbortError

from bandit.errors import SurroundingsError
from bandit.snapshot import MAX_META_BYTES, decode_meta, meta_key
from batch.store.client import Cluster

_LAST: Final = str(MAX_META_BYTES)  # a byte more than is allowed, which decoding then refuses
_FULL: Final = "because of: OOM"


class Claim(NamedTuple):
    """Says that a generation of this identity is being published; it holds while the store has its meta."""

    generation: int
    identity: str

    @property
    def key(self) -> str:
        """Of the meta."""
        return meta_key(self.generation)

    def check(self, raw: bytes | None) -> None:
        """Go on if this is the meta of the generation, as the store has it.

        Raises:
            SurroundingsError: the store has nothing under its number, or another generation.
            RowError: it has what no publisher wrote.
        """
        found = decode_meta(raw).identity if raw else None
        if found != self.identity:
            said = "nothing" if found is None else f"the identity {found}"
            raise SurroundingsError(
                f"the store has {said} of generation {self.generation} by now, expected the identity {self.identity}, and no more"
                " of its rows are written: the store was emptied or replaced, or another publisher has removed the generation or"
                " taken its number; see which it was, then publish again"
            )

    def check_in(self, cluster: Cluster) -> None:
        """The same of the meta that a cluster has now."""
        self.check(cast("bytes", cluster.getrange(self.key, 0, MAX_META_BYTES)))


class Guarded:
    """A connection whose commands are carried out only while a claim holds: each in a transaction that watches the meta.

    One command at a time: the next one may be sent when the store has said that the claim held after the one before. Four
    connections that took turns were no faster: what is left of the cost, 14 % of the rows per second, is the store's.
    """

    def __init__(self, connection: Any, claim: Claim) -> None:
        key = claim.key
        self._connection, self._claim = connection, claim
        self._watch: bytes = b"".join(connection.pack_command("WATCH", key)) + b"".join(
            connection.pack_command("GETRANGE", key, 0, _LAST)
        )
        connection.send_packed_command([self._watch], check_health=False)
        self._see()

    def send(self, command: memoryview) -> None:
        """Send a command that changes the store."""
        packed = [b"*1\r\n$5\r\nMULTI\r\n", command, b"*1\r\n$4\r\nEXEC\r\n" + self._watch]
        self._connection.send_packed_command(packed, check_health=False)

    def was_done(self) -> bool:
        """Read the answer: whether the command was carried out. It was not if the meta was written anew, with the same claim.

        Raises:
            SurroundingsError: the claim does not hold any more.
            redis.RedisError: the store refuses the command, or is lost.
        """
        self._connection.read_response()
        self._connection.read_response()  # QUEUED, or why not
        try:
            done = self._connection.read_response()
        except ExecAbortError as error:
            if _FULL in str(error):
                raise redis.OutOfMemoryError(str(error)) from error
            raise
        self._see()
        return done is not None

    def release(self) -> None:
        """Leave the connection as others expect one."""
        self._connection.send_command("UNWATCH", check_health=False)
        self._connection.read_response()

    def _see(self) -> None:
        self._connection.read_response()
        self._claim.check(self._connection.read_response())
