"""What we sign and log is accepted by tools that are not ours, and refused once damaged."""

# securesystemslib is typed only in part.
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib import dsse
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Key, SSlibKey

from gateway.keys import CheckpointKey, DecisionKey
from gateway.record.canonical import canonicalise
from gateway.record.statement import PREDICATE_TYPE
from tests.gateway.verify.fresh import Fresh, flip, lines_changed
from tests.gateway.verify.statements import KEY, cosigned, good
from tests.gateway.world import question
from tests.project import ROOT
from tests.stock_tools import cosecheck, cosign, tlogcheck

REQUEST = question(resource__id="closed")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Fresh.make(tmp_path_factory.mktemp("fresh"))
    with made.world:
        yield made


# --- cosign --------------------------------------------------------------------------

Files = dict[str, bytes]


def asked(f: Fresh, **changes: bytes) -> Files:
    files = {
        "key": f.world.decision_key.public.pem.encode(),
        "record": json.dumps(f.later["record"]).encode(),
        "request": canonicalise(REQUEST),
    }
    return {**files, **changes}


def changed(f: Fresh, **parts: Any) -> bytes:
    return json.dumps(f.with_envelope(f.later, **parts)["record"]).encode()


def run_cosign(files: Files, kind: str = PREDICATE_TYPE) -> subprocess.CompletedProcess[str]:
    return cosign(
        "verify-blob-attestation", "--key", "key", "--signature", "record", "--type", kind,
        "--insecure-ignore-tlog", "--new-bundle-format=false", "request", files=files,
    )  # fmt: skip


def test_cosign_verifies_a_record_and_the_request_it_is_about(fresh: Fresh) -> None:
    ran = run_cosign(asked(fresh))
    assert (ran.returncode, "Verified OK" in ran.stderr) == (0, True), ran.stderr


COSIGN: dict[str, Callable[[Fresh], Files]] = {
    "another request": lambda f: asked(f, request=canonicalise(question())),
    "another key": lambda f: asked(f, key=f.second.public.pem.encode()),
    "payload changed": lambda f: asked(
        f, record=changed(f, payload=f.envelope(f.later).payload.replace(b'"deny"', b'"allo"'))
    ),
    "payload type changed": lambda f: asked(f, record=changed(f, payload_type="text/plain")),
    "record of another decision": lambda f: asked(
        f, record=json.dumps(f.permit["record"]).encode()
    ),
}


@pytest.mark.parametrize("name", COSIGN)
def test_cosign_refuses_a_record_that_was_changed(fresh: Fresh, name: str) -> None:
    ran = run_cosign(COSIGN[name](fresh))
    assert (ran.returncode, "Verified OK" in ran.stderr) == (1, False)


def test_cosign_refuses_a_record_as_another_type(fresh: Fresh) -> None:
    assert run_cosign(asked(fresh), "https://slsa.dev/provenance/v1").returncode == 1


# --- securesystemslib ----------------------------------------------------------------


def test_securesystemslib_verifies_a_record_and_not_with_another_key(fresh: Fresh) -> None:
    envelope = dsse.Envelope.from_dict(json.loads(json.dumps(fresh.later["record"])))
    keys: list[Key] = [
        SSlibKey.from_crypto(load_pem_public_key(one.public.pem.encode()), one.public.key_id)
        for one in (fresh.world.decision_key, DecisionKey.generate())
    ]
    assert len(envelope.verify(keys[:1], 1)) == 1
    with pytest.raises(VerificationError):
        envelope.verify(keys[1:], 1)
    payload = json.loads(envelope.payload)
    assert payload["_type"] == "https://in-toto.io/Statement/v1"


# --- github.com/veraison/go-cose -----------------------------------------------------


def test_go_cose_reads_a_receipt_that_carries_cosignatures(fresh: Fresh) -> None:
    statement = good(fresh, cosigned(fresh, *fresh.witnesses))
    assert b"charter-checkpoint" in statement
    files = {
        "statement": statement,
        "decision": fresh.world.decision_key.public.pem.encode(),
        "receipt": KEY.public.pem.encode(),
    }
    ran = cosecheck("decision", "receipt", "statement", files=files)
    assert (ran.returncode, ran.stdout.startswith("entry ")) == (0, True), ran.stderr


# --- golang.org/x/mod/sumdb ----------------------------------------------------------


def check_proof(f: Fresh, vkey: str | None = None, **changes: bytes) -> Any:
    files = {
        "proof": f.later["proof"].encode(),
        "record": canonicalise(f.later["record"]),
        **changes,
    }
    key = vkey or f.world.checkpoint_key.public.vkey
    return tlogcheck("proof", key, "proof", "record", files=files)


def test_a_stranger_finds_the_record_in_the_log(fresh: Fresh) -> None:
    ran = check_proof(fresh)
    assert (ran.returncode, ran.stdout) == (0, "entry 7 of 8\n"), ran.stderr


def test_a_stranger_refuses_a_proof_that_was_changed(fresh: Fresh) -> None:
    def proof(change: Callable[[list[str]], object]) -> bytes:
        return lines_changed(fresh.later, change)["proof"].encode()

    zeros = base64.b64encode(bytes(32)).decode()
    origin = fresh.world.checkpoint_key.public.name
    for damaged in (
        check_proof(fresh, record=canonicalise(fresh.deny["record"])),
        check_proof(fresh, proof=proof(lambda lines: lines.__setitem__(3, zeros))),
        check_proof(fresh, proof=proof(lambda lines: lines.__setitem__(2, "index 6"))),
        check_proof(fresh, proof=proof(lambda lines: lines.pop(3))),
        check_proof(fresh, vkey=CheckpointKey.generate(origin).public.vkey),
        check_proof(fresh, proof=fresh.later["proof"].replace("\n8\n", "\n9\n").encode()),
    ):
        assert (damaged.returncode, damaged.stdout) == (1, "")


def test_a_stranger_sees_whether_the_log_was_only_added_to(fresh: Fresh) -> None:
    older = fresh.permit["proof"].split("\n\n", 1)[1].encode()
    newer = fresh.later["proof"].split("\n\n", 1)[1].encode()
    path = fresh.world.ledger.consistency(1, 8)

    def check(old: bytes, new: bytes, nodes: list[bytes]) -> int:
        lines = b"".join(base64.b64encode(one) + b"\n" for one in nodes)
        vkey = fresh.world.checkpoint_key.public.vkey
        files = {"old": old, "new": new, "path": lines}
        return tlogcheck("tree", vkey, "old", "new", "path", files=files).returncode

    assert check(older, newer, path) == 0
    forked = fresh.other_history()[0].encode()
    for old, new, nodes in (
        (older, forked, path),
        (older, newer, path[:-1]),
        (older, newer, [flip(path[0]), *path[1:]]),
        (newer, older, path),
    ):
        assert check(old, new, nodes) == 1


# --- the page for auditors -----------------------------------------------------------


def test_the_commands_of_the_page_for_auditors_verify_a_decision(
    fresh: Fresh, tmp_path: Path
) -> None:
    for name in ("jq", "openssl"):
        if shutil.which(name) is None:
            reason = f"no {name}: it is in .ci/debian.txt"
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    page = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")
    section = page.partition("\n## With stock tools only\n")[2]
    blocks = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for name, value in (
        ("answer", fresh.later),
        ("question", REQUEST),
        ("trust", json.loads(fresh.trust())),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    # Both binaries are found where the tests of them find them.
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("cosign", "tlogcheck"):
        binary = Path(os.environ.get(f"CHARTER_{name.upper()}") or ROOT / ".tools" / name)
        (tools / name).symlink_to(binary)
    told = [
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
            check=True,
            capture_output=True,
            text=True,
        )
        for block in blocks
        if all((tools / name).exists() for name in ("cosign", "tlogcheck") if name in block)
    ]
    said = [one.stdout.split() for one in told]
    assert said[1] == ["Verified", "OK"]
    assert said[2][0] == said[2][2]
    assert "Verified OK" in told[3].stderr
    assert said[4][0] == said[4][2]
    assert told[5].stdout == "entry 7 of 8\n"
