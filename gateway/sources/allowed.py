"""What a source may state: a closed list, held against the vocabulary.

A source states facts of one origin, about one kind of thing. What a caller, the ledger or the
clock states, and what is derived, no source states.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dsl.core import PROFILE_PATH, Kind, Origin, Program
from dsl.near import nearest
from gateway.errors import ConfigurationError
from gateway.pdp.catalogue_facts import EntityFields, entity_fields, map_of
from gateway.pdp.supplied import SUBJECT, TENANT
from gateway.pdp.unfit import short

ORIGINS = (Origin.CATALOGUE, Origin.VERIFIER)


@dataclass(frozen=True)
class Allowed:
    """What one source may state: of an entity by field, of anything else by path.

    Attributes:
        about: As of `gateway.pdp.supplied.Statement`.
        is_entity: Whether that is a type of the catalogue.
    """

    about: str
    is_entity: bool
    origin: Origin
    fields: EntityFields

    @property
    def has_tenant(self) -> bool:
        """Whether it belongs to a tenant, so that one never learns what is another's."""
        return not self.is_entity

    def names(self) -> frozenset[str]:
        """Each fact and list by its own name, a key of a map as `seal[SOV-2]`."""
        keys = (f"{name}[{key}]" for name, of in self.fields.maps.items() for key in of)
        return frozenset([*self.fields.facts, *self.fields.lists, *keys])


def allow(
    program: Program, about: str, origin: Origin, states: Iterable[str], where: str
) -> Allowed:
    """What a source may state, as its settings say.

    Raises:
        ConfigurationError: The program knows no such thing, or another states it.
    """
    if origin not in ORIGINS:
        raise ConfigurationError(f"{where}: no source states what is from the {origin.value}")
    entities = entity_fields(program)
    is_entity = about in entities
    if is_entity and origin is not Origin.CATALOGUE:
        raise ConfigurationError(f'{where}: facts of a {about} are `origin = "catalogue"`')
    if not is_entity:
        _check_about(program, about, entities, where)
    known = entities[about] if is_entity else _elsewhere(program, origin)
    chosen = EntityFields()
    for name in states:
        _choose(chosen, name, known, program, where)
    return Allowed(about, is_entity, origin, chosen)


def _check_about(program: Program, about: str, entities: Iterable[str], where: str) -> None:
    if about == TENANT or (about.startswith(SUBJECT) and about != SUBJECT):
        return
    fact = program.facts.get(about)
    if fact is None:
        known = ", ".join(f"`{name}`" for name in sorted(entities))
        raise ConfigurationError(
            f"{where}: nothing is asked about `{short(about)}`: name an entity of the vocabulary"
            f"{f' ({known})' if known else ''}, `tenant`, `subject/` and a type, or the path of "
            "a fact of the request"
        )
    if fact.origin is not Origin.REQUEST or about in program.derived:
        raise ConfigurationError(f"{where}: `{about}` is no fact that a request states")
    if fact.kind not in (Kind.TERM, Kind.TERMS):
        raise ConfigurationError(f"{where}: `{about}` names nothing: it is no text")


def _elsewhere(program: Program, origin: Origin) -> EntityFields:
    """The facts of an origin that are not those of an entity, by path."""
    found = EntityFields()
    records = {place.record for place in program.places}
    for path, fact in program.facts.items():
        if path.partition(".")[0] in records or path == PROFILE_PATH:
            continue
        if path in program.derived:
            found.derived.add(path)
        elif fact.origin is origin:
            of_map = map_of(path, fact)
            if of_map is None:
                found.facts[path] = fact
            else:
                found.maps.setdefault(of_map, {})[fact.wire[-1]] = fact
    for path, listed in program.lists.items():
        if path.partition(".")[0] not in records and listed.origin is origin:
            found.lists[path] = listed
    return found


def _choose(
    chosen: EntityFields, name: str, known: EntityFields, program: Program, where: str
) -> None:
    parts = [one for one in known.names() if one == name or one.startswith(f"{name}.")]
    for one in parts:
        if one in known.facts:
            chosen.facts[one] = known.facts[one]
        elif one in known.maps:
            chosen.maps[one] = known.maps[one]
        else:
            chosen.lists[one] = known.lists[one]
    if parts:
        return
    if name in known.derived:
        raise ConfigurationError(f"{where}: `{name}` is derived; no source states it")
    fact = program.facts.get(name)
    if fact is not None:
        raise ConfigurationError(
            f"{where}: `{name}` is from the {fact.origin.value}; this source may not state it"
        )
    guess = nearest(name, known.names())
    hint = f"; did you mean `{guess}`?" if guess else ""
    raise ConfigurationError(f"{where}: there is no fact `{short(name)}` it could state{hint}")


def check_apart(all_of_them: Iterable[tuple[str, Allowed]], where: str) -> None:
    """Raise `ConfigurationError` where two sources may state one fact."""
    stated: dict[tuple[str, str], str] = {}
    for source, allowed in all_of_them:
        for name in sorted(allowed.names()):
            key = (allowed.about if allowed.is_entity else "", name)
            other = stated.setdefault(key, source)
            if other != source:
                raise ConfigurationError(
                    f"{where}: both `{other}` and `{source}` may state `{name}`: leave it to one"
                )
