"""Examples that nobody wrote: they are read and checked, and their outcome is not asserted."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from tests.dsl.generate_spelling import Speller
from tests.dsl.generate_words import COUNTRIES, LABELS, OBJECTIVES, SEALS, SPAN, START, TIERS, TOOLS


def an_example(
    rng: Random, speller: Speller, effect: str, named: str, ways: Sequence[str], actions: str
) -> str:
    """An example of a rule of that effect, with some facts given and some unknown; `named`
    is the name of the rule and the title of the example."""
    rule, _, title = named.partition(" ")
    text = f'  example "{title}" is {_outcome(rng, effect, rule, ways)}\n'
    lines = givens(rng, speller)
    if rng.random() < 0.5:
        lines.append(f"as of {START + timedelta(days=rng.randint(0, SPAN))}")
    if rng.random() < 0.3:
        lines.append(f"for {rng.choice(actions.split(', '))}")
    return text + "".join(f"    {line}\n" for line in lines)


def _outcome(rng: Random, effect: str, rule: str, ways: Sequence[str]) -> str:
    if effect == "prefer":
        return rng.choice(("preferred", "permitted"))
    refuses = effect in ("forbid", "require")
    grounds = list(ways) if refuses else [rule] if effect == "permit" else []
    permitted = "permitted"
    if grounds and rng.random() < 0.5:
        permitted += f" by {rng.choice(grounds)}"
    if rng.random() < 0.3:
        permitted += " with keep-record"
    if rng.random() < 0.3:
        permitted += " advised start-logs"
    if not refuses:
        return permitted
    by = f" by {rule}" if rng.random() < 0.4 else ""
    return rng.choice((f"denied{by}", f"denied{by}", f"undetermined{by}", permitted))


def assumption(rng: Random, speller: Speller) -> str:
    """What examples of a charter take for granted."""
    return "assume\n" + "".join(f"  {line}\n" for line in givens(rng, speller))


def givens(rng: Random, speller: Speller) -> list[str]:
    """`path = value` for about half of the facts, each once."""
    day = START + timedelta(days=rng.randint(0, SPAN))
    seals = [f"destination.seal[{key}] = {rng.choice(SEALS)}" for key in OBJECTIVES[:1]]
    given = [
        f"data.labels = {{{rng.choice(LABELS)}}}",
        f"data.kind = {rng.choice(LABELS)}",
        f"data.sealed = {rng.choice(('yes', 'no'))}",
        f"data.rows = {speller.amount(12345, 'persons')}",
        f"transfer.tool = {rng.choice((*TOOLS, 'unknown'))}",
        f"transfer.tier = {rng.choice(TIERS)}",
        f"transfer.part = {speller.amount(rng.choice((0, 245)), 'percent', 1)}",
        f"transfer.began = {day}",
        f"every transfer.done = {rng.choice(('yes', 'no'))}",
        f"transfer.where[{rng.choice(OBJECTIVES)}] = {rng.choice(COUNTRIES)}",
        f"user.id = {rng.choice(('clinic', 'unknown'))}",
    ]
    place = [
        f"destination.countries = {{{rng.choice(COUNTRIES)}}}",
        "destination.marks = {}",
        f"destination.load = {speller.amount(rng.choice((5, 10)), 'megawatts', 1)}",
        f"destination.margin = {speller.amount(-2, 'eur')}",
        f"every destination.seal = {rng.choice(SEALS)}",
        *seals,
    ]
    site = rng.choice((["destination = aws/us-east-1"], place, []))
    return [line for line in given if rng.random() < 0.5] + site
