"""What is published is accepted, and answered as we answer, by tools that are not ours."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from dsl.cedar_conditions import TODAY
from dsl.core import Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question, Value, to_json
from dsl.to_cedar import DUTIES, WHY, cedar_policies, cedar_schema
from dsl.to_rego import opa_bundle, tarball
from tests import corpus
from tests.opa import run_opa_command
from tests.pack import pack
from tests.stock_tools import cedar, regal

LINT = ("lint", "--disable-all", "--enable-category=bugs", "--no-color", "--format=json", "charter")
SETS = ("decide", "why", "duties")


def everything() -> Program:
    """All programs of the fixed table in one: every construct beside every other."""
    rules = (
        replace(
            rule,
            id=f"test.{name}/{rule.id.rpartition('/')[2]}",
            duties=tuple(
                replace(
                    duty,
                    id=f"test.{name}/{duty.id}",
                    rule=f"test.{name}/{rule.id.rpartition('/')[2]}",
                )
                for duty in rule.duties
            ),
        )
        for name, program in corpus.PROGRAMS.items()
        for rule in program.rules
    )
    return corpus.program(*rules)


def program_of(name: str) -> Program:
    return pack().program if name == "pack" else everything()


BOTH = pytest.mark.parametrize("name", ["pack", "everything"])


def test_every_construct_is_in_the_program_of_every_construct() -> None:
    program = everything()
    kinds = {type(atom).__name__ for atom in program.atoms()}
    assert kinds >= {"Holds", "OneOf", "Within", "Touches", "AtLeast", "NotBefore", "Known"}
    assert "InForce" in kinds
    assert len({(rule.effect, rule.level) for rule in program.rules}) == 8
    assert {fact.kind for fact in program.facts.values()} == {*corpus.Kind}
    assert len(program.rules) > 80


# --- Regal ---------------------------------------------------------------------------


@BOTH
def test_regal_finds_no_bug(name: str) -> None:
    done = regal(*LINT, files=opa_bundle(program_of(name), "r1"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    report = json.loads(done.stdout)
    assert report["violations"] == []
    assert report["summary"]["files_scanned"] == 1


def test_regal_would_find_a_bug() -> None:
    files = opa_bundle(everything(), "r1")
    bug = b"\nalways if {\n\t1 == 1\n}\n"
    files["charter/charter.rego"] += bug
    found = json.loads(regal(*LINT, files=files).stdout)["violations"]
    assert [violation["category"] for violation in found] == ["bugs"]


# --- Cedar's command line ------------------------------------------------------------


def cedar_files(program: Program) -> dict[str, bytes]:
    policies = cedar_policies(program)
    texts = {f"{name}.cedar": getattr(policies, name) for name in SETS}
    texts |= {"charter.cedarschema": cedar_schema(program), "entities.json": "[]"}
    return {path: text.encode() for path, text in texts.items()}


@BOTH
@pytest.mark.parametrize("policies", SETS)
def test_cedar_format_has_nothing_to_change(name: str, policies: str) -> None:
    done = cedar(
        "format", "--check", "-p", f"{policies}.cedar", files=cedar_files(program_of(name))
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_cedar_format_would_change_another_layout() -> None:
    files = cedar_files(everything())
    files["decide.cedar"] = files["decide.cedar"].replace(b"  principal,", b" principal,", 1)
    assert cedar("format", "--check", "-p", "decide.cedar", files=files).returncode != 0


VALIDATE = ("--schema", "charter.cedarschema", "--validation-mode", "strict", "--deny-warnings")


@BOTH
@pytest.mark.parametrize("policies", SETS)
def test_cedar_validates_strictly_and_warns_of_nothing(name: str, policies: str) -> None:
    files = cedar_files(program_of(name))
    done = cedar("validate", *VALIDATE, "-p", f"{policies}.cedar", files=files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cedar_would_refuse_a_fact_that_is_read_unguarded() -> None:
    files = cedar_files(everything())
    guard = b'context has "transfer.encrypted" && '
    files["decide.cedar"] = files["decide.cedar"].replace(guard, b"", 1)
    done = cedar("validate", *VALIDATE, "-p", "decide.cedar", files=files)
    assert done.returncode != 0


def stock_cedar(
    files: Mapping[str, bytes], policies: str, question: Question
) -> tuple[bool, set[str]]:
    """The decision, and the ids of the policies it is due to."""
    prefix = {"decide": "", "why": WHY, "duties": DUTIES}[policies]
    context = {path: to_json(value) for path, value in question.facts.items()}
    context |= {TODAY + zone: day for zone, day in question.today.items()}
    request = {
        "principal": 'Subject::"subject"',
        "action": f'Action::"{prefix}{question.action}"',
        "resource": 'Resource::"resource"',
        "context": context,
    }
    done = cedar(
        *("authorize", "--verbose", "-p", f"{policies}.cedar", "--entities", "entities.json"),
        *("--schema", "charter.cedarschema", "--request-json", "request.json"),
        files={**files, "request.json": json.dumps(request).encode()},
    )
    said = done.stdout
    assert done.stderr == ""
    assert "while evaluating" not in said
    assert (done.returncode, said.split()[0]) in ((0, "ALLOW"), (2, "DENY"))
    return done.returncode == 0, set(re.findall(r"^  (\S+)$", said, flags=re.M))


def answer_of_stock_cedar(
    program: Program, files: Mapping[str, bytes], question: Question
) -> Answer:
    """What somebody makes of the three sets who has read `dsl.to_cedar`."""
    listed = {rule.id: rule for rule in program.rules}
    allowed, decided = stock_cedar(files, "decide", question)
    named = stock_cedar(files, "duties" if allowed else "why", question)[1]
    noted = {i for i in named if i in listed and listed[i].level.value != "enforce"}
    rest = named - noted
    effects = {identity: listed[identity].effect.value for identity in rest if identity in listed}
    if allowed:
        preferred = {i for i, effect in effects.items() if effect == "prefer"}
        return Answer(
            frozenset(),
            frozenset(decided),
            duties=frozenset(rest - preferred),
            preferred=frozenset(preferred),
            noted=frozenset(noted),
        )
    possible = {i for i, effect in effects.items() if effect == "permit"}
    return Answer(
        frozenset(decided),
        frozenset(),
        broken=frozenset(rest - possible),
        open=frozenset(possible),
        noted=frozenset(noted),
    )


def fixed_questions() -> Iterator[tuple[str, Question]]:
    """Some questions of each program of the fixed table."""
    for name, program in corpus.PROGRAMS.items():
        asked = [q for q in corpus.questions(program) if q.action in program.actions]
        yield from ((name, known_to(program, q)) for q in asked[:: max(1, len(asked) // 3)])


def known_to(program: Program, question: Question) -> Question:
    """The question without the days that the program does not ask for."""
    days = {zone: question.today[zone] for zone in program.time_zones()}
    return replace(question, today=days)


def test_stock_cedar_answers_the_vectors_of_the_pack_as_we_do() -> None:
    program, files = pack().program, cedar_files(pack().program)
    sample = pack().vectors[::5]
    assert {vector.answer.permits for vector in sample} == {True, False}
    for vector in sample:
        assert answer_of_stock_cedar(program, files, vector.question) == vector.answer


def test_stock_cedar_answers_every_construct_as_defined() -> None:
    for name, question in fixed_questions():
        program = corpus.PROGRAMS[name]
        answer = answer_of_stock_cedar(program, cedar_files(program), question)
        assert answer == evaluate(program, question), (name, question.document())


@pytest.mark.parametrize("today", [2**63 - 1, -(2**63), 2**53, -(2**53)])
@pytest.mark.parametrize("name", ["days", "days-ago"])
def test_stock_cedar_skips_no_prohibition_whatever_the_day(name: str, today: int) -> None:
    program = corpus.PROGRAMS[name]
    facts: dict[str, Value] = {"contract.ends": 20_000, "contract.notice_ends": 20_000}
    question = Question("place", facts, dict.fromkeys((corpus.BRUSSELS, corpus.TALLINN), today))
    asked = known_to(program, question)
    allowed, decided = stock_cedar(cedar_files(program), "decide", asked)
    assert (allowed, decided) == (False, {"test.charter/prohibition"})


# --- Open Policy Agent ---------------------------------------------------------------


def test_stock_opa_answers_the_vectors_of_the_pack_as_we_do() -> None:
    bundle = pack().opa_tarball()
    for vector in pack().vectors[::5]:
        assert _opa(bundle, vector.question) == vector.answer


def test_stock_opa_answers_every_construct_as_defined() -> None:
    for name, question in fixed_questions():
        program = corpus.PROGRAMS[name]
        bundle = tarball(opa_bundle(program, "r1"))
        assert _opa(bundle, question) == evaluate(program, question), (name, question.document())


def _opa(bundle: bytes, question: Question) -> Answer:
    done = run_opa_command(
        *("eval", "--bundle", "bundle.tar.gz", "--input", "input.json", "--format", "raw"),
        "data.charter.answer",
        files={"bundle.tar.gz": bundle, "input.json": json.dumps(question.document()).encode()},
    )
    said = json.loads(done.stdout)
    answer = Answer(**{m: frozenset(ids) for m, ids in said.items() if m != "program"})
    # Where something is denied, what would grant is nobody's business.
    return replace(answer, granted=frozenset()) if answer.denied else answer
