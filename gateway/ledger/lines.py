"""Appends that wait for the writer, in a line for each tenant."""

from collections import OrderedDict, deque
from collections.abc import Sized
from typing import Generic, Protocol, TypeVar


class Owned(Sized, Protocol):
    """What a tenant wants appended together; its length is the number of entries."""

    @property
    def tenant(self) -> str: ...


T = TypeVar("T", bound=Owned)


class Lines(Generic[T]):
    """Gives tenants turns at a commit group: what one of them has waiting can fill many groups,
    and another's append still comes into the next. Belongs to one thread."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, together: T) -> None:
        """Put what belongs together at the end of the line of its tenant."""
        self._lines.setdefault(together.tenant, deque()).append(together)

    def take(self, most: int) -> list[T]:
        """The next group: of each tenant in turn what came first, until there are as many entries
        as `most`. What belongs together is never divided, so there can be more."""
        group: list[T] = []
        entries = 0
        while self._lines and entries < most:
            tenant, line = self._lines.popitem(last=False)
            together = line.popleft()
            group.append(together)
            entries += len(together)
            if line:
                self._lines[tenant] = line
        return group
