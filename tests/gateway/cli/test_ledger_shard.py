"""`charter ledger shard` and `tiles`: decisions of both logs are served and verified."""

import json
from pathlib import Path

import pytest

from gateway.verify.erased import verify_answer
from gateway.verify.refused import DecisionErasedError
from tests.faults.running import Project, Running, gateway
from tests.gateway.cli.commands import Charter
from tests.gateway.world import question
from tests.stock_tools import tlogcheck

NEW = "ledger.example/next"


def shard(charter: Charter, state: Path, *more: str) -> tuple[int, str]:
    ran = charter("ledger", "shard", "--state", state, *more)
    return ran.code, ran.out + ran.err


def test_decisions_of_both_logs_are_served_and_verified(charter: Charter, tmp_path: Path) -> None:
    project = Project.make(tmp_path)
    with gateway(project) as running:
        before = running.ask(question()).json
        code, said = shard(charter, project.state, "--origin", NEW, "--reason", "too early")
        assert (code, "open already" in said) == (1, True), said
    old_trust = tmp_path / "old.json"
    old_trust.write_bytes((project.state / "trust.json").read_bytes())
    code, said = shard(charter, project.state, "--origin", NEW, "--reason", "a new year")
    assert code == 0, said
    with gateway(project, "--workers", "2") as running:
        after = running.ask(question()).json
        token = project.tokens["own"]
        again = running.request("GET", f"/v1/decisions/{before['id']}", token=token)
        assert (again.status, again.json["record"]) == (200, before["record"])
        hidden = running.request(
            "GET", f"/v1/decisions/{before['id']}", token=project.tokens["other_tenant"]
        )
        assert hidden.status == 404
        vkey = json.loads(old_trust.read_bytes())["log"]["vkey"]
        at = f"http://127.0.0.1:{running.port}/"
        for url, key, count in (
            (f"{at}shards/1/", vkey, 2),
            (at, running.request("GET", "/v1/trust").json["log"]["vkey"], 2),
        ):
            ran = tlogcheck("tiles", key, url, files={})
            assert (ran.returncode, ran.stdout) == (0, f"{count} entries\n"), ran.stderr
        for wrong in ("0", "2", "01", "-1", "x", "9" * 30, "..", "1%2f.."):
            assert running.request("GET", f"/shards/{wrong}/checkpoint").status == 404
            assert running.request("GET", f"/shards/{wrong}/tile/0/000.p/1").status == 404
        assert running.request("GET", "/shards/1/tile/0/000.p/3").status == 404
        assert running.request("GET", "/v1/trust").json["log"]["origin"] == NEW
        check_erasing(project, running, before["id"])
    trust = project.state / "trust.json"
    for name, answer, code in (
        ("before", before, 0),
        ("again", again.json, 0),
        ("after", after, 0),
    ):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(answer))
        ran = charter("verify", path, "--trust", trust)
        assert ran.code == code, (name, ran.out, ran.err)
        ran = charter("verify", path, "--trust", old_trust)
        assert (ran.code == 0) == (name != "after"), name
    for arguments, size in ((("--shard", "1"), 2), ((), 3)):
        www = tmp_path / f"www{len(arguments)}"
        ran = charter("ledger", "tiles", www, "--state", project.state, *arguments)
        assert ran.code == 0, ran.err
        assert (www / "checkpoint").read_text().split("\n")[1] == str(size)
        ran = charter("verify", "--ledger", www, "--trust", trust)
        assert ran.code == 0, ran.out


def check_erasing(project: Project, running: Running, decision: str) -> None:
    """A decision of the log that has ended is erased over HTTP, for every worker."""
    operator = project.tokens["own"]
    grounds = json.dumps({"reason": "asked for", "authority": "GDPR art 17"}).encode()
    place, kind = f"/v1/decisions/{decision}", {"Content_Type": "application/json"}
    done = running.request("POST", f"{place}/erasure", grounds, token=operator, **kind)
    assert (done.status, done.json["erasure_index"]) == (200, 2), done
    for _ in range(6):  # whichever worker answers
        gone = running.request("GET", place, token=project.tokens["own"])
        assert (gone.status, gone.json["erased"]["log"]) == (410, "ledger.example/test")
        with pytest.raises(DecisionErasedError):
            verify_answer(gone.json, project.trust())
    again = running.request("POST", f"{place}/erasure", grounds, token=operator, **kind)
    assert again.status == 410


WRONG: dict[str, tuple[list[str], str]] = {
    "no name": (["--reason", "x"], "name the next log"),
    "no reason": (["--origin", NEW], "say why"),
    "the same name": (["--origin", "ledger.example/test", "--reason", "x"], "is or was a log"),
    "no name of a log": (["--origin", "a b", "--reason", "x"], "cannot name a log"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_one_line(charter: Charter, tmp_path: Path, name: str) -> None:
    project = Project.make(tmp_path)
    arguments, words = WRONG[name]
    code, said = shard(charter, project.state, *arguments)
    assert (code, words in said, said.count("\n")) == (1, True, 1), said


def test_where_there_is_no_gateway_none_is_made(charter: Charter, tmp_path: Path) -> None:
    code, said = shard(charter, tmp_path / "state", "--origin", NEW, "--reason", "x")
    assert (code, (tmp_path / "state").exists()) == (1, False), said
    ran = charter("ledger", "tiles", tmp_path / "www", "--state", tmp_path / "state")
    assert (ran.code, (tmp_path / "www").exists()) == (1, False)


def test_a_log_that_has_not_ended_has_no_number(charter: Charter, tmp_path: Path) -> None:
    project = Project.make(tmp_path)
    ran = charter("ledger", "tiles", tmp_path / "www", "--state", project.state, "--shard", "1")
    assert (ran.code, "no log number 1" in ran.err) == (1, True)


def test_a_next_log_is_prepared_in_machine_form(charter: Charter, tmp_path: Path) -> None:
    project = Project.make(tmp_path)
    ran = charter(
        "ledger", "shard", "--state", project.state, "--prepare", "--origin", NEW,
        "--format", "json",
    )  # fmt: skip
    said = json.loads(ran.out)
    assert (ran.code, said["prepared"]) == (0, NEW)
    trust = json.loads((project.state / "trust.json").read_bytes())
    assert {"origin": NEW, "vkey": said["vkey"]} in trust["further_logs"]
