"""The documents say what is there, and all of it."""

import re
from pathlib import Path

import pytest

from tests.import_graph import below, modules
from tests.project import ROOT, project_files
from tests.test_architecture import TABLE

DOCS = ROOT / "docs"
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
PROPERTIES = (DOCS / "properties.md").read_text(encoding="utf-8")
PAGES = [page for page in project_files("docs", "README.md") if page.endswith(".md")]

MODULE = re.compile(r"`((?:dsl|gateway|conformance)/[a-z0-9_/]+\.(?:py|lark|toml))`")
TEST_PATH = re.compile(r"`(tests/[a-z0-9_/]+(?:\.py|/))`")
ROW = re.compile(r"^\| (?P<cells>.*) \|$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]+)(?:#[^)]*)?\)")
DOTTED = re.compile(r"`((?:dsl|gateway|conformance)(?:\.[a-z_]+)+)")

# Designed for, named by the import table, and not built yet.
NOT_BUILT = ("gateway.attestation",)


def rows(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its own head."""
    _, _, rest = text.partition(f"\n## {heading}\n")
    section = rest.partition("\n## ")[0]
    cells = [match["cells"].split(" | ") for match in ROW.finditer(section)]
    return cells[1:]


def test_every_module_is_in_the_architecture() -> None:
    files = {path for path in project_files("dsl", "gateway") if path.endswith((".py", ".lark"))}
    files |= {
        path for path in project_files("conformance") if re.fullmatch(r"[a-z]+/\w+\.py", path)
    }
    files = {path for path in files if not path.endswith("/__init__.py")}
    assert sorted(files - set(MODULE.findall(ARCHITECTURE))) == []


def test_every_module_in_the_architecture_exists() -> None:
    assert [path for path in MODULE.findall(ARCHITECTURE) if not (ROOT / path).is_file()] == []


def test_the_import_table_is_the_one_that_is_tested() -> None:
    written = {
        name.strip("`"): tuple(re.findall(r"`([^`]+)`", allowed))
        for name, allowed in rows(ARCHITECTURE, "Who may import whom")
    }
    tested = {name: allowed for name, allowed in TABLE.items() if name != "gateway"}
    assert written == tested


def test_every_test_named_by_a_property_exists() -> None:
    named = TEST_PATH.findall(PROPERTIES)
    assert len(named) >= 7
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_every_place_for_a_test_exists() -> None:
    assert [path for path in TEST_PATH.findall(ARCHITECTURE) if not (ROOT / path).exists()] == []


def test_every_promise_has_a_property() -> None:
    promises = {line.split(" | ")[0] for line in re.findall(r"^\| (\d.*)$", PROPERTIES, re.M)}
    assert promises == {"1", "2", "3", "4", "5", "6", "7"}


def test_every_type_in_the_glossary_exists() -> None:
    known = modules(ROOT, ["dsl", "gateway", "conformance"])
    glossary = (DOCS / "glossary.md").read_text(encoding="utf-8")
    named = {name for name in DOTTED.findall(glossary) if not below(name, NOT_BUILT)}
    assert named != set()
    assert sorted(name for name in named if name not in known) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_between_pages_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    links = LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [path for path in links if not Path(folder, path).exists()] == []


def test_every_decision_about_the_design_is_listed() -> None:
    listed = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    pages = [page.name for page in sorted((DOCS / "adr").glob("[0-9]*.md"))]
    assert [page for page in pages if f"({page})" not in listed] == []
    assert [page[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]


def test_every_changelog_fragment_is_one_sentence_of_a_known_kind() -> None:
    kind = re.compile(r"(language|record|gateway|conformance|project)( \(breaking\))?: [A-Z`].+\.")
    fragments = [path for path in (DOCS / "changelog.d").glob("*.md") if path.name != "README.md"]
    first_lines = {path.name: path.read_text(encoding="utf-8").split("\n")[0] for path in fragments}
    assert [name for name, line in first_lines.items() if not kind.fullmatch(line)] == []
