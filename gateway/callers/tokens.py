"""Bearer tokens (RFC 6750), of which the hash alone is kept.

A token is `charter_<id>_<secret>`: the id finds the row, the secret of 256 random bits
proves it. A plain SHA-256 is enough for a secret nobody chose; passwords never come here.
"""

import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from math import inf
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from gateway.callers.caller import ALL_ROLES, MAX_TENANTS, Caller, Identity, Role, check_tenant
from gateway.errors import AuthenticationError, CallersUnavailableError, ConfigurationError

PREFIX = "charter_"
_TOKEN = re.compile(r"charter_([a-z0-9]{8,32})_([A-Za-z0-9_-]{43})")
_MODEL = ConfigDict(extra="forbid", frozen=True)
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_LABEL = 100
# What a gateway may miss of a change of its file: a token that was taken away counts no longer.
LOOK_S = 0.001
FIRST_LIFETIME = timedelta(days=365)

Tenant = Annotated[str, AfterValidator(check_tenant)]
Action = Annotated[str, Field(min_length=1, max_length=256)]


class TokenRow(BaseModel):
    """A token as it is kept. `actions` None means every action, `expires` None never."""

    model_config = _MODEL

    id: str = Field(pattern="^[a-z0-9]{8,32}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    label: str = Field(default="", max_length=MAX_LABEL)
    tenants: tuple[Tenant, ...] = Field(min_length=1, max_length=MAX_TENANTS)
    roles: frozenset[Role] = Field(min_length=1)
    actions: frozenset[Action] | None = None
    created: AwareDatetime | None = None
    expires: AwareDatetime | None = None

    @field_validator("label")
    @classmethod
    def _is_printable(cls, label: str) -> str:
        if not label.isprintable():  # it goes to terminals
            raise ValueError("a label is printable text")
        return label

    @field_validator("tenants")
    @classmethod
    def _are_different(cls, tenants: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(tenants)) != len(tenants):
            raise ValueError("a tenant stands twice")
        return tenants

    def counts(self, now: datetime) -> bool:
        return self.expires is None or now < self.expires


class TokenFile(BaseModel):
    model_config = _MODEL

    format: Literal["charter-tokens/v1"] = "charter-tokens/v1"
    tokens: tuple[TokenRow, ...] = ()

    def to_bytes(self) -> bytes:
        return self.model_dump_json(indent=2).encode() + b"\n"


# Tells whether a file is still the one that was read: its inode, when it and what is known of
# it were changed, and its size.
_Stamp = tuple[int, int, int, int]


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


class Callers:
    """The tokens that count: those of a file as it stands at each question, or a fixed list.

    Args:
        look_s: A file is looked at once in so many seconds at most.
    """

    def __init__(
        self, rows: Sequence[TokenRow], path: Path | None = None, look_s: float = 0.0
    ) -> None:
        self._take(rows)
        self._path = path
        self._stamp: _Stamp | None = None
        self._look_s = look_s
        self._looked_at = -inf

    @staticmethod
    def load(path: Path, *, others: bool = False, look_s: float = 0.0) -> "Callers":
        """Read the token file, which is read again whenever it has changed.

        Args:
            others: Somebody can ask without a token, so that the file may hold none.
            look_s: As of the class.

        Raises:
            ConfigurationError: It is missing, malformed, readable by others, lists an id
                twice, or holds no token.
        """
        file, stamp = _read(path)
        if not file.tokens and not others:
            raise ConfigurationError(
                f"{path} holds no token, so nobody could ask: run charter token create"
            )
        callers = Callers(file.tokens, path, look_s)
        callers._stamp = stamp
        return callers

    def tenants(self) -> tuple[str, ...]:
        """Everybody a token speaks for, sorted."""
        return tuple(sorted({tenant for row in self._rows.values() for tenant in row.tenants}))

    def authenticate(
        self, authorization: str | None, *, now: datetime, tenant: str | None = None
    ) -> Caller:
        """The caller of an `Authorization` header, for the tenant that it names.

        Raises:
            AuthenticationError: There is no token, or not one that counts now. The message
                is the same for an unknown id and a wrong secret.
            AuthorisationError: It does not speak for the tenant.
            CallersUnavailableError: The file has changed and cannot be read any more.
        """
        return self.identify(authorization, now=now).caller(tenant)

    def identify(self, authorization: str | None, *, now: datetime) -> Identity:
        """As `authenticate`, before a tenant is chosen."""
        scheme, _, token = (authorization or "").partition(" ")
        match = _TOKEN.fullmatch(token.strip())
        if scheme.lower() != "bearer" or match is None:
            raise AuthenticationError("send a token: Authorization: Bearer charter_…")
        self._look_again()
        row = self._rows.get(match[1])
        digest = sha256(match[2].encode()).hexdigest()
        # Compared also for an unknown id: the time must not tell which ids exist.
        expected = row.sha256 if row is not None else "0" * 64
        if not hmac.compare_digest(digest, expected) or row is None:
            raise AuthenticationError("this token is not known here")
        if not row.counts(now):
            raise AuthenticationError("this token has expired")
        return self._identities[row.id]

    def _look_again(self) -> None:
        """Read the file again where it has changed. What was read before does not count
        once it cannot be read: a token in it may have been revoked."""
        if self._path is None:
            return
        now = monotonic()
        if now - self._looked_at < self._look_s:
            return
        try:
            if _stamp(os.stat(self._path)) == self._stamp:
                self._looked_at = now
                return
            file, stamp = _read(self._path)
        except OSError as error:
            raise CallersUnavailableError(f"{self._path}: {error.strerror}") from error
        except ConfigurationError as error:
            raise CallersUnavailableError(str(error)) from error
        self._take(file.tokens)
        self._stamp = stamp
        self._looked_at = now

    def _take(self, rows: Sequence[TokenRow]) -> None:
        self._rows: Mapping[str, TokenRow] = {row.id: row for row in rows}
        self._identities = {
            row.id: Identity(row.id, row.tenants, row.actions, row.roles) for row in rows
        }


def _read(path: Path) -> tuple[TokenFile, _Stamp]:
    try:
        with path.open("rb") as opened:
            found = os.fstat(opened.fileno())
            if found.st_mode & 0o077:
                raise ConfigurationError(f"{path} is readable by others: run chmod 600 {path}")
            file = parse(opened.read(MAX_FILE_BYTES), str(path))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the tokens: {error.strerror}") from error
    return file, _stamp(found)


def parse(data: bytes, name: str) -> TokenFile:
    """The token file of these bytes.

    Raises:
        ConfigurationError: Malformed, or an id stands twice; what stands there is not quoted.
    """
    try:
        file = TokenFile.model_validate_json(data)
    except ValidationError as error:
        # The place alone: the text of the error would quote what stands there.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigurationError(f"{name}: this is no token file: see {where}") from None
    if len({row.id for row in file.tokens}) != len(file.tokens):
        raise ConfigurationError(f"{name} lists a token id twice")
    return file


def make(
    *,
    tenants: Sequence[str],
    roles: frozenset[Role] = ALL_ROLES,
    actions: frozenset[str] | None = None,
    label: str = "",
    created: datetime | None = None,
    expires: datetime | None = None,
) -> tuple[TokenRow, str]:
    """A new token: the row to keep and the text, which is kept nowhere.

    Raises:
        ValidationError: An argument does not fit.
    """
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = TokenRow(
        id=token_id,
        sha256=sha256(secret.encode()).hexdigest(),
        label=label,
        tenants=tuple(tenants),
        roles=roles,
        actions=actions,
        created=created,
        expires=expires,
    )
    return row, f"{PREFIX}{token_id}_{secret}"


def issue(
    path: Path,
    *,
    tenant: str,
    actions: frozenset[str] | None = None,
    roles: frozenset[Role] = ALL_ROLES,
    now: datetime | None = None,
) -> str:
    """Make a token file with one new token, whose text is returned and kept nowhere.

    Args:
        now: From when it counts, for `FIRST_LIFETIME`; for ever where it is not given.

    Raises:
        OSError: The file exists, or cannot be written.
    """
    expires = None if now is None else now + FIRST_LIFETIME
    row, text = make(
        tenants=(tenant,), roles=roles, actions=actions, label="first", created=now, expires=expires
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(TokenFile(tokens=(row,)).to_bytes())
        file.flush()
        os.fsync(file.fileno())
    return text
