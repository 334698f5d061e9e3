"""The catalogue: refused as a whole where one row is wrong, and named by all it states."""

from datetime import date
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.pdp import catalogue
from tests.gateway.world import SITES, program


def load(folder: Path, text: str) -> catalogue.Catalogue:
    path = folder / "sites.toml"
    path.write_text(text, encoding="utf-8")
    return catalogue.load(path, program())


NEAR = 'facts = { countries = ["FR"], tier = 3, open = true, staff = [] }'

# What was damaged: the text that was there, the text that is there now, words of the error.
DAMAGE: dict[str, tuple[str, str, str]] = {
    "another format": ("charter-catalogue/v1", "charter-catalogue/v2", "format"),
    "no format": ('format = "charter-catalogue/v1"\n', "", "format"),
    "no title": ('title = "Sites for tests"\n', "", "title"),
    "as_of is text": ("as_of = 2026-11-22", 'as_of = "2026-11-22"', "as_of"),
    "as_of is a time": ("as_of = 2026-11-22", "as_of = 2026-11-22T00:00:00Z", "as_of"),
    "an unknown entity": ("[[site]]", "[[server]]", "no entity `server`"),
    "rows as one table": ("as_of = 2026-11-22", "as_of = 2026-11-22\nextra = 1", "entity `extra`"),
    "no id": ('id = "near"\n', "", "`id`"),
    "an empty id": ('id = "near"', 'id = ""', "`id`"),
    "id is a number": ('id = "near"', "id = 7", "`id`"),
    "id is too long": ('id = "near"', f'id = "{"x" * 257}"', "`id`"),
    "an id that steers the terminal": ('id = "near"', 'id = "z\\u001b[2J"', "`id`"),
    "a title that steers the terminal": ('title = "Near"', 'title = "\\u009b2J"', "`title`"),
    "a number below nought": ("tier = 3", "tier = -1", "`tier` cannot be"),
    "an id twice": ('id = "near"', 'id = "far"', "`far` is listed twice"),
    "no source": ('title = "Near"\nvalid_from = 2026-01-01\nsource = "made up"',
                  'title = "Near"\nvalid_from = 2026-01-01', "`source`"),
    "an empty source": ('source = "made up"', 'source = ""', "`source`"),
    "no valid_from": ('title = "Near"\nvalid_from = 2026-01-01', 'title = "Near"', "`valid_from`"),
    "valid_from is text": ("valid_from = 2026-01-01", 'valid_from = "2026-01-01"', "`valid_from`"),
    "dates reversed": ("valid_until = 2026-11-22", "valid_until = 2026-11-19", "`lapsing`"),
    "an unknown member": ('title = "Near"', 'title = "Near"\ncountry = "FR"', "`country`"),
    "an unknown field": ("tier = 3", "teir = 3", "no field `teir`"),
    "a number as text": ("tier = 3", 'tier = "3"', "without quotes"),
    "a number as truth": ("tier = 3", "tier = true", "`tier` must be a whole number"),
    "a float": ("tier = 3", "tier = 3.0", "`tier` must be a whole number"),
    "infinity": ("tier = 3", "tier = inf", "`tier` must be a whole number"),
    "a number too large": ("tier = 3", f"tier = {2**53}", "not beyond 2^53 - 1"),
    "a day as a fact": ("tier = 3", "tier = 2026-11-22", "`tier` must be a whole number"),
    "truth as text": ("open = true, staff", 'open = "yes", staff', "`open` must be true or false"),
    "a country nobody knows": ('countries = ["FR"], tier', 'countries = ["XX"], tier', "countries"),
    "one country, not a set": ('countries = ["FR"], tier', 'countries = "FR", tier', "countries"),
    "an empty set of countries": ('countries = ["FR"], tier', "countries = [], tier", "countries"),
    "a set of numbers": ('countries = ["FR"], tier', "countries = [1], tier", "a list of strings"),
    "no facts": (NEAR, "", "`facts`"),
    "facts is a list": (NEAR, "facts = []", "`facts`"),
    "not TOML": ("as_of = 2026-11-22", "as_of = ", "not TOML"),
    "an impossible day": ("as_of = 2026-11-22", "as_of = 2026-02-30", "not TOML"),
    "a key twice": ("as_of = 2026-11-22", "as_of = 2026-11-22\nas_of = 2026-11-22", "not TOML"),
    "deep nesting": ("as_of = 2026-11-22", "as_of = " + "[" * 5000, "not TOML"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_catalogue_is_refused_and_the_place_is_named(tmp_path: Path, case: str) -> None:
    old, new, words = DAMAGE[case]
    assert old in SITES
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, SITES.replace(old, new, 1))
    message = str(caught.value)
    assert "sites.toml" in message
    assert words in message
    assert len(message) < 600


def test_a_section_that_is_no_list_of_rows_is_refused(tmp_path: Path) -> None:
    head = SITES.partition("[[site]]")[0]
    with pytest.raises(ConfigurationError, match=r"write \[\[site\]\]"):
        load(tmp_path, head + "[site]\nid = 'near'\n")


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"\xff\xfe", "UTF-8"), (None, "No such file"), ("folder", "this is no file")],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, data: bytes | str | None, words: str
) -> None:
    path = tmp_path / "sites.toml"
    if isinstance(data, bytes):
        path.write_bytes(data)
    elif data == "folder":
        path.mkdir()
    with pytest.raises(ConfigurationError, match=words):
        catalogue.load(path, program())


def test_a_catalogue_beyond_the_limit_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    with path.open("wb") as file:
        file.truncate(catalogue.MAX_CATALOGUE_BYTES + 1)
    with pytest.raises(ConfigurationError, match="larger than 64 MiB"):
        catalogue.load(path, program())


# --- digest --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + SITES,
        SITES.replace("\n", "\r\n"),
        SITES.replace('id = "near"\ntitle = "Near"', 'title = "Near"\nid = "near"'),
        SITES.replace(" = ", "   =   "),
        SITES.replace(NEAR, '[site.facts]\ncountries = ["FR"]\ntier = 3\nopen = true\nstaff = []'),
    ],
)
def test_the_digest_does_not_depend_on_layout(tmp_path: Path, text: str) -> None:
    assert text != SITES
    assert load(tmp_path, text).digest == load(tmp_path, SITES).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tier = 3", "tier = 4"),
        ("tier = 3, ", ""),
        ("tier = 3", "tier = 0"),
        ("open = true, staff = []", "open = true"),
        ("open = false", "open = true"),
        ('countries = ["FR"], open = false', 'countries = ["DE"], open = false'),
        ('source = "made up"', 'source = "made up too"'),
        ("valid_until = 2026-11-22", "valid_until = 2026-11-23"),
        ("valid_from = 2026-11-20", "valid_from = 2026-11-21"),
        ('id = "vague"', 'id = "vaguer"'),
        ('title = "Near"', 'title = "Nearer"'),
        ("as_of = 2026-11-22", "as_of = 2026-11-23"),
    ],
)
def test_the_digest_depends_on_all_that_is_stated(tmp_path: Path, old: str, new: str) -> None:
    assert old in SITES
    changed = load(tmp_path, SITES.replace(old, new, 1))
    assert changed.digest != load(tmp_path, SITES).digest
    assert changed.digest.startswith("sha256:")


def test_an_entry_is_found_on_its_days(tmp_path: Path) -> None:
    made = load(tmp_path, SITES)
    found = made.find("site", "lapsing", date(2026, 11, 22))
    assert found is not None
    assert found.facts["countries"] == ["FR"]
    assert made.find("site", "lapsing", date(2026, 11, 23)) is None
    assert made.find("server", "near", date(2026, 11, 22)) is None
    assert "lapsing" not in made.valid_ids("site", date(2026, 11, 23))
