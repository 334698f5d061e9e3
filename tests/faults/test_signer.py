"""A signer that is lost, slow, or has another key than before (F29). R1: no signature, no
permit."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ConfigurationError, GatewayError, LedgerUnavailableError, SigningError
from gateway.keys import CheckpointKey, DecisionKey, DecisionPublicKey
from gateway.state import open_state
from tests.faults.history import Asked, History, check_log, draw, put
from tests.faults.running import Project, gateway, start
from tests.gateway.world import CALLER, ORIGIN, World, body, run

ONE_ENGINE = ("--engines", "cedar")


def draw_one() -> Asked:
    return draw(Random(1))  # noqa: S311


class Elsewhere:
    """A decision key that lives in another process, which tests break."""

    def __init__(self) -> None:
        self.key = DecisionKey.generate()
        self.before_signing: Callable[[], None] = lambda: None
        self.signed = 0

    @property
    def key_id(self) -> str:
        return self.key.key_id

    @property
    def public(self) -> DecisionPublicKey:
        return self.key.public

    def sign(self, message: bytes) -> bytes:
        self.before_signing()
        self.signed += 1
        return self.key.sign(message)


@pytest.fixture
def signer(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    made = Elsewhere()
    monkeypatch.setattr(DecisionKey, "generate", lambda: made)
    return made


def lost() -> None:
    raise OSError("the signing process is gone")


def nothing_came_of_it(world: World, error: type[Exception]) -> None:
    size = world.ledger.size
    with pytest.raises(error):
        world.decide()
    assert world.ledger.size == size


def test_without_its_signer_nothing_is_decided_and_then_it_is_again(
    tmp_path: Path, signer: Elsewhere
) -> None:
    with World(tmp_path) as world:
        world.verify(world.decide())
        signer.before_signing = lost
        for _ in range(3):
            nothing_came_of_it(world, OSError)
        signer.before_signing = lambda: None
        answer = world.decide()
        assert answer["decision"] == "permit"
        world.verify(answer)
        assert world.ledger.size == signer.signed == 2


def test_a_slow_signer_makes_answers_late_and_signed(tmp_path: Path, signer: Elsewhere) -> None:
    signer.before_signing = lambda: time.sleep(0.2)
    with World(tmp_path) as world:

        async def many() -> list[dict[str, Any]]:
            asked = [world.service.decide(body(context__transfer__age=n), CALLER) for n in range(5)]
            return list(await asyncio.gather(*asked))

        answers = run(many())
        for answer in answers:
            world.verify(answer)
        assert world.ledger.size == 5


def test_a_signer_that_changes_its_key_signs_no_decision(tmp_path: Path, signer: Elsewhere) -> None:
    right = signer.key
    with World(tmp_path) as world:
        world.verify(world.decide())
        signer.key = DecisionKey(ec.generate_private_key(ec.SECP256R1()))
        for _ in range(3):
            nothing_came_of_it(world, SigningError)
        assert issubclass(SigningError, GatewayError)
        signer.key = right
        world.verify(world.decide())


def test_without_the_key_of_the_log_nothing_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(tmp_path) as world:
        world.verify(world.decide())
        sign = CheckpointKey.sign

        def broken(*_: object) -> bytes:
            raise OSError("the signing process is gone")

        monkeypatch.setattr(CheckpointKey, "sign", broken)
        for _ in range(3):
            nothing_came_of_it(world, LedgerUnavailableError)
        monkeypatch.setattr(CheckpointKey, "sign", sign)
        world.verify(world.decide())
        assert world.ledger.size == 2


# --- a real gateway whose key files are exchanged ------------------------------------


def test_a_key_file_that_was_exchanged_is_not_started_with(project: Project) -> None:
    path = project.state / "decision.key"
    with gateway(project, *ONE_ENGINE) as running:
        history = History([put(running, draw_one())])
        kept = path.read_bytes()
        path.unlink()
        DecisionKey.create(path)
        # What runs keeps to the key it began with.
        history.events.append(put(running, draw_one()))
    with pytest.raises(RuntimeError, match="put back the key files") as said:
        start(project, *ONE_ENGINE)
    assert str(said.value).count("\n") == 1
    path.write_bytes(kept)
    assert [event.status for event in history.events] == [200, 200]
    check_log(project, history)


def refuse(project: Project) -> None:
    with pytest.raises(ConfigurationError, match="put back the"):
        open_state(project.state)


def test_nor_with_an_exchanged_key_of_the_log(project: Project) -> None:
    path = project.state / "checkpoint.key"
    path.unlink()
    CheckpointKey.create(path, name=ORIGIN)
    refuse(project)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"decision_keys": [{}], "log": 1}', "\xff"])
def test_nor_with_a_trust_file_that_says_nothing_of_our_keys(project: Project, text: str) -> None:
    (project.state / "trust.json").write_bytes(text.encode("latin-1"))
    refuse(project)


def test_a_trust_file_may_name_keys_of_before_as_well(project: Project) -> None:
    path = project.state / "trust.json"
    named = json.loads(path.read_text())
    named["decision_keys"].insert(0, {"keyid": "0" * 64, "pem": "of before"})
    path.write_text(json.dumps(named))
    open_state(project.state)
    named["decision_keys"].pop()
    path.write_text(json.dumps(named))
    refuse(project)
