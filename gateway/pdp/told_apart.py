"""What rules can tell of the entities of a catalogue: which of them are alike.

Rules read what the catalogue states only through atoms. Their values are computed once for
all rows; a question then needs only those atoms on which, with everything else it says, some
rule still depends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from dsl.core import And, Atom, Condition, Not, Or, Place, Program, Rule, atoms
from dsl.derive import derive, inputs
from dsl.evaluate import truth
from dsl.facts import Elements, Question, Value
from dsl.kleene import Truth

# Of one entity: its id, facts and lists, by path.
Row = tuple[str, Mapping[str, Value], Mapping[str, Elements]]
# Of several: the values that can matter, those of the atoms, the ids.
_Alike = tuple[Mapping[str, object], tuple[Truth, ...], list[str]]


class Rows:
    """The rows of a catalogue that may stand at a place, as the rules of an action see them
    on a day."""

    def __init__(
        self,
        program: Program,
        place: Place,
        action: str,
        today: Mapping[str, int],
        rows: Iterable[Row],
    ) -> None:
        prefix = f"{place.record}."
        stated = {p for p in (*program.facts, *program.lists) if p.startswith(prefix)}
        self._own = stated - program.derived.keys()
        self._conditions = [c for rule in program.rules for c in _conditions(rule, action)]
        every = tuple(dict.fromkeys(atoms_of(program, action)))
        paths = {path for atom in every if (path := path_of(atom)) is not None}
        self._inputs = {
            path: [p for p in inputs(d) if p in self._own]
            for path, d in program.derived.items()
            if path in paths and self._own & {*inputs(d)}
        }
        alone = {p for p in self._inputs if self._own.issuperset(inputs(program.derived[p]))}
        # Compared with something that another states: the value itself matters, not an atom.
        self._mixed = self._inputs.keys() - alone
        by_path: dict[str, list[Atom]] = {}
        for atom in every:
            path = path_of(atom)
            if path is not None and path in self._own | alone:
                by_path.setdefault(path, []).append(atom)
        self._by_path = by_path
        known = [atom for listed in by_path.values() for atom in listed]
        self._index = {atom: number for number, atom in enumerate(known)}
        from_inputs = {path for listed in self._inputs.values() for path in listed}
        # Everything that can matter of a row.
        self.read = sorted(self._own & (paths | from_inputs))
        derivations = {path: program.derived[path] for path in sorted(alone)}
        self._program = replace(program, derived=derivations)
        self._alike = self._sorted(action, today, rows)

    def __bool__(self) -> bool:
        return bool(self._alike)

    def alike(self, around: Question, equal: Sequence[str]) -> Iterator[tuple[list[str], object]]:
        """Ids together of which all has one value that matters to a question, and of that
        what is known.

        Args:
            around: The question, without the facts of these rows.
            equal: Paths of which the value itself must be equal.
        """
        matters: set[Atom] = set()
        for condition in self._conditions:
            _, depends = self._depends(condition, around)
            matters |= depends
        numbers = [self._index[atom] for atom in self._index if atom in matters]
        mixed = {path for atom in matters if (path := path_of(atom)) in self._mixed and path}
        by_value = sorted({*equal, *(p for name in mixed for p in self._inputs[name])})
        read: set[str] = set()
        for atom in matters:
            path = path_of(atom)
            read.update(self._inputs.get(path, [path]) if path is not None else [])
        names = sorted(read)
        found: dict[object, tuple[list[str], object]] = {}
        for values, truths, ids in self._alike.values():
            known = tuple(name in values for name in names)
            own = tuple(values.get(name) for name in by_value)
            key = (tuple(truths[number] for number in numbers), known, own)
            found.setdefault(key, ([], known))[0].extend(ids)
        return iter(found.values())

    def _sorted(
        self, action: str, today: Mapping[str, int], rows: Iterable[Row]
    ) -> dict[object, _Alike]:
        """Rows alike in all that is read."""
        found: dict[object, _Alike] = {}
        truths: dict[tuple[str, object], tuple[Truth, ...]] = {}
        # Facts that are one object are those of many rows; kept, so that none gets its identity.
        same: dict[tuple[int, int], tuple[object, object, _Alike]] = {}
        for entity_id, facts, lists in rows:
            before = same.get((id(facts), id(lists)))
            if before is not None:
                before[2][2].append(entity_id)
                continue
            values = {
                path: _plain(facts, lists, path)
                for path in self.read
                if path in facts or path in lists
            }
            key = tuple(values.items())
            known = found.get(key)
            if known is None:
                every = {**facts, **derive(self._program, facts, lists, today)}
                told: list[Truth] = []
                for path in self._by_path:
                    told += self._told(path, every.get(path), truths, action, today)
                known = found[key] = (values, tuple(told), [])
            known[2].append(entity_id)
            same[id(facts), id(lists)] = (facts, lists, known)
        return found

    def _told(
        self,
        path: str,
        value: Value | None,
        truths: dict[tuple[str, object], tuple[Truth, ...]],
        action: str,
        today: Mapping[str, int],
    ) -> tuple[Truth, ...]:
        """The values of the atoms that read a fact; most values stand in many rows."""
        key = (path, (type(value), value))
        known = truths.get(key)
        if known is None:
            question = Question(action, {} if value is None else {path: value}, today)
            known = tuple(truth(atom, question) for atom in self._by_path[path])
            truths[key] = known
        return known

    def _depends(self, condition: Condition, around: Question) -> tuple[Truth | None, set[Atom]]:
        """The value that a condition has whatever the row, or None and the atoms of the row
        on which it depends."""
        match condition:
            case And(operands):
                return self._joined(operands, around, Truth.FALSE)
            case Or(operands):
                return self._joined(operands, around, Truth.TRUE)
            case _:
                atom = condition.operand if isinstance(condition, Not) else condition
                if atom in self._index or path_of(atom) in self._mixed:
                    return None, {atom}
                return truth(condition, around), set()

    def _joined(
        self, operands: Sequence[Condition], around: Question, settles: Truth
    ) -> tuple[Truth | None, set[Atom]]:
        parts = [self._depends(operand, around) for operand in operands]
        if any(value is settles for value, _ in parts):
            return settles, set()
        depends = set[Atom]().union(*(atoms for _, atoms in parts))
        # Whether what is left is true or unknown changes no choice of atoms.
        return (None if depends else Truth.UNKNOWN if _unsure(parts) else _other(settles)), depends


def _unsure(parts: Iterable[tuple[Truth | None, set[Atom]]]) -> bool:
    return any(value is Truth.UNKNOWN for value, _ in parts)


def _other(value: Truth) -> Truth:
    return Truth.TRUE if value is Truth.FALSE else Truth.FALSE


def path_of(atom: Atom) -> str | None:
    """The fact that an atom reads, if any."""
    return getattr(atom, "path", None)


def atoms_of(program: Program, action: str) -> Iterator[Atom]:
    """Every atom on which an answer about the action, or what is said of it, can depend."""
    for rule in program.rules:
        for condition in _conditions(rule, action):
            yield from atoms(condition)


def _conditions(rule: Rule, action: str) -> Iterator[Condition]:
    if action in rule.actions:
        yield rule.formula
        yield from (note.condition for note in rule.exceptions)
        yield from (duty.condition for duty in rule.duties)


def _plain(
    facts: Mapping[str, Value], lists: Mapping[str, Elements], path: str
) -> tuple[type, object]:
    """A value that can be a key; true is not 1."""
    value = repr(lists[path]) if path in lists else facts[path]
    return (type(value), value)
