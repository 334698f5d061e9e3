"""Mirrors say how far the log has come: one of them must, and what it says is not believed
without a signature, which is for the guard to see."""

import socket
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.fetch import PRIVATE
from gateway.mirrors import ask_mirrors
from tests.gateway.sources.hosts import Host, black_hole, host


def ask(running: Host, *urls: str, **options: object) -> list[tuple[str, bytes]]:
    settings = {"ca_file": running.folder / "facts-root.pem", "networks": PRIVATE, "timeout_s": 1.0}
    return ask_mirrors(urls, **{**settings, **options})  # pyright: ignore[reportArgumentType]


def test_whoever_answers_is_heard_and_the_others_are_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with host(tmp_path) as running, black_hole() as silent:
        good = f"https://localhost:{running.port}/?id=near"
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        bad = [f"https://localhost:{silent}/checkpoint", f"https://localhost:{port}/checkpoint"]
        ((found, data),) = ask(running, bad[0], good, bad[1])
    assert (found, data[:1]) == (good, b"{")
    assert caplog.text.count("is not known") == 2


@pytest.mark.parametrize(
    "manner", ["absent", "an error", "a redirect", "huge", "cut", "reset", "no HTTP", "for ever"]
)
def test_where_nobody_says_anything_the_log_does_not_grow(tmp_path: Path, manner: str) -> None:
    with host(tmp_path) as running:
        running.manner = manner
        with pytest.raises(ConfigurationError, match="none of the mirrors"):
            ask(running, f"https://localhost:{running.port}/?id=near")


def test_a_mirror_that_nobody_vouches_for_or_in_a_network_of_ours_is_not_heard(
    tmp_path: Path,
) -> None:
    with host(tmp_path) as running:
        url = f"https://localhost:{running.port}/?id=near"
        for options in ({"ca_file": None}, {"networks": ()}):
            with pytest.raises(ConfigurationError, match="none of the mirrors"):
                ask(running, url, **options)
        assert running.asked == []


def test_without_mirrors_nobody_is_asked() -> None:
    assert ask_mirrors([]) == []
