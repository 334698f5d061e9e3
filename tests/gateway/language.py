"""A program in core that has every kind of fact, built by hand, and a catalogue for it.

It needs no grammar and no checker, so what the gateway makes of a fact is tested on its own.
"""

import copy
import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Any

from dsl.core import (
    PROFILE_PATH,
    Aggregate,
    And,
    AtLeast,
    Condition,
    Constant,
    DaysBetween,
    Due,
    DueUnit,
    Duty,
    DutyKind,
    Effect,
    FactType,
    Holds,
    InForce,
    Kind,
    Known,
    Level,
    ListType,
    Not,
    NotBefore,
    OneOf,
    Or,
    Origin,
    Place,
    Profile,
    Program,
    Rule,
    Shift,
    Tally,
)
from gateway.pdp import catalogue

BRUSSELS, KIRITIMATI = "Europe/Brussels", "Pacific/Kiritimati"
SEALS = ("SEAL-0", "SEAL-1", "SEAL-2")
KEYS = ("SOV-1", "SOV-2")


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def fact(path: str, kind: Kind, *wire: str, **more: Any) -> FactType:
    origin = more.pop("origin", Origin.REQUEST)
    return FactType(path, kind, origin, wire, **more)


def _term(path: str, values: tuple[str, ...] | None, *wire: str, **more: Any) -> FactType:
    word = None if values is None else "word"
    return fact(path, Kind.TERM, *wire, values=values, vocabulary=word, **more)


def _seals(record: str, origin: Origin, *wire: str) -> list[FactType]:
    return [
        fact(
            f"{record}.seal[{key}]",
            Kind.TERM,
            *wire,
            "seal",
            key,
            origin=origin,
            vocabulary="seal",
            values=SEALS,
            order=SEALS,
        )
        for key in KEYS
    ]


_CATALOGUE: dict[str, Any] = {"origin": Origin.CATALOGUE}
_SITE = ("resource", "properties")
PERCENT: dict[str, Any] = {"unit": "percent", "scale": 2}

FACTS = (
    # --- stated by the request ---
    _term("user.id", None, "subject", "id"),
    _term("user.type", ("robot", "user"), "subject", "type"),
    _term("user.role", ("admin", "clerk"), "subject", "properties", "role"),
    fact("job.soft", Kind.TRUTH, "action", "properties", "soft"),
    fact("contract.notified_on", Kind.DAY, "context", "contract", "notified_on"),
    fact("contract.ends", Kind.DAY, "context", "contract", "ends"),
    fact("contract.price", Kind.INTEGER, "context", "contract", "price", unit="eur", scale=2),
    fact(
        "contract.balance",
        Kind.INTEGER,
        *("context", "contract", "balance"),
        unit="eur",
        scale=2,
        may_be_negative=True,
    ),
    fact("contract.persons", Kind.INTEGER, "context", "contract", "persons", unit="persons"),
    fact(
        "contract.points",
        Kind.INTEGER,
        *("context", "contract", "points"),
        unit="points",
        may_be_negative=True,
    ),
    *_seals("csf", Origin.REQUEST, "context", "csf"),
    # --- stated by the catalogue ---
    fact("destination.open", Kind.TRUTH, *_SITE, "open", **_CATALOGUE),
    fact("destination.assessed_on", Kind.DAY, *_SITE, "assessed_on", **_CATALOGUE),
    fact("destination.load", Kind.INTEGER, *_SITE, "load", unit="megawatts", scale=1, **_CATALOGUE),
    fact(
        "destination.margin",
        Kind.INTEGER,
        *_SITE,
        "margin",
        unit="eur",
        may_be_negative=True,
        **_CATALOGUE,
    ),
    *_seals("destination", Origin.CATALOGUE, *_SITE),
    # --- stated by others, and by nobody ---
    fact("evidence.fresh", Kind.TRUTH, "context", "evidence", "fresh", origin=Origin.VERIFIER),
    _term(PROFILE_PATH, ("clinics", "everybody"), **_CATALOGUE),
    fact("destination.foreign_share", Kind.INTEGER, **PERCENT, **_CATALOGUE),
    fact("contract.notice_ends", Kind.DAY),
    fact("contract.left", Kind.INTEGER, unit="days", may_be_negative=True),
)

HOLDERS = ListType(
    "destination.holders",
    Origin.CATALOGUE,
    (*_SITE, "holders"),
    "Who owns it",
    {
        "country": _term("country", ("BE", "FR", "US"), "country", **_CATALOGUE),
        "share": fact("share", Kind.INTEGER, "share", **PERCENT, **_CATALOGUE),
        "since": fact("since", Kind.DAY, "since", **_CATALOGUE),
    },
)

FOREIGN = Tally(
    Aggregate.SUM,
    "destination.holders",
    "share",
    Not(OneOf("holders.country", ("BE", "FR"))),
)


def rule(name: str, effect: Effect, formula: Condition, **more: Any) -> Rule:
    empty: dict[str, Any] = {"citations": (), "remedies": (), "exceptions": (), "duties": ()}
    texts = {"title": f"The rule {name}", "because": "So it is."}
    known: dict[str, Any] = {"actions": ("place",), **texts, **empty, **more}
    return Rule(id=f"test.all/{name}", effect=effect, formula=formula, **known)


def duty(name: str, **more: Any) -> Duty:
    given: dict[str, Any] = {"condition": Constant(value=True), "citations": (), **more}
    return Duty(f"test.all/duties#{name}", name, f"Do {name}", "test.all/duties", **given)


PARAMETERS = (("authority", "bnetza"), ("by", "2027-01-12"), ("copies", 2), ("sealed", True))
DUTIES = (
    duty("at-once"),
    duty("in-days", due=Due(30, DueUnit.DAYS)),
    duty("in-minutes", due=Due(72 * 60, DueUnit.MINUTES), parameters=PARAMETERS),
    duty("in-months", due=Due(3, DueUnit.MONTHS)),
    duty("start-logs", kind=DutyKind.ADVICE, parameters=(("copies", 1),), due=Due(1, DueUnit.DAYS)),
)
ASSESSED = AtLeast("destination.load", 10)
RULES = (
    rule("duties", Effect.OBLIGE, Constant(value=True), duties=DUTIES),
    rule("ends-later", Effect.FORBID, Not(NotBefore("contract.ends", BRUSSELS, 30))),
    rule("foreign", Effect.FORBID, AtLeast("destination.foreign_share", 5000)),
    rule("left", Effect.FORBID, Not(AtLeast("contract.left", 0))),
    rule("near", Effect.PREFER, Not(AtLeast("destination.load", 500)), weight=10),
    rule("seal-1", Effect.PREFER, OneOf("csf.seal[SOV-1]", SEALS[1:]), weight=5),
    rule(
        "shadow-permit",
        Effect.PERMIT,
        Holds("job.soft"),
        level=Level.SHADOW,
    ),
    rule("shadow-rule", Effect.FORBID, AtLeast("contract.price", 2410), level=Level.SHADOW),
    rule("warn-rule", Effect.FORBID, AtLeast("contract.persons", 10), level=Level.WARN),
    rule("warn-permit", Effect.PERMIT, Holds("job.soft"), level=Level.WARN),
    rule(
        "yes",
        Effect.PERMIT,
        And((OneOf(PROFILE_PATH, ("clinics",)), Holds("destination.open"))),
    ),
    rule(
        "yes-everybody",
        Effect.PERMIT,
        And((OneOf(PROFILE_PATH, ("everybody",)), Holds("destination.open"))),
    ),
    rule(
        "told",
        Effect.FORBID,
        And((Not(Known("contract.notified_on")), Holds("destination.open"))),
        actions=("stop",),
    ),
    rule("stop", Effect.PERMIT, Constant(value=True), actions=("stop",)),
    rule(
        "noticed",
        Effect.FORBID,
        Or((
            Not(NotBefore("contract.notice_ends", KIRITIMATI, 0)),
            InForce(KIRITIMATI, None, day("2020-01-01")),
        )),
        actions=("leave",),
    ),
    rule("leave", Effect.PERMIT, Constant(value=True), actions=("leave",)),
)  # fmt: skip

PROGRAM = Program(
    facts={f.path: f for f in sorted(FACTS, key=lambda f: f.path)},
    places=(Place("destination", "site", ("resource",), ("place", "stop")),),
    actions=("leave", "place", "stop"),
    rules=tuple(sorted(RULES, key=lambda r: r.id)),
    lists={"destination.holders": HOLDERS},
    derived={
        "contract.left": DaysBetween(None, "contract.ends", BRUSSELS),
        "contract.notice_ends": Shift("contract.notified_on", 6, 0),
        "destination.foreign_share": FOREIGN,
    },
    profiles=(
        Profile("clinics", "Hospitals", ("test.all",), ("clinic-a", "clinic-b")),
        Profile("everybody", "All others", ("test.all",), ()),
    ),
)

SITES = """\
format = "charter-catalogue/v1"
title = "Sites with everything"
as_of = 2026-11-22

[[site]]
id = "near"
valid_from = 2026-01-01
source = "made up"
[site.facts]
open = true
assessed_on = 2026-05-31
load = "24.1"
margin = -7
seal = { SOV-1 = "SEAL-2", SOV-2 = "SEAL-0" }
[[site.facts.holders]]
country = "US"
share = "24.5"
since = "2020-02-29"
[[site.facts.holders]]
country = "FR"
share = "75.50"

[[site]]
id = "bare"
valid_from = 2026-01-01
source = "made up"
facts = { open = true }

[[site]]
id = "past"
valid_from = 2025-01-01
valid_until = 2025-12-31
source = "made up"
facts = { open = true, holders = [] }
"""

REQUEST: dict[str, Any] = {
    "subject": {"type": "user", "id": "alice", "properties": {"role": "clerk"}},
    "action": {"name": "place"},
    "resource": {"type": "site", "id": "near"},
    "context": {
        "contract": {
            "notified_on": "2026-08-31",
            "ends": "2027-06-30",
            "price": "24.10",
            "balance": "-0.05",
            "persons": 3,
            "points": -2,
        },
        "csf": {"seal": {"SOV-1": "SEAL-1", "SOV-2": "SEAL-2"}},
    },
}


def sites(text: str = SITES) -> catalogue.Catalogue:
    return catalogue.build(tomllib.loads(text), PROGRAM, name="sites.toml")


def request(**changes: Any) -> dict[str, Any]:
    """The usual request with other members: `context__csf=None`; `...` takes one away."""
    value = copy.deepcopy(REQUEST)
    for path, new in changes.items():
        *parents, last = path.split("__")
        at: Any = value
        for parent in parents:
            at = at.setdefault(parent, {})
        if new is ...:
            del at[last]
        else:
            at[last] = new
    return value


def set_at(value: Mapping[str, Any], pointer: str, new: object) -> dict[str, Any]:
    """A copy of a request with one member set, wherever its pointer leads; what stands in
    the way is replaced."""
    copied: Any = copy.deepcopy(dict(value))
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    at = copied
    for parent in parents:
        if not isinstance(at.get(parent), dict):
            at[parent] = {}
        at = at[parent]
    at[last] = new
    return copied
