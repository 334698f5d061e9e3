"""No tenant's append waits behind all that another has waiting."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.ledger.head import Receipt
from gateway.ledger.lines import Lines
from gateway.ledger.writer import MAX_GROUP
from tests.gateway.ledger.logs import open_log


@dataclass(frozen=True)
class One:
    tenant: str
    number: int = 0


class Several(list[One]):
    """What belongs together."""

    @property
    def tenant(self) -> str:
        return self[0].tenant


def several(tenant: str, *numbers: int) -> Several:
    return Several(One(tenant, number) for number in numbers)


def taken(lines: Lines[Several], most: int) -> list[One]:
    return [one for together in lines.take(most) for one in together]


def test_who_comes_after_a_flood_is_in_the_next_group() -> None:
    lines: Lines[Several] = Lines()
    for number in range(100):
        lines.add(several("a", *range(10 * number, 10 * number + 10)))
    assert {one.tenant for one in taken(lines, 20)} == {"a"}
    lines.add(several("b", 1))
    assert One("b", 1) in taken(lines, 20)


def test_those_of_one_tenant_keep_their_order_and_none_is_lost_or_doubled() -> None:
    lines: Lines[Several] = Lines()
    for number in range(30):
        for tenant in "abc"[: number % 4]:
            lines.add(several(tenant, number))
    found: list[One] = []
    while lines:
        found += taken(lines, 7)
    for tenant in "abc":
        numbers = [one.number for one in found if one.tenant == tenant]
        assert numbers == sorted(set(numbers))
    assert len(found) == sum(number % 4 for number in range(30))


@pytest.mark.parametrize("most", [1, 3, 4, 5])
def test_what_belongs_together_is_never_divided(most: int) -> None:
    lines: Lines[Several] = Lines()
    for tenant in "ab":
        lines.add(several(tenant, 1, 2, 3, 4))
    group = taken(lines, most)
    assert len(group) in (4, 8)
    assert (len(group) == 8) is (most > 4)


def test_nothing_is_taken_where_nothing_waits() -> None:
    assert Lines[Several]().take(5) == []


def test_an_append_behind_a_flood_is_in_the_group_after_the_one_under_way(tmp_path: Path) -> None:
    def batch(tenant: str, name: str, count: int) -> Sequence[tuple[str, str, bytes]]:
        return [(f"{name}-{number}", tenant, b"{}") for number in range(count)]

    under_way, go_on = threading.Event(), threading.Event()

    def hold(_entries: int) -> None:
        under_way.set()
        assert go_on.wait(30)

    with open_log(tmp_path / "ledger") as log:
        log.on_commit(hold)
        waiting: list[Future[Receipt]] = [*log.append_all(batch("a", "first", 1))]
        assert under_way.wait(30)
        for number in range(30):
            waiting += log.append_all(batch("a", f"many-{number}", 20))
        (mine,) = log.append_all(batch("b", "mine", 1))
        waiting += log.append_all(batch("a", "last", 20))
        go_on.set()
        begun = log.size
        assert mine.result(30).index < begun + MAX_GROUP + 20
        indices = [one.result(30).index for one in waiting]
        assert indices == sorted(indices), "one tenant's order is that of its appends"
        assert log.size == len(waiting) + 1
