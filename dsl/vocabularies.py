"""Stage 2, vocabularies: enumerations, and taxonomies closed upward."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from typing import cast

from dsl import tree
from dsl.codes import Code
from dsl.diagnostics import Fix, Label, Severity, quoted
from dsl.facts import MAX_TERM_LENGTH, MAX_TERMS
from dsl.found import Found, spelling
from dsl.imports import shown_circle, turned
from dsl.lookalikes import check_looks
from dsl.scope import Vocabulary
from dsl.tree import Word

MAX_VALUES = 2_000
MAX_LEVELS = 32
MAX_LISTED = 12

Declared = tree.Enumeration | tree.Levels | tree.Taxonomy


def vocabulary(charter: tree.Charter, declared: Declared, found: Found) -> Vocabulary | None:
    """The vocabulary that a charter declares, or None where the declaration cannot be one."""
    match declared:
        case tree.Enumeration():
            made = enumeration(declared, found)
        case tree.Levels():
            made = levels(declared, found)
        case tree.Taxonomy():
            made = taxonomy(declared, found)
    return made and replace(made, charter=charter.name.text)


def choose(known: Vocabulary, charter: str) -> str:
    """What to write in `charter` in place of a value that is not known. Nobody is invited to
    add to the vocabulary of another charter."""
    shown = [f"`{spelling(value)}`" for value in known.values[:MAX_LISTED]]
    owner = f"; they are declared in {known.charter}" if known.charter else ""
    own = ", or declare this one" if known.charter == charter else owner
    if known.are_codes and len(known.values) > 1:
        sample = "DE" if "DE" in known.known else known.values[0]
        return f"the values of `{known.name}` are two-letter codes, such as `{sample}`{own}"
    if len(known.values) > MAX_LISTED:
        return f"choose one of the values of `{known.name}`{own}"
    return f"write {listed(shown)}{own}"


def listed(shown: Sequence[str]) -> str:
    """Names in a row, with `or` before the last."""
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def enumeration(declared: tree.Enumeration, found: Found) -> Vocabulary | None:
    """The vocabulary of an enumeration, or None where it cannot be one."""
    found.twice("value", declared.values, verb="listed")
    if not _fit(declared.name, declared.values, found):
        return None
    return Vocabulary(
        declared.name.text, tuple(sorted({word.text for word in declared.values})), {}
    )


def levels(declared: tree.Levels, found: Found) -> Vocabulary | None:
    """The vocabulary of ordered levels, or None where it cannot be one."""
    before = found.errors
    found.twice("level", declared.values, verb="listed")
    if found.errors > before or not _fit(declared.name, declared.values, found):
        return None
    order = tuple(word.text for word in declared.values)
    return Vocabulary(declared.name.text, tuple(sorted(order)), {}, order=order)


def check_ladders(declared: Sequence[tree.Levels], found: Found) -> None:
    """Warn of two levels that stand the other way round in other levels: whoever reads the
    one with the other in mind would take more for less."""
    above: dict[tuple[str, str], Word] = {}
    for levels_ in declared:
        pairs = list(combinations(levels_.values, 2)) if len(levels_.values) <= MAX_LEVELS else []
        turned_ = next(((a, b) for a, b in pairs if (b.text, a.text) in above), None)
        if turned_ is not None:
            lower, higher = turned_
            found.report(
                Code.LADDERS,
                f"{quoted(higher.text)} lies above {quoted(lower.text)} here, and below it in "
                "other levels",
                higher.span,
                "give the levels other names, or put them in the same order",
                Label(above[higher.text, lower.text].span, "the other way round"),
                severity=Severity.WARNING,
            )
        above.update({(a.text, b.text): b for a, b in pairs})


def taxonomy(declared: tree.Taxonomy, found: Found) -> Vocabulary | None:
    """The vocabulary of a taxonomy, or None where its terms have no order."""
    words = [term.name for term in declared.terms]
    found.twice("term", words, verb="listed")
    if not _fit(declared.name, words, found):
        return None
    parents = _parents(declared, found)
    order = _order(declared, parents, found)
    if order is None:
        return None
    above: dict[str, frozenset[str]] = {}
    levels: dict[str, int] = {}
    for name in order:
        above[name] = frozenset(parents[name]).union(*(above[parent] for parent in parents[name]))
        levels[name] = 1 + max((levels[parent] for parent in parents[name]), default=0)
        if levels[name] > MAX_LEVELS or len(above[name]) > MAX_TERMS // 2:
            _too_deep(declared, name, found)
            return None
    broader = {name: tuple(sorted(terms)) for name, terms in sorted(above.items()) if terms}
    return Vocabulary(declared.name.text, tuple(sorted(parents)), broader)


def _fit(owner: Word, words: Sequence[Word], found: Found) -> bool:
    if len(words) > MAX_VALUES:
        found.report(
            Code.TOO_LARGE,
            f"{quoted(owner.text)} has {len(words):,} values, and {MAX_VALUES:,} is the limit",
            owner.span,
            "use `identifier` for what is not a closed list",
        )
        return False
    unfit = [word for word in words if not check_value(word, found)]
    return not unfit


def check_value(word: Word, found: Found) -> bool:
    """Whether a fact could ever have this value (`dsl.facts`); else it is reported."""
    if word.quoted and word.span.text[1:-1] not in ("", word.text) and word.text:
        # Texts are read with single spaces, values are compared as they are.
        found.report(
            Code.UNFIT_VALUE,
            f"{quoted(word.span.text)} has spaces that would not count",
            word.span,
            f'write `"{word.text}"`',
            fix=Fix(word.span, f'"{word.text}"'),
        )
        return False
    fit = 0 < len(word.text) <= MAX_TERM_LENGTH and word.text.isprintable()
    if not fit:
        found.report(
            Code.UNFIT_VALUE,
            f"{quoted(word.span.text)} cannot be a value",
            word.span,
            f"write between 1 and {MAX_TERM_LENGTH} letters, digits, signs and spaces",
        )
    return fit and check_looks(word, found)


def _parents(declared: tree.Taxonomy, found: Found) -> dict[str, set[str]]:
    parents: dict[str, set[str]] = {term.name.text: set() for term in declared.terms}
    for term in declared.terms:
        for word in term.under:
            if word.text in parents:
                parents[term.name.text].add(word.text)
            else:
                what = f"term of {declared.name.text}"
                help_ = "declare it as a term of this taxonomy"
                found.unknown(Code.UNKNOWN_VALUE, what, word, parents, help_=help_)
    return parents


def _order(
    declared: tree.Taxonomy, parents: Mapping[str, set[str]], found: Found
) -> tuple[str, ...] | None:
    try:
        graph = {name: sorted(parents[name]) for name in sorted(parents)}
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = cast("list[str]", error.args[1])
    word = next(term.name for term in declared.terms if term.name.text in circle)
    found.report(
        Code.TAXONOMY_CYCLE,
        f"terms lie under each other in a circle: {shown_circle(turned(circle, word.text))}",
        word.span,
        "remove one `under`",
    )
    return None


def _too_deep(declared: tree.Taxonomy, name: str, found: Found) -> None:
    word = next(term.name for term in declared.terms if term.name.text == name)
    found.report(
        Code.TOO_LARGE,
        f"{quoted(name)} lies under more terms than a taxonomy may have",
        word.span,
        f"keep to {MAX_LEVELS} levels and {MAX_TERMS // 2} terms above each",
        Label(declared.name.span, "the taxonomy"),
    )
