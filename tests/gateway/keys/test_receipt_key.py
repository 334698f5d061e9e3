"""The key of receipts is a key like others: made, listed, replaced, exported, in a token."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.keys import DecisionKey
from gateway.keys.custody import Custody
from gateway.keys.errors import CustodyError, RotationError
from gateway.keys.hsm_keys import open_decision_key
from gateway.keys.pin import VARIABLE
from gateway.ledger.log import Log
from gateway.next_log import change
from gateway.receipts.make import make_statement
from gateway.receipts.own_key import open_receipt_key
from gateway.record.envelope import parse_envelope
from gateway.record.statement import read_statement
from gateway.rotation import rotate
from gateway.rotation_ground import Given
from gateway.state import open_state
from gateway.verify.transparent import verify_statement
from tests.gateway.cli.commands import Charter
from tests.gateway.keys.test_rotation import Gateway
from tests.softhsm import PIN, SoftHsm, soft_hsm


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """A gateway with one decision."""
    made = Gateway(tmp_path / "state")
    made.decide()
    return made


@pytest.fixture
def charter(capsys: pytest.CaptureFixture[str]) -> Charter:
    return Charter(capsys)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    monkeypatch.setenv(VARIABLE, PIN)
    return soft_hsm(tmp_path / "hsm", monkeypatch)


def statement(gateway: Gateway, which: int = -1) -> bytes:
    """A receipt of a decision, by the key that counts; it verifies."""
    key, _ = open_receipt_key(gateway.folder, now=gateway.clock.now, custody=gateway.custody)
    state = gateway.state
    try:
        made = make_statement(
            gateway.answers[which],
            gateway.trust,
            decision=state.decision_key,
            receipt=key,
            now=gateway.clock(),
        )
    finally:
        state.close()
        if not isinstance(key, DecisionKey):
            key.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    verify_statement(made, gateway.trust, at=gateway.clock.now)
    return made


def listed(gateway: Gateway) -> list[dict[str, Any]]:
    return json.loads((gateway.folder / "trust.json").read_bytes())["receipt_keys"]


def newest_entry(gateway: Gateway) -> Any:
    state = gateway.state
    with state.open_ledger(gateway.clock) as log:
        assert isinstance(log, Log)
        found = log.get_at(log.size - 1)
    state.close()
    assert found is not None
    return read_statement(parse_envelope(found.body).payload).predicate


# --- replaced ------------------------------------------------------------------------


def test_a_new_key_takes_the_place_of_the_old_one_and_the_log_says_so(gateway: Gateway) -> None:
    before = statement(gateway)
    (old,) = listed(gateway)
    said = rotate(gateway.given, "receipt")
    newer, older = listed(gateway)
    assert (said["old"], said["new"]) == (old["keyid"], newer["keyid"])
    assert "until" in older
    entry = newest_entry(gateway)
    assert (entry["action"], entry["keys"]["purpose"]) == ("key-rotation", "receipt")
    assert entry["keys"]["new"] == newer["keyid"]
    assert (gateway.folder / f"retired-{old['keyid']}.key").exists()
    after = statement(gateway)
    for one in (before, after):
        verify_statement(one, gateway.trust, at=gateway.clock.now)
    assert len(listed(gateway)) == 2
    gateway.decide()


def test_the_first_key_can_be_made_so(gateway: Gateway) -> None:
    said = rotate(gateway.given, "receipt", lost=True)
    assert said["old"] is None
    assert [one["keyid"] for one in listed(gateway)] == [said["new"]]
    statement(gateway)


def test_into_a_token_and_out_again(gateway: Gateway, token: SoftHsm) -> None:
    before = statement(gateway)
    with pytest.raises(CustodyError):
        rotate(gateway.given, "receipt", to=token.uri("receipts"))
    open_decision_key(token.key("receipts"), PIN, make=True).close()
    rotate(gateway.given, "receipt", to=token.uri("receipts"))
    assert not (gateway.folder / "receipt.key").exists()
    gateway.custody = Custody(receipt=token.uri("receipts"))
    inside = statement(gateway)
    rotate(gateway.given, "receipt")
    gateway.custody = Custody()
    after = statement(gateway)
    for one in (before, inside, after):
        verify_statement(one, gateway.trust, at=gateway.clock.now)
    with pytest.raises(ConfigurationError, match="has ended"):
        open_receipt_key(
            gateway.folder,
            now=gateway.clock(),
            custody=Custody(receipt=token.uri("receipts")),
        )
    with pytest.raises(RotationError, match="was in use before"):
        rotate(gateway.given, "receipt", to=token.uri("receipts"))
    assert len(listed(gateway)) == 3


def test_a_key_that_signs_decisions_signs_no_receipts(gateway: Gateway, token: SoftHsm) -> None:
    open_decision_key(token.key("one"), PIN, make=True).close()
    rotate(gateway.given, "decision", to=token.uri("one"))
    gateway.custody = Custody(decision=token.uri("one"))
    before = (gateway.folder / "trust.json").read_bytes()
    with pytest.raises(RotationError, match="was in use before"):
        rotate(gateway.given, "receipt", to=token.uri("one"))
    with pytest.raises(ConfigurationError, match="signs decisions"):
        open_receipt_key(
            gateway.folder, now=gateway.clock(), custody=Custody(receipt=token.uri("one"))
        )
    assert (gateway.folder / "trust.json").read_bytes() == before


def test_after_another_log_began_the_key_is_replaced(gateway: Gateway) -> None:
    before = statement(gateway)
    change(gateway.state, "ledger.example/next", reason="x", clock=gateway.clock)
    gateway.decide()
    with pytest.raises(Exception, match="receipt is of another log"):
        statement(gateway)
    rotate(gateway.given, "receipt")
    statement(gateway)
    verify_statement(before, gateway.trust, at=gateway.clock.now)


def test_a_change_that_was_cut_off_is_finished(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement(gateway)
    real = Path.rename
    for at in range(2):
        left = [at]

        def cut(path: Path, target: Path, left: list[int] = left) -> Path:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return real(path, target)

        with monkeypatch.context() as broken:
            broken.setattr(Path, "rename", cut)
            with pytest.raises(KeyboardInterrupt):
                rotate(gateway.given, "receipt")
        with pytest.raises(ConfigurationError, match="was begun and not finished"):
            open_state(gateway.folder)
        rotate(gateway.given, "receipt")
        statement(gateway)
    assert len(listed(gateway)) == 3


# --- as its user runs it -------------------------------------------------------------


def test_it_is_made_listed_and_exported(gateway: Gateway, charter: Charter, token: SoftHsm) -> None:
    state = ("--state", gateway.folder)
    ran = charter("keys", "list", *state, "--format", "json")
    assert "receipt" not in {row["purpose"] for row in json.loads(ran.out)}
    assert charter("keys", "export", *state, "--purpose", "receipt", "--format", "pem").out == ""
    uri = token.uri("receipts")
    assert charter("keys", "new", uri, "--purpose", "receipt").code == 0
    ran = charter("keys", "rotate", "--purpose", "receipt", "--to", uri, *state)
    assert (ran.code, f"set    keys.receipt = {uri}" in ran.out) == (0, True), ran
    ran = charter("keys", "rotate", "--purpose", "receipt", *state, "--receipt-key", uri)
    assert (ran.code, "set    keys.receipt = file" in ran.out) == (0, True), ran
    ran = charter("keys", "list", *state, "--format", "json")
    rows = [row for row in json.loads(ran.out) if row["purpose"] == "receipt"]
    assert (rows[0]["state"], rows[0]["place"], rows[0]["until"]) == ("signs", "file", None)
    assert rows[1]["until"] is not None  # which can be a second ahead
    ran = charter("keys", "export", *state, "--purpose", "receipt", "--format", "jwks", "--ended")
    keys = [key["kid"] for key in json.loads(ran.out)["keys"]]
    assert len(keys) == 2
    ran = charter("keys", "export", *state, "--purpose", "receipt", "--format", "pem")
    assert ran.out.startswith(listed(gateway)[0]["pem"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("new", "KEY", "--purpose", "receipt", "--name", "x"),
        ("export", "--purpose", "receipt", "--format", "vkey"),
        ("rotate", "--purpose", "receipt", "--to", "else"),
        ("rotate", "--purpose", "receipts"),
    ],
)
def test_what_cannot_be_is_one_line(
    gateway: Gateway, charter: Charter, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    named = [tmp_path / "new.key" if one == "KEY" else one for one in arguments]
    where = () if arguments[0] == "new" else ("--state", gateway.folder)
    ran = charter("keys", *named, *where)
    assert (ran.code, ran.out) == (1, "")
    assert not (tmp_path / "new.key").exists()
    assert "receipt_keys" not in (gateway.folder / "trust.json").read_text()


def test_a_gateway_that_runs_keeps_its_key(gateway: Gateway) -> None:
    state = gateway.state
    with state.open_ledger(gateway.clock), pytest.raises(ConfigurationError, match="stop the"):
        rotate(Given(gateway.folder, gateway.custody, clock=gateway.clock), "receipt")
    assert "receipt_keys" not in (gateway.folder / "trust.json").read_text()
