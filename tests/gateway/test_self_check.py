"""The first proof: made once, real, and never of a log that does not hold."""

import json
import sqlite3
from collections.abc import Generator
from pathlib import Path

import pytest

from gateway.callers import Caller
from gateway.errors import ConfigurationError
from gateway.keys import CheckpointKey, DecisionKey
from gateway.ledger.storage import DATABASE
from gateway.self_check import TENANT
from gateway.verify import Trust
from tests.gateway.world import CALLER, ORIGIN, World, run


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


def check(world: World) -> None:
    run(world.service.self_check(world.trust.to_json()))


def test_before_any_proof_it_is_not_ready(world: World) -> None:
    assert world.service.not_ready() == "no decision has been recorded and proved since the start"


def test_an_empty_log_gets_one_record_and_is_ready(world: World) -> None:
    check(world)
    assert world.ledger.size == 1
    assert world.service.not_ready() is None


def test_a_log_with_entries_gets_none(world: World) -> None:
    world.decide()
    check(world)
    check(world)
    assert world.ledger.size == 1


def test_the_record_of_the_self_check_verifies_as_any_other_and_permits_nothing(
    world: World,
) -> None:
    check(world)
    entry = world.ledger.get_at(0)
    assert entry is not None
    answer = {"record": json.loads(entry.body), "proof": world.ledger.proof(entry.id)}
    predicate = world.verify(answer)
    assert (predicate["decision"], predicate["tenant"]) == ("deny", TENANT)
    assert predicate["bundle"] == world.service.in_force.bundle.digest


def test_no_tenant_finds_the_record_of_the_self_check(world: World) -> None:
    check(world)
    entry = world.ledger.get_at(0)
    assert entry is not None
    assert run(world.service.recorded.find(entry.id, CALLER)) is None
    assert run(world.service.recorded.find(entry.id, Caller("c", TENANT + " "))) is None


@pytest.mark.parametrize("wrong", ["decision key", "log key", "origin"])
def test_a_trust_file_under_which_no_decision_would_verify_is_refused(
    world: World, wrong: str
) -> None:
    log_key, keys, origin = world.trust.log_key, world.trust.decision_keys, world.trust.origin
    if wrong == "decision key":
        other = DecisionKey.generate().public
        keys = {other.key_id: other}
    elif wrong == "log key":
        log_key = CheckpointKey.generate(ORIGIN).public
    else:
        origin, log_key = "other.example", CheckpointKey.generate("other.example").public
    with pytest.raises(ConfigurationError, match="no proof that holds"):
        run(world.service.self_check(Trust(origin, log_key, keys).to_json()))
    assert world.service.not_ready() is not None


def test_a_newest_entry_that_was_changed_on_disk_is_refused(world: World, tmp_path: Path) -> None:
    check(world)
    damage = sqlite3.connect(tmp_path / "ledger" / DATABASE)
    damage.execute("DROP TRIGGER body_refuses_update")
    damage.execute("UPDATE body SET salt = zeroblob(32)")
    damage.commit()
    damage.close()
    with pytest.raises(ConfigurationError, match="no proof that holds"):
        check(world)


def test_a_closed_log_is_refused_and_not_ready(world: World) -> None:
    check(world)
    world.ledger.close()
    assert world.service.not_ready() == "the log takes no entries"


def test_a_closed_empty_log_is_refused(world: World) -> None:
    world.ledger.close()
    with pytest.raises(ConfigurationError):
        check(world)


def test_a_decision_that_was_answered_is_a_proof_too(world: World) -> None:
    world.decide()
    assert world.service.not_ready() is None
