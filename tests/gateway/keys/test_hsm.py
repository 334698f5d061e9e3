"""Keys in a token: what is refused, and what becomes of a token that is lost, hangs or lies."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.errors import SignatureError, SigningError
from gateway.keys import DecisionKey, hsm_process
from gateway.keys.errors import CustodyError, SigningUnavailableError
from gateway.keys.hsm_keys import (
    HsmCheckpointKey,
    HsmDecisionKey,
    open_checkpoint_key,
    open_decision_key,
)
from gateway.keys.pin import VARIABLE
from gateway.keys.signer import RemoteSigner
from gateway.web.problem import of_error
from tests.gateway.world import CALLER, World, body, run
from tests.project import ROOT
from tests.softhsm import P384, PIN, SEALED, SoftHsm, ec_pair

SIGN_S = 0.5


@contextmanager
def made(token: SoftHsm, label: str = "decision") -> Generator[HsmDecisionKey]:
    key = open_decision_key(token.key(label), PIN, make=True, sign_s=SIGN_S)
    try:
        yield key
    finally:
        key.close()


@pytest.fixture
def key(token: SoftHsm) -> Generator[HsmDecisionKey]:
    with made(token) as opened:
        yield opened


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


def signs(key: RemoteSigner | HsmDecisionKey) -> bool:
    try:
        key.sign_later(b"message").result(10)
    except SigningUnavailableError:
        return False
    return True


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


# --- what it signs -------------------------------------------------------------------


def test_what_a_token_signs_is_what_a_file_would_have_signed(key: HsmDecisionKey) -> None:
    for message in (b"", b"message", b"x" * 1_000_000):
        key.public.verify(key.sign(message), message)
    with pytest.raises(SignatureError):
        key.public.verify(key.sign(b"message"), b"massage")
    assert isinstance(key, RemoteSigner)
    assert not isinstance(DecisionKey.generate(), RemoteSigner)


def test_a_key_in_a_token_says_where_it_lives(key: HsmDecisionKey) -> None:
    about = key.about()
    assert (about.manufacturer, about.model) == ("SoftHSM project", "SoftHSM v2")
    assert about.is_sensitive
    assert about.was_never_extractable
    assert about.was_made_there
    assert about.evidence is None


def test_a_checkpoint_key_of_a_token_signs_notes(token: SoftHsm) -> None:
    with made(token):
        key: HsmCheckpointKey = open_checkpoint_key(
            token.key("log"), PIN, name="ledger.example/eu", make=True
        )
        key.public.verify(key.sign(b"note"), b"note")
        assert key.public.vkey.startswith("ledger.example/eu+")
        key.close()


def test_many_signatures_at_once_are_each_their_own(key: HsmDecisionKey) -> None:
    messages = [str(n).encode() for n in range(100)]
    pending = [key.sign_later(message) for message in messages]
    for message, one in zip(messages, pending, strict=True):
        key.public.verify(one.result(5), message)


# --- what is refused -----------------------------------------------------------------


def test_a_key_is_never_made_twice_under_one_name(token: SoftHsm, key: HsmDecisionKey) -> None:
    with pytest.raises(CustodyError, match="never overwritten"):
        open_decision_key(token.key("decision"), PIN, make=True)
    assert signs(key)


_RSA = "session.generate_keypair(KeyType.RSA, 2048, store=True, label='odd', private_template={})"
ODD_KEYS = {
    "of another curve": (ec_pair(P384), "another curve"),
    "that can be taken out": (
        ec_pair(private="{Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: True}"),
        "taken out",
    ),
    "that can be read": (
        ec_pair(private="{Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: False}"),
        "taken out",
    ),
    "that may not sign": (
        ec_pair(private=f"{{**{SEALED}, Attribute.SIGN: False}}"),
        "may sign",
    ),
    "twice under one name": (f"{ec_pair()}; {ec_pair()}", "2 objects"),
    "of RSA": (
        _RSA.format(SEALED),
        "not p256",
    ),
    "without its public half": (
        f"pair = {ec_pair()}; pair[0].destroy()",
        "no objects of class PUBLIC_KEY",
    ),
    "not there": ("None", "no objects of class PRIVATE_KEY"),
}


@pytest.mark.parametrize("name", ODD_KEYS)
def test_a_key_that_should_sign_no_decision_is_refused(token: SoftHsm, name: str) -> None:
    statement, words = ODD_KEYS[name]
    token.odd(statement)
    with pytest.raises(CustodyError, match=words):
        open_decision_key(token.key("odd"), PIN)


def test_keys_in_each_others_place_are_refused(token: SoftHsm) -> None:
    with made(token):
        with pytest.raises(CustodyError, match="not ed25519"):
            open_checkpoint_key(token.key("decision"), PIN, name="ledger.example/eu")
        log = open_checkpoint_key(token.key("log"), PIN, name="ledger.example/eu", make=True)
        log.close()
        with pytest.raises(CustodyError, match="not p256"):
            open_decision_key(token.key("log"), PIN)


def test_a_wrong_pin_is_tried_once_and_told_nowhere(token: SoftHsm, key: HsmDecisionKey) -> None:
    with pytest.raises(CustodyError, match="refuses the PIN") as refused:
        open_decision_key(token.key("decision"), "97531-not-it")
    assert refused.value.is_final
    assert "97531" not in str(refused.value)
    assert signs(key)


@pytest.mark.parametrize("label", ["tokem", "other"])
def test_another_token_is_not_taken(token: SoftHsm, key: HsmDecisionKey, label: str) -> None:
    uri = token.key("decision").text.replace("token=charter", f"token={label}")
    with pytest.raises(CustodyError, match="NoSuchToken"):
        open_decision_key(type(token.key("x"))(uri, token.key("x").module, label, None, "decision",
                                               None, None), PIN)  # fmt: skip
    assert signs(key)


def test_a_module_that_is_none_is_refused(token: SoftHsm, tmp_path: Path) -> None:
    for path in (
        tmp_path / "nothing.so",
        ROOT / "README.md",
        Path("/lib/x86_64-linux-gnu/libc.so.6"),
    ):
        given = token.key("decision")
        with pytest.raises(CustodyError, match="the module"):
            open_decision_key(
                type(given)(given.text, path, given.token, None, given.label, None, None), PIN
            )


def test_without_the_library_it_says_what_to_install(
    token: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hsm_process, "_BOOT", "import sys; sys.exit(1)")
    with pytest.raises(CustodyError, match="crashed"):
        open_decision_key(token.key("decision"), PIN)

    def nowhere(_: str) -> None:
        return None

    monkeypatch.setattr(hsm_process, "find_spec", nowhere)
    with pytest.raises(CustodyError, match=r"charter-gateway\[pkcs11\]"):
        open_decision_key(token.key("decision"), PIN)


def test_a_module_that_does_not_open_the_key_is_not_waited_for(
    token: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hsm_process, "_BOOT", "import time; time.sleep(60)")
    with pytest.raises(CustodyError, match=r"within 0\.2 s"):
        open_decision_key(token.key("decision"), PIN, start_s=0.2)


# --- a token that is lost, hangs, or lies (F29; R1: no signature, no permit) -----------


def test_a_module_that_crashes_signs_nothing_and_then_signs_again(key: HsmDecisionKey) -> None:
    before = key.pid
    os.kill(before, signal.SIGKILL)
    eventually(lambda: key.refusal() is not None)
    assert not signs(key)
    eventually(lambda: signs(key))
    assert key.refusal() is None
    assert key.pid != before


def test_a_module_that_hangs_is_not_waited_for_and_is_ended(key: HsmDecisionKey) -> None:
    hung = key.pid
    os.kill(hung, signal.SIGSTOP)
    began = time.monotonic()
    pending = [key.sign_later(b"message") for _ in range(3)]
    for one in pending:
        with pytest.raises(SigningUnavailableError, match="no answer within"):
            one.result(5)
    assert time.monotonic() - began < SIGN_S + 1
    eventually(lambda: signs(key))
    assert gone(hung)


def test_a_token_that_is_lost_signs_nothing_until_it_is_back(
    token: SoftHsm, key: HsmDecisionKey
) -> None:
    away = token.folder / "away"
    token.tokens.rename(away)
    token.tokens.mkdir()
    os.kill(key.pid, signal.SIGKILL)  # SoftHSM keeps in memory what it has read
    eventually(lambda: (key.refusal() or "").endswith("NoSuchToken"))
    assert not signs(key)
    token.tokens.rmdir()
    away.rename(token.tokens)
    eventually(lambda: signs(key))


def test_a_key_that_was_exchanged_meanwhile_signs_nothing(
    token: SoftHsm, key: HsmDecisionKey
) -> None:
    destroy = (
        "from pkcs11 import ObjectClass; "
        "[one.destroy() for one in list(session.get_objects({Attribute.LABEL: 'decision'}))]; "
    )
    token.odd(destroy + ec_pair().replace("'odd'", "'decision'"))
    os.kill(key.pid, signal.SIGKILL)
    eventually(lambda: "another key" in (key.refusal() or ""))
    assert not signs(key)


def test_a_pin_that_is_refused_later_is_not_tried_again(
    token: SoftHsm, key: HsmDecisionKey
) -> None:
    token.odd(f"session.set_pin('{PIN}', 'another-pin-of-tests')")
    os.kill(key.pid, signal.SIGKILL)
    eventually(lambda: "refuses the PIN" in (key.refusal() or ""))
    time.sleep(0.5)
    assert key.pid == 0
    assert not signs(key)


def test_a_signature_of_another_key_is_not_passed_on(token: SoftHsm, key: HsmDecisionKey) -> None:
    with made(token, "other") as other:
        key._hsm, right = other._hsm, key._hsm  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(SigningUnavailableError, match="does not hold"):
            key.sign(b"message")
        key._hsm = right  # pyright: ignore[reportPrivateUsage]
        assert signs(key)


def test_a_module_that_hangs_while_nobody_asks_is_noticed(token: SoftHsm) -> None:
    with made(token) as key:
        hsm = key._hsm  # pyright: ignore[reportPrivateUsage]
        hsm._ping_s = 0.1  # pyright: ignore[reportPrivateUsage]
        assert signs(key)
        hung = key.pid
        os.kill(hung, signal.SIGSTOP)
        eventually(lambda: key.pid not in (hung, 0))
        assert signs(key)


def test_closing_fails_what_waits_and_ends_the_process(token: SoftHsm) -> None:
    with made(token) as key:
        pid = key.pid
        os.kill(pid, signal.SIGSTOP)
        pending = key.sign_later(b"message")
    with pytest.raises(SigningUnavailableError):
        pending.result(1)
    assert gone(pid)
    assert not signs(key)


def test_more_is_not_queued_than_can_be_signed_in_time(key: HsmDecisionKey) -> None:
    os.kill(key.pid, signal.SIGSTOP)
    pending = [key.sign_later(b"message") for _ in range(1_000)]
    assert sum(one.done() for one in pending) >= 800
    for one in pending:
        with pytest.raises(SigningUnavailableError):
            one.result(5)


# --- secrets -------------------------------------------------------------------------


def test_the_pin_is_in_no_argument_no_environment_and_no_log(
    token: SoftHsm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(VARIABLE, PIN)
    with made(token) as key:
        process = Path(f"/proc/{key.pid}")
        told = (process / "cmdline").read_bytes()
        with suppress(PermissionError):  # only root may look
            told += (process / "environ").read_bytes()
        os.kill(key.pid, signal.SIGKILL)
        eventually(lambda: signs(key))
    assert PIN.encode() not in told
    assert PIN not in caplog.text
    assert PIN not in repr(vars(key))


def test_the_process_ends_with_a_gateway_that_is_killed(token: SoftHsm) -> None:
    program = (
        "import sys, time\n"
        "from gateway.keys.hsm_keys import open_decision_key\n"
        "from gateway.keys.uri import parse\n"
        "key = open_decision_key(parse(sys.argv[1]), sys.argv[2], make=True)\n"
        "print(key.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, token.uri("decision"), PIN],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as gateway:
        assert gateway.stdout is not None
        pid = int(gateway.stdout.readline())
        gateway.kill()
    eventually(lambda: gone(pid))


# --- a gateway whose key is in the token ----------------------------------------------


def test_no_decision_without_a_signature_and_nobody_else_waits(
    tmp_path: Path, key: HsmDecisionKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DecisionKey, "generate", lambda: key)
    with World(tmp_path / "world") as world:
        world.verify(world.decide())
        size = world.ledger.size

        async def ask_while_it_hangs() -> float:
            """The longest that the loop stood still."""
            os.kill(key.pid, signal.SIGSTOP)
            asked = [
                asyncio.ensure_future(world.service.decide(body(context__transfer__age=n), CALLER))
                for n in range(3)
            ]
            longest, last = 0.0, time.monotonic()
            while not all(one.done() for one in asked):
                await asyncio.sleep(0.01)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            for one in asked:
                assert isinstance(one.exception(), SigningUnavailableError)
            return longest

        assert run(ask_while_it_hangs()) < SIGN_S / 2
        assert world.ledger.size == size
        assert world.service.not_ready() == "the key that signs decisions cannot be used"
        eventually(lambda: signs(key))
        world.verify(world.decide())
        assert world.service.not_ready() is None


def test_a_caller_is_told_that_it_may_ask_again() -> None:
    problem = of_error(SigningUnavailableError("the key decision cannot be used: secret words"))
    assert (problem.slug, int(problem.status)) == ("signer-unavailable", 503)
    assert problem.retry_ms is not None
    assert "secret" not in str(problem.body())
    assert of_error(SigningError("another key")).slug == "internal"
