"""Catalogue: what is known of the places a question may name, and who says so.

TOML with the shape of `CatalogueFile`; fields are those the vocabulary declares for the
entity, and `gateway.pdp.catalogue_facts` reads them. A fact nobody vouches for is left out
and is unknown. A row counts on the days from `valid_from` until `valid_until`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dsl.core import Program
from gateway import toml_text
from gateway.errors import ConfigurationError
from gateway.pdp.catalogue_facts import EntityFields, entity_fields, read_facts

MAX_CATALOGUE_BYTES = 64 * 1024 * 1024


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


class CatalogueFile(BaseModel):
    """The file: a head, then one table of rows per entity type (`[[site]]`)."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    format: Literal["charter-catalogue/v1"]
    title: str
    as_of: date
    # What callers call an entity type, where it is not the name in the vocabulary.
    wire_types: dict[Printable, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A row, with the source of its statements. `facts` are values of the wire by field; the
    keys of a map are fields of their own, `seal[SOV-2]`."""

    id: str
    title: str
    valid_from: date
    valid_until: date | None
    source: str
    facts: Mapping[str, object]

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


@dataclass(frozen=True)
class Catalogue:
    """Entries by entity type and id. `digest` is `sha256:` of the RFC 8785 form of all
    that the file states, so that layout and comments do not change it."""

    title: str
    as_of: date
    entries: Mapping[str, Mapping[str, Entry]]
    digest: str
    wire_types: Mapping[str, str] = field(default_factory=dict[str, str])

    def names_of(self, entity: str) -> tuple[str, ...]:
        """What callers call the entities of a type, besides the name of the vocabulary."""
        return tuple(name for name, known in self.wire_types.items() if known == entity)

    def entity_named(self, wire_type: str) -> str | None:
        """The entity type that a caller names; None where there is none of the name."""
        entity = self.wire_types.get(wire_type, wire_type)
        return entity if entity in self.entries else None

    def find(self, entity: str, entity_id: str, day: date) -> Entry | None:
        """The entry that holds on a day, or None."""
        entry = self.entries.get(entity, {}).get(entity_id)
        return entry if entry is not None and entry.holds_on(day) else None

    def valid_ids(self, entity: str, day: date) -> list[str]:
        """The ids of the entries that hold on a day."""
        entries = self.entries.get(entity, {})
        return [entry_id for entry_id, entry in entries.items() if entry.holds_on(day)]

    def raw_facts(self) -> dict[str, dict[str, dict[str, object]]]:
        """Entity type, id and field to value, for inline examples."""
        return {
            entity: {entry.id: dict(entry.facts) for entry in entries.values()}
            for entity, entries in self.entries.items()
        }


def load(path: Path, program: Program) -> Catalogue:
    """Read a catalogue file.

    Raises:
        ConfigurationError: The file is missing, malformed, or states something that the
            vocabulary does not know; the message names the row and the field.
    """
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe has no end, and no size either.
            raise ConfigurationError(f"{path}: this is no file")
        if path.stat().st_size > MAX_CATALOGUE_BYTES:
            raise ConfigurationError(f"{path}: the catalogue is larger than 64 MiB")
        raw = toml_text.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: the catalogue is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        # A ValueError: tomllib lets impossible dates through as one.
        raise ConfigurationError(f"{path}: the catalogue is not TOML: {error}") from error
    return build(raw, program, name=str(path))


def empty() -> Catalogue:
    """The catalogue of charters that know no places."""
    return Catalogue("", date.min, {}, f"sha256:{hashlib.sha256(b'{}').hexdigest()}")


def build(raw: dict[str, object], program: Program, *, name: str) -> Catalogue:
    """A catalogue from the parsed file; errors as for `load`."""
    try:
        head = CatalogueFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {_first(error)}") from error
    known = entity_fields(program)
    _check_wire_types(head.wire_types, known, name)
    entries: dict[str, dict[str, Entry]] = {}
    for entity, rows in (head.model_extra or {}).items():
        if entity not in known:
            raise ConfigurationError(
                f"{name}: there is no entity `{entity}`; the vocabulary declares "
                f"{', '.join(sorted(known)) or 'none'}"
            )
        entries[entity] = _rows(rows, entity, known[entity], name)
    canonical = rfc8785.dumps(_plain(raw))
    digest = f"sha256:{hashlib.sha256(canonical).hexdigest()}"
    return Catalogue(head.title, head.as_of, entries, digest, head.wire_types)


def _check_wire_types(types: Mapping[str, str], known: Mapping[str, object], name: str) -> None:
    for wire_type, entity in types.items():
        if entity not in known:
            raise ConfigurationError(
                f"{name}: `wire_types` names the entity `{entity}`; the vocabulary declares "
                f"{', '.join(sorted(known)) or 'none'}"
            )
        if wire_type in known or not 0 < len(wire_type) <= 256:
            raise ConfigurationError(
                f"{name}: `wire_types` cannot give `{wire_type}` another meaning"
            )


def _rows(rows: object, entity: str, fields: EntityFields, name: str) -> dict[str, Entry]:
    if not isinstance(rows, list):
        raise ConfigurationError(f"{name}: `{entity}` is not a list of rows; write [[{entity}]]")
    entries: dict[str, Entry] = {}
    for index, row in enumerate(cast("list[object]", rows)):
        entry = _entry(row, f"{name}: {entity} {index + 1}", fields)
        if entry.id in entries:
            raise ConfigurationError(f"{name}: the {entity} `{entry.id}` is listed twice")
        entries[entry.id] = entry
    return entries


def _entry(raw: object, where: str, fields: EntityFields) -> Entry:
    try:
        row = Row.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {_first(error)}") from error
    where = f"{where} `{row.id}`"
    if row.valid_until is not None and row.valid_until < row.valid_from:
        raise ConfigurationError(f"{where}: valid_until lies before valid_from")
    facts = read_facts(row.facts, fields, where)
    return Entry(row.id, row.title, row.valid_from, row.valid_until, row.source, facts)


def _plain(value: object) -> Any:
    """TOML values as JSON values; days and times in RFC 3339 form."""
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return {key: _plain(item) for key, item in table.items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    return value if isinstance(value, bool | int | str) else str(value)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"`{'.'.join(str(part) for part in first['loc'])}`: {first['msg']}"
