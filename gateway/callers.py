"""Callers: who may ask, known by a bearer token (RFC 6750) whose hash alone is kept.

A token is `charter_<id>_<secret>`: the id finds the row, the secret of 256 random bits
proves it. A plain SHA-256 is enough for a secret nobody chose; passwords never come here.
"""

import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.errors import AuthenticationError, AuthorisationError, ConfigurationError

_TOKEN = re.compile(r"charter_([a-z0-9]{8,32})_([A-Za-z0-9_-]{43})")
_MODEL = ConfigDict(extra="forbid", frozen=True)
MAX_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Caller:
    """Somebody authenticated. `actions` None means every action."""

    id: str
    tenant: str
    actions: frozenset[str] | None = None

    def may(self, action: str) -> None:
        """Raise `AuthorisationError` unless the caller may ask about the action."""
        if self.actions is not None and action not in self.actions:
            raise AuthorisationError(f"this token does not cover the action `{action}`")


class TokenRow(BaseModel):
    """A token as it is kept."""

    model_config = _MODEL

    id: str = Field(pattern="^[a-z0-9]{8,32}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    tenant: str = Field(min_length=1, max_length=256)
    actions: frozenset[str] | None = None
    expires: AwareDatetime | None = None

    @field_validator("tenant")
    @classmethod
    def _is_printable(cls, tenant: str) -> str:
        # It goes into the ledger and into logs.
        if not tenant.isprintable():
            raise ValueError("a tenant is printable text")
        return tenant


class TokenFile(BaseModel):
    model_config = _MODEL

    format: Literal["charter-tokens/v1"] = "charter-tokens/v1"
    tokens: tuple[TokenRow, ...] = ()


class Callers:
    """The tokens that count."""

    def __init__(self, rows: tuple[TokenRow, ...]) -> None:
        self._rows: Mapping[str, TokenRow] = {row.id: row for row in rows}

    @staticmethod
    def load(path: Path) -> "Callers":
        """Read the token file.

        Raises:
            ConfigurationError: It is missing, malformed, readable by others, lists an id
                twice, or holds no token.
        """
        try:
            with path.open("rb") as opened:
                if os.fstat(opened.fileno()).st_mode & 0o077:
                    raise ConfigurationError(f"{path} is readable by others: run chmod 600 {path}")
                file = TokenFile.model_validate_json(opened.read(MAX_FILE_BYTES))
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot read the tokens: {error.strerror}") from error
        except ValidationError as error:
            # The place alone: the text of the error would quote what stands there.
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ConfigurationError(f"{path}: this is no token file: see {where}") from None
        if not file.tokens:
            raise ConfigurationError(f"{path} holds no token, so nobody could ask")
        if len({row.id for row in file.tokens}) != len(file.tokens):
            raise ConfigurationError(f"{path} lists a token id twice")
        return Callers(file.tokens)

    def tenants(self) -> tuple[str, ...]:
        """Everybody a token speaks for, sorted."""
        return tuple(sorted({row.tenant for row in self._rows.values()}))

    def authenticate(self, authorization: str | None, *, now: datetime) -> Caller:
        """The caller of an `Authorization` header.

        Raises:
            AuthenticationError: There is no token, or not one that counts now. The message
                is the same for an unknown id and a wrong secret.
        """
        if authorization is None:
            raise AuthenticationError("send a token: Authorization: Bearer charter_…")
        scheme, _, token = authorization.partition(" ")
        match = _TOKEN.fullmatch(token.strip())
        if scheme.lower() != "bearer" or match is None:
            raise AuthenticationError("send a token: Authorization: Bearer charter_…")
        row = self._rows.get(match[1])
        digest = sha256(match[2].encode()).hexdigest()
        # Compared also for an unknown id: the time must not tell which ids exist.
        expected = row.sha256 if row is not None else "0" * 64
        if not hmac.compare_digest(digest, expected) or row is None:
            raise AuthenticationError("this token is not known here")
        if row.expires is not None and now >= row.expires:
            raise AuthenticationError("this token has expired")
        return Caller(row.id, row.tenant, row.actions)


def issue(path: Path, *, tenant: str, actions: frozenset[str] | None = None) -> str:
    """Make a token file with one new token, whose text is returned and kept nowhere.

    Raises:
        OSError: The file exists, or cannot be written.
    """
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    digest = sha256(secret.encode()).hexdigest()
    row = TokenRow(id=token_id, sha256=digest, tenant=tenant, actions=actions)
    text = json.dumps(TokenFile(tokens=(row,)).model_dump(mode="json"), indent=2)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return f"charter_{token_id}_{secret}"
