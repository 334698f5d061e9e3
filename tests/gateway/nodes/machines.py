"""Machines with a TPM made here, and the files by which their evidence is judged: all real, to
be damaged. Attestation keys are pinned; PCR 7 has a reference value, PCR 16 is the place tag."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.attestation import tpm_structures as tpm
from gateway.nodes.attested import Attested, Submission
from gateway.nodes.challenge import Challenge
from gateway.nodes.desk import Desk
from gateway.nodes.terms import Terms, load_terms
from gateway.record.canonical import canonicalise
from tests.gateway.attestation import tpms
from tests.gateway.attestation.pcrs import pcr_file

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SITE = "nimbus/ie-dublin"
TENANT, CALLER = "clinic-a", "token-1"
GOOD_PCR, PLACE_PCR = 7, 16
FIRST, SECOND = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


@dataclass(frozen=True)
class Machine:
    """One machine; `boot` counts how often it was started, `clock` the milliseconds."""

    key: ec.EllipticCurvePrivateKey = FIRST
    boot: int = 2
    restarts: int = 0
    clock: int = 1000
    values: Mapping[tuple[int, int], bytes] = field(default_factory=lambda: dict(tpms.VALUES))

    @property
    def device(self) -> str:
        public = self.key.public_key()
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return sha256(spki).hexdigest()

    @property
    def pem(self) -> str:
        public = self.key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def rebooted(self) -> "Machine":
        return replace(self, boot=self.boot + 1)

    def with_pcr(self, number: int, value: bytes) -> "Machine":
        return replace(self, values={**self.values, (tpm.SHA256, number): value})

    def without_pcr(self, number: int) -> "Machine":
        kept = {key: value for key, value in self.values.items() if key[1] != number}
        return replace(self, values=kept)

    def evidence(self, nonce: bytes = b"") -> dict[str, Any]:
        made = tpms.Made(
            key=self.key,
            extra=nonce,
            reset_count=self.boot,
            restart_count=self.restarts,
            clock=self.clock,
            values=dict(self.values),
            selection=((tpm.SHA256, tuple(number for _, number in self.values)),),
        )
        message = made.message()
        parts = {
            "quote": message,
            "signature": made.signature(message),
            "pcrs": pcr_file(self.values),
            "ak_pem": self.pem.encode(),
        }
        return {
            "format": "charter-evidence/v1",
            "technology": "tpm",
            "evidence": {name: base64.b64encode(part).decode() for name, part in parts.items()},
        }

    def document(self, nonce: bytes = b"") -> bytes:
        return canonicalise(self.evidence(nonce))


POLICY = f"""\
format = "charter-appraisal/v1"
id = "test/nodes"
owner = "tests"
source = "made for the test"
valid_from = 2026-01-01

[[technology]]
name = "tpm"
products = ["TPM"]

[[technology.reference]]
measurement = "sha256:{GOOD_PCR}"
any_of = ["{tpms.VALUES[(tpm.SHA256, GOOD_PCR)].hex()}"]
source = "made for the test"
valid_from = 2026-01-01
"""


def anchors(*machines: Machine, **days: str) -> str:
    more = "".join(f"{name} = {day}\n" for name, day in days.items() if name != "valid_from")
    text = 'format = "charter-anchors/v1"\nowner = "tests"\n'
    for number, machine in enumerate(machines):
        text += (
            f'[[tpm_key]]\nname = "k{number}"\npem = """{machine.pem}"""\n'
            f'source = "made"\nvalid_from = {days.get("valid_from", "2026-01-01")}\n{more}'
        )
    return text


def node(
    name: str = "n1",
    attesters: Sequence[str] | str = "ANY",
    *,
    site: str = SITE,
    valid_from: str = "2026-01-01",
    more: str = "",
) -> str:
    listed = attesters if isinstance(attesters, str) else list(attesters)
    return (
        f'[[node]]\nid = "{name}"\nsite = "{site}"\ntechnology = "tpm"\n'
        f'attesters = {json.dumps(listed)}\nsource = "made"\nvalid_from = {valid_from}\n{more}'
    )


def place(value: bytes) -> str:
    return f'place = {{ measurement = "sha256:{PLACE_PCR}", any_of = ["{value.hex()}"] }}\n'


def register(*rows: str) -> str:
    return 'format = "charter-nodes/v1"\nowner = "tests"\n' + "".join(rows)


def write(folder: Path, policy: str, vouched: str, nodes: str) -> list[str]:
    """The files, and the flags that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    flags: list[str] = []
    for flag, text in (("appraisal", policy), ("anchors", vouched), ("nodes", nodes)):
        (folder / f"{flag}.toml").write_text(text)
        flags += [f"--{flag}", str(folder / f"{flag}.toml")]
    return flags


def terms(folder: Path, *rows: str, policy: str = POLICY, vouched: str | None = None) -> Terms:
    chosen = anchors(Machine(), Machine(SECOND)) if vouched is None else vouched
    known = register(*(rows or (node("n1", [Machine().device]), node("n2"))))
    write(folder, policy, chosen, known)
    return load_terms(folder / "appraisal.toml", folder / "anchors.toml", folder / "nodes.toml")


@dataclass
class Counter:
    """A desk as one caller of one tenant sees it, at a time that is moved by hand."""

    desk: Desk
    terms: Terms
    now: datetime = NOW
    tenant: str = TENANT
    caller: str = CALLER
    node: str = "n1"
    purpose: str = "standing"

    def ask(self) -> Challenge:
        return self.desk.challenge(
            self.terms,
            tenant=self.tenant,
            caller=self.caller,
            node=self.node,
            purpose=self.purpose,
            now=self.now,
        )

    def show(self, document: bytes, challenge: str | None = None) -> Attested:
        return self.desk.submit(
            self.terms,
            Submission(self.node, document, challenge),
            tenant=self.tenant,
            caller=self.caller,
            purpose=self.purpose,
            now=self.now,
        )

    def answer(self, machine: Machine) -> Attested:
        """A challenge, and evidence that was made for it."""
        asked = self.ask()
        return self.show(machine.document(asked.nonce), asked.id)

    def stands(self) -> Attested | None:
        return self.desk.standing(self.terms, tenant=self.tenant, node=self.node, now=self.now)

    def later(self, by: timedelta) -> None:
        self.now += by
