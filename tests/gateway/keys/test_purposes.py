"""One key, one purpose, wherever the key is found."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.keys import CheckpointKey, DecisionKey
from gateway.keys.errors import KeyPurposeError
from gateway.keys.overlap import Overlap, alongside
from gateway.keys.purposes import Purpose, Use, bind, fingerprint, fingerprint_of_vkey
from gateway.ledger.cosignature import WitnessPublicKey

ONE = fingerprint(ec.generate_private_key(ec.SECP256R1()).public_key())
TWO = fingerprint(ec.generate_private_key(ec.SECP256R1()).public_key())
PAIRS = [(a, b) for a in Purpose for b in Purpose if a is not b]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_key_with_two_purposes_is_refused(first: Purpose, second: Purpose) -> None:
    with pytest.raises(KeyPurposeError, match="two purposes") as refused:
        bind([Use(TWO, first, "x"), Use(ONE, first, "here"), Use(ONE, second, "there")])
    assert "here" in str(refused.value)
    assert "there" in str(refused.value)


def test_one_purpose_may_be_named_twice() -> None:
    bind([Use(ONE, Purpose.TLS, "a"), Use(ONE, Purpose.TLS, "b"), Use(TWO, Purpose.DECISION, "c")])


def test_a_key_of_a_log_is_known_again_as_one_of_a_witness() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes_raw()
    log, witness = CheckpointKey("log.example", key).public, WitnessPublicKey.of("w.example", raw)
    assert fingerprint_of_vkey(log.vkey) == fingerprint_of_vkey(witness.vkey)
    assert fingerprint_of_vkey(log.vkey) == fingerprint(key.public_key())


def test_the_id_of_a_decision_key_is_its_fingerprint() -> None:
    public = DecisionKey.generate().public
    assert fingerprint(load_pem_public_key(public.pem.encode())) == public.key_id


def test_two_keys_sign_while_one_takes_the_place_of_the_other() -> None:
    new, old = CheckpointKey.generate("log.example"), CheckpointKey.generate("log.example")
    both = Overlap(new, old)
    assert alongside(both) == (new, old)
    assert alongside(new) == (new,)
    both.public.verify(both.sign(b"note"), b"note")
    assert both.key_id == new.key_id != old.key_id
