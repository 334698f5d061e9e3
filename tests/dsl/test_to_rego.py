"""The emitted Rego is what its readers and stock tools expect of it."""

import gzip
import io
import itertools
import json
import re
import subprocess
import sys
import tarfile
from dataclasses import replace
from typing import Any

import pytest

from dsl.core import Constant, Effect, FactType, InForce, Kind, Not, Origin, Program, Touches
from dsl.errors import CoreFormatError
from dsl.facts import Question
from dsl.names import Names
from dsl.rego_text import RESERVED
from dsl.to_rego import opa_bundle, rego_module, rego_policy, tarball
from tests import corpus
from tests.opa import run_opa_command
from tests.project import ROOT

NAMED = pytest.mark.parametrize("name", corpus.PROGRAMS)
LONGEST = corpus.PROGRAMS["exceptions"]


@NAMED
def test_opa_fmt_has_nothing_to_change(name: str) -> None:
    files = opa_bundle(corpus.PROGRAMS[name], "r1")
    done = run_opa_command("fmt", "--diff", "charter", files=files)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@NAMED
def test_opa_check_strict_has_nothing_to_say(name: str) -> None:
    files = opa_bundle(corpus.PROGRAMS[name], "r1")
    done = run_opa_command("check", "--strict", "--bundle", ".", files=files)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_annotations_carry_title_reason_citations_and_remedies() -> None:
    bundle = {"bundle.tar.gz": tarball(opa_bundle(LONGEST, "r1"))}
    done = run_opa_command("inspect", "-a", "-f", "json", "bundle.tar.gz", files=bundle)
    inspected = json.loads(done.stdout)
    custom = {
        note["annotations"]["custom"]["id"]: note["annotations"]
        for note in inspected["annotations"]
        if "id" in note["annotations"].get("custom", {})
    }
    assert inspected["manifest"]["revision"] == "r1"
    assert inspected["manifest"]["roots"] == ["charter"]
    rule = custom["test.charter/prohibition"]
    assert rule["title"] == 'The rule "prohibition": with \\ and é'
    assert rule["description"] == "Because the law says so."
    assert rule["custom"]["citations"] == ["GDPR art 44"]
    assert rule["custom"]["remedies"] == ["Choose another site."]
    assert rule["custom"]["exceptions"] == {"adequacy": "The destination is adequate; GDPR art 44"}
    assert custom["test.charter/prohibition/keep-record"]["custom"]["obligation"] == "keep-record"


def annotations(name: str) -> dict[str, dict[str, Any]]:
    """The annotation of each rule and duty, as `opa inspect` reads it."""
    bundle = {"bundle.tar.gz": tarball(opa_bundle(corpus.PROGRAMS[name], "r1"))}
    done = run_opa_command("inspect", "-a", "-f", "json", "bundle.tar.gz", files=bundle)
    notes = [note["annotations"] for note in json.loads(done.stdout)["annotations"]]
    return {note["custom"]["id"]: note for note in notes if "id" in note.get("custom", {})}


def test_annotations_carry_level_weight_and_what_advice_asks() -> None:
    found = annotations("levels")
    assert found["test.charter/warned"]["custom"]["level"] == "warn"
    assert found["test.charter/shadowed"]["custom"]["level"] == "shadow"
    assert "level" not in found["test.charter/prohibition"]["custom"]
    assert "test.charter/warned/warned" not in found
    assert annotations("preferences")["test.charter/near"]["custom"]["weight"] == 7
    advice = annotations("advice")["test.charter/advise/start-logs"]
    assert advice["title"] == 'Begin to "keep" logs'
    assert advice["custom"] == {
        "id": "test.charter/advise/start-logs",
        "advice": "start-logs",
        "rule": "test.charter/advise",
        "citations": ["GDPR art 44"],
        "due": "within 4320 minutes",
        "parameters": {"authority": "bnetza", "copies": 2, "public": False},
    }


@pytest.mark.parametrize(
    "text",
    ["line\nbreak", "# METADATA", "x: [y", "{", "tab\there", 'a "b" c', "nul\0", "\u2028", "'"],
)
def test_an_authors_words_cannot_break_out_of_the_annotation(text: str) -> None:
    rule = replace(corpus.permit(), title=text, because=text, remedies=(text,))
    files = {"bundle.tar.gz": tarball(opa_bundle(corpus.program(rule), "r1"))}
    done = run_opa_command("inspect", "-a", "-f", "json", "bundle.tar.gz", files=files)
    titles = [note["annotations"].get("title") for note in json.loads(done.stdout)["annotations"]]
    assert text in titles


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"action": "place"},
        {"action": ["place"], "facts": {}, "today": {}},
        {"action": "place", "facts": [], "today": []},
        {"action": "place", "facts": None, "today": "now"},
        [],
        None,
        "place",
    ],
)
def test_a_malformed_question_gets_all_three_objects_and_no_grant(document: object) -> None:
    policy = rego_policy(corpus.PROGRAMS["during"])
    files = {"m.rego": policy.module.encode(), "input.json": json.dumps(document).encode()}
    query = "[data.charter.decide, data.charter.why, data.charter.duties]"
    done = run_opa_command(
        *("eval", "-d", "m.rego", "-i", "input.json", "-f", "raw", query), files=files
    )
    decide, why, duties = json.loads(done.stdout)
    assert decide["granted"] == []
    assert set(why) == {"broken", "open"}
    assert duties == {"duties": [], "preferred": []}


def test_without_the_data_document_nothing_compared_with_it_is_known() -> None:
    policy = rego_policy(corpus.PROGRAMS["large-open-set"])
    question = Question("place", {"destination.site": "elsewhere"}, {}).document()
    assert policy.data
    granted: list[object] = []
    for files in (["m.rego"], ["m.rego", "data.json"]):
        given = {"m.rego": policy.module, "data.json": json.dumps(policy.data)}
        arguments = [argument for file in files for argument in ("-d", file)]
        done = run_opa_command(
            *("eval", *arguments, "-i", "input.json", "-f", "raw", "data.charter.granted"),
            files={
                "input.json": json.dumps(question).encode(),
                **{file: given[file].encode() for file in files},
            },
        )
        granted.append(json.loads(done.stdout))
    assert granted == [[], ["test.charter/permission"]]


# --- shapes that two engines read differently ----------------------------------------

NEVER_EMITTED = {
    "`not` inside `every`": r"every [^\n]*\{[^}\n]*\bnot\b",
    "negation of what reads the input": r"\bnot [^\n]*\binput\b",
    "negation of a call": r"\bnot [^\n]*\(",
    # Of a day alone: what bound it has tested its range.
    "arithmetic": r"(?m)^\t(?!input\.facts\S+ >= input\.today\S+ [-+] \d+$).*\s[-+*/%]\s",
    "comprehension": r"[\[{][^\n\]}\"]*\|",
    "`else`": r"(?m)^\s*\}? *else\b",
    "`with`": r"\bwith input\b",
    "regular expression": r"\bregex\.",
}


@pytest.mark.parametrize("shape", NEVER_EMITTED)
def test_no_module_has_a_shape_that_engines_read_differently(shape: str) -> None:
    for program in corpus.PROGRAMS.values():
        lines = rego_module(program).splitlines()
        code = "\n".join(line for line in lines if not line.startswith("#"))
        assert re.search(NEVER_EMITTED[shape], code) is None


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ("`not` inside `every`", "\tevery c in x { not c in y }"),
        ("negation of what reads the input", '\tnot "z" in input.missing'),
        ("negation of a call", "\tnot startswith(x, y)"),
        ("arithmetic", "\tinput.a + 1 > 2"),
        ("arithmetic", '\tinput.facts["a"] >= input.facts["b"] + 1'),
        ("arithmetic", '\tinput.facts["a"] - 1 >= input.today["UTC"]'),
        ("comprehension", "x := {t | some t in y}"),
        ("`else`", "else := 1"),
        ("regular expression", '\tregex.match("a", x)'),
    ],
)
def test_each_forbidden_shape_would_be_found(shape: str, line: str) -> None:
    assert re.search(NEVER_EMITTED[shape], line)


@NAMED
def test_every_negated_atom_stands_behind_its_guard(name: str) -> None:
    lines = rego_module(corpus.PROGRAMS[name]).splitlines()
    defined = {line.split(" ", 1)[0] for line in lines if not line.startswith(("\t", "#", "}"))}
    for before, line in itertools.pairwise(lines):
        negated = line.removeprefix("\tnot ")
        if line.startswith("\tnot ") and not line.endswith("permitted"):
            assert negated in defined
            behind = before.startswith("\tknown_") or negated.startswith("known_")
            assert behind or _is_way_out(before)


def _is_way_out(before: str) -> bool:
    """Whether it is asked of a prohibition whether nothing cleared it."""
    return before.startswith(("\tinput.action == ", "\tnot ")) or " contains " in before


# --- names ---------------------------------------------------------------------------


def test_paths_that_differ_only_in_punctuation_get_names_of_their_own() -> None:
    paths = ("a.b_c", "a_b.c", "a-b_c", "a.b.c")
    types = {p: FactType(p, Kind.TERMS, Origin.REQUEST, ("context", p)) for p in sorted(paths)}
    rules = [
        replace(corpus.rule(f"r{n}", Effect.FORBID, Touches(p, ("x",))), actions=("place",))
        for n, p in enumerate(sorted(paths))
    ]
    program = Program(types, (), ("place",), tuple(rules))
    module = rego_module(program)
    read = re.findall(r'(?m)^(\w+) contains term if some term in input.facts\["(.*)"\]$', module)
    assert sorted(path for _, path in read) == sorted(paths)
    assert len({name for name, _ in read}) == len(paths)


def test_no_name_is_a_word_of_rego() -> None:
    assert RESERVED.isdisjoint(Names(RESERVED).fresh(word) for word in RESERVED)


@pytest.mark.parametrize("text", ["", "42", "_", "é", "-", "日本", "9.to.5"])
def test_any_text_becomes_an_identifier(text: str) -> None:
    names = Names(RESERVED)
    first, second = names.fresh(text), names.fresh(text)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", first)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", second)
    assert first != second


def test_a_program_that_is_not_well_formed_is_not_emitted() -> None:
    undeclared = corpus.program(corpus.forbid(Touches("no.such.fact", ("x",))))
    with pytest.raises(CoreFormatError, match=r"no\.such\.fact"):
        rego_module(undeclared)


# --- bytes ---------------------------------------------------------------------------


def test_the_tarball_holds_the_files_and_nothing_of_the_day_or_the_machine() -> None:
    files = opa_bundle(LONGEST, "r1")
    packed = tarball(files)
    assert packed == tarball(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
        members = archive.getmembers()
        assert [m.name for m in members] == sorted(files)
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
            (0, 0, 0, "", "", 0o644)
        }
        for member in members:
            extracted = archive.extractfile(member)
            assert extracted is not None
            assert extracted.read() == files[member.name]
    assert int.from_bytes(packed[4:8], "little") == 0, "gzip's own time stamp (RFC 1952)"


PRINT_ALL = """
import hashlib, sys
from dsl.core_json import program_to_json
from dsl.to_cedar import cedar_policies, cedar_schema
from dsl.to_rego import opa_bundle, tarball
from dsl.to_schema import vocabulary_schema
from tests import corpus
for program in corpus.PROGRAMS.values():
    sys.stdout.buffer.write(hashlib.sha256(b"\\0".join((
        tarball(opa_bundle(program, "r1")), program_to_json(program),
        vocabulary_schema(program), cedar_schema(program).encode(),
        repr(cedar_policies(program)).encode(),
    ))).digest())
"""


def test_the_order_of_hashes_changes_no_byte_of_any_output() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PRINT_ALL],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) == 32 * len(corpus.PROGRAMS)


def test_a_rule_that_can_never_apply_says_so_and_is_in_no_set() -> None:
    never = corpus.forbid(Not(Constant(True)))
    module = rego_module(corpus.program(corpus.permit(), never))
    assert "# test.charter/prohibition never applies" in module
    assert "denied := set()" in module


def test_days_are_spelled_out_beside_their_numbers() -> None:
    module = rego_module(corpus.program(corpus.forbid(InForce("UTC", 17_676, 20_000))))
    assert "# from 2018-05-25 until 2024-10-04, in UTC" in module


def test_numbers_are_spelled_out_beside_theirs() -> None:
    assert "\n# 2410 is 24.10 percent\n" in rego_module(corpus.PROGRAMS["decimals"])
    assert "\n# 20089 is 2025-01-01\n" in rego_module(corpus.PROGRAMS["dated"])
    assert "\n# today in Europe/Brussels\n" in rego_module(corpus.PROGRAMS["days"])


def test_an_answer_names_what_it_must_and_nothing_else() -> None:
    policy = rego_policy(corpus.PROGRAMS["levels"])
    question = {"transfer.impact_assessment": "favourable", "transfer.encrypted": True}
    found: list[set[str]] = []
    for facts in (question, {}):
        asked = json.dumps(Question("place", facts, {}).document())
        files = {"m.rego": policy.module, "data.json": json.dumps(policy.data), "input.json": asked}
        done = run_opa_command(
            *("eval", "-d", "m.rego", "-d", "data.json", "-i", "input.json", "-f", "raw"),
            "data.charter.answer",
            files={path: text.encode() for path, text in files.items()},
        )
        found.append(set(json.loads(done.stdout)))
    always = {"program", "denied", "granted", "noted"}
    assert found == [always | {"duties", "preferred"}, always | {"broken", "open"}]
