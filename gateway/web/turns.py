"""Whose question is decided next: in turn by tenant, so that none pays for what another asks.

Questions carry start tags (start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996): that
of a tenant which asks little is the present, that of one which asks much lies ahead by all it
has asked, each question as large as it is. The least is next. Three rules keep short what has
begun before it and cannot be taken back:

- Where tenants share, one question begins in every fourth pass of the event loop, and whatever
  came in is looked at between two of them. One tenant alone begins as many in a pass as there
  is room for, which then are handed to the log together.
- The tenants that are there share the places to decide. One alone has all of them; a
  newcomer finds its own free, and for a second after it came to others they leave it free:
  who asks one question after another is a newcomer with each.
- A small question of a tenant that has nothing under way takes none of the bytes.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from gateway.errors import OverloadedError
from gateway.web.limits import MAX_AT_ONCE, MAX_BYTES_AT_ONCE, TURN_TIMEOUT_S
from gateway.web.waits import Deadlines

# What any question costs besides its bytes, in bytes.
EACH = 2048
# Tenants share for so many seconds after two were there: who asks one question after another is
# away in between.
SHARED_S = 1.0
# Passes of the loop for each question that begins while tenants share. The loop takes one new
# connection in a pass: with as many questions, whoever comes stands in the line of the system
# behind all of a crowd, where nobody knows yet whose connection it is.
PASSES = 4
# A question of up to this part of the bytes at once is small.
SMALL = 16
# Tenants of which it is remembered what they asked, though they may have left.
REMEMBERED = 1024


@dataclass(eq=False, slots=True)
class Turn:
    """The turn of a question, which has come once it is `called`."""

    size: int
    start: float = 0.0
    called: bool = False
    wait: "asyncio.Future[None] | None" = None


@dataclass(eq=False, slots=True)
class _Tenant:
    """What a tenant has under way, and what waits."""

    open: int = 0
    line: deque[Turn] = field(default_factory=deque[Turn])


class Turns:
    """Lets a few questions be decided at a time. Belongs to the event loop it is used in.

    Args:
        limit: Questions of one tenant at once, and of all that share.
        at_most: Questions at once, whoever asks; twice the limit where none is given, which
            leaves room for newcomers.
        limit_bytes: Bytes at once; a question of more counts as that many.
        timeout_s: Seconds to wait for a turn.
    """

    def __init__(
        self,
        limit: int = MAX_AT_ONCE,
        limit_bytes: int = MAX_BYTES_AT_ONCE,
        timeout_s: float = TURN_TIMEOUT_S,
        *,
        at_most: int | None = None,
    ) -> None:
        self._limit = limit
        self._at_most = 2 * limit if at_most is None else at_most
        self._limit_bytes = limit_bytes
        self._small = limit_bytes // SMALL
        self._timeout_s = timeout_s
        self._deadlines = Deadlines(timeout_s)
        self._taken = 0
        self._taken_bytes = 0
        self._there: dict[str, _Tenant] = {}
        self._now = 0.0  # the start tag of whoever was called last
        self._next_start: dict[str, float] = {}
        self._shared_until = 0.0  # by the clock of `time.monotonic`
        self._shared = False  # when it was last looked
        self._beside_until = 0.0  # the same: somebody came to others who were there
        self._in_pass: asyncio.AbstractEventLoop | None = None  # in whose pass one has begun

    @asynccontextmanager
    async def one(self, tenant: str, size: int) -> AsyncGenerator[None]:
        """Wait for a turn, and have it for the length of the block; raises as `come`."""
        mine = self.enter(tenant, size)
        try:
            await self.come(mine)
            yield
        finally:
            self.leave(tenant, mine)

    def enter(self, tenant: str, size: int) -> Turn:
        """Ask for a turn, which must be left again, whether or not it has come."""
        start = max(self._now, self._next_start.get(tenant, 0.0))
        mine = Turn(min(size, self._limit_bytes), start)
        self._next_start[tenant] = start + EACH + size
        there = self._there.get(tenant)
        if there is None:
            if self._there:
                self._beside_until = monotonic() + SHARED_S
            there = self._there[tenant] = _Tenant()
        there.line.append(mine)
        self._call_next()
        return mine

    def is_alone(self, tenant: str) -> bool:
        """Whether nobody but the tenant is there, nor was a moment ago, by what is known since the
        last turn was given."""
        return len(self._there) == 1 and tenant in self._there and not self._shared

    def more(self, tenant: str, size: int) -> None:
        """Count one more question to the turn that the tenant has."""
        self._next_start[tenant] += EACH + size

    async def come(self, mine: Turn) -> None:
        """Wait until a turn comes.

        Raises:
            OverloadedError: It did not come in time.
        """
        if mine.called:
            return
        mine.wait = asyncio.get_running_loop().create_future()
        self._deadlines.add(mine.wait)
        try:
            await mine.wait
        except TimeoutError as error:
            words = f"a question waited {self._timeout_s:g} s for its turn"
            raise OverloadedError(words) from error

    def leave(self, tenant: str, mine: Turn) -> None:
        """Give a turn back, or wait for it no longer."""
        there = self._there[tenant]
        if mine.called:
            there.open -= 1
            self._taken -= 1
            self._taken_bytes -= mine.size
        else:
            there.line.remove(mine)
        if not there.open and not there.line:
            del self._there[tenant]
            self._forget()
        self._call_next()

    def _forget(self) -> None:
        """Forget what those who left have asked, once nobody is there or they are many."""
        if not self._there:
            self._next_start.clear()
            self._now = 0.0
        elif len(self._next_start) > REMEMBERED:
            self._next_start = {name: self._next_start[name] for name in self._there}

    def _call_next(self) -> None:
        """Call whoever is next; where tenants share, one in `PASSES` of the loop."""
        now = monotonic()
        if len(self._there) > 1:
            self._shared_until = now + SHARED_S
        shared = self._shared = now < self._shared_until
        # Python asks the system whose process this is before it says which loop runs.
        loop = asyncio.get_running_loop() if shared else None
        if loop is not None and self._in_pass is loop:
            return
        while self._there and (chosen := self._choose(self._share(now))) is not None:
            self._call(chosen)
            if loop is not None:
                self._in_pass = loop
                loop.call_soon(self._pass_is_over, PASSES)
                return

    def _pass_is_over(self, left: int) -> None:
        if left > 1:
            asyncio.get_running_loop().call_soon(self._pass_is_over, left - 1)
            return
        self._in_pass = None
        self._call_next()

    def _share(self, now: float) -> int:
        """How many places a tenant has."""
        if now < self._beside_until:
            return max(1, self._limit // max(2, len(self._there)))
        return max(1, self._limit // len(self._there))

    def _choose(self, share: int) -> _Tenant | None:
        """Whose first question is next. A large one for which there is no room lets small
        ones of tenants with nothing under way pass, which take no room from it."""
        if self._taken >= self._at_most:
            return None
        first = None
        for there in self._there.values():
            if there.line and there.open < share and (first is None or _before(there, first)):
                first = there
        if first is None or self._fits(first):
            return first
        for there in self._there.values():
            if there.line and self._is_free(there):
                return there
        return None

    def _is_free(self, there: _Tenant) -> bool:
        return not there.open and there.line[0].size <= self._small

    def _fits(self, there: _Tenant) -> bool:
        return self._is_free(there) or self._taken_bytes + there.line[0].size <= self._limit_bytes

    def _call(self, there: _Tenant) -> None:
        turn = there.line.popleft()
        if not there.open and turn.size <= self._small:
            turn.size = 0
        there.open += 1
        self._taken += 1
        self._taken_bytes += turn.size
        self._now = max(self._now, turn.start)
        turn.called = True
        if turn.wait is not None and not turn.wait.done():
            turn.wait.set_result(None)


def _before(one: _Tenant, other: _Tenant) -> bool:
    return one.line[0].start < other.line[0].start


class Paced:
    """Lets those who are refused go one at a time: whoever asks again as soon as it is refused
    would else cost more than those who are answered.

    Args:
        pause_s: Seconds between two.
    """

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._line: deque[asyncio.Future[None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None  # in which a timer runs
        self._free_at = 0.0

    async def come(self) -> None:
        """Wait for the turn; nobody does where the one before is long gone."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._line.clear()
            if loop.time() >= self._free_at:
                self._free_at = loop.time() + self._pause_s
                return
            self._loop = loop
            loop.call_at(self._free_at, self._let_one_go)
        wait = loop.create_future()
        self._line.append(wait)
        await wait

    def _let_one_go(self) -> None:
        assert self._loop is not None  # noqa: S101 - its timer calls
        while self._line and self._line[0].done():
            self._line.popleft()
        if not self._line:
            self._loop = None
            return
        self._line.popleft().set_result(None)
        self._free_at = self._loop.time() + self._pause_s
        self._loop.call_at(self._free_at, self._let_one_go)
