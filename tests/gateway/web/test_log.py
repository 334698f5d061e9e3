"""The log over HTTP: what anybody may read and keep, and a stranger's tool that reads it all."""

import gzip
import json
from collections.abc import Generator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Callers
from gateway.errors import LedgerUnavailableError
from gateway.ledger.tiles import TileReader
from gateway.web.app import create_app
from gateway.web.log import FOREVER
from tests.gateway.ledger.logs import append_many
from tests.gateway.serving import Served
from tests.gateway.serving import served as serving
from tests.gateway.web.test_public import Client
from tests.gateway.world import TENANT, World, question
from tests.stock_tools import tlogcheck

Reply = tuple[int, dict[str, str], bytes]


class Reader(Client):
    """Calls an application that has its log in reach."""

    def __init__(self, world: World, folder: Path, tiles: Any = None) -> None:
        super().__init__(world, folder)
        self.opened = 0

        def open_tiles() -> Any:
            self.opened += 1
            return TileReader.open(folder / "ledger")

        self.app = create_app(
            world.service, Callers(()), world.trust.to_json(), tiles=tiles or open_tiles
        )


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        made_world.decide()
        append_many(made_world.ledger, 1, 300)
        yield made_world


@pytest.fixture
def client(world: World, tmp_path: Path) -> Reader:
    return Reader(world, tmp_path)


def test_tiles_and_bundles_are_served_for_ever_to_anybody(
    client: Reader, world: World, tmp_path: Path
) -> None:
    with TileReader.open(tmp_path / "ledger") as reader:
        expected = {
            "/tile/0/000": reader.hashes(0, 0),
            "/tile/0/001.p/44": reader.hashes(0, 1, 44),
            "/tile/1/000.p/1": reader.hashes(1, 0, 1),
            "/tile/entries/000": reader.bundle(0),
            "/tile/entries/001.p/44": reader.bundle(1, 44),
        }
    for path, data in expected.items():
        status, headers, found = client.get(path)
        assert (status, found) == (200, data)
        assert headers["content-type"] == "application/octet-stream"
        assert headers["cache-control"] == FOREVER
        assert headers["etag"] == f'"{sha256(data).hexdigest()}"'
        again = client.get(path, **{"if-none-match": headers["etag"]})
        assert (again[0], again[2], again[1]["cache-control"]) == (304, b"", FOREVER)
        assert client.get(path, **{"if-none-match": '"other"'})[0] == 200
    assert client.opened == 1


def test_the_checkpoint_is_asked_for_again_each_time(client: Reader, world: World) -> None:
    status, headers, data = client.get("/checkpoint")
    assert (status, headers["cache-control"]) == (200, "no-cache")
    assert data.decode() == world.ledger.latest_checkpoint()
    assert headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/002", "/tile/0/001", "/tile/0/001.p/45", "/tile/1/000", "/tile/1/000.p/2",
        "/tile/2/000.p/1", "/tile/entries/001", "/tile/entries/001.p/45", "/tile/entries/002.p/1",
        "/tile/", "/tile/0", "/tile/0/0", "/tile/0/000.p/0", "/tile/0/000.p/256", "/tile/00/000",
        "/tile/63/000", "/tile/0/x000/000", "/tile/0/../../../etc/passwd", "/tile/data/000",
        "/tile/0/000/", "/tile//0/000", "/tile/entries/" + "x999/" * 6 + "999",
        "/tile/0/" + "x001/" * 2000 + "000",
    ],
)  # fmt: skip
def test_what_no_signed_tree_has_is_404_and_nobody_keeps_that(client: Reader, path: str) -> None:
    """It can be there in a moment."""
    status, headers, data = client.get(path)
    assert (status, headers["cache-control"]) == (404, "no-store")
    assert json.loads(data)["type"].endswith("/not-found")
    assert "etag" not in headers


def test_a_tile_that_was_not_there_is_there_once_it_is_signed(client: Reader, world: World) -> None:
    assert client.get("/tile/0/001.p/45")[0] == 404
    append_many(world.ledger, 300, 301)
    status, _, data = client.get("/tile/0/001.p/45")
    assert (status, len(data)) == (200, 45 * 32)
    assert data[: 44 * 32] == client.get("/tile/0/001.p/44")[2]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True), ("br, GZIP;q=0.5", True), ("gzip ; q=1", True),
        ("", False), ("identity", False), ("gzip;q=0", False), ("gzip; q=0.000", False),
        ("x-gzip", False), ("deflate", False),
    ],
)  # fmt: skip
def test_bundles_are_packed_for_who_takes_that(client: Reader, accepted: str, packed: bool) -> None:
    plain = client.get("/tile/entries/000")
    status, headers, data = client.get("/tile/entries/000", **{"accept-encoding": accepted})
    assert (status, headers.get("content-encoding") == "gzip") == (200, packed)
    assert (gzip.decompress(data) if packed else data) == plain[2]
    assert (headers["etag"] != plain[1]["etag"]) == packed
    assert {headers["vary"], plain[1]["vary"]} == {"Accept-Encoding"}
    tile = client.get("/tile/0/000", **{"accept-encoding": accepted})[1]
    assert "content-encoding" not in tile


def test_tiles_tell_nothing_of_any_tenant(client: Reader, world: World) -> None:
    decided = world.decide(context__data__datasets=["ward-7"])
    for path in ("/tile/entries/000", "/tile/entries/001.p/45", "/tile/0/000"):
        data = client.get(path)[2]
        for word in (TENANT, decided["id"], "ward-7"):
            assert word.encode() not in data


def test_without_a_log_in_reach_there_are_no_tiles(world: World, tmp_path: Path) -> None:
    assert Client(world, tmp_path).get("/tile/0/000")[0] == 404


def test_a_disk_that_does_not_answer_is_503_and_tried_again(world: World, tmp_path: Path) -> None:
    class Broken:
        failing = True

        def read(self, path: object) -> bytes:
            if self.failing:
                raise LedgerUnavailableError("secret")
            return b"x"

        def close(self) -> None: ...

    broken = Broken()
    client = Reader(world, tmp_path, lambda: broken)
    status, headers, data = client.get("/tile/0/000")
    assert (status, headers["cache-control"]) == (503, "no-store")
    assert b"secret" not in data
    broken.failing = False
    assert client.get("/tile/0/000")[0] == 200


# --- a stranger's reader -------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


def test_a_stranger_reads_the_whole_log_over_http(served: Served) -> None:
    vkey = json.loads(served.gateway.trust.read_bytes())["log"]["vkey"]
    url = f"http://127.0.0.1:{served.gateway.port}/"
    for _ in range(3):
        assert served.ask(question(), token=served.own).status == 200
    size = served.size
    ran = tlogcheck("tiles", vkey, url, files={})
    assert (ran.returncode, ran.stdout) == (0, f"{size} entries\n"), ran.stderr
    other = "ledger.example/test+6044f83f+AYo9WA3CoAcpmMbbDnWe0NLsZurUYnUfU5W+zPPYu8QQ"
    assert tlogcheck("tiles", other, url, files={}).returncode == 1
