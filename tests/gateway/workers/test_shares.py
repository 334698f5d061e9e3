"""Limits of a gateway with several workers: each holds its part, and together never much more."""

import pytest

from gateway.callers import Caller
from gateway.web.entrance import Entrance
from gateway.web.limits import MAX_BYTES_IN_FLIGHT, TooBusyError, part

CALLER = Caller("me", "clinic-a")
OTHER = Caller("you", "clinic-b")


@pytest.mark.parametrize(
    ("limit", "workers", "of_one"),
    [(64, 1, 64), (64, 2, 32), (64, 3, 22), (1, 2, 1), (2, 64, 1), (100, 64, 2)],
)
def test_a_part_is_rounded_up_and_never_nothing(limit: int, workers: int, of_one: int) -> None:
    assert part(limit, workers) == of_one
    assert limit <= of_one * workers < limit + workers


@pytest.mark.parametrize(("workers", "fit"), [(1, 8), (2, 4), (3, 3)])
def test_a_tenant_has_its_part_of_the_places_of_each_worker(workers: int, fit: int) -> None:
    entrance = Entrance(8, workers)
    for _ in range(fit):
        entrance.enter(CALLER, 10)
    with pytest.raises(TooBusyError):
        entrance.enter(CALLER, 10)
    entrance.enter(OTHER, 10)


def test_a_tenant_has_its_part_of_the_bytes_of_each_worker() -> None:
    entrance = Entrance(8, 2)
    entrance.enter(CALLER, MAX_BYTES_IN_FLIGHT // 2)
    with pytest.raises(TooBusyError):
        entrance.enter(CALLER, 1)
