"""The checker of histories finds what it is there for: each way in which a gateway could have
lied to its callers, made by hand."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from gateway.errors import GatewayError
from tests.faults.history import Asked, Event, History, check_answers, check_log, draw, put
from tests.faults.running import Project, gateway

Harm = Callable[[History], None]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, History, Path]:
    """Six answers of a gateway, its folder, and a copy of that from the middle."""
    project = Project.make(tmp_path_factory.mktemp("told") / "project")
    earlier = project.folder.parent / "earlier"
    chance = Random(1)  # noqa: S311
    history = History()
    for number in range(2):
        with gateway(project, "--engines", "cedar") as running:
            history.events += [put(running, draw(chance)) for _ in range(3)]
            history.checkpoints.append(running.checkpoint())
        if number == 0:
            shutil.copytree(project.state, earlier)
    assert [event.status for event in history.events] == [200] * 6
    return project, history, earlier


def change(history: History, number: int, **values: object) -> None:
    history.events[number] = replace(history.events[number], **values)  # type: ignore[arg-type]


def answer_of(history: History, number: int) -> dict[str, object]:
    answer = copy.deepcopy(history.events[number].answer)
    assert answer is not None
    return answer


def twice(history: History) -> None:
    history.events.append(history.events[0])


def of_another_question(history: History) -> None:
    change(history, 0, asked=history.events[1].asked)


def another_outcome(history: History) -> None:
    change(history, 0, answer={**answer_of(history, 0), "decision": "maybe"})


def another_proof(history: History) -> None:
    change(history, 0, answer={**answer_of(history, 0), "proof": answer_of(history, 1)["proof"]})


def asked_after_the_end(history: History) -> None:
    late = history.events[-1].ended
    change(history, 0, sent=late + 1, ended=late + 2)


def another_checkpoint(history: History) -> None:
    history.checkpoints.append(history.checkpoints[0].replace(b"\n4\n", b"\n3\n"))


def test_a_history_that_is_true_passes(told: tuple[Project, History, Path]) -> None:
    project, history, _ = told
    assert check_log(project, history) == 7
    check_answers(history.events)


@pytest.mark.parametrize(
    "harm",
    [
        twice,
        of_another_question,
        another_outcome,
        another_proof,
        asked_after_the_end,
        another_checkpoint,
    ],
)
def test_a_history_that_is_not_is_found(told: tuple[Project, History, Path], harm: Harm) -> None:
    project, history, _ = told
    harmed = History(list(history.events), list(history.checkpoints))
    harm(harmed)
    with pytest.raises((AssertionError, GatewayError)):
        check_log(project, harmed)


def test_an_answer_that_the_log_lost_is_found(told: tuple[Project, History, Path]) -> None:
    project, history, earlier = told
    lost = Project(earlier.parent / "lost", project.tokens)
    lost.folder.mkdir()
    shutil.copytree(earlier, lost.state)
    check_log(lost, History(history.events[:3], history.checkpoints[:1]))
    with pytest.raises(AssertionError, match="was answered and is lost"):
        check_log(lost, History(history.events[:4], history.checkpoints[:1]))
    with pytest.raises(GatewayError):
        check_log(lost, History(history.events[:3], history.checkpoints))


@pytest.mark.parametrize(
    "event",
    [
        Event(Asked({}, "deny"), 0, 1, 200, {"decision": "permit", "incident": None}),
        Event(Asked({}, "permit"), 0, 1, 200, {"decision": "deny", "incident": None}),
        Event(Asked({}, "deny"), 0, 1, 200, {"decision": "indeterminate", "incident": None}),
        Event(Asked({}, "deny"), 0, 11, 200, {"decision": "deny", "incident": None}),
        Event(Asked({}, "deny"), 0, 1, 404, None),
        Event(Asked({}, "deny"), 0, 1, 201, None),
    ],
)
def test_an_answer_that_is_wrong_or_late_is_found(event: Event) -> None:
    with pytest.raises(AssertionError):
        check_answers([event])
