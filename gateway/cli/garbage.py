"""Spares Python the search through all that a gateway has loaded, again and again.

Its collector looks for cycles of objects that nobody else refers to, whenever objects have
become more by a number. Charters, indexes and modules are a hundred and fifty thousand objects
that stay; a question leaves no cycle behind. So what is loaded is set aside, and looked through
once more when it has been replaced.
"""

import asyncio
import gc

from gateway.cli.memory import give_back
from gateway.in_force import InForce
from gateway.service import Service

# So many more objects until they are looked through, and so many times until the older ones are
# as well. What many questions have under way at once is fewer, and what would be found too late
# is small beside what a process may hold.
THRESHOLDS = (20_000, 10, 10)


def set_aside() -> None:
    """Let go of what nobody refers to, and look no more through what is left."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    give_back()


class Aside:
    """Sets aside what a service decides with: now, and again when it may have been replaced."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known = service.in_force
        self._tasks: set[asyncio.Task[None]] = set()
        set_aside()

    def again(self) -> None:
        """Set aside what is in force now, once what was before is let go."""
        before, self._known = self._known, self._service.in_force
        task = asyncio.get_running_loop().create_task(
            _set_aside_again(None if before is self._known else before)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _set_aside_again(before: InForce | None) -> None:
    if before is not None:
        await before.closed.wait()
        del before
    gc.unfreeze()
    set_aside()
