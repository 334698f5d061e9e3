"""Where the facts of a catalogue come from: its layers, and what a later one changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Layer:
    """One file of a catalogue. `name` is that of the file, without its folder; `digest` is
    `sha256:` of the RFC 8785 form of its contents; `author` is empty where it names none."""

    name: str
    title: str
    author: str
    as_of: date
    digest: str

    def body(self) -> dict[str, object]:
        return {
            "name": self.name,
            "title": self.title,
            "author": self.author,
            "as_of": self.as_of.isoformat(),
            "digest": self.digest,
        }


@dataclass(frozen=True)
class Change:
    """What a layer did to an entry below it. `kind` is `replaced`, `changed` or `withdrawn`;
    `fields` has the value before and after by field, None where there is none.

    `tenants` may know of it, before it and after; None for everybody. Of them `owner` may know
    who else does."""

    kind: str
    entity: str
    id: str
    layer: Layer
    reason: str
    fields: Mapping[str, tuple[object, object]]
    tenants: frozenset[str] | None = None
    owner: str | None = None

    def body(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "type": self.entity,
            "id": self.id,
            "layer": self.layer.name,
            "reason": self.reason,
            "fields": {
                name: {"from": before, "to": after}
                for name, (before, after) in sorted(self.fields.items())
            },
        }

    def words(self) -> str:
        """One line for whoever starts a gateway."""
        told = ", ".join(
            f"{name} {_shown(before)} -> {_shown(after)}"
            for name, (before, after) in sorted(self.fields.items())
        )
        listed = f" ({told})" if told and self.kind != "withdrawn" else ""
        return (
            f"{self.layer.name} has the {self.entity} `{self.id}` {self.kind}{listed}: "
            f"{self.reason}"
        )


def _shown(value: object) -> str:
    return "unknown" if value is None else str(value)


def differences(
    before: Mapping[str, object], after: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    """The fields whose values differ."""
    return {
        name: (before.get(name), after.get(name))
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }
