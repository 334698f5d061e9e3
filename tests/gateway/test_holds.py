"""A record that is held is not erased until it is released, and the log says both."""

import json
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import exit_codes
from gateway.erasure import Grounds, erase, hold_id, open_holds
from gateway.holds import hold, release
from gateway.ledger.erased import (
    ErasedEntryError,
    ErasureRefusedError,
    HeldEntryError,
    NothingToEraseError,
)
from gateway.ledger.shards import with_older
from gateway.record.envelope import parse_envelope
from gateway.record.statement import read_statement
from gateway.self_check import TENANT as OWN
from gateway.state import open_state
from gateway.verify.decision import verify_decision
from tests.gateway import test_erasure
from tests.gateway.cli.commands import Charter
from tests.gateway.keeping.states import ORIGIN, decided_state
from tests.gateway.test_erasure import Client, erasure_of, read
from tests.gateway.world import NOW, TENANT, World, run

client = test_erasure.client  # the fixture

CASE = Grounds("case 4711", "order of the court of Luxembourg", "the legal department")
OVER = Grounds("case 4711 is over", "the same", "the legal department")
WHY = Grounds("asked for", "GDPR art 17", "operations")


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


@pytest.fixture
def charter(capsys: pytest.CaptureFixture[str]) -> Charter:
    return Charter(capsys)


def held(world: World, target: str, grounds: Grounds = CASE) -> Any:
    return hold(world.ledger, world.decision_key, target=target, grounds=grounds, now=NOW)


def released(world: World, target: str, which: str | None = None) -> Any:
    return release(
        world.ledger, world.decision_key, target=target, grounds=OVER, now=NOW, which=which
    )


def erased(world: World, entry: str | int) -> Any:
    return erase(world.ledger, world.decision_key, entry=entry, grounds=WHY, now=NOW)


def holds_of(world: World, target: str) -> list[str]:
    return [one.id for one in open_holds(world.ledger, target)]


# --- what is held --------------------------------------------------------------------


def test_what_is_held_is_erased_once_it_is_released(world: World) -> None:
    answer = world.decide()
    first = held(world, answer["id"])
    for entry in (answer["id"], 0):
        with pytest.raises(HeldEntryError) as caught:
            erased(world, entry)
        for words in (CASE.reason, CASE.authority, CASE.by, first.entry_id):
            assert words in str(caught.value)
    assert world.ledger.get(answer["id"]) is not None
    assert world.ledger.size == 2
    released(world, answer["id"])
    assert holds_of(world, answer["id"]) == []
    erased(world, answer["id"])
    with pytest.raises(ErasedEntryError):
        world.ledger.get(answer["id"])
    for again in (held, released):
        with pytest.raises((ErasedEntryError, ErasureRefusedError)):
            again(world, answer["id"])


def test_both_are_signed_entries_of_the_tenant_that_verify(world: World) -> None:
    answer = world.decide()
    for done, action, name in (
        (held(world, answer["id"]), "hold", "held"),
        (released(world, answer["id"]), "release", "released"),
    ):
        found = world.ledger.get(done.entry_id, tenant=TENANT)
        assert found is not None
        said = read_statement(parse_envelope(found.body).payload).predicate
        assert (said["action"], said["id"], said["tenant"]) == (action, done.entry_id, TENANT)
        told: Any = said[name]
        assert (told["id"], told["index"]) == (answer["id"], 0)
        record = {"record": json.loads(found.body), "proof": world.ledger.proof(done.entry_id)}
        verify_decision(record, world.trust)
    assert told["hold"] == hold_id(answer["id"], 1)


def test_each_of_several_holds_holds(world: World) -> None:
    target = world.decide()["id"]
    ids = [held(world, target).entry_id for _ in range(3)]
    assert holds_of(world, target) == ids
    with pytest.raises(ErasureRefusedError, match="name one of them"):
        released(world, target)
    released(world, target, ids[1])
    assert holds_of(world, target) == [ids[0], ids[2]]
    with pytest.raises(ErasureRefusedError, match="is not held by"):
        released(world, target, ids[1])
    released(world, target, ids[0])
    with pytest.raises(HeldEntryError):
        erased(world, target)
    released(world, target)
    fourth = held(world, target).entry_id
    assert holds_of(world, target) == [fourth]
    released(world, target, fourth)
    erased(world, target)


def test_another_record_is_not_held(world: World) -> None:
    one, other = world.decide()["id"], world.decide()["id"]
    held(world, one)
    erased(world, other)
    assert world.ledger.get(one) is not None


# --- what is refused -----------------------------------------------------------------


def test_what_is_never_erased_is_not_held_and_a_hold_is_not_erased(world: World) -> None:
    run(world.service.self_check(world.trust.to_json()))
    own = world.ledger.get_at(0)
    assert own is not None
    assert own.tenant == OWN
    target = world.decide()["id"]
    first = held(world, target).entry_id
    last = released(world, target).entry_id
    size = world.ledger.size
    for entry in (own.id, first, last, "nobody", ""):
        with pytest.raises(ErasureRefusedError):
            held(world, entry)
        with pytest.raises(ErasureRefusedError):
            erased(world, entry)
    with pytest.raises(NothingToEraseError):
        held(world, "nobody")
    assert world.ledger.size == size


@pytest.mark.parametrize("which", [None, "", "hold-1-x", "hold-2-", "release-1-", "nobody"])
def test_what_is_not_held_is_not_released(world: World, which: str | None) -> None:
    target, other = world.decide()["id"], world.decide()["id"]
    held(world, other)
    size = world.ledger.size
    named = f"{which}{target}" if which and which.endswith("-") else which
    for one in (named, hold_id(other, 1)):
        with pytest.raises(ErasureRefusedError, match="is not held"):
            released(world, target, one)
    assert (world.ledger.size, holds_of(world, other)) == (size, [hold_id(other, 1)])


# --- over HTTP -----------------------------------------------------------------------


def test_a_caller_is_told_who_holds_it_and_why(client: Client, world: World) -> None:
    answer = world.decide()
    held(world, answer["id"])
    status, told = erasure_of(client, answer["id"])
    assert (status, told["type"].rpartition("/")[2]) == (409, "erasure-refused")
    assert CASE.by in told["detail"]
    assert CASE.reason in told["detail"]
    assert read(client, answer["id"])[0] == 200
    released(world, answer["id"])
    assert erasure_of(client, answer["id"])[0] == 200


# --- as its user runs it, and after the log has ended --------------------------------


def test_it_is_held_after_its_log_has_ended(charter: Charter, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    one, two, _ = decided_state(folder, [{}, {}, {}])
    state = ("--state", folder)
    why = ("--reason", "case 1", "--authority", "a court", "--by", "legal")
    assert charter("ledger", "hold", one, *state, *why).code == 0
    said = ("--origin", "ledger.example/next", "--reason", "a new year")
    assert charter("ledger", "shard", *state, *said).code == 0
    ran = charter("ledger", "hold", two, *state, *why, "--format", "json")
    assert (ran.code, json.loads(ran.out)["index"]) == (0, 1), ran
    for entry in (one, two):
        ran = charter("ledger", "erase", entry, *state, *why)
        assert (ran.code, "is held by legal: case 1 (a court)" in ran.line) == (1, True), ran
    opened = open_state(folder)
    with closing(with_older(opened.open_ledger(), folder)) as log:
        found = log.get(hold_id(two, 1))
        assert found is not None
        told: Any = read_statement(parse_envelope(found.body).payload).predicate["held"]
        assert told["log"] == ORIGIN
    for entry in (one, two):
        ran = charter("ledger", "release", entry, *state, *why, "--hold", hold_id(entry, 1))
        assert (ran.code, "is released" in ran.out) == (0, True), ran
        assert charter("ledger", "erase", entry, *state, *why).code == 0
    assert charter("ledger", "fsck", *state).code == exit_codes.OK
    assert charter("ledger", "export", *state).code == 0


@pytest.mark.parametrize("command", ["hold", "release"])
def test_what_cannot_be_is_one_line(charter: Charter, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "state"
    (one,) = decided_state(folder, [{}])
    why = ("--reason", "r", "--authority", "a", "--by", "b")
    for target, where, words in (
        ("nobody", folder, why),
        (one, tmp_path / "none", why),
        (one, folder, ("--reason", "", *why[2:])),
        *([(one, folder, why)] if command == "release" else []),
    ):
        ran = charter("ledger", command, target, "--state", where, *words)
        assert (ran.code, ran.out, bool(ran.line)) == (1, "", True), ran
    assert not (tmp_path / "none").exists()
    opened = open_state(folder)
    with opened.open_ledger() as log:
        assert log.size == 1
        ran = charter("ledger", command, one, "--state", folder, *why)
        assert (ran.code, "open already" in ran.line) == (1, True)
