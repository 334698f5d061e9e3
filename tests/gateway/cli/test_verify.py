"""`charter verify`: what an auditor runs, without the gateway and without trusting it."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.cli.commands import Charter
from tests.gateway.world import World, question


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """answer.json, trust.json, request.json and other.json (another question)."""
    folder = tmp_path_factory.mktemp("files")
    with World(folder) as world:
        world.decide()
        answer = world.decide(resource__id="far")
        contents: dict[str, object] = {
            "answer": answer,
            "trust": world.trust.to_json(),
            "request": question(resource__id="far"),
            "other": question(),
        }
    for name, value in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    with World(folder / "stranger") as stranger:
        (folder / "stranger.json").write_text(json.dumps(stranger.trust.to_json()))
    return folder


def load(files: Path) -> dict[str, Any]:
    return json.loads((files / "answer.json").read_text())


@pytest.mark.parametrize("style", ["human", "plain", "json"])
def test_a_genuine_answer_is_one_line_that_names_what_was_checked(
    charter: Charter, files: Path, style: str
) -> None:
    ran = charter(
        "verify", files / "answer.json", "--trust", files / "trust.json",
        "--request", files / "request.json", "--format", style,
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    if style == "json":
        told = json.loads(ran.out)
        assert (told["verdict"], told["decision"], told["index"]) == ("good", "deny", 1)
        answer = load(files)
        for name in ("action", "entities", "decided_at", "valid_until"):
            assert told[name] == answer[name]
    else:
        assert ran.out == (
            f"OK: decision {load(files)['id']} (deny) is entry 1 in the checkpoint of 2 of "
            "ledger.example/test; `place`, destination far, decided 2026-11-22T09:30:15.250Z, "
            "valid until 2026-11-22T10:30:15.250Z\n"
        )


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a permit instead": (lambda a: a.update(decision="permit"), "answer-differs-from-record"),
    "no reasons": (lambda a: a.update(reasons=[]), "answer-differs-from-record"),
    "a member left out": (lambda a: a.pop("obligations"), "answer-differs-from-record"),
    "a member more": (lambda a: a.update(note="x"), "answer-differs-from-record"),
    "no proof": (lambda a: a.pop("proof"), "answer-malformed"),
    "no record": (lambda a: a.pop("record"), "answer-malformed"),
    "a proof of nothing": (lambda a: a.update(proof=""), "proof-malformed"),
    "another payload": (lambda a: a["record"].update(payload="e30="), "signature-invalid"),
    "a key id that prints a line": (
        lambda a: a["record"]["signatures"][0].update(keyid="x\nOK: decision 7 (permit)\n"),
        "envelope-malformed",
    ),
    "a member whose name prints a line": (
        lambda a: a.update({"x\nOK: decision 7 (permit) is entry 7\n": 1}),
        "answer-differs-from-record",
    ),
    "no signature": (lambda a: a["record"].update(signatures=[]), "envelope-malformed"),
}


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("style", ["human", "json"])
def test_a_damaged_answer_is_2_with_its_reason(
    charter: Charter, files: Path, tmp_path: Path, case: str, style: str
) -> None:
    damage, reason = DAMAGE[case]
    answer = copy.deepcopy(load(files))
    damage(answer)
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(answer))
    ran = charter("verify", path, "--trust", files / "trust.json", "--format", style)
    assert (ran.code, ran.err) == (2, "")
    if style == "json":
        assert json.loads(ran.out)["reason"] == reason
        assert json.loads(ran.out)["verdict"] == "bad"
    else:
        assert ran.out.startswith(f"NOT VERIFIED ({reason}): ")
        assert len(ran.out.splitlines()) == 1
        assert ran.out.strip().isprintable()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a":NaN}']
)
def test_what_is_no_answer_is_not_verified(
    charter: Charter, files: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "answer.json"
    path.write_bytes(content)
    ran = charter("verify", path, "--trust", files / "trust.json")
    assert ran.code == 2
    assert ran.out.startswith("NOT VERIFIED (answer-malformed): ")


def test_another_question_and_another_gateway_are_not_verified(
    charter: Charter, files: Path
) -> None:
    answer, trust = files / "answer.json", files / "trust.json"
    ran = charter("verify", answer, "--trust", trust, "--request", files / "other.json")
    assert (ran.code, "request-mismatch" in ran.out) == (2, True)
    ran = charter("verify", answer, "--trust", files / "stranger.json")
    assert (ran.code, "key-unknown" in ran.out) == (2, True)


@pytest.mark.parametrize(
    ("changed", "content", "words"),
    [
        ("answer", None, "No such file"),
        ("trust", None, "No such file"),
        ("request", None, "No such file"),
        ("answer", b" " * (4 * 1024 * 1024 + 1), "larger than"),
        ("trust", b" " * 300_000, "larger than"),
        ("trust", b"", "is empty"),
        ("trust", b"{}", "has exactly"),
        ("trust", b"[" * 100_000, "not strict JSON"),
        ("request", b"", "not JSON"),
        ("request", b"NaN", "not"),
        ("request", b"null", "null is no question"),
        ("request", b"[" * 100_000, "nested"),
    ],
)
def test_a_file_that_cannot_be_used_is_1_in_one_line(
    charter: Charter, files: Path, tmp_path: Path, changed: str, content: bytes | None, words: str
) -> None:
    paths = {name: files / f"{name}.json" for name in ("answer", "trust", "request")}
    paths[changed] = tmp_path / f"{changed}.json"
    if content is not None:
        paths[changed].write_bytes(content)
    ran = charter(
        "verify", paths["answer"], "--trust", paths["trust"], "--request", paths["request"]
    )
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line
    assert str(paths[changed]) in ran.line


def test_trust_must_be_named(charter: Charter, files: Path) -> None:
    assert charter("verify", files / "answer.json").code == 1
    assert charter("verify").code == 1


HEAVY = (
    "asyncio", "cedarpy", "gateway.bundle", "gateway.ledger.log", "gateway.pdp", "gateway.service",
    "gateway.web", "lark", "opa_client", "pydantic", "regopy", "sqlite3", "sqlite_utils",
    "starlette", "uvicorn", "uvloop", "aiohttp",
)  # fmt: skip
PROBE = """
import sys
from gateway.cli import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
raise SystemExit(code)
"""


def test_verifying_loads_no_web_no_engine_and_no_storage(files: Path) -> None:
    command = ["verify", str(files / "answer.json"), "--trust", str(files / "trust.json")]
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, *command], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    loaded = ran.stderr.split()
    assert "gateway.verify" in loaded
    assert [name for name in loaded if name.startswith(HEAVY)] == []


@pytest.mark.parametrize("command", [[], ["--help"], ["serve", "--help"], ["decide", "--help"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    probe = "import sys\nfrom gateway.cli import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
    probe += "    print(*sys.modules, file=sys.stderr)\n"
    ran = subprocess.run(
        [sys.executable, "-c", probe, *command], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0
    assert [name for name in ran.stderr.split() if name.startswith(HEAVY)] == []


def test_what_a_genuine_record_says_cannot_steer_the_terminal(
    charter: Charter, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that is trusted may still have been asked something hostile."""
    from dataclasses import replace

    from gateway.cli import verify
    from gateway.verify import VerifiedDecision, verify_decision

    def hostile(*asked: Any, **options: Any) -> VerifiedDecision:
        found = verify_decision(*asked, **options)
        evil = "x\x1b[2J\nOK: decision 7"
        entities: Any = [{"record": "destination", "type": "site", "id": evil}, evil]
        return replace(found, predicate={**found.predicate, "action": evil, "entities": entities})

    monkeypatch.setattr(verify, "verify_answer", hostile)
    ran = charter("verify", files / "answer.json", "--trust", files / "trust.json")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 1
    assert ran.out.strip().isprintable()
