"""A server whose TLS handshakes are counted and end in time.

uvicorn has a connection from the end of its handshake on, and its loop allows that 60 s: whoever
opens connections and says nothing would hold files that nobody counts. So connections are
accepted here, counted, and only then spoken TLS with.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from ssl import SSLContext, SSLError
from typing import Any, cast

import uvicorn

from gateway.web.connections import Bounds, Connections

# What accept(2) says of one connection, which was gone before it was accepted. Whatever else it
# says holds for a moment, such as that there are no files left, and would be said again at once.
_OF_ONE = {errno.ECONNABORTED, errno.EPROTO, errno.EINTR, errno.EPERM}
_REST_S = 0.2
# For the other side to say that it has closed too.
_GOODBYE_S = 5.0

_Shake = Callable[[socket.socket], Coroutine[None, None, None]]

log = logging.getLogger("charter")


class TlsServer(uvicorn.Server):
    """A server of one protocol behind TLS; without it, use `uvicorn.Server`.

    Handshakes under way are counted apart from connections that have had theirs, each within
    `bounds`: who comes too much after it is told so by the protocol, and before it only the
    connection ends. A handshake has the time of the head of a request.
    """

    def __init__(self, config: uvicorn.Config, tls: SSLContext, bounds: Bounds) -> None:
        super().__init__(config)
        self._tls = tls
        self._bounds = bounds
        self._under_way = Connections(bounds)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on sockets that listen; uvicorn itself is given none."""
        await super().startup(sockets=[])
        for listener in sockets or []:
            doorkeeper = _Doorkeeper(listener, self._shake, self._under_way)
            # uvicorn closes them, and waits for them, as it would its own.
            self.servers.append(cast("asyncio.Server", doorkeeper))

    async def _shake(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        # A handshake that fails is the business of the other side alone.
        with suppress(OSError, SSLError, asyncio.TimeoutError):
            await loop.connect_accepted_socket(
                self._protocol,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._bounds.head_timeout_s,
                ssl_shutdown_timeout=_GOODBYE_S,
            )

    def _protocol(self) -> asyncio.Protocol:
        make = cast("Any", self.config.http_protocol_class)
        return make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


class _Doorkeeper:
    """Accepts the connections of one socket until it is closed."""

    def __init__(self, listener: socket.socket, shake: _Shake, under_way: Connections) -> None:
        self._listener = listener
        self._shake = shake
        self._under_way = under_way
        self._shaking: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Accept nobody more, and end the handshakes under way."""
        for task in (self._accepting, *self._shaking):
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(self._accepting, *self._shaking, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(self._listener)
            except OSError as error:
                if error.errno not in _OF_ONE:
                    log.warning("no connection can be accepted: %s", error.strerror)
                    await asyncio.sleep(_REST_S)
                continue
            self._let_in(accepted, str(address[0]))

    def _let_in(self, accepted: socket.socket, address: str) -> None:
        if not self._under_way.enter(address):
            accepted.close()  # no word of HTTP can be said before the handshake
            return
        task = asyncio.get_running_loop().create_task(self._shake(accepted))
        self._shaking.add(task)
        task.add_done_callback(lambda done: self._is_over(done, address))

    def _is_over(self, task: asyncio.Task[None], address: str) -> None:
        self._shaking.discard(task)
        self._under_way.leave(address)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a handshake of TLS failed in the gateway", exc_info=error)
