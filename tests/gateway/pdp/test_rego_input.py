"""What regopy is given without JSON in between is what it would read from it."""

# regopy annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
from dataclasses import replace
from typing import Any

import pytest
from regopy import Bundle, Input, Interpreter

from dsl.facts import MAX_INTEGER, Question
from dsl.to_rego import rego_policy
from gateway.pdp.lean import lean_document
from gateway.pdp.rego_compact import new_interpreter
from gateway.pdp.rego_modules import escaped, load
from tests.gateway.world import made, program

TEXTS = [
    *("", "a", "DE", "ä", "é", "😀", "\u200bx", "日本", " x ", "true", "1", "null"),
    *('a"b', '"', "a\\b", "\\", "\\\\", "a\\nb", "a\\u0041", "a\tb", "`x`", "a'b", "a/b"),
    *("{", "[1]", "}", "$", "%s", "a" * 300),
]
VALUES: list[Any] = [
    *(True, False, 0, 1, -1, 184, MAX_INTEGER, -MAX_INTEGER, None),
    *([], ["DE"], ["a", "b"], [True, 1], {}, {"a.b": "c"}, {'a"b\\': ['"', "\\"]}),
]


def built(module: str, data: object = None) -> tuple[Interpreter, Bundle]:
    interpreter = new_interpreter()
    interpreter.add_module("charter.rego", module)
    if data is not None:
        interpreter.add_data_json(json.dumps(data, ensure_ascii=False))
    bundle = interpreter.build(None, ["charter/answer"])
    assert bundle.ok()
    return interpreter, bundle


def said(to: tuple[Interpreter, Bundle]) -> list[Any]:
    output = to[0].query_bundle_entrypoint(to[1], "charter/answer")
    assert output.ok()
    return [result.expressions for result in output.results]


def both(module: str, document: Any, data: object = None) -> tuple[list[Any], list[Any]]:
    """What it says where it reads JSON, and where it is given the values."""
    to = built(module, data)
    to[0].set_input_term(json.dumps(document, ensure_ascii=False))
    read = said(to)
    to[0].set_input(Input(escaped(document)))
    return read, said(to)


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: repr(t)[:12])
def test_a_text_equals_itself_alone(text: str) -> None:
    listed = json.dumps(TEXTS, ensure_ascii=False)
    module = f"package charter\nanswer := [x | some x in {listed}; x == input.facts.p]\n"
    read, given = both(module, {"facts": {"p": text}})
    assert given == read == [[[text]]]


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: repr(t)[:12])
def test_a_text_is_found_among_values_of_the_data(text: str) -> None:
    document = {"facts": {"p": text}}
    module = "package charter\nanswer := data.v[input.facts.p]\n"
    read, given = both(module, document, {"v": {one: n for n, one in enumerate(TEXTS)}})
    assert given == read == [[TEXTS.index(text)]]


@pytest.mark.parametrize("value", [*VALUES, *TEXTS], ids=lambda v: repr(v)[:12])
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    module = "package charter\nanswer := input\n"
    read, given = both(module, {"facts": {"p": value, "q": [value]}})
    assert given == read == [[{"facts": {"p": value, "q": [value]}}]]


@pytest.mark.parametrize("value", [True, 1, "1", "true", ["1"], "", [], {}])
def test_a_value_is_of_one_type(value: Any) -> None:
    tests = ("is_boolean", "is_number", "is_string", "is_array", "is_object")
    rules = "".join(f'answer contains "{t}" if {{ {t}(input.p) }}\n' for t in tests)
    read, given = both(f"package charter\n{rules}", {"p": value})
    assert given == read
    assert len(given[0][0]) == 1


def test_a_text_that_is_not_escaped_would_be_another() -> None:
    # So the tests above would see it.
    to = built("package charter\nanswer := input.p\n")
    to[0].set_input(Input({"p": "a\\nb"}))
    assert said(to) != [["a\\nb"]]


def test_a_value_of_no_type_that_a_fact_can_have_is_refused() -> None:
    with pytest.raises(ValueError, match="Cannot convert"):
        Input(escaped({"facts": {"p": object()}}))


def test_one_question_leaves_nothing_to_the_next() -> None:
    policy = rego_policy(program(), lean=True)
    shared = load(program(), policy, lean=True)
    vectors = made().vectors[:6]
    alone = [load(program(), policy, lean=True).ask("rego", vector.question) for vector in vectors]
    for vector, expected in [*zip(vectors, alone, strict=True)] * 2:
        assert shared.ask("rego", vector.question) == expected
        none = replace(vector.question, facts={})
        assert shared.ask("rego", none) == load(program(), policy, lean=True).ask("rego", none)


def test_what_a_lean_module_is_given_has_the_facts_that_it_reads_alone() -> None:
    question = Question("place", {"a": ("x",), "b": "y"}, {"UTC": 1})
    assert lean_document(question, {"a"}, ["UTC"]) == {"today": {"UTC": 1}, "facts": {"a": ("x",)}}
    assert escaped({"facts": {"a": ("x",)}}) == {"facts": {"a": ["x"]}}
