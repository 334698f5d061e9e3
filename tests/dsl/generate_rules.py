"""Rules, derived facts, profiles and invariants that nobody wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from tests.dsl.generate_conditions import Conditions
from tests.dsl.generate_examples import an_example
from tests.dsl.generate_spelling import Speller
from tests.dsl.generate_words import COUNTRIES, SPAN, START, TIERS, Amount

CITATIONS = ("ACT art 1", "ACT art 46(2)(c)", "ACT annex III point 4.2", "DECISION recital 7")
EFFECTS = ("permit", "forbid", "require", "require", "oblige", "prefer")
# Whether `is known` may affirm in the condition of a rule, by its effect.
KNOWN_AFFIRMS = {"permit": True, "prefer": True, "forbid": False, "require": False, "oblige": False}
DUTIES = ("oblige keep-record", "oblige tell-officer", "oblige notify", "oblige seal-off")
ADVICE = ("advise start-logs", "advise tune")
DERIVED = (
    "destination.foreign_share",
    "destination.top_share",
    "destination.least_gain",
    "destination.heads",
    "transfer.lag",
    "transfer.check_age",
    "transfer.ends",
    "transfer.noticed",
    "transfer.matches",
    "destination.agrees",
)


def a_day(rng: Random) -> date:
    return START + timedelta(days=rng.randint(0, SPAN))


def a_period(rng: Random, speller: Speller) -> str:
    """`from`, `until` or both, in either order, never empty."""
    first, last = sorted([a_day(rng), a_day(rng)])
    match rng.randint(0, 2):
        case 0:
            return f"from {first}"
        case 1:
            return f"until {last}"
        case _:
            return " ".join(speller.shuffled([f"from {first}", f"until {last}"]))


def a_zone(rng: Random, speller: Speller, name: str) -> tuple[str, frozenset[str]]:
    """A zone of dated members, and all values that are ever in it."""
    lines = [f'zone {name} "Dated"']
    seen: set[tuple[str, str]] = set()
    for _ in range(rng.randint(1, 5)):
        country, period = rng.choice(COUNTRIES), a_period(rng, speller)
        if (country, " ".join(sorted(period.split()))) not in seen:
            seen.add((country, " ".join(sorted(period.split()))))
            basis = rng.choice(("", ' cites "A decision"', " celex 32026D0179"))
            lines.append(f"  member {country}{basis} {period}")
    return "\n".join(lines) + "\n", frozenset(country for country, _ in seen)


OF_THE_CATALOGUE = (
    "destination.countries within origin.countries",
    "origin.countries touches destination.countries",
    "destination.seat in destination.countries",
    "origin.countries has destination.seat",
)


# --- derived facts -------------------------------------------------------------------


def derivations(rng: Random, speller: Speller, zones: Mapping[str, frozenset[str]]) -> str:
    """Every kind of derived fact, each with conditions of its own."""
    holders = "destination.holders"

    def where() -> str:
        if rng.random() < 0.2:
            return ""
        return f" where {element_condition(rng, speller, zones)}"

    top = speller.amount(rng.choice((0, 2450)), "percent", 2)
    least = speller.amount(rng.choice((0, 2, -1)), "eur")
    months, days = rng.choice((1, 2, 12, 24)), rng.choice((1, 7, 14))
    moves = [
        f"plus {speller.amount(months, 'months')}",
        f"minus {speller.amount(months, 'months')}",
        f"plus {speller.days(days)}",
        f"minus {speller.days(days)}",
    ]
    words = ("at least", "at most", "more than", "less than")
    whens = ("before", "after", "on or before", "on or after", "=", "is not")
    comparisons = [
        f"data.owner {rng.choice(('=', 'is not'))} user.id",
        "data.sealed = destination.certified",
        f"transfer.age {rng.choice((*words, '=', 'is not'))} transfer.grace",
        f"destination.grade {rng.choice((*words, '=', 'is not'))} transfer.wanted",
        f"transfer.began {rng.choice(whens)} transfer.assessed_on",
        "data.labels has data.kind",
    ]
    spans = ["transfer.assessed_on to today", "today to transfer.assessed_on"]
    return "\n".join(
        [
            f'derive {DERIVED[0]} "Foreign" as the sum of {holders}.share{where()}',
            f"derive {DERIVED[1]} as the largest {holders}.share{where()} else {top}",
            f"derive {DERIVED[2]} as the smallest {holders}.gain{where()} else {least}",
            f"derive {DERIVED[3]} as the number of {holders}{where()}",
            f"derive {DERIVED[4]} as the days from destination.opened to transfer.began",
            f"derive {DERIVED[5]} as the days from {rng.choice(spans)}",
            f'derive {DERIVED[6]} "Ends" as transfer.began {rng.choice(moves)}',
            f"derive {DERIVED[7]} as transfer.assessed_on {rng.choice(moves)}",
            f'derive {DERIVED[8]} "Matches" as whether {rng.choice(comparisons)}',
            f"derive {DERIVED[9]} as whether {rng.choice(OF_THE_CATALOGUE)}",
            "",
        ]
    )


def element_condition(rng: Random, speller: Speller, zones: Mapping[str, frozenset[str]]) -> str:
    """A condition over the fields of an element of the list."""
    conditions = Conditions(rng, speller, zones)
    gain = Amount("holders.gain", "eur", negative=True)
    tests = [
        f"holders.country in {conditions.region()}",
        f"not holders.country in {conditions.region()}",
        conditions.compare(Amount("holders.share", "percent", 2)),
        conditions.compare(gain if rng.random() < 0.5 else Amount("holders.seats", "persons")),
        speller.atom("holders.voting", "holders.voting = yes"),
        f"holders.tier at least {rng.choice(TIERS[1:])}",
        speller.before("holders.since", rng.choice(("before", "on or after")), a_day(rng)),
        speller.around_today("holders.since", "after", rng.choice((-7, -2, 0))),
        speller.recently("holders.since", 7),
    ]
    chosen = rng.sample(tests, rng.choice((1, 1, 2)))
    return chosen[0] if len(chosen) == 1 else speller.joined(rng.choice(("and", "or")), chosen)


# --- duties --------------------------------------------------------------------------


def a_duty(rng: Random, speller: Speller, words: str) -> str:
    """An `oblige` or `advise` clause with all its parameters and a deadline."""
    given = {
        "oblige notify": [
            "authority = " + rng.choice(("bnetza", '"The office"')),
            f"copies = {rng.randint(1, 3)} items",
        ],
        "oblige seal-off": [
            f"grade = {rng.choice(('SEAL-1', 'SEAL-3'))}",
            f"last_day = {a_day(rng)}",
            f"part = {speller.amount(rng.choice((0, 2450)), 'percent', 2)}",
            f"whole = {rng.choice(('yes', 'no'))}",
        ],
        "advise tune": [f"day = {a_day(rng)}"],
    }.get(words, [])
    text = words
    if given:
        text += " with " + ", ".join(speller.shuffled(given))
    if words == "oblige notify" or (words.startswith("oblige") and rng.random() < 0.5):
        text += f" within {_due(rng, speller)}"
    return text


def _due(rng: Random, speller: Speller) -> str:
    match rng.randint(0, 3):
        case 0:
            return speller.amount(rng.choice((30, 60, 120, 4320)), "minutes")
        case 1:
            return speller.days(rng.choice((1, 14, 30)))
        case 2:
            return speller.amount(rng.choice((1, 6, 12)), "months")
        case _:
            return f"{rng.choice((1, 72))} hours"


# --- rules ---------------------------------------------------------------------------


@dataclass
class Rules:
    """Draws the rules of one charter, which reads the zones and derived facts named."""

    rng: Random
    speller: Speller
    zones: Mapping[str, frozenset[str]]
    derived: frozenset[str]

    def rule(self, number: int) -> str:
        rng = self.rng
        effect = rng.choice(EFFECTS)
        # One obligation has the same parameters wherever a rule lays it down: exceptions
        # that may hold together must not ask for two things.
        duties = {words: a_duty(rng, self.speller, words) for words in (*DUTIES, *ADVICE)}
        # A permission that asks what is known has no duties: whoever hides the fact would
        # escape them by way of another permission.
        asks = rng.random() < 0.5
        known = KNOWN_AFFIRMS[effect] if asks or effect != "permit" else None
        if effect == "prefer" or (effect == "permit" and asks):
            duties = dict[str, str]()
        own = self._duties(duties)
        if effect == "oblige" and not own:
            own = [duties["oblige keep-record"]]
        actions = rng.choice(("place", "flow", "place, flow"))
        clauses = [
            f"on {actions}",
            *self._conditional(effect, known),
            *self._effect(effect),
            *self._level(effect),
        ]
        lines = [f"cites {rng.choice(CITATIONS)}", *self.speller.shuffled(clauses), *own]
        text = f'rule rule-{number} "Rule {number}"\n' + "".join(f"  {line}\n" for line in lines)
        exceptions = rng.choice((0, 0, 1, 2))
        text += self._exceptions(exceptions, duties)
        text += '  because "The act says so," "and it says why."\n'
        if effect in ("forbid", "require"):
            text += '  remedy "Choose another site."\n'
        ways = [f"way-{n}" for n in range(exceptions)]
        for example in range(rng.choice((0, 0, 1, 2))):
            named = f"rule-{number} Example {example}"
            text += an_example(rng, self.speller, effect, named, ways, actions)
        return text

    def conditions(self) -> Conditions:
        return Conditions(self.rng, self.speller, self.zones, self.derived)

    def _conditional(self, effect: str, known: bool | None) -> list[str]:
        lines: list[str] = []
        if self.rng.random() < 0.4:
            lines.append(f"in force {a_period(self.rng, self.speller)}")
        if effect == "forbid" or self.rng.random() < 0.75:
            lines.append(f"when {self.conditions().condition(known=known)}")
        return lines

    def _effect(self, effect: str) -> list[str]:
        match effect:
            case "require":
                return [f"require {self.conditions().condition(known=True)}"]
            case "prefer":
                return [f"prefer {self.rng.choice((1, 10, 1000))}"]
            case "oblige":
                return []
            case _:
                return [effect]

    def _level(self, effect: str) -> list[str]:
        if effect in ("oblige", "prefer") or self.rng.random() < 0.65:
            return []
        return [f"level {self.rng.choice(('enforce', 'warn', 'shadow', 'shadow'))}"]

    def _duties(self, duties: Mapping[str, str]) -> list[str]:
        return [duties[words] for words in sorted(duties) if self.rng.random() < 0.15]

    def _exceptions(self, count: int, duties: Mapping[str, str]) -> str:
        text = ""
        for number in range(count):
            lines = [f"cites {self.rng.choice(CITATIONS)}"]
            if self.rng.random() < 0.3:
                lines.append(f"in force {a_period(self.rng, self.speller)}")
            lines.append(f"when {self.conditions().condition()}")
            lines += self._duties(duties)
            text += f'  except way-{number} "Way {number}"\n'
            text += "".join(f"    {line}\n" for line in lines)
        return text

    def clash(self, number: int) -> str:
        """A rule of which two exceptions ask for two things, and never hold together."""
        first, second = self.conditions().apart()
        duties = ("seal-off with grade = SEAL-1", "seal-off with grade = SEAL-3")
        rest = f", last_day = {START}, part = 1 percent, whole = no"
        text = f'rule rule-{number} "Rule {number}"\n  cites ACT art 1\n  on place, flow\n'
        text += "  when data.sealed\n  forbid\n"
        for name, when, duty in zip(("one", "two"), (first, second), duties, strict=True):
            text += f'  except {name} "Way {name}"\n    cites ACT art 1\n    when {when}\n'
            text += f"    oblige {duty}{rest}\n"
        return text + '  because "It says so."\n  remedy "Do."\n'

    def profile(self, name: str, charters: list[str], tenants: list[str]) -> str:
        text = f'profile {name} "Profile {name}"\n  charters {", ".join(charters)}\n'
        text += f"  tenants {', '.join(tenants)}\n" if tenants else ""
        if self.rng.random() < 0.8:
            text += "  permit " + self.rng.choice(("place", "place, flow")) + "\n"
            if self.rng.random() < 0.5:
                text += f"  when {self.conditions().condition(known=True, leaves=2)}\n"
        return text

    def invariant(self, name: str) -> str:
        cites = self.rng.choice(("", "  cites ACT art 1\n"))
        conditions = self.conditions().condition(known=self.rng.choice((True, False)))
        return f'invariant {name} "Never {name}"\n{cites}  on place\n  never permits {conditions}\n'
