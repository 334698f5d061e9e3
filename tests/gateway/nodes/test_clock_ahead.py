"""Challenges that were given out by a clock that was ahead and has been set right since."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.nodes import challenge as challenges
from gateway.nodes.desk import Desk
from gateway.nodes.errors import TooManyChallengesError
from gateway.nodes.store import FILE
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import NOW, Counter, Machine

OWN = Machine()


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(Desk(tmp_path / FILE), machines.terms(tmp_path))


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(days=30)])
@pytest.mark.parametrize("purpose", ["standing", "decision"])
def test_a_challenge_from_the_future_is_none(
    counter: Counter, purpose: str, ahead: timedelta
) -> None:
    counter.purpose = purpose
    counter.now = NOW + ahead
    asked = counter.ask()
    # Quoted at once, and kept: it would be as new on any later day.
    document = OWN.document(asked.nonce)
    counter.now = NOW
    shown = counter.show(document, asked.id)
    assert (shown.result.verdict.value, shown.result.reason) == ("refused", "evidence-nonce")
    assert counter.stands() is None


def test_a_small_correction_of_the_clock_ends_no_challenge(counter: Counter) -> None:
    counter.now = NOW + timedelta(seconds=30)
    asked = counter.ask()
    counter.now = NOW
    assert counter.show(OWN.document(asked.nonce), asked.id).result.verdict.value == "accepted"


def test_challenges_from_the_future_leave_room_for_those_of_now(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenges, "MAX_OPEN", 3)
    counter.now = NOW + timedelta(days=365)
    for _ in range(3):
        counter.ask()
    with pytest.raises(TooManyChallengesError):
        counter.ask()
    counter.now = NOW
    assert counter.answer(OWN).result.verdict.value == "accepted"
