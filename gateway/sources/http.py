"""A source behind HTTPS: a GET whose query names the thing, or a POST of JSON."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from ssl import SSLContext
from urllib.parse import quote

from gateway.errors import (
    ConfigurationError,
    FactSourceError,
    FetchError,
    FetchTimeoutError,
    JsonError,
)
from gateway.fetch import MAX_BYTES, Network, Sent, exchange
from gateway.pdp.supplied import Status
from gateway.record.canonical import load_strict
from gateway.sources.interface import Key, Raw

FORMAT = "charter-facts-question/v1"
MAX_DEPTH = 32
_MAX_TOKEN = 8192
_NOT_FOUND = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


@dataclass(frozen=True)
class HttpBackend:
    """One service that is asked.

    Attributes:
        url: Of a GET, with `{id}` and, where it has one, `{tenant}` in the query.
        context: Whom to believe, and with which certificate to ask.
        networks: Where it may be besides the public Internet.
        token_file: Read for every question, so that it can be changed.
        states: What is asked for, for a POST.
    """

    url: str
    is_post: bool
    context: SSLContext
    networks: Sequence[Network]
    timeout_s: float
    token_file: Path | None
    about: str
    states: Sequence[str]

    def read(self, key: Key) -> Raw | None:
        try:
            sent = self._sent(key)
            found = exchange(sent, self.context, networks=self.networks, timeout_s=self.timeout_s)
        except FetchTimeoutError:
            raise
        except (FetchError, ConfigurationError) as error:
            raise FactSourceError(Status.UNREACHABLE.value, str(error)) from error
        if found.status in _NOT_FOUND:
            return None
        if found.status != HTTPStatus.OK:
            words = f"it answered with status {found.status}"
            raise FactSourceError(Status.UNREACHABLE.value, words)
        try:
            document = load_strict(found.body, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
        except JsonError as error:
            raise FactSourceError(Status.MALFORMED.value, str(error)) from error
        return Raw(document, found.date)

    def _sent(self, key: Key) -> Sent:
        headers: dict[str, str] = {}
        if self.token_file is not None:
            headers["Authorization"] = f"Bearer {read_token(self.token_file)}"
        if not self.is_post:
            return Sent(fill(self.url, key), headers=headers)
        named = {"id": key.id} | ({} if key.tenant is None else {"tenant": key.tenant})
        question = {"format": FORMAT, "about": self.about, **named, "facts": list(self.states)}
        headers["Content-Type"] = "application/json"
        return Sent(self.url, json.dumps(question).encode(), headers)


def fill(url: str, key: Key) -> str:
    """The address of a GET for one thing."""
    tenant = quote(key.tenant or "", safe="")
    # Quoted, an id that reads `{tenant}` is an id.
    return url.replace("{id}", quote(key.id, safe="")).replace("{tenant}", tenant)


def read_token(path: Path) -> str:
    """The token in a file of its owner alone.

    Raises:
        ConfigurationError: It cannot be read, others can read it, or it holds no token.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise ConfigurationError(f"{path} is readable by others: run chmod 600 {path}")
            text = file.read(_MAX_TOKEN + 1).decode("ascii").strip()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the token: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: this is no token") from error
    if not 0 < len(text) <= _MAX_TOKEN or not text.isprintable() or " " in text:
        raise ConfigurationError(f"{path}: this is no token")
    return text
