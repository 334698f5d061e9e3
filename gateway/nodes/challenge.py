"""Challenges: random bytes that evidence must contain, each for one caller, node and purpose,
for one use and a short time (RFC 9334, section 10.2)."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.attestation.appraise import SKEW
from gateway.nodes.attested import instant
from gateway.nodes.errors import TooManyChallengesError
from gateway.record.canonical import Json

VALID = timedelta(minutes=5)
MAX_OPEN = 1_000  # of one tenant
NONCE_SIZE = 32
_ID_SIZE = 16


@dataclass(frozen=True)
class Asker:
    """For whom and what a challenge is."""

    tenant: str
    caller: str
    node: str
    purpose: str

    @property
    def row(self) -> tuple[str, str, str, str]:
        return self.tenant, self.caller, self.node, self.purpose


@dataclass(frozen=True)
class Challenge:
    """One that was given out."""

    id: str
    nonce: bytes
    node: str
    purpose: str
    expires_at: datetime

    def body(self) -> dict[str, Json]:
        return {
            "challenge": self.id,
            "nonce": self.nonce.hex(),
            "node": self.node,
            "purpose": self.purpose,
            "expires_at": instant(self.expires_at),
        }


def issue(
    db: sqlite3.Connection, asker: Asker, now: datetime, random: Callable[[int], bytes]
) -> Challenge:
    """A new one, in the transaction of the caller; those that are over are removed.

    Raises:
        TooManyChallengesError: The tenant has as many open as it may.
    """
    until = now + VALID
    db.execute("DELETE FROM challenge WHERE expires_ms NOT BETWEEN ? AND ?", _open_at(now))
    count = "SELECT COUNT(*) FROM challenge WHERE tenant = ?"
    if db.execute(count, (asker.tenant,)).fetchone()[0] >= MAX_OPEN:
        raise TooManyChallengesError(f"{MAX_OPEN:,} challenges of this tenant are open")
    made = Challenge(random(_ID_SIZE).hex(), random(NONCE_SIZE), asker.node, asker.purpose, until)
    row = (made.id, *asker.row, made.nonce, milliseconds(until))
    db.execute("INSERT INTO challenge VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return made


_THIS = (
    "id = ? AND tenant = ? AND caller = ? AND node = ? AND purpose = ? "
    "AND expires_ms BETWEEN ? AND ?"
)


def _open_at(now: datetime) -> tuple[int, int]:
    """When challenges end that are open, in milliseconds, first and last. One that ends later
    was given out by a clock that was ahead, and what answers it can be old."""
    return milliseconds(now) + 1, milliseconds(now + VALID + SKEW)


def find(db: sqlite3.Connection, name: str, asker: Asker, now: datetime) -> bytes | None:
    """The bytes of an open challenge; None where there is none for this asker."""
    found = db.execute(
        f"SELECT nonce FROM challenge WHERE {_THIS}",  # noqa: S608 - a constant
        (name, *asker.row, *_open_at(now)),
    ).fetchone()
    return None if found is None else bytes(found[0])


def use(db: sqlite3.Connection, name: str, asker: Asker, now: datetime) -> bool:
    """Use it up; whether it was there to be used. Of two who show it at once, one gets it."""
    done = db.execute(
        f"DELETE FROM challenge WHERE {_THIS}",  # noqa: S608 - a constant
        (name, *asker.row, *_open_at(now)),
    )
    return done.rowcount == 1


def milliseconds(moment: datetime) -> int:
    """Since 1970, as the store keeps instants."""
    return round(moment.timestamp() * 1000)
