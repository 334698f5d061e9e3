"""Memo: what the engines answered to the same question before.

A verdict is a pure function of program and question, and the question holds the day, so
an entry never outlives a date. Only answers that all engines agreed on are kept;
records are never shared.
"""

import json
from collections import OrderedDict
from hashlib import sha256
from typing import Generic, TypeVar

from dsl.core import Program
from dsl.facts import Question
from dsl.fold import paths_read
from gateway.pdp.combine import Combined

_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """A map of bounded size, least recently used out first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        self._known[key] = value
        if len(self._known) > self._size:
            self._known.popitem(last=False)


class Memo:
    """A bounded memo of one program, least recently used out first.

    Keys are digests of the facts that some rule reads: a caller cannot fill the memory
    with facts that are long, nor miss the memo with facts that do not matter.
    """

    def __init__(self, program: Program, size: int = 10_000) -> None:
        self._read = paths_read(program)
        self._known: Bounded[bytes, Combined] = Bounded(size)

    def key(self, question: Question, tenant: str | None = None) -> bytes:
        """Names a question of a tenant; of nobody's, where there is none."""
        read = {path: question.facts[path] for path in sorted(question.facts) if path in self._read}
        asked = (tenant, question.action, read, sorted(question.today.items()))
        return sha256(_ENCODE(asked).encode()).digest()

    def get(self, key: bytes) -> Combined | None:
        return self._known.get(key)

    def put(self, key: bytes, combined: Combined) -> None:
        if combined.incident is None:  # a fault must not outlive its cause
            self._known.put(key, combined)
