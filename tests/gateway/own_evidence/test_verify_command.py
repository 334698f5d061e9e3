"""`charter verify --gateway-evidence` as a relying party runs it: words, codes, and files that
are not what they should be."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.in_force import InForce
from gateway.own_evidence.document import Bound, write_document
from gateway.pdp.engine_reference import ReferenceEngine
from tests.gateway.attestation import tpms
from tests.gateway.attestation.pcrs import pcr_file
from tests.gateway.attestation.tpms import Made, public, sized
from tests.gateway.cli.commands import Ran, here
from tests.gateway.world import NOW, ORIGIN, World, made, question, sites


@dataclass(frozen=True)
class Files:
    """What the relying party has."""

    folder: Path

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, text: str) -> Path:
        self[name].write_text(text, encoding="utf-8")
        return self[name]

    def verify(self, *more: str | Path, **others: Path) -> Ran:
        given = {"evidence": self["evidence.json"], "anchors": self["anchors.toml"], **others}
        return here(
            "verify", self["answer.json"], "--trust", self["trust.json"],
            "--gateway-evidence", given["evidence"], "--anchors", given["anchors"], *more,
        )  # fmt: skip


def policy(value: str = "07" * 32, **changes: str) -> str:
    rows = {"name": "tpm", "products": '["TPM"]', **changes}
    return (
        'format = "charter-appraisal/v1"\nid = "ours/gateway"\nowner = "me"\nsource = "me"\n'
        f'valid_from = 2026-01-01\n[[technology]]\nname = "{rows["name"]}"\n'
        f'products = {rows["products"]}\n[[technology.reference]]\nmeasurement = "sha256:7"\n'
        f'any_of = ["{value}"]\nsource = "me"\nvalid_from = 2026-01-01\n'
    )


@pytest.fixture
def files(good: Files, tmp_path: Path) -> Files:
    """Good ones, to be damaged."""
    for path in good.folder.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return Files(tmp_path)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Files:
    tmp_path = tmp_path_factory.mktemp("good")
    found = Files(tmp_path)
    in_force = InForce(made(), sites(), [ReferenceEngine(made().program)])
    with World(tmp_path / "world", in_force=in_force) as world:
        named = in_force.named()
        bound = Bound(world.decision_key.public, named["bundle"], named["catalogue"], ORIGIN)
        quoted = replace(Made(), extra=bound.data())
        message = quoted.message()
        parts = {
            "quote": message, "signature": quoted.signature(message),
            "pcrs": pcr_file(quoted.values), "public": sized(public().raw),
        }  # fmt: skip
        document = write_document(bound, parts, made_at=NOW)
        in_force.attested(document.digest)
        answer = world.decide()
        found.write("answer.json", json.dumps(answer))
        found.write("question.json", json.dumps(question()))
        found.write("trust.json", json.dumps(world.trust.to_json()))
    found["evidence.json"].write_bytes(document.text)
    key = tpms.ECC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    found.write(
        "anchors.toml",
        'format = "charter-anchors/v1"\nowner = "me"\n[[tpm_key]]\nname = "a"\nsource = "me"\n'
        f'valid_from = 2026-01-01\npem = """{key.decode()}"""\n',
    )
    return found


def test_good_evidence_is_said_in_words_and_in_json(files: Files) -> None:
    said = files.verify()
    first, second = said.out.splitlines()
    assert said.code == 0
    assert first.startswith("OK: decision ")
    assert second.startswith("OK: a TPM, by a key that is pinned, quoted over the key that signed")
    assert second.endswith("is not judged without --appraisal")
    told = json.loads(files.verify("--format", "json").out)
    assert told["verdict"] == "good"
    assert told["gateway"]["policy"] is None
    assert told["gateway"]["key_in_tpm"] is False
    judged = files.verify("--appraisal", files.write("policy.toml", policy()))
    assert judged.out.splitlines()[1].endswith("it was started as ours/gateway demands")


def test_the_question_is_compared_as_well(files: Files) -> None:
    assert files.verify("--request", files["question.json"]).code == 0
    other = files.write("other.json", json.dumps(question(resource__id="far")))
    ran = files.verify("--request", other)
    assert (ran.code, "request-mismatch" in ran.out) == (2, True)


Damage = Callable[[Files], Mapping[str, Any]]
NOT_GOOD: dict[str, tuple[int, str, Damage]] = {
    "other PCRs than the policy demands": (
        2, "appraisal-executables",
        lambda f: {"more": ("--appraisal", f.write("p.toml", policy("00" * 32)))},
    ),
    "a policy that does not know TPMs": (
        4, "appraisal-incomplete",
        lambda f: {"more": ("--appraisal", f.write("p.toml", policy(name="nitro")))},
    ),
    "a policy of another product": (
        2, "appraisal-hardware",
        lambda f: {"more": ("--appraisal", f.write("p.toml", policy(products='["Milan"]')))},
    ),
    "nothing pinned": (
        4, "evidence-incomplete",
        lambda f: {"anchors": f.write("a.toml", 'format = "charter-anchors/v1"\nowner = "me"\n')},
    ),
    "the key must be in the TPM": (
        4, "gateway-evidence-uncertified", lambda _: {"more": ("--key-in-tpm",)},
    ),
    "a file that is no document": (
        2, "gateway-evidence-other", lambda f: {"evidence": f.write("e.json", "[1]")},
    ),
    "another document": (
        2, "gateway-evidence-other",
        lambda f: {"evidence": f.write("e.json", f["evidence.json"].read_text().replace(
            '"made_at":"2026-11-22', '"made_at":"2026-11-21'))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_GOOD)
@pytest.mark.parametrize("style", ["human", "json"])
def test_what_is_not_good_has_a_verdict_a_reason_and_a_code(
    files: Files, name: str, style: str
) -> None:
    code, reason, damage = NOT_GOOD[name]
    given = dict(damage(files))
    ran = files.verify(*given.pop("more", ()), "--format", style, **given)
    assert ran.code == code, ran.out
    if style == "json":
        told = json.loads(ran.out)
        verdict = "bad" if code == 2 else "cannot tell"
        assert (told["verdict"], told["reason"]) == (verdict, reason)
    else:
        (line,) = ran.out.splitlines()  # nothing that could be read as good comes first
        assert line.startswith(("NOT VERIFIED" if code == 2 else "CANNOT TELL") + f" ({reason}): ")


@pytest.mark.parametrize("name", ["evidence.json", "anchors.toml"])
def test_a_file_that_is_missing_or_too_large_is_no_verdict(files: Files, name: str) -> None:
    files[name].unlink()
    ran = files.verify()
    assert (ran.code, ran.out) == (1, "")
    assert name in ran.line
    with files[name].open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    ran = files.verify()
    assert (ran.code, ran.out) == (1, "")
    assert "larger than" in ran.line


@pytest.mark.parametrize("text", ["", "format = 1", policy(name="quantum"), "\x00"])
def test_a_policy_that_is_none_is_no_verdict(files: Files, text: str) -> None:
    ran = files.verify("--appraisal", files.write("p.toml", text))
    assert (ran.code, ran.out) == (1, "")
    assert "p.toml" in ran.line


def test_it_goes_with_an_answer_and_with_nothing_else(files: Files) -> None:
    ran = here("verify", "--bundle", files["answer.json"], "--trust", files["trust.json"],
               "--gateway-evidence", files["evidence.json"])  # fmt: skip
    assert (ran.code, ran.out) == (1, "")
    assert "--gateway-evidence goes with an answer" in ran.err


def test_a_decision_that_does_not_hold_is_refused_for_itself(files: Files) -> None:
    answer = json.loads(files["answer.json"].read_text())
    answer["decision"] = "permit" if answer["decision"] != "permit" else "deny"
    files.write("answer.json", json.dumps(answer))
    ran = files.verify()
    assert (ran.code, "answer-differs-from-record" in ran.out) == (2, True)
