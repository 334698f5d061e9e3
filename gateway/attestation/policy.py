"""An appraisal policy for evidence, and the reference values it compares with (RFC 9334,
sections 8.5 and 2.1): a file with an owner, a source and days on which it counts.

What is not written is not allowed: a technology without a section, a product that is not
named, a measurement without a reference value. A check is waived only by name, and the name
stands in every result.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway import toml_text
from gateway.attestation.errors import AppraisalPolicyError
from gateway.attestation.evidence import Technology

FORMAT = "charter-appraisal/v1"
MAX_FILE = 1024 * 1024
MAX_ROWS = 10_000

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){1,64}$")]
Level = Annotated[int, Field(ge=0, le=2**32 - 1, strict=True)]
_MODEL = ConfigDict(extra="forbid", frozen=True, strict=True)


class Dated(BaseModel):
    """Something with a source and days. Both days belong to it."""

    model_config = _MODEL

    source: Text
    valid_from: date
    valid_until: date | None = None

    def counts(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


class Floor(Dated):
    """The least firmware of a product line, by component."""

    product: Text
    firmware: Mapping[str, Level] = Field(min_length=1, max_length=32)


class Refusal(Dated):
    """What does not count from a day on, whatever else holds: a product line, firmware at or
    below a level, single devices. What is not given does not narrow it."""

    reason: Text
    product: Text | None = None
    firmware_at_most: Mapping[str, Level] | None = None
    attesters: tuple[Hex, ...] = Field(default=(), max_length=MAX_ROWS)


class Reference(Dated):
    """What a measurement may be.

    Attributes:
        any_of: The digests that are right.
        waived: Why any value will do, in place of digests.
    """

    measurement: Text
    any_of: tuple[Hex, ...] = Field(default=(), max_length=MAX_ROWS)
    waived: Text | None = None


class Section(BaseModel):
    """What is asked of one technology.

    Attributes:
        without_revocation: Whether to do without revocation lists; this shows in results.
        products: The product lines that count; `ANY` for all, which shows in results.
        max_level: The least privileged level from which evidence may come.
        max_age_s: How long ago it may have been made, where it says so.
        valid_s: How long a result counts at most.
        tcb_status: The vendor's words that count, where the vendor gives one.
        advisories: Those of the vendor that are tolerated.
        attesters: Devices that count, where they are listed.
    """

    model_config = _MODEL

    name: Technology = Field(strict=False)
    products: tuple[Text, ...] = Field(min_length=1)
    debug: bool = False
    migration: bool = False
    without_revocation: bool = False
    max_level: Level = 0
    max_age_s: Annotated[int, Field(ge=1, le=31_536_000, strict=True)] = 300
    valid_s: Annotated[int, Field(ge=1, le=31_536_000, strict=True)] = 3600
    tcb_status: tuple[Text, ...] = ()
    advisories: tuple[Text, ...] = ()
    attesters: tuple[Hex, ...] = Field(default=(), max_length=MAX_ROWS)
    floor: tuple[Floor, ...] = Field(default=(), max_length=MAX_ROWS)
    refuse: tuple[Refusal, ...] = Field(default=(), max_length=MAX_ROWS)
    reference: tuple[Reference, ...] = Field(default=(), max_length=MAX_ROWS)


class _File(Dated):
    format: Annotated[str, StringConstraints(pattern=f"^{FORMAT}$")]
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9./-]{0,99}$")]
    owner: Text
    technology: tuple[Section, ...] = Field(min_length=1, max_length=len(Technology))


ANY = "ANY"


@dataclass(frozen=True)
class AppraisalPolicy:
    """A policy as it was read. `sha256` is that of its bytes."""

    id: str
    owner: str
    sha256: str
    terms: Dated
    sections: Mapping[Technology, Section]


def read_policy(data: bytes) -> AppraisalPolicy:
    """The policy in the bytes of a TOML file.

    Raises:
        AppraisalPolicyError: It is none; the message names the field.
    """
    if len(data) > MAX_FILE:
        raise AppraisalPolicyError(f"an appraisal policy of more than {MAX_FILE} bytes")
    try:
        # TOML has lists and no tuples.
        document = frozen(toml_text.loads(data.decode("utf-8")))
    # `tomllib` lets more than its own error out: that of numbers with thousands of digits.
    except (ValueError, RecursionError) as error:
        raise AppraisalPolicyError(f"the appraisal policy is no TOML: {error}") from error
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        raise AppraisalPolicyError(first_mistake(error)) from error
    _check(file)
    sections = {section.name: section for section in file.technology}
    return AppraisalPolicy(file.id, file.owner, hashlib.sha256(data).hexdigest(), file, sections)


def frozen(value: object) -> object:
    """A TOML document with tuples where it has lists, as strict models take it."""
    if isinstance(value, list):
        return tuple(frozen(one) for one in cast("list[object]", value))
    if isinstance(value, dict):
        return {key: frozen(one) for key, one in cast("dict[str, object]", value).items()}
    return value


def first_mistake(error: ValidationError) -> str:
    """The first field that is wrong, and why."""
    found = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in found["loc"]) or "the file"
    return f"{place}: {found['msg']}"


def _check(file: _File) -> None:
    names = [section.name for section in file.technology]
    for name in names:
        if names.count(name) > 1:
            raise AppraisalPolicyError(f"technology: two sections are named {name.value}")
    for section in file.technology:
        for row in section.reference:
            if bool(row.any_of) == (row.waived is not None):
                raise AppraisalPolicyError(
                    f"{section.name.value}: the reference for `{row.measurement}` needs either "
                    "`any_of` with digests or `waived` with a reason"
                )
        for refusal in section.refuse:
            if refusal.firmware_at_most is not None and refusal.product is None:
                raise AppraisalPolicyError(
                    f"{section.name.value}: a refusal by firmware needs its `product`"
                )
