"""Dates, decimals, maps and lists in a catalogue: strict, and refused with what to write."""

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.pdp import catalogue, catalogue_facts
from tests.gateway.language import PROGRAM, SITES, sites


def refusal(folder: Path, text: str) -> str:
    (folder / "sites.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        catalogue.load(folder / "sites.toml", PROGRAM)
    return str(caught.value)


def test_facts_are_kept_as_the_wire_has_them() -> None:
    facts = sites().entries["site"]["near"].facts
    assert facts == {
        "open": True,
        "assessed_on": "2026-05-31",
        "load": "24.1",
        "margin": -7,
        "seal[SOV-1]": "SEAL-2",
        "seal[SOV-2]": "SEAL-0",
        "holders": [
            {"country": "US", "share": "24.5", "since": "2020-02-29"},
            {"country": "FR", "share": "75.50"},
        ],
    }


def test_a_date_may_be_one_of_toml_or_a_string() -> None:
    text = SITES.replace("assessed_on = 2026-05-31", 'assessed_on = "2026-05-31"')
    assert text != SITES
    assert sites(text).entries == sites().entries
    assert sites(text).digest == sites().digest


# What was damaged: the text that was there, the text that is there now, words of the error.
DAMAGE: dict[str, tuple[str, str, str]] = {
    "a date with a time": (
        "assessed_on = 2026-05-31", "assessed_on = 2026-05-31T00:00:00Z", "without a time"),
    "a local date with a time": (
        "assessed_on = 2026-05-31", "assessed_on = 2026-05-31T00:00:00", "without a time"),
    "a time alone": ("assessed_on = 2026-05-31", "assessed_on = 07:00:00", "must be a day"),
    "no such day": (
        "assessed_on = 2026-05-31", 'assessed_on = "2026-02-30"', "there is no such day"),
    "no such day of TOML": ("assessed_on = 2026-05-31", "assessed_on = 2026-02-30", "not TOML"),
    "a date as a number": ("assessed_on = 2026-05-31", "assessed_on = 20604", "must be a day"),
    "a decimal as a fraction": ('load = "24.1"', "load = 24.1", "put it in quotes"),
    "a decimal as a whole number": ('load = "24.1"', "load = 24", "put it in quotes"),
    "a decimal that is no number": ('load = "24.1"', "load = nan", "put it in quotes"),
    "too many decimals": ('load = "24.1"', 'load = "24.12"', "and at most 1 decimal can"),
    "a decimal below nought": ('load = "24.1"', 'load = "-24.1"', "less than nought"),
    "a decimal with an exponent": ('load = "24.1"', 'load = "2e1"', "as a string with at most"),
    "a whole number as text": ("margin = -7", 'margin = "-7"', "without quotes"),
    "a whole number as a fraction": ("margin = -7", "margin = -7.0", "must be a whole number"),
    "a map that is a list": (
        'seal = { SOV-1 = "SEAL-2", SOV-2 = "SEAL-0" }', 'seal = ["SEAL-2"]', "`seal` is a map"),
    "a map that is one value": (
        'seal = { SOV-1 = "SEAL-2", SOV-2 = "SEAL-0" }', 'seal = "SEAL-2"', "`seal` is a map"),
    "an unknown key": ('SOV-2 = "SEAL-0"', 'SOV-7 = "SEAL-0"', "`seal` has no key `SOV-7`"),
    "a key in another case": ('SOV-2 = "SEAL-0"', 'sov-2 = "SEAL-0"', "did you mean `SOV-2`?"),
    "a key as a field": (
        'seal = { SOV-1 = "SEAL-2", SOV-2 = "SEAL-0" }', '"seal[SOV-1]" = "SEAL-2"',
        "no field `seal[SOV-1]`"),
    "another level": ('SOV-2 = "SEAL-0"', 'SOV-2 = "SEAL-3"', "`SEAL-3` is no seal"),
    "a level as a number": ('SOV-2 = "SEAL-0"', "SOV-2 = 0", "`seal[SOV-2]` must be one string"),
    "a list that is one table": (
        "holders = []", 'holders = { country = "FR" }', "write one table for each element"),
    "a list of values": ("holders = []", 'holders = ["FR"]', "write one table for each element"),
    "a list that is too long": ("holders = []", f"holders = [{'{},' * 1001}]", "more than 1000"),
    "an unknown field of an element": (
        'since = "2020-02-29"', "sinse = 1", "`holders` 1 has no field `sinse`; did you mean"),
    "a decimal of an element as a fraction": (
        'share = "75.50"', "share = 75.50", "`holders` 2: `share` must be a number of percent"),
    "too many decimals in an element": ('share = "75.50"', 'share = "75.501"', "has 3 decimals"),
    "no such day in an element": (
        'since = "2020-02-29"', 'since = "2021-02-29"', "there is no such day"),
    "a list in an element": ('country = "FR"', 'country = ["FR"]', "`country` must be one string"),
    "a derived fact": ("margin = -7", 'foreign_share = "0"', "`foreign_share` is derived"),
    "a fact of the deployment": ("margin = -7", 'profile = "clinics"', "no field `profile`"),
    "a fact of another record": ("margin = -7", 'price = "1"', "no field `price`"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_row_is_refused_and_the_place_is_named(tmp_path: Path, case: str) -> None:
    old, new, words = DAMAGE[case]
    assert old in SITES
    message = refusal(tmp_path, SITES.replace(old, new, 1))
    assert words in message
    assert "sites.toml: site " in message or words == "not TOML"
    assert len(message) < 200 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('share = "75.50"', 'share = "75.51"'),
        ('share = "75.50"\n', ""),
        ('since = "2020-02-29"', 'since = "2020-02-28"'),
        ('SOV-2 = "SEAL-0"', 'SOV-2 = "SEAL-1"'),
        ("assessed_on = 2026-05-31", "assessed_on = 2026-05-30"),
        ("margin = -7", "margin = 7"),
        (", holders = []", ""),
    ],
)
def test_the_digest_depends_on_dates_decimals_maps_and_lists(old: str, new: str) -> None:
    assert old in SITES
    assert sites(SITES.replace(old, new, 1)).digest != sites().digest


def test_an_element_that_leaves_a_field_out_is_read() -> None:
    text = SITES.replace('share = "75.50"\n', "")
    listed = sites(text).entries["site"]["near"].facts["holders"]
    assert listed == [
        {"country": "US", "share": "24.5", "since": "2020-02-29"},
        {"country": "FR"},
    ]


def test_the_fields_of_an_entity_are_sorted_by_what_they_are() -> None:
    fields = catalogue_facts.entity_fields(PROGRAM)["site"]
    assert set(fields.facts) == {"open", "assessed_on", "load", "margin"}
    assert {name: sorted(keys) for name, keys in fields.maps.items()} == {
        "seal": ["SOV-1", "SOV-2"]
    }
    assert set(fields.lists) == {"holders"}
    assert fields.derived == {"foreign_share"}


def test_fixtures_have_the_same_values() -> None:
    raw = sites().raw_facts()["site"]["near"]
    assert raw["seal[SOV-1]"] == "SEAL-2"
    assert isinstance(raw["holders"], list)


def test_an_empty_catalogue_states_nothing() -> None:
    assert catalogue.empty().entries == {}
