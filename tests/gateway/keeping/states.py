"""State folders with ledgers of real records: to be checked, copied, and damaged."""

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.bundle import Bundle
from gateway.in_force import InForce
from gateway.keeping import fsck
from gateway.keeping.fsck import Report
from gateway.keys import DecisionSigner
from gateway.ledger import storage
from gateway.ledger.log import Log
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.self_check import TENANT, own_record
from gateway.service import Service
from gateway.state import State, open_state
from gateway.verify import Trust
from tests.gateway.world import CALLER, Clock, body, made, run, sites

ORIGIN = "ledger.example/keeping"
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def entry_id(number: int) -> str:
    return f"entry-{number:06}"


def signed(number: int, key: DecisionSigner, **members: str) -> bytes:
    """A real record, small: what a gateway writes of itself."""
    return own_record(entry_id(number), NOW, "self-check", members, key)


def append(log: Log, key: DecisionSigner, numbers: Iterable[int]) -> None:
    """Append records together and wait for them."""
    entries = [(entry_id(number), TENANT, signed(number, key)) for number in numbers]
    for answer in log.append_all(entries):
        answer.result(timeout=30)


def make_state(folder: Path, entries: int, *, group: int = 100) -> State:
    """A state folder with so many entries, of which each `group` has a checkpoint."""
    state = open_state(folder, origin=ORIGIN)
    clock = Clock(NOW)
    with state.open_ledger(clock) as log:
        for first in range(0, entries, group):
            append(log, state.decision_key, range(first, min(first + group, entries)))
            clock.now += timedelta(seconds=1)
    return state


def decided_state(
    folder: Path, changes: Iterable[dict[str, object]], law: Bundle | None = None
) -> list[str]:
    """A state folder with real decisions, on the small law or another; their ids."""
    rules = law or made()
    state = open_state(folder, origin=ORIGIN)
    clock = Clock()
    with state.open_ledger(clock) as log:
        service = Service(
            in_force=InForce(
                rules, sites(rules.program), [ReferenceEngine(rules.program)], remember=10
            ),
            signer=state.decision_key,
            ledger=log,
            clock=clock,
            timeout_s=30.0,
        )
        return [str(run(service.decide(body(**one), CALLER))["id"]) for one in changes]


def copied(state: Path, folder: Path) -> Path:
    shutil.copytree(state, folder)
    return folder


def trust_of(folder: Path) -> Trust:
    return Trust.from_json((folder / "trust.json").read_bytes())


def checked(folder: Path, **options: object) -> Report:
    return fsck.check(folder / "ledger", trust_of(folder), **options)  # pyright: ignore[reportArgumentType]


def damage(
    folder: Path, *statements: str, arguments: tuple[object, ...] = (), triggers: bool = False
) -> None:
    """Change a closed ledger behind its back; its triggers are there again afterwards, as
    whoever does it on purpose would take care of.

    Args:
        arguments: Of each statement.
        triggers: Leave them as the statements leave them.
    """
    with closing(sqlite3.connect(folder / "ledger" / storage.DATABASE)) as connection:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        kept = connection.execute(query).fetchall()
        for name, _ in [] if triggers else kept:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            for one in statement.split(";; "):
                done = connection.execute(one, arguments)
                assert done.rowcount != 0, f"damages nothing: {one}"
        for _, sql in [] if triggers else kept:
            connection.execute(sql)
        connection.commit()


def found(report: Report) -> set[tuple[str, int | None]]:
    """What was found and where, without notices."""
    return {(one.check, one.index) for one in report.findings if one.level == "damage"}
