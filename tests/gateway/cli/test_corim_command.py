"""`charter corim` as its user runs it."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import cbor
from gateway.attestation.evidence import Technology
from gateway.attestation.policy import Reference, read_policy
from gateway.cli.corim_commands import TECHNOLOGIES
from tests.gateway.attestation.chains import AT, DAY
from tests.gateway.attestation.corims import (
    CLASS,
    KEY,
    LATER,
    OTHER,
    SHA384,
    Made,
    component,
    measured,
    period,
    plain,
)
from tests.gateway.cli.commands import Ran, here

POLICY = """\
format = "charter-appraisal/v1"
id = "operator/strict"
owner = "operator"
source = "tests"
valid_from = 2026-01-01
[[technology]]
name = "arm-cca"
products = ["x"]
"""


def run(folder: Path, made: Made, *more: str, signer: Any = KEY) -> Ran:
    (folder / "file.corim").write_bytes(made.data())
    chosen: list[str] = []
    if signer is not None:
        pem = signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / "maker.pem").write_bytes(pem)
        chosen = ["--signer", str(folder / "maker.pem")]
    ran = here("corim", str(folder / "file.corim"), "--at", AT.isoformat(), *chosen, *more)
    ran.check_clean()
    return ran


def read(text: str) -> tuple[Reference, ...]:
    """The rows, as a policy has them that they were put into."""
    policy = read_policy((POLICY + text).encode())
    return policy.sections[Technology.ARM_CCA].reference


def test_rows_can_be_put_into_a_policy_as_they_are(tmp_path: Path) -> None:
    made = Made({0: [[CLASS, [component("A"), component("B", SHA384)]]]},
                corim={4: period(AT - DAY, LATER)})  # fmt: skip
    ran = run(tmp_path, made)
    assert ran.code == 0
    rows = read(ran.out)
    assert rows == tuple(row.reference for row in made_rows(made, rows))
    assert [row.measurement for row in rows] == ["platform:A", "platform:B"]
    assert rows[0].valid_until is not None
    assert "signed by maker" in rows[0].source
    assert CLASS[0][0].value.hex() in ran.out


def made_rows(made: Made, rows: tuple[Reference, ...]) -> Any:
    """The same rows without the file, but for its digest and the name of the signer."""
    found = made.rows().rows
    return [
        type(one)(one.environment, one.reference.model_copy(update={"source": row.source}))
        for one, row in zip(found, rows, strict=True)
    ]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a]]b", "a'''b", "#", "ü\U0001f512", "= 1"])
def test_a_name_in_the_file_cannot_leave_its_string(tmp_path: Path, name: str) -> None:
    ran = run(tmp_path, Made({0: [[CLASS, [component(name)]]]}))
    assert [row.measurement for row in read(ran.out)] == [f"platform:{name}"]


def test_a_name_that_would_begin_a_line_makes_no_row(tmp_path: Path) -> None:
    name = 'x"\n[[technology]]\nname = "tpm"\nproducts = ["ANY"]\n#'
    ran = run(tmp_path, Made({0: [[CLASS, [component(name), component("A")]]]}))
    assert [row.measurement for row in read(ran.out)] == ["platform:A"]


def test_what_no_row_says_is_listed_above_the_rows(tmp_path: Path) -> None:
    made = Made({0: [[CLASS, [component("A"), component("B", _3={3: False})]]]})
    ran = run(tmp_path, made)
    assert "# - " in ran.out
    assert "cannot be compared as a whole (digests, flags, name)" in ran.out
    assert [row.measurement for row in read(ran.out)] == ["platform:A"]


def test_a_file_that_nobody_signed_needs_your_word(tmp_path: Path) -> None:
    made = Made(key=None)
    refused = run(tmp_path, made)
    assert (refused.code, refused.out) == (4, "")
    assert "not signed" in refused.line
    taken = run(tmp_path, made, "--unsigned")
    assert taken.code == 0
    assert "vouched for by the operator" in read(taken.out)[0].source


def test_a_signed_file_needs_a_signer_whatever_is_said(tmp_path: Path) -> None:
    ran = run(tmp_path, Made(), "--unsigned", signer=None)
    assert (ran.code, ran.out) == (4, "")


def test_another_signer_is_refused(tmp_path: Path) -> None:
    ran = run(tmp_path, Made(), signer=OTHER)
    assert (ran.code, ran.out) == (2, "")
    assert "no signer that is pinned" in ran.line


def test_values_of_two_environments_are_not_put_together(tmp_path: Path) -> None:
    other: Any = {0: {0: cbor.Tagged(560, b"J" * 32)}}
    made = Made({0: [[CLASS, [component("A")]], [other, [component("A", SHA384)]]]})
    ran = run(tmp_path, made)
    assert (ran.code, ran.out) == (1, "")
    assert "--environment N" in ran.line
    rows = [read(run(tmp_path, made, "--environment", n).out) for n in ("0", "1")]
    assert [len(one[0].any_of[0]) for one in rows] == [64, 96]
    assert run(tmp_path, made, "--environment", "2").code == 1


def test_a_file_of_nothing_comparable_is_told_and_lists_it(tmp_path: Path) -> None:
    ran = run(tmp_path, Made({1: [[CLASS, [component("A")]]]}))
    assert ran.code == 1
    assert "endorsed values" in ran.out
    assert "nothing in it can be compared" in ran.line


def test_keys_get_names_of_the_operator(tmp_path: Path) -> None:
    made = plain(measured(5, SHA384))
    ran = run(tmp_path, made, "--technology", "sev-snp", "--name", "#5=launch")
    assert ran.code == 0
    assert 'measurement = "launch"' in ran.out
    assert run(tmp_path, made).code == 4
    assert run(tmp_path, made, "--technology", "sev-snp").code == 1
    assert run(tmp_path, made, "--technology", "sev-snp", "--name", "#5=mrtd").code == 2
    assert run(tmp_path, made, "--technology", "sev-snp", "--name", "launch").code == 1


@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_each_technology_that_may_be_named_has_measurements(
    technology: str, tmp_path: Path
) -> None:
    ran = run(tmp_path, plain(measured("x", SHA384)), "--technology", technology)
    assert ran.code == 1
    assert "nothing in it can be compared" in ran.line


def test_files_that_are_none_are_told_in_one_line(tmp_path: Path) -> None:
    bad = run(tmp_path, Made(change=lambda data: data[:-1]))
    assert (bad.code, bad.out) == (2, "")
    assert "cut off" in bad.line
    (tmp_path / "maker.pem").write_text("x")
    key = here("corim", str(tmp_path / "file.corim"), "--signer", str(tmp_path / "maker.pem"))
    assert (key.code, "no public key in PEM" in key.line) == (1, True)
    assert here("corim", str(tmp_path / "none")).code == 1
    assert here("corim", str(tmp_path / "file.corim"), "--at", "noon").code == 1


def test_a_key_that_cannot_sign_one_is_told(tmp_path: Path) -> None:
    ran = run(tmp_path, Made(), signer=Ed448PrivateKey.generate())
    assert ran.code == 1
    assert "signs no CoRIM" in ran.line
