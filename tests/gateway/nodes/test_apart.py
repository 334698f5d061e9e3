"""What evidence is to show, nobody else states: neither callers nor fact sources."""

from dataclasses import replace
from pathlib import Path

import pytest

from dsl.core import FactType, Kind, Origin
from gateway.bundle import PACK
from gateway.cli import exit_codes
from gateway.cli.main import main
from gateway.errors import ConfigurationError, RequestError
from gateway.in_force import InForce
from gateway.nodes.asking import check_apart, refuse_evidence
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.request import DecisionRequest
from gateway.sources import Sources
from gateway.sources.allowed import allow
from gateway.sources.source import Source
from tests.gateway.nodes import machines
from tests.gateway.nodes.deciding import made, program, question, sites
from tests.gateway.nodes.machines import SITE
from tests.gateway.sources import parts


def a_source(about: str, origin: Origin, *states: str) -> Sources:
    allowed = allow(program(), about, origin, states, "a test")
    usual = parts.source(parts.Told(lambda _: None))
    return Sources(program(), [Source(usual.terms, allowed, parts.Told(lambda _: None))])


@pytest.mark.parametrize(
    "states",
    [("attestation.technology",), ("attestation",), ("attestation.firmware",)],
)
def test_no_source_states_what_evidence_is_to_show(states: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="a fact source may state `attestation"):
        check_apart(program(), a_source("tenant", Origin.VERIFIER, *states).stated())


def test_sources_state_all_else_beside_it() -> None:
    check_apart(program(), a_source("site", Origin.CATALOGUE, "separate_backup").stated())
    check_apart(program(), frozenset({"attestations.of", "checked.attestation"}))


def test_no_source_is_asked_about_a_machine() -> None:
    with pytest.raises(ConfigurationError, match="nothing is asked about `attestation/node`"):
        allow(program(), "attestation/node", Origin.VERIFIER, ["attestation.place"], "a test")


@pytest.mark.parametrize("path", ["proof.said", "attestation.node"])
def test_a_vocabulary_with_words_of_callers_there_is_refused(path: str) -> None:
    wire = ("context", "attestation", path.rpartition(".")[2])
    fact = FactType(path, Kind.TERM, Origin.REQUEST, wire)
    other = replace(program(), facts={**program().facts, path: fact})
    with pytest.raises(ConfigurationError, match="move that record"):
        check_apart(other, frozenset())


def test_words_of_callers_near_it_are_no_trouble() -> None:
    fact = FactType(
        "said.attestation", Kind.TERM, Origin.REQUEST, ("context", "said", "attestation")
    )
    check_apart(replace(program(), facts={**program().facts, fact.path: fact}), frozenset())


def test_without_a_register_words_of_callers_are_read_as_ever() -> None:
    wire = ("context", "attestation", "node")
    fact = FactType("proof.said", Kind.TERM, Origin.REQUEST, wire)
    other = replace(program(), facts={**program().facts, fact.path: fact})
    request = DecisionRequest.read(question())
    refuse_evidence(request, other)
    with pytest.raises(RequestError, match="takes no evidence"):
        refuse_evidence(request, program())


@pytest.mark.parametrize(
    ("kind", "site"), [("site", SITE), ("workload", None), ("Site", None), ("network", None)]
)
def test_only_a_site_is_where_a_machine_stands(kind: str, site: str | None) -> None:
    in_force = InForce(made(), sites(), [ReferenceEngine(program())])
    asked = question(resource={"type": kind, "id": SITE})
    assert in_force.site_of(DecisionRequest.read(asked)) == site


def test_a_gateway_with_both_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machines.terms(tmp_path)
    (tmp_path / "sources.toml").write_text(
        'format = "charter-sources/v1"\n[[source]]\nname = "books"\nabout = "tenant"\n'
        'origin = "verifier"\nstates = ["attestation"]\nmax_age_s = 60\n'
        '[source.file]\npath = "books.toml"\n'
    )
    (tmp_path / "books.toml").write_text(
        'format = "charter-facts-file/v1"\nobserved_at = 2026-11-22T09:30:00Z\n'
    )
    flags = [f"--{flag}={tmp_path / flag}.toml" for flag in ("nodes", "sources")]
    fixtures = PACK / "fixtures" / "sites.toml"
    where = ["--state", str(tmp_path / "state"), "--catalogue", str(fixtures)]
    code = main(["serve", "--workers", "0", *where, *flags])
    assert code == exit_codes.FAILED
    assert "leave it to one of them" in capsys.readouterr().err
