"""Callers of an OpenID Connect issuer, by a JWT (RFC 7519) that it has signed.

Issuer, audience and algorithms come from the configuration (RFC 8725, section 3); nothing in
the token chooses its own key or algorithm: `kid` selects among the keys of the issuer, and
the key says its algorithm. `jku`, `jwk`, `x5u` and `x5c` are never looked at.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import jwt
from pydantic import BaseModel, Field, field_validator, model_validator

from gateway.callers.caller import Identity
from gateway.callers.grants import MODEL, ClaimGrant, Text
from gateway.callers.jwks import IssuerKeys
from gateway.errors import AuthenticationError, AuthorisationError, ConfigurationError
from gateway.fetch import check_url

Algorithm = Literal["RS256", "ES256", "EdDSA"]
MAX_TOKEN = 8 * 1024
MAX_LEEWAY_S = 300
_REQUIRED = ("iss", "aud", "sub", "exp", "nbf")
# RFC 7515 section 4.1.9, RFC 9068: others, such as logout tokens, are signed by the same
# keys and say something else.
_TYPES = ("jwt", "at+jwt", "application/at+jwt")


class IssuerSettings(BaseModel):
    """An issuer, as the configuration names it."""

    model_config = MODEL

    issuer: Text
    audience: Text
    keys_url: Text | None = None
    keys_file: Path | None = None
    ca_file: Path | None = None
    private_network: bool = False
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256", "EdDSA")
    leeway_s: int = Field(default=30, ge=0, le=MAX_LEEWAY_S)
    max_lifetime_s: int = Field(default=24 * 3600, ge=1, le=31 * 24 * 3600)
    grant: tuple[ClaimGrant, ...] = Field(min_length=1)

    @field_validator("keys_url")
    @classmethod
    def _is_https(cls, url: str | None) -> str | None:
        if url is not None:
            try:
                check_url(url)
            except ConfigurationError as error:
                raise ValueError(str(error)) from error
        return url

    @model_validator(mode="after")
    def _has_keys_once(self) -> Self:
        if (self.keys_url is None) == (self.keys_file is None):
            raise ValueError("give keys_url or keys_file")
        return self


@dataclass(frozen=True)
class Issuer:
    """An issuer with its keys."""

    settings: IssuerSettings
    keys: IssuerKeys


class Issuers:
    """The issuers whose tokens count."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._issuers = {issuer.settings.issuer: issuer for issuer in issuers}

    def __bool__(self) -> bool:
        return bool(self._issuers)

    def tenants(self) -> set[str]:
        """Every tenant that a grant states."""
        grants = (grant for issuer in self._issuers.values() for grant in issuer.settings.grant)
        return {tenant for grant in grants for tenant in grant.tenants or ()}

    async def identify(self, token: str, *, now: datetime) -> Identity:
        """Whom an issuer says the token is of.

        Raises:
            AuthenticationError: No issuer says so, now and for this gateway.
            AuthorisationError: No grant is for its claims.
            CallersUnavailableError: The keys of the issuer cannot be read.
        """
        issuer, header = self._unverified(token)
        key = await issuer.keys.find(header.key_id)
        if header.algorithm != key.algorithm:
            raise _unknown()
        settings = issuer.settings
        try:
            # The times are checked below: the clock is an argument.
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=settings.audience,
                issuer=settings.issuer,
                options={
                    "require": list(_REQUIRED),
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise _unknown() from error
        _check_times(claims, settings, now)
        return _granted(claims, settings)

    def _unverified(self, token: str) -> tuple[Issuer, "_Header"]:
        """The issuer that the token names, and what it says of its key; none of it believed.

        Raises:
            AuthenticationError: Not the form of a JWT, or none of our issuers.
        """
        if len(token) > MAX_TOKEN:
            raise AuthenticationError(f"a JWT has at most {MAX_TOKEN} characters")
        try:
            read = jwt.decode_complete(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise _unknown() from error
        named = cast("Mapping[str, object]", read["payload"]).get("iss")
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if issuer is None:
            raise _unknown()
        return issuer, _header(cast("Mapping[str, object]", read["header"]), issuer.settings)


@dataclass(frozen=True)
class _Header:
    algorithm: str
    key_id: str | None


def _header(header: Mapping[str, object], settings: IssuerSettings) -> _Header:
    algorithm, key_id = header.get("alg"), header.get("kid")
    kind = header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in settings.algorithms:
        raise _unknown()
    if "crit" in header or not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _unknown()
    if not isinstance(key_id, str | None):
        raise _unknown()
    return _Header(algorithm, key_id)


def _check_times(claims: Mapping[str, Any], settings: IssuerSettings, now: datetime) -> None:
    at = now.timestamp()
    begins, ends = _instant(claims, "nbf"), _instant(claims, "exp")
    if at >= ends + settings.leeway_s:
        raise AuthenticationError("this token has expired")
    issued = _instant(claims, "iat") if "iat" in claims else begins
    if max(begins, issued) > at + settings.leeway_s:
        raise AuthenticationError("this token does not count yet")
    if not 0 < ends - begins <= settings.max_lifetime_s:
        raise AuthenticationError("this token is of too long a time")


def _instant(claims: Mapping[str, Any], name: str) -> float:
    """Seconds since 1970 (RFC 7519, section 2, NumericDate)."""
    value = cast("object", claims.get(name))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unknown()
    if not math.isfinite(value) or not 0 <= value < 2**40:
        raise _unknown()
    return float(value)


def _granted(claims: Mapping[str, Any], settings: IssuerSettings) -> Identity:
    subject = cast("object", claims["sub"])
    if not isinstance(subject, str) or not subject:
        raise _unknown()
    for grant in settings.grant:
        if all(test.holds(claims) for test in grant.when):
            tenants = grant.tenants_of(claims)
            if not tenants:
                break
            # A subject may be the name of a person; this goes to logs.
            digest = sha256(f"{settings.issuer}\n{subject}".encode()).hexdigest()
            return Identity(f"oidc-{digest[:16]}", tenants, grant.actions, grant.roles)
    raise AuthorisationError("no grant of this gateway is for this caller")


def _unknown() -> AuthenticationError:
    return AuthenticationError("this token is not known here")
