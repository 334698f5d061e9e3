"""No tenant waits behind another's questions for long, and none fills the memory."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import Request

from gateway.errors import OverloadedError
from gateway.web.limits import (
    MAX_BODY_BYTES,
    BodyTooLargeError,
    InFlight,
    TooBusyError,
    Turns,
    expected_size,
)

# --- places --------------------------------------------------------------------------


def test_the_bytes_of_one_tenant_are_bounded_and_given_back() -> None:
    places = InFlight(limit=10, limit_bytes=100)
    with places.one("a", 60), places.one("b", 90), places.one("a", 40) as small:
        with pytest.raises(TooBusyError), places.one("a", 1):
            pass
        small.size = 10  # it had said more than came
        with places.one("a", 30), pytest.raises(TooBusyError), places.one("a", 1):
            pass
    with places.one("a", 100):
        pass


def test_one_question_alone_is_never_too_large_for_its_tenant() -> None:
    with InFlight(limit=10, limit_bytes=100).one("a", 1000):
        pass


def test_an_error_inside_gives_the_place_back() -> None:
    places = InFlight(limit=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), places.one("a", 1):
            raise ZeroDivisionError
    with places.one("a", 1), pytest.raises(TooBusyError), places.one("a", 1):
        pass


def request(*headers: tuple[str, str]) -> Request:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": sent})


@pytest.mark.parametrize(
    "said", ["-1", "+1", "1e3", "", "x", "²", str(MAX_BODY_BYTES + 1), "9" * 5000]
)
def test_a_length_that_is_too_large_or_none_is_refused(said: str) -> None:
    with pytest.raises(BodyTooLargeError):
        expected_size(request(("content-length", said)))


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ([], 0),
        ([("content-length", "17")], 17),
        ([("content-length", str(MAX_BODY_BYTES))], MAX_BODY_BYTES),
        # It could become anything: a stranger to the length must not get more room by it.
        ([("transfer-encoding", "chunked")], MAX_BODY_BYTES),
    ],
)
def test_a_body_counts_as_what_it_says_or_as_the_largest(
    headers: Sequence[tuple[str, str]], size: int
) -> None:
    assert expected_size(request(*headers)) == size


# --- turns ---------------------------------------------------------------------------


class Order:
    """Asks for turns, and notes who has one when."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.seen: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def _one(self, tenant: str, size: int) -> None:
        async with self.turns.one(tenant, size):
            self.seen.append(tenant)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(0.01)
            self.at_once -= 1

    async def ask(self, tenant: str, count: int = 1, size: int = 1) -> None:
        self.tasks += [asyncio.create_task(self._one(tenant, size)) for _ in range(count)]
        await asyncio.sleep(0)

    async def end(self) -> list[BaseException | None]:
        return await asyncio.gather(*self.tasks, return_exceptions=True)


def test_another_tenants_question_comes_next_whatever_one_tenant_asked_before() -> None:
    async def flood() -> None:
        order = Order(Turns(limit=2, timeout_s=60))
        await order.ask("a", 100)
        await order.ask("b", 3)
        await order.ask("c")
        assert await order.end() == [None] * 104
        # Two are being decided already; then by turns.
        assert order.seen[:10] == ["a", "a", "a", "b", "c", "a", "b", "a", "b", "a"]

    asyncio.run(flood())


def test_no_more_are_decided_at_once_than_the_limit() -> None:
    async def flood(limit: int, limit_bytes: int, size: int) -> int:
        order = Order(Turns(limit=limit, limit_bytes=limit_bytes, timeout_s=60))
        for tenant in "abcde":
            await order.ask(tenant, 10, size)
        assert await order.end() == [None] * 50
        return order.most_at_once

    assert asyncio.run(flood(4, 1000, 1)) == 4
    assert asyncio.run(flood(4, 1000, 400)) == 2
    assert asyncio.run(flood(4, 1000, 5000)) == 1


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
        order = Order(Turns(limit=1, timeout_s=0.05))
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
