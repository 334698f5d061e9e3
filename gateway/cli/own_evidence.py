"""Has the gateway of `charter serve` attest itself over what it loads."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import cast

from gateway.cli.tpm_options import place_of
from gateway.errors import ClockError, ConfigurationError
from gateway.in_force import InForce
from gateway.own_evidence.attester import Attester
from gateway.service import Service
from gateway.state import State, WorkerState

Attest = Callable[[InForce], None]


def check_tpm(args: Namespace) -> None:
    """Refuse settings that belong to a TPM where there is none.

    Raises:
        ConfigurationError: There are such.
    """
    others = (args.tpm_key, args.tpm_decision_key, args.tpm_ak_path)
    if args.tpm is None and any(one is not None for one in others):
        raise ConfigurationError(
            "--tpm-key, --tpm-decision-key and --tpm-ak-path belong to --tpm: give it as well"
        )


def attest_of(args: Namespace, service: Service, state: State | WorkerState) -> Attest:
    """What takes a new document for what is about to be in force; nothing without a TPM. It
    asks the TPM, so it waits: call it in a thread."""
    place = place_of(args)
    if place is None:
        return lambda _: None
    attester = Attester(
        place,
        state.folder,
        key=service.signer.public,
        origin=cast("Mapping[str, str]", state.trust()["log"])["origin"],
        run=args.run_id,
        clock=lambda: _now(service),
    )

    def attest(in_force: InForce) -> None:
        in_force.attested(attester.attest(**in_force.named()).digest)

    return attest


def _now(service: Service) -> datetime:
    """Nothing is decided while the clock is in doubt; a gateway may start."""
    try:
        return service.clock()
    except ClockError:
        return datetime.now(UTC)
