"""Turns by tenant: who asks little does not wait for who asks much, and nobody waits for ever."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from gateway.errors import OverloadedError
from gateway.web import turns as module
from gateway.web.turns import PASSES, REMEMBERED, Paced, Turn, Turns


class Order:
    """Asks for turns, and notes who has one when."""

    def __init__(self, turns: Turns, hold_s: float = 0.01) -> None:
        self.turns = turns
        self.hold_s = hold_s
        self.seen: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def _one(self, tenant: str, size: int) -> None:
        async with self.turns.one(tenant, size):
            self.seen.append(tenant)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(self.hold_s)
            self.at_once -= 1

    async def ask(self, tenant: str, count: int = 1, size: int = 1) -> None:
        self.tasks += [asyncio.create_task(self._one(tenant, size)) for _ in range(count)]
        await asyncio.sleep(0)

    async def until(self, tenant: str) -> None:
        for _ in range(10_000):
            if tenant in self.seen:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"{tenant} never came to its turn")

    async def end(self) -> list[BaseException | None]:
        return await asyncio.gather(*self.tasks, return_exceptions=True)


def test_another_tenants_question_comes_next_whatever_one_tenant_asked_before() -> None:
    async def flood() -> None:
        order = Order(Turns(limit=2, at_most=2, timeout_s=60))
        await order.ask("a", 100)
        await passes(8)
        await order.ask("b", 3)
        await order.ask("c")
        assert await order.end() == [None] * 104
        # Two are being decided already; then by turns.
        assert order.seen[:3] == ["a", "a", "b"]
        assert Counter(order.seen[:9]) == {"a": 5, "b": 3, "c": 1}

    asyncio.run(flood())


def test_a_newcomer_begins_while_another_tenant_has_all_its_places_taken() -> None:
    async def flood() -> None:
        # Held until the end, however slow the machine is.
        order = Order(Turns(limit=4, timeout_s=60), hold_s=600)
        await order.ask("a", 100)
        await passes(8)
        assert order.at_once == 4
        await order.ask("b")
        await order.until("b")
        assert order.seen == ["a", "a", "a", "a", "b"]
        for task in order.tasks:
            task.cancel()
        await order.end()

    asyncio.run(flood())


def test_tenants_that_are_there_share_the_places() -> None:
    async def flood() -> None:
        order = Order(Turns(limit=8, timeout_s=60))
        for tenant in "abcd":
            await order.ask(tenant, 40)
        await asyncio.sleep(0.025)
        begun = Counter(order.seen)
        assert max(begun.values()) - min(begun.values()) <= 8, begun
        await order.end()
        assert order.most_at_once <= 16

    asyncio.run(flood())


@pytest.mark.parametrize(
    ("limit", "limit_bytes", "size", "least", "most"),
    [
        (4, 1000, 1, 4, 8),  # each newcomer has one beside those that have begun
        (4, 1000, 400, 2, 2),
        (4, 1000, 5000, 1, 1),
        (1, 1000, 1, 2, 2),
    ],
)
def test_no_more_are_decided_at_once_than_there_are_places(
    limit: int, limit_bytes: int, size: int, least: int, most: int
) -> None:
    async def flood() -> int:
        order = Order(Turns(limit=limit, limit_bytes=limit_bytes, timeout_s=60))
        for tenant in "abcde":
            await order.ask(tenant, 10, size)
        assert await order.end() == [None] * 50
        return order.most_at_once

    assert least <= asyncio.run(flood()) <= most


def test_one_tenant_alone_has_all_places_and_no_more() -> None:
    async def flood() -> int:
        order = Order(Turns(limit=4, timeout_s=60))
        await order.ask("a", 30)
        await order.end()
        return order.most_at_once

    assert asyncio.run(flood()) == 4


class Held:
    """Questions of one tenant that wait or are decided, and end when they are told to."""

    def __init__(self, turns: Turns, tenant: str, count: int) -> None:
        self._turns = turns
        self._tenant = tenant
        self._asked: list[Turn] = [turns.enter(tenant, 1) for _ in range(count)]

    @property
    def under_way(self) -> int:
        return sum(turn.called for turn in self._asked)

    def end(self, *, most: int = 1000) -> None:
        """As many as are under way, or `most` of them, end."""
        for turn in [turn for turn in self._asked if turn.called][:most]:
            self._asked.remove(turn)
            self._turns.leave(self._tenant, turn)


async def passes(count: int = 160) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_tenant_leaves_the_places_free_of_another_that_comes_and_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SHARED_S", 60.0)

    async def come_and_go() -> None:
        turns = Turns(limit=16, timeout_s=60)
        crowd = Held(turns, "a", 100)
        assert crowd.under_way == 16
        for _ in range(3):
            alone = Held(turns, "b", 1)
            await passes()
            assert alone.under_way == 1
            alone.end()
            crowd.end(most=1)
            await passes()
            # What has begun cannot be taken back, but nothing takes its place.
        assert crowd.under_way == 13
        for _ in range(4):
            crowd.end()
            await passes()
            assert crowd.under_way == 8, "nobody else is there, and one may come at any time"
        alone = Held(turns, "b", 1)
        await passes()
        assert alone.under_way == 1

    asyncio.run(come_and_go())


@pytest.mark.parametrize(("others", "places"), [([], 16), (["b"], 8), (["b", "c"], 5)])
def test_tenants_that_stay_have_all_places_a_while_after_the_last_one_came(
    monkeypatch: pytest.MonkeyPatch, others: list[str], places: int
) -> None:
    monkeypatch.setattr(module, "SHARED_S", 0.05)

    async def stay() -> None:
        turns = Turns(limit=16, timeout_s=60)
        Held(turns, "gone", 1).end()
        there = [Held(turns, tenant, 100) for tenant in ["a", *others]]
        await asyncio.sleep(0.1)
        for _ in range(2):  # those who came first had more at first
            for held in there:
                held.end()
            await passes()
        assert {held.under_way for held in there} == {places}

    asyncio.run(stay())


def test_a_tenant_beside_many_that_come_and_go_has_a_place_nevertheless() -> None:
    async def come_and_go() -> None:
        turns = Turns(limit=4, timeout_s=60)
        crowd = Held(turns, "a", 20)
        many = [Held(turns, f"t{number}", 1) for number in range(4)]
        await passes()
        assert [one.under_way for one in many] == [1] * 4
        for _ in range(3):
            crowd.end()
            await passes()
            assert crowd.under_way == 1

    asyncio.run(come_and_go())


def test_small_questions_get_their_share_by_size_beside_large_ones() -> None:
    async def flood() -> None:
        order = Order(Turns(limit=1, at_most=1, limit_bytes=200_000, timeout_s=60))
        await order.ask("large", 10, 100_000)
        await order.ask("small", 60, 100)
        await order.end()
        # One hundred kilobytes are as much as some forty small ones.
        assert order.seen[:40].count("small") >= 38
        assert order.seen[-3:] == ["large"] * 3

    asyncio.run(flood())


def test_a_tenant_that_left_is_no_newcomer_while_others_are_there() -> None:
    async def flood() -> None:
        turns = Turns(limit=1, at_most=1, limit_bytes=200_000, timeout_s=60)
        order = Order(turns)
        await order.ask("b", 20, 10_000)
        await order.ask("a", 1, 100_000)
        await order.until("a")
        await asyncio.sleep(0.015)  # it has ended, and comes again
        before = len(order.seen)
        await order.ask("a", 1, 100_000)
        await order.end()
        assert order.seen[before : before + 5] == ["b"] * 5

    asyncio.run(flood())


async def passes_in_which_they_begin(tenants: str) -> list[int]:
    """Of questions of these tenants that come together: the pass of the loop each begins in."""
    turns = Turns(limit=8, timeout_s=60)
    begun: list[int] = []
    passed = 0

    async def one(tenant: str) -> None:
        async with turns.one(tenant, 1):
            begun.append(passed)
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(one(tenant)) for tenant in tenants]
    for _ in range(1_000_000):
        if len(begun) == len(tasks):
            break
        await asyncio.sleep(0)
        passed += 1
    await asyncio.gather(*tasks)
    return begun


def test_where_tenants_share_the_loop_takes_connections_between_two_that_begin() -> None:
    begun = asyncio.run(passes_in_which_they_begin("baaaaaaa"))
    apart = [later - before for before, later in pairwise(begun[1:])]
    assert min(apart) >= PASSES > 1, begun


def test_the_questions_of_one_tenant_alone_begin_together() -> None:
    assert len(set(asyncio.run(passes_in_which_they_begin("aaaaaaaa")))) == 1


def test_who_has_a_turn_is_alone_until_another_comes_and_a_while_after_that() -> None:
    async def ask() -> None:
        turns = Turns()
        mine = turns.enter("a", 1)
        assert turns.is_alone("a")
        assert not turns.is_alone("b")
        another = turns.enter("b", 1)
        assert not turns.is_alone("a")
        assert not turns.is_alone("b")
        turns.leave("b", another)
        assert not turns.is_alone("a")  # it may come again at once
        turns.leave("a", mine)

    asyncio.run(ask())


def test_what_is_counted_to_a_turn_makes_the_tenant_wait_as_a_turn_of_its_own_does() -> None:
    async def ask(*, more: int) -> list[str]:
        order = Order(Turns(limit=1, at_most=1, timeout_s=60))
        first = order.turns.enter("a", 1)
        for _ in range(more):
            order.turns.more("a", 1)
        await order.ask("a", 2)
        await order.ask("b", 4)
        order.turns.leave("a", first)
        assert await order.end() == [None] * 6
        return order.seen

    assert asyncio.run(ask(more=0))[:3] == ["b", "a", "b"]
    assert asyncio.run(ask(more=3))[:5] == ["b", "b", "b", "b", "a"]


def test_what_tenants_asked_that_left_is_forgotten() -> None:
    async def many() -> None:
        turns = Turns(limit=4, timeout_s=60)
        async with turns.one("stays", 1):
            for number in range(3 * REMEMBERED):
                async with turns.one(f"t{number}", 1):
                    pass
            assert len(turns._next_start) <= REMEMBERED + 1  # pyright: ignore[reportPrivateUsage]
        assert not turns._next_start  # pyright: ignore[reportPrivateUsage]

    asyncio.run(many())


def test_a_large_question_is_not_passed_over_for_ever() -> None:
    async def flood() -> None:
        order = Order(Turns(limit=4, limit_bytes=10, timeout_s=60))
        await order.ask("a", 40, 3)
        await order.ask("large", 1, 10)
        await order.ask("b", 40, 3)
        await order.end()
        assert order.seen.index("large") < 6

    asyncio.run(flood())


def test_who_waits_too_long_is_told_and_leaves_no_trace() -> None:
    async def flood() -> None:
        order = Order(Turns(limit=1, at_most=1, timeout_s=0.05))
        async with order.turns.one("a", 1):
            await order.ask("a", 2)
            await order.ask("b", 1)
            said = await order.end()
        assert [type(error) for error in said] == [OverloadedError] * 3
        assert order.seen == []
        order.tasks.clear()
        await order.ask("b", 2)
        assert await order.end() == [None, None]

    asyncio.run(flood())


def test_who_is_cancelled_while_waiting_or_deciding_gives_the_turn_back() -> None:
    async def flood() -> None:
        order = Order(Turns(limit=1, timeout_s=60))
        await order.ask("a", 3)
        await asyncio.sleep(0)
        for task in order.tasks[:2]:  # one decides, one waits
            task.cancel()
        said = await order.end()
        assert [type(error) for error in said[:2]] == [asyncio.CancelledError] * 2
        assert said[2] is None

    asyncio.run(flood())


def test_an_error_inside_gives_the_turn_back() -> None:
    async def fail() -> None:
        turns = Turns(limit=1, timeout_s=0.5)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with turns.one("a", 1):
                    raise ZeroDivisionError

    asyncio.run(fail())


# --- those who are refused -----------------------------------------------------------


def test_those_who_are_refused_go_one_at_a_time() -> None:
    async def refuse() -> list[float]:
        paced, gone = Paced(0.02), list[float]()

        async def one() -> None:
            await paced.come()
            gone.append(asyncio.get_running_loop().time())

        tasks = [asyncio.create_task(one()) for _ in range(6)]
        await asyncio.sleep(0)
        tasks[2].cancel()  # costs nobody else anything
        await asyncio.gather(*tasks, return_exceptions=True)
        return gone

    gone = asyncio.run(refuse())
    assert len(gone) == 5
    assert all(later - before > 0.015 for before, later in pairwise(gone)), gone


def test_who_is_refused_alone_does_not_wait_and_another_loop_is_no_hindrance() -> None:
    paced = Paced(30)

    async def leave_somebody_waiting() -> None:
        await asyncio.wait_for(paced.come(), 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(paced.come(), 0.01)

    asyncio.run(leave_somebody_waiting())
    quick = Paced(0.01)
    for _ in range(3):
        asyncio.run(asyncio.wait_for(quick.come(), 5))
