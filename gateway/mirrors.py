"""What others have seen of our log: its newest checkpoint, asked for before anything is signed.

A mirror serves it at `<prefix>/checkpoint` (C2SP tlog-tiles), and so does a witness
(C2SP tlog-witness).
"""

import http
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.errors import ConfigurationError, FetchError
from gateway.fetch import TIMEOUT_S, Network, Sent, exchange, tls_context

MAX_MIRRORS = 16

log = logging.getLogger("charter")


def ask_mirrors(
    urls: Sequence[str],
    *,
    ca_file: Path | None = None,
    networks: Sequence[Network] = (),
    timeout_s: float = TIMEOUT_S,
) -> list[tuple[str, bytes]]:
    """As `ask_all`.

    Raises:
        ConfigurationError: None of them answers, so nobody says how far the log has come.
    """
    answers = ask_all(urls, ca_file=ca_file, networks=networks, timeout_s=timeout_s)
    if urls and not answers:
        raise ConfigurationError(
            "none of the mirrors says how far the log has come, and to sign behind them would "
            "fork it: make one of them reachable, or start once without log.mirrors if you are "
            "sure that this ledger is the newest there is"
        )
    return answers


def ask_all(
    urls: Sequence[str],
    *,
    ca_file: Path | None = None,
    networks: Sequence[Network] = (),
    timeout_s: float = TIMEOUT_S,
) -> list[tuple[str, bytes]]:
    """Ask all at once; the address and the checkpoint of each that answers. Nothing is verified."""
    if not urls:
        return []
    context = tls_context(ca_file)

    def ask(url: str) -> tuple[str, bytes] | None:
        sent = Sent(url, headers={"Accept": "text/plain"})
        try:
            found = exchange(sent, context, networks=networks, timeout_s=timeout_s)
        except FetchError as error:
            log.warning("what %s has seen of the log is not known: %s", url, error)
            return None
        if found.status != http.HTTPStatus.OK:
            log.warning("%s answered with status %s, not with a checkpoint", url, found.status)
            return None
        return url, found.body

    with ThreadPoolExecutor(min(len(urls), MAX_MIRRORS)) as pool:
        return [one for one in pool.map(ask, urls) if one is not None]
