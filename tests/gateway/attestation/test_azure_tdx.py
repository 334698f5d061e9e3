"""Confidential VMs of Azure on TDX: evidence made here, damaged one thing at a time."""

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.attestation import azure, errors
from gateway.attestation import tpm_structures as tpm
from gateway.attestation.azure_tdx import verify_tdx
from gateway.attestation.chain import fingerprint
from gateway.attestation.evidence import Claims, Technology
from gateway.attestation.freshness import check_bound
from tests.gateway.attestation import tdx, tpms
from tests.gateway.attestation.chains import AT, DAY
from tests.gateway.attestation.test_azure import jwk


@dataclass(frozen=True)
class Made:
    """What evidence is made of, and how it is looked at."""

    runtime: Any = field(default_factory=lambda: {"keys": [jwk(tpms.RSA)], "user-data": "ABCD"})
    held: bytes | None = None  # in the quote of TDX, where it is not the hash
    hardware: int = 4
    guest: tdx.Made = field(default_factory=tdx.Made)
    quoted: tpms.Made = field(default_factory=lambda: tpms.Made(key=tpms.RSA, scheme=tpm.RSASSA))

    def verify(self) -> Claims:
        guest, hcl = self.guest_and_report()
        message = self.quoted.message()
        return verify_tdx(
            azure.parse_hcl_report(hcl), td_quote=guest.parsed(), collateral=guest.collateral(),
            quote=azure.raw_quote(message, self.quoted.signature(message)[6:]),
            values=self.quoted.values, at=guest.at, anchors=self.anchors(),
        )  # fmt: skip

    @staticmethod
    def anchors() -> frozenset[str]:
        return frozenset({fingerprint(tdx.authorities().root.certificate)})

    def guest_and_report(self) -> tuple[tdx.Made, bytes]:
        raw = json.dumps(self.runtime).encode()
        held = hashlib.sha256(raw).digest() if self.held is None else self.held
        guest = self.guest.written(520, held.ljust(64, b"\0"))
        sizes = struct.pack("<5I", len(raw) + 20, 1, self.hardware, 1, len(raw))
        head = b"HCLA" + struct.pack("<II", 1, 0) + bytes(20)
        return guest, head + bytes(1184) + sizes + raw


GOOD = Made()
OTHER = rsa.generate_private_key(65537, 2048)
HASH = hashlib.sha256(json.dumps(GOOD.runtime).encode()).digest()


def test_evidence_holds_and_says_what_hardware_and_tpm_measured() -> None:
    claims = GOOD.verify()
    assert (claims.technology, claims.tcb_status) == (Technology.AZURE_TDX, "UpToDate")
    assert claims.measurements["mrtd"] == b"m" * 48
    assert claims.measurements["sha256:7"] == b"\7" * 32
    assert (claims.detail["verifiers"], claims.detail["vouched"]) == (
        "dcap-qvl and own", "enclosed",
    )  # fmt: skip
    check_bound(claims, b"nonce")
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(claims, b"other")


def test_debug_of_the_hardware_is_that_of_the_machine() -> None:
    assert replace(GOOD, guest=GOOD.guest.written(120, b"\1")).verify().is_debug is True


BINDING, SIGNATURE = errors.EvidenceBindingError, errors.EvidenceSignatureError
DAMAGED: dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]] = {
    "the report of other hardware": (
        lambda: replace(GOOD, hardware=2), errors.EvidenceUnsupportedError,
    ),
    "the hash of other runtime data": (lambda: replace(GOOD, held=bytes(32)), BINDING),
    "more than the hash in the quote": (lambda: replace(GOOD, held=HASH + b"x"), BINDING),
    "the nonce in the place of the hash": (lambda: replace(GOOD, held=b"nonce"), BINDING),
    "the TPM of another machine": (
        lambda: replace(GOOD, runtime={"keys": [jwk(OTHER)]}), SIGNATURE,
    ),
    "the quote of another TPM": (
        lambda: replace(GOOD, quoted=replace(GOOD.quoted, key=OTHER)), SIGNATURE,
    ),
    "values that were not quoted": (
        lambda: replace(GOOD, quoted=tpms.with_values(
            GOOD.quoted, {**tpms.VALUES, (tpm.SHA256, 7): bytes(32)})), BINDING,
    ),
    "a guest whose quote is not vouched for": (
        lambda: replace(GOOD, guest=replace(GOOD.guest, vouched=bytes(32))), BINDING,
    ),
    "firmware that reaches no level": (
        lambda: replace(GOOD, guest=GOOD.guest.written(2, b"\1")), errors.EvidenceTcbError,
    ),
    "collateral that has expired": (
        lambda: replace(GOOD, guest=replace(GOOD.guest, at=AT + 3 * DAY / 2)),
        errors.EvidenceExpiredError,
    ),
    "no TCB info": (
        lambda: replace(GOOD, guest=replace(GOOD.guest, changes={"tcb_info": None})),
        errors.EvidenceIncompleteError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_evidence_is_refused_for_its_reason(damage: str) -> None:
    make, error = DAMAGED[damage]
    with pytest.raises(errors.EvidenceError) as caught:
        make().verify()
    assert caught.type is error, caught.value
