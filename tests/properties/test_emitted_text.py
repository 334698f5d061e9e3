"""Whatever the program, stock tools have nothing to say about what is emitted."""

import cedarpy
from hypothesis import HealthCheck, given, settings

from dsl.core import Program
from dsl.core_json import program_from_json, program_to_json
from dsl.evaluate import evaluate
from dsl.facts import Question
from dsl.fold import fold_program, slice_by_action
from dsl.to_cedar import cedar_policies, cedar_schema
from dsl.to_rego import opa_bundle
from tests.opa import run_opa_command
from tests.stock_tools import cedar_format
from tests.strategies import cases, programs

slow = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(slow, max_examples=20)
@given(program=programs())
def test_opa_finds_nothing_to_change_or_to_mend(program: Program) -> None:
    files = opa_bundle(program, "r1")
    for command in (("fmt", "--diff", "charter"), ("check", "--strict", "--bundle", ".")):
        done = run_opa_command(*command, files=files)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@slow
@given(program=programs())
def test_cedar_validates_strictly_and_finds_nothing_to_change(program: Program) -> None:
    schema, policies = cedar_schema(program), cedar_policies(program)
    for text in (policies.decide, policies.why, policies.duties):
        assert cedarpy.validate_policies(text, schema).errors == []  # pyright: ignore[reportUnknownMemberType]
    # One call for all three: a process each would take its time.
    together = "\n".join(text for text in (policies.decide, policies.why, policies.duties) if text)
    assert together == "" or cedar_format(together) == together


@slow
@given(program=programs())
def test_writing_and_reading_core_gives_the_same_program(program: Program) -> None:
    assert program_from_json(program_to_json(program)) == program


@slow
@given(case=cases())
def test_folding_and_slicing_change_no_answer(case: tuple[Program, list[Question]]) -> None:
    program, questions = case
    for question in questions:
        answer = evaluate(program, question)
        assert evaluate(fold_program(program), question) == answer
        assert evaluate(slice_by_action(program, question.action), question) == answer
