"""What a rule is made of, as its author wrote it: each condition in words, and the same as a
form in which every comparison is one name. The form is what truth tables are made from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dsl import core, model, tree
from dsl.core import Condition, Holds, opposite
from dsl.lower_condition import condition as lowered
from dsl.lower_condition import conjunction
from dsl.wording import AllOf, AnyOf, Phrase, period, sentence
from dsl.wording_tree import written_in_words


@dataclass(frozen=True)
class Part:
    """A condition: in words, lowered to the core, and as a form over `Holds(name)`, where
    `columns` says in words and in the core what each name stands for."""

    phrase: Phrase
    condition: Condition
    form: Condition
    columns: Mapping[str, tuple[str, Condition]]

    def together(self, words: str) -> "Part":
        """The same as one column."""
        return single(words, self.condition, self.phrase)


def single(words: str, condition: Condition, phrase: Phrase | None = None) -> Part:
    """A condition as one column. What lowers to the same has the same name."""
    name = repr(condition)
    return Part(phrase or words, condition, Holds(name), {name: (words, condition)})


@dataclass(frozen=True)
class Parts:
    """A rule by its clauses. `when` and `require` are divided between top-level `and`s;
    `names` are those of the exceptions, and `saying` what they say without their dates, which
    `exceptions` include."""

    in_force: Part | None
    when: tuple[Part, ...]
    require: tuple[Part, ...]
    exceptions: tuple[Part, ...]
    names: tuple[str, ...]
    saying: tuple[Phrase, ...]


def parts_of(rule: model.Rule, written: tree.Rule) -> Parts:
    """The parts of a rule; `written` is the same rule as it stands in its charter."""
    when, require = _clauses(written.clauses)
    exceptions: list[Part] = []
    saying: list[Phrase] = []
    for exception, wrote in zip(rule.exceptions, written.exceptions, strict=True):
        own, _ = _clauses(wrote.clauses)
        assert own is not None  # noqa: S101 - the checker's: an exception has a condition
        holds = part_of(exception.when, own)
        dated = _period(exception.in_force, f"the exception {wrote.name.text}")
        exceptions.append(holds if dated is None else _both(dated, holds))
        saying.append(holds.phrase)
    return Parts(
        _period(rule.in_force, "the rule"),
        _divided(rule.when, when),
        _divided(rule.require, require),
        tuple(exceptions),
        tuple(wrote.name.text for wrote in written.exceptions),
        tuple(saying),
    )


def _clauses(
    clauses: tuple[tree.RuleClause, ...],
) -> tuple[tree.Condition | None, tree.Condition | None]:
    when = next((c.condition for c in clauses if isinstance(c, tree.When)), None)
    require = next((c.condition for c in clauses if isinstance(c, tree.Require)), None)
    return when, require


def _divided(typed: model.Condition | None, wrote: tree.Condition | None) -> tuple[Part, ...]:
    match typed, wrote:
        case (None, _) | (_, None):
            return ()
        case model.And(many), tree.And(texts) if len(many) == len(texts):
            return tuple(part_of(one, text) for one, text in zip(many, texts, strict=True))
        case _:
            return (part_of(typed, wrote),)


def _period(in_force: core.InForce, what: str) -> Part | None:
    dates = period(in_force)
    return None if dates is None else single(f"{what} is in force ({dates})", in_force)


def _both(first: Part, second: Part) -> Part:
    return Part(
        AllOf((first.phrase, second.phrase)),
        conjunction([first.condition, second.condition]),
        conjunction([first.form, second.form]),
        {**first.columns, **second.columns},
    )


def part_of(typed: model.Condition, wrote: tree.Condition) -> Part:
    """A condition, typed and as written."""
    columns: dict[str, tuple[str, Condition]] = {}
    form = _form(typed, wrote, columns)
    return Part(phrase_of(typed, wrote), lowered(typed), form, columns)


# --- typed and written, side by side ---------------------------------------------------


def phrase_of(typed: model.Condition, wrote: tree.Condition, *, negated: bool = False) -> Phrase:
    """A condition in words; a denial is carried to the comparisons."""
    match typed, wrote:
        case model.Not(inner), tree.Not(text):
            return phrase_of(inner, text, negated=not negated)
        case (model.And(many), tree.And(texts)) | (model.Or(many), tree.Or(texts)):
            words = tuple(
                phrase_of(one, text, negated=negated) for one, text in zip(many, texts, strict=True)
            )
            both = isinstance(typed, model.And) is not negated
            return joined(AllOf if both else AnyOf, words)
        case _, tree.Test():
            return written_in_words(wrote, facts_of(typed), negated=negated)
        case _:
            raise AssertionError("a checked condition has the shape in which it was written")


def joined(kind: type[AllOf] | type[AnyOf], words: Iterable[Phrase]) -> Phrase:
    """Phrases together; parts of the same kind become parts of the whole."""
    flat: list[Phrase] = []
    for one in words:
        flat.extend(one.parts if isinstance(one, kind) else (one,))
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _form(
    typed: model.Condition, wrote: tree.Condition, columns: dict[str, tuple[str, Condition]]
) -> Condition:
    match typed, wrote:
        case model.Not(inner), tree.Not(text):
            return opposite(_form(inner, text, columns))
        case (model.And(many), tree.And(texts)) | (model.Or(many), tree.Or(texts)):
            forms = tuple(_form(one, text, columns) for one, text in zip(many, texts, strict=True))
            return core.And(forms) if isinstance(typed, model.And) else core.Or(forms)
        case _:
            one = single(sentence(phrase_of(typed, wrote)), lowered(typed))
            columns.update(one.columns)
            return one.form


def facts_of(typed: model.Condition) -> tuple[core.FactType, ...]:
    """The facts that a comparison reads; none where it compares today."""
    match typed:
        case model.Test(fact):
            return (fact,)
        case model.Each(_, tests):
            return tuple(test.fact for test in tests)
        case _:
            return ()
