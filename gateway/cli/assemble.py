"""Puts a service together from what the command line says."""

import sys
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from typing import Any

from dsl.diagnostics import Severity, render_human
from gateway import bundle
from gateway.cli.policy import fixtures
from gateway.pdp import catalogue
from gateway.pdp.combine import ask_all
from gateway.pdp.decision import UNANSWERED, Decider
from gateway.pdp.engines import make_engines
from gateway.pdp.memo import Memo
from gateway.pdp.normalise import Normaliser
from gateway.pdp.request import DecisionRequest
from gateway.service import Judged, Service, describe
from gateway.state import State, open_state

CATALOGUE = Path("catalogue") / "sites.toml"


def load_bundle(args: Namespace) -> bundle.Bundle:
    """The bundle of the charters named, compiled now.

    Raises:
        CompilationFailedError: They have errors.
    """
    result = bundle.compile_folder(args.policies)
    warnings = [d for d in result.diagnostics if d.severity is Severity.WARNING]
    if warnings and result.program is not None:
        sys.stderr.write(render_human(warnings) + "\n")
    _, program = result.require()
    return bundle.build(result, fixtures(args, program))


def load_catalogue(args: Namespace, made: bundle.Bundle) -> catalogue.Catalogue:
    """The catalogue of the command line, or the one that comes with the charters."""
    own: Path = args.policies / CATALOGUE
    path: Path = args.catalogue or (own if own.exists() else bundle.PACK / CATALOGUE)
    return catalogue.load(path, made.program)


def local_state(args: Namespace) -> State:
    return open_state(args.state, origin=getattr(args, "origin", None))


def assemble(args: Namespace, state: State) -> Service:
    """A service with its ledger open; the caller closes it."""
    made = load_bundle(args)
    known = load_catalogue(args, made)
    engines = make_engines(args.engines, made.program, opa_url=args.opa_url)
    return Service(
        bundle=made,
        catalogue=known,
        engines=engines,
        signer=state.decision_key,
        ledger=state.open_ledger(),
        memo=Memo(args.memo),
    )


async def judge_only(args: Namespace, request: DecisionRequest, now: datetime) -> dict[str, Any]:
    """What would be decided at an instant, without keys or ledger."""
    made = load_bundle(args)
    joined = Normaliser(made.program, load_catalogue(args, made)).join(request, now=now)
    engines = make_engines(args.engines, made.program, opa_url=args.opa_url)
    combined = await ask_all(engines, joined.question, timeout_s=5.0)
    for engine in engines:
        await engine.close()
    decision = UNANSWERED
    if combined.answer is not None:
        decision = Decider(made.program).decide(
            combined.answer, joined.question, joined.origins, today=now.date()
        )
    return describe(Judged(joined, combined, decision))
