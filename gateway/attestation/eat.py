"""Claims of an Entity Attestation Token (RFC 9711, section 4), from JSON or CBOR under the same
names. Whether anybody signed them is another's question.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from gateway import cbor
from gateway.attestation.errors import EvidenceMalformedError

# Labels of RFC 8392, section 4; RFC 9711, section 10.2; and draft-ietf-rats-ear, section 3.
LABELS: Mapping[int, str] = {
    1: "iss", 2: "sub", 3: "aud", 4: "exp", 5: "nbf", 6: "iat", 7: "cti",
    10: "eat_nonce", 256: "ueid", 257: "sueids", 258: "oemid", 259: "hwmodel",
    260: "hwversion", 261: "uptime", 262: "oemboot", 263: "dbgstat", 264: "location",
    265: "eat_profile", 266: "submods", 267: "bootcount", 268: "bootseed", 269: "dloas",
    270: "swname", 271: "swversion", 272: "manifests", 273: "measurements", 274: "measres",
    275: "intuse",
}  # fmt: skip
_DEBUG = (
    "enabled",
    "disabled",
    "disabled-since-boot",
    "disabled-permanently",
    "disabled-fully-and-permanently",
)
_MAX_SUBMODS = 64
_MAX_NESTED = 8
_MAX_TIME = 1 << 40


@dataclass(frozen=True)
class Eat:
    """Claims as they were read; what is not there is None.

    Attributes:
        nonces: As they are spelled: text in JSON, bytes in CBOR.
        debug: 0 enabled, 1 disabled, 2 since boot, 3 permanently, 4 fully and permanently.
        claims: All, by name; labels that are not known stay numbers in text, such as `-70000`.
        submods: Claims of parts; those that are signed or detached are in `tokens`.
    """

    profile: str | None = None
    issued_at: datetime | None = None
    not_before: datetime | None = None
    expires: datetime | None = None
    nonces: tuple[str | bytes, ...] = ()
    debug: int | None = None
    claims: Mapping[str, object] = field(default_factory=dict[str, object])
    submods: Mapping[str, "Eat"] = field(default_factory=dict[str, "Eat"])
    tokens: Mapping[str, object] = field(default_factory=dict[str, object])


def read_json(claims: Mapping[str, object]) -> Eat:
    """Of a claims set in JSON; `claims` is as `load_strict` reads it.

    Raises:
        EvidenceMalformedError: A claim is of another form than its standard says.
    """
    return _read(claims, {}, is_json=True, depth=_MAX_NESTED)


def read_cbor(claims: object, more: Mapping[int, str] | None = None) -> Eat:
    """Of a claims set in CBOR; `claims` is as `cbor.loads` reads it.

    Args:
        more: Names of further labels.

    Raises:
        EvidenceMalformedError: It is no map, or a claim is of another form.
    """
    if not isinstance(claims, dict):
        raise EvidenceMalformedError("claims are a map")
    given = cast("dict[cbor.Key, cbor.Value]", claims)
    return _read(given, {**LABELS, **(more or {})}, is_json=False, depth=_MAX_NESTED)


def _read(
    given: Mapping[Any, object],
    labels: Mapping[int, str],
    *,
    is_json: bool,
    depth: int,
) -> Eat:
    if depth == 0:
        raise EvidenceMalformedError("submodules are nested too deeply")
    claims = _named(given, labels)
    submods: dict[str, Eat] = {}
    tokens: dict[str, object] = {}
    for name, value in _submods(claims.get("submods")).items():
        if isinstance(value, dict):
            inner = cast("dict[cbor.Key, object]", value)
            submods[name] = _read(inner, labels, is_json=is_json, depth=depth - 1)
        else:
            tokens[name] = value
    profile = claims.get("eat_profile")
    if profile is not None and not isinstance(profile, str):
        raise EvidenceMalformedError("`eat_profile` is a text")
    return Eat(
        profile=profile,
        issued_at=_time(claims, "iat"),
        not_before=_time(claims, "nbf"),
        expires=_time(claims, "exp"),
        nonces=_nonces(claims.get("eat_nonce"), is_json=is_json),
        debug=_debug(claims.get("dbgstat"), is_json=is_json),
        claims=claims,
        submods=submods,
        tokens=tokens,
    )


def _named(given: Mapping[Any, object], labels: Mapping[int, str]) -> dict[str, object]:
    """The claims by name. A name beside its label would say the same thing twice."""
    claims: dict[str, object] = {}
    for key, value in given.items():
        if not isinstance(key, (int, str)):
            raise EvidenceMalformedError("the name of a claim is a number or a text")
        name = key if isinstance(key, str) else labels.get(key, str(key))
        if name in claims:
            raise EvidenceMalformedError(f"the claim `{name:.40}` comes twice")
        claims[name] = value
    return claims


def _submods(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise EvidenceMalformedError("`submods` is a map")
    found = cast("dict[object, object]", value)
    if not 0 < len(found) <= _MAX_SUBMODS:
        raise EvidenceMalformedError(f"`submods` has 1 to {_MAX_SUBMODS} members")
    for name in found:
        if not isinstance(name, str) or not 0 < len(name) <= 200 or not name.isprintable():
            raise EvidenceMalformedError("a submodule has a name of 1 to 200 characters")
    return cast("Mapping[str, object]", found)


def _time(claims: Mapping[str, object], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_TIME:
        raise EvidenceMalformedError(f"`{name}` is a whole number of seconds")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise EvidenceMalformedError(f"`{name}` is no time") from error


def _nonces(value: object, *, is_json: bool) -> tuple[str | bytes, ...]:
    if value is None:
        return ()
    listed = cast("list[object]", value) if isinstance(value, list) else [value]
    if not 0 < len(listed) <= _MAX_SUBMODS:
        raise EvidenceMalformedError("`eat_nonce` is one or a few")
    kind, most = (str, 88) if is_json else (bytes, 64)
    for one in listed:
        if not isinstance(one, kind) or not 8 <= len(one) <= most:
            raise EvidenceMalformedError(f"`eat_nonce` has 8 to {most} {kind.__name__}")
    return tuple(cast("list[str | bytes]", listed))


def _debug(value: object, *, is_json: bool) -> int | None:
    if value is None:
        return None
    if is_json and isinstance(value, str) and value in _DEBUG:
        return _DEBUG.index(value)
    if not is_json and isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 4:
        return value
    raise EvidenceMalformedError("`dbgstat` is none of its five values")


def nonce_bytes(nonce: str | bytes) -> bytes | None:
    """The bytes that a nonce stands for: those of base64 or base64url in JSON (RFC 9711,
    section 4.1), with padding or without; None where the text is neither."""
    if isinstance(nonce, bytes):
        return nonce
    text = nonce.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return data if base64.urlsafe_b64encode(data).decode().rstrip("=") == text else None
