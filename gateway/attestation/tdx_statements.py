"""What Intel states about TDX platforms, as it is written: TCB info (version 3) and the identity
of the quoting enclave (Intel, "Provisioning Certification Service", API v4: Get TDX TCB Info,
Get TDX QE Identity).

Members that are not known are let be: the vendor adds some, and signs all of them.
"""

from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from gateway.attestation.errors import EvidenceMalformedError
from gateway.errors import JsonError
from gateway.record.canonical import load_strict

MAX_STATEMENT = 128 * 1024
MAX_ROWS = 200
_MAX_VALUES = 20_000


def _hex(size: int) -> BeforeValidator:
    def read(value: object) -> object:
        found = bytes.fromhex(value) if isinstance(value, str) else b""
        if not isinstance(value, str) or len(found) != size or len(value) != 2 * size:
            raise ValueError(f"no hexadecimal of {size} bytes")
        return found

    return BeforeValidator(read)


def _time(value: object) -> object:
    if not isinstance(value, str) or len(value) != len("2025-06-19T10:16:03Z") or value[-1] != "Z":
        raise ValueError("no time such as 2025-06-19T10:16:03Z")
    return datetime.fromisoformat(value)


Time = Annotated[AwareDatetime, BeforeValidator(_time)]
Svn = Annotated[int, Field(ge=0, le=0xFF)]
Svn16 = Annotated[int, Field(ge=0, le=0xFFFF)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, alias_generator=to_camel)


class Level(_Model):
    """What the vendor says of a level: its word, since when, and what is known against it."""

    tcb_date: Time
    tcb_status: Word
    advisories: list[Word] = Field(default=[], alias="advisoryIDs", max_length=MAX_ROWS)


class _Isv(_Model):
    isvsvn: Svn16


class IsvLevel(Level):
    """A level of a TDX module or of the quoting enclave."""

    tcb: _Isv


class _Component(_Model):
    svn: Svn


_Components = Annotated[list[_Component], Field(min_length=16, max_length=16)]


class _PlatformTcb(_Model):
    sgxtcbcomponents: _Components = Field(alias="sgxtcbcomponents")
    tdxtcbcomponents: _Components = Field(alias="tdxtcbcomponents")
    pcesvn: Svn16


class PlatformLevel(Level):
    tcb: _PlatformTcb


class Module(_Model):
    """By whom a TDX module is signed, and with what attributes."""

    mrsigner: Annotated[bytes, _hex(48)]
    attributes: Annotated[bytes, _hex(8)]
    attributes_mask: Annotated[bytes, _hex(8)]


class ModuleIdentity(Module):
    """The same of modules of one major version, with their levels."""

    id: Word
    tcb_levels: list[IsvLevel] = Field(max_length=MAX_ROWS)


class Statement(_Model):
    """What every statement has."""

    id: Word
    version: int
    issue_date: Time
    next_update: Time
    tcb_evaluation_data_number: int


class TcbInfo(Statement):
    """The levels of one kind of platform, the newest first."""

    fmspc: Annotated[bytes, _hex(6)]
    pce_id: Annotated[bytes, _hex(2)]
    tcb_type: int
    tdx_module: Module
    tdx_module_identities: list[ModuleIdentity] = Field(default=[], max_length=MAX_ROWS)
    tcb_levels: list[PlatformLevel] = Field(max_length=MAX_ROWS)


class QeIdentity(Statement):
    """What the quoting enclave must be."""

    miscselect: Annotated[bytes, _hex(4)]
    miscselect_mask: Annotated[bytes, _hex(4)]
    attributes: Annotated[bytes, _hex(16)]
    attributes_mask: Annotated[bytes, _hex(16)]
    mrsigner: Annotated[bytes, _hex(32)]
    isvprodid: Svn16
    tcb_levels: list[IsvLevel] = Field(max_length=MAX_ROWS)


Kind = TypeVar("Kind", bound=Statement)


def read_statement(kind: type[Kind], raw: bytes) -> Kind:
    """A statement of a kind in the bytes that are signed.

    Raises:
        EvidenceMalformedError: It is none; the message names the field.
    """
    try:
        found = load_strict(raw, max_bytes=MAX_STATEMENT, max_depth=8, max_values=_MAX_VALUES)
        return kind.model_validate(found)
    except JsonError as error:
        raise EvidenceMalformedError(f"a statement of the vendor is no JSON: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the statement"
        raise EvidenceMalformedError(f"{place:.100}: {first['msg']}") from error
