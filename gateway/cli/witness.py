"""`charter witness`: a witness for the logs of others."""

import asyncio
import json
import socket
import ssl
import sys
from argparse import Namespace
from datetime import UTC, datetime
from functools import partial

import uvicorn

from dsl.printable import printable
from gateway.cli import exit_codes
from gateway.cli.callers import Others, check_address
from gateway.cli.files import read_file
from gateway.cli.logs import log_as_json
from gateway.cli.output import to_json
from gateway.errors import ConfigurationError
from gateway.web.connections import Bounds
from gateway.web.protocol import bounded
from gateway.witness import folder
from gateway.witness.errors import PolicyError
from gateway.witness.policy import MAX_LOGS, parse_logs
from gateway.witness.server import create_app

_MAX_LOGS_FILE = MAX_LOGS * 512
BACKLOG = 64
GRACE_S = 5


def new_key(args: Namespace) -> int:
    """Make a witness in a new folder, and show its public key."""
    key = folder.create(args.folder, name=args.name)
    _say_key(args, key.public.name, key.public.vkey, [])
    return exit_codes.OK


def show(args: Namespace) -> int:
    """Show the public key, and what was cosigned."""
    key, store = folder.load(args.folder)
    try:
        known = store.known()
    finally:
        store.close()
    logs: list[dict[str, object]] = [
        {
            "origin": one.origin,
            "size": one.size,
            "cosigned_at": datetime.fromtimestamp(one.time, UTC).isoformat(),
        }
        for one in known
    ]
    _say_key(args, key.public.name, key.public.vkey, logs)
    return exit_codes.OK


def _say_key(args: Namespace, name: str, vkey: str, logs: list[dict[str, object]]) -> None:
    if args.format == "json":
        sys.stdout.write(to_json({"name": name, "vkey": vkey, "logs": logs}))
        return
    sys.stdout.write(printable(vkey) + "\n")
    for one in logs:
        words = f"{one['origin']}  size {one['size']}  cosigned at {one['cosigned_at']}"
        sys.stdout.write(printable(words) + "\n")


def serve(args: Namespace) -> int:
    """Serve until told to stop."""
    check_address(args)
    try:
        logs = parse_logs(read_file(args.logs, limit=_MAX_LOGS_FILE))
    except PolicyError as error:
        raise ConfigurationError(f"{args.logs}: {error}") from error
    tls = Others(args).tls
    witness, store = folder.open_witness(args.folder, logs, lambda: datetime.now(UTC))
    try:
        with _listener(args.host, args.port) as listener:
            config = uvicorn.Config(
                create_app(witness),
                http=bounded(Bounds()),
                backlog=BACKLOG,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
            )
            if tls is not None:
                config.ssl_context_factory = partial(_first, tls)
            log_as_json()
            _greet(args, listener, len(logs))
            asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
    finally:
        store.close()
    return exit_codes.OK


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}; give another --port"
        ) from error


def _first(tls: ssl.SSLContext, *_: object) -> ssl.SSLContext:
    return tls


def _greet(args: Namespace, listener: socket.socket, logs: int) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    url = f"{'https' if args.tls_cert else 'http'}://{shown}:{port}"
    if args.format == "json":
        sys.stderr.write(json.dumps({"event": "listening", "url": url, "logs": logs}) + "\n")
    else:
        sys.stderr.write(f"A witness of {logs} logs listens on {url}\n")
    sys.stderr.flush()
