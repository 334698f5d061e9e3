"""The certificate with which the other side of a connection has proved itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """DER of the certificate, and of those that were sent with it."""

    certificate: bytes
    chain: tuple[bytes, ...] = ()
