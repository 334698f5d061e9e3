"""Asks a timestamp authority over HTTPS (RFC 3161, 3.4), and believes what it can check."""

import http
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from gateway.errors import FetchError, TrustError
from gateway.fetch import TIMEOUT_S, Network, Sent, exchange
from gateway.verify.terms import Timestampers
from gateway.verify.timestamp import verify_timestamp

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
MAX_CERTIFICATES = 16


@dataclass(frozen=True)
class Authority:
    """Where it is asked, by what TLS, and by which certificates its tokens are believed."""

    url: str
    tls: ssl.SSLContext
    accepted: Timestampers
    networks: Sequence[Network] = ()
    timeout_s: float = TIMEOUT_S

    def stamp(self, message: bytes, at: datetime) -> tuple[bytes, datetime]:
        """A response over the message, and the time that it states. It blocks.

        Args:
            at: When it is asked.

        Raises:
            TimestampError: What came is no token over these bytes that this authority may
                make, or answers another request.
            FetchError: Nothing came.
            TrustError: A certificate that is pinned cannot be read.
        """
        request = (
            TimestampRequestBuilder()
            .data(message)
            .hash_algorithm(HashAlgorithm.SHA256)
            .nonce(nonce=True)
            .cert_request(cert_request=True)
            .build()
        )
        headers = {
            "Content-Type": "application/timestamp-query",
            "Accept": "application/timestamp-reply",
        }
        sent = Sent(self.url, request.as_bytes(), headers)
        found = exchange(sent, self.tls, networks=self.networks, timeout_s=self.timeout_s)
        if found.status != http.HTTPStatus.OK:
            raise FetchError(f"the timestamp authority answered with status {found.status}")
        stated = verify_timestamp(found.body, message, self.accepted, at=at, nonce=request.nonce)
        return found.body, stated


def read_certificates(path: Path, data: bytes) -> tuple[str, ...]:
    """The certificates of a PEM file, one after another.

    Raises:
        TrustError: There are none, or too many.
    """
    try:
        parts = data.decode("ascii").split(_BEGIN)[1:]
    except UnicodeDecodeError as error:
        raise TrustError(f"{path}: this is no PEM file") from error
    found = tuple(_BEGIN + part.partition(_END.strip())[0] + _END for part in parts)
    if not 0 < len(found) <= MAX_CERTIFICATES:
        raise TrustError(f"{path}: no certificates in PEM, or more than {MAX_CERTIFICATES}")
    return found
