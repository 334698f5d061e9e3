"""Frames between the gateway and an engine in a process of its own.

A frame is its length in four bytes, most significant first, and JSON in UTF-8. Never
pickle: an engine that was taken over would run what it likes in whoever reads it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from dsl.evaluate import Answer

HEAD_BYTES = 4
MAX_QUESTION_BYTES = 64 * 1024 * 1024  # a program with its zones is the longest
MAX_REPLY_BYTES = 16 * 1024 * 1024  # to as many questions as are put at a time

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_OF_PERMIT = ("denied", "granted", "noted", "duties", "preferred")
_OF_REFUSAL = ("denied", "granted", "noted", "broken", "open")


class FrameError(Exception):
    """What came is no frame."""


def frame(value: object) -> bytes:
    """Raises as `text`."""
    return framed(text(value))


def text(value: object) -> bytes:
    """Raises `TypeError` or `ValueError` for what is no JSON."""
    return _ENCODE(value).encode()


def asking_frame(number: int, questions: Iterable[bytes]) -> bytes:
    """Several questions, each as `text` gives it."""
    return framed(b'{"n":%d,"asked":[%b]}' % (number, b",".join(questions)))


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(HEAD_BYTES, "big") + data


class Frames:
    """What came so far, cut into frames."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Mapping[str, object]]:
        """The frames that are complete now.

        Raises:
            FrameError: One is longer than allowed, or no JSON object.
        """
        self._buffer += data
        while len(self._buffer) >= HEAD_BYTES:
            end = HEAD_BYTES + int.from_bytes(self._buffer[:HEAD_BYTES], "big")
            if end - HEAD_BYTES > self._most:
                raise FrameError("a frame is too long")
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEAD_BYTES:end])
            del self._buffer[:end]
            yield _object(body)


def _object(body: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError("a frame is no JSON") from error
    if not isinstance(value, dict):
        raise FrameError("a frame is no object")
    return value  # pyright: ignore[reportUnknownVariableType]


def answer_members(answer: Answer, program_digest: str) -> dict[str, object]:
    """The answer in the form that `gateway.pdp.engine.rego_answer` reads."""
    members = _OF_PERMIT if answer.permits else _OF_REFUSAL
    listed = {member: sorted(getattr(answer, member)) for member in members}
    return {"program": program_digest, **listed}
