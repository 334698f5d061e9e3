"""Enrolment: only a key that is shown to be in the TPM of a known maker becomes a node."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from gateway.attestation import errors
from gateway.attestation import tpm_structures as tpm
from gateway.attestation.anchors import read_anchors
from gateway.nodes.enrolment import VALID, Begun, admit, begin, read_begun
from gateway.nodes.errors import EnrolmentError, RegisterError
from gateway.nodes.register import read_register
from tests.gateway.attestation import tpms
from tests.gateway.attestation.chains import AT, DAY, Issued, issue
from tests.gateway.nodes import machines

EK_USAGE = ("2.5.29.37", bytes.fromhex("300706056781050801"))
ROOT = issue("maker", ca=True)
LEAF = issue("tpm", ROOT, key=tpms.RSA, extensions=[EK_USAGE])
EK = tpms.public(tpms.RSA, tpms.EK_ATTRIBUTES, storage=True).raw
AK = tpms.public().raw


@dataclass(frozen=True)
class Offer:
    """What a machine sends to be enrolled."""

    leaf: Issued = LEAF
    root: Issued = ROOT
    ek: bytes = EK
    ak: bytes = AK
    at: datetime = AT

    def begin(self) -> Begun:
        path = [self.leaf.certificate, self.root.certificate]
        return begin(path, self.ek, self.ak, at=self.at, random=os.urandom)[1]


@pytest.fixture
def begun() -> Begun:
    return Offer().begin()


def secret(begun: Begun) -> bytes:
    return bytes.fromhex(begun.secret)


def test_rows_of_a_machine_that_opened_its_credential_are_of_its_key(begun: Begun) -> None:
    done = admit(read_begun(begun.model_dump_json().encode()), secret(begun),
                 node="n1", site="nimbus/ie-dublin", at=AT)  # fmt: skip
    known = read_register(machines.register(done.node).encode())
    row = known.find("n1", AT.date())
    assert (row.site, row.attesters) == ("nimbus/ie-dublin", (done.device,))
    vouched = read_anchors((machines.anchors() + done.anchor).encode())
    assert vouched.pinned_on(tpms.ECC.public_key(), AT.date())
    assert done.device == machines.Machine(tpms.ECC).device


BINDING, CHAIN = errors.EvidenceBindingError, errors.EvidenceChainError
OTHER = issue("maker", ca=True)
WRONG: dict[str, tuple[Offer, type[errors.EvidenceError]]] = {
    "a certificate of another maker": (Offer(root=OTHER), errors.EvidenceSignatureError),
    "a certificate of another key": (
        Offer(leaf=issue("tpm", ROOT, key=tpms.ECC, extensions=[EK_USAGE])), BINDING,
    ),
    "a certificate that is not of a TPM": (Offer(leaf=issue("web", ROOT, key=tpms.RSA)), BINDING),
    "a certificate that has ended": (Offer(at=AT + 2 * DAY), errors.EvidenceExpiredError),
    "an EK that signs": (
        Offer(ek=tpms.public(tpms.RSA, tpms.EK_ATTRIBUTES | tpm.SIGN, storage=True).raw), BINDING,
    ),
    "an AK that signs anything": (
        Offer(ak=tpms.public(attributes=tpms.ATTRIBUTES & ~tpm.RESTRICTED).raw), BINDING,
    ),
    "an AK that may leave its TPM": (
        Offer(ak=tpms.public(attributes=tpms.ATTRIBUTES & ~tpm.FIXED_TPM).raw), BINDING,
    ),
    "an AK that was made outside": (
        Offer(ak=tpms.public(attributes=tpms.ATTRIBUTES & ~tpm.SENSITIVE_ORIGIN).raw), BINDING,
    ),
    "an EK in the place of the AK": (Offer(ak=EK), BINDING),
    "a cut AK": (Offer(ak=AK[:-1]), errors.EvidenceMalformedError),
    "bytes after the EK": (Offer(ek=EK + b"\0"), errors.EvidenceMalformedError),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_nothing_is_sealed_for(what: str) -> None:
    offer, error = WRONG[what]
    with pytest.raises(error):
        offer.begin()


def test_a_chain_without_its_authority_is_refused() -> None:
    with pytest.raises(CHAIN):
        begin([LEAF.certificate], EK, AK, at=AT, random=os.urandom)


FOUND: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "a part": lambda found: found[:-1],
    "more": lambda found: found + b"\0",
    "one bit else": lambda found: bytes([found[0] ^ 1]) + found[1:],
    "the text of it": lambda found: found.hex().encode(),
    "zeros": lambda _: bytes(32),
}


@pytest.mark.parametrize("what", FOUND)
def test_a_machine_that_found_something_else_is_not_admitted(begun: Begun, what: str) -> None:
    with pytest.raises(EnrolmentError, match="not found"):
        admit(begun, FOUND[what](secret(begun)), node="n1", site="near", at=AT)


def test_what_another_machine_found_does_not_admit_this_one(begun: Begun) -> None:
    with pytest.raises(EnrolmentError):
        admit(begun, secret(Offer().begin()), node="n1", site="near", at=AT)


@pytest.mark.parametrize("by", [VALID + timedelta(seconds=1), -timedelta(minutes=6)])
def test_an_enrolment_of_another_time_is_over(begun: Begun, by: timedelta) -> None:
    with pytest.raises(EnrolmentError, match="begin again"):
        admit(begun, secret(begun), node="n1", site="near", at=AT + by)


@pytest.mark.parametrize("name", ["", "n 1", 'n"\n[[node]]', "n\x1b[2J", "n" * 300, "\u00e9"])
def test_a_name_that_is_none_makes_no_row(begun: Begun, name: str) -> None:
    with pytest.raises(RegisterError):
        admit(begun, secret(begun), node=name, site="near", at=AT)


@pytest.mark.parametrize("change", [{"format": "x"}, {"secret": "00"}, {"ak": "zz"}, {"more": 1}])
def test_a_file_that_was_changed_is_no_enrolment(begun: Begun, change: dict[str, object]) -> None:
    data = json.dumps({**begun.model_dump(), **change}).encode()
    with pytest.raises(EnrolmentError):
        read_begun(data)
