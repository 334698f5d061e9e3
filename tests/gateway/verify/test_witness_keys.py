"""One key of a witness counts once in a trust file, and none that signs a log."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.keys import CheckpointPublicKey, DecisionKey
from gateway.ledger.cosignature import WitnessPublicKey
from gateway.verify.refused import TrustKeyTwiceError
from gateway.verify.trust import Trust

ORIGIN = "ledger.example/eu"
DECISION = DecisionKey.generate().public
RAW, OTHER, BEFORE, THIRD = (
    Ed25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(4)
)


def trust(*witnesses: tuple[str, bytes]) -> bytes:
    log, before = (CheckpointPublicKey.of(ORIGIN, raw).vkey for raw in (RAW, BEFORE))
    return json.dumps(
        {
            "format": "charter-trust/v2",
            "log": {"origin": ORIGIN, "vkey": log},
            "decision_keys": [{"keyid": DECISION.key_id, "pem": DECISION.pem}],
            "further_logs": [{"origin": ORIGIN, "vkey": before, "last_size": 7}],
            "witnesses": {
                "quorum": len(witnesses),
                "vkeys": [WitnessPublicKey.of(name, raw).vkey for name, raw in witnesses],
            },
        }
    ).encode()


def test_witnesses_with_keys_of_their_own_are_read() -> None:
    assert Trust.from_json(trust(("a.example", OTHER), ("b.example", THIRD))).terms.quorum == 2


@pytest.mark.parametrize(
    "witnesses",
    [
        [("a.example", OTHER), ("a.example", OTHER)],
        [("a.example", OTHER), ("b.example", OTHER)],  # would be a quorum of one
        [("a.example", OTHER), (ORIGIN, RAW)],
        [("a.example", OTHER), ("b.example", RAW)],  # the log, under another name
        [("a.example", BEFORE)],
    ],
)
def test_a_key_that_would_count_twice_or_is_of_the_log_is_refused(
    witnesses: list[tuple[str, bytes]],
) -> None:
    with pytest.raises(TrustKeyTwiceError):
        Trust.from_json(trust(*witnesses))
