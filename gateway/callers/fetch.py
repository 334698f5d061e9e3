"""One bounded GET over HTTPS, of a host that the configuration names.

No redirect is followed, no proxy asked, and the address is checked after the name was
resolved, so that a name cannot lead into the own network (OWASP API7:2023).
"""

import http.client
import ipaddress
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from gateway.errors import ConfigurationError, FetchError

TIMEOUT_S = 5.0
MAX_BYTES = 1024 * 1024


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
    """The body of a JSON document of at most `MAX_BYTES`. It blocks for `timeout_s`, and
    while a name is resolved.

    Args:
        private: Whether the host may be in a private network, or this machine.

    Raises:
        FetchError: There is none to have.
    """
    parts = check_url(url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        address = _resolve(host, port, private=private)
        connection = _Connection(host, port, address, context, timeout_s)
        # The timeout of a socket begins anew with each byte.
        deadline = Timer(timeout_s, connection.cut)
        deadline.daemon = True
        deadline.start()
        try:
            return _read(
                connection, f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            )
        finally:
            deadline.cancel()
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"{host}: {type(error).__name__}") from error


def _read(connection: "_Connection", path: str) -> bytes:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    if response.status != http.HTTPStatus.OK:
        raise FetchError(f"{connection.host} answered with status {response.status}")
    if response.getheader("Content-Encoding", "identity") != "identity":
        raise FetchError(f"{connection.host} answered with a compressed body")
    body = response.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise FetchError(f"{connection.host} answered with more than {MAX_BYTES} bytes")
    length = response.getheader("Content-Length")
    if connection.was_cut or (length is not None and length != str(len(body))):
        raise FetchError(f"{connection.host} did not answer in whole")
    return body


def _resolve(host: str, port: int, *, private: bool) -> str:
    """An address of the host that may be asked; all of them are checked.

    Raises:
        FetchError: One of them may not.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not _may_ask(address, private=private):
            raise FetchError(f"{host} has the address {address}, which is not to be asked")
    return addresses[0]


def _may_ask(address: str, *, private: bool) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    # Where clouds keep the credentials of a machine (169.254.169.254), whatever is allowed.
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    return ip.is_global or (private and (ip.is_private or ip.is_loopback))


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
