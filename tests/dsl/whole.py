"""A program by hand in which every construct of core stands once, small enough to read."""

from dataclasses import replace

from dsl.core import (
    PROFILE_PATH,
    Aggregate,
    And,
    AtLeast,
    Citation,
    Condition,
    Constant,
    DaysBetween,
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
    Touches,
    Within,
)

ZONE = "Europe/Brussels"
GDPR = (Citation("GDPR", "Regulation (EU) 2016/679", "art 44", celex="32016R0679"),)
SEALS = ("SEAL-0", "SEAL-1", "SEAL-2")
COUNTRIES = ("DE", "FR", "US")


def fact(path: str, kind: Kind, origin: Origin = Origin.CATALOGUE) -> FactType:
    return FactType(path, kind, origin, ("resource", "properties", *path.split(".")[1:]))


def derived(path: str, kind: Kind, origin: Origin = Origin.CATALOGUE) -> FactType:
    return replace(fact(path, kind, origin), wire=())


SHARE = replace(fact("share", Kind.INTEGER), unit="percent", scale=2)
FACTS = (
    replace(fact("contract.copies", Kind.INTEGER, Origin.REQUEST), unit="items"),
    fact("contract.ends", Kind.DAY, Origin.REQUEST),
    fact("contract.notified_on", Kind.DAY, Origin.REQUEST),
    derived("contract.notice_ends", Kind.DAY, Origin.REQUEST),
    replace(
        derived("contract.age", Kind.INTEGER, Origin.REQUEST), unit="days", may_be_negative=True
    ),
    replace(fact("csf.seal[SOV-1]", Kind.TERM), values=SEALS, order=SEALS, vocabulary="seal"),
    replace(fact("csf.seal[SOV-2]", Kind.TERM), values=SEALS, order=SEALS, vocabulary="seal"),
    replace(
        fact("data.labels", Kind.TERMS, Origin.REQUEST),
        values=("health", "personal", "public"),
        broader={"health": ("personal",)},
    ),
    replace(fact("destination.countries", Kind.TERMS), values=COUNTRIES),
    replace(derived("destination.holders_known", Kind.INTEGER), unit="items"),
    replace(fact("destination.margin", Kind.INTEGER), unit="eur", may_be_negative=True),
    replace(derived("destination.largest_share", Kind.INTEGER), unit="percent", scale=2),
    replace(derived("destination.non_eu_share", Kind.INTEGER), unit="percent", scale=2),
    fact("transfer.assessed", Kind.TRUTH, Origin.VERIFIER),
    fact("transfer.report", Kind.TERM, Origin.REQUEST),
)
PROFILE_FACT = FactType(
    PROFILE_PATH,
    Kind.TERM,
    Origin.CATALOGUE,
    (),
    title="The profile that the caller has",
    values=("banks", "clinics"),
)
HOLDERS = ListType(
    "destination.holders",
    Origin.CATALOGUE,
    ("resource", "properties", "holders"),
    "Who owns it",
    {
        "country": replace(fact("country", Kind.TERM), values=COUNTRIES),
        "share": SHARE,
        "since": fact("since", Kind.DAY),
    },
)
FOREIGN = Not(OneOf("holders.country", ("DE", "FR")))
DERIVED = {
    "contract.age": DaysBetween("contract.notified_on", None, ZONE),
    "contract.notice_ends": Shift("contract.notified_on", 6, 0),
    "destination.holders_known": Tally(
        Aggregate.NUMBER, "destination.holders", None, Constant(value=True)
    ),
    "destination.largest_share": Tally(
        Aggregate.LARGEST, "destination.holders", "share", NotBefore("holders.since", ZONE, -365), 0
    ),
    "destination.non_eu_share": Tally(Aggregate.SUM, "destination.holders", "share", FOREIGN),
}
PROFILES = (
    Profile("banks", "What banks run under", ("test.whole",), ("bank-a",)),
    Profile("clinics", "What hospitals run under", ("test.whole",), ()),
)
OF_ANY = OneOf(PROFILE_PATH, ("banks", "clinics"))
OF_BANKS = OneOf(PROFILE_PATH, ("banks",))


def rule(
    name: str,
    effect: Effect,
    formula: Condition,
    *,
    level: Level = Level.ENFORCE,
    weight: int = 0,
    duties: tuple[Duty, ...] = (),
    exceptions: tuple[ExceptionNote, ...] = (),
) -> Rule:
    return Rule(
        id=f"test.whole/{name}",
        effect=effect,
        actions=("place",),
        formula=formula,
        title=f"The rule {name}",
        citations=GDPR,
        because="The law says so.",
        remedies=("Choose another site.",),
        exceptions=exceptions,
        duties=duties,
        level=level,
        weight=weight,
    )


def duty(of: str, name: str, condition: Condition, **more: object) -> Duty:
    rule_id = f"test.whole/{of}"
    made = Duty(f"{rule_id}#{name}", name, f"Do {name}", rule_id, condition, GDPR)
    return replace(made, **more)


ENDING = Not(NotBefore("contract.ends", ZONE, 31))
PERSONAL = Touches("data.labels", ("personal",))
NOTIFY = duty(
    "ending",
    "notify",
    OF_ANY,
    due=Due(72 * 60, DueUnit.MINUTES),
    parameters=(("authority", "bnetza"), ("copies", 2), ("urgent", True)),
)
KEEP = duty("transfers", "keep", Holds("transfer.assessed"), due=Due(6, DueUnit.MONTHS))
LOGS = duty("start-logs", "start-logs", OF_ANY, kind=DutyKind.ADVICE)
RULES = (
    rule("assured", Effect.PREFER, OneOf("csf.seal[SOV-2]", ("SEAL-2",)), weight=10),
    replace(rule("banks", Effect.PERMIT, OF_BANKS), citations=(), because="The profile permits."),
    rule("ending", Effect.FORBID, And((OF_ANY, ENDING)), duties=(NOTIFY,)),
    rule(
        "foreign",
        Effect.FORBID,
        And((OF_ANY, AtLeast("destination.non_eu_share", 2401))),
        level=Level.WARN,
    ),
    rule("later", Effect.PERMIT, InForce(ZONE, 20_000, 20_100), level=Level.SHADOW),
    rule("open", Effect.PERMIT, And((OF_ANY, Known("transfer.report")))),
    rule("start-logs", Effect.OBLIGE, OF_ANY, duties=(LOGS,)),
    rule(
        "transfers",
        Effect.FORBID,
        And(
            (
                OF_ANY,
                PERSONAL,
                Not(Within("destination.countries", ("DE", "FR"))),
                Or((Not(Known("transfer.report")), Not(Holds("transfer.assessed")))),
                AtLeast("destination.margin", -5),
                Not(AtLeast("contract.notice_ends", 20_500)),
            )
        ),
        duties=(KEEP,),
        exceptions=(ExceptionNote("test.whole/transfers/way", "A way", GDPR, PERSONAL),),
    ),
)
INVARIANTS = (
    Invariant(
        "test.whole/health-at-home",
        "Health data never leaves",
        ("place",),
        And((Touches("data.labels", ("health",)), Not(Known("transfer.report")))),
        GDPR,
    ),
)

PROGRAM = Program(
    facts=dict(sorted({f.path: f for f in (*FACTS, PROFILE_FACT)}.items())),
    places=(Place("destination", "site", ("resource",), ("place",)),),
    actions=("flow", "place"),
    rules=RULES,
    lists={HOLDERS.path: HOLDERS},
    derived=DERIVED,
    profiles=PROFILES,
    invariants=INVARIANTS,
)
