"""`charter keys` as its user runs it, and a gateway whose keys are in a token."""

import json
import os
import signal
import stat
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.cli.key_uses import check_purposes
from gateway.errors import ConfigurationError
from gateway.keys import CheckpointPublicKey, DecisionKey, DecisionPublicKey
from gateway.keys.errors import KeyPurposeError
from gateway.keys.pin import VARIABLE
from gateway.ledger.cosignature import WitnessPublicKey
from gateway.published import write
from gateway.state import open_state
from tests.gateway.cli.commands import Charter
from tests.gateway.serving import Served, prepare
from tests.gateway.world import NOW, question
from tests.gateway_process import below, is_there, run_gateway
from tests.softhsm import PIN, SoftHsm, soft_hsm

ORIGIN = "ledger.example/test"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    open_state(tmp_path / "state", origin=ORIGIN)
    return tmp_path / "state"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    monkeypatch.setenv(VARIABLE, PIN)
    return soft_hsm(tmp_path / "hsm", monkeypatch)


def rows(charter: Charter, state: Path) -> list[dict[str, Any]]:
    ran = charter("keys", "list", "--state", state, "--format", "json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


# --- new -----------------------------------------------------------------------------


def test_a_new_key_is_in_a_file_of_its_owner_and_its_public_half_is_shown(
    charter: Charter, tmp_path: Path
) -> None:
    for purpose, name in {
        "decision": None,
        "release": None,
        "checkpoint": ORIGIN,
        "cosignature": "witness.example",
    }.items():
        path = tmp_path / purpose
        named = () if name is None else ("--name", name)
        ran = charter("keys", "new", path, "--purpose", purpose, *named)
        assert ran.code == 0, ran.err
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "PRIVATE" not in ran.out + ran.err
        kept = load_pem_private_key(path.read_bytes(), None)
        if name is None:
            assert isinstance(kept, ec.EllipticCurvePrivateKey)
            assert DecisionPublicKey.from_pem(ran.out).key_id == DecisionKey(kept).key_id
        else:
            assert isinstance(kept, ed25519.Ed25519PrivateKey)
            read = CheckpointPublicKey if purpose == "checkpoint" else WitnessPublicKey
            raw = kept.public_key().public_bytes_raw()
            assert read.from_vkey(ran.out.strip()).vkey == read.of(name, raw).vkey


def test_a_new_key_in_a_token_is_never_in_a_file(charter: Charter, token: SoftHsm) -> None:
    made = charter(
        "keys", "new", token.uri("decision"), "--purpose", "decision", "--format", "json"
    )
    assert set(json.loads(made.out)) == {"purpose", "place", "keyid", "pem"}
    named = charter("keys", "new", token.uri("log"), "--purpose", "checkpoint", "--name", ORIGIN)
    assert CheckpointPublicKey.from_vkey(named.out.strip()).name == ORIGIN
    again = charter("keys", "new", token.uri("log"), "--purpose", "checkpoint", "--name", ORIGIN)
    assert again.code == 1
    assert "never overwritten" in again.line
    for ran in (made, named, again):
        assert PIN not in ran.out + ran.err


WRONG_NEW: dict[str, tuple[tuple[str, ...], str]] = {
    "no purpose": ((), "--purpose"),
    "another purpose": (("--purpose", "tls"), "invalid choice"),
    "no name of the log": (("--purpose", "checkpoint"), "give --name"),
    "no name of the witness": (("--purpose", "cosignature"), "give --name"),
    "a name of a key without one": (("--purpose", "decision", "--name", "x"), "has no name"),
    "a name that none can have": (("--purpose", "checkpoint", "--name", "a b"), "cannot name"),
}


@pytest.mark.parametrize("case", WRONG_NEW)
def test_a_key_that_is_not_said_whole_is_not_made(
    charter: Charter, tmp_path: Path, case: str
) -> None:
    arguments, words = WRONG_NEW[case]
    ran = charter("keys", "new", tmp_path / "key", *arguments)
    assert ran.code == 1
    assert words in ran.err
    assert not (tmp_path / "key").exists()


def test_a_key_is_never_overwritten(charter: Charter, tmp_path: Path) -> None:
    path = tmp_path / "key"
    charter("keys", "new", path, "--purpose", "decision")
    before = path.read_bytes()
    ran = charter("keys", "new", path, "--purpose", "release")
    assert (ran.code, path.read_bytes()) == (1, before)
    assert "never overwritten" in ran.line


# --- list, rotate, retire ------------------------------------------------------------


def test_the_list_says_which_keys_sign_and_which_have_ended(charter: Charter, state: Path) -> None:
    first = rows(charter, state)
    assert [(row["purpose"], row["state"]) for row in first] == [
        ("decision", "signs"),
        ("checkpoint", "signs"),
    ]
    for purpose in ("decision", "checkpoint"):
        ran = charter("keys", "rotate", "--purpose", purpose, "--state", state)
        assert ran.code == 0, ran.err
        assert ran.out.startswith(f"OK: the {purpose} key was replaced\n")
        assert "  set " not in ran.out  # it is where it was
    time.sleep(1.1)  # for so long the old decision key counts beside the new one
    now = rows(charter, state)
    assert [(row["purpose"], row["state"], row["place"]) for row in now] == [
        ("decision", "signs", "file"),
        ("decision", "ended", None),
        ("checkpoint", "signs", "file"),
        ("checkpoint", "signs alongside", "file"),
    ]
    assert now[1]["id"] == first[0]["id"]
    assert now[3]["id"] == first[1]["id"]
    ended = charter("keys", "retire", "--state", state, "--format", "json")
    assert json.loads(ended.out)["last_size"] == 2
    assert [row["state"] for row in rows(charter, state)][2:] == ["signs", "ended"]
    assert rows(charter, state)[3]["last_size"] == 2
    plain = charter("keys", "list", "--state", state, "--format", "plain")
    assert len(plain.out.splitlines()) == 4
    assert "up to size 2" in plain.out
    again = charter("keys", "retire", "--state", state)
    assert again.code == 1
    assert "no key signs" in again.line


def test_a_folder_that_is_none_has_no_keys(charter: Charter, tmp_path: Path) -> None:
    for arguments in (
        ("list",),
        ("rotate", "--purpose", "decision"),
        ("retire",),
        ("export", "--format", "pem"),
    ):
        ran = charter("keys", *arguments, "--state", tmp_path / "none")
        assert ran.code == 1
        assert ran.line
    assert not (tmp_path / "none").exists()


def test_the_settings_of_the_gateway_say_where_its_keys_are(
    charter: Charter, state: Path, tmp_path: Path, token: SoftHsm
) -> None:
    charter("keys", "new", token.uri("decision"), "--purpose", "decision")
    ran = charter(
        "keys", "rotate", "--purpose", "decision", "--to", token.uri("decision"), "--state", state
    )
    assert f"set    keys.decision = {token.uri('decision')}" in ran.out
    config = tmp_path / "charter.toml"
    config.write_text(f'[keys]\ndecision = "{token.uri("decision")}"\n[state]\nfolder = "state"\n')
    config.chmod(0o600)
    shown = charter("config", "--config", config, "--format", "json")
    assert json.loads(shown.out)["keys.decision"]["value"] == token.uri("decision")
    ran = charter("keys", "rotate", "--purpose", "checkpoint", "--config", config)
    assert ran.code == 0, ran.err
    refused = charter("keys", "retire", "--state", state)  # as if the key were in a file
    assert refused.code == 1
    assert "decision.key" in refused.line


WRONG_PLACES = ["files", "pkcs11:object=x", "/etc/key", "pkcs11:token=a;object=b?pin-value=1234"]


@pytest.mark.parametrize("place", WRONG_PLACES)
def test_a_place_that_is_none_is_a_mistake_on_the_command_line(
    charter: Charter, state: Path, place: str
) -> None:
    for arguments in (
        ("keys", "rotate", "--purpose", "decision", "--to", place, "--state", state),
        ("keys", "list", "--decision-key", place, "--state", state),
        ("config", "--checkpoint-key", place),
    ):
        ran = charter(*arguments)
        assert ran.code == 1
        assert "1234" not in ran.out + ran.err


# --- export --------------------------------------------------------------------------


def test_public_keys_are_read_by_stock_libraries(charter: Charter, state: Path) -> None:
    opened = open_state(state)
    signed = opened.decision_key.sign(b"message")
    pem = charter("keys", "export", "--format", "pem", "--state", state).out
    public = load_pem_public_key(pem.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signed, b"message", ec.ECDSA(hashes.SHA256()))
    log_pem = charter(
        "keys", "export", "--format", "pem", "--purpose", "checkpoint", "--state", state
    ).out
    log = load_pem_public_key(log_pem.encode())
    assert isinstance(log, ed25519.Ed25519PublicKey)
    log.verify(opened.checkpoint_key.sign(b"note"), b"note")
    for purpose, key_id in (
        ("decision", opened.decision_key.key_id),
        ("checkpoint", f"{ORIGIN}+{opened.checkpoint_key.key_id}"),
    ):
        ran = charter("keys", "export", "--format", "jwks", "--purpose", purpose, "--state", state)
        (read,) = jwt.PyJWKSet.from_json(ran.out).keys
        assert read.key_id == key_id
        assert '"d"' not in ran.out
    vkey = charter("keys", "export", "--format", "vkey", "--state", state).out
    assert vkey.strip() == opened.checkpoint_key.public.vkey


def test_ended_keys_are_exported_where_that_is_asked(charter: Charter, state: Path) -> None:
    charter("keys", "rotate", "--purpose", "checkpoint", "--state", state)
    export = ("keys", "export", "--format", "vkey", "--state", state)
    assert len(charter(*export).out.splitlines()) == 2  # both sign
    charter("keys", "retire", "--state", state)
    assert len(charter(*export).out.splitlines()) == 1
    assert len(charter(*export, "--ended").out.splitlines()) == 2
    wrong = charter(*export, "--purpose", "decision")
    assert wrong.code == 1
    assert "vkey" in wrong.line


# --- one key, one purpose ------------------------------------------------------------


def test_a_key_with_two_purposes_is_not_started_with(state: Path, tmp_path: Path) -> None:
    opened = open_state(state)
    check_purposes(Namespace(), opened)
    pem = tmp_path / "authors.pem"
    pem.write_text(opened.decision_key.public.pem)
    pem.chmod(0o600)
    with pytest.raises(KeyPurposeError, match=r"decision .* and release"):
        check_purposes(Namespace(authors=pem), opened)

    private = load_pem_private_key((state / "decision.key").read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    issued = (
        x509.CertificateBuilder(name, name, private.public_key(), 1, NOW, NOW.replace(year=2027))
        .sign(private, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    (tmp_path / "cert.pem").write_bytes(issued)
    with pytest.raises(KeyPurposeError, match="tls"):
        check_purposes(Namespace(tls_cert=str(tmp_path / "cert.pem")), opened)

    log = load_pem_private_key((state / "checkpoint.key").read_bytes(), None)
    assert isinstance(log, ed25519.Ed25519PrivateKey)
    witness = WitnessPublicKey.of("w.example", log.public_key().public_bytes_raw())
    group = {"enough": 1, "of": [{"enough": 1, "of": [witness.vkey]}]}
    trust = {**opened.trust(), "format": "charter-trust/v2"}
    for witnesses in ({"quorum": 1, "vkeys": [witness.vkey]}, {"quorum": group}):
        write(state, {**trust, "witnesses": witnesses})
        with pytest.raises(KeyPurposeError, match="cosignature"):
            check_purposes(Namespace(), open_state(state))


def test_the_key_of_the_log_is_no_witness_of_its_policy(state: Path, tmp_path: Path) -> None:
    log = load_pem_private_key((state / "checkpoint.key").read_bytes(), None)
    assert isinstance(log, ed25519.Ed25519PrivateKey)
    witness = WitnessPublicKey.of("w.example", log.public_key().public_bytes_raw())
    policy = tmp_path / "policy"
    policy.write_text(f"witness w {witness.vkey} https://w.example/\nquorum w\n")
    settings: dict[str, object] = {
        "witness_mode": "background",
        "witness_policy": policy,
        "witness_interval": 10,
        "witness_ms": 1000,
        "witness_ca": None,
        "witness_networks": [],
    }
    with pytest.raises(KeyPurposeError, match=r"checkpoint .* and cosignature .*policy"):
        check_purposes(Namespace(**settings), open_state(state))


@pytest.mark.parametrize("witnesses", ["x", 1, {"vkeys": 1}, {"vkeys": ["x"]}, {"vkeys": [None]}])
def test_witnesses_that_cannot_be_are_refused(state: Path, witnesses: object) -> None:
    write(state, {**open_state(state).trust(), "witnesses": witnesses})
    with pytest.raises(ConfigurationError, match="names no witnesses"):
        check_purposes(Namespace(), open_state(state))


# --- a real gateway whose keys are in a token -----------------------------------------


def modules(gateway: int) -> list[int]:
    """The processes below that have a module of a token."""
    found: list[int] = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((one / "stat").read_text().rpartition(")")[2].split()[1])
            if b"hsm_child" in (one / "cmdline").read_bytes() and parent == gateway:
                found.append(int(one.name))
        except (OSError, ValueError, IndexError):
            continue
    return found


def into_the_token(charter: Charter, token: SoftHsm, state: Path) -> tuple[str, ...]:
    """Both keys of the gateway; the old key of the log signs alongside."""
    charter("keys", "new", token.uri("decision"), "--purpose", "decision")
    charter("keys", "new", token.uri("log"), "--purpose", "checkpoint", "--name", ORIGIN)
    decision = ("--decision-key", token.uri("decision"))
    for purpose, label, more in (("decision", "decision", ()), ("checkpoint", "log", decision)):
        to = ("--to", token.uri(label))
        ran = charter("keys", "rotate", "--purpose", purpose, *to, *more, "--state", state)
        assert ran.code == 0, ran.err
    return (*decision, "--checkpoint-key", token.uri("log"))


def test_a_gateway_signs_in_a_token_and_refuses_while_it_hangs(
    charter: Charter, tmp_path: Path, token: SoftHsm
) -> None:
    tokens = prepare(tmp_path)
    where = into_the_token(charter, token, tmp_path / "state")
    arguments = ("--policies", str(tmp_path / "policies"), "--engines", "cedar", *where)
    with run_gateway(tmp_path / "state", *arguments, token=tokens["own"]) as gateway:
        running = Served(gateway, tmp_path / "policies", **tokens)
        answer = running.ask(question()).json
        running.verify(answer, expect_request=question())
        checkpoint = gateway.request("GET", "/checkpoint").body.decode()
        assert checkpoint.count("\n\u2014 ") == 2
        hung = [one for pid in below(gateway.process.pid) for one in modules(pid)]
        # The worker has the key of decisions open, and who holds the log both.
        assert len(hung) == 3
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        size = running.size
        refused = running.ask(question())
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.json["type"].endswith("/signer-unavailable")
        assert running.size == size
        until = time.monotonic() + 30  # R6
        while (again := running.ask(question())).status != 200:
            assert time.monotonic() < until, again.body
            time.sleep(0.1)
        running.verify(again.json)
        assert sum(map(is_there, hung)) <= 1  # whom nobody asks
        told = gateway.request("GET", "/v1/trust").json
        assert told == json.loads(gateway.trust.read_text())
    assert PIN not in "".join(gateway.stderr)


def test_workers_sign_each_for_itself_and_try_a_refused_pin_once(
    charter: Charter, tmp_path: Path, token: SoftHsm
) -> None:
    tokens = prepare(tmp_path)
    where = into_the_token(charter, token, tmp_path / "state")
    arguments = ("--policies", str(tmp_path / "policies"), "--engines", "cedar", *where)
    with run_gateway(
        tmp_path / "state", *arguments, "--workers", "2", token=tokens["own"]
    ) as gateway:
        running = Served(gateway, tmp_path / "policies", **tokens)
        gateway.pid_of("worker 2")  # who starts later would be refused its PIN at its first start
        for _ in range(4):
            running.verify(running.ask(question()).json)
        # The writer has two keys in the token, a worker one.
        worker = next(one for one in below(gateway.process.pid) if len(modules(one)) == 1)
        token.odd(f"session.set_pin('{PIN}', 'another-pin-of-tests')")
        os.kill(worker, signal.SIGKILL)
        said = "waits until the gateway is restarted"
        until = time.monotonic() + 30
        while said not in "".join(gateway.stderr):
            assert time.monotonic() < until
            time.sleep(0.1)
        time.sleep(1.5)  # it would have been started again several times
        assert "".join(gateway.stderr).count("refuses the PIN") == 1
        running.verify(running.ask(question()).json)
    assert gateway.process.returncode == 0
