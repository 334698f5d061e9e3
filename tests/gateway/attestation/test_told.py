"""The table of docs/attestation.md that says what each technology tells, held against what is told
by evidence of each that holds. Policies and charters are written by that table."""

import re
from collections.abc import Mapping

import pytest

from gateway.attestation import tdx_levels
from gateway.attestation.evidence import Claims, Technology
from tests.gateway.attestation import snp
from tests.gateway.attestation.test_hostile import MAKERS, good
from tests.project import ROOT

PAGE = (ROOT / "docs" / "attestation.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## What each technology tells") :]
_RANGE = re.compile(r"`([a-z0-9:-]*?)([0-9]+)` to `\1([0-9]+)`")


def words(cell: str) -> set[str]:
    """The words of a cell, with those between two of which it says `to`."""
    found = set(re.findall(r"`([^`]+)`", cell))
    for stem, first, last in _RANGE.findall(cell):
        found |= {f"{stem}{number}" for number in range(int(first), int(last) + 1)}
    return found


def table() -> dict[str, list[str]]:
    """The cells of each technology; one that is `as above` is the one above, with more."""
    rows: dict[str, list[str]] = {}
    for line in SECTION.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = cells[0].strip("`")
        if len(cells) != 5 or name not in {one.value for one in Technology}:
            continue
        last = list(rows.values())[-1] if rows else cells
        rows[name] = [
            own.replace("as above", above) for own, above in zip(cells, last, strict=True)
        ]
    return rows


TABLE: Mapping[str, list[str]] = table()


def claims_of(name: str) -> Claims:
    one = good(name)
    found = one.look(one.parts)
    assert isinstance(found, Claims)
    return found


def test_the_table_has_every_technology() -> None:
    assert TABLE.keys() == {one.value for one in Technology}


@pytest.mark.parametrize("name", sorted(set(TABLE) & MAKERS.keys()))
def test_what_evidence_tells_is_in_the_table(name: str) -> None:
    claims = claims_of(name)
    _, _, firmware, status, measured = TABLE[name]
    optional = {"fmc"}  # of one product line
    assert words(firmware) - optional == claims.firmware.keys()
    if claims.tcb_status is None:
        assert not status
    else:
        assert claims.tcb_status in words(status)
    known = words(measured)
    if "those of `tpm`" in measured:
        known |= words(TABLE["tpm"][4])
    assert {one for one in claims.measurements if not one.startswith(("platform:", "policy:"))} <= (
        known
    )


def test_the_words_for_the_firmware_of_tdx_are_those_of_the_code() -> None:
    known = vars(tdx_levels)
    relaunch = {known["_RELAUNCH"], known["_RELAUNCH_TO_CONFIGURE"]}
    assert words(TABLE["tdx"][3]) == known["_PLATFORM"] | relaunch
    assert "Revoked" not in words(TABLE["tdx"][3])


@pytest.mark.parametrize("product", ["Milan", "Genoa", "Turin"])
def test_product_lines_of_sev_snp_and_their_firmware_are_in_the_table(product: str) -> None:
    claims = snp.made(product=product).verify()
    assert isinstance(claims, Claims)
    assert claims.product in words(TABLE["sev-snp"][1])
    more = {"fmc"} if product == "Turin" else set[str]()
    assert claims.firmware.keys() == words(TABLE["sev-snp"][2]) - {"fmc"} | more
