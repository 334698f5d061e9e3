"""What the properties are true of: generated charters compile and use the whole language."""

from collections import Counter

from hypothesis import given, settings

from dsl.compile import compile_charters
from dsl.diagnostics import Severity
from tests.dsl import generate
from tests.dsl.constructs import constructs, every_construct
from tests.dsl.generate_spelling import Speller

MANY = 60


def test_every_construct_of_the_language_occurs() -> None:
    found: Counter[str] = Counter()
    for number in range(MANY):
        found += constructs(generate.sources_of(generate.chance(number)))
    assert sorted(every_construct() - found.keys()) == []


def test_the_list_of_constructs_is_that_of_the_tree() -> None:
    listed = every_construct()
    assert {"Quantifier.EVERY", "Relation.NOT_KNOWN", "Invariant", "Derive", "Profile"} <= listed
    assert len(listed) > 100


def test_a_construct_that_does_not_occur_is_missed() -> None:
    found = constructs(generate.sources_of(generate.chance(0))[:1])
    assert "Taxonomy" in found
    assert "Rule" not in found


@settings(max_examples=60, deadline=None)
@given(generate.seeds())
def test_every_generated_charter_compiles(seed: int) -> None:
    for speller in (None, Speller(generate.chance(seed))):
        sources = generate.sources_of(generate.chance(seed), speller)
        compiled = compile_charters(sources)
        if speller is not None and generate.contradicts(sources):
            continue  # found in this spelling, and not in the plain one
        errors = [d for d in compiled.diagnostics if d.severity is Severity.ERROR]
        assert errors == []
