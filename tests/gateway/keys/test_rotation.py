"""Keys are replaced: old records verify for ever, and nothing is half changed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest

from gateway import published, rotation_plan
from gateway.errors import ConfigurationError, GatewayError, KeyFileError, LedgerError
from gateway.keys import CheckpointKey, DecisionKey
from gateway.keys.custody import Custody
from gateway.keys.errors import RotationError
from gateway.keys.hsm_keys import open_checkpoint_key, open_decision_key
from gateway.keys.pin import VARIABLE
from gateway.ledger.guard import LedgerBehindError
from gateway.record.canonical import canonicalise
from gateway.record.envelope import parse_envelope, sign_envelope
from gateway.record.statement import PAYLOAD_TYPE, read_statement
from gateway.rotation import retire, rotate
from gateway.rotation_ground import Given
from gateway.self_check import own_record
from gateway.state import State, open_state, open_worker_state
from gateway.verify import Trust, verify_decision
from gateway.verify.checkpoints import read_checkpoint
from gateway.verify.refused import CheckpointKeyPeriodError, KeyPeriodError
from tests.softhsm import PIN, SoftHsm
from tests.stock_tools import tlogcheck

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=10)
        return self.now


class Gateway:
    """A state folder with a gateway that is started, decides, and is stopped again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.custody = Custody()
        self.answers: list[dict[str, Any]] = []
        open_state(folder, origin="ledger.example/eu")

    @property
    def given(self) -> Given:
        return Given(self.folder, self.custody, clock=self.clock)

    @property
    def trust(self) -> Trust:
        return Trust.from_json((self.folder / "trust.json").read_bytes())

    @property
    def state(self) -> State:
        return open_state(self.folder, custody=self.custody)

    def decide(self, state: State | None = None) -> str:
        """One more record in the log; its checkpoint."""
        state = state or self.state
        with state.open_ledger(self.clock) as ledger:
            at = self.clock()
            name = f"decision-{len(self.answers)}"
            body = own_record(name, at, "place", {}, state.decision_key)
            proof = ledger.append(name, "clinic-a", body).result(10).proof_text
            self.answers.append({"record": json.loads(body), "proof": proof})
            note = ledger.latest_checkpoint()
        state.close()
        return note

    def check_all(self) -> None:
        """Everything that was ever answered verifies with what strangers are told now, also
        with a fresh proof."""
        trust = self.trust
        for number, answer in enumerate(self.answers):
            assert verify_decision(answer, trust).id == f"decision-{number}"
        state = self.state
        with state.open_ledger(self.clock) as ledger:
            for number, answer in enumerate(self.answers):
                verify_decision({**answer, "proof": ledger.proof(f"decision-{number}")}, trust)
        state.close()

    def newest(self) -> dict[str, Any]:
        """The newest entry of the log: its envelope and what it states."""
        state = self.state
        with state.open_ledger(self.clock) as ledger:
            record = ledger.get_at(ledger.size - 1)
        state.close()
        assert record is not None
        envelope = parse_envelope(record.body)
        predicate: Any = read_statement(envelope.payload).predicate
        return {**predicate, "signed by": [one.key_id for one in envelope.signatures]}


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = Gateway(tmp_path / "state")
    made.decide()
    return made


# --- decision keys -------------------------------------------------------------------


def test_a_new_decision_key_signs_and_old_records_verify(gateway: Gateway) -> None:
    old = gateway.state.decision_key.key_id
    for _ in range(2):
        rotate(gateway.given, "decision")
        gateway.decide()
    assert gateway.state.decision_key.key_id != old
    assert len(gateway.trust.decision_keys) == 3
    assert (gateway.folder / "decision.pem").read_text() == gateway.state.decision_key.public.pem
    assert (gateway.folder / f"retired-{old}.key").stat().st_mode & 0o777 == 0o600
    gateway.check_all()


def test_the_change_is_in_the_log_signed_by_the_old_key_and_the_new(gateway: Gateway) -> None:
    old = gateway.state.decision_key.key_id
    said = rotate(gateway.given, "decision")
    entry = gateway.newest()
    assert entry["action"] == "key-rotation"
    assert entry["keys"]["old"] == old == said["old"]
    assert entry["keys"]["new"] == said["new"] == gateway.state.decision_key.key_id
    assert entry["signed by"] == [old, said["new"]]


def test_the_old_key_signs_no_later_record(gateway: Gateway) -> None:
    old = gateway.state.decision_key
    rotate(gateway.given, "decision")
    gateway.decide(replace(gateway.state, decision_key=old))
    with pytest.raises(KeyPeriodError):
        verify_decision(gateway.answers[-1], gateway.trust)


def test_the_new_key_signs_no_earlier_record(gateway: Gateway) -> None:
    before = gateway.clock()
    rotate(gateway.given, "decision")
    new = gateway.state.decision_key
    gateway.clock.now = before
    gateway.decide(replace(gateway.state, decision_key=new))
    with pytest.raises(KeyPeriodError):
        verify_decision(gateway.answers[-1], gateway.trust)


def test_an_ended_key_in_the_place_of_the_new_one_is_not_started_with(gateway: Gateway) -> None:
    old = gateway.state.decision_key.key_id
    gateway.clock.now = datetime.now(UTC) - timedelta(days=1)
    rotate(gateway.given, "decision")
    (gateway.folder / "decision.key").unlink()
    (gateway.folder / f"retired-{old}.key").rename(gateway.folder / "decision.key")
    for opened in (open_state, open_worker_state):
        with pytest.raises(ConfigurationError, match="has ended"):
            opened(gateway.folder)


# --- checkpoint keys -----------------------------------------------------------------


def test_both_keys_sign_until_the_old_one_is_ended(gateway: Gateway) -> None:
    first = gateway.trust
    old = gateway.state.checkpoint_key.public
    said = rotate(gateway.given, "checkpoint")
    both = gateway.decide()
    new = gateway.state.checkpoint_key.public
    assert said["old"] == old.vkey != new.vkey == said["new"]
    # Who has the trust file of before still believes, and so does who has the new one.
    verify_decision(gateway.answers[-1], first)
    assert read_checkpoint(both.encode(), first).size == 3
    gateway.check_all()

    ended = retire(gateway.given)
    alone = gateway.decide()
    assert ended["last_size"] == 3
    with pytest.raises(LedgerError):
        read_checkpoint(alone.encode(), first)
    assert read_checkpoint(alone.encode(), gateway.trust).size == 5
    assert gateway.newest()["action"] == "place"
    gateway.check_all()


def test_a_stranger_believes_either_key_while_both_sign(gateway: Gateway) -> None:
    old = gateway.trust.log_key.vkey
    rotate(gateway.given, "checkpoint")
    new = gateway.trust.log_key.vkey

    def believed(*vkeys: str) -> list[bool]:
        gateway.decide()
        answer = gateway.answers[-1]
        files = {"proof": answer["proof"].encode(), "record": canonicalise(answer["record"])}
        ran = [tlogcheck("proof", one, "proof", "record", files=files) for one in vkeys]
        return [one.returncode == 0 for one in ran]

    stranger = CheckpointKey.generate("ledger.example/eu").public.vkey
    assert believed(old, new, stranger) == [True, True, False]
    retire(gateway.given)
    assert believed(old, new, stranger) == [False, True, False]


def test_an_ended_log_key_counts_for_no_larger_log(gateway: Gateway) -> None:
    old = gateway.state.checkpoint_key
    rotate(gateway.given, "checkpoint")
    retire(gateway.given)
    stolen = replace(gateway.state, checkpoint_key=old, earlier=(gateway.trust.log_key, old.public))
    note = gateway.decide(stolen)
    with pytest.raises(CheckpointKeyPeriodError):
        verify_decision(gateway.answers[-1], gateway.trust)
    with pytest.raises(CheckpointKeyPeriodError):
        read_checkpoint(note.encode(), gateway.trust)


def test_a_second_key_of_the_log_waits_for_the_end_of_the_first(gateway: Gateway) -> None:
    rotate(gateway.given, "checkpoint")
    before = (gateway.folder / "trust.json").read_bytes()
    with pytest.raises(RotationError, match="charter keys retire"):
        rotate(gateway.given, "checkpoint")
    assert (gateway.folder / "trust.json").read_bytes() == before
    retire(gateway.given)
    with pytest.raises(RotationError, match="no key signs"):
        retire(gateway.given)
    rotate(gateway.given, "checkpoint")
    rotate(gateway.given, "decision")
    gateway.decide()
    gateway.check_all()


def test_while_two_sign_the_old_key_may_not_be_missing(gateway: Gateway) -> None:
    rotate(gateway.given, "checkpoint")
    before = gateway.folder / "checkpoint.before.key"
    kept = before.read_bytes()
    before.unlink()
    with pytest.raises(KeyFileError, match="charter keys retire"):
        open_state(gateway.folder)
    CheckpointKey.create(before, name="ledger.example/eu")
    with pytest.raises(ConfigurationError, match="put that back"):
        open_state(gateway.folder)
    before.write_bytes(kept)
    gateway.decide()
    before.unlink()
    retire(gateway.given)
    gateway.decide()
    gateway.check_all()


# --- keys that are lost --------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["decision", "checkpoint"])
def test_a_key_that_is_lost_is_replaced_and_the_log_goes_on(gateway: Gateway, purpose: Any) -> None:
    (gateway.folder / f"{purpose}.key").unlink()
    with pytest.raises(KeyFileError, match=r"charter keys rotate --lost"):
        open_state(gateway.folder)
    with pytest.raises(KeyFileError):
        rotate(gateway.given, purpose)
    said = rotate(gateway.given, purpose, lost=True)
    assert gateway.newest()["keys"]["lost"] is True
    assert said["old"] != said["new"]
    gateway.decide()
    gateway.check_all()


def test_a_key_that_was_exchanged_says_what_to_do(gateway: Gateway) -> None:
    right = gateway.state.decision_key.key_id
    (gateway.folder / "decision.key").unlink()
    other = DecisionKey.create(gateway.folder / "decision.key").key_id
    with pytest.raises(ConfigurationError, match="put back the key files") as refused:
        open_state(gateway.folder)
    assert right in str(refused.value)
    assert other in str(refused.value)


# --- what is refused, and leaves everything as it was ----------------------------------


def snapshot(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


def test_nothing_is_changed_while_a_gateway_runs(gateway: Gateway) -> None:
    state = gateway.state
    before = snapshot(gateway.folder)
    with state.open_ledger(gateway.clock):
        for purpose in ("decision", "checkpoint"):
            with pytest.raises(ConfigurationError, match="stop the gateway"):
                rotate(gateway.given, purpose)
    after = snapshot(gateway.folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"decision.key.next", "checkpoint.key.next"}
    # What was made for it is used the next time.
    rotate(gateway.given, "decision")
    assert not (gateway.folder / "decision.key.next").exists()
    gateway.decide()
    gateway.check_all()


def test_the_key_of_an_older_copy_of_the_log_is_not_replaced(gateway: Gateway) -> None:
    older = gateway.folder.with_name("older")
    copytree(gateway.folder, older)
    gateway.decide()
    rmtree(gateway.folder)
    older.rename(gateway.folder)
    for purpose in ("decision", "checkpoint"):
        with pytest.raises(LedgerBehindError):
            rotate(gateway.given, purpose)
    assert not (gateway.folder / "rotation.json").exists()


def test_a_folder_without_a_gateway_has_no_key_to_replace(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RotationError, match="holds no gateway"):
            rotate(Given(folder, Custody()), "decision")


def test_a_key_that_was_in_use_before_is_not_taken_again(gateway: Gateway) -> None:
    old = gateway.state.decision_key.key_id
    rotate(gateway.given, "decision")
    (gateway.folder / f"retired-{old}.key").rename(gateway.folder / "decision.key.next")
    with pytest.raises(RotationError, match="in use before"):
        rotate(gateway.given, "decision")


# --- crashes -------------------------------------------------------------------------


class Crashed(BaseException):
    pass


CHANGES: dict[str, list[Callable[[Given], object]]] = {
    "decision": [lambda given: rotate(given, "decision")],
    "checkpoint": [lambda given: rotate(given, "checkpoint")],
    "end": [lambda given: rotate(given, "checkpoint"), retire],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("step", ["begun", "logged", "published", "first move", "moved"])
def test_a_change_that_a_crash_cut_short_is_finished_by_the_same_command(
    gateway: Gateway, change: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    *before, last = CHANGES[change]
    for one in before:
        one(gateway.given)

    def crash(*_: object, **__: object) -> None:
        raise Crashed

    rename, moved = Path.rename, 0

    def rename_once(path: Path, target: Path) -> Path:
        nonlocal moved
        if moved:
            raise Crashed
        moved += 1
        return rename(path, target)

    with monkeypatch.context() as patch:
        if step == "begun":
            patch.setattr("gateway.rotation.finish", crash)
        elif step == "logged":
            patch.setattr(rotation_plan.published, "write", crash)
        elif step == "published":
            patch.setattr(Path, "rename", crash)
        elif step == "first move":
            patch.setattr(Path, "rename", rename_once)
            patch.setattr(rotation_plan.published, "sync_folder", crash)
        else:
            patch.setattr(Path, "unlink", crash)
        with pytest.raises(Crashed):
            last(gateway.given)
    with pytest.raises(ConfigurationError, match="charter keys"):
        open_state(gateway.folder)
    last(gateway.given)
    assert not (gateway.folder / "rotation.json").exists()
    entry = gateway.newest()
    assert entry["action"] in ("key-rotation", "key-retirement")
    gateway.decide()
    gateway.check_all()
    state = gateway.state
    with state.open_ledger(gateway.clock) as ledger:
        # Logged once, whatever was repeated.
        assert ledger.size == 3 + len(before)
    state.close()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"moves": 1}', "\xff"])
def test_a_plan_that_cannot_be_read_is_not_guessed_at(gateway: Gateway, text: str) -> None:
    (gateway.folder / "rotation.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="remove it"):
        rotate(gateway.given, "decision")


# --- into a token, and out of it -------------------------------------------------------


def test_keys_go_into_a_token_and_out_again(
    tmp_path: Path, token: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, PIN)
    gateway = Gateway(tmp_path / "state")
    gateway.decide()
    open_decision_key(token.key("decision"), PIN, make=True).close()
    open_checkpoint_key(token.key("log"), PIN, name="x", make=True).close()

    rotate(gateway.given, "decision", to=token.uri("decision"))
    with pytest.raises(KeyFileError):
        open_state(gateway.folder)
    gateway.custody = replace(gateway.custody, decision=token.uri("decision"))
    gateway.decide()
    rotate(gateway.given, "checkpoint", to=token.uri("log"))
    gateway.custody = replace(gateway.custody, checkpoint=token.uri("log"))
    gateway.decide()
    retire(gateway.given)
    gateway.decide()
    assert (
        sorted(one.name for one in gateway.folder.glob("*.key") if "retired" not in one.name) == []
    )
    gateway.check_all()

    rotate(gateway.given, "decision")
    gateway.custody = replace(gateway.custody, decision="file")
    rotate(gateway.given, "checkpoint")
    gateway.custody = replace(gateway.custody, checkpoint="file", before=token.uri("log"))
    gateway.decide()
    retire(gateway.given)
    gateway.custody = Custody()
    gateway.decide()
    gateway.check_all()


def test_a_new_gateway_begins_with_keys_in_a_token(
    tmp_path: Path, token: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, PIN)
    folder = tmp_path / "state"
    custody = Custody(decision=token.uri("decision"), checkpoint=token.uri("log"))
    with pytest.raises(ConfigurationError, match="PRIVATE_KEY"):
        open_state(folder, custody=custody)
    assert not folder.exists()
    open_decision_key(token.key("decision"), PIN, make=True).close()
    open_checkpoint_key(token.key("log"), PIN, name="x", make=True).close()
    open_state(folder, custody=custody).close()
    assert [one.name for one in folder.glob("*.key")] == []
    state = open_state(folder, custody=custody)
    body = own_record("x", START, "place", {}, state.decision_key)
    with state.open_ledger() as ledger:
        ledger.append("x", "t", body).result(10)
    state.close()


def test_what_is_published_is_strict(gateway: Gateway) -> None:
    rotate(gateway.given, "checkpoint")
    document: Any = json.loads((gateway.folder / "trust.json").read_text())
    other = CheckpointKey.generate("ledger.example/eu").public
    for damage in (
        {"log": {"origin": "else", "vkey": document["log"]["vkey"]}},
        {"further_logs": [*document["further_logs"], {"origin": other.name, "vkey": other.vkey}]},
        {"decision_keys": [{"keyid": "x", "until": "2026-11-22T10:00:00"}]},
    ):
        published.write(gateway.folder, {**document, **damage})
        with pytest.raises(ConfigurationError, match="put back the one"):
            open_state(gateway.folder)
    published.write(gateway.folder, document)
    open_state(gateway.folder)
    assert isinstance(RotationError("x"), GatewayError)
    assert sign_envelope(b"{}", PAYLOAD_TYPE, gateway.state.decision_key)
