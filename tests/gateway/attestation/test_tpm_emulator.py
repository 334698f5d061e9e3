"""A node with a real TPM emulator: enrolled, challenged, quoted, and started anew."""

import hashlib
import os
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.attestation import errors
from gateway.attestation import tpm_structures as tpm
from gateway.attestation.chain import fingerprint, read_certificate, read_pem_chain
from gateway.attestation.evidence import Claims
from gateway.attestation.freshness import check_bound
from gateway.attestation.tpm import (
    AttestationKey,
    Vouched,
    check_continuity,
    endorsement_key,
    parse_quote,
    verify_quote,
)
from gateway.attestation.tpm_credential import make_credential
from gateway.attestation.tpm_structures import parse_pcr_file, parse_public
from tests.gateway.attestation.emulator import Emulator, emulator

SELECTION = ((tpm.SHA256, (0, 1, 2, 3, 7, 16)),)
PCRS = "sha256:0,1,2,3,7,16"


@dataclass
class Node:
    """An enrolled node: its TPM, and the key that counts."""

    tpm: Emulator
    key: AttestationKey

    def quote(self, nonce: bytes, *, checked: bool = True) -> Claims:
        self.tpm.tool(
            "quote", "-c", "ak.ctx", "-l", PCRS, "-q", nonce.hex(), "-m", "q.msg", "-s", "q.sig",
            "-o", "q.pcr", "-g", "sha256",
        )  # fmt: skip
        self.tpm.flush()
        quote = parse_quote(self.tpm.file("q.msg"), self.tpm.file("q.sig"))
        values = parse_pcr_file(self.tpm.file("q.pcr"))
        claims = verify_quote(quote, key=self.key, values=values, selection=SELECTION)
        if checked:
            check_bound(claims, nonce)
        return claims


def create_ek(node: Emulator, kind: str) -> None:
    node.tool("createek", "-c", "ek.ctx", "-G", kind, "-u", "ek.pub")
    node.flush()


def create_ak(node: Emulator) -> None:
    node.tool(
        "createak", "-C", "ek.ctx", "-c", "ak.ctx", "-G", "ecc", "-g", "sha256", "-s", "ecdsa",
        "-n", "ak.name",
    )  # fmt: skip
    node.flush()
    node.tool("readpublic", "-c", "ak.ctx", "-f", "tss", "-o", "ak.pub")
    node.flush()


def activate(node: Emulator, credential: bytes) -> bytes:
    """What the TPM finds in a credential."""
    (node.folder / "cred.blob").write_bytes(credential)
    node.tool("startauthsession", "--policy-session", "-S", "s.ctx")
    node.tool("policysecret", "-S", "s.ctx", "-c", "e")
    node.tool(
        "activatecredential", "-c", "ak.ctx", "-C", "ek.ctx", "-i", "cred.blob", "-o", "out.bin",
        "-P", "session:s.ctx",
    )  # fmt: skip
    node.tool("flushcontext", "s.ctx")
    node.flush()
    return node.file("out.bin")


def enrol(node: Emulator) -> AttestationKey:
    """The AK of a node, after its TPM has shown that it holds it."""
    create_ek(node, "rsa")
    create_ak(node)
    node.tool("getekcertificate", "-o", "ek.crt")
    path = [
        read_certificate(node.file("ek.crt")),
        *read_pem_chain(node.file("ca/issuercert.pem")),
        *read_pem_chain(node.file("ca/swtpm-localca-rootca-cert.pem")),
    ]
    anchors = frozenset({fingerprint(path[-1])})
    ek = parse_public(node.file("ek.pub"))
    endorsement_key(path, ek, anchors=anchors, at=datetime.now(UTC))
    ak = parse_public(node.file("ak.pub"))
    assert ak.name == node.file("ak.name")
    secret = os.urandom(32)
    sealed = make_credential(ek, ak.name, secret, random=os.urandom)
    assert activate(node, sealed.file()) == secret
    return AttestationKey.of(ak, Vouched.ACTIVATED)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Generator[Node]:
    with emulator(tmp_path_factory.mktemp("tpm")) as running:
        yield Node(running, enrol(running))


def test_a_quote_answers_its_challenge_and_no_other(node: Node) -> None:
    nonce = os.urandom(32)
    claims = node.quote(nonce)
    assert claims.detail["vouched"] == "activated"
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(claims, os.urandom(32))


def test_what_is_extended_stands_in_the_next_quote(node: Node) -> None:
    before = node.quote(b"1" * 32).measurements["sha256:16"]
    digest = hashlib.sha256(b"policy bundle v1").digest()
    node.tpm.tool("pcrextend", f"16:sha256={digest.hex()}")
    after = node.quote(b"2" * 32).measurements["sha256:16"]
    assert after == hashlib.sha256(before + digest).digest()


def test_a_credential_for_another_key_or_another_tpm_is_not_opened(node: Node) -> None:
    ek = parse_public(node.tpm.file("ek.pub"))
    ak = parse_public(node.tpm.file("ak.pub"))
    other = ak.name[:-1] + bytes([ak.name[-1] ^ 1])
    for name, key in ((other, ek), (ak.name, None)):
        secret = os.urandom(32)
        sealed = make_credential(key or _foreign(), name, secret, random=os.urandom)
        with pytest.raises(AssertionError, match="activatecredential"):
            activate(node.tpm, sealed.file())
        node.tpm.flush()


def _foreign() -> tpm.Public:
    from tests.gateway.attestation import tpms

    return tpms.public(tpms.RSA, tpms.EK_ATTRIBUTES, storage=True)


def test_a_credential_for_an_ecc_ek_is_opened(tmp_path: Path) -> None:
    with emulator(tmp_path) as running:
        create_ek(running, "ecc")
        create_ak(running)
        ek, ak = parse_public(running.file("ek.pub")), parse_public(running.file("ak.pub"))
        secret = os.urandom(32)
        sealed = make_credential(ek, ak.name, secret, random=os.urandom)
        assert activate(running, sealed.file()) == secret


def test_after_a_reboot_the_old_result_does_not_count_any_more(node: Node) -> None:
    before = node.quote(b"3" * 32)
    admitted = {
        "reset_count": int(before.detail["reset_count"]),
        "restart_count": int(before.detail["restart_count"]),
    }
    check_continuity(node.quote(b"4" * 32), **admitted)
    node.tpm.off()
    node.tpm.boot()
    create_ek(node.tpm, "rsa")
    create_ak(node.tpm)  # keys of a boot are made anew; this one was never enrolled
    with pytest.raises(errors.EvidenceSignatureError):
        node.quote(b"5" * 32)
    fresh = Node(node.tpm, enrol(node.tpm)).quote(b"6" * 32)
    assert fresh.measurements["sha256:16"] == bytes(32)
    with pytest.raises(errors.EvidenceBindingError, match="started anew"):
        check_continuity(fresh, **admitted)
