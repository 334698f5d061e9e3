"""Other rules come into force whole, in order and recorded, or not at all."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError, ReleaseError, ReloadError
from gateway.in_force import InForce
from gateway.loaded import (
    Loaded,
    Rollback,
    changing,
    read_loaded,
    read_rollback,
    write_loaded,
    write_rollback,
)
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.release import Release
from gateway.reload import Reloader
from gateway.watch import Nobody

from .test_in_force import other_law
from .world import CALLER, World, body, made, run, sites


def old(number: int | None = None) -> InForce:
    return _in_force(made(), number)


def new(number: int | None = None) -> InForce:
    return _in_force(other_law(), number)


def _in_force(law: Any, number: int | None) -> InForce:
    known = sites(law.program)
    release = None if number is None else Release(number, law.digest, known.digest, ("author",))
    return InForce(law, known, [ReferenceEngine(law.program)], release=release)


class Told(Nobody):
    def __init__(self) -> None:
        self.errors: list[str | None] = []

    def reloaded(self, error: str | None) -> None:
        self.errors.append(error)


class Bench:
    """A service, what it would load next, and its state folder."""

    def __init__(self, folder: Path, first: InForce) -> None:
        self.folder = folder
        self.world = World(folder, in_force=first)
        self.service = self.world.service
        self.service.watch = self.told = Told()
        self.next: Callable[[], InForce] = lambda: first
        self.reloader = Reloader(self.service, lambda: self.next(), folder)

    def reload(self, then: InForce) -> Any:
        self.next = lambda: then
        return self.reloader.reload("an operator")

    async def decided(self) -> tuple[object, object]:
        answer = await self.service.decide(body(), CALLER)
        return answer["decision"], answer["bundle"]

    def own_entries(self, *actions: str) -> list[dict[str, Any]]:
        """The predicates of what the gateway recorded of itself: of reloads, or these."""
        found: list[dict[str, Any]] = []
        for index in range(self.world.ledger.size):
            entry = self.world.ledger.get_at(index)
            assert entry is not None
            answer = {"record": json.loads(entry.body), "proof": self.world.ledger.proof(entry.id)}
            predicate: Any = self.world.verify(answer)
            found += [predicate] if predicate["action"] in (actions or ("reload",)) else []
        return found


OLD, NEW = ("permit", made().digest), ("deny", other_law().digest)


def test_what_is_reloaded_decides_and_the_log_says_who_wanted_it(tmp_path: Path) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, old())
        await bench.reloader.start()
        assert await bench.decided() == OLD
        await bench.reload(new())
        assert await bench.decided() == NEW
        (entry,) = bench.own_entries()
        assert entry["decision"] == "deny"  # nobody was permitted anything
        assert (entry["by"], entry["bundle"]) == ("an operator", other_law().digest)
        assert entry["before"]["bundle"] == made().digest
        assert bench.told.errors == [None]
        assert read_loaded(tmp_path) == Loaded(**bench.service.in_force.named(), sequence=None)

    run(reload())


def test_the_same_again_is_no_change_and_no_entry(tmp_path: Path) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, old())
        await bench.reloader.start()
        done = await bench.reload(old())
        assert not done.changed
        assert bench.own_entries() == []

    run(reload())


def _wrong_engine() -> InForce:
    law = other_law()
    return InForce(law, sites(law.program), [ReferenceEngine(made().program)])


def _fails() -> InForce:
    raise ConfigurationError("sites.toml: the catalogue is not TOML")


def _breaks() -> InForce:
    raise KeyError("a secret")


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (_wrong_engine, "engines: reference"),
        (_fails, "not TOML"),
        (_breaks, "^KeyError$"),
        (lambda: new(3), "older than release 5"),
        (lambda: new(5), "with other contents"),
    ],
)
def test_what_is_wrong_changes_nothing_and_is_told(
    tmp_path: Path, load: Callable[[], InForce], words: str
) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, old(5))
        await bench.reloader.start()
        before = (tmp_path / "in_force.json").read_bytes()
        bench.next = load
        with pytest.raises(ReloadError, match=words):
            await bench.reloader.reload("an operator")
        assert await bench.decided() == OLD
        assert bench.own_entries() == []
        assert (tmp_path / "in_force.json").read_bytes() == before
        (told,) = bench.told.errors
        assert told is not None
        # And it is no dead end.
        await bench.reload(new(6))
        assert await bench.decided() == NEW

    run(reload())


def test_what_cannot_be_recorded_does_not_come_into_force(tmp_path: Path) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, old(1))
        await bench.reloader.start()

        bench.world.ledger.close()
        with pytest.raises(ReloadError, match="closed"):
            await bench.reload(new(2))
        assert bench.service.in_force.named() == old().named()
        kept = read_loaded(tmp_path)
        assert kept is not None
        assert kept.sequence == 1

    run(reload())


def test_what_cannot_be_written_to_disk_is_not_told_as_a_change_by_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, old(1))
        await bench.reloader.start()
        with monkeypatch.context() as disk:
            fail_at(disk, tmp_path, "sync")
            with pytest.raises(ReloadError, match=r"in_force\.json: .*Input/output error"):
                await bench.reload(new(2))
        assert await bench.decided() == OLD
        assert bench.own_entries() == []
        check_stays(tmp_path, 1)
        await bench.reload(new(2))
        assert len(bench.own_entries()) == 1

    run(reload())


@pytest.mark.parametrize("at", ["replace", "sync of the folder", "leave"])
def test_what_cannot_be_put_in_its_place_is_taken_back_in_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, new(9))
        await bench.reloader.start()
        write_rollback(tmp_path, Rollback(7, "release 9 refuses the hospital"))
        with monkeypatch.context() as disk:
            fail_at(disk, tmp_path, at)
            with pytest.raises(ReloadError, match="Input/output error"):
                await bench.reload(old(7))
        assert await bench.decided() == NEW
        first, second = bench.own_entries("reload", "reload-withdrawn")
        assert (first["action"], second["action"]) == ("reload", "reload-withdrawn")
        for member in ("by", "bundle", "catalogue", "sequence", "before", "rollback"):
            assert second[member] == first[member]
        assert second["decision"] == "deny"
        check_stays(tmp_path, 9)
        # And it is no dead end.
        write_rollback(tmp_path, Rollback(7, "again"))
        await bench.reload(old(7))
        assert await bench.decided() == OLD
        check_stays(tmp_path, 7)

    run(reload())


def fail_at(disk: pytest.MonkeyPatch, folder: Path, at: str) -> None:
    """Have one of the calls on what was in force fail, the first time."""
    failed: list[str] = []
    sync, replace, unlink = os.fsync, Path.replace, Path.unlink

    def fail(step: str, path: Path, name: str) -> None:
        if step == at and not failed and path.name.startswith(name):
            failed.append(step)
            raise OSError(5, "Input/output error")

    def failing_sync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        fail("sync", path, ".in_force.json")
        fail("sync of the folder", path, folder.name)
        sync(handle)

    def failing_replace(path: Path, target: Path) -> Path:
        fail("replace", path, ".in_force.json")
        return replace(path, target)

    def failing_unlink(path: Path, missing_ok: bool = False) -> None:
        fail("leave", path, "rollback.json")
        unlink(path, missing_ok)

    disk.setattr(os, "fsync", failing_sync)
    disk.setattr(Path, "replace", failing_replace)
    disk.setattr(Path, "unlink", failing_unlink)


def check_stays(folder: Path, sequence: int) -> None:
    kept = read_loaded(folder)
    assert kept is not None
    assert kept.sequence == sequence
    assert not list(folder.glob(".in_force.json.*")), "what was written beside is left"


def test_a_ledger_that_ends_before_it_takes_a_change_back_is_told_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, old(1))
        await bench.reloader.start()
        replace = Path.replace

        def failing(path: Path, target: Path) -> Path:
            if path.name.startswith(".in_force.json"):
                bench.world.ledger.close()
                raise OSError(5, "Input/output error")
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", failing)
        with pytest.raises(ReloadError, match="Input/output error"):
            await bench.reload(new(2))
        assert "the ledger tells of a reload that never was" in caplog.text

    run(reload())


def test_two_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, old(1))
        await bench.reloader.start()
        following = iter([new(2), old(3)])
        bench.next = lambda: next(following)
        await asyncio.gather(*(bench.reloader.reload(str(n)) for n in range(2)))
        assert await bench.decided() == OLD
        assert [entry["sequence"] for entry in bench.own_entries()] == [2, 3]

    run(reload())


# --- numbers -------------------------------------------------------------------------


def test_a_restart_does_not_forget_the_newest_number(tmp_path: Path) -> None:
    write_loaded(tmp_path, Loaded(**new().named(), sequence=9))

    async def start() -> None:
        bench = Bench(tmp_path, old(8))
        with pytest.raises(ReleaseError, match="charter release allow 8"):
            await bench.reloader.start()
        assert bench.own_entries() == []

    run(start())


def test_rules_without_a_number_do_not_lower_it(tmp_path: Path) -> None:
    write_loaded(tmp_path, Loaded(**new().named(), sequence=9))
    run(Bench(tmp_path, old()).reloader.start())
    kept = read_loaded(tmp_path)
    assert kept is not None
    assert kept.sequence == 9


def test_a_leave_is_for_one_release_once_and_recorded(tmp_path: Path) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, new(9))
        await bench.reloader.start()
        write_rollback(tmp_path, Rollback(7, "release 9 refuses the hospital"))
        with pytest.raises(ReloadError, match="release 8 is older"):
            await bench.reload(old(8))
        await bench.reload(old(7))
        assert await bench.decided() == OLD
        assert read_rollback(tmp_path) is None
        (entry,) = bench.own_entries()
        assert entry["rollback"] == "release 9 refuses the hospital"
        assert (entry["sequence"], entry["before"]["sequence"]) == (7, 9)
        await bench.reload(new(9))
        with pytest.raises(ReloadError, match="older"):
            await bench.reload(old(7))

    run(reload())


def test_a_change_between_two_starts_is_recorded(tmp_path: Path) -> None:
    write_loaded(tmp_path, Loaded(**new(1).named(), sequence=1))

    async def start() -> None:
        bench = Bench(tmp_path, old(2))
        await bench.reloader.start()
        (entry,) = bench.own_entries()
        assert (entry["by"], entry["before"]["sequence"]) == ("start", 1)

    run(start())


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"bundle": 1}', '{"bundle":"","catalogue":"","sequence":"1"}', "\0"]
)
def test_a_damaged_memory_allows_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "in_force.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"in_force\.json"):
        run(Bench(tmp_path, old(1)).reloader.start())


@pytest.mark.parametrize("leave", [Rollback(1, ""), Rollback(1, "a\nb"), Rollback(0, "why")])
def test_a_leave_without_a_reason_is_none(tmp_path: Path, leave: Rollback) -> None:
    with pytest.raises(ConfigurationError):
        write_rollback(tmp_path, leave)
    assert read_rollback(tmp_path) is None


# --- several workers -----------------------------------------------------------------


def another_worker(folder: Path, beside: Bench, first: InForce) -> Bench:
    """A worker with a log of its own, for want of a writer, and the same state folder."""
    bench = Bench(folder, first)
    bench.reloader = Reloader(bench.service, lambda: bench.next(), beside.folder)
    return bench


def test_of_two_workers_the_one_with_the_older_release_is_refused_though_it_ends_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reload() -> None:
        one = Bench(tmp_path / "one", old(1))
        other = another_worker(tmp_path / "other", one, old(1))
        await one.reloader.start()
        await other.reloader.start()
        slow, is_checked = old(2), asyncio.Event()
        monkeypatch.setattr(slow, "check", is_checked.wait)
        late = asyncio.create_task(other.reload(slow))
        await asyncio.sleep(0.05)  # it was admitted: 2 is newer than 1
        await one.reload(new(3))
        is_checked.set()
        with pytest.raises(ReloadError, match="release 2 is older than release 3"):
            await late
        loaded = read_loaded(one.folder)
        assert loaded is not None
        assert (loaded.sequence, loaded.bundle) == (3, NEW[1])
        assert other.service.in_force.release == old(1).release
        assert other.own_entries() == []

    run(reload())


def test_a_worker_that_hangs_while_it_changes_keeps_no_other_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.loaded._LOCK_S", 0.1)

    async def reload() -> None:
        bench = Bench(tmp_path, old(1))
        await bench.reloader.start()
        async with changing(tmp_path):
            with pytest.raises(ReloadError, match="another worker is still loading"):
                await bench.reload(new(2))
        assert await bench.decided() == OLD
        await bench.reload(new(2))
        assert await bench.decided() == NEW
        assert (tmp_path / "in_force.lock").stat().st_mode & 0o777 == 0o600

    run(reload())
