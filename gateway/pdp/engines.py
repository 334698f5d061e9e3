"""The engines by name, as configuration and command line choose them.

An engine is imported where it is made: nobody pays for one that is not asked.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from dsl.core import Program
from gateway.errors import ConfigurationError
from gateway.pdp.engine import Engine

NAMES = ("cedar", "rego", "opa", "reference")
DEFAULT = ("cedar", "rego")


def make_engines(
    names: Sequence[str], program: Program, *, opa_url: str | None = None
) -> list[Engine]:
    """One engine for each name, with the program loaded.

    Raises:
        ConfigurationError: A name is unknown or repeated, none is given, or `opa` is
            asked for without the address of its server.
    """
    if not names or len(set(names)) != len(names):
        raise ConfigurationError(f"name each engine once, out of: {', '.join(NAMES)}")
    return [_make(name, program, opa_url) for name in names]


def _make(name: str, program: Program, opa_url: str | None) -> Engine:
    match name:
        case "cedar":
            from gateway.pdp.engine_cedar import CedarEngine

            return CedarEngine(program)
        case "rego":
            from gateway.pdp.engine_rego import FOLD_AFTER, RegoEngine

            return RegoEngine(program, fold_after=FOLD_AFTER)
        case "reference":
            from gateway.pdp.engine_reference import ReferenceEngine

            return ReferenceEngine(program)
        case "opa":
            return _opa(program, opa_url)
        case _:
            raise ConfigurationError(f"there is no engine `{name}`; there are: {', '.join(NAMES)}")


def _opa(program: Program, url: str | None) -> Engine:
    from gateway.pdp.engine_opa import OpaEngine

    host, port, tls = _address(url)
    return OpaEngine(program, host=host, port=port, tls=tls)


def _address(url: str | None) -> tuple[str, int, bool]:
    """Host, port and whether to speak TLS."""
    example = "such as http://127.0.0.1:8181"
    if not url:
        raise ConfigurationError(
            f"the engine `opa` needs the address of its server: give --opa-url, {example}"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = parts = None
    if parts is None or parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"--opa-url must be the address of a server, {example}")
    tls = parts.scheme == "https"
    return host, port or (443 if tls else 80), tls
