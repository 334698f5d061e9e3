"""The engines by name, as configuration and command line choose them.

An engine is imported where it is made: nobody pays for one that is not asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from dsl.core import Program
from dsl.vectors import Vector
from gateway.errors import ConfigurationError
from gateway.pdp.child import Confinement
from gateway.pdp.combine import DEFAULT_TIMEOUT_S
from gateway.pdp.engine import Engine
from gateway.pdp.health import Guarded
from gateway.pdp.proving import PATIENT_S, prove, sample
from gateway.pdp.stop import Stop

NAMES = ("cedar", "rego", "opa", "reference")
DEFAULT = ("cedar", "rego")
# Those that can have a process of their own, and that have one unless told otherwise: where
# a fault of theirs could end the process they are in.
CAN_BE_ISOLATED = ("cedar", "rego", "reference")
ISOLATED = ("rego",)


@dataclass(frozen=True)
class Arrangement:
    """How the engines of a gateway are run.

    Args:
        isolated: Names of those that have a process of their own.
        given: What such a process may take.
        timeouts: Seconds to answer, by name; `DEFAULT_TIMEOUT_S` of those not named.
        opa_url: The server of the engine `opa`, or
        opa_start: the binary of a stock OPA, to be started for it; see
            `gateway.pdp.opa_server.check_binary`.
        stop: What a disagreement does, besides giving no answer.
    """

    isolated: Sequence[str] = ISOLATED
    given: Confinement = field(default_factory=Confinement)
    timeouts: Mapping[str, float] = field(default_factory=dict[str, float])
    opa_url: str | None = None
    opa_start: Path | None = None
    stop: Stop | None = None


def make_engines(
    names: Sequence[str], program: Program, *, opa_url: str | None = None
) -> list[Engine]:
    """One engine for each name, in this process and with the program loaded.

    Raises:
        ConfigurationError: A name is unknown or repeated, none is given, or `opa` is
            asked for without the address of its server.
    """
    _check(names)
    return [_make(name, program, opa_url) for name in names]


def arrange_engines(
    names: Sequence[str], program: Program, vectors: Sequence[Vector], how: Arrangement
) -> list[Engine]:
    """One engine for each name, guarded, and isolated where that is asked for. Processes are
    started with the first question, and proved by some of the vectors each time.

    Raises:
        ConfigurationError: As of `make_engines`.
    """
    _check(names)
    return [_guarded(name, program, vectors, how) for name in names]


def make_engine(
    name: str, program: Program, *, alone: bool = False, room: int | None = None
) -> Engine:
    """The engine in this process, where it may be `alone`; raises as `make_engines`. `room` is
    the descriptor of a file as of `gateway.pdp.rego_compact`."""
    return _make(name, program, None, alone=alone, room=room)


def _check(names: Sequence[str]) -> None:
    if not names or len(set(names)) != len(names):
        raise ConfigurationError(f"name each engine once, out of: {', '.join(NAMES)}")


def _guarded(name: str, program: Program, vectors: Sequence[Vector], how: Arrangement) -> Engine:
    known = partial(prove, name, vectors=sample(vectors))
    if name == "opa" and how.opa_start is not None:
        from gateway.pdp.engine_opa import OwnOpaEngine

        engine: Engine = OwnOpaEngine(program, binary=how.opa_start, prove=known)
    elif name in how.isolated and name in CAN_BE_ISOLATED:
        from gateway.pdp.engine_child import ChildEngine

        engine = ChildEngine(name, program, how.given, prove=known)
    else:
        engine = _make(name, program, how.opa_url)
    limit = how.timeouts.get(name, DEFAULT_TIMEOUT_S)
    return Guarded(engine, vectors, timeout_s=limit, stop=how.stop)


def _make(
    name: str,
    program: Program,
    opa_url: str | None,
    *,
    alone: bool = False,
    room: int | None = None,
) -> Engine:
    match name:
        case "cedar":
            from gateway.pdp.engine_cedar import CedarEngine

            return CedarEngine(program)
        case "rego":
            from gateway.pdp.engine_rego import FOLD_AFTER, RegoEngine

            return RegoEngine(program, fold_after=FOLD_AFTER, alone=alone, room=room)
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
    # Whoever asks has a shorter limit, but for the first questions.
    return OpaEngine(program, host=host, port=port, tls=tls, timeout_s=PATIENT_S)


def _address(url: str | None) -> tuple[str, int, bool]:
    """Host, port and whether to speak TLS."""
    example = "such as http://127.0.0.1:8181"
    if not url:
        raise ConfigurationError(
            "the engine `opa` needs a server: give --opa-url with its address, "
            f"{example}, or --opa-start with an OPA to start"
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
