"""Rows: one entity of the catalogue as it stands in a file, and as it is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import ConfigurationError
from gateway.pdp.catalogue_facts import EntityFields, read_facts
from gateway.pdp.provenance import Layer


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds a character that cannot be shown")
    return text


# Ids and titles are repeated in messages, and a terminal obeys escape sequences.
Printable = Annotated[str, AfterValidator(_printable)]


class Row(BaseModel):
    """One row as it stands in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Printable = Field(min_length=1, max_length=256)
    title: Printable = ""
    valid_from: date
    valid_until: date | None = None
    source: Printable = Field(min_length=1)
    # Held strictly against the vocabulary by `read_facts`.
    facts: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """Who states a fact: the file, and what it goes by."""

    layer: Layer
    source: str


@dataclass(frozen=True)
class Entry:
    """A row, with the source of its statements. `facts` are values of the wire by field; the
    keys of a map are fields of their own, `seal[SOV-2]`. `others` are those that a later
    layer states, with who does."""

    id: str
    title: str
    valid_from: date
    valid_until: date | None
    source: str
    facts: Mapping[str, object]
    layer: Layer
    others: Mapping[str, Said] = field(default_factory=dict[str, Said])

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def said(self, name: str) -> Said:
        """Who states a field."""
        return self.others.get(name) or Said(self.layer, self.source)


def read_entry(raw: object, where: str, fields: EntityFields, layer: Layer) -> Entry:
    """A row of a file.

    Raises:
        ConfigurationError: It is malformed, or states what the vocabulary does not know.
    """
    try:
        row = Row.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {first_error(error)}") from error
    where = f"{where} `{row.id}`"
    check_period(row.valid_from, row.valid_until, where)
    facts = read_facts(row.facts, fields, where)
    return Entry(row.id, row.title, row.valid_from, row.valid_until, row.source, facts, layer)


def check_period(first: date, last: date | None, where: str) -> None:
    """Raise `ConfigurationError` where a row ends before it begins."""
    if last is not None and last < first:
        raise ConfigurationError(f"{where}: valid_until lies before valid_from")


def first_error(error: ValidationError) -> str:
    """The first mistake of a row or a head, with its field."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"`{'.'.join(str(part) for part in first['loc'])}`: {first['msg']}"
