"""How bytes leave for another of our processes: now, and not when this turn of the loop ends."""

import asyncio
import os


def send_now(transport: asyncio.Transport, data: bytes) -> None:
    """As `transport.write`, which of uvloop collects what a turn of the loop writes. A turn can
    take milliseconds, in which the other process would have nothing to do."""
    if transport.is_closing():
        return
    if transport.get_write_buffer_size() == 0:
        descriptor = transport.get_extra_info("socket").fileno()
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            pass
        except OSError:
            transport.abort()  # the other end is gone, and the protocol is told as ever
            return
    if data:
        transport.write(data)
