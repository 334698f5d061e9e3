"""Registers of nodes, and the three files by which evidence is judged: what is none is refused
by name, and dates count."""

from argparse import Namespace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli.node_options import attestation_terms
from gateway.errors import ConfigurationError
from gateway.nodes.desk import Desk
from gateway.nodes.errors import RegisterError, UnknownNodeError
from gateway.nodes.register import read_register
from gateway.nodes.store import FILE
from gateway.nodes.terms import load_terms
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import Counter, Machine, node, place, register
from tests.gateway.world import sites

DEVICE = Machine().device


def read(*rows: str) -> None:
    read_register(register(*rows).encode())


WRONG: dict[str, tuple[str, str]] = {
    "no TOML": ("[[node", "no TOML"),
    "another format": (register().replace("nodes/v1", "nodes/v2"), "format"),
    "no owner": (register().replace("owner", "other"), "owner"),
    "no devices": (register(node(attesters=[])), "list of devices"),
    "a word for devices": (register(node(attesters="any")), "attesters"),
    "ANY among devices": (register(node(attesters=["ANY"])), "attesters"),
    "a device in capitals": (register(node(attesters=["AB"])), "attesters"),
    "too many devices": (register(node(attesters=[f"{n:04x}" for n in range(65)])), "64"),
    "no source": (register(node().replace("source", "sauce")), "source"),
    "no first day": (register(node().replace("valid_from", "valid_form")), "valid_from"),
    "an end before its beginning": (
        register(node(valid_from="2026-02-01", more="valid_until = 2026-01-31\n")), "before",
    ),
    "two rows on one day": (
        register(
            node(more="valid_until = 2026-03-01\n"), node(valid_from="2026-03-01"),
        ), "two rows",
    ),
    "two rows without an end": (register(node(), node(valid_from="2027-01-01")), "two rows"),
    "an unknown technology": (register(node().replace('"tpm"', '"sgx"')), "technology"),
    "a name with a space": (register(node("n 1")), "id"),
    "a name with a line": (register(node("n1\\n")), "id"),
    "a name that is too long": (register(node("n" * 257)), "id"),
    "a place of any device": (register(node(more=place(bytes(32)))), "place"),
    "a place without tags": (
        register(node(attesters=[DEVICE], more='place = { measurement = "x", any_of = [] }\n')),
        "any_of",
    ),
    "a strength of its own": (register(node(more='strength = "measured"\n')), "strength"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_register_with_a_mistake_is_none(what: str) -> None:
    text, words = WRONG[what]
    with pytest.raises(RegisterError, match=words):
        read_register(text.encode())


def test_a_node_is_known_on_its_days_alone() -> None:
    known = read_register(
        register(
            node(site="old", valid_from="2026-02-01", more="valid_until = 2026-02-28\n"),
            node(site="new", valid_from="2026-03-02"),
        ).encode()
    )
    assert known.find("n1", date(2026, 2, 1)).site == "old"
    assert known.find("n1", date(2026, 2, 28)).site == "old"
    assert known.find("n1", date(2026, 3, 2)).site == "new"
    for day in (date(2026, 1, 31), date(2026, 3, 1)):
        with pytest.raises(UnknownNodeError):
            known.find("n1", day)
    with pytest.raises(UnknownNodeError):
        known.find("n2", date(2026, 2, 1))


# --- three files ---------------------------------------------------------------------


@pytest.mark.parametrize("which", ["appraisal", "anchors", "nodes"])
@pytest.mark.parametrize("damage", ["missing", "malformed", "a folder"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, which: str, damage: str) -> None:
    machines.terms(tmp_path)
    path = tmp_path / f"{which}.toml"
    path.unlink()
    if damage == "malformed":
        path.write_text("x = ")
    elif damage == "a folder":
        path.mkdir()
    names = [tmp_path / f"{name}.toml" for name in ("appraisal", "anchors", "nodes")]
    with pytest.raises(ConfigurationError, match=f"{which}.toml"):
        load_terms(*names)


def test_the_policy_of_the_pack_accepts_nothing(tmp_path: Path) -> None:
    machines.terms(tmp_path)
    terms = load_terms(None, tmp_path / "anchors.toml", tmp_path / "nodes.toml")
    shown = Counter(Desk(tmp_path / FILE), terms).answer(Machine())
    assert shown.result.verdict.value == "undecided"


def arguments(folder: Path, **changes: object) -> Namespace:
    given = {"nodes": None, "appraisal": None, "anchors": None, **changes}
    return Namespace(**{k: folder / str(v) if v else None for k, v in given.items()})


def test_files_are_of_no_use_without_a_register(tmp_path: Path) -> None:
    for flag in ("appraisal", "anchors"):
        with pytest.raises(ConfigurationError, match=f"--{flag} is of no use"):
            attestation_terms(arguments(tmp_path, **{flag: "x.toml"}), sites())


def test_a_node_stands_at_a_site_that_there_is(tmp_path: Path) -> None:
    machines.terms(tmp_path, node(site="near"))
    given = arguments(tmp_path, nodes="nodes.toml")
    assert attestation_terms(given, sites()) is not None
    machines.terms(tmp_path, node(site="nowhere"))
    with pytest.raises(ConfigurationError, match="nowhere"):
        attestation_terms(given, sites())
    assert attestation_terms(arguments(tmp_path), sites()) is None


# --- places and days -----------------------------------------------------------------

TAG = b"\x10" * 32  # of PCR 16, as the machines here measure it
AT_NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def counter(folder: Path, row: str, **changes: str) -> Counter:
    terms = machines.terms(folder, row, **changes)
    return Counter(Desk(folder / FILE), terms, now=AT_NOON)


def test_a_machine_that_measured_its_place_is_measured_there(tmp_path: Path) -> None:
    shown = counter(tmp_path, node(attesters=[DEVICE], more=place(TAG))).answer(Machine())
    assert (shown.result.verdict.value, shown.strength.value) == ("accepted", "measured")


@pytest.mark.parametrize("what", ["another tag", "no tag"])
def test_a_machine_that_measured_another_place_or_none_is_refused(
    tmp_path: Path, what: str
) -> None:
    at = counter(tmp_path, node(attesters=[DEVICE], more=place(TAG)))
    assert at.answer(Machine()).counts_at(AT_NOON)
    moved = Machine().with_pcr(machines.PLACE_PCR, b"\x22" * 32)
    machine = moved if what == "another tag" else Machine().without_pcr(machines.PLACE_PCR)
    shown = at.answer(machine)
    assert (shown.result.verdict.value, shown.result.reason) == ("refused", "node-place")
    assert shown.result.status.word == "contraindicated"
    found = at.stands()
    assert found is not None
    assert found.result.reason == "node-place"


TOMORROW = datetime(2026, 11, 23, tzinfo=UTC)
DAYS: dict[str, tuple[str, dict[str, str]]] = {
    "the node": (node(attesters=[DEVICE], more="valid_until = 2026-11-22\n"), {}),
    "the node at another site": (
        node(attesters=[DEVICE], more="valid_until = 2026-11-22\n")
        + node(attesters=[DEVICE], site="x", valid_from="2026-11-23"), {},
    ),
    "the policy": (
        node(attesters=[DEVICE]),
        {"policy": machines.POLICY.replace("01-01\n", "01-01\nvalid_until = 2026-11-22\n", 1)},
    ),
    "a reference": (
        node(attesters=[DEVICE]),
        {"policy": machines.POLICY + "valid_until = 2026-11-22\n"},
    ),
    "a refusal to come": (
        node(attesters=[DEVICE]),
        {
            "policy": machines.POLICY
            + '[[technology.refuse]]\nreason = "broken"\nsource = "made"\nvalid_from = 2026-11-23\n'
        },
    ),
    "an anchor": (
        node(attesters=[DEVICE]),
        {"vouched": machines.anchors(Machine(), valid_until="2026-11-22")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DAYS)
def test_a_result_ends_with_the_day_on_which_what_it_rests_on_changes(
    tmp_path: Path, what: str
) -> None:
    row, changes = DAYS[what]
    long = machines.POLICY.replace('products = ["TPM"]', 'products = ["TPM"]\nvalid_s = 864000')
    changes = {"policy": long, **changes}
    changes["policy"] = changes["policy"].replace(
        'products = ["TPM"]\n\n', 'products = ["TPM"]\nvalid_s = 864000\n\n'
    )
    shown = counter(tmp_path, row, **changes).answer(Machine())
    assert shown.result.verdict.value == "accepted"
    assert shown.result.valid_until == TOMORROW
    assert shown.counts_at(TOMORROW - timedelta(milliseconds=1))
    assert not shown.counts_at(TOMORROW)


def test_without_such_a_day_it_lasts_as_long_as_the_policy_says(tmp_path: Path) -> None:
    long = machines.POLICY.replace('products = ["TPM"]', 'products = ["TPM"]\nvalid_s = 864000')
    shown = counter(tmp_path, node(attesters=[DEVICE]), policy=long).answer(Machine())
    assert shown.result.valid_until == AT_NOON + timedelta(days=10)
