"""Two checkpoints, and a whole log: what holds, and each damage with its reason."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.keys import CheckpointKey
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint
from gateway.ledger.merkle import EMPTY_ROOT, consistency_path, leaf_hash, node_hash, tree_root
from gateway.ledger.tile_paths import TILE_WIDTH, tile_name
from tests.gateway.cli.commands import Charter

ORIGIN = "ledger.example/eu"
KEY = CheckpointKey.generate(ORIGIN)
ENTRIES = [b"charter-entry/v1\nsha256:%064x\n" % number for number in range(600)]
LEAVES = [leaf_hash(one) for one in ENTRIES]


def nodes(level: int, index: int) -> bytes:
    if level == 0:
        return LEAVES[index]
    return node_hash(nodes(level - 1, 2 * index), nodes(level - 1, 2 * index + 1))


def note(size: int, root: bytes | None = None, origin: str = ORIGIN) -> str:
    tree = Checkpoint(origin, size, tree_root(size, nodes) if root is None else root)
    return sign_checkpoint(tree, KEY)


def path(old: int, new: int) -> str:
    return "".join(
        base64.b64encode(one).decode() + "\n" for one in consistency_path(old, new, nodes)
    )


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    place = tmp_path / "trust.json"
    from gateway.keys import DecisionKey

    key = DecisionKey.generate().public
    keys = [{"keyid": key.key_id, "pem": key.pem}]
    log = {"origin": ORIGIN, "vkey": KEY.public.vkey}
    value = {"format": "charter-trust/v1", "log": log, "decision_keys": keys}
    place.write_text(json.dumps(value))
    return place


CHECKPOINTS: dict[str, tuple[str, str, str | None, int, str]] = {
    "grown": (note(300), note(600), path(300, 600), 0, "verified"),
    "grown from nothing": (note(0), note(600), None, 0, "verified"),
    "the same": (note(600), note(600), None, 0, "verified"),
    "rewritten": (note(300, bytes(32)), note(600), path(300, 600), 1, "consistency-root"),
    "rewritten after": (note(300), note(600, bytes(32)), path(300, 600), 1, "consistency-root"),
    "path of other sizes": (note(300), note(600), path(299, 600), 1, "consistency-path"),
    "path empty": (note(300), note(600), "", 1, "consistency-path"),
    "path no base64": (note(300), note(600), "!\n", 1, "evidence-malformed"),
    "path of short hashes": (note(300), note(600), "AAAA\n", 1, "evidence-malformed"),
    "swapped": (note(600), note(300), path(300, 600), 1, "checkpoint-rollback"),
    "forked": (note(600), note(600, bytes(32)), None, 1, "checkpoint-fork"),
    "of another log": (note(300), note(600, None, "else.example"), None, 1, "checkpoint-origin"),
    "no path": (note(300), note(600), None, 2, "consistency-missing"),
    "no checkpoint": ("", note(600), None, 1, "checkpoint-malformed"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_two_checkpoints_get_their_verdict(
    charter: Charter, tmp_path: Path, trust: Path, name: str
) -> None:
    older, newer, proof, code, reason = CHECKPOINTS[name]
    (tmp_path / "older").write_text(older)
    (tmp_path / "newer").write_text(newer)
    arguments = ["--newer", tmp_path / "newer", "--trust", trust, "--older", tmp_path / "older"]
    if proof is not None:
        (tmp_path / "path").write_text(proof)
        arguments += ["--consistency", tmp_path / "path"]
    ran = charter("verify", *arguments)
    assert (ran.code, json.loads(ran.out)["reason"]) == (code, reason), ran.out


def test_one_checkpoint_alone_is_no_verdict(charter: Charter, tmp_path: Path, trust: Path) -> None:
    (tmp_path / "newer").write_text(note(600))
    ran = charter("verify", "--newer", tmp_path / "newer", "--trust", trust)
    assert (ran.code, json.loads(ran.out)["reason"]) == (2, "unreadable")


# --- a whole log ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 600 entries in tiles."""
    folder = tmp_path_factory.mktemp("log")
    (folder / "checkpoint").write_text(note(600))
    for number in range(3):
        entries = ENTRIES[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
        name = tile_name(number, len(entries))
        for kind, data in (
            ("entries", b"".join(len(one).to_bytes(2, "big") + one for one in entries)),
            ("0", b"".join(map(leaf_hash, entries))),
        ):
            place = folder / "tile" / kind / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    return folder


Damage = Callable[[Path], object]


def changed(name: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage(folder: Path) -> None:
        place = folder / name
        place.write_bytes(change(place.read_bytes()))

    return damage


FIRST, LAST = "tile/entries/000", "tile/entries/002.p/88"
LOGS: dict[str, tuple[Damage, int, str]] = {
    "whole": (lambda folder: None, 0, "verified"),
    "without tiles of hashes": (lambda folder: shutil.rmtree(folder / "tile/0"), 0, "verified"),
    "one bit of an entry": (
        changed(FIRST, lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:]),
        1,
        "entries",
    ),
    "an entry changed with its tile": (
        lambda folder: (
            changed(LAST, lambda data: data[:-2] + b"f\n")(folder),
            (folder / "tile/0/002.p/88").unlink(),
        ),
        1,
        "entries",
    ),
    "one bit of a tile": (changed("tile/0/001", lambda data: data[:-1] + b"x"), 1, "entries"),
    "a bundle cut short": (changed(LAST, lambda data: data[:-1]), 1, "entries"),
    "a bundle with more": (changed(LAST, lambda data: data + b"\0\0"), 1, "entries"),
    "a bundle empty": (changed(FIRST, lambda data: b""), 1, "entries"),
    "a bundle too large": (changed(FIRST, lambda data: data + bytes(2**25)), 1, "entries"),
    "a bundle that is not there": (
        lambda folder: (folder / FIRST).unlink(), 2, "entries-missing",
    ),
    "no checkpoint": (lambda folder: (folder / "checkpoint").unlink(), 2, "entries-missing"),
    "checkpoint of a smaller tree": (
        lambda folder: (folder / "checkpoint").write_text(note(599)), 2, "entries-missing",
    ),
    "checkpoint of another tree": (
        lambda folder: (folder / "checkpoint").write_text(note(600, bytes(32))), 1, "entries",
    ),
    "checkpoint changed": (
        changed("checkpoint", lambda data: data.replace(b"\n600\n", b"\n601\n")),
        1,
        "checkpoint-signature",
    ),
    "empty": (
        lambda folder: (
            shutil.rmtree(folder / "tile"),
            (folder / "checkpoint").write_text(note(0, EMPTY_ROOT)),
        ),
        0,
        "verified",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
def test_a_whole_log_gets_its_verdict(
    charter: Charter, tmp_path: Path, whole: Path, trust: Path, name: str
) -> None:
    damage, code, reason = LOGS[name]
    copy = tmp_path / "log"
    shutil.copytree(whole, copy)
    damage(copy)
    ran = charter("verify", "--ledger", copy, "--trust", trust)
    assert (ran.code, json.loads(ran.out)["reason"]) == (code, reason), ran.out


@pytest.mark.parametrize(
    ("number", "width", "name"),
    [
        (0, 256, "000"),
        (67, 256, "067"),
        (1000, 256, "x001/000"),
        (1234067, 256, "x001/x234/067"),
        (1234067, 8, "x001/x234/067.p/8"),
    ],
)
def test_tiles_are_named_as_the_specification_says(number: int, width: int, name: str) -> None:
    assert tile_name(number, width) == name
