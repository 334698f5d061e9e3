"""Puts one question to a gateway over HTTP/1.1, and is hard to mislead.

No redirect is followed, no proxy of the environment is used, and nothing names the suite.
Every wait ends: a clock runs over the whole exchange, because a gateway that sends a byte
now and then would keep any timeout of a single read from ever ending.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from conformance.errors import (
    AnswerError,
    CannotRunError,
    ConnectionLostError,
    NoAnswerInTimeError,
    NoConnectionError,
)

BODY_CAP = 1024 * 1024
TIMEOUT_S = 10.0
PATH = "/v1/decisions"
MIN_SECRET = 12  # a shorter token could stand in an answer by chance


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came; `media_type` in lower case, without parameters."""

    status: int
    media_type: str
    body: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask, and how. `ca_file` replaces the system's trust roots."""

    base_url: str
    token: str
    timeout_s: float = TIMEOUT_S
    verify_tls: bool = True
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if not _is_usable(self.base_url):
            raise CannotRunError(
                "the base URL must be http(s)://HOST[:PORT][/PATH], with no user, query or fragment"
            )

    @property
    def protection(self) -> str:
        """What protects the exchange, for the report."""
        if urlsplit(self.base_url).scheme == "https":
            return "TLS, verified" if self.verify_tls else "TLS, not verified"
        return "none, loopback" if _is_loopback(self.base_url) else "none, plain HTTP"

    @property
    def protected(self) -> bool:
        """Whether nobody between could have read the token or changed an answer."""
        if urlsplit(self.base_url).scheme == "https":
            return self.verify_tls
        return _is_loopback(self.base_url)


class Client:
    """Asks one gateway."""

    def __init__(self, target: Target) -> None:
        parts = urlsplit(target.base_url)
        self._target = target
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path.rstrip("/") + PATH
        self._tls = _context(target) if parts.scheme == "https" else None

    def ask(self, body: bytes) -> Reply:
        """The answer to one question.

        Asked once more where the line failed before any byte of an answer, and never after.

        Raises:
            NoConnectionError: The line failed twice.
            ConnectionLostError: The line failed in the middle of an answer.
            NoAnswerInTimeError: The answer was not complete in time.
            AnswerError: What came is not HTTP, is too long, or repeats the token.
        """
        try:
            return self._exchange(body, attempts=1)
        except _NothingCameError:
            return self._exchange(body, attempts=2)

    def _exchange(self, body: bytes, *, attempts: int) -> Reply:
        connection = self._connection()
        end = monotonic() + self._target.timeout_s
        try:
            self._connect(connection)
            with _cut_off(connection.sock, end):
                try:
                    reply = self._talk(connection, body, attempts)
                except (OSError, ValueError, http.client.HTTPException) as error:
                    if monotonic() >= end:
                        raise self._too_late() from error
                    raise _named(error) from error
            if monotonic() >= end:
                raise self._too_late()
        finally:
            connection.close()
        if len(self._target.token) >= MIN_SECRET and self._target.token.encode() in reply.body:
            raise AnswerError("the answer repeats the bearer token")
        return reply

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except TimeoutError as error:
            raise self._too_late() from error
        except ssl.SSLError as error:
            raise NoConnectionError(f"no TLS connection: {error.reason or 'refused'}") from error
        except (OSError, UnicodeError) as error:
            raise _NothingCameError("no connection") from error

    def _connection(self) -> http.client.HTTPConnection:
        timeout = self._target.timeout_s
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=timeout, context=self._tls
        )

    def _talk(self, connection: http.client.HTTPConnection, body: bytes, attempts: int) -> Reply:
        headers = {
            "Authorization": f"Bearer {self._target.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, application/problem+json",
            "Connection": "close",
        }
        connection.request("POST", self._path, body, headers)
        response = connection.getresponse()
        answer = response.read(BODY_CAP + 1)
        if len(answer) > BODY_CAP:
            raise AnswerError(f"the answer is longer than {BODY_CAP} bytes")
        if response.length:
            raise http.client.IncompleteRead(answer, response.length)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Reply(response.status, media_type, answer, attempts)

    def _too_late(self) -> NoAnswerInTimeError:
        return NoAnswerInTimeError(f"no whole answer within {self._target.timeout_s:g} s")


class _NothingCameError(NoConnectionError):
    """The line failed before any byte of an answer."""


def _named(error: Exception) -> Exception:
    if isinstance(error, http.client.RemoteDisconnected | ConnectionError):
        return _NothingCameError("the connection was closed without an answer")
    if isinstance(error, http.client.IncompleteRead | OSError):
        return ConnectionLostError("the connection was lost in the middle of an answer")
    return AnswerError("the answer is not HTTP")


@contextmanager
def _cut_off(line: socket.socket, end: float) -> Generator[None]:
    """Ends the connection when the time is up, whatever it is waiting for."""

    def cut() -> None:
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself

    timer = threading.Timer(max(0.0, end - monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _context(target: Target) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=target.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise CannotRunError(f"{target.ca_file}: not a file of trust roots in PEM") from error
    if not target.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        here = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return here and not (parts.query or parts.fragment or parts.username is not None)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
