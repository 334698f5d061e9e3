"""All sources: which of them a question needs, and what they say, asked together."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dsl.core import Program
from gateway.pdp.reads import read_by_action
from gateway.pdp.supplied import NOTHING, TENANT, Named, Statement, Status, Supplied
from gateway.sources.interface import Key
from gateway.sources.source import Source

# Things that one fact of a request names, such as data sets; beyond it nobody is asked.
MAX_NAMED = 16


class Sources:
    """The sources of one program.

    Args:
        digest: Of the settings that they were made of.
    """

    def __init__(self, program: Program, sources: Sequence[Source], *, digest: str = "") -> None:
        self.digest = digest
        self._sources = tuple(sources)
        self._read = read_by_action(program)
        self._counted = Counter({(one.terms.name, Status.STATED): 0 for one in sources})

    async def ask(self, named: Named, now: datetime) -> Supplied:
        """As of `gateway.pdp.supplied.FactSources`."""
        wanted = list(self._wanted(named))
        if not wanted:
            return NOTHING
        found = await asyncio.gather(*(source.ask(key, now) for source, key, _ in wanted))
        self._counted.update((one.source, one.status) for one in found)
        said = [_only(one, names) for one, (_, _, names) in zip(found, wanted, strict=True)]
        return Supplied(tuple(sorted(said, key=lambda one: (one.source, one.about, one.id))))

    def counted(self) -> Mapping[tuple[str, Status], int]:
        """As of `gateway.pdp.supplied.FactSources`."""
        return self._counted

    def stated(self) -> frozenset[str]:
        """The facts that they may state, by path; without those of entities."""
        apart = (one.allowed for one in self._sources if not one.allowed.is_entity)
        return frozenset(name for allowed in apart for name in allowed.names())

    def _wanted(self, named: Named) -> Iterator[tuple[Source, Key, frozenset[str]]]:
        """What to ask whom, with the names of what is lacking."""
        for source in self._sources:
            allowed = source.allowed
            if not allowed.is_entity:
                lacking = self._lacking(source, named, "")
                ids = named.ids(allowed.about) if lacking else ()
                if named.tenant is not None and len(ids) <= MAX_NAMED:
                    tenant = None if allowed.about == TENANT else named.tenant
                    yield from ((source, Key(one, tenant), lacking) for one in ids)
                continue
            by_id: dict[str, frozenset[str]] = {}
            for record, one in named.records(allowed.about):
                lacking = self._lacking(source, named, f"{record}.")
                by_id[one] = by_id.get(one, frozenset()) | lacking
            yield from ((source, Key(one), names) for one, names in by_id.items() if names)

    def _lacking(self, source: Source, named: Named, prefix: str) -> frozenset[str]:
        """Of what a source may state, what some rule of the action reads and nobody states."""
        read = self._read.get(named.action, frozenset[str]())
        return frozenset(
            name
            for name in source.names
            if f"{prefix}{name}" in read and not named.knows(f"{prefix}{name}")
        )

    async def close(self) -> None:
        for source in self._sources:
            await source.close()


def _only(statement: Statement, names: frozenset[str]) -> Statement:
    """The statement with nothing in it that was not asked for."""
    return replace(
        statement,
        said={name: value for name, value in statement.said.items() if name in names},
        facts={name: value for name, value in statement.facts.items() if name in names},
        lists={name: value for name, value in statement.lists.items() if name in names},
    )
