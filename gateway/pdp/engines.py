"""The engines by name, as configuration and command line choose them."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from dsl.core import Program
from gateway.errors import ConfigurationError
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_opa import OpaEngine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.engine_rego import RegoEngine

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
            return CedarEngine(program)
        case "rego":
            return RegoEngine(program)
        case "reference":
            return ReferenceEngine(program)
        case "opa":
            return _opa(program, opa_url)
        case _:
            raise ConfigurationError(f"there is no engine `{name}`; there are: {', '.join(NAMES)}")


def _opa(program: Program, url: str | None) -> OpaEngine:
    parts = urlsplit(url or "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            "the engine `opa` needs the address of its server, such as http://127.0.0.1:8181"
        )
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    return OpaEngine(program, host=parts.hostname, port=port, tls=tls)
