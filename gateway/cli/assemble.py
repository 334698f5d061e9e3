"""Puts a service together from what the command line says."""

import logging
import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from dsl.compile import Compiled
from dsl.core import Program
from dsl.diagnostics import Severity, render_human
from dsl.errors import DslError
from gateway import bundle, release
from gateway.cli.key_options import custody_of
from gateway.cli.key_uses import check_purposes
from gateway.cli.node_options import attestation_terms
from gateway.cli.seen import Seen
from gateway.cli.witnessing import Witnessing
from gateway.clock import KEPT_S, TrustedClock
from gateway.errors import ConfigurationError, LedgerUnavailableError
from gateway.in_force import InForce
from gateway.keys import DecisionSigner
from gateway.ledger.interface import Ledger, OwnLedger
from gateway.ledger.log import Log
from gateway.ledger.shards import with_older
from gateway.nodes.asking import check_apart
from gateway.nodes.desk import Desk
from gateway.nodes.store import FILE as EVIDENCE
from gateway.pdp import catalogue
from gateway.pdp.engine import Engine
from gateway.pdp.engines import DEFAULT, Arrangement, arrange_engines, make_engines
from gateway.pdp.judge import Judge
from gateway.pdp.overlay import load_over
from gateway.service import Service
from gateway.sources import Sources
from gateway.sources import load as load_sources
from gateway.state import State, open_state
from gateway.workers.free import TakenError, once_free

log = logging.getLogger("charter")

_SITES = "sites.toml"
_RELEASE = "release.json"


class Parts:
    """What a service is made of, before there are keys and a ledger."""

    def __init__(self, args: Namespace, *, warn: bool = True) -> None:
        result = bundle.compile_folder(policies(args))
        warnings = [d for d in result.diagnostics if d.severity is Severity.WARNING]
        if warn and warnings and result.program is not None:
            sys.stderr.write(render_human(warnings) + "\n")
        _, program = result.require()
        self.bundle = bundle.build(result, fixtures(args, result, program))
        self.catalogue = load_catalogue(args, result, program)
        self.catalogue_files = catalogue_files(args, result)
        self.sources = fact_sources(args, program)
        self.attestation = attestation_terms(args, self.catalogue)
        if self.attestation is not None:
            check_apart(program, frozenset() if self.sources is None else self.sources.stated())
        self.release = signed_release(args, self.bundle.digest, self.catalogue.digest)
        self.engines = self._engines(args, program)
        self.remember: int = args.memo
        self.witnessing = Witnessing.of(args)
        self.timeout_s: float = getattr(args, "decision_ms", 2_000) / 1000
        self.clock_was_ahead_until: datetime | None = getattr(args, "clock_was_ahead_until", None)

    def _engines(self, args: Namespace, program: Program) -> Sequence[Engine]:
        """Guarded, for a gateway that stays; for one question they are made here."""
        names = args.engines or DEFAULT
        how: Arrangement | None = getattr(args, "arranged", None)
        if how is None:
            return make_engines(names, program, opa_url=args.opa_url)
        return arrange_engines(names, program, self.bundle.vectors, how)

    def judge(self) -> Judge:
        return Judge(self.bundle.program, self.catalogue, self.engines, remember=self.remember)

    def in_force(self) -> InForce:
        """What questions can be decided with; the engines are its own from now on."""
        return InForce(
            self.bundle,
            self.catalogue,
            self.engines,
            remember=self.remember,
            release=self.release,
            sources=self.sources,
            catalogue_files=self.catalogue_files,
            attestation=self.attestation,
        )

    def service(self, state: State, seen: Seen | None = None) -> Service:
        """A service with its ledger open; the caller closes it.

        Args:
            seen: How far others have seen the log.
        """
        clock = TrustedClock(
            keep_s=KEPT_S
        )  # also the log's: what is in doubt here is not logged there
        ledger = open_ledger(state, clock, seen or Seen(), self.witnessing)
        clock.not_before(newest_instant(ledger, self.clock_was_ahead_until))
        return self.service_with(ledger, state.decision_key, clock, state.folder)

    def service_with(
        self, ledger: Ledger, signer: DecisionSigner, clock: TrustedClock, folder: Path
    ) -> Service:
        """A service with a ledger that is open somewhere, and the rest of its state in a folder."""
        desk = None if self.attestation is None else Desk(folder / EVIDENCE)
        if desk is not None:
            desk.check()
        return Service(
            in_force=self.in_force(),
            signer=signer,
            ledger=ledger,
            clock=clock,
            timeout_s=self.timeout_s,
            desk=desk,
        )


def open_ledger(
    state: State, clock: TrustedClock, seen: Seen, witnessing: Witnessing | None = None
) -> OwnLedger:
    """The ledger of a state folder, with those who cosign it; the caller closes it.

    Raises:
        ConfigurationError: Somebody has it open, and goes on having it.
    """
    try:
        known = list(seen.checkpoints)
        if witnessing is not None:
            known += witnessing.seen([state.checkpoint_key.public, *state.earlier])
        opened = once_free(state.folder, partial(_open, state, clock, known, seen.file))
    except TakenError as error:
        raise ConfigurationError(str(error)) from error
    if witnessing is None:
        return with_older(opened, state.folder)
    try:
        newest = witnessing.over(opened, state.folder / "ledger", state.checkpoint_key.public)
    except BaseException:
        opened.close()
        raise
    return with_older(newest, state.folder, witnessing.over_ended)


def _open(
    state: State, clock: TrustedClock, known: Sequence[tuple[str, bytes]], file: Path | None
) -> Log:
    try:
        return state.open_ledger(clock, seen=known, seen_file=file)
    except LedgerUnavailableError as error:
        raise TakenError(
            f"{error}: a gateway runs on this state folder; ask it with `charter decide "
            "--url`, or give another --state"
        ) from error


def newest_instant(ledger: Ledger, excused: datetime | None) -> datetime | None:
    """The instant of the newest record, behind which no clock can be.

    Args:
        excused: Up to it, records were made with a clock that was ahead.
    """
    record = ledger.get_at(ledger.size - 1)
    if record is None:
        return None
    instant = datetime.fromisoformat(record.logged_at)
    return None if excused is not None and instant <= excused else instant


def load_again(args: Namespace) -> InForce:
    """What is on disk now, for a gateway that runs.

    Raises:
        ConfigurationError: It cannot be used. Mistakes in charters are told as such too.
    """
    try:
        parts = Parts(args, warn=False)
    except DslError as error:
        raise ConfigurationError(str(error)) from error
    say_changes(parts.catalogue)
    return parts.in_force()


def fact_sources(args: Namespace, program: Program) -> Sources | None:
    """The sources of a gateway; None where it has none, as on the command line."""
    path: Path | None = getattr(args, "sources", None)
    return None if path is None else load_sources(path, program)


def say_changes(known: catalogue.Catalogue) -> None:
    """Tell what overlays changed of the facts below them."""
    for change in known.changes:
        log.warning("%s", change.words())


def signed_release(args: Namespace, bundle: str, catalogue: str) -> release.Release | None:
    """The release by which an author signed the two digests; None where no authors are named.

    Raises:
        ReleaseError: They are not signed, or others are.
    """
    trusted: Path | None = getattr(args, "authors", None)
    if trusted is None:
        return None
    found = release.load(release_file(args), release.load_authors(trusted))
    found.covers(bundle=bundle, catalogue=catalogue)
    return found


def release_file(args: Namespace) -> Path:
    """The file of the command line, or `release.json` in the folder of the charters."""
    place = policies(args)
    return args.release or (place if place.is_dir() else place.parent) / _RELEASE


def policies(args: Namespace) -> Path:
    """The folder or file of charters; the installed pack where none is named."""
    return args.policies or bundle.PACK


def fixtures(
    args: Namespace, result: Compiled, program: Program
) -> dict[str, dict[str, dict[str, object]]]:
    """The catalogue against which the charters' examples run."""
    path = args.fixtures or _beside(args, result, "fixtures")
    return {} if path is None else catalogue.load(path, program).raw_facts()


def load_catalogue(args: Namespace, result: Compiled, program: Program) -> catalogue.Catalogue:
    """The catalogue of the command line, or the one that comes with the charters."""
    path = args.catalogue or _beside(args, result, "catalogue")
    overlays = [Path(name) for name in args.overlays or ()]
    if path is not None:
        return load_over(catalogue.load(path, program), overlays, program)
    if overlays:
        raise ConfigurationError("there is no catalogue for --overlay to lie over")
    if program.places:
        raise ConfigurationError("these charters come without a catalogue: give --catalogue")
    return catalogue.empty()


def catalogue_files(args: Namespace, result: Compiled) -> list[Path]:
    """What the catalogue is read from, the lowest first."""
    path = args.catalogue or _beside(args, result, "catalogue")
    return [] if path is None else [path, *(Path(name) for name in args.overlays or ())]


def _beside(args: Namespace, result: Compiled, name: str) -> Path | None:
    """`<name>/sites.toml` in the charters' folder, or the pack's where they speak of its
    entities."""
    place = policies(args)
    own = (place if place.is_dir() else place.parent) / name / _SITES
    if own.exists():
        return own
    return bundle.PACK / name / _SITES if bundle.uses_pack(result) else None


def local_state(args: Namespace) -> State:
    """The state folder. A token that was made with it is shown here, whatever happens next:
    nobody can show it again."""
    state = open_state(args.state, origin=getattr(args, "origin", None), custody=custody_of(args))
    if state.new_token is not None:
        sys.stderr.write(
            f"A new gateway in {state.folder}. A token for its tenant `default`, shown this "
            f"once:\n  export CHARTER_TOKEN={state.new_token}\n"
        )
        sys.stderr.flush()
    try:
        check_purposes(args, state)
    except BaseException:
        state.close()
        raise
    return state
