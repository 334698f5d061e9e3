"""Overlay: an operator's own file over a catalogue, which says of every change why.

TOML like a catalogue, with the format `charter-overlay/v1` and an author. A row with a new id
is added. A row of an id that is known says `replaces = "…"` to take the place of the one
below, or `changes = "…"` to state only some facts anew; `[[withdraw]]` takes one away. No row
is changed in silence: without a reason it is an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dsl.core import Program
from gateway.errors import ConfigurationError
from gateway.pdp.catalogue import (
    Catalogue,
    check_digest,
    digest_of,
    listed_rows,
    no_such_entity,
    read_toml,
)
from gateway.pdp.catalogue_facts import EntityFields, entity_fields
from gateway.pdp.provenance import Change, Layer, differences
from gateway.pdp.registry import (
    TABLE,
    Dataset,
    Registry,
    RegistryHead,
    bind,
    known_to,
    read_dataset,
)
from gateway.pdp.rows import Entry, Printable, Said, check_period, first_error, read_entry

Reason = Annotated[Printable, Field(min_length=1, max_length=1000)]
_WITHDRAW = "withdraw"
_MODEL = ConfigDict(extra="forbid", frozen=True, strict=True)


class OverlayFile(BaseModel):
    """The head; then one table of rows per entity type, and `[[withdraw]]`."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    format: Literal["charter-overlay/v1"]
    title: Printable
    author: Reason
    as_of: date


class Withdrawal(BaseModel):
    model_config = _MODEL

    entity: Printable
    id: Printable
    reason: Reason


class _How(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    id: Printable = ""
    replaces: Reason | None = None
    changes: Reason | None = None


@dataclass
class _Laid:
    """A catalogue on its way to another, with one more layer."""

    name: str
    layer: Layer
    fields: Mapping[str, EntityFields]
    entries: dict[str, dict[str, Entry]]
    datasets: dict[str, Dataset]
    changes: list[Change]

    def told(
        self,
        kind: str,
        entity: str,
        before: Entry | Dataset,
        after: Entry | Dataset | None,
        reason: str,
    ) -> None:
        fields = differences(_stated(before), {} if after is None else _stated(after))
        tenants, owner = known_to(before, after) if isinstance(before, Dataset) else (None, None)
        self.changes.append(
            Change(kind, entity, before.id, self.layer, reason, fields, tenants, owner)
        )


def _stated(one: Entry | Dataset) -> dict[str, object]:
    """What can be otherwise: the facts, and the days for which somebody vouches."""
    until = one.valid_until
    days = {
        "valid_from": one.valid_from.isoformat(),
        "valid_until": None if until is None else until.isoformat(),
    }
    return {**days, **(one.facts if isinstance(one, Entry) else one.facts())}


def load_over(below: Catalogue, overlays: Sequence[Path], program: Program) -> Catalogue:
    """A catalogue with files laid over it, the first lowest; raises as `lay_over`."""
    for path in overlays:
        below = lay_over(below, read_toml(path), program, name=str(path))
    return below


def lay_over(below: Catalogue, raw: dict[str, object], program: Program, *, name: str) -> Catalogue:
    """A catalogue with one more layer.

    Raises:
        ConfigurationError: The file is malformed, states what the vocabulary does not know,
            or changes a row without saying so; the message names the row and the field.
    """
    try:
        head = OverlayFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {first_error(error)}") from error
    layer = Layer(Path(name).name, head.title, head.author, head.as_of, digest_of(raw))
    known = entity_fields(program)
    laid = _Laid(
        name,
        layer,
        known,
        {entity: dict(rows) for entity, rows in below.entries.items()},
        dict(below.registry.datasets) if below.registry else {},
        [],
    )
    tables = dict(head.model_extra or {})
    withdrawn = listed_rows(tables.pop(_WITHDRAW, []), _WITHDRAW, name)
    registry = below.registry
    for entity, rows in tables.items():
        if entity in known:
            _entities(laid, entity, listed_rows(rows, entity, name))
        elif entity == TABLE:
            bound = registry or Registry(RegistryHead().names, RegistryHead().labels, {})
            registry = _datasets(laid, listed_rows(rows, entity, name), bound, program)
        else:
            raise no_such_entity(name, entity, known)
    for index, one in enumerate(withdrawn):
        _withdraw(laid, one, f"{name}: {_WITHDRAW} {index + 1}")
    check_digest(layer, name)
    layers = (*below.layers, layer)
    return replace(
        below,
        entries=laid.entries,
        digest=digest_of({"layers": [one.digest for one in layers]}),
        layers=layers,
        changes=(*below.changes, *laid.changes),
        registry=registry and replace(registry, datasets=laid.datasets),
    )


def _how(raw: object, where: str, known: Mapping[str, object]) -> tuple[_How, dict[str, Any]]:
    """What a row says of the one below, and the rest of it; refused where it should say so
    and does not, or speaks of one that is not there."""
    try:
        how = _How.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {first_error(error)}") from error
    row = {k: v for k, v in cast("dict[str, Any]", raw).items() if k not in ("replaces", "changes")}
    reasons = [name for name in ("replaces", "changes") if getattr(how, name) is not None]
    where = f"{where} `{how.id}`"
    if len(reasons) > 1:
        raise ConfigurationError(f"{where}: it says both `replaces` and `changes`; say one")
    if how.id in known and not reasons:
        raise ConfigurationError(
            f"{where}: there is a row of that id below: say why this one takes its place, "
            'replaces = "…", or which facts are otherwise, changes = "…"'
        )
    if how.id not in known and reasons:
        raise ConfigurationError(
            f"{where}: `{reasons[0]}` speaks of a row that is not below; leave it out to add one"
        )
    return how, row


def _entities(laid: _Laid, entity: str, rows: Sequence[object]) -> None:
    known = laid.entries.setdefault(entity, {})
    seen: set[str] = set()
    for index, raw in enumerate(rows):
        where = f"{laid.name}: {entity} {index + 1}"
        how, row = _how(raw, where, known)
        _once(how.id, seen, where)
        before = known.get(how.id)
        if before is None or how.changes is None:
            after = read_entry(row, where, laid.fields[entity], laid.layer)
        else:
            after = _changed(before, row, where, laid.fields[entity], laid.layer)
        if before is not None:
            kind, reason = ("replaced", how.replaces) if how.replaces else ("changed", how.changes)
            laid.told(kind, entity, before, after, reason or "")
        known[after.id] = after


def _changed(
    before: Entry, row: dict[str, Any], where: str, fields: EntityFields, layer: Layer
) -> Entry:
    """The row below with some facts stated anew. It holds while both do."""
    own = read_entry({"valid_from": before.valid_from, **row}, where, fields, layer)
    ends = [end for end in (before.valid_until, own.valid_until) if end is not None]
    first, last = max(before.valid_from, own.valid_from), min(ends, default=None)
    check_period(first, last, f"{where} `{own.id}`: with the row below")
    said = dict.fromkeys(own.facts, Said(layer, own.source))
    return replace(
        before,
        title=own.title or before.title,
        valid_from=first,
        valid_until=last,
        facts={**before.facts, **own.facts},
        others={**before.others, **said},
    )


def _datasets(
    laid: _Laid, rows: Sequence[object], registry: Registry, program: Program
) -> Registry:
    bound = bind(RegistryHead(names=registry.names, labels=registry.labels), program, laid.name)
    seen: set[str] = set()
    for index, raw in enumerate(rows):
        where = f"{laid.name}: {TABLE} {index + 1}"
        how, row = _how(raw, where, laid.datasets)
        _once(how.id, seen, where)
        if how.changes is not None:
            raise ConfigurationError(
                f"{where} `{how.id}`: a data set is stated as a whole: say `replaces`"
            )
        after = read_dataset(row, where, bound, laid.layer)
        before = laid.datasets.get(how.id)
        if before is not None:
            laid.told("replaced", TABLE, before, after, how.replaces or "")
        laid.datasets[after.id] = after
    return registry


def _once(entity_id: str, seen: set[str], where: str) -> None:
    if entity_id in seen:
        raise ConfigurationError(f"{where} `{entity_id}`: it is listed twice")
    seen.add(entity_id)


def _withdraw(laid: _Laid, raw: object, where: str) -> None:
    try:
        gone = Withdrawal.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {first_error(error)}") from error
    of_type = laid.datasets if gone.entity == TABLE else laid.entries.get(gone.entity, {})
    one = cast("dict[str, Entry | Dataset]", of_type).pop(gone.id, None)
    if one is None:
        raise ConfigurationError(f"{where}: there is no {gone.entity} `{gone.id}` to withdraw")
    if one.layer is laid.layer:
        raise ConfigurationError(f"{where}: `{gone.id}` is a row of this very file; leave it out")
    laid.told("withdrawn", gone.entity, one, None, gone.reason)
