"""Who starts on the folder of a gateway that ends waits for it, and for no other."""

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.workers.free import HEARD_S, WITHIN_S, TakenError, claim, once_free
from gateway.workers.socket_file import FOLDER, NAME, is_deserted, listen, remove


class Time:
    """A clock that only goes on while somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def take(state: Path, attempt: Callable[[float], str]) -> tuple[str, float]:
    """What was taken, and how long it took."""
    time = Time()
    taken = once_free(state, lambda: attempt(time() - 100.0), now=time, pause=time.sleep)
    return taken, time() - 100.0


def free_after(seconds: float) -> Callable[[float], str]:
    def attempt(waited: float) -> str:
        if waited < seconds:
            raise TakenError("held")
        return "taken"

    return attempt


@contextmanager
def live(state: Path) -> Generator[socket.socket]:
    """The socket of a writer that goes on."""
    state.mkdir(exist_ok=True)
    with listen(state) as listener:
        yield listener


def leave(state: Path) -> None:
    """The socket of a writer that was killed."""
    with live(state):
        pass
    assert (state / FOLDER / NAME).exists()


def test_what_is_free_is_taken_at_once(tmp_path: Path) -> None:
    assert take(tmp_path, free_after(0)) == ("taken", 0)


def test_it_waits_for_a_gateway_that_ends(tmp_path: Path) -> None:
    leave(tmp_path)
    taken, waited = take(tmp_path, free_after(12))
    assert taken == "taken"
    assert 12 <= waited < 12.1


@pytest.mark.parametrize("there", ["nothing", "a folder", "a live writer"])
def test_it_waits_for_nobody_who_goes_on_but_for_a_moment(tmp_path: Path, there: str) -> None:
    time = Time()
    with live(tmp_path / "live"):
        state = tmp_path / ("live" if there == "a live writer" else "state")
        if there == "a folder":
            state.mkdir()
        with pytest.raises(TakenError, match="held"):
            once_free(state, lambda: free_after(60)(time() - 100.0), now=time, pause=time.sleep)
    assert HEARD_S <= time() - 100.0 < HEARD_S + 0.1


def test_where_the_folder_was_left_and_it_is_held_all_the_same_it_ends_waiting(
    tmp_path: Path,
) -> None:
    leave(tmp_path)
    time = Time()
    with pytest.raises(TakenError):
        once_free(tmp_path, lambda: free_after(999)(time() - 100.0), now=time, pause=time.sleep)
    assert WITHIN_S <= time() - 100.0 < WITHIN_S + 0.1


def test_the_moment_is_enough_for_a_supervisor_that_was_killed_just_now(tmp_path: Path) -> None:
    """Its writer still takes connections: it has not heard of it yet."""
    with live(tmp_path):
        assert take(tmp_path, free_after(HEARD_S / 2))[0] == "taken"


def test_a_writer_that_has_taken_its_socket_away_has_a_moment_to_close_the_log(
    tmp_path: Path,
) -> None:
    leave(tmp_path)

    def attempt(waited: float) -> str:
        if waited >= 5:
            remove(tmp_path)
        return free_after(5 + HEARD_S / 2)(waited)

    assert take(tmp_path, attempt)[0] == "taken"


def test_other_mistakes_are_told_at_once(tmp_path: Path) -> None:
    leave(tmp_path)

    def attempt(_: float) -> str:
        raise ConfigurationError("damaged")

    with pytest.raises(ConfigurationError, match="damaged"):
        take(tmp_path, attempt)


def test_a_socket_is_deserted_only_where_a_writer_was_and_nobody_listens(tmp_path: Path) -> None:
    assert not is_deserted(tmp_path)
    assert not is_deserted(tmp_path / "nowhere")
    (tmp_path / FOLDER).mkdir()
    assert not is_deserted(tmp_path)
    with live(tmp_path):
        assert not is_deserted(tmp_path)
    assert is_deserted(tmp_path)
    remove(tmp_path)
    assert not is_deserted(tmp_path)
    deep = tmp_path / ("x" * 100)  # longer than the system takes for a socket
    with live(deep):
        assert not is_deserted(deep)
    assert is_deserted(deep)


def test_what_stands_in_the_place_of_the_socket_is_nobody_who_ends(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    place = tmp_path / FOLDER / NAME
    for make in (lambda: place.symlink_to("nowhere"), place.touch):
        make()
        assert not is_deserted(tmp_path)
        place.unlink()
    place.mkdir()
    assert not is_deserted(tmp_path)


# --- an address ----------------------------------------------------------------------


def test_an_address_that_somebody_holds_is_not_held_again() -> None:
    with claim(("127.0.0.1", 1)), pytest.raises(TakenError, match="port 1: another gateway"):
        claim(("127.0.0.1", 1))


def test_an_address_is_held_as_long_as_one_process_that_has_it_goes_on() -> None:
    with claim(("127.0.0.1", 1)) as held, held.dup():
        held.close()
        with pytest.raises(TakenError):
            claim(("127.0.0.1", 1))


def test_who_holds_an_address_holds_no_other() -> None:
    with claim(("127.0.0.1", 1)), claim(("127.0.0.1", 2)), claim(("127.0.0.2", 1)):
        pass


def test_an_address_that_is_let_go_is_free_at_once() -> None:
    for _ in range(2):
        claim(("127.0.0.1", 1)).close()
