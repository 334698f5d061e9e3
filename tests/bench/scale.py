"""A ledger of many real records: what they cost, and what each later question to it costs.

    python tests/bench/scale.py FOLDER RECORDS [--jobs N] [--keep]

Records are real decisions of the installed pack on its catalogue, each with an id, an instant
and a signature of its own, appended through the ledger of a gateway in commit groups of 128,
durable as they always are. It says how far it is, can be stopped and goes on where it was,
and stops where less than a tenth of the disk, or 5 GB, is left. At the end it prints a table
for `docs/ledger.md`. Ten million take hours; the folder is removed unless it is to be kept.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway.cli.assemble import Parts
from gateway.cli.parser import build_parser
from gateway.identifiers import uuid7
from gateway.in_force import InForce
from gateway.keeping import fsck
from gateway.keeping.backup import back_up
from gateway.keeping.export import Wanted, decision_rows, write_ndjson
from gateway.keeping.stats import stats
from gateway.ledger.log import Log
from gateway.ledger.writer import MAX_GROUP
from gateway.pdp.normalise import NO_CLAIMS
from gateway.pdp.request import DecisionRequest
from gateway.record.envelope import sign_envelope
from gateway.record.statement import PAYLOAD_TYPE, state_predicate
from gateway.repeated import repeated_text
from gateway.state import State, open_state
from gateway.verify import Trust, verify_decision
from tests.bench.table import table

TENANTS = ("clinic-a", "clinic-b", "grid-c", "bank-d")
LEFT_BYTES = 5_000_000_000
_SAMPLE = 1_000
_MIB = 1024 * 1024
Entry = tuple[str, str, bytes]
T = TypeVar("T")


@dataclass
class Measured:
    """Rows of the table: what was measured, and how it came out."""

    rows: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def add(self, what: str, said: str) -> None:
        self.rows.append((what, said))
        print(f"{what}: {said}", flush=True)


class LowDiskError(Exception):
    """There is no more room for more."""


# --- records -------------------------------------------------------------------------


class Spelled:
    """Predicates of real decisions of the pack, one for each of many questions, with room for
    what is another in each record."""

    ID, TENANT, AT = "0" * 36, "clinic-x", "2026-11-22T09:30:15.250Z"

    def __init__(self, state: State) -> None:
        args = build_parser().parse_args(["decide", "-", "--engines", "reference"])
        in_force = Parts(args).in_force()
        self.text = repeated_text(in_force, state.decision_key.key_id)
        self.predicates = [asyncio.run(self._spell(in_force, one)) for one in questions(in_force)]
        asyncio.run(in_force.close())

    async def _spell(self, in_force: InForce, question: dict[str, object]) -> bytes:
        now = datetime.fromisoformat(self.AT)
        asked = DecisionRequest.read(question)
        judged = await in_force.judge.judge(asked, now=now, tenant=self.TENANT, claims=NO_CLAIMS)
        return in_force.speller.predicate(
            judged,
            decision_id=self.ID,
            tenant=self.TENANT,
            now=now,
            until=in_force.valid_until(judged, now),
        )

    def record(self, number: int, now: datetime, state: State, chosen: random.Random) -> Entry:
        """A record with an id, an instant, a question and a signature of its own."""
        record_id, tenant = uuid7(now, os.urandom), chosen.choice(TENANTS)
        stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        predicate = chosen.choice(self.predicates)
        for before, after in ((self.ID, record_id), (self.TENANT, tenant), (self.AT, stamp)):
            predicate = predicate.replace(b'"%b"' % before.encode(), b'"%b"' % after.encode())
        payload = state_predicate(f"{number:064x}", predicate)
        body = sign_envelope(payload, PAYLOAD_TYPE, state.decision_key).to_bytes()
        return record_id, tenant, body


def questions(in_force: InForce) -> list[dict[str, object]]:
    """What schedulers ask: every site, with data of several kinds."""
    sites = sorted(in_force.catalogue.entries["site"])
    return [
        {
            "subject": {"type": "workload", "id": "w", "properties": {"sector": sector}},
            "action": {"name": "place"},
            "resource": {"type": "site", "id": site},
            "context": {"data": {"labels": [label]}, "transfer": {"mechanism": mechanism}},
        }
        for site in sites
        for sector, label, mechanism in (
            ("health", "health", "scc-m2"),
            ("energy", "public", "none"),
            ("banking", "personal", "none"),
        )
    ]


def fill(state: State, log: Log, records: int) -> tuple[int, float]:
    """Append until there are so many; how many were appended, and the seconds of appending
    alone, without making the records."""
    begun, spent, told = log.size, 0.0, time.monotonic()
    spelled, chosen = Spelled(state), random.Random(log.size)  # noqa: S311
    log.repeats(spelled.text)
    for first in range(log.size, records, MAX_GROUP):
        numbers = range(first, min(first + MAX_GROUP, records))
        now = datetime.now(UTC)
        entries = [spelled.record(number, now, state, chosen) for number in numbers]
        start = time.perf_counter()
        for answer in log.append_all(entries):
            answer.result(timeout=120)
        spent += time.perf_counter() - start
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"  {log.size:,} of {records:,}", flush=True)
            check_room(state.folder)
    return log.size - begun, spent


def check_room(folder: Path) -> None:
    disk = shutil.disk_usage(folder)
    if disk.free < max(LEFT_BYTES, disk.total // 10):
        raise LowDiskError(f"only {disk.free // _MIB:,} MiB are left")


# --- measuring -----------------------------------------------------------------------


def measure(state: State, made: Measured, jobs: int) -> None:
    """Put every question to the ledger that an operator or an auditor puts."""
    log, spent = timed(state.open_ledger)
    made.add("open the ledger, as a gateway does at start", spent.whole())
    with log:
        lookups(log, Trust.from_json((state.folder / "trust.json").read_bytes()), made)
    found = stats(state.folder / "ledger").to_json()
    made.add("entries", f"{found['entries']:,}")
    made.add("database", f"{int(str(found['database_bytes'])) / _MIB:,.0f} MiB")
    made.add("bytes an entry on disk", f"{found['bytes_an_entry']:,}")
    made.add("bytes of a body as signed", f"{found['bytes_a_body']:,}")
    checks(state, made, jobs)
    copies(state, made, jobs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    made.add("peak memory of all this, one process", f"{peak:,} MiB")


def lookups(log: Log, trust: Trust, made: Measured) -> None:
    chosen = random.Random(7)  # noqa: S311
    indices = [chosen.randrange(log.size) for _ in range(_SAMPLE)]
    records, spent = timed(lambda: [log.get_at(index) for index in indices])
    made.add("read a record by number", spent.each(_SAMPLE))
    ids = [one.id for one in records if one is not None]
    _, spent = timed(lambda: [log.get(one) for one in ids])
    made.add("read a record by id", spent.each(len(ids)))
    proofs, spent = timed(lambda: [log.proof(one) for one in ids])
    made.add("prove a record", spent.each(len(ids)))
    made.add("bytes of a proof", f"{len(str(proofs[0])):,}")
    for record, proof in zip(records[:20], proofs[:20], strict=True):
        if record is not None:
            verify_decision({"record": json.loads(record.body), "proof": proof}, trust)


def checks(state: State, made: Measured, jobs: int) -> None:
    trust = Trust.from_json((state.folder / "trust.json").read_bytes())
    ledger = state.folder / "ledger"
    report, spent = timed(lambda: fsck.check(ledger, trust, quick=True))
    made.add("fsck --quick", spent.whole())
    report, spent = timed(lambda: fsck.check(ledger, trust, jobs=jobs))
    assert report.is_good, report.findings[:3]
    rate = report.size / spent.wall
    made.add(f"fsck of all, {jobs} processes", f"{spent.wall:,.0f} s, {rate:,.0f} entries/s")


def copies(state: State, made: Measured, jobs: int) -> None:
    disk = shutil.disk_usage(state.folder)
    size = (state.folder / "ledger" / "ledger.sqlite3").stat().st_size
    if disk.free - 2 * size < LEFT_BYTES:
        made.add("backup and export", "no room")
        return
    target = state.folder.with_name(state.folder.name + ".backup")
    _, spent = timed(
        lambda: back_up(state.folder, target, now=datetime.now(UTC), quick=True, jobs=jobs)
    )
    made.add("backup --quick", spent.whole())
    shutil.rmtree(target)
    lines = state.folder.with_name(state.folder.name + ".ndjson")
    wanted = Wanted(first=max(0, stats(state.folder / "ledger").entries - 100_000))
    count, spent = timed(
        lambda: write_ndjson(decision_rows(state.folder / "ledger", wanted), lines)
    )
    made.add(
        "export as NDJSON", f"{count / spent.wall:,.0f} rows/s ({count / spent.cpu:,.0f} by CPU)"
    )
    lines.unlink()


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock on the wall, and of processors for this process."""

    wall: float
    cpu: float

    def each(self, count: int) -> str:
        return f"{self.wall / count * 1e6:,.0f} us ({self.cpu / count * 1e6:,.0f} of CPU)"

    def whole(self) -> str:
        if self.wall < 1:
            return f"{self.wall * 1000:,.0f} ms ({self.cpu * 1000:,.0f} of CPU)"
        return f"{self.wall:,.1f} s ({self.cpu:,.1f} of CPU)"


def timed(work: Callable[[], T]) -> tuple[T, Spent]:
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    return done, Spent(time.perf_counter() - wall, time.process_time() - cpu)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("records", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", action="store_true", help="leave the ledger there")
    args = parser.parse_args()
    made = Measured()
    state = open_state(args.folder)
    try:
        with state.open_ledger() as log:
            check_room(args.folder)
            count, seconds = fill(state, log, args.records)
        if count:
            made.add("append, durable, in groups of 128", f"{count / seconds:,.0f} entries/s")
    except LowDiskError as error:
        print(f"stopped: {error}", flush=True)
    measure(state, made, args.jobs)
    print("\n" + table(("measured", "result"), made.rows))
    if not args.keep:
        shutil.rmtree(args.folder)
        args.folder.with_name(f"{args.folder.name}.seen").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
