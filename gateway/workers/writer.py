"""The process that has the ledger: it answers for it until the workers are gone."""

import asyncio
import signal
import socket

from gateway.ledger.interface import OwnLedger
from gateway.workers.channel import Channel
from gateway.workers.server import LedgerServer

# Until what workers sent last has been read, after they have ended.
LEFT_S = 1.0


def ignore_signals() -> None:
    """It is the supervisor who ends the writer, after the workers, whom the same signal may
    have reached."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


async def answer_for(
    ledger: OwnLedger, listener: socket.socket, channel: Channel, *, drain_s: float
) -> bool:
    """Until the supervisor is gone and the workers after it, at most `drain_s` seconds later.

    Returns:
        False where it ended before, since the ledger has to be opened again.
    """
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(channel.connection, lambda: over.set() if channel.is_over() else None)
    server = LedgerServer(ledger)
    ledger.write_in(loop)
    listening = await loop.create_unix_server(server.connection, sock=listener)
    telling = asyncio.create_task(server.tell_now_and_then(until=ledger.is_broken))
    ending = asyncio.create_task(over.wait())
    try:
        channel.ready(str(ledger.size))
        await asyncio.wait([telling, ending], return_when=asyncio.FIRST_COMPLETED)
        if not over.is_set():
            return False
        loop.remove_reader(channel.connection)
        listening.close()  # who is about to start on this folder sees that we end
        # Where all have ended, what is still connected is no worker, and may stay for ever.
        await server.deserted(LEFT_S if channel.is_alone else drain_s)
        return True
    finally:
        listening.close()
        for task in (telling, ending):
            task.cancel()
        for connection in list(server.connections):
            connection.end()
        ledger.write_in(None)
