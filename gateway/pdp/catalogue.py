"""Catalogue: what is known of the places a question may name, and who says so.

TOML with the shape of `CatalogueFile`; fields are those the vocabulary declares for the
entity, and `gateway.pdp.catalogue_facts` reads them. A fact nobody vouches for is left out
and is unknown. A row counts on the days from `valid_from` until `valid_until`.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dsl.core import Program
from gateway import toml_text
from gateway.errors import ConfigurationError
from gateway.pdp.catalogue_facts import entity_fields
from gateway.pdp.provenance import Change, Layer
from gateway.pdp.registry import TABLE, Dataset, Registry, RegistryHead, bind, read_dataset
from gateway.pdp.rows import Entry, Printable, first_error, read_entry

MAX_CATALOGUE_BYTES = 64 * 1024 * 1024
Known = TypeVar("Known", Entry, Dataset)


class CatalogueFile(BaseModel):
    """The file: a head, then one table of rows per entity type (`[[site]]`)."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    format: Literal["charter-catalogue/v1"]
    title: str
    as_of: date
    author: Printable = ""
    registry: RegistryHead = RegistryHead()
    # What callers call an entity type, where it is not the name in the vocabulary.
    wire_types: dict[Printable, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """Entries by entity type and id. `digest` is `sha256:` of the RFC 8785 form of all
    that the file states, so that layout and comments do not change it; of the digests of the
    layers, where there are several. `changes` are what later layers did to earlier ones."""

    title: str
    as_of: date
    entries: Mapping[str, Mapping[str, Entry]]
    digest: str
    wire_types: Mapping[str, str] = field(default_factory=dict[str, str])
    layers: tuple[Layer, ...] = ()
    changes: tuple[Change, ...] = ()
    registry: Registry | None = None

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
    return build(read_toml(path), program, name=str(path))


def read_toml(path: Path) -> dict[str, object]:
    """The tables of a file of facts; raises as `load`."""
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe has no end, and no size either.
            raise ConfigurationError(f"{path}: this is no file")
        if path.stat().st_size > MAX_CATALOGUE_BYTES:
            raise ConfigurationError(f"{path}: the catalogue is larger than 64 MiB")
        return toml_text.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: the catalogue is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        # A ValueError: tomllib lets impossible dates through as one.
        raise ConfigurationError(f"{path}: the catalogue is not TOML: {error}") from error


def empty() -> Catalogue:
    """The catalogue of charters that know no places."""
    return Catalogue("", date.min, {}, f"sha256:{hashlib.sha256(b'{}').hexdigest()}")


def build(raw: dict[str, object], program: Program, *, name: str) -> Catalogue:
    """A catalogue from the parsed file; errors as for `load`."""
    try:
        head = CatalogueFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {first_error(error)}") from error
    known = entity_fields(program)
    _check_wire_types(head.wire_types, known, name)
    digest = digest_of(raw)
    layer = Layer(Path(name).name, head.title, head.author, head.as_of, digest)
    entries: dict[str, dict[str, Entry]] = {}
    registry: Registry | None = None
    if "registry" in head.model_fields_set:
        # Also without a row: an overlay can add some, about the facts that are stated here.
        bind(head.registry, program, name)
        registry = Registry(head.registry.names, head.registry.labels, {})
    for entity, rows in (head.model_extra or {}).items():
        if entity in known:
            read = partial(read_entry, fields=known[entity], layer=layer)
            entries[entity] = _rows(rows, entity, read, name)
        elif entity == TABLE:
            bound = bind(head.registry, program, name)
            read_one = partial(read_dataset, facts=bound, layer=layer)
            datasets = _rows(rows, entity, read_one, name)
            registry = Registry(head.registry.names, head.registry.labels, datasets)
        else:
            raise no_such_entity(name, entity, known)
    check_digest(layer, name)
    return Catalogue(
        head.title, head.as_of, entries, digest, head.wire_types, (layer,), registry=registry
    )


def no_such_entity(name: str, entity: str, known: Iterable[str]) -> ConfigurationError:
    """What to say of a table that is none."""
    return ConfigurationError(
        f"{name}: there is no entity `{entity}`; the vocabulary declares "
        f"{', '.join(sorted(known)) or 'none'}"
    )


def digest_of(raw: dict[str, object]) -> str:
    """`sha256:` of the RFC 8785 form of what a file states; empty where it has none, as with
    a number that is too large, which the row that has it tells better."""
    try:
        return f"sha256:{hashlib.sha256(rfc8785.dumps(_plain(raw))).hexdigest()}"
    except rfc8785.CanonicalizationError:
        return ""


def check_digest(layer: Layer, name: str) -> None:
    """Raise `ConfigurationError` where a file has no digest."""
    if not layer.digest:
        raise ConfigurationError(f"{name}: it holds a value that has no canonical form")


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


def _rows(
    rows: object, entity: str, read: Callable[[object, str], Known], name: str
) -> dict[str, Known]:
    found: dict[str, Known] = {}
    for index, row in enumerate(listed_rows(rows, entity, name)):
        one = read(row, f"{name}: {entity} {index + 1}")
        if one.id in found:
            raise ConfigurationError(f"{name}: the {entity} `{one.id}` is listed twice")
        found[one.id] = one
    return found


def listed_rows(rows: object, entity: str, name: str) -> list[object]:
    """The rows of a table; raises `ConfigurationError` where it is none."""
    if not isinstance(rows, list):
        raise ConfigurationError(f"{name}: `{entity}` is not a list of rows; write [[{entity}]]")
    return cast("list[object]", rows)


def _plain(value: object) -> Any:
    """TOML values as JSON values; days and times in RFC 3339 form."""
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return {key: _plain(item) for key, item in table.items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    return value if isinstance(value, bool | int | str) else str(value)
