"""A fixed table of programs and questions in which every faulty compiler shows.

Small enough to read: one program per construct, and for each the questions around the
point where its answer turns. `test_seeded_faults` damages the compiler in one place and
expects a difference here; `test_agreement` asks every engine the same table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from dsl.core import (
    PROFILE_PATH,
    And,
    AtLeast,
    Citation,
    Condition,
    Constant,
    Due,
    DueUnit,
    Duty,
    DutyKind,
    Effect,
    ExceptionNote,
    FactType,
    Holds,
    InForce,
    Invariant,
    Kind,
    Known,
    Level,
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
    Touches,
    Within,
    opposite,
)
from dsl.facts import MAX_INTEGER, Question, Value, settle_all
from dsl.fold import paths_read

BRUSSELS, TALLINN = "Europe/Brussels", "Europe/Tallinn"
EEA = tuple(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI "
    "SK".split()
)
COUNTRIES = tuple(sorted({*EEA, "BR", "CH", "CN", "GB", "IN", "JP", "US"}))
GDPR = "GDPR"
SEALS = ("SEAL-0", "SEAL-1", "SEAL-2", "SEAL-3", "SEAL-4")
OWN_SEAL, OTHER_SEAL = "csf.seal[SOV-1]", "csf.seal[SOV-2]"

FACTS = {
    fact.path: fact
    for fact in (
        FactType(
            "contract.ends",
            Kind.DAY,
            Origin.REQUEST,
            ("context", "contract", "ends"),
            title="The last day of the contract",
        ),
        FactType("contract.notice_ends", Kind.DAY, Origin.REQUEST, ()),
        *(
            FactType(
                path,
                Kind.TERM,
                Origin.REQUEST,
                ("context", "csf", "seal", path[-6:-1]),
                vocabulary="seal",
                values=SEALS,
                order=SEALS,
            )
            for path in (OWN_SEAL, OTHER_SEAL)
        ),
        FactType(
            PROFILE_PATH,
            Kind.TERM,
            Origin.CATALOGUE,
            (),
            values=("clinics", "public"),
        ),
        FactType(
            "site.margin",
            Kind.INTEGER,
            Origin.REQUEST,
            ("context", "site", "margin"),
            unit="eur",
            may_be_negative=True,
        ),
        FactType(
            "site.share",
            Kind.INTEGER,
            Origin.REQUEST,
            ("context", "site", "share"),
            unit="percent",
            scale=2,
        ),
        FactType(
            "data.labels",
            Kind.TERMS,
            Origin.REQUEST,
            ("context", "data", "labels"),
            values=("financial", "health", "personal", "special-category", "technical"),
            broader={
                "financial": ("personal",),
                "health": ("personal", "special-category"),
                "special-category": ("personal",),
            },
        ),
        FactType(
            "destination.countries",
            Kind.TERMS,
            Origin.CATALOGUE,
            ("resource", "properties", "countries"),
            values=COUNTRIES,
        ),
        FactType(
            "destination.site", Kind.TERM, Origin.CATALOGUE, ("resource", "properties", "site")
        ),
        FactType(
            "provider.foreign_owners",
            Kind.TERMS,
            Origin.CATALOGUE,
            ("resource", "properties", "foreign_owners"),
            may_be_empty=True,
        ),
        FactType(
            "training.compute",
            Kind.INTEGER,
            Origin.REQUEST,
            ("context", "training", "compute"),
            unit="TFLOP",
        ),
        FactType(
            "transfer.encrypted", Kind.TRUTH, Origin.VERIFIER, ("context", "transfer", "encrypted")
        ),
        FactType(
            "transfer.impact_assessment",
            Kind.TERM,
            Origin.REQUEST,
            ("context", "transfer", "impact_assessment"),
            values=("favourable", "unfavourable"),
        ),
        FactType(
            "transfer.mechanism",
            Kind.TERM,
            Origin.REQUEST,
            ("context", "transfer", "mechanism"),
            values=("bcr", "none", "scc-m1", "scc-m2", "scc-m3"),
        ),
    )
}
PROFILES = (
    Profile("clinics", "What hospitals run under", ("test.charter",), ("clinic-a",)),
    Profile("public", "Everybody else", (), ()),
)
INVARIANTS = (
    Invariant("test.charter/never", "Never", ("place",), Holds("transfer.encrypted"), ()),
)
PLACES = (Place("destination", "site", ("resource",), ("place", "flow")),)


def program(*rules: Rule) -> Program:
    return Program(
        facts=dict(sorted(FACTS.items())),
        places=PLACES,
        actions=("flow", "place"),
        rules=tuple(sorted(rules, key=lambda rule: rule.id)),
        derived={"contract.notice_ends": Shift("contract.ends", -6, 0)},
        profiles=PROFILES,
        invariants=INVARIANTS,
    )


def rule(
    name: str,
    effect: Effect,
    formula: Condition,
    *,
    actions: tuple[str, ...] = ("place",),
    duties: Mapping[str, Condition] | None = None,
    level: Level = Level.ENFORCE,
) -> Rule:
    identity = f"test.charter/{name}"
    cites = (Citation(GDPR, "Regulation (EU) 2016/679", "art 44", celex="32016R0679"),)
    return Rule(
        id=identity,
        effect=effect,
        actions=actions,
        formula=formula,
        title=f'The rule "{name}": with \\ and é',
        citations=cites,
        because="Because the law says so.",
        remedies=("Choose another site.",),
        exceptions=(ExceptionNote("adequacy", "The destination is adequate", cites, formula),),
        duties=tuple(
            Duty(f"{identity}/{duty}", duty, f"Duty {duty}", identity, condition, cites)
            for duty, condition in (duties or {}).items()
        ),
        level=level,
        weight=7 if effect is Effect.PREFER else 0,
    )


def with_advice(of: Rule, condition: Condition) -> Rule:
    """The rule with advice that names all there is to name."""
    advice = Duty(
        id=f"{of.id}/start-logs",
        obligation="start-logs",
        title='Begin to "keep" logs',
        rule=of.id,
        condition=condition,
        citations=of.citations,
        due=Due(72 * 60, DueUnit.MINUTES),
        kind=DutyKind.ADVICE,
        parameters=(("authority", "bnetza"), ("copies", 2), ("public", False)),
    )
    return replace(of, duties=(*of.duties, advice))


ODD = 'y "\\ é'  # an identifier that wants to be escaped
ALWAYS = Constant(True)


def permit(
    formula: Condition = ALWAYS,
    *,
    actions: tuple[str, ...] = ("place",),
    duties: Mapping[str, Condition] | None = None,
) -> Rule:
    return rule("permission", Effect.PERMIT, formula, actions=actions, duties=duties)


def forbid(
    formula: Condition,
    *,
    actions: tuple[str, ...] = ("place",),
    duties: Mapping[str, Condition] | None = None,
) -> Rule:
    return rule("prohibition", Effect.FORBID, formula, actions=actions, duties=duties)


PERSONAL = Touches("data.labels", ("personal",))
IN_EEA = Within("destination.countries", EEA)
CLAUSES = OneOf("transfer.mechanism", ("scc-m1", "scc-m2", "scc-m3"))
FAVOURABLE = OneOf("transfer.impact_assessment", ("favourable",))
FOREIGN = Touches("provider.foreign_owners", ("CN", "IN", "JP", "KR", "US"))
SITES = OneOf("destination.site", ("a", "b", "c", "x", ODD))
ENCRYPTED = Holds("transfer.encrypted")
LARGE = AtLeast("training.compute", 10**13)
SINCE = InForce(BRUSSELS, 17_676, None)
DURING = InForce(TALLINN, 20_000, 20_010)
ENDS_SOON = Not(NotBefore("contract.ends", BRUSSELS, 30))
ASSESSED_LATELY = NotBefore("contract.notice_ends", TALLINN, -365)
NOT_PAST = NotBefore("contract.ends", TALLINN, 0)
AFTER_2024 = AtLeast("contract.ends", 20_089)
MUCH = AtLeast("site.share", 2410)
LOSS = Not(AtLeast("site.margin", -5))
SEALED = OneOf(OTHER_SEAL, ("SEAL-2", "SEAL-3", "SEAL-4"))
CLINICS = OneOf(PROFILE_PATH, ("clinics",))

TRANSFERS = And(
    (
        SINCE,
        PERSONAL,
        Not(IN_EEA),
        opposite(And((CLAUSES, FAVOURABLE))),
        Or((Not(ENCRYPTED), DURING, LARGE)),
    )
)

PROGRAMS: dict[str, Program] = {
    "holds": program(permit(), forbid(ENCRYPTED)),
    "not-holds": program(permit(), forbid(Not(ENCRYPTED))),
    "one-of": program(permit(), forbid(CLAUSES)),
    "not-one-of": program(permit(), forbid(Not(FAVOURABLE))),
    "within": program(permit(), forbid(IN_EEA)),
    "require-within": program(permit(), forbid(Not(IN_EEA))),
    "touches": program(permit(), forbid(PERSONAL)),
    "not-touches": program(permit(), forbid(Not(FOREIGN))),
    "open-vocabulary": program(permit(Not(FOREIGN)), forbid(OneOf("destination.site", ("x",)))),
    "at-least": program(permit(), forbid(LARGE)),
    "less-than": program(permit(), forbid(Not(LARGE))),
    "since": program(permit(), forbid(SINCE)),
    "during": program(permit(DURING), forbid(Not(DURING), actions=("flow",))),
    "conditional-permission": program(permit(And((PERSONAL, Or((ENCRYPTED, CLAUSES)))))),
    "negative-permission": program(permit(And((Not(PERSONAL), Not(LARGE), Not(ENCRYPTED))))),
    "exceptions": program(
        permit(actions=("flow", "place")),
        forbid(TRANSFERS, actions=("flow", "place"), duties={"keep-record": And((SINCE, CLAUSES))}),
    ),
    "duties": program(
        permit(duties={"always": Constant(True), "if-large": LARGE, "never": Constant(False)}),
        rule("oblige", Effect.OBLIGE, Constant(False), duties={"if-not": Not(FAVOURABLE)}),
    ),
    "duties-alone": program(
        rule("oblige", Effect.OBLIGE, ALWAYS, duties={"always": ALWAYS, "if-large": LARGE})
    ),
    "large-open-set": program(permit(Not(SITES)), forbid(SITES, actions=("flow",))),
    "no-rule": program(),
    "other-action": program(permit(actions=("flow",)), forbid(ENCRYPTED, actions=("flow",))),
    "no-values": program(
        permit(),
        forbid(
            Or(
                (
                    Within("provider.foreign_owners", ()),
                    Touches("data.labels", ()),
                    And((Not(OneOf("transfer.mechanism", ())), ENCRYPTED)),
                )
            )
        ),
    ),
    "constant": program(permit(), forbid(Constant(True), actions=("flow",))),
    "dated": program(permit(), forbid(AFTER_2024)),
    "days": program(permit(NOT_PAST), forbid(ENDS_SOON)),
    "days-ago": program(permit(), forbid(Not(ASSESSED_LATELY))),
    "decimals": program(permit(), forbid(MUCH)),
    "negative-numbers": program(permit(), forbid(LOSS)),
    "levels-of-a-map": program(permit(OneOf(OWN_SEAL, ("SEAL-1", "SEAL-2"))), forbid(Not(SEALED))),
    "known": program(
        permit(Known("transfer.impact_assessment")),
        forbid(And((PERSONAL, Not(Known("transfer.mechanism"))))),
    ),
    "known-numbers": program(
        permit(And((Known("site.share"), Known("data.labels")))),
        forbid(Or((Not(Known("contract.ends")), Not(Known("site.margin"))))),
    ),
    "levels": program(
        permit(duties={"keep-record": ALWAYS}),
        rule("warned", Effect.FORBID, ENCRYPTED, level=Level.WARN, duties={"warned": ALWAYS}),
        rule("shadowed", Effect.FORBID, Not(IN_EEA), level=Level.SHADOW),
        rule("hoped-for", Effect.PERMIT, ENCRYPTED, level=Level.WARN, actions=("flow", "place")),
        forbid(Not(FAVOURABLE)),
    ),
    "only-noted": program(
        rule("hoped-for", Effect.PERMIT, ENCRYPTED, level=Level.SHADOW),
        rule("warned", Effect.FORBID, ALWAYS, level=Level.WARN, actions=("flow",)),
    ),
    "preferences": program(
        permit(Not(PERSONAL)),
        rule("near", Effect.PREFER, IN_EEA),
        rule("cheap", Effect.PREFER, And((Not(LARGE), Known("site.margin")))),
        rule("never", Effect.PREFER, Constant(False)),
    ),
    "advice": program(
        with_advice(permit(Not(LARGE)), PERSONAL),
        with_advice(rule("advise", Effect.OBLIGE, ALWAYS), Not(ENCRYPTED)),
    ),
    "groups": program(
        *(
            rule(f"r{number}", Effect.FORBID, formula, actions=actions, duties={"d": formula})
            for number, (formula, actions) in enumerate(
                (
                    (PERSONAL, ("place",)),
                    (And((PERSONAL, Not(IN_EEA))), ("place",)),
                    (And((PERSONAL, Not(IN_EEA), ENCRYPTED)), ("place",)),
                    (And((PERSONAL, ENCRYPTED, Not(IN_EEA))), ("place",)),
                    (And((SINCE, PERSONAL)), ("flow", "place")),
                    (And((SINCE, Not(IN_EEA))), ("flow", "place")),
                    (And((SINCE, ENCRYPTED)), ("flow", "place")),
                    (ENCRYPTED, ("flow", "place")),
                )
            )
        ),
        *(
            rule(f"p{number}", Effect.PERMIT, And((Not(ENCRYPTED), part)))
            for number, part in enumerate((Not(PERSONAL), IN_EEA, ALWAYS, Not(IN_EEA)))
        ),
        permit(actions=("flow",)),
    ),
    "profiles": program(
        permit(CLINICS),
        forbid(And((CLINICS, PERSONAL)), duties={"keep-record": And((CLINICS, Not(ENCRYPTED)))}),
    ),
}

# For every fact the values around which answers turn; None hides the fact.
POINTS: dict[str, tuple[Value | None, ...]] = {
    "contract.ends": (None, 19_999, 20_029, 20_030, 20_088, 20_089),
    "contract.notice_ends": (None, 19_634, 19_635, 19_636, 20_000),
    OWN_SEAL: (None, "SEAL-0", "SEAL-1", "SEAL-2", "SEAL-4"),
    OTHER_SEAL: (None, "SEAL-1", "SEAL-2", "SEAL-4"),
    PROFILE_PATH: (None, "clinics", "public"),
    "site.margin": (None, -MAX_INTEGER, -6, -5, 0),
    "site.share": (None, 24, 2409, 2410),
    "data.labels": (None, ("technical",), ("health",), ("technical", "personal")),
    "destination.countries": (None, ("DE",), ("DE", "US"), ("US",)),
    "destination.site": (None, "x", ODD),
    "provider.foreign_owners": (None, (), ("US", "BE"), ("BE",)),
    "training.compute": (None, 10**13 - 1, 10**13),
    "transfer.encrypted": (None, False, True),
    "transfer.impact_assessment": (None, "favourable", "unfavourable"),
    "transfer.mechanism": (None, "none", "scc-m2"),
}
DAYS = (17_675, 17_676, 19_999, 20_000, 20_010, 20_011)


def questions(subject: Program) -> Iterator[Question]:
    """The questions of one program: all combinations of the facts it reads where those
    are few, otherwise each fact turned alone against a background of all the others."""
    read = sorted(paths_read(subject))
    zones = subject.time_zones()
    for action in ("flow", "place", "unheard-of"):
        for day in DAYS if zones else DAYS[:1]:
            for facts in _assignments(read):
                yield Question(
                    action,
                    settle_all(subject.facts, facts),
                    dict.fromkeys((BRUSSELS, TALLINN), day),
                )


# What no fact may be; a stock engine gets such things, for nobody normalised its input.
UNFIT: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**53, 2**63, "", "nowhere", "24.10", "2026-11-22", {"DE": True}),
    *([], ["nowhere"], ["DE", "nowhere"], ["health"], ["technical", 1], ["US"] * 1001, [["US"]]),
)
UNFIT_DAYS: tuple[Any, ...] = (
    *(None, "20000", 20_000.5, True, 2**63),
    *(2**63 - 1, 2**63 - 30, -(2**63), 2**53, -(2**53)),
)


def raw_questions(subject: Program) -> Iterator[Question]:
    """Questions with one fact, or one day, that is not as it must be. The rest is such
    that the program would often permit."""
    read = sorted(paths_read(subject))
    days: dict[str, Any] = dict.fromkeys((BRUSSELS, TALLINN), 20_000)
    for facts in _assignments(read):
        fitted = settle_all(subject.facts, facts)
        for path in read:
            for unfit in UNFIT:
                yield Question("place", {**fitted, path: unfit}, days)
        for zone in subject.time_zones():
            others: dict[str, Any] = {z: day for z, day in days.items() if z != zone}
            yield Question("place", fitted, others)
            for unfit in UNFIT_DAYS:
                yield Question("place", fitted, {**others, zone: unfit})


def _assignments(paths: list[str]) -> Iterator[dict[str, object]]:
    choices = [POINTS[path] for path in paths]
    if len(paths) <= 3:
        for values in product(*choices):
            yield dict(zip(paths, values, strict=True))
        return
    for number in range(max(map(len, choices))):
        background = {p: c[number % len(c)] for p, c in zip(paths, choices, strict=True)}
        for path, options in zip(paths, choices, strict=True):
            for option in options:
                yield {**background, path: option}
