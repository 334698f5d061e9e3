"""`charter serve`: the gateway as a process."""

import asyncio
import errno
import json
import logging
import resource
import secrets
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn
import uvloop

from dsl.core import Program
from gateway.callers import Known
from gateway.checked import read_checked
from gateway.cli import exit_codes
from gateway.cli.assemble import Parts, load_again, local_state, say_changes
from gateway.cli.callers import Others, check_address
from gateway.cli.engine_options import arrangement
from gateway.cli.garbage import Aside
from gateway.cli.limits import limits_of
from gateway.cli.logs import log_as_json
from gateway.cli.memory import give_back, leave_no_core
from gateway.cli.own_evidence import attest_of, check_tpm
from gateway.cli.seen import seen_of
from gateway.cli.settings import resolve
from gateway.cli.stamping import stamping
from gateway.cli.workers import Seat, serve_with_workers
from gateway.errors import ClockError, ConfigurationError
from gateway.ledger.shards import ended_tiles
from gateway.ledger.tiles import TileReader
from gateway.loaded import Loaded
from gateway.nodes.documents import Documents
from gateway.nodes.store import FILE as EVIDENCE
from gateway.own_evidence.kept import Kept
from gateway.pdp.engines import DEFAULT
from gateway.pdp.profiles import Profiles
from gateway.reload import Reloader, reload_at_signal
from gateway.service import Service
from gateway.stamping.stamps import Stamps
from gateway.state import State, WorkerState
from gateway.web.app import Gateway, create_app
from gateway.web.connections import Bounds
from gateway.web.handshake import TlsServer
from gateway.web.known_heads import knowing
from gateway.web.limits import part
from gateway.web.together import Together
from gateway.web.watched import Tracing
from gateway.workers.free import TakenError, claim, once_free
from gateway.workers.socket_file import remove

GRACE_S = 10
# After this long, the system ends a connection whose other side takes no bytes of an answer.
UNREAD_S = 30
# Connections that the system keeps until they are accepted; it hands them over at once.
BACKLOG = 64
# Files besides connections: ledger, engines, and those accepted only to be refused.
OTHER_FILES = 64 + BACKLOG

_STOPPING = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger("charter")


def serve(args: Namespace) -> int:
    """Serve until told to stop; what is in flight is answered first."""
    leave_no_core()
    resolve(args)
    check_address(args)
    args.arranged = arrangement(args)
    check_tpm(args)
    args.run_id = secrets.token_hex(16)  # its workers have the same
    others = Others(args)
    room = _room_for(args.connections, tls=args.tls_cert is not None)
    bounds = Bounds(connections=room, of_client=args.connections_of_client)
    # Whatever else can be wrong is tried before the state folder is touched.
    with _place(args) as listener:
        if args.workers > 0:
            port = listener.getsockname()[1]
            listener.close()
            # Kept by the supervisor: nobody else gets the port while a worker starts again.
            with _listener(args.host, port, shared=True) as kept:
                return _serve_with_workers(args, kept, others, bounds)
        for number in _STOPPING:
            signal.signal(number, _leave)
        parts = Parts(args)
        with _undisturbed():  # half of a state folder would have to be removed by hand
            state = local_state(args)
        callers = others.known(state)
        tell = log_as_json()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            _say_if_less(args.connections, bounds)
            _say_who_is_left_out(parts.bundle.program, callers)
            say_changes(parts.catalogue)
            service = parts.service(state, seen_of(args))
            service.tell = tell
            remove(args.state)  # of a gateway that was killed, and has no ledger any more
            newest = service.ledger.latest_checkpoint
            try:
                with stamping(args, newest, service.clock):
                    return runner.run(_run(args, listener, service, state, callers, bounds, others))
            except asyncio.CancelledError:
                return exit_codes.OK  # told to stop before it served
            finally:
                state.close()


@contextmanager
def _place(args: Namespace) -> Generator[socket.socket]:
    """What `_listener` gives, at an address that no other gateway has or is about to have."""
    with once_free(args.state, partial(_listener, args.host, args.port)) as listener:
        host, port = listener.getsockname()[:2]
        with once_free(args.state, partial(claim, (host, port))):
            yield listener


def _serve_with_workers(
    args: Namespace, kept: socket.socket, others: Others, bounds: Bounds
) -> int:
    async def serve_one(service: Service, state: WorkerState, parts: Parts, seat: Seat) -> int:
        service.tell = tell
        # What was read at the start may name callers who have been taken out since.
        known = Others(args) if seat.channel.is_again else others
        callers = known.known(state)
        if seat.number == 0 and not seat.channel.is_again:
            _say_if_less(args.connections, bounds)
            _say_who_is_left_out(parts.bundle.program, callers)
            say_changes(parts.catalogue)
        with _listener(args.host, kept.getsockname()[1], shared=True) as listener:
            return await _run(args, listener, service, state, callers, bounds, known, seat)

    def greet(words: str) -> None:
        _greet(args, kept, args.state, words.partition(" ")[0])

    tell = log_as_json()
    return serve_with_workers(args, serve_one, greet=greet, grace_s=GRACE_S + 5)


async def _run(
    args: Namespace,
    listener: socket.socket,
    service: Service,
    state: State | WorkerState,
    callers: Known,
    bounds: Bounds,
    others: Others,
    seat: Seat | None = None,
) -> int:
    """Check and serve in one event loop: a client of an engine belongs to the loop in which
    it was opened."""
    _stop_early()
    try:
        await service.check_engines()
        give_back()
        await service.self_check(state.trust())
        with suppress(ClockError):  # it has said so; the time may get certain by itself
            service.clock()
        public_url = args.public_url or _url(args, listener)
        attest = attest_of(args, service, state)
        await asyncio.to_thread(attest, service.in_force)
        reloader = Reloader(service, partial(load_again, args), state.folder, attest)
        started = await reloader.start()
        app = create_app(
            service,
            callers,
            state.trust(),
            public_url=public_url,
            tracing=_tracing(args.traces),
            reloader=reloader,
            limits=limits_of(args, bounds.connections),
            workers=_deciding(args),
            without_context=frozenset(args.authzen_without_context),
            tiles=partial(TileReader.open, state.folder / "ledger"),
            stamps=Stamps(state.folder),
            ended=partial(ended_tiles, state.folder),
            documents=Documents(state.folder / EVIDENCE),
            own_evidence=Kept(state.folder).get,
        )
        app.metrics.checked = partial(read_checked, state.folder)
        bounds = _of_one(bounds, _deciding(args))
        config = _config(app, bounds)
        config.load()
    except BaseException:
        await service.close()
        raise
    listener.listen(BACKLOG)  # who is greeted may connect at once, and is answered in a moment
    server = TlsServer(config, others.tls, bounds) if others.tls else uvicorn.Server(config)
    reload_at_signal(reloader)
    reloader.after = Aside(service).again
    _stop_in_order(server)
    if seat is None:
        _greet(args, listener, state.folder, service.in_force.bundle.digest)
    else:
        app.metrics.together = Together(seat.board, seat.number, service.ledger.size)
        reloader.on_reload = lambda done: seat.channel.reloaded(_words(done.now, service))
        seat.channel.ready(_words(started.now, service))
    beside = [asyncio.create_task(others.watch(callers).run())]
    if seat is not None:
        beside.append(asyncio.create_task(app.metrics.share()))
    await server.serve(sockets=[listener])
    for task in beside:
        task.cancel()
    return exit_codes.OK if server.started else exit_codes.FAILED


def _deciding(args: Namespace) -> int:
    """How many processes decide."""
    return max(1, args.workers)


def _of_one(bounds: Bounds, workers: int) -> Bounds:
    """What one of several workers holds of the connections: they share them out."""
    return replace(
        bounds,
        connections=part(bounds.connections, workers),
        of_client=part(bounds.of_client, workers),
    )


def _words(loaded: Loaded, service: Service) -> str:
    """What a worker works with; the digest of its bundle first."""
    in_force = service.in_force
    judged_by = None if in_force.attestation is None else in_force.attestation.digest
    told_by = None if in_force.sources is None else in_force.sources.digest
    release = f"{loaded.bundle} {loaded.catalogue} {loaded.sequence}"
    return f"{release} {in_force.gateway_evidence} {judged_by} {told_by}"


def _tracing(collector: str | None) -> Tracing | None:
    if collector is None:
        return None
    try:
        from gateway.web.tracing import to_collector
    except ImportError as error:
        raise ConfigurationError(
            "traces need libraries that are not installed: install charter-gateway[tracing]"
        ) from error
    return to_collector(collector)


def _leave(_number: int, _frame: object) -> None:
    """Told to stop while nothing has begun."""
    raise SystemExit(exit_codes.OK)


@contextmanager
def _undisturbed() -> Generator[None]:
    """Signals to stop wait for the end of the block."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


def _stop_early() -> None:
    """Let a signal end what is awaited before anybody is served; what is open is closed."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - of the coroutine that calls
    for number in _STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _stop_in_order(server: uvicorn.Server) -> None:
    """Let a signal stop the server, from now on and while it starts. It takes signals itself
    while it serves, stops in order, and then raises them again: then there is nothing left."""

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    for number in _STOPPING:
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, stop)


def _config(app: Gateway, bounds: Bounds) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=knowing(bounds, app.asked_again(), app.metrics.refused),
        backlog=BACKLOG,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_S,
    )


def _room_for(connections: int, *, tls: bool) -> int:
    """As many of the connections as the system has files for; it is asked for more first.
    With TLS there may be as many again that are not through their handshake.

    Raises:
        ConfigurationError: It has none.
    """
    files = 2 if tls else 1
    wanted = files * connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < files + OTHER_FILES:
        raise ConfigurationError(
            f"the system lets this process open {soft} files, and {wanted} are needed: "
            "raise the limit (ulimit -n)"
        )
    return min(connections, (soft - OTHER_FILES) // files)


def _say_if_less(wanted: int, bounds: Bounds) -> None:
    if bounds.connections < wanted:
        log.warning(
            "%d connections at once, not %d: the system lets this process open no more files",
            bounds.connections,
            wanted,
        )


def _say_who_is_left_out(program: Program, callers: Known) -> None:
    for tenant in Profiles(program).left_out(callers.tenants()):
        log.warning(
            "nothing is permitted to the tenant `%s`: no profile of the charters names it, and "
            "none is for everybody",
            tenant,
        )


def _listener(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """The socket to serve on, bound and not listening yet.

    Args:
        shared: With others of this user, between which the system spreads connections.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.set_inheritable(False)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # of Linux; accepted sockets inherit it
            milliseconds = UNREAD_S * 1000
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    except OSError as error:
        listener.close()
        refused = TakenError if error.errno == errno.EADDRINUSE else ConfigurationError
        raise refused(
            f"cannot listen on {host} port {port}: {error.strerror}; give another --port"
        ) from error
    return listener


def _url(args: Namespace, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if args.tls_cert else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _greet(args: Namespace, listener: socket.socket, state: Path, digest: str) -> None:
    url = _url(args, listener)
    engines = list(args.engines or DEFAULT)
    trust = str(state / "trust.json")
    if args.format == "json":
        line = {"event": "listening", "url": url, "bundle": digest, "engines": engines}
        sys.stderr.write(json.dumps({**line, "trust": trust}) + "\n")
    else:
        sys.stderr.write(
            f"Charter listens on {url}\n"
            f"  bundle   {digest}\n"
            f"  engines  {', '.join(engines)}\n"
            f"  verify   charter verify ANSWER.json --trust {trust}\n"
        )
    sys.stderr.flush()
