"""What every test sees: no network beyond this machine, and steady examples."""

import os
import sys
from typing import Any, cast

from hypothesis import settings

LOOPBACK = ("127.", "::1", "localhost")

# On a build machine a property fails for a change of the code, not for the luck of the
# day. `--hypothesis-profile=thorough` looks further.
settings.register_profile("steady", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=2_000)
settings.load_profile("steady")


def _refuse_the_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(cast(tuple[object, ...], arguments[1])[0])
        if not host.startswith(LOOPBACK):
            raise PermissionError(f"a test reaches out to {host}")


sys.addaudithook(_refuse_the_network)
