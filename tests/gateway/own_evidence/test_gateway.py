"""A gateway that attests itself by a real TPM emulator, and who relies on it, over HTTP and with
the commands that users run."""

import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.attestation.anchors import read_anchors
from gateway.attestation.chain import fingerprint
from gateway.attestation.verifiers import verify_bundle
from gateway.callers import Role
from gateway.keys import DecisionKey
from gateway.own_evidence.document import Bound, Document
from gateway.own_evidence.errors import OwnEvidenceError
from gateway.own_evidence.quoting import TpmPlace, quote
from gateway.own_evidence.tools import session
from tests.gateway.attestation.emulator import Emulator, emulator
from tests.gateway.cli.commands import Ran, finish, here, start
from tests.gateway.cli.test_reload import prepared, turn
from tests.gateway.own_evidence.certificates import certified
from tests.gateway.world import question
from tests.gateway_process import GatewayProcess, start_gateway, stop

PLACE = "/v1/attestation/gateway"


@pytest.fixture(scope="module")
def tpm(tmp_path_factory: pytest.TempPathFactory) -> Generator[Emulator]:
    with emulator(tmp_path_factory.mktemp("tpm")) as running:
        yield running


def tcti(tpm: Emulator) -> str:
    return f"swtpm:host=127.0.0.1,port={tpm.port}"


@dataclass
class Site:
    """A gateway with a TPM, its operator, and a relying party with files of their own."""

    folder: Path
    tpm: Emulator
    gateway: GatewayProcess
    operator: str
    token: str

    def decide(self) -> dict[str, Any]:
        return self.gateway.decide(question())

    def reload(self) -> Any:
        return self.gateway.request("POST", "/v1/reload", b"", token=self.operator)

    def document(self, digest: str | None = None) -> bytes:
        name = "" if digest is None else f"/{digest.removeprefix('sha256:')}"
        reply = self.gateway.request("GET", PLACE + name, token="")
        assert reply.status == 200, reply.body
        return reply.body

    def file(self, name: str, content: Any) -> Path:
        path = self.folder / name
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        path.write_bytes(data)
        return path

    def anchors(self) -> Path:
        ran = here("tpm", "enrol", "--tpm", tcti(self.tpm))
        assert ran.code == 0, ran.err
        head = 'format = "charter-anchors/v1"\nowner = "a relying party"\n\n'
        return self.file("anchors.toml", (head + ran.out).encode())

    def verify(self, answer: dict[str, Any], document: bytes, *more: str | Path) -> Ran:
        return here(
            "verify", self.file("answer.json", answer), "--trust", self.gateway.trust,
            "--gateway-evidence", self.file("evidence.json", document),
            "--format", "json", *more,
        )  # fmt: skip

    def again(self) -> None:
        """In a new process."""
        self.gateway = started(self.folder, self.tpm, self.token)


def started(folder: Path, tpm: Emulator, token: str, *more: str) -> GatewayProcess:
    policies = ("--policies", str(folder / "current"))
    return start_gateway(folder / "state", *policies, "--tpm", tcti(tpm), *more, token=token)


@contextmanager
def site(folder: Path, tpm: Emulator, *more: str) -> Generator[Site]:
    tokens = prepared(folder)
    own = tokens["own"]
    made = Site(folder, tpm, started(folder, tpm, own, *more), tokens[Role.OPERATOR], own)
    try:
        yield made
    finally:
        stop(made.gateway)


def named(answer: dict[str, Any]) -> str:
    """The document that an answer names, which is in its signed record as well."""
    digest = answer["gateway"]["evidence"]
    assert isinstance(digest, str)
    return digest


def of(document: bytes) -> str:
    return f"sha256:{sha256(document).hexdigest()}"


def reason(ran: Ran) -> tuple[int, str, str]:
    told = json.loads(ran.out)
    return ran.code, told["verdict"], told["reason"]


def boot_policy(site: Site, document: bytes, *, value: str | None = None) -> Path:
    """A policy of what PCR 7 must be."""
    ran = here("attest", site.file("only.json", json.loads(document)["evidence"]),
               "--anchors", site.anchors(), "--format", "json")  # fmt: skip
    measured = json.loads(ran.out)["claims"]["measurements"]["sha256:7"]
    return site.file(
        "policy.toml",
        f'format="charter-appraisal/v1"\nid="ours/gateway"\nowner="me"\nsource="me"\n'
        f'valid_from=2026-01-01\n[[technology]]\nname="tpm"\nproducts=["TPM"]\n'
        f'[[technology.reference]]\nmeasurement="sha256:7"\nany_of=["{value or measured}"]\n'
        f'source="me"\nvalid_from=2026-01-01\n'.encode(),
    )


def test_a_life_of_a_gateway_that_attests_itself(tpm: Emulator, tmp_path: Path) -> None:
    with site(tmp_path, tpm) as running:
        first = running.decide()
        document = running.document()
        anchors = running.anchors()
        # Named by digest, the same for every decision, and kept by that digest.
        assert named(first) == of(document) == named(running.decide())
        assert running.document(named(first)) == document
        good = running.verify(first, document, "--anchors", anchors)
        assert good.code == 0, good.out
        told = json.loads(good.out)["gateway"]
        assert (told["vouched"], told["policy"]) == ("pinned", None)
        assert sorted(told["measurements"]) == [f"sha256:{number}" for number in range(8)]
        policy = boot_policy(running, document)
        judged = running.verify(first, document, "--anchors", anchors, "--appraisal", policy)
        assert json.loads(judged.out)["gateway"]["policy"] == "ours/gateway"
        other = boot_policy(running, document, value="00" * 31 + "01")
        told = running.verify(first, document, "--anchors", anchors, "--appraisal", other)
        assert reason(told) == (2, "bad", "appraisal-executables")
        assert reason(running.verify(first, document)) == (4, "cannot tell", "evidence-incomplete")

        # Other rules: another quote, and the old decision goes on naming the old one.
        turn(tmp_path, "b")
        assert running.reload().status == 200
        second = running.decide()
        newer = running.document()
        assert second["bundle"] != first["bundle"]
        assert named(second) == of(newer) != named(first)
        assert running.verify(second, newer, "--anchors", anchors).code == 0
        for answer, sent in ((first, newer), (second, document)):
            told = running.verify(answer, sent, "--anchors", anchors)
            assert reason(told) == (2, "bad", "gateway-evidence-other")

        # The same rules again: a new quote all the same.
        assert running.reload().status == 200
        third = running.decide()
        assert named(third) not in {named(first), named(second)}

        # Without its TPM nothing else comes into force, and what is decided goes on.
        tpm.off()
        turn(tmp_path, "a")
        refused = running.reload()
        assert (refused.status, refused.json["type"].rpartition("/")[2]) == (409, "reload-refused")
        assert "TPM" in refused.json["detail"], refused.json
        fourth = running.decide()
        assert (fourth["bundle"], named(fourth)) == (third["bundle"], named(third))
        stop(running.gateway)
        ended = refused_start(tmp_path, "--tpm", tcti(tpm))
        assert "the TPM does not" in ended.err

        # After a reboot of the machine the key is the same, and the count of resets is not.
        tpm.boot()
        running.again()
        fifth = running.decide()
        document_of_boot = running.document()
        assert named(fifth) == of(document_of_boot) != named(first)
        assert fifth["bundle"] == first["bundle"]
        told = running.verify(fifth, document_of_boot, "--anchors", anchors)
        resets = [json.loads(one.out)["gateway"]["reset_count"] for one in (good, told)]
        assert resets[0] < resets[1]
        # A record names its own document for ever, whatever came since.
        assert running.verify(first, running.document(named(first)), "--anchors", anchors).code == 0


def test_workers_name_one_document(tpm: Emulator, tmp_path: Path) -> None:
    with site(tmp_path, tpm, "--workers", "2") as running:
        # Many connections, which the system spreads.
        assert {named(running.decide()) for _ in range(20)} == {of(running.document())}
        before = of(running.document())
        for name in ("b", "b"):
            turn(tmp_path, name)
            assert running.reload().status == 200
            after = settled(running)
            assert after != before
            before = after
        kept = [path.name for path in (running.gateway.state / "own_evidence").glob("*.json")]
        # The quotes that were made: one at the start and one for each reload.
        assert len([name for name in kept if name != "run.json"]) == 3


def settled(running: Site) -> str:
    """The one document that all workers name, as soon as the last of them has loaded it."""
    for _ in range(600):
        found = {named(running.decide()) for _ in range(12)}
        if len(found) == 1:
            return found.pop()
        time.sleep(0.05)
    raise AssertionError("workers go on naming different documents")


# --- what cannot be used -------------------------------------------------------------


def refused_start(folder: Path, *arguments: str | Path) -> Ran:
    tokens = folder / "own.tokens"
    if not tokens.exists():
        prepared(folder)
    ran = finish(start("serve", "--port", "0", "--state", folder / "state", "--policies",
                       folder / "a", *arguments))  # fmt: skip
    assert ran.code == 1, ran.err
    ran.check_clean()
    return ran


def test_a_gateway_without_its_tpm_does_not_start(tmp_path: Path) -> None:
    ran = refused_start(tmp_path, "--tpm", "swtpm:host=127.0.0.1,port=1")
    assert "the TPM does not do what is asked" in ran.err


@pytest.mark.parametrize(
    "given",
    [
        ("--tpm", "cmd:touch /tmp/x"),
        ("--tpm", "/usr/lib/library.so:x"),
        ("--tpm", "device:/dev/tpm0;x"),
        ("--tpm", ""),
        ("--tpm", "device:/dev/tpmrm0", "--tpm-pcrs", "0,24"),
        ("--tpm", "device:/dev/tpmrm0", "--tpm-pcrs", "0,0"),
        ("--tpm", "device:/dev/tpmrm0", "--tpm-pcrs", ""),
        ("--tpm", "device:/dev/tpmrm0", "--tpm-key", "0x80000000"),
        ("--tpm", "device:/dev/tpmrm0", "--tpm-key", "ak.ctx"),
        ("--tpm-key", "0x81010002"),
        ("--tpm-decision-key", "0x8101000b"),
    ],
)
def test_what_names_no_tpm_is_refused(tmp_path: Path, given: tuple[str, ...]) -> None:
    ran = here("serve", "--state", tmp_path / "state", *given)
    assert ran.code == 1
    assert "--tpm" in ran.err
    assert not (tmp_path / "state").exists()


def keep_key(tpm: Emulator, handle: str, attributes: str) -> None:
    scheme = "ecc256:ecdsa-sha256:null" if "restricted" in attributes else "ecc256:ecdsa-sha256"
    tpm.tool("createprimary", "-C", "o", "-G", scheme, "-a", attributes, "-c", "kept.ctx")
    tpm.flush()
    tpm.tool("evictcontrol", "-C", "o", "-c", "kept.ctx", handle)
    tpm.flush()


RESTRICTED = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign"


def quoted(tpm: Emulator, *, key: str | None = None, ak_path: Path | None = None) -> Document:
    """A document over some key and rules."""
    digest = f"sha256:{'1' * 64}"
    bound = Bound(DecisionKey.generate().public, digest, digest, "ledger.example/test")
    return quote(TpmPlace(tcti(tpm), key=key, ak_path=ak_path), bound, now=datetime.now(UTC))


def test_a_kept_key_that_signs_anything_is_refused(tpm: Emulator) -> None:
    keep_key(tpm, "0x81010009", RESTRICTED.replace("restricted|", ""))
    with pytest.raises(OwnEvidenceError, match="is not restricted"):
        quoted(tpm, key="0x81010009")
    ran = here("tpm", "enrol", "--tpm", tcti(tpm), "--tpm-key", "0x81010009")
    assert (ran.code, ran.out) == (1, "")
    assert "is not restricted" in ran.err


def test_a_handle_of_no_key_is_refused(tpm: Emulator) -> None:
    with pytest.raises(OwnEvidenceError, match="the TPM does not do what is asked"):
        quoted(tpm, key="0x8101ffff")


def test_a_bank_that_is_off_is_refused(tmp_path: Path) -> None:
    with emulator(tmp_path) as other:
        other.tool("pcrallocate", "sha256:none+sha384:all")
        other.off()
        other.boot()
        with pytest.raises(OwnEvidenceError, match="of other PCRs than were asked for"):
            quoted(other)


def test_a_kept_key_with_a_certificate_of_an_authority(tpm: Emulator, tmp_path: Path) -> None:
    keep_key(tpm, "0x8101000a", RESTRICTED)
    tpm.tool("readpublic", "-c", "0x8101000a", "-f", "pem", "-o", "kept.pem")
    path, root = certified(load_pem_public_key(tpm.file("kept.pem")))
    other, _ = certified()
    own, foreign, nothing = (tmp_path / name for name in ("ak.pem", "other.pem", "nothing.pem"))
    for file, content in ((own, path), (foreign, other), (nothing, b"")):
        file.write_bytes(content)
    row = f'[[tpm_authority]]\nsha256="{fingerprint(root)}"\nsource="me"\nvalid_from=2026-01-01\n'
    anchors = read_anchors(f'format="charter-anchors/v1"\nowner="me"\n{row}'.encode())
    made = quoted(tpm, key="0x8101000a", ak_path=own)
    claims = verify_bundle(made.evidence, anchors, at=datetime.now(UTC))
    assert claims.detail["vouched"] == "certified"
    # The key that is made anew is another, so that one is not vouched for.
    for key, file in (("0x8101000a", foreign), (None, own), ("0x8101000a", nothing)):
        with pytest.raises(OwnEvidenceError, match=r"\.pem"):
            quoted(tpm, key=key, ak_path=file)
    with pytest.raises(OwnEvidenceError, match="cannot read it"):
        quoted(tpm, ak_path=tmp_path / "missing.pem")


# --- what others see -----------------------------------------------------------------


def test_nothing_is_left_in_the_tpm(tpm: Emulator) -> None:
    before = tpm.tool("getcap", "handles-transient")
    with session(tcti(tpm)) as tools:
        for _ in range(5):
            tools.run("createprimary", "-C", "e", "-G", "ecc256", "-c", "x.ctx")
    assert tpm.tool("getcap", "handles-transient") == before == b""


def test_a_gateway_without_a_tpm_tells_nothing_of_one(tmp_path: Path) -> None:
    prepared(tmp_path)
    gateway = start_gateway(tmp_path / "state", "--policies", str(tmp_path / "a"))
    try:
        for place in (PLACE, f"{PLACE}/{'0' * 64}", f"{PLACE}/..%2f..%2ftrust", f"{PLACE}/run"):
            assert gateway.request("GET", place).status == 404, place
    finally:
        stop(gateway)


# --- enrolling -----------------------------------------------------------------------


def endorsers(tpm: Emulator, folder: Path) -> Path:
    path = folder / "ek-path.pem"
    path.write_bytes(tpm.file("ca/issuercert.pem") + tpm.file("ca/swtpm-localca-rootca-cert.pem"))
    return path


def test_a_key_is_enrolled_where_its_tpm_opens_a_secret(tpm: Emulator, tmp_path: Path) -> None:
    ran = here("tpm", "enrol", "--tpm", tcti(tpm), "--ek-path", endorsers(tpm, tmp_path),
               "--format", "json")  # fmt: skip
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["activated"] is True
    seen = json.loads(here("tpm", "enrol", "--tpm", tcti(tpm), "--format", "json").out)
    assert (seen["pem"], seen["activated"]) == (told["pem"], False)
    assert tpm.tool("getcap", "handles-loaded-session") == b""


def test_a_tpm_of_another_maker_is_not_enrolled(tpm: Emulator, tmp_path: Path) -> None:
    path, _ = certified()
    (tmp_path / "other.pem").write_bytes(path)
    ran = here("tpm", "enrol", "--tpm", tcti(tpm), "--ek-path", tmp_path / "other.pem")
    assert (ran.code, ran.out) == (1, "")
    assert "the endorsement key of the TPM" in ran.err


@pytest.mark.parametrize("text", ["head -c 32 /dev/zero > opened", ": > opened", ":", "exit 1"])
def test_a_secret_that_is_not_opened_enrols_nothing(
    tpm: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    program = tmp_path / "tpm2_activatecredential"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    ran = here("tpm", "enrol", "--tpm", tcti(tpm), "--ek-path", endorsers(tpm, tmp_path))
    assert (ran.code, ran.out) == (1, "")
    assert tpm.tool("getcap", "handles-loaded-session") == b""
