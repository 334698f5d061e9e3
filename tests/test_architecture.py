"""The import table of docs/architecture.md: a wrong arrow fails like any other bug."""

import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.import_graph import DYNAMIC, Import, below, cycle, imports, modules, reach
from tests.project import (
    ROOT,
    committed_files,
    optional_requirements,
    project_files,
    runtime_requirements,
)

OURS = ("dsl", "gateway", "conformance", "policies", "tests")

# Who may import whom, of ours. The longest name that fits a module is its row, and a
# name stands for all that is inside it.
TABLE: dict[str, tuple[str, ...]] = {
    "dsl": ("dsl",),
    "gateway": (),
    "gateway.errors": (),
    "gateway.keys": ("gateway.errors", "gateway.keys"),
    "gateway.identifiers": (),
    "gateway.toml_text": (),
    "gateway.watch": (),
    "gateway.decision_log": ("gateway.watch",),
    "gateway.clock": ("gateway.errors",),
    "gateway.self_check": (
        "gateway.errors",
        "gateway.identifiers",
        "gateway.keys",
        "gateway.ledger",
        "gateway.record",
        "gateway.verify",
    ),
    "gateway.callers": (
        "gateway.errors",
        "gateway.identifiers",
        "gateway.fetch",
        "gateway.toml_text",
        "gateway.callers",
    ),
    "gateway.fetch": ("gateway.errors",),
    "gateway.mirrors": ("gateway.errors", "gateway.fetch"),
    "gateway.next_log": (
        "gateway.errors",
        "gateway.identifiers",
        "gateway.keys",
        "gateway.ledger",
        "gateway.next_log_files",
        "gateway.self_check",
        "gateway.state",
    ),
    "gateway.next_log_files": (
        "gateway.errors",
        "gateway.keys",
        "gateway.ledger",
        "gateway.state",
    ),
    "gateway.stamping": (
        "gateway.errors",
        "gateway.fetch",
        "gateway.ledger.checkpoint",
        "gateway.ledger.note",
        "gateway.verify",
        "gateway.stamping",
    ),
    "gateway.cose_key": ("gateway.errors", "gateway.cbor", "gateway.cose"),
    "gateway.scitt": (
        "gateway.errors",
        "gateway.cbor",
        "gateway.cose",
        "gateway.cose_key",
        "gateway.attestation",
        "gateway.scitt",
    ),
    "gateway.receipts": (
        "gateway.errors",
        "gateway.cbor",
        "gateway.cose",
        "gateway.cose_key",
        "gateway.keys",
        "gateway.ledger.proof",
        "gateway.published",
        "gateway.record.envelope",
        "gateway.verify",
        "gateway.receipts",
    ),
    "gateway.workers": (
        "gateway.errors",
        "gateway.keys",
        "gateway.ledger",
        "gateway.workers",
    ),
    "gateway.witness": (
        "gateway.errors",
        "gateway.fetch",
        "gateway.keys",
        "gateway.ledger",
        "gateway.witness",
    ),
    "gateway.cbor": ("gateway.errors",),
    "gateway.cose": ("gateway.errors", "gateway.cbor"),
    "gateway.attestation": (
        "gateway.errors",
        "gateway.toml_text",
        "gateway.keys",
        "gateway.cbor",
        "gateway.cose",
        "gateway.record.canonical",
        "gateway.attestation",
    ),
    "gateway.nodes": (
        "gateway.errors",
        "gateway.identifiers",
        "gateway.toml_text",
        "gateway.attestation",
        "gateway.record.canonical",
        "gateway.pdp.dates",
        "gateway.pdp.request",
        "gateway.pdp.supplied",
        "dsl",
        "gateway.nodes",
    ),
    "gateway.ledger": ("gateway.errors", "gateway.keys", "gateway.ledger"),
    "gateway.own_evidence": (
        "gateway.errors",
        "gateway.keys",
        "gateway.published",
        "gateway.attestation",
        "gateway.record.canonical",
        "gateway.verify",
        "gateway.own_evidence",
    ),
    "gateway.pdp": (
        "dsl",
        "gateway.errors",
        "gateway.toml_text",
        "gateway.pdp",
        "gateway.attestation.evidence",
    ),
    "gateway.sources": (
        "dsl",
        "gateway.errors",
        "gateway.fetch",
        "gateway.toml_text",
        "gateway.record.canonical",
        "gateway.pdp.catalogue_facts",
        "gateway.pdp.memo",
        "gateway.pdp.reads",
        "gateway.pdp.rows",
        "gateway.pdp.supplied",
        "gateway.pdp.unfit",
        "gateway.sources",
    ),
    "gateway.record": (
        "gateway.errors",
        "gateway.keys",
        "gateway.record",
        "gateway.pdp.decision",
        "gateway.attestation.evidence",
    ),
    "gateway.verify": (
        "gateway.verify",
        "gateway.errors",
        "gateway.cbor",
        "gateway.cose",
        "gateway.cose_key",
        "gateway.keys",
        "gateway.record.canonical",
        "gateway.record.envelope",
        "gateway.record.statement",
        "gateway.ledger.merkle",
        "gateway.ledger.note",
        "gateway.ledger.checkpoint",
        "gateway.ledger.proof",
        "gateway.ledger.entry",
        "gateway.ledger.cosignature",
        "gateway.ledger.tile_paths",
    ),
    "gateway.keeping": (
        "dsl",
        "gateway.errors",
        "gateway.keys",
        "gateway.ledger",
        "gateway.record",
        "gateway.verify",
        "gateway.keeping",
    ),
    "gateway.state": (
        "gateway.errors",
        "gateway.keys",
        "gateway.callers",
        "gateway.ledger",
        "gateway.own_keys",
        "gateway.published",
    ),
    "gateway.published": ("gateway.errors", "gateway.keys"),
    "gateway.own_keys": ("gateway.errors", "gateway.keys", "gateway.published"),
    "gateway.new_keys": ("gateway.keys", "gateway.rotation_plan"),
    "gateway.rotation_plan": (
        "gateway.errors",
        "gateway.keys",
        "gateway.ledger",
        "gateway.published",
        "gateway.self_check",
        "gateway.state",
    ),
    "gateway.rotation_ground": (
        "gateway.errors",
        "gateway.keys",
        "gateway.ledger",
        "gateway.published",
        "gateway.state",
    ),
    "gateway.rotation": (
        "gateway.identifiers",
        "gateway.keys",
        "gateway.ledger",
        "gateway.record",
        "gateway.self_check",
        "gateway.state",
        "gateway.own_keys",
        "gateway.new_keys",
        "gateway.published",
        "gateway.rotation_plan",
        "gateway.rotation_ground",
    ),
    "gateway.bundle": ("dsl", "gateway.errors", "gateway.pdp"),
    "gateway.spelling_parts": ("dsl", "gateway.pdp", "gateway.record"),
    "gateway.spelling": (
        "dsl",
        "gateway.errors",
        "gateway.pdp",
        "gateway.record",
        "gateway.spelling_parts",
    ),
    "gateway.checked": (),
    "gateway.erasure": (
        "gateway.errors",
        "gateway.identifiers",
        "gateway.keys",
        "gateway.ledger",
        "gateway.record",
        "gateway.self_check",
    ),
    "gateway.holds": (
        "gateway.erasure",
        "gateway.keys",
        "gateway.ledger",
        "gateway.record",
        "gateway.self_check",
    ),
    "gateway.evidence_erasure": (
        "gateway.erasure",
        "gateway.errors",
        "gateway.identifiers",
        "gateway.keys",
        "gateway.ledger",
        "gateway.nodes.documents",
        "gateway.record",
        "gateway.self_check",
    ),
    "gateway.repeated": (
        "dsl.core",
        "gateway.bundle",
        "gateway.in_force",
        "gateway.pdp",
        "gateway.record",
    ),
    "gateway.release": ("gateway.errors", "gateway.keys", "gateway.record"),
    "gateway.loaded": ("gateway.errors", "gateway.record.canonical"),
    "gateway.kept": (
        "dsl",
        "gateway.errors",
        "gateway.toml_text",
        "gateway.bundle",
        "gateway.pdp",
    ),
    "gateway.reappraise": (
        "gateway.errors",
        "gateway.attestation",
        "gateway.nodes.attested",
        "gateway.nodes.errors",
        "gateway.nodes.facts",
        "gateway.nodes.judged",
        "gateway.nodes.register",
        "gateway.record.canonical",
        "gateway.verify",
        "gateway.reappraise",
    ),
    "gateway.replay": (
        "dsl",
        "gateway.errors",
        "gateway.kept",
        "gateway.keeping.snapshot",
        "gateway.ledger.head",
        "gateway.ledger.shards",
        "gateway.ledger.storage",
        "gateway.pdp",
        "gateway.record.statement",
        "gateway.replay",
    ),
    "gateway.reload": (
        "gateway.errors",
        "gateway.kept",
        "gateway.loaded",
        "gateway.in_force",
        "gateway.service",
        "gateway.record.canonical",
    ),
    "gateway.shapes": ("dsl", "gateway.pdp", "gateway.record", "gateway.spelling"),
    "gateway.in_force": (
        "gateway.release",
        "gateway.shapes",
        "gateway.spelling",
        "gateway.bundle",
        "gateway.nodes",
        "gateway.pdp",
    ),
    "gateway.recorded": (
        "gateway.callers",
        "gateway.erasure",
        "gateway.evidence_erasure",
        "gateway.keys",
        "gateway.ledger",
        "gateway.nodes.documents",
        "gateway.record",
        "gateway.spelling",
    ),
    "gateway.service": (
        "gateway.decision_log",
        "gateway.in_force",
        "gateway.recorded",
        "gateway.nodes",
        "gateway.repeated",
        "gateway.shapes",
        "gateway.spelling",
        "gateway.self_check",
        "gateway.watch",
        "dsl.facts",
        "dsl.evaluate",
        "gateway.errors",
        "gateway.identifiers",
        "gateway.callers",
        "gateway.keys",
        "gateway.bundle",
        "gateway.attestation",
        "gateway.pdp",
        "gateway.record",
        "gateway.ledger",
    ),
    "gateway.web": (
        "gateway.bundle",
        "gateway.fetch",
        "gateway.nodes",
        "gateway.sources.settings",
        "gateway.errors",
        "gateway.checked",
        "gateway.erasure",
        "gateway.evidence_erasure",
        "gateway.ledger.erased",
        "gateway.ledger.merkle",
        "gateway.ledger.once",
        "gateway.ledger.tile_paths",
        "gateway.ledger.tiles",
        "gateway.keys.errors",
        "gateway.keys.jose",
        "dsl.facts",
        "gateway.callers",
        "gateway.in_force",
        "gateway.reload",
        "gateway.service",
        "gateway.watch",
        "gateway.web",
        "gateway.record.canonical",
        "gateway.pdp.request",
        "gateway.pdp.decision",
        "gateway.pdp.combine",
        "gateway.pdp.lenient",
        "gateway.pdp.search",
        "gateway.pdp.catalogue",
        "gateway.pdp.provenance",
        "gateway.pdp.registry",
        "gateway.pdp.rows",
        "gateway.pdp.supplied",
        "gateway.pdp.explanation",
        "gateway.pdp.stored",
    ),
    "gateway.cli": ("dsl", "gateway", "conformance.runner"),
    "conformance": ("conformance",),
}

# What must be trusted to check one decision. It should stay readable in an afternoon.
VERIFIER = ("gateway.verify", "dsl.kleene", "dsl.core", "dsl.facts", "dsl.evaluate")
# The third one only where there is a timestamp to check.
VERIFIER_LIBRARIES = {"cryptography", "rfc8785", "rfc3161_client"}
NOT_FOR_THE_VERIFIER = {"asyncio", "http", "multiprocessing", "socket", "sqlite3", "subprocess"}

AGAIN = ("gateway.reappraise.decision",)
AGAIN_LIBRARIES = VERIFIER_LIBRARIES | {"dcap_qvl", "jwt", "lxml", "pydantic", "signxml"}
NOT_FOR_AUDITORS = (
    "gateway.web",
    "gateway.service",
    "gateway.ledger.storage",
    "gateway.ledger.log",
    "gateway.nodes.desk",
    "gateway.nodes.store",
    "gateway.pdp.engine",
    "gateway.pdp.engines",
    "gateway.fetch",
)

LAYOUT = {
    ".ci",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "README.md",
    "conformance",
    "docs",
    "dsl",
    "gateway",
    "policies",
    "pyproject.toml",
    "tests",
}

PACKAGES = ("dsl", "gateway", "conformance")
KNOWN = modules(ROOT, PACKAGES)
ARROWS = imports(ROOT, KNOWN)


def wrong_arrows(arrows: Iterable[Import]) -> list[str]:
    """A sentence for every arrow that the table does not allow."""
    found: list[str] = []
    for arrow in arrows:
        row = max((name for name in TABLE if below(arrow.importer, [name])), key=len)
        allowed = TABLE[row]
        if arrow.target == DYNAMIC:
            found.append(f"{arrow}, and an import that cannot be read cannot be checked")
        elif below(arrow.target, OURS) and not below(arrow.target, allowed):
            rule = f"may import of ours only {', '.join(allowed) or 'nothing'}"
            found.append(f"{arrow}, but `{row}` {rule}")
    return found


def third_party(arrow: Import) -> str | None:
    """The top-level name of a module that is neither ours nor Python's."""
    top = arrow.target.partition(".")[0]
    is_library = arrow.target != DYNAMIC and top not in OURS and top not in sys.stdlib_module_names
    return top if is_library else None


def wrong_libraries_of_the_language(arrows: Iterable[Import]) -> list[str]:
    return [
        f"{arrow}, but the language knows Python and lark alone"
        for arrow in arrows
        if below(arrow.importer, ["dsl"]) and third_party(arrow) not in (None, "lark")
    ]


def wrong_libraries_of_the_verifier(
    arrows: Iterable[Import], known: Mapping[str, Path]
) -> list[str]:
    arrows = list(arrows)
    reached = reach(VERIFIER, arrows, known)
    return [
        f"{arrow}, but what checks a decision needs no web, no engine and no storage"
        for arrow in arrows
        if arrow.importer in reached
        and (
            third_party(arrow) not in {None, *VERIFIER_LIBRARIES}
            or arrow.target.partition(".")[0] in NOT_FOR_THE_VERIFIER
        )
    ]


def tree(root: Path, files: Mapping[str, str]) -> tuple[list[Import], dict[str, Path]]:
    """A project of a few files, to see the checks above fail."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    known = modules(root, PACKAGES)
    return imports(root, known), known


def test_every_arrow_is_in_the_table() -> None:
    assert wrong_arrows(ARROWS) == []


def test_the_language_uses_no_library_but_lark() -> None:
    assert wrong_libraries_of_the_language(ARROWS) == []


def test_the_verifier_uses_no_web_no_engine_and_no_storage() -> None:
    assert [name for name in VERIFIER if name not in KNOWN] == []
    assert wrong_libraries_of_the_verifier(ARROWS, KNOWN) == []


def test_what_judges_evidence_again_needs_no_network_no_engine_and_no_storage() -> None:
    reached = reach(AGAIN, ARROWS, KNOWN)
    ours = {name for name in reached if below(name, NOT_FOR_AUDITORS)}
    libraries = {third_party(arrow) for arrow in ARROWS if arrow.importer in reached}
    standard = {arrow.target.partition(".")[0] for arrow in ARROWS if arrow.importer in reached}
    assert "gateway.attestation.verifiers" in reached
    assert (ours, libraries - AGAIN_LIBRARIES, standard & NOT_FOR_THE_VERIFIER) == (
        set(), {None}, set(),
    )  # fmt: skip


def test_every_library_is_a_declared_dependency() -> None:
    declared = {
        canonicalize_name(requirement.name)
        for requirement in [*runtime_requirements(), *optional_requirements()]
    }
    # What a library brings along may go with its next release.
    shipped_by = {
        module: {canonicalize_name(name) for name in names}
        for module, names in packages_distributions().items()
    }
    undeclared = [
        f"{arrow}, but pyproject.toml does not name it"
        for arrow in ARROWS
        if (library := third_party(arrow)) and declared.isdisjoint(shipped_by.get(library, ()))
    ]
    assert undeclared == []


def test_no_module_imports_itself_through_others() -> None:
    assert cycle(ARROWS, KNOWN) == []


def test_the_top_level_is_exactly_the_floor_plan() -> None:
    assert {path.partition("/")[0] for path in committed_files()} == LAYOUT


def test_policies_hold_no_python() -> None:
    assert [path for path in project_files("policies") if path.endswith((".py", ".pyi"))] == []


@pytest.mark.parametrize(
    ("file", "text", "seen"),
    [
        ("dsl/lower.py", "import gateway.errors\n", "gateway.errors"),
        ("dsl/lower.py", "def f():\n    from gateway import errors\n", "gateway.errors"),
        (
            "gateway/ledger/log.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dsl.core import Rule\n",
            "dsl.core",
        ),
        ("gateway/keys.py", "from .ledger import merkle\n", "gateway.ledger.merkle"),
        ("gateway/ledger/log.py", "from ..record.record import x\n", "gateway.record.record"),
        ("gateway/ledger/__init__.py", "from ..pdp import decision\n", "gateway.pdp.decision"),
        ("gateway/record/record.py", "from gateway.pdp.combine import x\n", "gateway.pdp.combine"),
        ("gateway/web/app.py", "from gateway.ledger.log import Log\n", "gateway.ledger.log"),
        ("gateway/verify.py", "import gateway.ledger.storage as s\n", "gateway.ledger.storage"),
        ("gateway/unplanned.py", "from gateway.errors import x\n", "gateway.errors"),
        ("conformance/runner.py", "from gateway.service import x\n", "gateway.service"),
        ("gateway/service.py", "from tests.world import World\n", "tests.world"),
        ("dsl/lower.py", "import importlib\nimportlib.import_module('gateway')\n", DYNAMIC),
    ],
)
def test_a_wrong_arrow_is_caught(tmp_path: Path, file: str, text: str, seen: str) -> None:
    (tmp_path / "gateway/ledger").mkdir(parents=True)
    (tmp_path / "gateway/ledger/merkle.py").touch()
    (tmp_path / "gateway/pdp").mkdir()
    (tmp_path / "gateway/pdp/decision.py").touch()
    (tmp_path / "gateway/errors.py").touch()

    arrows, _ = tree(tmp_path, {file: text})

    (sentence,) = wrong_arrows(arrows)
    line = text.count("\n")
    assert sentence.startswith(f"{file}:{line}: ")
    assert f"imports `{seen}`" in sentence


def test_a_right_arrow_is_let_through(tmp_path: Path) -> None:
    arrows, _ = tree(
        tmp_path,
        {
            "dsl/core.py": "from dsl.kleene import Truth\nimport lark\n",
            "gateway/pdp/decision.py": "from dsl.evaluate import Answer\n",
            "gateway/record/record.py": "from gateway.pdp.decision import Decision\n",
        },
    )
    assert wrong_arrows(arrows) == []
    assert wrong_libraries_of_the_language(arrows) == []


def test_a_library_in_the_language_is_caught(tmp_path: Path) -> None:
    arrows, _ = tree(tmp_path, {"dsl/parse.py": "import lark\nimport pydantic\n"})
    (sentence,) = wrong_libraries_of_the_language(arrows)
    assert sentence.startswith("dsl/parse.py:2: ")


@pytest.mark.parametrize("library", ["pydantic", "sqlite3", "starlette.routing", "cedarpy"])
@pytest.mark.parametrize("file", ["gateway/record/canonical.py", "gateway/record/__init__.py"])
def test_a_library_behind_the_verifier_is_caught(tmp_path: Path, library: str, file: str) -> None:
    files = {
        "gateway/verify.py": "from gateway.record import envelope\n",
        "gateway/record/envelope.py": "from gateway.record.canonical import canonical\n",
        "gateway/record/canonical.py": "import rfc8785\n",
    }
    arrows, known = tree(tmp_path, files | {file: f"import {library}\n"})
    (sentence,) = wrong_libraries_of_the_verifier(arrows, known)
    assert f"imports `{library}`" in sentence


def test_a_cycle_is_caught(tmp_path: Path) -> None:
    files = {
        "dsl/one.py": "from dsl import two\n",
        "dsl/two.py": "from dsl.three import x\n",
        "dsl/three.py": "def f():\n    import dsl.one\n",
    }
    assert set(cycle(*tree(tmp_path, files))) == {"dsl.one", "dsl.two", "dsl.three"}
