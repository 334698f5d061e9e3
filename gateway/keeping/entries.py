"""Each entry by itself: body and salt give the leaf, the record is signed and is the one that
the row says it is.

A range at a time, so that several processes can share the work.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from gateway.errors import GatewayError, LedgerError
from gateway.keeping.finding import Finding
from gateway.keeping.payload import read_plain, read_predicate
from gateway.keeping.snapshot import Snapshot
from gateway.ledger.entry import SALT_SIZE, commit
from gateway.ledger.storage import StoredRecord
from gateway.record.canonical import Json
from gateway.record.envelope import parse_envelope, verify_envelope
from gateway.record.statement import PAYLOAD_TYPE, Statement
from gateway.verify.instant import parse_instant
from gateway.verify.trust import Trust

# Clocks that are both right differ by less, and a writer that was stopped logs late.
LEEWAY = timedelta(seconds=60)
LATE = timedelta(hours=1)

_BATCH = 256
# Of an entry: its index, its leaf, and what can be read of it.
_Read = tuple[int, bytes, StoredRecord | None]
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An entry `by_index` says that `index` of another log is erased."""

    by_index: int
    log: str
    index: int


@dataclass(frozen=True, slots=True)
class RangeChecked:
    """Entries from `first` to before `end`.

    Attributes:
        leaves: Their leaf hashes, one after another, up to the first entry that is missing.
        times: When the first and the last one were logged, where that can be read.
        bundles: The digest of each bundle that decided, with the first entry that names it.
        elsewhere: What they say of erased entries of other logs.
    """

    first: int
    end: int
    leaves: bytes
    findings: tuple[Finding, ...]
    times: tuple[str, str] | None
    bundles: Mapping[str, int]
    elsewhere: tuple[Elsewhere, ...] = ()


class EntryChecker:
    """Checks ranges of one ledger. For one thread."""

    def __init__(self, snapshot: Snapshot, trust: Trust) -> None:
        self._snapshot = snapshot
        self._trust = trust

    def check(self, first: int, end: int) -> RangeChecked:
        """Check the entries from `first` to before `end`."""
        leaves: list[bytes] = []
        findings: list[Finding] = []
        bundles: dict[str, int] = {}
        elsewhere: list[Elsewhere] = []
        times: list[str] = []
        at = first
        for index, leaf, record in self._records(first, end, findings):
            if index == first + len(leaves):
                leaves.append(leaf)
            findings += _missing(at, index)
            if record is not None:
                findings += self._entry(record, bundles, elsewhere)
                findings += _times(record, times)
            at = index + 1
        findings += _missing(at, end)
        span = (times[0], times[-1]) if times else None
        return RangeChecked(
            first, end, b"".join(leaves), tuple(findings), span, bundles, tuple(elsewhere)
        )

    def _records(self, first: int, end: int, findings: list[Finding]) -> Iterator[_Read]:
        """The entries that are there; those whose body cannot be read are named."""
        for at in range(first, end, _BATCH):
            bounds = at, min(at + _BATCH, end)
            try:
                batch = list(self._snapshot.records(*bounds))
            except (sqlite3.Error, LedgerError):
                yield from self._one_by_one(*bounds, findings)
            else:
                yield from ((one.index, one.leaf_hash, one) for one in batch)

    def _one_by_one(self, first: int, end: int, findings: list[Finding]) -> Iterator[_Read]:
        for index in range(first, end):
            leaf = record = None
            try:
                leaf = self._snapshot.leaf(index)
                record = self._snapshot.record(index)
            except sqlite3.Error as error:
                said = f"entry {index} cannot be read: {error}"
                findings.append(Finding("database", said, index))
                continue
            except LedgerError as error:
                findings.append(Finding("body", f"entry {index}: {error}", index))
            if leaf is not None:
                yield index, leaf, record

    def _entry(
        self, record: StoredRecord, bundles: dict[str, int], elsewhere: list[Elsewhere]
    ) -> Iterator[Finding]:
        if record.is_erased:
            if record.erased_by is not None:
                yield from self._tombstone(record, record.erased_by)
            # What is said in a later log is looked up by `gateway.keeping.across`.
            return
        if not _is_whole(record):
            yield _found("body", "body or salt is not what was logged", record)
            return
        try:
            envelope = parse_envelope(record.body)
            trust = self._trust
            signed = verify_envelope(
                envelope,
                trust.decision_keys,
                payload_type=PAYLOAD_TYPE,
                threshold=trust.terms.threshold,
            )
            statement = read_plain(signed.payload)
        except GatewayError as error:
            yield _found("record", f"the record does not hold: {error}", record)
            return
        yield from _place(record, statement)
        yield from self._times(record, statement, signed.key_ids)
        if isinstance(bundle := statement.predicate.get("bundle"), str):
            bundles.setdefault(bundle, record.index)
        match statement.predicate:
            case {"action": "erase", "erased": {"log": str(log), "index": int(index)}}:
                elsewhere.append(Elsewhere(record.index, log, index))
            case _:
                pass

    def _tombstone(self, record: StoredRecord, by_index: int) -> Iterator[Finding]:
        """That a later entry says why an entry is erased."""
        try:
            why = self._snapshot.record(by_index)
            said = read_predicate(why.body) if why is not None else {}
        except (LedgerError, ValueError, LookupError, TypeError):
            said = {}
        if by_index <= record.index or not says_erased(said, record):
            told = f"it is erased, and entry {by_index} does not say why"
            yield _found("tombstone", told, record)

    def _times(
        self, record: StoredRecord, statement: Statement, key_ids: tuple[str, ...]
    ) -> Iterator[Finding]:
        try:
            made = parse_instant(statement.predicate.get("decided_at"))
        except ValueError as error:
            yield _found("record", f"decided_at is {error}", record)
            return
        periods = self._trust.terms.periods
        counted = [one for one in key_ids if one not in periods or periods[one].holds(made)]
        if len(counted) < self._trust.terms.threshold:
            yield _found("record", f"key {key_ids[0]} did not count at {made}", record)
        logged = _instant(record.logged_at)
        if logged is not None and not made - LEEWAY <= logged <= made + LATE:
            said = f"logged at {record.logged_at}, decided at {made.isoformat()}"
            yield _found("time", said, record, notice=True)


def _missing(first: int, end: int) -> Iterator[Finding]:
    if end > first:
        said = (
            f"entry {first} is missing"
            if end - first == 1
            else (f"entries {first} to {end - 1} are missing")
        )
        yield Finding("gap", said, first)


def says_erased(said: Mapping[str, object], record: StoredRecord, log: str | None = None) -> bool:
    """Whether an entry that says why another is erased means this one, which is of another
    log where one is named."""
    erased = cast("dict[str, object]", said.get("erased") or {})
    named = (record.id, record.index, f"sha256:{record.commitment.hex()}", log)
    told = tuple(map(erased.get, ("id", "index", "commitment", "log")))
    return said.get("action") == "erase" and told == named


def _is_whole(record: StoredRecord) -> bool:
    if len(record.salt) != SALT_SIZE:
        return False
    return commit(record.salt, record.body) == record.commitment


def _place(record: StoredRecord, statement: Statement) -> Iterator[Finding]:
    """That the row names the record that it holds: whoever asks finds it by the row."""
    stated: Mapping[str, Json] = statement.predicate
    for name, found in (("id", record.id), ("tenant", record.tenant)):
        if stated.get(name) != found:
            yield _found("place", f"the row says {name} {found!r}, the record does not", record)


def _times(record: StoredRecord, times: list[str]) -> Iterator[Finding]:
    if _instant(record.logged_at) is None:
        yield _found("place", f"logged_at is no instant: {record.logged_at[:40]!r}", record)
        return
    if times and record.logged_at < times[-1]:
        yield went_back(record.index, times[-1], record.logged_at)
    times.append(record.logged_at)


def went_back(index: int, before: str, after: str) -> Finding:
    """Two entries one after the other, logged the other way round."""
    said = f"logged at {after}, and the entry before it at {before}"
    return Finding("time", said, index, level="notice")


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _INSTANT.fullmatch(text) else None
    except ValueError:
        return None


def _found(check: str, what: str, record: StoredRecord, *, notice: bool = False) -> Finding:
    level = "notice" if notice else "damage"
    return Finding(check, f"entry {record.index}: {what}", record.index, record.id, level)
