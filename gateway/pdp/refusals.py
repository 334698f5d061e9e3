"""Refusals: what to say of an attribute that a request may not state.

A name is looked for among all that the program knows, so that a caller who states what
only others may state is told so, and one who misspelt is told what is near.
"""

from collections.abc import Iterable, Iterator, Mapping

from dsl.core import PROFILE_PATH, FactType, Origin, Program
from dsl.derive import inputs
from dsl.near import nearest
from gateway.errors import RequestError
from gateway.pdp.catalogue_facts import map_of, no_such_key
from gateway.pdp.unfit import short

Wire = tuple[str, ...]


def pointer(wire: Iterable[str]) -> str:
    """The RFC 6901 pointer of a place on the wire."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in wire)


class Refusals:
    """The refusals of one program."""

    def __init__(self, program: Program) -> None:
        self._places = {place.wire: place for place in program.places}
        self._stated = dict(stated_facts(program))
        self._inner = inner_wires(self._stated)
        self._foreign = dict(_foreign(program))
        self._maps: dict[Wire, str] = {}
        self._records = {wire: place.record for wire, place in self._places.items()}
        for wire, fact in self._stated.items():
            of_map = map_of(fact.path, fact)
            if of_map is not None:
                self._maps[wire[:-1]] = of_map
            record = fact.path.partition(".")[0]
            self._records.setdefault(wire[: -1 if of_map is None else -2], record)

    def attribute(self, wire: Wire) -> RequestError:
        """An attribute at a place where a request states none."""
        name = wire[-1]
        named = self._claimed(wire) & self._foreign.keys()
        if named:
            why = self._foreign[min(named)]
            detail = f"`{min(named)}` {why}; a request cannot set it"
            return RequestError(detail, pointer=pointer(wire), kind="foreign-origin")
        of_map = self._maps.get(wire[:-1])
        if of_map is not None:
            keys = {w[-1]: fact for w, fact in self._stated.items() if w[:-1] == wire[:-1]}
            detail = no_such_key(of_map, name, keys)
        else:
            guess = nearest(name, self._siblings(wire))
            hint = f"; did you mean `{guess}`?" if guess else ""
            detail = f"no attribute `{short(name)}` is declared here{hint}"
        return RequestError(detail, pointer=pointer(wire), kind="unknown-attribute")

    def not_an_object(self, wire: Wire) -> RequestError:
        """A value where a record, or a map, must be."""
        of_map = self._maps.get(wire)
        detail = f"`{of_map}` must be an object, a value for each key" if of_map else None
        return RequestError(detail or "this must be an object", pointer=pointer(wire))

    def _claimed(self, wire: Wire) -> set[str]:
        """The paths that a caller may have meant."""
        name = wire[-1]
        above = wire[:-2] if wire[-2:-1] == ("properties",) else wire[:-1]
        records = (self._records.get(wire[:-1]), self._records.get(above))
        return {name, ".".join(wire[-2:]), *(f"{record}.{name}" for record in records if record)}

    def _siblings(self, wire: Wire) -> set[str]:
        known: Iterable[Wire] = (*self._stated, *self._inner, *self._places)
        return {other[-1] for other in known if other[:-1] == wire[:-1]}


def stated_facts(program: Program) -> Iterator[tuple[Wire, FactType]]:
    """The facts that a request states, by their place on the wire."""
    for fact in program.facts.values():
        # A derived fact has the origin of its weakest input, and is stated by nobody.
        if fact.origin is Origin.REQUEST and fact.wire and fact.path not in program.derived:
            yield fact.wire, fact


def inner_wires(stated: Mapping[Wire, FactType]) -> set[Wire]:
    """The places above those of facts: where an object must be."""
    return {wire[:length] for wire in stated for length in range(1, len(wire))}


def _foreign(program: Program) -> Iterator[tuple[str, str]]:
    """Paths that no request states, and records of such, each with the reason."""
    for path, fact in program.facts.items():
        if path == PROFILE_PATH:
            yield path, "follows from whose token it is"
            yield _record(path), "follows from whose token it is"
        elif path in program.derived:
            yield path, f"is derived from {' and '.join(_inputs(program, path))}"
        elif fact.origin is not Origin.REQUEST:
            stated = f"is stated by the {fact.origin.value}"
            yield from (
                (name, stated) for name in (path, map_of(path, fact), _record(path)) if name
            )
    for path, listed in program.lists.items():
        yield path, f"is stated by the {listed.origin.value}"


def _inputs(program: Program, path: str) -> list[str]:
    return [f"`{read}`" for read in inputs(program.derived[path])] or ["`today`"]


def _record(path: str) -> str:
    return path.partition(".")[0]
