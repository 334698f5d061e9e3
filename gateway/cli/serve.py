"""`charter serve`: the gateway as a process."""

import asyncio
import ipaddress
import json
import logging
import sys
from argparse import Namespace
from datetime import UTC, datetime

import uvicorn

from gateway.cli import exit_codes
from gateway.cli.assemble import assemble, local_state
from gateway.errors import ConfigurationError
from gateway.state import State
from gateway.web.app import create_app

_HEADER_BYTES = 16 * 1024


def serve(args: Namespace) -> int:
    """Serve until told to stop; what is in flight is answered first."""
    _check_address(args)
    _log_as_json()
    state = local_state(args)
    callers = state.callers()
    service = assemble(args, state)
    try:
        asyncio.run(service.check_engines())
    except BaseException:
        asyncio.run(service.close())
        raise
    _greet(args, state, service.bundle.digest)
    config = uvicorn.Config(
        create_app(service, callers, state.trust()),
        host=args.host,
        port=args.port,
        http="httptools",
        loop="uvloop",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        lifespan="on",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        ssl_certfile=args.tls_cert,
        ssl_keyfile=args.tls_key,
    )
    server = uvicorn.Server(config)
    server.run()
    return exit_codes.OK if server.started else exit_codes.FAILED


def _check_address(args: Namespace) -> None:
    """Tokens travel in the clear without TLS, so plain HTTP stays on this machine."""
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


def _greet(args: Namespace, state: State, digest: str) -> None:
    scheme = "https" if args.tls_cert else "http"
    lines = [
        f"Charter listens on {scheme}://{args.host}:{args.port}",
        f"  bundle   {digest}",
        f"  engines  {', '.join(args.engines)}",
        f"  verify   charter verify ANSWER.json --trust {state.folder / 'trust.json'}",
    ]
    if state.new_token is not None:
        lines += [
            "  A token for the tenant `default`, shown this once:",
            f"    export CHARTER_TOKEN={state.new_token}",
        ]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


class _JsonFormatter(logging.Formatter):
    """One line of JSON for each event, for a log collector."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "at": moment,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update(getattr(record, "charter", {}))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _log_as_json() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("charter").setLevel(logging.INFO)
