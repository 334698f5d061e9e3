"""Appends that wait for the writer, in a line for each tenant."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Owned(Protocol):
    """What a tenant wants appended."""

    @property
    def tenant(self) -> str: ...


T = TypeVar("T", bound=Owned)


class Lines(Generic[T]):
    """Gives tenants turns at a commit group: what one of them has waiting can fill many groups,
    and another's append still comes into the next. Belongs to one thread."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Sequence[T]]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, together: Sequence[T]) -> None:
        """Put appends that belong together, of which there is one at least and all are of one
        tenant, at the end of the line of that tenant."""
        self._lines.setdefault(together[0].tenant, deque()).append(together)

    def take(self, most: int) -> list[T]:
        """The next group: of each tenant in turn what came first, until there are as many as
        `most`. What belongs together is never divided, so there can be more."""
        group: list[T] = []
        while self._lines and len(group) < most:
            tenant, line = self._lines.popitem(last=False)
            group.extend(line.popleft())
            if line:
                self._lines[tenant] = line
        return group
