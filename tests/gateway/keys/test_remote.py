"""Any class that keeps to the interface signs for a gateway: room for key services."""

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.errors import DecisionTimeoutError, LedgerUnavailableError
from gateway.keys import CheckpointKey, DecisionKey, DecisionPublicKey
from gateway.keys.errors import SigningUnavailableError
from gateway.keys.hsm_keys import open_checkpoint_key
from gateway.keys.signer import KeyAttestation, RemoteSigner
from tests.gateway.world import CALLER, ORIGIN, World, body, run
from tests.softhsm import PIN, SoftHsm


class KeyService:
    """A key that several threads sign with, each in its own time."""

    def __init__(self) -> None:
        self._key = DecisionKey.generate()
        self._threads = ThreadPoolExecutor(8)
        self._random = Random(20261122)  # noqa: S311
        self.slowest_s = 0.05
        self.lost = False

    @property
    def key_id(self) -> str:
        return self._key.key_id

    @property
    def public(self) -> DecisionPublicKey:
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        return self.sign_later(message).result()

    def sign_later(self, message: bytes) -> "Future[bytes]":
        return self._threads.submit(self._sign, message, self._random.random() * self.slowest_s)

    def _sign(self, message: bytes, after_s: float) -> bytes:
        time.sleep(after_s)
        if self.lost:
            raise SigningUnavailableError("the key service does not answer")
        return self._key.sign(message)

    def refusal(self) -> str | None:
        return "the key service does not answer" if self.lost else None

    def about(self) -> KeyAttestation | None:
        return None

    def close(self) -> None:
        self._threads.shutdown()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = KeyService()
    assert isinstance(made, RemoteSigner)
    monkeypatch.setattr(DecisionKey, "generate", lambda: made)
    yield made
    made.close()


async def many(world: World, count: int) -> list[Any]:
    asked = [world.service.decide(body(context__transfer__age=n), CALLER) for n in range(count)]
    return await asyncio.gather(*asked, return_exceptions=True)


def test_signatures_that_come_out_of_order_are_each_of_their_own_record(
    tmp_path: Path, service: KeyService
) -> None:
    with World(tmp_path) as world:
        answers = run(many(world, 50))
        for answer in answers:
            world.verify(answer)
        assert world.ledger.size == 50


def test_while_the_service_is_lost_nothing_is_decided(tmp_path: Path, service: KeyService) -> None:
    with World(tmp_path) as world:
        world.verify(world.decide())
        service.lost = True
        refused = run(many(world, 20))
        assert {type(one) for one in refused} == {SigningUnavailableError}
        assert world.ledger.size == 1
        assert world.service.not_ready() == "the key that signs decisions cannot be used"
        service.lost = False
        world.verify(world.decide())


def test_a_signature_that_comes_too_late_is_not_used(tmp_path: Path, service: KeyService) -> None:
    with World(tmp_path, timeout_s=0.2) as world:
        world.verify(world.decide())
        service.slowest_s = 100.0
        service._random.random = lambda: 0.005  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(DecisionTimeoutError, match="slow"):
            world.decide()
        assert world.ledger.size == 1


def test_without_the_key_of_the_log_in_its_token_nothing_is_answered(
    tmp_path: Path, token: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = open_checkpoint_key(token.key("log"), PIN, name=ORIGIN, make=True, sign_s=0.5)

    def generate(_: str) -> object:
        return key

    monkeypatch.setattr(CheckpointKey, "generate", generate)
    with World(tmp_path / "world") as world:
        world.verify(world.decide())
        key._hsm.distrust("ended by a test")  # pyright: ignore[reportPrivateUsage]
        until = time.monotonic() + 5
        while key.refusal() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        with pytest.raises(LedgerUnavailableError):
            world.decide()
        assert world.ledger.size == 1
        while key.refusal() is not None:
            assert time.monotonic() < until
            time.sleep(0.01)
        world.verify(world.decide())
    key.close()
