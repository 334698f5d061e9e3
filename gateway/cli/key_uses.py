"""All keys that a gateway is configured with, held against each other: one key, one purpose."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.x509 import load_pem_x509_certificates

from gateway import release
from gateway.cli.witnessing import Witnessing
from gateway.errors import ConfigurationError, KeyMalformedError, TrustError
from gateway.keys.overlap import alongside
from gateway.keys.purposes import (
    Purpose,
    Use,
    bind,
    fingerprint,
    fingerprint_of_log,
    fingerprint_of_vkey,
)
from gateway.ledger.cosignature import WitnessPublicKey
from gateway.state import State
from gateway.verify.groups import vkeys_of


def check_purposes(args: Namespace, state: State) -> None:
    """Refuse to start with a key that has two purposes.

    Raises:
        KeyPurposeError: It names both.
    """
    bind([*_own(state), *_told(state.trust()), *_policy(args), *_authors(args), *_tls(args)])


def _own(state: State) -> Iterator[Use]:
    yield Use(state.decision_key.key_id, Purpose.DECISION, "the decision key")
    keys = [one.public for one in alongside(state.checkpoint_key)]
    for key in (*keys, *state.earlier):
        yield Use(fingerprint_of_log(key), Purpose.CHECKPOINT, f"key of the log {key.name}")


def _told(trust: Mapping[str, Any]) -> Iterator[Use]:
    """Keys of before, and of witnesses."""
    for one in trust["decision_keys"]:
        yield Use(str(one["keyid"]), Purpose.DECISION, "a decision key of trust.json")
    for one in trust.get("receipt_keys", ()):
        yield Use(str(one["keyid"]), Purpose.RECEIPT, "a receipt key of trust.json")
    try:
        listed = vkeys_of(trust.get("witnesses", []))
        keys = [WitnessPublicKey.from_vkey(one) for one in listed]
    except (RecursionError, TrustError, KeyMalformedError) as error:
        raise ConfigurationError(f"trust.json names no witnesses that can be: {error}") from error
    for key in keys:
        yield Use(fingerprint_of_vkey(key.vkey), Purpose.COSIGNATURE, f"the witness {key.name}")


def _policy(args: Namespace) -> Iterator[Use]:
    witnessing = Witnessing.of(args)
    for one in () if witnessing is None else witnessing.policy.witnesses.values():
        where = f"the witness {one.key.name} of {args.witness_policy}"
        yield Use(fingerprint_of_vkey(one.key.vkey), Purpose.COSIGNATURE, where)


def _authors(args: Namespace) -> Iterator[Use]:
    path: Path | None = getattr(args, "authors", None)
    if path is not None:
        for key_id in release.load_authors(path):
            yield Use(key_id, Purpose.RELEASE, f"an author in {path}")


def _tls(args: Namespace) -> Iterator[Use]:
    path: str | None = getattr(args, "tls_cert", None)
    if path is not None:
        # The rest of the chain is of others.
        own = load_pem_x509_certificates(Path(path).read_bytes())[0]
        yield Use(fingerprint(own.public_key()), Purpose.TLS, f"the certificate {path}")
