"""Memo: what the engines answered to the same question before.

A verdict is a pure function of program and question, and the question holds the day, so
an entry never outlives a date. Only answers that all engines agreed on are kept;
records are never shared.
"""

import json
from collections import OrderedDict

from dsl.facts import Question
from gateway.pdp.combine import Combined


class Memo:
    """A bounded memo, least recently used out first. For one program."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._known: OrderedDict[str, Combined] = OrderedDict()

    @staticmethod
    def key(question: Question) -> str:
        return json.dumps(question.document(), ensure_ascii=False, separators=(",", ":"))

    def get(self, key: str) -> Combined | None:
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def put(self, key: str, combined: Combined) -> None:
        if combined.incident is not None:
            return  # a fault must not outlive its cause
        self._known[key] = combined
        if len(self._known) > self._size:
            self._known.popitem(last=False)
