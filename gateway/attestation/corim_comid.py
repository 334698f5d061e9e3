"""Concise module identifiers (draft-ietf-rats-corim, section 5): which values the parts of a
machine may have, and by which keys it signs."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway import cbor
from gateway.attestation.corim_values import Members, id_of, list_of, map_of, spelled, text_of
from gateway.attestation.errors import EvidenceMalformedError

# What a CoMID may say besides reference values and keys.
_TRIPLES = {
    1: "endorsed values, which no evidence is compared with",
    2: "identity keys",
    4: "dependencies of domains",
    5: "members of domains",
    6: "links to CoSWID tags",
    8: "conditional endorsements in series",
    10: "conditional endorsements",
}


@dataclass(frozen=True)
class Environment:
    """Of what values are. `text` tells it from every other; `class_id` is without its tag."""

    text: str
    class_id: bytes | None
    model: str | None
    is_class: bool


@dataclass(frozen=True)
class Measurement:
    """Values of one element. `key` is empty where the element has no name, and `#5` where it
    has a number. `authorities` are those who alone may say so; empty where nobody is named."""

    key: str
    values: Members
    authorities: tuple[cbor.Value, ...] = ()


@dataclass(frozen=True)
class Triple:
    """A state that an environment may be in."""

    environment: Environment
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class KeyTriple:
    """Keys by which an environment signs evidence."""

    environment: Environment
    instance: bytes | None
    keys: tuple[cbor.Value, ...]


@dataclass(frozen=True)
class Comid:
    """One tag. `others` are words for what stands in it and is read no further."""

    id: str
    version: int
    references: tuple[Triple, ...]
    keys: tuple[KeyTriple, ...]
    others: tuple[str, ...]


def parse_comid(data: bytes) -> Comid:
    """The tag in the bytes.

    Raises:
        CborError: They are no CBOR.
        EvidenceMalformedError: It is none.
    """
    members = map_of(cbor.loads(data), "a CoMID")
    identity = map_of(members.get(1), "the identity of a CoMID")
    version = identity.get(1, 0)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise EvidenceMalformedError("the version of a CoMID is no number")
    triples = map_of(members.get(4), "the triples of a CoMID")
    if not triples:
        raise EvidenceMalformedError("a CoMID has no triples")
    others = [f"a member {key!r:.40}" for key in members if key not in range(5)]
    if 3 in members:
        others.append("links to other tags, which it may replace")
    for key in triples:
        if key not in (0, 3):
            words = _TRIPLES.get(key) if isinstance(key, int) else None
            others.append(words or f"triples of kind {key!r:.40}")
    return Comid(
        id_of(identity.get(0), "the id of a CoMID"),
        version,
        tuple(_triple(one) for one in _list_if(triples, 0)),
        tuple(_key_triple(one) for one in _list_if(triples, 3)),
        tuple(sorted(others)),
    )


def _list_if(triples: Members, kind: int) -> Sequence[cbor.Value]:
    return list_of(triples[kind], "triples of a CoMID") if kind in triples else ()


def _pair(value: cbor.Value) -> tuple[cbor.Value, cbor.Value]:
    if not isinstance(value, list) or len(value) != 2:
        raise EvidenceMalformedError("a triple is a list of two")
    return value[0], value[1]


def _triple(value: cbor.Value) -> Triple:
    environment, measurements = _pair(value)
    rows = list_of(measurements, "the measurements of a triple")
    return Triple(_environment(environment), tuple(_measurement(one) for one in rows))


def _key_triple(value: cbor.Value) -> KeyTriple:
    if not isinstance(value, list) or len(value) not in (2, 3):
        raise EvidenceMalformedError("a triple of keys is a list of two or three")
    found = map_of(value[0], "an environment").get(1)
    instance = found.value if isinstance(found, cbor.Tagged) else None
    keys = list_of(value[1], "the keys of a triple")
    # Conditions in third place narrow what the keys are for.
    known = tuple(keys) if len(value) == 2 else ()
    own = instance if isinstance(instance, bytes) else None
    return KeyTriple(_environment(value[0]), own, known)


def _environment(value: cbor.Value) -> Environment:
    members = map_of(value, "an environment")
    if not members or members.keys() - {0, 1, 2}:
        raise EvidenceMalformedError("an environment has a class, an instance or a group")
    found = map_of(members.get(0, {}), "the class of an environment")
    labels = ("id", "vendor", "model", "layer", "index")
    if any(key not in range(len(labels)) for key in found) or (0 in members and not found):
        raise EvidenceMalformedError("the class of an environment has other members")
    named = [f"{name} {spelled(found[n])}" for n, name in enumerate(labels) if n in found]
    named += [f"{w} {spelled(members[n])}" for n, w in ((1, "instance"), (2, "group"))
              if n in members]  # fmt: skip
    class_id, model = found.get(0), found.get(2)
    raw = class_id.value if isinstance(class_id, cbor.Tagged) else None
    return Environment(
        ", ".join(named),
        raw if isinstance(raw, bytes) else None,
        model if isinstance(model, str) else None,
        is_class=list(members) == [0],
    )


def _measurement(value: cbor.Value) -> Measurement:
    members = map_of(value, "a measurement")
    if members.keys() - {0, 1, 2}:
        raise EvidenceMalformedError("a measurement has other members")
    values = map_of(members.get(1), "the values of a measurement")
    if not values:
        raise EvidenceMalformedError("a measurement has no values")
    authorities = list_of(members[2], "the authorities of a measurement") if 2 in members else []
    return Measurement(_key(members.get(0)), values, tuple(authorities))


def _key(value: cbor.Value) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return f"#{value}"
    return text_of(value, "a key") if isinstance(value, str) else spelled(value)
