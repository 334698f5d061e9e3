"""One rule, told paragraph by paragraph."""

from collections.abc import Iterator, Sequence

from dsl import model, tree
from dsl.core import Constant, InForce, Level, Origin, Program, atoms
from dsl.explain_items import Item, Paragraph, laws, obliged, told
from dsl.explain_named import values_of, zones_of
from dsl.explain_parts import Part, Parts, joined, parts_of
from dsl.facts import day_of
from dsl.kleene import Truth
from dsl.spoken import spoken_day
from dsl.wording import AllOf, Phrase, listed, named, period, shown, value, without_key

_ORIGINS = {
    Origin.REQUEST: "by the request",
    Origin.CATALOGUE: "by the catalogue",
    Origin.VERIFIER: "by a verifier of evidence",
    Origin.LEDGER: "by the ledger",
    Origin.CLOCK: "by the clock",
}

_REFUSING = (model.Effect.REQUIRE, model.Effect.FORBID)


class Teller:
    """Tells one rule."""

    def __init__(
        self, rule: model.Rule, program: Program, charters: Sequence[tree.Charter]
    ) -> None:
        self._rule = rule
        self._program = program
        charter, self._written = next(
            (charter, declared)
            for charter in charters
            for declared in charter.declarations
            if isinstance(declared, tree.Rule)
            and f"{charter.name.text}/{declared.name.text}" == rule.id
        )
        self._charters = _reached(charter, charters)
        self._day = None if charter.as_of is None else day_of(charter.as_of.day.isoformat())
        self.parts: Parts = parts_of(rule, self._written)

    def paragraphs(self) -> Iterator[Paragraph]:
        yield self._scope()
        yield self._effect()
        yield from self._level()
        yield from self._exceptions()
        yield self._dates()
        yield from self._profiles()
        yield from self._duties()
        yield self._unknown()
        yield Paragraph("law", "It rests on:", tuple(map(Item, laws(self._rule.citations))))
        if self._rule.because:
            yield Paragraph("because", f"The reason given with it: {self._rule.because}")
        if self._rule.remedies:
            remedies = tuple(Item(remedy) for remedy in self._rule.remedies)
            refuses = self._rule.effect in _REFUSING and self._rule.level is Level.ENFORCE
            whom = " whoever it refuses" if refuses else ""
            yield Paragraph("remedies", f"What helps{whom}:", remedies)
        yield from self._asked()
        yield from self._words()
        yield from self._examples()

    def _scope(self) -> Paragraph:
        actions = listed(self._action(name) for name in self._rule.actions)
        about = f"This rule is about {actions}."
        when = self.parts.when
        if not when:
            return Paragraph("scope", f"{about} It applies to all of it.")
        item = told("It applies when", _together(when))
        return Paragraph("scope", f"{about} {item.text}", item.items)

    def _action(self, name: str) -> str:
        declared = self._declared(name)
        return f'"{declared.title.text}" ({name})' if declared is not None else name

    def _declared(self, name: str) -> tree.Action | tree.Zone | None:
        found = (
            declared
            for charter in self._charters
            for declared in charter.declarations
            if isinstance(declared, tree.Action | tree.Zone) and declared.name.text == name
        )
        return next(found, None)

    def _effect(self) -> Paragraph:
        match self._rule.effect:
            case model.Effect.REQUIRE:
                item = told("It requires that", _together(self.parts.require))
                return Paragraph("effect", item.text, item.items)
            case model.Effect.FORBID:
                return Paragraph("effect", "It forbids what it applies to.")
            case model.Effect.PERMIT:
                text = "It permits what it applies to, as far as no other rule refuses it."
                return Paragraph("effect", text)
            case model.Effect.PREFER:
                text = f"It prefers what it applies to, with a weight of {self._rule.weight}."
                return Paragraph("effect", f"{text} It refuses nothing.")
            case model.Effect.OBLIGE:
                return Paragraph("effect", "It refuses nothing; it only lays down duties.")

    def _level(self) -> Iterator[Paragraph]:
        if self._rule.level is Level.WARN:
            text = "It only warns: the answer mentions it, and it neither refuses nor permits."
            yield Paragraph("level", text)
        elif self._rule.level is Level.SHADOW:
            text = "It is on trial: it is recorded beside answers, and changes none of them."
            yield Paragraph("level", text)

    def _exceptions(self) -> Iterator[Paragraph]:
        if not self._rule.exceptions:
            return
        one = len(self._rule.exceptions) == 1
        which = "this exception holds" if one else "one of these exceptions holds"
        items = tuple(self._exception(number) for number, _ in enumerate(self._rule.exceptions))
        yield Paragraph("exceptions", f"It does not apply where {which}:", items)

    def _exception(self, number: int) -> Item:
        exception = self._rule.exceptions[number]
        name = short(exception.id)
        law = listed(f"{c.law} {c.locator}" for c in exception.citations)
        below = [told("It holds when", self.parts.saying[number])]
        dates = period(exception.in_force)
        if dates is not None:
            below.append(Item(f"It is in force {dates}."))
        whom = self._whom("Who relies on it")
        below += [obliged(oblige, whom) for oblige in exception.obliges]
        return Item(f"{exception.title} (exception {name}, {law}).", tuple(below))

    def _dates(self) -> Paragraph:
        dates = period(self._rule.in_force)
        if dates is None:
            return Paragraph("dates", "It has always been in force, and has no last day.")
        zone = self._rule.in_force.time_zone
        return Paragraph("dates", f"It is in force {dates}. Days begin and end as in {zone}.")

    def _profiles(self) -> Iterator[Paragraph]:
        if not self._program.profiles:
            return
        own = [p for p in self._program.profiles if self._rule.charter in p.charters]
        if not own:
            yield Paragraph("profiles", "No profile has this charter in force: it binds nobody.")
            return
        names = listed((f'"{profile.title}" ({profile.name})' for profile in own), "or")
        yield Paragraph("profiles", f"It binds those who run under the profile {names}.")

    def _duties(self) -> Iterator[Paragraph]:
        rule = self._rule
        if not rule.obliges:
            return
        refuses = rule.effect in _REFUSING
        whom = self._whom("Whoever it applies to and is permitted")
        text = "Its duties:" if len(rule.obliges) > 1 else "Its duty:"
        items = tuple(obliged(oblige, whom) for oblige in rule.obliges)
        if refuses and rule.exceptions:
            text = f"{text} an exception does not free from them."
        yield Paragraph("duties", text, items)

    def _whom(self, whom: str) -> str:
        """Who has a duty; nobody yet, of a rule that is not enforced."""
        if self._rule.level is Level.ENFORCE:
            return whom
        return f"Once the rule is enforced, {whom[:1].lower()}{whom[1:]}"

    def _unknown(self) -> Paragraph:
        match self._rule.effect:
            case model.Effect.PERMIT if self._rule.level is not Level.ENFORCE:
                text = "What is not known never helps: it is mentioned where it certainly permits."
            case model.Effect.PERMIT:
                text = "What is not known never helps: it permits only what is certainly so."
            case model.Effect.OBLIGE:
                text = "Where it is not known whether a duty applies, it applies."
            case model.Effect.PREFER:
                text = "What is not known never counts: it prefers only what is certainly so."
            case _ if self._rule.level is not Level.ENFORCE:
                text = "Where something that decides is not known, it is mentioned all the same."
            case _:
                text = (
                    "Where something that decides is not known, the answer is a refusal, "
                    "marked as undetermined, and names what is missing."
                )
        return Paragraph("unknown", text)

    def _asked(self) -> Iterator[Paragraph]:
        """The facts, and who alone may state them."""
        maps: dict[str, list[str]] = {}
        for path in self._read():
            whole, key = without_key(path)
            maps.setdefault(whole, []).extend([key] if key else [])
        items = tuple(Item(self._stated(path, keys)) for path, keys in maps.items())
        if items:
            yield Paragraph("facts", "What it asks about, and who alone may state it:", items)

    def _stated(self, path: str, keys: Sequence[str]) -> str:
        """One fact, or a map with the keys that are asked about."""
        fact = self._program.facts[f"{path}[{keys[0]}]" if keys else path]
        for_ = f" for {shown(keys, 'and')}" if keys else ""
        by = _ORIGINS[fact.origin]
        if fact.path in self._program.derived:
            return f"{named(path, fact)} ({path}), calculated from what is stated {by}"
        title = f": {fact.title}" if fact.title else ""
        return f"{named(path, fact)}{for_} ({path}), {by}{title}"

    def _read(self) -> list[str]:
        """The paths that the conditions read, in the order of the text."""
        parts = (*self.parts.when, *self.parts.require, *self.parts.exceptions)
        found = (atom for part in parts for atom in atoms(part.condition))
        return list(
            dict.fromkeys(atom.path for atom in found if not isinstance(atom, InForce | Constant))
        )

    # --- what words mean -------------------------------------------------------------

    def _words(self) -> Iterator[Paragraph]:
        """The zones and the kinds of data that the conditions name."""
        items: list[Item] = []
        for name in zones_of(self._written):
            zone = self._declared(name)
            if isinstance(zone, tree.Zone):
                days = " Who belongs to it depends on the day." if self._dated(zone) else ""
                items.append(Item(f"{name}: {zone.title.text}.{days}"))
        items += [Item(text) for text in self._wider()]
        if items:
            yield Paragraph("words", "Words used above:", tuple(items))

    def _dated(self, zone: tree.Zone) -> bool:
        """Whether a zone, or one that it is put together of, has members with dates."""
        if any(member.period.first or member.period.last for member in zone.members):
            return True
        parts = zone.region.parts if zone.region is not None else ()
        inner = (self._declared(part.text) for part in parts if isinstance(part, tree.Word))
        return any(isinstance(one, tree.Zone) and self._dated(one) for one in inner)

    def _wider(self) -> Iterator[str]:
        """What a value of a taxonomy takes in."""
        broader = {
            term: above
            for fact in self._program.facts.values()
            for term, above in fact.broader.items()
        }
        for name in values_of(self._written):
            narrower = sorted(term for term, above in broader.items() if name in above)
            if narrower:
                yield f"{value(name)}: also {listed(map(value, narrower))}."

    def _examples(self) -> Iterator[Paragraph]:
        if self._rule.examples:
            items = tuple(Item(self._example(example)) for example in self._rule.examples)
            yield Paragraph("examples", "Its examples, which are tested:", items)

    def _example(self, example: model.Example) -> str:
        """Its outcome and its title, and its day where it is not that of the charter."""
        day = f", on {spoken_day(example.day)}" if example.day != self._day else ""
        return f"{example.expected.value}{day}: {example.title}"


def _reached(charter: tree.Charter, charters: Sequence[tree.Charter]) -> list[tree.Charter]:
    """A charter and what it imports, directly or not, the nearest first."""
    named = {other.name.text: other for other in charters}
    reached = {charter.name.text: charter}
    waiting = [charter]
    while waiting:
        imports = [named[word.text] for word in waiting.pop(0).imports if word.text in named]
        waiting += [other for other in imports if other.name.text not in reached]
        reached |= {other.name.text: other for other in waiting}
    return list(reached.values())


def _together(parts: Sequence[Part]) -> Phrase:
    return joined(AllOf, (part.phrase for part in parts))


def short(rule_id: str) -> str:
    return rule_id.rpartition("/")[2]


def outcomes(rule: model.Rule) -> dict[Truth, str]:
    """What the rule does where its formula is true, not true, or not known."""
    no = "nothing"
    if rule.level is not Level.ENFORCE:
        noted = "warning" if rule.level is Level.WARN else "recorded"
        grants = rule.effect is model.Effect.PERMIT
        return {Truth.TRUE: noted, Truth.FALSE: no, Truth.UNKNOWN: no if grants else noted}
    match rule.effect:
        case model.Effect.PERMIT:
            open_ = "not permitted: undetermined"
            return {Truth.TRUE: "permitted", Truth.FALSE: "not permitted", Truth.UNKNOWN: open_}
        case model.Effect.OBLIGE:
            duty = "duty"
            return {Truth.TRUE: duty, Truth.FALSE: no, Truth.UNKNOWN: duty}
        case model.Effect.PREFER:
            return {Truth.TRUE: "preferred", Truth.FALSE: no, Truth.UNKNOWN: no}
        case _:
            refused = "refused: undetermined"
            return {Truth.TRUE: "refused", Truth.FALSE: "not refused", Truth.UNKNOWN: refused}
