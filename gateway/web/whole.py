"""Head and body of an answer in one piece.

uvicorn writes them one after the other, and each write is sent at once: a call of the system
more, and whoever waits at the other end is woken for a head that it can do nothing with.
"""

from asyncio import Transport

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class WholeAnswer:
    """The transport of one answer. What is written first once the answer has begun is its
    head; it waits for the next write, of its body or a part of it, or nothing."""

    def __init__(self, transport: Transport, cycle: RequestResponseCycle) -> None:
        self._transport = transport
        self._cycle = cycle
        self._head = b""
        self._begun = False

    def write(self, data: bytes) -> None:
        # Before it begins comes `100 Continue`, and after the head of HEAD nothing.
        if self._begun or not self._cycle.response_started or self._cycle.scope["method"] == "HEAD":
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._begun = True
            self._head = data

    def close(self) -> None:
        self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
