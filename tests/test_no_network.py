"""The guard in conftest.py: a test that reaches out is told so."""

import socket

import pytest


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]
)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_connection_to_another_machine_is_refused(
    family: socket.AddressFamily, kind: socket.SocketKind, host: str
) -> None:
    with (
        socket.socket(family, kind) as outgoing,
        pytest.raises(PermissionError, match=f"reaches out to {host}"),
    ):
        outgoing.connect((host, 80))


def test_this_machine_is_within_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
