"""The tables of `make bench`, and the servers of each."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from tests.bench import differing, long_ledger, peers, servers
from tests.bench.servers import NEW, ONE, TWO, Law, pack
from tests.bench.target import Target

RULES = (60, 600)


@dataclass(frozen=True)
class Place:
    """Where servers run: until the stack ends, with their files in a folder. One that is in
    several tables is started once; it idles while others are loaded."""

    stack: ExitStack
    folder: Path
    entries: int
    _running: dict[object, Target] = field(default_factory=dict[object, Target])

    def gateway(self, law: Law, name: str, arguments: Sequence[str]) -> Target:
        make = partial(servers.gateway, self.stack, self.state(), law, name, *arguments)
        return self._once((law.name, *arguments), make)

    def opa(self, law: Law) -> Target:
        return self._once(servers.opa_name(law), partial(servers.opa, self.stack, law))

    def _once(self, key: object, make: Callable[[], Target]) -> Target:
        if key not in self._running:
            self._running[key] = make()
        return self._running[key]

    def rules(self, rules: int) -> Law:
        return servers.generated_law(self.folder / f"rules-{rules}", rules)

    def state(self) -> Path:
        """A new folder for the state of a gateway."""
        return Path(mkdtemp(dir=self.folder, prefix="state-"))


Make = Callable[[Place], Target]


@dataclass(frozen=True)
class Maker:
    """Starts one server; the name is that of the row, before the server is there."""

    name: str
    make: Make


class Kind(Enum):
    CLOSED = "as many connections as are told, each waiting for its answer"
    DIFFERING = "the same, with questions of which no two have the same facts"
    ARRIVING = "questions that arrive at a rate"
    SEARCHED = "searches, one after another"


@dataclass(frozen=True)
class Group:
    """One table, with the echo of the same server in its first row."""

    name: str
    title: str
    makers: Sequence[Maker]
    kind: Kind = Kind.CLOSED
    connections: tuple[int, ...] = (1, 32)


def echo_of(place: Place, targets: Sequence[Target]) -> Target:
    """The echo, with the question of the first gateway among them."""
    bodies = [target.body for target in targets if target.name.startswith("charter")]
    return servers.echo(place.stack, bodies[0] if bodies else json.dumps(pack().question).encode())


# --- servers -------------------------------------------------------------------------


def _pack(name: str, arguments: Sequence[str], place: Place) -> Target:
    return place.gateway(pack(), name, arguments)


def _differing(name: str, arguments: Sequence[str], place: Place) -> Target:
    return place.gateway(differing.law(pack()), name, arguments)


def _batches(name: str, arguments: Sequence[str], place: Place) -> Target:
    return servers.batches(_pack(name, arguments, place), f"charter: pack, batch, {name}")


def _ruled(rules: int, name: str, arguments: Sequence[str], place: Place) -> Target:
    return place.gateway(place.rules(rules), name, arguments)


def _opa(rules: int, place: Place) -> Target:
    return place.opa(place.rules(rules))


def _cedar_agent(rules: int, place: Place) -> Target:
    return peers.cedar_agent(place.stack, place.rules(rules), place.folder)


def _cerbos(rules: int, place: Place) -> Target:
    return peers.cerbos(place.stack, place.rules(rules), rules, place.folder)


def _empty(place: Place) -> Target:
    return servers.gateway(place.stack, place.state(), pack(), "empty ledger")


def _long(place: Place) -> Target:
    state = place.state()
    token = long_ledger.make(state, place.entries)
    name = f"after {place.entries:,} entries"
    return servers.gateway(place.stack, state, pack(), name, token=token)


_PACK_OPA = Maker("stock OPA: pack", lambda place: place.opa(pack()))
_PACK_AGENT = Maker(
    "cedar-agent: pack", lambda place: peers.cedar_agent(place.stack, pack(), place.folder)
)


def _of_rules(rules: int) -> list[Maker]:
    return [
        Maker(f"charter: {rules} rules, asked before", partial(_ruled, rules, "asked before", ())),
        Maker(f"charter: {rules} rules, new", partial(_ruled, rules, "new each time", NEW)),
        Maker(f"stock OPA: {rules} rules", partial(_opa, rules)),
        Maker(f"cedar-agent: {rules} rules", partial(_cedar_agent, rules)),
        Maker(f"Cerbos: {rules} rules", partial(_cerbos, rules)),
    ]


def _of_pack(make: Callable[..., Target]) -> list[Maker]:
    rows = (
        ("asked before", ()),
        ("asked before, one process", ONE),
        ("asked before, two workers", TWO),
        ("new each time", NEW),
        ("new each time, one process", (*ONE, *NEW)),
        ("new each time, two workers", (*TWO, *NEW)),
    )
    return [Maker(f"charter: pack, {name}", partial(make, name, given)) for name, given in rows]


def tables(rules: Sequence[int] = RULES) -> tuple[Group, ...]:
    """All tables, in their order; one of them has rows for so many generated rules each."""
    ruled = [maker for number in rules for maker in _of_rules(number)]
    grown = [
        Maker("charter: pack, empty ledger", _empty),
        Maker("charter: pack, long ledger", _long),
    ]
    return (
        Group("single", "One question at a time", [*_of_pack(_pack), _PACK_OPA, _PACK_AGENT]),
        Group(
            "differing",
            "Questions of which no two have the same facts",
            [
                Maker("charter: pack, all different", partial(_differing, "", ())),
                Maker(
                    "charter: pack, all different, one process",
                    partial(_differing, "one process", ONE),
                ),
                Maker(
                    "charter: pack, all different, two workers",
                    partial(_differing, "two workers", TWO),
                ),
                Maker("stock OPA: all different", lambda place: place.opa(differing.law(pack()))),
            ],
            Kind.DIFFERING,
        ),
        Group("batch", "Batches of 100", [*_of_pack(_batches), _PACK_OPA], connections=(1, 8)),
        Group("rules", " and ".join(map(str, rules)) + " rules", ruled),
        Group(
            "arriving",
            "Questions that arrive at a rate",
            [*_of_pack(_pack), _PACK_OPA],
            Kind.ARRIVING,
        ),
        Group("ledger", "A long ledger against an empty one", grown),
        Group("search", "Where may this run, of 10,000 sites", [], Kind.SEARCHED),
    )
