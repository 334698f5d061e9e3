"""What a source is, whatever it is made of: it says something of a thing that is named."""

from dataclasses import dataclass
from typing import Protocol

from gateway.record.canonical import Json


@dataclass(frozen=True, slots=True)
class Key:
    """What is asked about. `tenant` is whose it is, None where it is nobody's."""

    id: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it came. `date` is when it was made, where it does not say when what it
    states was observed."""

    document: Json
    date: str | None = None


class Backend(Protocol):
    """Where a source has its answers from."""

    def read(self, key: Key) -> Raw | None:
        """The answer, or None where there is none. It may block, for about the time limit of
        the source, and is called from several threads.

        Raises:
            FactSourceError: There is none to have.
            FetchTimeoutError: It took too long.
        """
        ...
