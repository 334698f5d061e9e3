"""One bounded exchange over HTTPS, with a host that the configuration names.

No redirect is followed, no proxy asked, and the address is checked after the name was
resolved, so that a name cannot lead into the own network (OWASP API7:2023).
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from gateway.errors import ConfigurationError, FetchError, FetchTimeoutError

TIMEOUT_S = 5.0
MAX_BYTES = 1024 * 1024

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# This machine and what nobody outside reaches.
PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "::1/128",
        "fc00::/7",
    )
)


@dataclass(frozen=True)
class Sent:
    """What is asked: a GET, or a POST where there is a body. Of an answer with one of
    `statuses` the body is read."""

    url: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    statuses: frozenset[int] = frozenset({http.HTTPStatus.OK})


@dataclass(frozen=True)
class Fetched:
    """What came back; no body of a status that was not asked for. `date` is the header of
    that name."""

    status: int
    body: bytes
    date: str | None


def check_url(url: str) -> SplitResult:
    """The parts of an address to fetch from.

    Raises:
        ConfigurationError: It is not HTTPS, or has a user, a fragment or no host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"`{url}` is no address: {error}") from error
    strange = parts.username is not None or parts.fragment or port == 0 or not url.isascii()
    if parts.scheme != "https" or not parts.hostname or strange or not url.isprintable():
        raise ConfigurationError(f"`{url}` is no address of the form https://host/path")
    return parts


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the system's authorities, or those of a file alone.

    Raises:
        ConfigurationError: The file cannot be read, or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(f"{ca_file}: no certificates in PEM: {error.strerror}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def fetch(
    url: str, context: ssl.SSLContext, *, private: bool, timeout_s: float = TIMEOUT_S
) -> bytes:
    """The body of a JSON document of at most `MAX_BYTES`; as `exchange`.

    Args:
        private: Whether the host may be in a private network, or this machine.

    Raises:
        FetchError: There is none to have.
    """
    networks = PRIVATE if private else ()
    found = exchange(Sent(url), context, networks=networks, timeout_s=timeout_s)
    if found.status != http.HTTPStatus.OK:
        raise FetchError(f"{check_url(url).hostname} answered with status {found.status}")
    return found.body


def exchange(
    sent: Sent,
    context: ssl.SSLContext,
    *,
    networks: Sequence[Network] = (),
    timeout_s: float = TIMEOUT_S,
) -> Fetched:
    """Send it, and read the answer in whole. It blocks for `timeout_s`, and while a name is
    resolved.

    Args:
        networks: Where the host may be besides the public Internet.

    Raises:
        FetchTimeoutError: There was no answer in time.
        FetchError: There was none.
    """
    parts = check_url(sent.url)
    host, port = parts.hostname or "", parts.port or 443
    connection: _Connection | None = None
    try:
        address = _resolve(host, port, networks)
        connection = _Connection(host, port, address, context, timeout_s)
        # The timeout of a socket begins anew with each byte.
        deadline = Timer(timeout_s, connection.cut)
        deadline.daemon = True
        deadline.start()
        try:
            path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            return _read(connection, path, sent)
        finally:
            deadline.cancel()
            connection.close()
    except TimeoutError as error:
        raise FetchTimeoutError(f"{host} did not answer in time") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        if connection is not None and connection.was_cut:
            raise FetchTimeoutError(f"{host} did not answer in time") from error
        raise FetchError(f"{host}: {type(error).__name__}") from error


def _read(connection: "_Connection", path: str, sent: Sent) -> Fetched:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", **sent.headers}
    method = "GET" if sent.body is None else "POST"
    connection.request(method, path, sent.body, headers)
    with closing(connection.getresponse()) as response:
        return _answer(connection, response, sent.statuses)


def _answer(
    connection: "_Connection", response: http.client.HTTPResponse, statuses: Collection[int]
) -> Fetched:
    date = response.getheader("Date")
    if response.status not in statuses:
        return Fetched(response.status, b"", date)
    if response.getheader("Content-Encoding", "identity") != "identity":
        raise FetchError(f"{connection.host} answered with a compressed body")
    body = response.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise FetchError(f"{connection.host} answered with more than {MAX_BYTES} bytes")
    if connection.was_cut:
        raise FetchTimeoutError(f"{connection.host} did not answer in time")
    length = response.getheader("Content-Length")
    if length is not None and length != str(len(body)):
        raise FetchError(f"{connection.host} did not answer in whole")
    return Fetched(response.status, body, date)


def _resolve(host: str, port: int, networks: Sequence[Network]) -> str:
    """An address of the host that may be asked; all of them are checked.

    Raises:
        FetchError: One of them may not.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not _may_ask(address, networks):
            raise FetchError(f"{host} has the address {address}, which is not to be asked")
    return addresses[0]


def _may_ask(address: str, networks: Sequence[Network]) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    # Where clouds keep the credentials of a machine (169.254.169.254), whatever is allowed.
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    return ip.is_global or any(ip in network for network in networks)


class _Connection(http.client.HTTPSConnection):
    """To an address that was checked, under the name of the host."""

    def __init__(
        self, host: str, port: int, address: str, context: ssl.SSLContext, timeout_s: float
    ) -> None:
        super().__init__(host, port, timeout=timeout_s, context=context)
        self._address = address
        self._tls = context
        self._timeout_s = timeout_s
        self._held: socket.socket | None = None
        self.was_cut = False

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self._timeout_s)
        held = self._tls.wrap_socket(
            plain, server_hostname=self.host, do_handshake_on_connect=False
        )
        self._held = held  # a response takes `sock` away before it has been read
        self.sock = held
        if self.was_cut:  # while it connected, when there was nothing to shut down
            raise TimeoutError
        held.do_handshake()

    def cut(self) -> None:
        """End it now, from another thread: whoever reads comes to an end at once."""
        self.was_cut = True
        if self._held is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._held, socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        if self._held is not None:
            self._held.close()
