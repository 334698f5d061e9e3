"""What is served is what /openapi.json says, and the other way round."""

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.web.openapi import document
from gateway.web.problem import PROBLEMS
from gateway.web.routes import Answer, Operation, routes
from tests.gateway.web.test_public import Client
from tests.gateway.world import World, question, run

REFERENCE = re.compile(r'"\$ref": "#/components/schemas/(\w+)"')


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


@pytest.fixture
def client(world: World, tmp_path: Path) -> Client:
    return Client(world, tmp_path)


@pytest.fixture
def file(client: Client) -> Any:
    status, headers, data = client.get("/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    return json.loads(data)


def served(app: Starlette) -> set[tuple[str, str]]:
    """What Starlette answers, whoever registered it; GET brings HEAD along."""
    return {
        (method, re.sub(r":\w+\}", "}", route.path))
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set[str]()) - {"HEAD"}
    }


def validator(file: Any, name: str) -> Any:  # typed by nobody
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": file["components"]}
    )


def test_the_file_names_all_that_is_served_and_nothing_else(client: Client, file: Any) -> None:
    described = {
        (method.upper(), path) for path, methods in file["paths"].items() for method in methods
    }
    assert described == served(client.app)
    assert all(isinstance(route, Route) for route in client.app.routes)


def test_the_file_is_openapi_3_1_and_every_reference_in_it_leads_somewhere(file: Any) -> None:
    assert file["openapi"].startswith("3.1.")
    schemas = file["components"]["schemas"]
    assert set(REFERENCE.findall(json.dumps(file))) <= schemas.keys()
    for name in schemas:
        Draft202012Validator.check_schema(validator(file, name).schema)


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(file: Any) -> None:
    operations = [entry for methods in file["paths"].values() for entry in methods.values()]
    names = [entry["operationId"] for entry in operations]
    assert len(set(names)) == len(names)
    for entry in operations:
        assert entry["summary"][0].isupper()
        assert not entry["summary"].endswith(".")
        assert any(status < "400" for status in entry["responses"])
        assert {"400", "405", "408", "431", "500", "503"} <= entry["responses"].keys()


def test_every_parameter_of_a_path_is_described_and_no_other(file: Any) -> None:
    for path, methods in file["paths"].items():
        for entry in methods.values():
            named = {p["name"] for p in entry["parameters"] if p["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))


def test_every_problem_is_said_to_come_from_somewhere(file: Any) -> None:
    said = " ".join(
        answer["description"]
        for methods in file["paths"].values()
        for entry in methods.values()
        for answer in entry["responses"].values()
    )
    assert [one.slug for one in PROBLEMS if f"`{one.slug}`" not in said] == []


def test_without_a_token_a_place_answers_401_unless_the_file_says_that_it_is_open(
    client: Client, file: Any
) -> None:
    for path, methods in file["paths"].items():
        for method, entry in methods.items():
            status, _, _ = run(
                client.send(
                    method.upper(), path.replace("{id}", "x"), headers={"authorization": ""}
                )
            )
            assert (status == 401) == bool(entry["security"]), (method, path, status)
            assert ("401" in entry["responses"]) == bool(entry["security"])


@pytest.mark.parametrize(
    "changes", [{}, {"resource__id": "far"}, {"context__transfer": {}, "resource__id": "far"}]
)
def test_an_answer_has_the_schema_of_the_file(
    world: World, file: Any, changes: dict[str, Any]
) -> None:
    answer = world.decide(**changes)
    check = validator(file, "Decision")
    check.validate(answer)
    assert not check.is_valid({**answer, "more": 1})
    assert not check.is_valid({k: v for k, v in answer.items() if k != "proof"})
    assert not check.is_valid({**answer, "decision": True})


def test_a_question_has_the_schema_of_the_file_where_the_gateway_reads_it(file: Any) -> None:
    check = validator(file, "Question")
    check.validate(question())
    for wrong in (
        question(action__name="fly"),
        question(context__nothing={}),
        question(context__data__labels=["x"]),
        question(resource__properties={"countries": ["FR"]}),
        question(subject=...),
    ):
        assert not check.is_valid(wrong)


# --- registering ---------------------------------------------------------------------


async def handler(request: Request) -> Response:
    return PlainTextResponse(request.method)


def operation(method: str, path: str) -> Operation:
    return Operation(method, path, handler, "x", "X", {200: Answer("It is")})


def test_one_method_of_one_place_is_registered_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        routes([operation("GET", "/a"), operation("GET", "/a")])


def test_two_methods_of_a_place_are_one_route_that_allows_both() -> None:
    (route,) = routes([operation("GET", "/a"), operation("POST", "/a")])
    assert route.methods == {"GET", "HEAD", "POST"}


def test_a_path_with_slashes_in_a_parameter_is_written_as_openapi_does() -> None:
    paths = document([operation("GET", "/a/{id:path}")], b"{}")["paths"]
    assert paths is not None
    assert list(paths) == ["/a/{id}"]  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
