"""Shapes: what was decided of a question that differs from this one in its subject alone.

A scheduler asks the same for one workload after another. What such a question leads to, but for
its identity, its times and its digest, follows from what the two share, from the tenant and
from the day; so it is joined, judged and spelled once. Each decision has its own record,
signature and place in the log.

Nothing is kept of a question that names more than that: of one that is large, that some source
is asked about, whose deadlines are minutes, or that an engine failed at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring
from typing import NamedTuple, cast

from dsl.core import Program
from gateway.pdp.judge import Judged
from gateway.pdp.memo import Bounded
from gateway.pdp.normalise import Days
from gateway.pdp.request import MAX_NAME
from gateway.pdp.supplied import NOTHING
from gateway.record.canonical import spell_plain
from gateway.spelling import Spelled

# Characters of a question that is kept, and how many are: some ten megabytes of usual ones.
LONGEST = 4096
MOST = 2048
_MEMBERS = frozenset(("action", "context", "resource", "subject"))
_OF_SUBJECT = frozenset(("id", "properties", "type"))
_ID = ("subject", "id")


class Asked(NamedTuple):
    """A question in RFC 8785, and what it shares with others of its shape."""

    text: str
    key: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Shape:
    """What questions of a shape lead to.

    Attributes:
        action: What they ask for.
        said_tenant: What they say of the tenant of the workload.
        ends: When what they rest on ends; None where nothing is known to end.
    """

    action: str
    said_tenant: object
    days: Days
    judged: Judged
    spelled: Spelled
    ends: datetime | None


class Shapes:
    """Shapes of what is in force, least recently used out first.

    Args:
        remember: How many at most; none where it is 0.
    """

    def __init__(self, program: Program, remember: int) -> None:
        self._kept: Bounded[tuple[str, str, str], Shape] = Bounded(min(remember, MOST))
        # Where the subject is a fact or an entity, it tells questions apart.
        wires = {one.wire for one in (*program.facts.values(), *program.places)}
        self._reads_subject = not wires.isdisjoint((_ID, _ID[:1]))

    def read(self, value: object, tenant: str) -> Asked | None:
        """A question as it is known by its shape; None of what is none, which is refused
        elsewhere.

        Args:
            value: What `load_strict` read from a text that is `plain`.
        """
        if type(value) is not dict:
            return None
        members = cast("Mapping[str, object]", value)
        subject = members.get("subject")
        if type(subject) is not dict or not members.keys() <= _MEMBERS:
            return None
        named = cast("Mapping[str, object]", subject)
        name = named.get("id")
        if type(name) is not str or not 0 < len(name) <= MAX_NAME:
            return None
        if not named.keys() <= _OF_SUBJECT:
            return None
        # By name, the subject is the last of all members, and its id the first of its own.
        others = dict(members)
        del others["subject"]
        before = spell_plain(others)[:-1] + (',"subject":' if others else '"subject":')
        last = spell_plain(named)
        text = f"{before}{last}}}"
        if self._reads_subject:
            return Asked(text, (tenant, text, ""))
        after = last[len('{"id":') + len(encode_basestring(name)) :]
        return Asked(text, (tenant, before, after))

    def find(self, asked: Asked) -> Shape | None:
        """What is known of questions of this shape."""
        return self._kept.get(asked.key)

    def keep(self, asked: Asked, shape: Shape) -> None:
        """Keep what a question led to, where the next of its shape leads to the same."""
        judged = shape.judged
        if judged.key is None or judged.combined.incident is not None:
            return
        if judged.joined.supplied is not NOTHING:
            return
        if len(asked.text) <= LONGEST:
            self._kept.put(asked.key, shape)
