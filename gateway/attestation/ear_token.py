"""Attestation results of an external verifier: EAR tokens as JWT or CWT (draft-ietf-rats-ear,
section 3), and the older names that deployed verifiers write.

The verifier's word counts only under a key that is pinned for its profile. What it concluded
stands in the claims, member by member, and is judged by a policy as other evidence is: 0 says
nothing, and a status that is better than its own vector is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import cbor, cose
from gateway.attestation import eat, jws
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceChainError,
    EvidenceExpiredError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Claims, Conclusion, Detail, Technology, Used, earliest
from gateway.attestation.vector import MEMBERS, Tier, tier_of

VERAISON = "tag:github.com,2023:veraison/ear"
TRUSTEE = "tag:github.com,2024:confidential-containers/Trustee"
DRAFT = "tag:ietf.org,2026:rats/ear#03"

# By which the clock of a verifier may be ahead.
SKEW = timedelta(seconds=60)
_MAX_POLICIES = 32
_MAX_TEXT = 500
_CWT = b"\xd8\x3d"
_KID = 4


@dataclass(frozen=True)
class _Names:
    """How a generation of profiles names its claims."""

    status: str
    vector: str
    policies: str
    verifier: str
    evidence: str

    def labels(self) -> dict[int, str]:
        return {
            1000: self.status, 1001: self.vector, 1002: self.evidence, 1003: self.policies,
            1004: self.verifier,
        }  # fmt: skip


_DOTTED = _Names(
    "ear.status", "ear.trustworthiness-vector", "ear.appraisal-policy-id", "ear.verifier-id",
    "ear.raw-evidence",
)  # fmt: skip
_SNAKE = _Names(
    "ear_status", "ear_trustworthiness_vector", "ear_appraisal_policy_ids", "ear_verifier_id",
    "ear_raw_evidence",
)  # fmt: skip
PROFILES: Mapping[str, _Names] = {VERAISON: _DOTTED, TRUSTEE: _DOTTED, DRAFT: _SNAKE}


@dataclass(frozen=True)
class Issuer:
    """A verifier whose word counts: its key, the profiles it may write, and its days.

    Attributes:
        kid: The id of the key in tokens, where it has one.
        valid_until: The last day; None without an end.
    """

    name: str
    key: jws.PublicKey
    profiles: frozenset[str]
    kid: str | None = None
    valid_from: date = date.min
    valid_until: date | None = None


@dataclass(frozen=True)
class Token:
    """A token as it was read; nothing of it is verified yet."""

    signed: jws.Jws | cose.Sign1
    profile: str
    claims: eat.Eat
    issued_at: datetime
    developer: str
    build: str
    conclusions: Mapping[str, Conclusion]


# --- reading -------------------------------------------------------------------------


def parse_token(data: bytes) -> Token:
    """The token in the bytes of a JWT or a CWT.

    Raises:
        EvidenceMalformedError: It is none, or lacks what its profile demands.
        EvidenceUnsupportedError: Its profile, or something in it, is not known here.
        EvidenceBindingError: A status is better than what it stands for.
    """
    if len(data) > jws.MAX_TOKEN:
        raise EvidenceMalformedError(f"a token of more than {jws.MAX_TOKEN} bytes")
    if data[:1].isascii() and data[:1].isalpha():
        signed = jws.parse_jws(data)
        return read_result(eat.read_json(signed.payload), signed)
    try:
        message = cose.parse_sign1(data.removeprefix(_CWT))
        payload = cbor.loads(message.payload or b"")
    except (cose.CoseError, cbor.CborError) as error:
        raise EvidenceMalformedError(f"no attestation result: {error}") from error
    profile = cast("object", payload.get(265)) if isinstance(payload, dict) else None
    names = PROFILES.get(profile) if isinstance(profile, str) else None
    return read_result(eat.read_cbor(payload, names.labels() if names else None), message)


def read_result(claims: eat.Eat, signed: jws.Jws | cose.Sign1) -> Token:
    """The result that claims make; raises as `parse_token`."""
    profile = claims.profile
    if profile is None:
        raise EvidenceMalformedError("an attestation result says its `eat_profile`")
    names = PROFILES.get(profile)
    if names is None:
        raise EvidenceUnsupportedError("the profile of the attestation result is not known here")
    if claims.issued_at is None:
        raise EvidenceMalformedError("an attestation result says when it was made (`iat`)")
    if claims.expires is not None and claims.expires < claims.issued_at:
        raise EvidenceMalformedError("the attestation result ends before it begins")
    if not claims.submods or claims.tokens:
        raise EvidenceMalformedError("an attestation result has submodules, each with claims")
    conclusions = {name: _conclusion(one, names) for name, one in claims.submods.items()}
    _check_overall(claims, names, conclusions)
    developer, build = _verifier(claims.claims.get(names.verifier))
    return Token(signed, profile, claims, claims.issued_at, developer, build, conclusions)


def _conclusion(module: eat.Eat, names: _Names) -> Conclusion:
    if module.submods or module.tokens:
        raise EvidenceUnsupportedError("a submodule of the attestation result has submodules")
    status = _status(module.claims.get(names.status))
    vector = _vector(module.claims.get(names.vector))
    worst = max((tier_of(value) for value in vector.values()), default=Tier.NONE)
    if status not in (Tier.NONE, worst) and status < worst:
        raise EvidenceBindingError(
            f"the verifier gives status {status.word}, and {worst.word} in its vector"
        )
    return Conclusion(int(status), vector, _policies(module.claims.get(names.policies), names))


def _status(value: object) -> Tier:
    """By its word in JSON and its number in CBOR; each says the same in either."""
    for tier in Tier:
        if value == tier.word or (type(value) is int and value == int(tier)):
            return tier
    raise EvidenceMalformedError("the status of a submodule is none of the four tiers")


def _vector(value: object) -> dict[str, int]:
    """What is told, by name: CBOR numbers the members."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise EvidenceMalformedError("a trustworthiness vector is a map")
    found: dict[str, int] = {}
    for key, number in cast("dict[object, object]", value).items():
        is_label = type(key) is int and 0 <= key < len(MEMBERS)
        name = MEMBERS[key] if is_label and isinstance(key, int) else key
        if not isinstance(name, str) or name not in MEMBERS or name in found:
            raise EvidenceUnsupportedError("a trustworthiness vector has an unknown member")
        if type(number) is not int or not -128 <= number <= 127:
            raise EvidenceMalformedError(f"`{name}` of a vector is no signed byte")
        found[name] = number
    return {name: number for name, number in found.items() if number != 0}


def _policies(value: object, names: _Names) -> tuple[str, ...]:
    """One text in the older names, a list in the draft's; it may be missing."""
    if value is None:
        return ()
    listed = cast("list[object]", value) if names is _SNAKE and isinstance(value, list) else [value]
    if len(listed) > _MAX_POLICIES:
        raise EvidenceMalformedError("an attestation result names too many policies")
    return tuple(_text(one, names.policies) for one in listed)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not len(value) <= _MAX_TEXT or not value.isprintable():
        raise EvidenceMalformedError(f"`{name}` is a text of at most {_MAX_TEXT} characters")
    return value


def _verifier(value: object) -> tuple[str, str]:
    found = cast("dict[object, object]", value) if isinstance(value, dict) else {}
    developer, build = found.get("developer", found.get(0)), found.get("build", found.get(1))
    return _text(developer, "verifier id"), _text(build, "verifier id")


def _check_overall(claims: eat.Eat, names: _Names, conclusions: Mapping[str, Conclusion]) -> None:
    """The status of the whole may be missing; it is no better than that of a submodule."""
    if names.status not in claims.claims:
        return
    overall = _status(claims.claims[names.status])
    worst = max(one.status for one in conclusions.values())
    if overall != worst:
        raise EvidenceBindingError("the status of the whole is none of its submodules' worst")


# --- verifying -----------------------------------------------------------------------


def verify_token(token: Token, *, issuers: Sequence[Issuer], at: datetime) -> Claims:
    """Check who made a result, and that it counts at an instant.

    Args:
        issuers: The verifiers whose word counts. A key in the token itself is never read.

    Returns:
        Claims whose `product` is the name of the issuer.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    issuer = _signer(token, issuers)
    check_issuer(issuer, token.profile, at)
    check_times(token.claims, at)
    measurements = {
        f"policy:{name}": sha256("\n".join(one.policies).encode()).digest()
        for name, one in token.conclusions.items()
        if one.policies
    }
    der = issuer.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Claims(
        Technology.EAR,
        product=issuer.name,
        is_debug=_debug(token),
        measurements=measurements,
        bound=_bound(token.claims),
        produced_at=token.issued_at,
        valid_until=earliest([token.claims.expires, end_of(issuer.valid_until)]),
        used=(Used.of("issuer-key", der),),
        concluded=token.conclusions,
        detail=_detail(token),
    )


def check_issuer(issuer: Issuer, profile: str, at: datetime) -> None:
    """Raise `EvidenceChainError` where it may not write such results, and
    `EvidenceExpiredError` where its key does not count on that day."""
    if profile not in issuer.profiles:
        raise EvidenceChainError(f"{issuer.name} is not pinned for results of this profile")
    day = at.astimezone(UTC).date()
    if not issuer.valid_from <= day or (issuer.valid_until and day > issuer.valid_until):
        raise EvidenceExpiredError(f"the key of {issuer.name} does not count on {day}")


def end_of(day: date | None) -> datetime | None:
    """The last instant of a day."""
    return None if day is None else datetime.combine(day, time.max, UTC)


def _signer(token: Token, issuers: Sequence[Issuer]) -> Issuer:
    signed = token.signed
    if isinstance(signed, jws.Jws):
        return jws.verify_jws(signed, issuers)
    given = signed.protected.get(_KID, signed.unprotected.get(_KID))
    kid = given.decode("utf-8", "replace") if isinstance(given, bytes) else None
    for issuer in jws.by_kid(kid, issuers):
        try:
            cose.verify_sign1(signed, issuer.key)
        except (cose.CoseSignatureError, cose.CoseAlgorithmError):
            continue
        except cose.CoseError as error:
            raise EvidenceMalformedError(str(error)) from error
        return issuer
    raise EvidenceSignatureError("no key that is pinned for it has signed the token")


def check_times(claims: eat.Eat, at: datetime) -> None:
    """Raise `EvidenceExpiredError` unless claims count at an instant."""
    if claims.issued_at is not None and claims.issued_at > at + SKEW:
        raise EvidenceExpiredError("the token was made after that instant")
    if claims.not_before is not None and claims.not_before > at + SKEW:
        raise EvidenceExpiredError("the token does not count yet")
    if claims.expires is not None and claims.expires <= at:
        raise EvidenceExpiredError(f"the token counts until {claims.expires:%Y-%m-%dT%H:%M:%SZ}")


def _bound(claims: eat.Eat) -> bytes:
    """The nonce of the whole, or the one of every submodule; a submodule without one could be
    of another time."""
    found = {eat.nonce_bytes(one) for one in claims.nonces}
    inner = [{eat.nonce_bytes(nonce) for nonce in one.nonces} for one in claims.submods.values()]
    if len(found.union(*inner)) > 1:
        raise EvidenceBindingError("parts of the attestation result answer different challenges")
    if not found and all(inner):
        found = inner[0]
    return next(iter(found), None) or b""


def _debug(token: Token) -> bool | None:
    return _debug_of(token.claims)


def _debug_of(claims: eat.Eat) -> bool | None:
    """Whether any part can be debugged; that none can, only where the whole says so or each part
    does, for one that is silent may be what can."""
    parts = [_debug_of(one) for one in claims.submods.values()]
    if claims.debug == 0 or True in parts:
        return True
    if claims.debug is not None or (parts and None not in parts):
        return False
    return None


def _detail(token: Token) -> dict[str, Detail]:
    detail: dict[str, Detail] = {
        "profile": token.profile, "developer": token.developer, "build": token.build,
    }  # fmt: skip
    for name, one in token.conclusions.items():
        detail[f"status:{name}"] = Tier(one.status).word
        detail[f"policy:{name}"] = ", ".join(one.policies)
    return detail
