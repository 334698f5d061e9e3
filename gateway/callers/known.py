"""Every way to be known, in one place: a token, a JWT of an issuer, a certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.callers.caller import Identity
from gateway.callers.oidc import Issuers
from gateway.callers.peer import Peer
from gateway.callers.spiffe import TrustDomains
from gateway.callers.tokens import PREFIX, Callers
from gateway.errors import AuthenticationError

NO_ISSUERS = Issuers(())
NO_DOMAINS = TrustDomains(())


@dataclass(frozen=True)
class Credentials:
    """What came with a request: its `Authorization` headers and the certificate of its
    connection, whose chain the handshake has verified."""

    authorization: Sequence[str] = ()
    peer: Peer | None = None


class Known:
    """Whoever may ask."""

    def __init__(
        self,
        tokens: Callers,
        issuers: Issuers = NO_ISSUERS,
        domains: TrustDomains = NO_DOMAINS,
    ) -> None:
        self._tokens = tokens
        self._issuers = issuers
        self._domains = domains

    def replace(self, issuers: Issuers, domains: TrustDomains) -> None:
        """From now on know these besides those with a token. Requests that are being looked at
        end with those before them."""
        self._issuers, self._domains = issuers, domains

    def tenants(self) -> tuple[str, ...]:
        """Every tenant that is known by name, sorted."""
        named = {*self._tokens.tenants(), *self._issuers.tenants(), *self._domains.tenants()}
        return tuple(sorted(named))

    async def identify(self, credentials: Credentials, *, now: datetime) -> Identity:
        """Who has sent these credentials.

        A header decides where there is one: a caller that sends a bad token is refused, also
        with a good certificate.

        Raises:
            AuthenticationError: Nobody known did.
            AuthorisationError: Somebody known whom no grant of the configuration names.
            CallersUnavailableError: It cannot be found out at present.
        """
        if len(credentials.authorization) > 1:
            raise AuthenticationError("send one Authorization header")
        if not credentials.authorization:
            if credentials.peer is None:
                raise AuthenticationError("send a token: Authorization: Bearer charter_…")
            return self._domains.identify(credentials.peer, now=now)
        header = credentials.authorization[0]
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer" and self._issuers and not token.startswith(PREFIX):
            return await self._issuers.identify(token, now=now)
        return self._tokens.identify(header, now=now)
