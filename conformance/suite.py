"""The suite: all cases and requirements, read and held against each other."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.case import FORMAT, Case, read_case
from conformance.errors import SuiteError
from conformance.requirements import Requirement, Requirements, read_requirements
from conformance.shape import difference
from conformance.strict_json import canonical

HERE = Path(__file__).resolve().parent
_FOLDER = re.compile(r"[a-z0-9-]+_(permit|deny|indeterminate)")


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases by id, in the order of their ids. `digest` covers all cases and requirements."""

    cases: tuple[Case, ...]
    requirements: Requirements
    digest: str

    def requirements_of(self, case: Case) -> list[Requirement]:
        """The rows that a case serves, in the order of its citations."""
        cited = [citation.clause for citation in case.citations]
        return [row for clause in cited for row in self.requirements.rows if row.clause == clause]

    @property
    def without_case(self) -> list[Requirement]:
        """The rows that no case serves."""
        return [row for row in self.requirements.rows if not row.cases]

    @property
    def profiles(self) -> set[str]:
        return {profile for case in self.cases for profile in case.profiles}

    @property
    def features(self) -> set[str]:
        return {feature for case in self.cases for feature in case.requires}


def load_suite(folder: Path = HERE) -> Suite:
    """The suite in a folder that holds `requirements.toml` and `cases/`.

    Raises:
        SuiteError: Anything in it is malformed or contradicts the rest; all that was found
            is in the message.
    """
    requirements = read_requirements(folder / "requirements.toml")
    paths = sorted((folder / "cases").glob("*/*/case.json"))
    read = [(path, read_case(path)) for path in paths]
    cases = tuple(sorted((case for _, case in read), key=lambda case: case.id))
    content = {
        "format": FORMAT,
        "requirements": requirements.content,
        "cases": [case.content for case in cases],
    }
    digest = f"sha256:{hashlib.sha256(canonical(content)).hexdigest()}"
    suite = Suite(cases, requirements, digest)
    wrong = [*_wrong_places(read), *_wrong_twins(cases), *_wrong_references(suite)]
    if not cases:
        wrong.append(f"there is no case below {folder / 'cases'}")
    if wrong:
        raise SuiteError("\n".join(wrong))
    return suite


def _wrong_places(read: list[tuple[Path, Case]]) -> Iterator[str]:
    seen: dict[str, Path] = {}
    for path, case in read:
        if case.id in seen:
            yield f"{path}: {case.id} is also in {seen[case.id]}"
        seen[case.id] = path
        named = _FOLDER.fullmatch(path.parent.name)
        if named is None or named[1] != case.steps[0].expect.decision:
            yield f"{path}: the folder must end in _{case.steps[0].expect.decision}"


def _wrong_twins(cases: tuple[Case, ...]) -> Iterator[str]:
    by_id = {case.id: case for case in cases}
    for case in cases:
        twin = by_id.get(case.twin)
        if twin is None or twin.twin != case.id:
            yield f"{case.id}: its twin {case.twin} is not there or has another twin"
            continue
        ours, theirs = case.steps[0], twin.steps[0]
        differs = difference(ours.request, theirs.request)
        if len(differs) != 1:
            yield f"{case.id}: differs from its twin in {', '.join(differs) or 'nothing'}"
        if (ours.expect.decision == "permit") == (theirs.expect.decision == "permit"):
            yield f"{case.id}: its twin does not expect the opposite"
        if (case.profiles, case.level) != (twin.profiles, twin.level):
            yield f"{case.id}: its twin has other profiles or another level"


def _wrong_references(suite: Suite) -> Iterator[str]:
    rows = {row.clause: row for row in suite.requirements.rows}
    cited: set[tuple[str, str]] = set()
    for case in suite.cases:
        for citation in case.citations:
            row = rows.get(citation.clause)
            if row is None or case.id not in row.cases:
                yield f"{case.id}: cites {citation.clause}, and no requirement lists the case"
            else:
                cited.add((row.id, case.id))
    for row in suite.requirements.rows:
        for case_id in row.cases:
            if (row.id, case_id) not in cited:
                yield f"{row.id}: lists {case_id}, which does not cite {row.clause}"
