"""Who may ask the gateway that is about to start, and the TLS that they come through."""

import ipaddress
import os
import ssl
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

from gateway.callers import settings
from gateway.callers.known import NO_DOMAINS, NO_ISSUERS, Known
from gateway.callers.oidc import Issuers
from gateway.callers.reloading import CallersWatch, Stamps, stamps
from gateway.callers.spiffe import TrustDomains
from gateway.errors import ConfigurationError
from gateway.state import State, WorkerState


class Others:
    """Those who ask without a token of ours, read before there is a state folder."""

    def __init__(self, args: Namespace) -> None:
        self._args = args
        self._at_start: Stamps = {}
        with suppress(ConfigurationError):  # said by whoever reads them, now
            self._at_start = stamps(self._files())
        self._issuers, self._domains = self._load()
        self.tls = None if args.tls_cert is None else _server_context(args, self._domains)

    def _load(self) -> tuple[Issuers, TrustDomains]:
        args = self._args
        if args.callers is None:
            return NO_ISSUERS, NO_DOMAINS
        issuers, domains = settings.load(args.callers)
        if domains and args.tls_cert is None:
            raise ConfigurationError(
                f"{args.callers} knows callers by certificate, which only TLS carries: "
                "give --tls-cert and --tls-key"
            )
        return issuers, domains

    def watch(self, known: Known) -> CallersWatch:
        """What reads them and the files of TLS again when they change."""
        return CallersWatch(known, self._load, self._files, self._admit, self._at_start)

    def _files(self) -> tuple[Path, ...]:
        args = self._args
        named = () if args.callers is None else settings.files(args.callers)
        tls = [Path(name) for name in (args.tls_cert, args.tls_key) if name is not None]
        return (*named, *tls)

    def _admit(self, domains: TrustDomains) -> None:
        """Have handshakes from now on use the files as they are. An authority that is no
        longer named still gets through the handshake; its certificates are known to nobody."""
        if self.tls is None:
            return
        _server_context(self._args, domains)  # refuses what cannot be used
        self.tls.load_cert_chain(self._args.tls_cert, self._args.tls_key, password="")
        if domains:
            self.tls.load_verify_locations(cadata=domains.authorities())
            self.tls.verify_mode = ssl.CERT_OPTIONAL

    def known(self, state: State | WorkerState) -> Known:
        """Them, and those with a token of the state folder.

        Raises:
            ConfigurationError: The tokens cannot be read, or there is nobody.
        """
        others = bool(self._issuers) or bool(self._domains)
        return Known(state.callers(others=others), self._issuers, self._domains)


def check_address(args: Namespace) -> None:
    """Tokens travel in the clear without TLS, so plain HTTP stays on this machine.

    Raises:
        ConfigurationError: It would not, or TLS is half configured.
    """
    try:
        loopback = ipaddress.ip_address(args.host).is_loopback
    except ValueError:
        loopback = args.host == "localhost"
    if not loopback and args.tls_cert is None:
        raise ConfigurationError(
            f"{args.host} is reachable by others: give --tls-cert and --tls-key, "
            "or bind to 127.0.0.1 behind a proxy that speaks TLS"
        )
    if (args.tls_cert is None) != (args.tls_key is None):
        raise ConfigurationError("give both --tls-cert and --tls-key")


def _server_context(args: Namespace, domains: TrustDomains) -> ssl.SSLContext:
    _check_key(Path(args.tls_key))
    for name in (args.tls_cert, args.tls_key):
        _check_readable(Path(name))
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A key with a password would be asked for on the terminal.
        context.load_cert_chain(args.tls_cert, args.tls_key, password="")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{args.tls_cert} and {args.tls_key} are no certificate with its key in PEM: "
            f"{getattr(error, 'strerror', None) or error}"
        ) from error
    # A connection that is taken up again would bring no certificate, or one that expired.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    if domains:
        context.load_verify_locations(cadata=domains.authorities())
        # Who sends none can still have a token; who sends a wrong one is not let in.
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _check_readable(path: Path) -> None:
    """Say which of the two it is; OpenSSL does not."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error


def _check_key(path: Path) -> None:
    """Refuse a key that others can read. Its group may: a service that is not root gets its
    key that way."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # said by whoever reads it
    if mode & 0o027:
        raise ConfigurationError(f"{path} is readable by others: run chmod 600 {path}")
