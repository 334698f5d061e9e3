"""The certificate of the other side of a connection, which uvicorn leaves with the socket."""

import ssl
from asyncio import BaseTransport
from typing import Any, Protocol, cast

from gateway.callers import Peer

# Where the server puts it in the scope of a request. No header can write there.
PEER = "charter.peer"


class _Sent(Protocol):
    """A certificate as the TLS library of Python holds it."""

    def public_bytes(self, encoding: int, /) -> bytes: ...


def peer_of(transport: BaseTransport) -> Peer | None:
    """Whom the handshake has shown; None without TLS, or where no certificate was sent."""
    connection = cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
    if connection is None:
        return None
    certificate = connection.getpeercert(binary_form=True)
    if certificate is None:
        return None
    return Peer(certificate, _sent_with(connection, certificate))


def _sent_with(connection: ssl.SSLObject, certificate: bytes) -> tuple[bytes, ...]:
    """The intermediate authorities that came along. Python gives them in public from 3.13
    on; where neither way is there, there are none, and fewer certificates are believed."""
    get = getattr(connection, "get_unverified_chain", None)
    if get is not None:
        chain = tuple(cast("list[bytes]", get()))
    else:
        inner = cast("Any", getattr(connection, "_sslobj", None))
        get = getattr(inner, "get_unverified_chain", None)
        sent = cast("list[_Sent] | None", get()) if get is not None else None
        chain = tuple(one.public_bytes(_DER) for one in sent or ())
    return tuple(one for one in chain if one != certificate)


_DER = 2  # ENCODING_DER of the TLS library
