"""Nodes that may show evidence: which device stands at which site, and who says so.

    format = "charter-nodes/v1"
    owner = "operations@operator.example"

    [[node]]
    id = "n1"
    site = "nimbus/ie-dublin"
    technology = "tpm"
    attesters = ["3f…"]
    place = { measurement = "sha256:15", any_of = ["ab…"] }
    source = "inventory, checked on 2026-05-02"
    valid_from = 2026-05-02

`attesters` are devices as evidence names them, or the word "ANY". Both days belong to a row;
a node that moved has two rows whose days do not overlap.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway import toml_text
from gateway.attestation.evidence import Technology
from gateway.attestation.policy import ANY, Dated, Hex, Text, first_mistake, frozen
from gateway.nodes.errors import RegisterError, UnknownNodeError

FORMAT = "charter-nodes/v1"
MAX_FILE = 8 * 1024 * 1024
MAX_NODES = 20_000
MAX_DEVICES = 64  # of one node
MAX_NAME = 256
NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=MAX_NAME)]
_MODEL = ConfigDict(extra="forbid", frozen=True, strict=True)


class PlaceTag(BaseModel):
    """What a machine measures of where it stands, such as the tag of its site in PCR 15."""

    model_config = _MODEL

    measurement: Text
    any_of: tuple[Hex, ...] = Field(min_length=1, max_length=MAX_DEVICES)


class Node(Dated):
    """A row: one machine at one site.

    Attributes:
        site: Its id in the catalogue.
        attesters: The devices that are this node, or `ANY`: whoever says that it is.
        place: What it must have measured of its place, where that is registered.
    """

    id: Name
    site: Text
    technology: Technology = Field(strict=False)
    attesters: tuple[Hex, ...] | Literal["ANY"]
    place: PlaceTag | None = None

    @property
    def is_any(self) -> bool:
        return self.attesters == ANY


class _File(BaseModel):
    model_config = _MODEL

    format: Annotated[str, StringConstraints(pattern=f"^{FORMAT}$")]
    owner: Text
    node: tuple[Node, ...] = Field(default=(), max_length=MAX_NODES)


@dataclass(frozen=True)
class Register:
    """The nodes as they were read. `sha256` is that of the bytes."""

    owner: str
    sha256: str
    rows: Mapping[str, tuple[Node, ...]]

    def find(self, node: str, day: date) -> Node:
        """The row of a node that counts on a day.

        Raises:
            UnknownNodeError: There is none.
        """
        for row in self.rows.get(node, ()):
            if row.counts(day):
                return row
        raise UnknownNodeError(node)


def read_register(data: bytes) -> Register:
    """The register in the bytes of a TOML file.

    Raises:
        RegisterError: It is none; the message names the row and the field.
    """
    if len(data) > MAX_FILE:
        raise RegisterError(f"a register of nodes of more than {MAX_FILE} bytes")
    try:
        file = _File.model_validate(frozen(toml_text.loads(data.decode("utf-8"))))
    except ValidationError as error:
        raise RegisterError(first_mistake(error)) from error
    except (ValueError, RecursionError) as error:
        raise RegisterError(f"the register of nodes is no TOML: {error}") from error
    rows: dict[str, tuple[Node, ...]] = {}
    for row in file.node:
        _check(row, rows.get(row.id, ()))
        rows[row.id] = (*rows.get(row.id, ()), row)
    return Register(file.owner, hashlib.sha256(data).hexdigest(), rows)


def _check(row: Node, others: tuple[Node, ...]) -> None:
    if not row.attesters:
        raise RegisterError(f"node `{row.id}`: `attesters` is a list of devices, or ANY")
    if row.attesters != ANY and len(row.attesters) > MAX_DEVICES:
        raise RegisterError(f"node `{row.id}`: more than {MAX_DEVICES} devices")
    if row.place is not None and row.is_any:
        # A tag proves nothing of a device that nobody knows: it is as public as its site.
        raise RegisterError(f"node `{row.id}`: a `place` needs `attesters` that are listed")
    if row.valid_until is not None and row.valid_until < row.valid_from:
        raise RegisterError(f"node `{row.id}`: `valid_until` is before `valid_from`")
    for other in others:
        if other.valid_from <= _last(row) and row.valid_from <= _last(other):
            raise RegisterError(f"node `{row.id}`: two rows count on one day")


def _last(row: Node) -> date:
    return date.max if row.valid_until is None else row.valid_until
