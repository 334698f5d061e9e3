"""Charters that nobody wrote, as text, and questions about them.

Every construct of the grammar occurs, in any nesting, and all of them compile without an
error. What is said comes from one source of chance and how it is said from another, so
that `sources_of` can say the same in other words.
"""

from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from dsl.codes import Code
from dsl.compile import compile_charters
from dsl.core import Program
from dsl.derive import derive
from dsl.facts import Question, fit_all, fit_list
from dsl.source import SourceText
from tests.dsl.generate_examples import assumption
from tests.dsl.generate_rules import DERIVED, Rules, a_zone, derivations
from tests.dsl.generate_spelling import Speller
from tests.dsl.generate_words import START, TIME_ZONES, VOCABULARY
from tests.dsl.naive_facts import Asked

FIXED: frozenset[str] = frozenset(("AT", "BE", "DE"))
LAWS = (
    '  law ACT "The act" celex 32016R0679\n'
    '  law DECISION "The decision" url "https://example.org/decision"\n'
)
ANYTHING = 'rule anything "Anything"\n  cites ACT art 1\n  on place, flow\n  permit\n'


@dataclass(frozen=True)
class _Zones:
    text: str
    named: dict[str, frozenset[str]]


def sources_of(rng: Random, speller: Speller | None = None) -> list[SourceText]:
    """A vocabulary, and two charters of rules that import it.

    Args:
        rng: Decides what the charters say.
        speller: Decides how they say it; the plainest way without one.
    """
    while True:
        before = rng.getstate()
        plain = _said(rng, Speller())
        if not contradicts(plain):
            break
    if speller is None:
        return plain
    # What is drawn again must not depend on how it is said.
    rng.setstate(before)
    return _said(rng, speller)


# A rule that can never apply, or an exception that leaves nothing of its rule, is an error,
# and chance writes one now and then.
CONTRADICTIONS = {Code.NEVER_IN_FORCE, Code.EXCEPTION_WIDER, Code.CONTRADICTION}


def contradicts(sources: list[SourceText]) -> bool:
    return any(error.code in CONTRADICTIONS for error in compile_charters(sources).errors)


def _said(rng: Random, say: Speller) -> list[SourceText]:
    zones = _zones(rng, say)
    # Not every charter has derived facts: a program without lists is one to test as well.
    derived = frozenset(DERIVED) if rng.random() < 0.7 else frozenset[str]()
    words = VOCABULARY + zones.text
    words += derivations(rng, say, zones.named) if derived else ""
    near = {**zones.named, "NEAR": FIXED | {"NO"}}
    rules = Rules(rng, say, near, derived)
    more = Rules(rng, say, zones.named, derived)
    body = 'zone NEAR "Near" as FIXED + {NO}\n\n'
    if rng.random() < 0.4:
        body += assumption(rng, say) + "\n"
    body += "\n".join(rules.rule(number) for number in range(rng.randint(1, 4)))
    if rng.random() < 0.15:
        body += "\n" + rules.clash(9)
    if rng.random() < 0.5:
        body += "\n" + ANYTHING
    if rng.random() < 0.5:
        body += "\n" + "\n".join(_profiles(rng, rules))
    if rng.random() < 0.5:
        body += "\n" + rules.invariant("invariant-1")
    others = "\n".join(more.rule(number) for number in range(rng.randint(1, 2)))
    return [
        SourceText("words.charter", say.text(words)),
        SourceText("more.charter", say.text(_head("generated.more", "generated.words") + others)),
        SourceText(
            "rules.charter",
            say.text(_head("generated.rules", "generated.words", "generated.more") + body),
        ),
    ]


def _head(name: str, *imports: str) -> str:
    head = f"charter {name}\n{LAWS}  time zone {TIME_ZONES[0]}\n  as of {START}\n"
    return head + "".join(f"import {other}\n" for other in imports) + "\n"


def _zones(rng: Random, say: Speller) -> _Zones:
    """Zones of dated members, and one put together of others."""
    named = {"FIXED": FIXED}
    text = ""
    for name in ("EARLY", "LATE"):
        lines, named[name] = a_zone(rng, say, name)
        text += "\n" + lines
    taken = rng.choice(("{DE}", "EARLY"))
    kept = FIXED - (named["EARLY"] if taken == "EARLY" else {"DE"})
    if kept:
        text += f'\nzone MIXED "Put together" as FIXED + LATE - {taken}\n'
        named["MIXED"] = FIXED | named["LATE"]
    return _Zones(text + "\n", named)


def _profiles(rng: Random, rules: Rules) -> list[str]:
    both = ["generated.rules", "generated.more"]
    tenants = rng.choice((["clinic-a"], ["clinic-a", "clinic-b"]))
    return [
        rules.profile("clinics", rng.choice((both, both[:1], both[1:])), tenants),
        rules.profile("others", rng.choice((both, both, both[:1])), []),
    ]


def question_of(program: Program, asked: Asked) -> Question:
    """What the engines see of a question: facts fit and derived facts computed."""
    facts = fit_all(program.facts, asked.stated)
    fitted = {path: fit_list(program.lists[path], raw) for path, raw in asked.lists.items()}
    lists = {path: elements for path, elements in fitted.items() if elements is not None}
    derived = derive(program, facts, lists, asked.today)
    return Question(asked.action, {**facts, **derived}, asked.today)


# --- for properties ------------------------------------------------------------------


def chance(*seed: int) -> Random:
    """A source of chance that gives the same each time."""
    return Random(" ".join(map(str, seed)))  # noqa: S311 - nothing is kept secret


def seeds() -> st.SearchStrategy[int]:
    """Drawing each choice from hypothesis would shrink charters, in minutes and not well."""
    return st.integers(0, 2**32)


def sources() -> st.SearchStrategy[list[SourceText]]:
    return seeds().map(lambda seed: sources_of(chance(seed)))
