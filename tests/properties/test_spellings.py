"""Two spellings of one meaning compile to one core."""

from collections import Counter

from hypothesis import assume, given, settings

from dsl.compile import compile_charters
from dsl.core_json import program_digest
from tests.dsl import generate
from tests.dsl.generate_spelling import Speller


@settings(deadline=None, max_examples=60)
@given(generate.seeds(), generate.seeds())
def test_another_spelling_compiles_to_the_same_core(seed: int, other: int) -> None:
    plain = compile_charters(generate.sources_of(generate.chance(seed)))
    speller = Speller(generate.chance(other))
    sources = generate.sources_of(generate.chance(seed), speller)
    # Not every contradiction is found in every spelling; what is found is an error.
    assume(not generate.contradicts(sources))
    spelt = compile_charters(sources)
    assert spelt.errors == plain.errors == ()
    assert plain.program is not None
    assert spelt.program is not None
    assert spelt.program == plain.program
    assert program_digest(spelt.program) == program_digest(plain.program)


def test_another_spelling_is_other_text() -> None:
    """The property above would hold of a speller that changes nothing."""
    words: Counter[str] = Counter()
    for seed in range(30):
        speller = Speller(generate.chance(seed, 1))
        plain = generate.sources_of(generate.chance(seed))
        spelt = generate.sources_of(generate.chance(seed), speller)
        assert [source.text for source in plain] != [source.text for source in spelt]
        text = " ".join(source.text for source in spelt)
        words.update(word for word in SPELLINGS if word in text)
    assert all(words[word] for word in SPELLINGS), words


SPELLINGS = ("not not", "weeks", "0 %", "# a comment", "hours", "\r\n", "12 345", "kilowatts", "((")


def test_other_meanings_compile_to_another_core() -> None:
    programs = {
        program_digest(compile_charters(generate.sources_of(generate.chance(seed))).require()[1])
        for seed in range(30)
    }
    assert len(programs) == 30
