"""Results of the NVIDIA Remote Attestation Service: a detached EAT bundle in JSON (RFC 9711,
section 5), whose main token holds the digest of a token of each device.

The service answers with claims of its own about each step that it took; here they become a
trustworthiness vector. What it does not say stays 0, which approves nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.attestation import eat, jws
from gateway.attestation.ear_token import Issuer, check_issuer, check_times, end_of
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceMalformedError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Claims, Conclusion, Technology, Used, earliest
from gateway.attestation.nvidia_gpu import driver_number, product_of, vbios_number
from gateway.attestation.vector import Configuration, Executables, Hardware, Tier, tier_of
from gateway.errors import JsonError
from gateway.record.canonical import load_strict

SERVICE = "https://nras.attestation.nvidia.com"
VERSION = "3.0"
MAX_BUNDLE = 1024 * 1024
_MAX_DEVICES = 32
_VENDOR = "x-nvidia-"
_GPU = f"{_VENDOR}gpu-"
_REPORT = tuple(
    f"{_GPU}{name}"
    for name in (
        "arch-check",
        "attestation-report-parsed",
        "attestation-report-signature-verified",
        "attestation-report-nonce-match",
        "attestation-report-cert-chain-fwid-match",
    )
)
_RIMS = tuple(
    f"{_GPU}{of}-rim-{step}"
    for of in ("driver", "vbios")
    for step in ("signature-verified", "version-match", "measurements-available")
)
_CHAINS = tuple(
    f"{_GPU}{of}-cert-chain" for of in ("attestation-report", "driver-rim", "vbios-rim")
)
_UEID = re.compile(r"[0-9]{1,49}")
_NONCE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Result:
    """An answer of the service as it was read; nothing of it is verified yet."""

    main: jws.Jws
    claims: eat.Eat
    devices: Mapping[str, tuple[jws.Jws, eat.Eat]]


def parse_result(data: bytes) -> Result:
    """The answer in the bytes: `[["JWT", main], {"GPU-0": token, …}]`.

    Raises:
        EvidenceMalformedError: It is none.
        EvidenceUnsupportedError: Another version of its claims.
    """
    try:
        value = load_strict(data, max_bytes=MAX_BUNDLE, max_depth=4, max_string=jws.MAX_TOKEN)
    except JsonError as error:
        raise EvidenceMalformedError(f"no answer of the service: {error}") from error
    match value:
        case [["JWT", str(main)], dict(devices)] if 0 < len(devices) <= _MAX_DEVICES:
            first = jws.parse_jws(main.encode())
            found = {name: _device(token) for name, token in devices.items()}
        case _:
            raise EvidenceMalformedError("an answer of the service is a token and its devices")
    if first.payload.get(f"{_VENDOR}ver") != VERSION:
        raise EvidenceUnsupportedError(f"an answer of another version than {VERSION}")
    return Result(first, eat.read_json(first.payload), found)


def _device(token: object) -> tuple[jws.Jws, eat.Eat]:
    if not isinstance(token, str):
        raise EvidenceMalformedError("the token of a device is a text")
    found = jws.parse_jws(token.encode())
    return found, eat.read_json(found.payload)


def verify_result(result: Result, *, issuers: Sequence[Issuer], at: datetime) -> Claims:
    """Check who signed an answer, and that its parts belong together.

    Args:
        issuers: Keys of the service, pinned for the profile `SERVICE`.

    Returns:
        Claims of the first device; further ones are its parts.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    signer = jws.verify_jws(result.main, issuers)
    check_issuer(signer, SERVICE, at)
    for token, _ in result.devices.values():
        jws.verify_jws(token, [signer])
    _check_digests(result)
    every = [result.claims, *(claims for _, claims in result.devices.values())]
    for claims in every:
        if claims.claims.get("iss") != SERVICE:
            raise EvidenceBindingError("a token of the answer names another issuer")
        if claims.nonces != result.claims.nonces or len(claims.nonces) != 1:
            raise EvidenceBindingError("the tokens of the answer are of different challenges")
        if claims.issued_at is None or claims.expires is None:
            raise EvidenceMalformedError("a token of the answer has no time")
        check_times(claims, at)
    ends = earliest([end_of(signer.valid_until), *(one.expires for one in every)])
    whole = result.claims.claims.get(f"{_VENDOR}overall-att-result")
    first, *more = (
        _claims(name, claims, signer, ends, is_whole=whole is True)
        for name, (_, claims) in result.devices.items()
    )
    return replace(first, parts=tuple(more))


def _check_digests(result: Result) -> None:
    """The main token vouches for these devices and no others."""
    stated = result.claims.tokens
    if result.claims.submods or stated.keys() != result.devices.keys():
        raise EvidenceBindingError("the answer names other devices than it holds")
    for name, (token, _) in result.devices.items():
        if stated[name] != ["DIGEST", ["SHA-256", sha256(token.raw).hexdigest()]]:
            raise EvidenceBindingError(f"the token of `{name}` has another digest than is stated")


def _claims(
    name: str, found: eat.Eat, signer: Issuer, ends: datetime | None, *, is_whole: bool
) -> Claims:
    claims, vector = found.claims, _vector(found)
    worst = max((tier_of(value) for value in vector.values()), default=Tier.NONE)
    status = worst if is_whole else Tier.CONTRAINDICATED
    driver, vbios = (_text(claims, f"{_GPU}{of}-version") for of in ("driver", "vbios"))
    der = signer.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ueid = _text(claims, "ueid")
    if not _UEID.fullmatch(ueid):
        raise EvidenceMalformedError("`ueid` is a number in digits")
    nonce = str(found.nonces[0])
    return Claims(
        Technology.NVIDIA_GPU,
        product=product_of(_text(claims, "hwmodel")),
        firmware={"driver": driver_number(driver), "vbios": vbios_number(vbios)},
        is_debug=None if found.debug is None else found.debug == 0,
        is_unrevoked=_all(_ocsp(claims, chain) for chain in _CHAINS) is True,
        bound=bytes.fromhex(nonce) if _NONCE.fullmatch(nonce) else b"",
        attester_id=f"{int(ueid):040x}",
        produced_at=found.issued_at,
        valid_until=ends,
        used=(Used.of("issuer-key", der),),
        concluded={name: Conclusion(int(status), vector)},
        detail={"verifier": signer.name, "driver": driver, "vbios": vbios},
    )


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value.isprintable() or len(value) > 200:
        raise EvidenceMalformedError(f"`{name}` is a text")
    return value


def _all(told: Iterable[bool | None]) -> bool | None:
    """Whether each is so; None where one is not told and none is otherwise."""
    listed = list(told)
    if any(one is False for one in listed):
        return False
    return True if all(one is True for one in listed) else None


def _said(claims: Mapping[str, object], name: str) -> bool | None:
    value = claims.get(name)
    return None if value is None else value is True


def _ocsp(claims: Mapping[str, object], chain: str) -> bool | None:
    """Whether a chain is valid, and its authority said `good` of it."""
    value = claims.get(chain)
    if not isinstance(value, dict):
        return None
    found = cast("Mapping[str, object]", value)
    status, ocsp = found.get(f"{_VENDOR}cert-status"), found.get(f"{_VENDOR}cert-ocsp-status")
    return None if status is None or ocsp is None else (status, ocsp) == ("valid", "good")


def _vector(found: eat.Eat) -> dict[str, int]:
    """What the claims of each step come to; members of which nothing is told are left out."""
    claims = found.claims
    measured = claims.get("measres")
    steps: Mapping[str, tuple[bool | None, int, int]] = {
        "hardware": (
            _all([*(_said(claims, name) for name in _REPORT), _ocsp(claims, _CHAINS[0])]),
            Hardware.GENUINE,
            Hardware.CONTRAINDICATED,
        ),
        "executables": (
            _all(
                [
                    None if measured is None else measured == "success",
                    *(_said(claims, name) for name in _RIMS),
                    *(_ocsp(claims, chain) for chain in _CHAINS[1:]),
                ]
            ),
            Executables.APPROVED_BOOT,
            Executables.CONTRAINDICATED,
        ),
        "configuration": (
            _all([_said(claims, "secboot"), None if found.debug is None else found.debug != 0]),
            Configuration.APPROVED,
            Configuration.UNSUPPORTABLE,
        ),
    }
    return {
        member: int(good if is_so else bad)
        for member, (is_so, good, bad) in steps.items()
        if is_so is not None
    }
