"""`charter serve` with workers: what the writer and each worker do in their processes."""

import asyncio
import logging
import os
import select
import signal
import socket
from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import uvloop

from gateway.cli import exit_codes
from gateway.cli.assemble import Parts, local_state, newest_instant, open_ledger
from gateway.cli.failures import explain
from gateway.cli.garbage import set_aside
from gateway.cli.key_options import custody_of
from gateway.cli.seen import seen_of
from gateway.cli.stamping import stamping
from gateway.cli.witnessing import Witnessing
from gateway.clock import KEPT_S, TrustedClock
from gateway.errors import ConfigurationError
from gateway.keys.errors import CustodyError
from gateway.service import Service
from gateway.state import WorkerState, open_worker_state
from gateway.workers.board import Board
from gateway.workers.channel import Channel
from gateway.workers.client import LedgerClient
from gateway.workers.socket_file import listen, remove
from gateway.workers.supervisor import Supervisor
from gateway.workers.writer import answer_for, ignore_signals

# The writer opens the ledger before it answers.
WRITER_S = 30.0
StateT = TypeVar("StateT")

log = logging.getLogger("charter")


@dataclass(frozen=True)
class Seat:
    """What a worker has besides its service: its number from 0, and what it shares."""

    number: int
    channel: Channel
    board: Board


Serve = Callable[[Service, WorkerState, Parts, Seat], Awaitable[int]]


def serve_with_workers(
    args: Namespace,
    serve: Serve,
    *,
    greet: Callable[[str], None],
    grace_s: float,
) -> int:
    """Run a writer and workers until told to stop.

    Args:
        serve: What a worker does with its service, until it is told to stop.
        greet: Told once what the first worker said when it was ready.
        grace_s: How long workers may take to answer what is in flight.
    """
    set_aside()  # what is looked through in a child is no longer shared with the others
    board = Board(args.workers)
    workers = [partial(_work, args, serve, board, number) for number in range(args.workers)]
    writer = partial(_write, args, grace_s)
    return Supervisor(writer, workers, explain=explain, greet=greet, grace_s=grace_s).run()


def _open(channel: Channel, open_keys: Callable[[], StateT]) -> StateT | None:
    """The state folder. A process that was started again and whose PIN is refused does not end,
    or it would be started and try the PIN again, until the token locks: it waits for the end
    of the gateway, and has nothing then."""
    try:
        return open_keys()
    except CustodyError as error:
        if not (error.is_final and channel.is_again):
            raise
        log.error("%s; this process waits until the gateway is restarted", error)  # noqa: TRY400
    while not channel.is_over():
        select.select([channel.connection], [], [])
    return None


# --- the writer ----------------------------------------------------------------------


def _write(args: Namespace, grace_s: float, channel: Channel) -> int:
    ignore_signals()
    if channel.is_again and not (args.state / "origin").exists():
        raise ConfigurationError(f"{args.state} is no state folder any more: put it back")
    state = _open(channel, lambda: local_state(args))
    if state is None:
        return exit_codes.FAILED
    clock = TrustedClock(keep_s=KEPT_S)
    # A writer that comes back has been compared before, and its mirrors may be away now.
    seen = seen_of(args, mirrors=not channel.is_again)
    ledger = open_ledger(state, clock, seen, Witnessing.of(args))
    try:
        clock.not_before(newest_instant(ledger, args.clock_was_ahead_until))
        listener = listen(args.state)
        with (
            stamping(args, ledger.latest_checkpoint, clock),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            set_aside()
            is_over = runner.run(answer_for(ledger, listener, channel, drain_s=grace_s))
        remove(args.state)
    finally:
        ledger.close()
        state.close()
    return exit_codes.OK if is_over else exit_codes.FAILED


# --- a worker ------------------------------------------------------------------------


def _work(args: Namespace, serve: Serve, board: Board, number: int, channel: Channel) -> int:
    parts = Parts(args, warn=channel.is_first)
    channel.loaded()
    state = _open(channel, lambda: open_worker_state(args.state, custody=custody_of(args)))
    if state is None:
        return exit_codes.FAILED
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(args, parts, state, serve, Seat(number, channel, board)))
    except asyncio.CancelledError:
        return exit_codes.OK  # told to stop before it served
    finally:
        state.close()


async def _serve(
    args: Namespace, parts: Parts, state: WorkerState, serve: Serve, seat: Seat
) -> int:
    ledger = await LedgerClient.open(args.state, state.log_key, within_s=WRITER_S)
    clock = TrustedClock(keep_s=KEPT_S)
    newest = await asyncio.to_thread(newest_instant, ledger, args.clock_was_ahead_until)
    clock.not_before(newest)
    service = parts.service_with(ledger, state.decision_key, clock, args.state)
    _end_with(seat.channel.connection, seat.channel.is_over)
    return await serve(service, state, parts, seat)


def _end_with(connection: socket.socket, is_over: Callable[[], bool]) -> None:
    """Stop in order once the supervisor is gone."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if is_over():
            loop.remove_reader(connection)
            os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(connection, look)
