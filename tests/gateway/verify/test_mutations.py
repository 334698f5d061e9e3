"""Every way to break good evidence is refused, each for its own reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.cli.commands import Charter
from tests.gateway.verify.fresh import Case, Fresh
from tests.gateway.verify.mutations import BAD, CANNOT_TELL, GOOD, NOT_YET


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Fresh.make(tmp_path_factory.mktemp("fresh"))
    with made.world:
        yield made


@pytest.fixture
def verify(charter: Charter, tmp_path: Path) -> Any:
    """Puts a case to the command in the order of arguments that suites use."""

    def run(case: Case) -> tuple[int, dict[str, Any]]:
        def put(name: str, data: bytes) -> Path:
            (tmp_path / name).write_bytes(data)
            return tmp_path / name

        arguments: list[str | Path] = [
            "verify", "--bundle", put("bundle", case.bundle),
            "--trust", put("trust", case.trust), "--at", case.at,
        ]  # fmt: skip
        if case.expect is not None:
            arguments += ["--expect-decision", case.expect]
        if case.request is not None:
            arguments += ["--request", put("request", json.dumps(case.request).encode())]
        for number, seen in enumerate(case.seen):
            arguments += ["--seen", put(f"seen-{number}", seen.encode())]
        ran = charter(*arguments)
        assert ran.err == ""
        assert len(ran.out.splitlines()) == 1
        assert ran.out.strip().isascii()
        return ran.code, json.loads(ran.out)

    return run


@pytest.mark.parametrize("name", GOOD)
def test_good_evidence_is_good(fresh: Fresh, verify: Any, name: str) -> None:
    code, told = verify(GOOD[name](fresh))
    assert (code, told["verdict"], told["reason"]) == (0, "good", "verified"), told


@pytest.mark.parametrize("name", BAD)
def test_broken_evidence_is_bad_for_its_own_reason(fresh: Fresh, verify: Any, name: str) -> None:
    make, reason = BAD[name]
    code, told = verify(make(fresh))
    assert (code, told["verdict"], told["reason"]) == (1, "bad", reason), told


@pytest.mark.parametrize("name", CANNOT_TELL)
def test_what_does_not_suffice_is_never_good(fresh: Fresh, verify: Any, name: str) -> None:
    make, reason = CANNOT_TELL[name]
    code, told = verify(make(fresh))
    assert (code, told["verdict"], told["reason"]) == (2, "cannot tell", reason), told


def test_every_mutation_of_the_list_is_there_or_says_why_not(fresh: Fresh) -> None:
    tried = {name.split(" ")[0] for name in (*BAD, *CANNOT_TELL, *GOOD) if name.startswith("M-")}
    assert tried.isdisjoint(NOT_YET)
    assert sorted(tried | {*NOT_YET}) == [f"M-{number:02}" for number in range(1, 41)]
    # The day a record holds attestation, M-31 to M-36 can be made and must be.
    payload = json.loads(fresh.envelope(fresh.permit).payload)
    assert payload["predicate"]["evidence"] == []


def test_files_that_are_not_there_are_no_verdict(
    charter: Charter, fresh: Fresh, tmp_path: Path
) -> None:
    trust = tmp_path / "trust"
    trust.write_bytes(fresh.trust())
    for bundle, key in ((tmp_path / "none", trust), (trust, tmp_path / "none")):
        ran = charter("verify", "--bundle", bundle, "--trust", key)
        assert ran.code == 2
        assert json.loads(ran.out)["reason"] == "unreadable"
