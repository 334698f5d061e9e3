"""Asking a running gateway over HTTP."""

import ipaddress
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from gateway.cli.files import check_private, read_file
from gateway.errors import AnswerMalformedError, ConfigurationError, GatewayError, RequestError
from gateway.verify import MAX_ANSWER, read_answer

TIMEOUT_S = 10.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it points."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


# Neither a redirect nor a proxy of the environment may carry the token elsewhere.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def read_token(path: Path | None) -> str:
    """The token of a file, or of the environment.

    Raises:
        ConfigurationError: There is none, or it is no text that a header can carry.
    """
    if path is not None:
        check_private(path)
        token = read_file(path, limit=4096).decode("ascii", "replace").strip()
        where = str(path)
    else:
        token = os.environ.get("CHARTER_TOKEN", "").strip()
        where = "CHARTER_TOKEN"
    if not token:
        raise ConfigurationError("there is no token: set CHARTER_TOKEN, or give --token-file")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(f"{where} holds no token; tokens begin with charter_")
    return token


def ask(url: str, token: str, body: bytes) -> Mapping[str, object]:
    """The answer of the gateway at an address.

    Raises:
        RequestError: The gateway refused the question; the error repeats why.
        ConfigurationError: There is no gateway, or no answer of one.
    """
    answer = post(url, "/v1/decisions", token, body)
    try:
        return _with_evidence(read_answer(answer))
    except GatewayError as error:
        raise _no_gateway(url, error) from error


def post(url: str, path: str, token: str, body: bytes, *, timeout_s: float = TIMEOUT_S) -> bytes:
    """What the gateway at an address answers to a body; raises as `ask`."""
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        _address(url) + path,
        data=body,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with _OPENER.open(request, timeout=timeout_s) as response:
            return response.read(MAX_ANSWER + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise _problem(error.read(MAX_ANSWER), error.code, url) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        words = getattr(reason, "strerror", None) or str(reason) or type(error).__name__
        raise ConfigurationError(f"no answer from {url}: {words}") from error


def _no_gateway(url: str, error: GatewayError) -> ConfigurationError:
    return ConfigurationError(f"{url}: this is not the answer of a gateway: {error}")


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    if parts is None or parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(
            f"`{url}` is no address of a gateway; write one such as http://127.0.0.1:8470"
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(f"the token would travel to {host} in the clear: use https")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_evidence(answer: Mapping[str, object]) -> Mapping[str, object]:
    if "record" not in answer or "proof" not in answer:
        raise AnswerMalformedError("it carries no record and proof")
    return answer


def _problem(body: bytes, status: int, url: str) -> GatewayError:
    try:
        problem = cast("dict[str, Any]", json.loads(body))
        errors = problem.get("errors") or [{"pointer": ""}]
        said = f"{problem['title']}: {problem.get('detail', '')}".rstrip(": ")
        return RequestError(said, pointer=str(errors[0]["pointer"]))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return ConfigurationError(f"{url} answered with status {status}, and not as a gateway")
