"""A tile has one name, and nothing else is one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.tile_paths import TilePath, parse_tile_path

RIGHT = {
    "tile/0/000": TilePath(0, 0, 256),
    "tile/0/000.p/1": TilePath(0, 0, 1),
    "tile/3/x001/x234/067.p/255": TilePath(3, 1234067, 255),
    "tile/entries/x001/000": TilePath(None, 1000, 256),
    "tile/entries/272.p/112": TilePath(None, 272, 112),
}
WRONG = [
    "", "tile", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/1000",
    "tile/0/x000/001", "tile/0/001/000", "tile/0/x001", "tile/0/x001/x000", "tile/0/x001/x",
    "tile/00/000", "tile/01/000", "tile/8/000", "tile/9/000", "tile/63/000", "tile/-1/000",
    "tile/a/000", "tile//000", "tile/data/000", "tile/entries", "tile/entries/",
    "tile/entries/-01", "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/01",
    "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/-1", "tile/0/000.p/1/", "tile/0/000/",
    "tile/0/000.P/1", "tile/0/X001/000", "tile/0/000.p/1.p/1", "/tile/0/000", "tile/0/000\n",
    " tile/0/000", "tile/0/../0/000", "tile/0/%30%30%30", "tile/0/\u0660\u0660\u0660",
    "tile/\u0660/000",
    "tile/0/" + "x001/" * 7 + "000", "tile/0/" + "x001/" * 100_000 + "000",
]  # fmt: skip


@pytest.mark.parametrize("text", RIGHT)
def test_a_path_is_read_and_written(text: str) -> None:
    assert parse_tile_path(text) == RIGHT[text]
    assert RIGHT[text].text == text


def test_the_files_of_another_log_have_the_names_that_we_read(vectors: Path) -> None:
    """Of a log that Tessera wrote."""
    folder = vectors / "c2sp-tlog" / "tessera-log"
    names = [str(one.relative_to(folder)) for one in (folder / "tile").rglob("*") if one.is_file()]
    assert len(names) == 10
    for name in names:
        path = parse_tile_path(name)
        data = (folder / name).read_bytes()
        assert path.level is None or len(data) == path.width * 32


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:30])
def test_another_spelling_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="not the path"):
        parse_tile_path(text)


@given(
    st.builds(
        TilePath,
        st.none() | st.integers(0, 7),
        st.integers(0, 10**21 - 1),
        st.integers(1, 256),
    )
)
def test_what_is_written_is_read_again(path: TilePath) -> None:
    assert parse_tile_path(path.text) == path


@given(st.text(st.sampled_from("tile/0x19.p entris"), max_size=30))
def test_whatever_is_read_is_spelled_as_it_was(text: str) -> None:
    try:
        path = parse_tile_path(text)
    except ValueError:
        return
    assert path.text == text
