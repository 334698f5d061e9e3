"""The ledger over the socket of the writer: as if it were here, and refusing when it is not."""

import asyncio
import os
import socket
import sqlite3
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from gateway.errors import (
    ConfigurationError,
    EntryConflictError,
    KeyTakenError,
    LedgerError,
    LedgerUnavailableError,
    PeerError,
    WorkersError,
)
from gateway.keys import CheckpointKey
from gateway.ledger.erased import ErasedEntryError, ErasureRefusedError
from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.ledger.once import Once
from gateway.ledger.proof import parse_place
from gateway.ledger.storage import DATABASE
from gateway.workers import socket_file
from gateway.workers.client import LedgerClient
from gateway.workers.frames import FrameReader, Kind, write_frame, write_pieces
from gateway.workers.pieces import MAX_OF_GROUP, write_entries, write_receipts
from gateway.workers.server import Connection, LedgerServer
from tests.gateway.ledger.logs import KEY, NOW, body_of, check_receipt, open_log
from tests.gateway.workers.links import WITHIN_S, append, run, said, until, worker, writer

# --- as if it were here --------------------------------------------------------------


def test_what_two_workers_append_is_one_log_in_one_order(tmp_path: Path) -> None:
    async def case() -> None:
        async with writer(tmp_path), worker(tmp_path) as one, worker(tmp_path) as two:
            ids = [[f"{name}-{number}" for number in range(60)] for name in ("a", "b")]
            found = await asyncio.gather(
                *(append(ledger, each) for ledger, own in zip((one, two), ids, strict=True)
                  for each in own)
            )  # fmt: skip
            receipts = dict(zip(ids[0] + ids[1], [r for (r,) in found], strict=True))
            assert sorted(r.index for r in receipts.values()) == list(range(120))
            for entry_id, receipt in receipts.items():
                check_receipt(entry_id, receipt)
            for own in ids:  # of each worker in the order in which it asked
                assert [receipts[e].index for e in own] == sorted(receipts[e].index for e in own)

    run(case)


def test_whatever_the_gateway_asks_of_a_log_is_answered_alike(tmp_path: Path) -> None:
    async def case() -> None:
        log = open_log(tmp_path / "ledger")
        async with writer(tmp_path, log), worker(tmp_path) as ledger:
            await append(ledger, "a", "b")
            assert ledger.size == 2  # at once

            def both(of: Ledger) -> list[object]:
                return [
                    of.latest_checkpoint(), of.get("a"), of.get("a", tenant="clinic-a"),
                    of.get("a", tenant="clinic-b"), of.get("zz"), of.get_at(1), of.get_at(9),
                    of.get_at(-1), of.proof("b"), of.proof("zz"), of.size, of.refusal(),
                    of.find_once(b"k" * 32, 0),
                ]  # fmt: skip

            assert await asyncio.to_thread(both, ledger) == await asyncio.to_thread(both, log)
        await asyncio.to_thread(log.close)

    run(case)


def test_a_key_is_used_up_for_every_worker(tmp_path: Path) -> None:
    until = int(NOW.timestamp()) + 60
    once = Once(b"k" * 32, "clinic-a", b"r" * 32, "a", until)

    async def case() -> None:
        async with writer(tmp_path), worker(tmp_path) as one, worker(tmp_path) as two:
            (first,) = one.append_all([("a", "clinic-a", body_of("a"))], once=once)
            await asyncio.wrap_future(first)
            (second,) = two.append_all([("b", "clinic-a", body_of("b"))], once=once)
            with pytest.raises(KeyTakenError):
                await asyncio.wrap_future(second)
            found = await asyncio.to_thread(two.find_once, once.key, until - 1)
            assert found == once
            assert await asyncio.to_thread(two.get, "b") is None

    run(case)


def test_an_erasure_by_a_worker_is_one_for_all(tmp_path: Path) -> None:
    async def case() -> None:
        async with writer(tmp_path) as server, worker(tmp_path) as one, worker(tmp_path) as two:
            await append(one, "a", "b")

            async def erase(ledger: Ledger, target: str, why: str) -> Receipt:
                future = ledger.erase(target, why, "clinic-a", b"{}")
                return await asyncio.wait_for(asyncio.wrap_future(future), WITHIN_S)

            assert (await erase(one, "a", "why")).index == 2
            for ledger in (one, two):
                with pytest.raises(ErasedEntryError) as caught:
                    await asyncio.to_thread(ledger.get, "a")
                told = (caught.value.entry_id, caught.value.index, caught.value.erasure_id)
                assert told == ("a", 0, "why")
                assert await asyncio.to_thread(ledger.is_tidy)
                place = await asyncio.to_thread(ledger.proof, "a")
                assert place == await asyncio.to_thread(server.ledger.proof, "a")
                assert parse_place(str(place)).index == 0
            with pytest.raises(ErasedEntryError):
                await erase(two, "a", "again")
            for target in ("nobody", "why"):
                with pytest.raises(ErasureRefusedError):
                    await erase(two, target, "other")
            assert server.ledger.size == 3

    run(case)


def test_what_bodies_repeat_is_told_to_every_writer_that_comes(tmp_path: Path) -> None:
    text = b"said again and again in every record of these rules, word for word. " * 20

    def kept() -> list[bytes]:
        connection = sqlite3.connect(tmp_path / "ledger" / DATABASE)
        found = [row[0] for row in connection.execute("SELECT data FROM text")]
        connection.execute("DROP TRIGGER IF EXISTS text_refuses_DELETE")
        connection.execute("DELETE FROM text")
        connection.commit()
        connection.close()
        return found

    async def case() -> None:
        async with writer(tmp_path):
            client = LedgerClient.open(tmp_path, KEY.public, within_s=WITHIN_S)
            ledger = await client
            ledger.repeats(text)
            await append(ledger, "a")
        assert kept() == [text]
        assert kept() == []
        await until(lambda: ledger.refusal() is not None)
        async with writer(tmp_path):
            await until(lambda: ledger.refusal() is None)
            await append(ledger, "b")
            await asyncio.to_thread(ledger.close)

    run(case)
    assert kept() == [text]


def test_an_id_with_another_body_is_a_conflict_there_too(tmp_path: Path) -> None:
    async def case() -> None:
        async with writer(tmp_path), worker(tmp_path) as ledger:
            await append(ledger, "a")
            with pytest.raises(EntryConflictError) as caught:
                await asyncio.wrap_future(ledger.append("a", "clinic-a", b"other"))
            assert caught.value.index == 0

    run(case)


def test_of_several_together_the_one_that_cannot_be_stored_is_refused_alone(
    tmp_path: Path,
) -> None:
    async def case() -> None:
        async with writer(tmp_path), worker(tmp_path) as ledger:
            entries = [("a", "t", b"1"), ("b", "t", b""), ("c", "t", b"3")]
            futures = [asyncio.wrap_future(one) for one in ledger.append_all(entries)]
            found = await asyncio.gather(*futures, return_exceptions=True)
            assert [type(one) for one in found] == [Receipt, LedgerError, Receipt]

    run(case)


def test_commits_are_counted_once_over_all_workers(tmp_path: Path) -> None:
    async def case() -> None:
        counted: list[int] = []
        async with writer(tmp_path), worker(tmp_path) as one, worker(tmp_path) as two:
            one.on_commit(counted.append)
            two.on_commit(counted.append)
            for number in range(5):
                await append(one, f"a{number}")
                await append(two, f"b{number}", f"c{number}")
            await until(lambda: sum(counted) >= 15)
            await asyncio.sleep(0.3)
        assert sum(counted) == 15

    run(case)


def test_reading_in_the_event_loop_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    async def case() -> None:
        async with writer(tmp_path), worker(tmp_path) as ledger:
            with pytest.raises(RuntimeError):
                ledger.get("a")

    run(case)


# --- the writer goes -----------------------------------------------------------------


def test_without_a_writer_no_worker_begins(tmp_path: Path) -> None:
    async def case() -> None:
        with pytest.raises(WorkersError):
            await LedgerClient.open(tmp_path, KEY.public, within_s=0.2)

    run(case)


def test_a_writer_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    async def case() -> None:
        opening = asyncio.create_task(LedgerClient.open(tmp_path, KEY.public, within_s=WITHIN_S))
        await asyncio.sleep(0.1)
        async with writer(tmp_path):
            ledger = await opening
            await append(ledger, "a")
            await asyncio.to_thread(ledger.close)

    run(case)


def test_what_waits_when_the_writer_goes_is_refused_and_the_worker_comes_back(
    tmp_path: Path,
) -> None:
    async def case() -> None:
        async with writer(tmp_path):
            ledger = await LedgerClient.open(tmp_path, KEY.public, within_s=WITHIN_S)
            await append(ledger, "a")
        with pytest.raises(LedgerUnavailableError):
            await append(ledger, "b")
        assert ledger.refusal() is not None
        with pytest.raises(LedgerUnavailableError):
            await asyncio.to_thread(ledger.get, "a")
        async with writer(tmp_path):
            await until(lambda: ledger.refusal() is None)
            (receipt,) = await append(ledger, "c")
            check_receipt("c", receipt)
            await asyncio.to_thread(ledger.close)
            with pytest.raises(LedgerUnavailableError):
                await append(ledger, "d")

    run(case)


class Silent:
    """A ledger whose appends are never answered."""

    def __init__(self, log: Ledger) -> None:
        self._log = log

    def hand_over(self, pending: object) -> None:
        pass

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)


def test_a_writer_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    async def case() -> None:
        log = open_log(tmp_path / "ledger")
        silent: Ledger = Silent(log)  # pyright: ignore[reportAssignmentType]
        async with writer(tmp_path, silent), worker(tmp_path, answer_timeout_s=0.3) as ledger:
            with pytest.raises(LedgerUnavailableError, match="no answer for"):
                await append(ledger, "a")
        await asyncio.to_thread(log.close)

    run(case)


def test_a_log_that_takes_no_entries_shows_in_every_worker(tmp_path: Path) -> None:
    async def case() -> None:
        log = open_log(tmp_path / "ledger")
        async with writer(tmp_path, log), worker(tmp_path) as one, worker(tmp_path) as two:
            await asyncio.to_thread(log.close)
            await until(lambda: None not in (one.refusal(), two.refusal()))
            with pytest.raises(LedgerUnavailableError, match="closed"):
                await append(one, "a")

    run(case)


@pytest.mark.parametrize("is_plain", [True, False])
def test_who_is_refused_knows_at_once_that_the_log_takes_nothing(
    tmp_path: Path, is_plain: bool
) -> None:
    """Asked for every quarter of a second otherwise, whoever was refused was told it is ready."""

    async def case() -> None:
        log = open_log(tmp_path / "ledger")
        async with writer(tmp_path, log), worker(tmp_path) as one, worker(tmp_path) as two:
            await append(two, "a")
            await asyncio.to_thread(log.close)
            once = Once(b"k" * 32, "clinic-a", b"r" * 32, "b", int(NOW.timestamp()) + 60)
            (refused,) = one.append_all([("b", "clinic-a", b"{}")], once=None if is_plain else once)
            with pytest.raises(LedgerUnavailableError):
                await asyncio.wrap_future(refused)
            assert one.refusal() == "the ledger is closed"
            await until(lambda: two.refusal() is not None)

    run(case)


# --- the writer is not believed ------------------------------------------------------


async def refused_to_open(state: Path, key: CheckpointKey = KEY) -> None:
    with pytest.raises(WorkersError):
        await LedgerClient.open(state, key.public, within_s=0.5)


def test_a_log_of_another_key_is_not_believed(tmp_path: Path) -> None:
    async def case() -> None:
        async with writer(tmp_path):
            await refused_to_open(tmp_path, CheckpointKey.generate("ledger.example/eu"))

    run(case)


def test_a_log_that_has_become_smaller_is_not_believed(tmp_path: Path) -> None:
    """Somebody put an older ledger, or none, in the place of the one that there was."""

    async def case() -> None:
        async with writer(tmp_path):
            ledger = await LedgerClient.open(tmp_path, KEY.public, within_s=WITHIN_S)
            await append(ledger, "a", "b")
            await asyncio.to_thread(ledger.latest_checkpoint)
        for file in (tmp_path / "ledger").iterdir():
            file.unlink()
        async with writer(tmp_path):
            await asyncio.sleep(0.8)
            with pytest.raises(LedgerUnavailableError):
                await append(ledger, "c")
            assert ledger.refusal() is not None
            await asyncio.to_thread(ledger.close)

    run(case)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        write_frame(Kind.STATE, 0, [2, "note", None, []]),
        write_frame(Kind.STATE, 0, [1, "note", None, []]),
        write_frame(Kind.STATE, 0, [1, None, None, []]),
        write_frame(Kind.STATE, 0, [1, "note", None]),
        write_frame(Kind.STATE, 0, [1, "note", 5, []]),
        write_frame(Kind.STATE, 0, None),
        write_frame(Kind.ANSWER, 1, None),
        write_frame(Kind.ASK, 1, None),
    ],
    ids=repr,
)
def test_what_no_writer_says_is_not_believed(tmp_path: Path, answer: bytes) -> None:
    liars: list[asyncio.Transport] = []

    class Liar(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            mine = cast("asyncio.Transport", transport)
            liars.append(mine)
            mine.write(answer)

    async def case() -> None:
        listener = socket_file.listen(tmp_path)
        listening = await asyncio.get_running_loop().create_unix_server(Liar, sock=listener)
        await refused_to_open(tmp_path)
        for one in liars:
            one.abort()
        listening.close()
        await asyncio.sleep(0.05)

    run(case)


def said_instead(lie: bytes) -> Callable[[object], list[bytes]]:
    def answers(_: object) -> list[bytes]:
        return [lie]

    return answers


@pytest.mark.parametrize(
    "answer", [None, [], [None], ["permit"], [1, 2], "x", [[1, 2, b"", "", ""]]], ids=repr
)
def test_an_answer_that_is_no_receipt_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    lie = write_frame(Kind.ANSWER, 1, answer)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr("gateway.workers.server.answers", said_instead(lie))

    async def case() -> None:
        async with writer(tmp_path), worker(tmp_path) as ledger:
            with pytest.raises(LedgerUnavailableError):
                await append(ledger, "a")

    run(case)


RECEIPT = Receipt(0, 1, b"h" * 32, "proof", "now")


@pytest.mark.parametrize(
    "told",
    [
        [(1, [RECEIPT, RECEIPT])],
        [(2, [RECEIPT])],
        [(0, [RECEIPT])],
        [(1, [RECEIPT]), (1, [RECEIPT])],
        [(2, [RECEIPT]), (1, [RECEIPT])],
        b"",
        b"noise",
    ],
    ids=["too many", "nobody", "zero", "twice", "nobody first", "nothing", "noise"],
)
def test_receipts_of_what_was_not_asked_for_end_the_link_and_are_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[tuple[int, list[Receipt]]] | bytes
) -> None:
    data = told if isinstance(told, bytes) else write_receipts(told)
    lie = write_pieces(Kind.RECEIPTS, data)
    monkeypatch.setattr("gateway.workers.server.answers", said_instead(lie))
    twice = isinstance(told, list) and [number for number, _ in told] == [1, 1]

    async def case() -> None:
        async with writer(tmp_path), worker(tmp_path) as ledger:
            if twice:  # the first is an answer, and the second ends it
                assert await append(ledger, "a") == [RECEIPT]
            else:
                with pytest.raises(LedgerUnavailableError):
                    await append(ledger, "a")
            with pytest.raises(LedgerUnavailableError):
                await append(ledger, "b", "c")

    run(case)


def test_receipts_do_not_answer_a_question(tmp_path: Path) -> None:
    async def case() -> None:
        async with writer(tmp_path) as server, worker(tmp_path) as ledger:
            lie = write_pieces(Kind.RECEIPTS, write_receipts([(1, [RECEIPT])]))

            def ask(asker: Connection, *_: object) -> None:
                asker.send(lie)

            server.ask = ask  # pyright: ignore[reportAttributeAccessIssue]
            with pytest.raises(LedgerUnavailableError):
                await asyncio.to_thread(ledger.get, "a")

    run(case)


def test_more_than_is_ever_logged_at_once_is_refused_and_the_link_stays(tmp_path: Path) -> None:
    async def case() -> None:
        async with writer(tmp_path), worker(tmp_path) as ledger:
            ids = [f"e-{number}" for number in range(MAX_OF_GROUP + 1)]
            with pytest.raises(LedgerError, match="too much is logged at once"):
                await append(ledger, *ids)
            assert len(await append(ledger, *ids[:-1])) == MAX_OF_GROUP

    run(case)


# --- the worker is not believed ------------------------------------------------------

ENTRY = ["a", "clinic-a", b"{}"]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(13),
        b"\xff" * 64,
        struct.pack(">IBQ", 2**32 - 1, 2, 1),
        write_frame(Kind.STATE, 0, [1, "note", None, []]),
        write_frame(Kind.ANSWER, 1, None),
        write_frame(Kind.ASK, 1, None),
        write_frame(Kind.ASK, 1, []),
        write_frame(Kind.ASK, 1, "append_all"),
        write_frame(Kind.ASK, 1, ["append_all"]),
        write_frame(Kind.ASK, 1, ["append_all", [], None]),
        write_frame(Kind.ASK, 1, ["append_all", ENTRY, None]),
        write_frame(Kind.ASK, 1, ["append_all", [["a", "t", "text"]], None]),
        write_frame(Kind.ASK, 1, ["append_all", [["a", "t"]], None]),
        write_frame(Kind.ASK, 1, ["append_all", [ENTRY, None], None]),
        write_frame(Kind.ASK, 1, ["append_all", [ENTRY], "once"]),
        write_pieces(Kind.APPEND, b""),
        write_pieces(Kind.APPEND, write_entries([])[:-1]),
        write_pieces(Kind.APPEND, write_entries([(1, [("a", "t", b"{}")])]) + b"x"),
        write_pieces(Kind.RECEIPTS, write_receipts([(1, [RECEIPT])])),
        write_frame(Kind.ASK, 1, ["close"]),
        write_frame(Kind.ASK, 1, ["_writer"]),
        write_frame(Kind.ASK, 1, ["__init__"]),
        write_frame(Kind.ASK, 1, ["get", "a"]),
        write_frame(Kind.ASK, 1, ["get", 1, None]),
        write_frame(Kind.ASK, 1, ["get", "a", None, None]),
        write_frame(Kind.ASK, 1, ["get_at", "1"]),
        write_frame(Kind.ASK, 1, ["latest_checkpoint", 1]),
    ],
    ids=lambda sent: repr(sent[:48]),
)
def test_whoever_asks_what_no_worker_asks_is_cut_off_and_the_others_go_on(
    tmp_path: Path, sent: bytes
) -> None:
    async def case() -> None:
        async with writer(tmp_path) as server, worker(tmp_path) as ledger:
            before = server.ledger.size
            answered = await said(tmp_path, sent)
            kinds = [frame.kind for frame in FrameReader().feed(answered)]
            assert kinds == [Kind.STATE]
            assert server.ledger.size == before
            (receipt,) = await append(ledger, "b")
            check_receipt("b", receipt)

    run(case)


def test_a_worker_that_goes_in_the_middle_of_a_frame_leaves_nothing(tmp_path: Path) -> None:
    frame = write_frame(Kind.ASK, 1, ["append_all", [["a", "clinic-a", b"x" * 100]], None])

    async def case() -> None:
        async with writer(tmp_path) as server:
            for cut in (1, 12, 13, 40, len(frame) - 1):
                connection = socket_file.connected(tmp_path)
                connection.sendall(frame[:cut])
                connection.close()
            async with worker(tmp_path) as ledger:
                (receipt,) = await append(ledger, "b")
            assert (receipt.index, server.ledger.size) == (0, 1)

    run(case)


def test_an_entry_of_a_worker_that_has_gone_is_whole(tmp_path: Path) -> None:
    frame = write_frame(Kind.ASK, 1, ["append_all", [["a", "clinic-a", body_of("a")]], None])

    async def case() -> None:
        async with writer(tmp_path) as server:
            connection = socket_file.connected(tmp_path)
            await until(lambda: len(server.connections) == 1)
            connection.sendall(frame)
            await asyncio.sleep(0.05)
            connection.close()
            await until(lambda: server.ledger.size > 0)
            found = await asyncio.to_thread(server.ledger.get, "a")
            assert found is not None
            assert found.body == body_of("a")

    run(case)


def test_a_worker_that_takes_none_of_its_answers_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.workers.server.MAX_UNREAD", 1024 * 1024)
    frame = write_frame(Kind.ASK, 1, ["get", "a", None])

    async def case() -> None:
        async with writer(tmp_path) as server, worker(tmp_path) as ledger:
            await asyncio.wrap_future(ledger.append("a", "t", b"x" * 300_000))
            with socket_file.connected(tmp_path) as greedy:
                await until(lambda: len(server.connections) == 2)
                greedy.sendall(frame * 40)
                await until(lambda: len(server.connections) == 1)
            await append(ledger, "b")

    run(case)


# --- the socket ----------------------------------------------------------------------


def test_folder_and_socket_are_closed_to_others(tmp_path: Path) -> None:
    with socket_file.listen(tmp_path):
        folder = tmp_path / socket_file.FOLDER
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / socket_file.NAME).stat().st_mode) == 0o600


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / socket_file.FOLDER).mkdir(mode=0o777)
    (tmp_path / socket_file.FOLDER).chmod(0o777)
    socket_file.listen(tmp_path).close()
    assert stat.S_IMODE((tmp_path / socket_file.FOLDER).stat().st_mode) == 0o700


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    socket_file.listen(tmp_path).close()
    with socket_file.listen(tmp_path), socket_file.connected(tmp_path):
        pass


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_something_else_in_its_place_is_not_removed(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / socket_file.FOLDER
    folder.mkdir()
    path = folder / socket_file.NAME
    if kind == "file":
        path.write_text("years of work")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/etc/passwd")
    with pytest.raises(ConfigurationError, match="no socket"):
        socket_file.listen(tmp_path)
    assert path.exists()


def test_a_folder_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / socket_file.FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="not ours"):
        socket_file.listen(tmp_path)


def test_a_path_that_is_too_long_for_a_socket_works(tmp_path: Path) -> None:
    state = tmp_path / ("long" * 30) / ("longer" * 20)
    state.mkdir(parents=True)

    async def case() -> None:
        async with writer(state), worker(state) as ledger:
            await append(ledger, "a")

    run(case)


def test_another_user_at_the_other_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = socket.socketpair()
    with here, there:
        assert socket_file.check_peer(here) == os.getpid()
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with pytest.raises(PeerError):
            socket_file.check_peer(here)


def test_a_worker_of_another_user_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> int:
        raise PeerError("another user")

    async def case() -> None:
        async with writer(tmp_path) as server:
            monkeypatch.setattr("gateway.workers.server.check_peer", refuse)
            assert await said(tmp_path) == b""
            assert isinstance(server, LedgerServer)
            assert server.connections == []

    run(case)
