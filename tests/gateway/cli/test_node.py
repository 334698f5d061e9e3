"""`charter node`: enrolling a machine, as an operator does it."""

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.nodes.enrolment import read_begun
from tests.gateway.attestation.chains import AT
from tests.gateway.cli.commands import Charter
from tests.gateway.nodes.test_enrolment import AK, EK, LEAF, OTHER, ROOT


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    monkeypatch.setattr("gateway.cli.node.datetime", Frozen)
    ca = ROOT.certificate.public_bytes(Encoding.PEM)
    for name, data in (
        ("ek.crt", LEAF.certificate.public_bytes(Encoding.DER)),
        ("ca.pem", ca),
        ("ek.pub", EK),
        ("ak.pub", AK),
    ):
        (tmp_path / name).write_bytes(data)
    return [
        "node", "credential", "--ek-certificate", tmp_path / "ek.crt", "--ek-path",
        tmp_path / "ca.pem", "--ek-public", tmp_path / "ek.pub", "--ak-public",
        tmp_path / "ak.pub", "--out", tmp_path / "out",
    ]  # fmt: skip


class Frozen(datetime):
    """The certificates here are of one day."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
        assert tz is UTC
        return AT


def test_the_secret_is_kept_from_others_and_shown_to_nobody(
    charter: Charter, files: list[str | Path], tmp_path: Path
) -> None:
    ran = charter(*files)
    assert ran.code == 0, ran.err
    kept = tmp_path / "out" / "enrolment.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    found = json.loads(kept.read_bytes())["secret"]
    sealed = (tmp_path / "out" / "credential.bin").read_bytes()
    assert bytes.fromhex(found) not in sealed
    assert found not in ran.out + ran.err


def test_what_was_found_is_compared_and_the_rows_are_printed(
    charter: Charter, files: list[str | Path], tmp_path: Path
) -> None:
    charter(*files)
    begun = read_begun((tmp_path / "out" / "enrolment.json").read_bytes())
    found = tmp_path / "found.bin"
    out = tmp_path / "out"
    admitting = ["node", "admit", out, "--found", found, "--id", "n1", "--site", "near"]
    found.write_bytes(b"\0" * 32)
    ran = charter(*admitting)
    assert (ran.code, ran.out) == (2, "")
    assert "not enrolled (enrolment)" in ran.line
    found.write_bytes(bytes.fromhex(begun.secret))
    ran = charter(*admitting)
    assert ran.code == 0, ran.err
    rows = tomllib.loads(ran.out)
    assert rows["node"][0]["id"] == rows["tpm_key"][0]["name"] == "n1"
    (tmp_path / "out" / "enrolment.json").chmod(0o644)
    assert "chmod 600" in charter(*admitting).line


def test_a_machine_of_another_maker_is_refused_and_nothing_is_written(
    charter: Charter, files: list[str | Path], tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes(OTHER.certificate.public_bytes(Encoding.PEM))
    ran = charter(*files)
    assert (ran.code, ran.out) == (2, "")
    assert "evidence-signature" in ran.line
    assert not (tmp_path / "out").exists()


def test_an_enrolment_that_was_begun_is_not_written_over(
    charter: Charter, files: list[str | Path], tmp_path: Path
) -> None:
    charter(*files)
    kept = (tmp_path / "out" / "enrolment.json").read_bytes()
    assert "name another folder" in charter(*files).line
    assert (tmp_path / "out" / "enrolment.json").read_bytes() == kept


def test_files_that_are_none_are_named(
    charter: Charter, files: list[str | Path], tmp_path: Path
) -> None:
    (tmp_path / "ek.crt").write_bytes(b"\x30\x03")
    ran = charter(*files)
    assert (ran.code, "ek.crt" in ran.line) == (1, True)
