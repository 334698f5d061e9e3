"""The fixture of the AuthZEN certification scenario, as an ordinary charter: the decisions of
its section "Required Policy Behaviour", by rule number.

https://github.com/openid/authzen, certification/authorization-api-1_0-scenario.md
"""

import copy
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gateway import bundle
from gateway.errors import RequestError
from gateway.pdp import catalogue
from gateway.pdp.engines import make_engines
from tests.gateway.cli.commands import Charter
from tests.gateway.world import World, run
from tests.project import ROOT

FOLDER = ROOT / "tests" / "fixtures" / "authzen"
CONTEXTS: list[dict[str, Any]] = [{}, {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}]


def asked(user: str, name: str, record: str, **properties: Any) -> dict[str, Any]:
    """A question as the scenario writes it; properties of subject, action and resource."""
    members: dict[str, Any] = {
        "subject": {"type": "user", "id": user},
        "action": {"name": name},
        "resource": {"type": "record", "id": record},
    }
    for member, value in properties.items():
        members[member]["properties"] = value
    return members


ARCHIVED, ACTIVE, ADMIN = {"status": "archived"}, {"status": "active"}, {"role": "admin"}

DECISIONS: dict[str, tuple[dict[str, Any], bool]] = {
    "rule 1": (asked("alice", "read", "record-1"), True),
    "rule 2": (asked("alice", "write", "record-1"), True),
    "rule 3": (asked("bob", "read", "record-1"), True),
    "rule 4": (asked("bob", "write", "record-1"), False),
    "rule 5": (asked("alice", "write", "record-2", resource=ARCHIVED), False),
    "rule 6": (asked("bob", "write", "record-2", subject=ADMIN, resource=ARCHIVED), True),
    "rule 7": (asked("alice", "delete", "record-1", action={"soft": True}), True),
    "rule 8": (asked("alice", "delete", "record-1", action={"soft": False}), False),
    # Not prescribed, and as they should be.
    "nothing said of how": (asked("alice", "delete", "record-1"), False),
    "an admin, of an active record": (
        asked("bob", "write", "record-1", subject=ADMIN, resource=ACTIVE), False),
    "an admin, of a record nothing is said of": (
        asked("bob", "write", "record-2", subject=ADMIN), False),
    "a stranger": (asked("mallory", "read", "record-1"), False),
    "another record": (asked("alice", "read", "record-2"), True),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    made = bundle.build(bundle.compile_folder(FOLDER), {})
    engines = make_engines(("cedar", "rego"), made.program, opa_url=None)
    folder = tmp_path_factory.mktemp("authzen")
    with World(folder, law=made, known=catalogue.empty(), engines=engines) as gateway:
        run(gateway.service.check_engines())
        yield gateway


@pytest.mark.parametrize("context", CONTEXTS, ids=["no context", "a context"])
@pytest.mark.parametrize("case", DECISIONS)
def test_the_decisions_of_the_scenario_hold(
    world: World, case: str, context: dict[str, Any]
) -> None:
    members, decision = DECISIONS[case]
    said = world.decide(**copy.deepcopy(members), context=context)
    assert (said["decision"] == "permit") is decision
    assert said["incident"] is None
    world.verify(said)


@pytest.mark.parametrize("case", [case for case in DECISIONS if not DECISIONS[case][1]])
def test_hiding_what_was_said_does_not_help(world: World, case: str) -> None:
    members, _ = DECISIONS[case]
    for name in ("subject", "action", "resource"):
        hidden = copy.deepcopy(members)
        hidden[name].pop("properties", None)
        assert world.decide(**hidden, context={})["decision"] != "permit"


STRANGE: list[tuple[dict[str, Any], str]] = [
    (asked("bob", "write", "record-2", resource={"status": "gone"}), "/resource/properties/status"),
    (asked("bob", "delete", "record-1", action={"soft": "true"}), "/action/properties/soft"),
    (asked("bob", "write", "record-1", subject={"role": ["admin"]}), "/subject/properties/role"),
    (asked("bob", "read", "x") | {"subject": {"type": "robot", "id": "bob"}}, "/subject/type"),
    (asked("bob", "read", "x") | {"resource": {"type": "file", "id": "x"}}, "/resource/type"),
]


@pytest.mark.parametrize(("members", "pointer"), STRANGE)
def test_what_the_vocabulary_has_not_is_refused(
    world: World, members: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(RequestError) as caught:
        world.decide(**members, context={})
    assert (caught.value.kind, caught.value.pointer) == ("unfit-value", pointer)


def test_its_examples_hold_on_every_engine(capsys: pytest.CaptureFixture[str]) -> None:
    charter = Charter(capsys)
    checked = charter("check", FOLDER)
    assert (checked.code, checked.err) == (0, "")
    tested = charter("test", FOLDER)
    assert tested.code == 0, tested.out
    assert "12 cases on cedar, rego, reference, 0 failures" in tested.out


def test_the_fixture_is_what_a_user_would_keep() -> None:
    assert sorted(path.name for path in Path(FOLDER).iterdir()) == [
        "records.charter",
        "vocabulary.charter",
    ]
