"""What authors are warned of, word for word: charters that compile and are still not right.

`REWRITE=1 pytest tests/dsl/test_cautions.py` writes the expected files anew; they are then
read, as a compliance officer would, before they are committed.
"""

import os
from pathlib import Path

import pytest

from dsl.compile import Compiled, compile_charters
from dsl.diagnostics import Severity, render_human
from dsl.source import SourceText
from tests.dsl.mistake_files import BASE, MORE

FOLDER = Path(__file__).parent / "cautions"
NAMES = sorted(path.stem for path in FOLDER.glob("*.charter"))


def compiled(name: str) -> Compiled:
    path = FOLDER / f"{name}.charter"
    return compile_charters([BASE, MORE, SourceText(path.name, path.read_text(encoding="utf-8"))])


@pytest.mark.parametrize("name", NAMES)
def test_the_author_is_warned_and_has_a_program(name: str) -> None:
    found = compiled(name)
    assert found.program is not None
    assert {d.severity for d in found.diagnostics} == {Severity.WARNING}
    told = render_human(found.diagnostics)
    path = FOLDER / f"{name}.expected"
    if os.environ.get("REWRITE"):
        path.write_bytes(told.encode("utf-8"))
    assert told == path.read_bytes().decode("utf-8")


def test_there_are_no_expectations_without_a_caution() -> None:
    assert {path.stem for path in FOLDER.glob("*.expected")} == set(NAMES)
