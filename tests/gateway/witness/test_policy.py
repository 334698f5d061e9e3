"""Policies of witnesses: what is read, what is refused, and when a quorum is reached."""

import base64
import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.keys import CheckpointKey, CheckpointPublicKey
from gateway.ledger.cosignature import WitnessPublicKey
from gateway.witness.errors import PolicyError
from gateway.witness.policy import MAX_POLICY, Policy, parse_logs, parse_policy

LOG = CheckpointKey.generate("ledger.example/eu").public
KEYS = {
    name: WitnessPublicKey.of(
        f"{name.lower()}.example", Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    )
    for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")
}
WITNESSES = "".join(f"witness {name} {key.vkey}\n" for name, key in KEYS.items())
SMALL = base64.b64encode(b"\1\1" + bytes(31)).decode()  # y = 1, the neutral point
TWO_LEVELS = f"""\
# two organisations
log {LOG.vkey}

{WITNESSES}
group X-witnesses 2 X1 X2 X3
 \tgroup  Y-witnesses\tany Y1 Y2 Y3\t
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def policy(*lines: str) -> Policy:
    return parse_policy((WITNESSES + "\n".join(lines) + "\n").encode())


def test_the_policy_of_the_specification_is_read() -> None:
    read = parse_policy(TWO_LEVELS.encode())
    assert read.logs == (LOG,)
    assert {name: one.key for name, one in read.witnesses.items()} == KEYS
    for count in range(len(KEYS) + 1):
        for names in itertools.combinations(KEYS, count):
            x = sum(name.startswith("X") for name in names)
            assert read.is_enough(names) == (x >= 2 and count > x), names


def test_a_single_witness_or_none_can_be_the_quorum() -> None:
    assert not policy("quorum X2").is_enough(["X1", "X3"])
    assert policy("quorum X2").is_enough(["X2"])
    assert policy("quorum none").is_enough([])
    assert not policy("group all-of-them all X1 X2", "quorum all-of-them").is_enough(["X1"])


def test_strangers_and_names_of_groups_make_no_quorum() -> None:
    read = policy("group g 2 X1 X2", "quorum g")
    assert not read.is_enough(["g", "X1", "stranger"])
    assert not read.is_enough(["X1", "X1"])


def test_addresses_are_kept_and_need_not_be_there() -> None:
    vkey = KEYS["X1"].vkey
    lines = (
        f"log {LOG.vkey} https://log.example/",
        f"witness w {vkey} https://w.example/",
        "quorum w",
    )
    read = parse_policy("\n".join(lines).encode())
    assert read.witnesses["w"].url == "https://w.example/"
    assert policy("quorum none").witnesses["X1"].url is None


def test_the_key_of_a_log_is_no_witness_whatever_its_name() -> None:
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    log, witness = CheckpointPublicKey.of("l.example", key), WitnessPublicKey.of("w.example", key)
    lines = [f"log {log.vkey}\n", f"witness w {witness.vkey}\n"]
    for order in (lines, lines[::-1]):
        with pytest.raises(PolicyError, match="this key is listed already"):
            parse_policy(f"{''.join(order)}quorum none\n".encode())


def test_names_are_octets() -> None:
    vkeys = [key.vkey.encode() for key in KEYS.values()]
    data = b"witness K %s\nwitness \xe2\x84\xaa %s\nwitness \xff\xfe %s\n" % tuple(vkeys[:3])
    read = parse_policy(data + b"group g 2 K \xff\xfe\nquorum g\n")
    assert len(read.witnesses) == 3
    assert read.groups["g"].members == ("K", b"\xff\xfe".decode("utf-8", "surrogateescape"))


def twice_under_another_name(key: WitnessPublicKey) -> str:
    raw = base64.b64decode(key.vkey.split("+", 2)[2])[1:]
    return WitnessPublicKey.of("another.example", raw).vkey


REFUSED = {
    "no quorum": "",
    "two quorums": "quorum X1\nquorum X1",
    "a quorum that is not defined": "quorum g",
    "a quorum that is defined later": "quorum g\ngroup g any X1",
    "a quorum of two names": "quorum X1 X2",
    "a group without members": "group g all\nquorum none",
    "a group of itself": "group g all g\nquorum none",
    "a member that is not defined": "group g all X9\nquorum none",
    "none as a member": "group g all none\nquorum none",
    "none as the name of a group": "group none all X1\nquorum none",
    "a member of two groups": "group g all X1\ngroup h all X1\nquorum h",
    "a member twice": "group g 2 X1 X1\nquorum g",
    "a group with the name of a witness": "group X2 all X1\nquorum none",
    "two groups of one name": "group g all X1\ngroup g all X2\nquorum g",
    "more than there are": "group g 3 X1 X2\nquorum g",
    "zero of them": "group g 0 X1 X2\nquorum g",
    "a leading zero": "group g 02 X1 X2\nquorum g",
    "other digits": "group g ٢ X1 X2\nquorum g",
    "below zero": "group g -1 X1 X2\nquorum g",
    "an unknown word": "quorum X1\nwitnesses X1",
    "a word in capitals": "Quorum X1",
    "a comment behind a line": "quorum X1 # enough",
    "a carriage return": "quorum X1\r",
    "a null": "quorum X1\n# \0",
    "a delete": "quorum X1\n# \x7f",
    "a form feed": "quorum\x0cX1",
    "a witness without a key": "witness w\nquorum none",
    "a witness with a log's key": f"witness w {LOG.vkey}\nquorum none",
    "a witness twice": f"witness w {KEYS['X1'].vkey}\nquorum none",
    "a key under two names": f"witness w {twice_under_another_name(KEYS['X1'])}\nquorum none",
    "a taken name": f"group w any X1\nwitness w {KEYS['X2'].vkey}\nquorum none",
    "too many words": f"witness w {LOG.vkey} https://w.example/ more\nquorum none",
    "a log with a witness's key": f"log {KEYS['X1'].vkey}\nquorum none",
    "a log twice": f"log {LOG.vkey}\nlog {LOG.vkey}\nquorum none",
    "a log without a key": "log\nquorum none",
    "a key whose id is not its own": f"log x{LOG.vkey}\nquorum none",
    "a key of small order": f"log x+00000000+{SMALL}\nquorum none",
    "too many groups": "".join(f"witness w{n} {n}\n" for n in range(65)) + "quorum none",
    "too long": "#" * MAX_POLICY + "\nquorum X1",
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_policy_out_of_form_is_refused(what: str) -> None:
    with pytest.raises(PolicyError):
        policy(REFUSED[what])


def test_at_least_as_many_are_taken_as_the_specification_asks_for() -> None:
    keys = [Ed25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(64)]
    lines = [f"log {CheckpointPublicKey.of('log.example', one).vkey}" for one in keys[:32]]
    lines += [
        f"witness w{n} {WitnessPublicKey.of('w.example', k).vkey}" for n, k in enumerate(keys[32:])
    ]
    lines += [
        "group g0 any w0",
        *(f"group g{n} all g{n - 1} w{n}" for n in range(1, 32)),
        "quorum g31",
    ]
    read = parse_policy("\n".join(lines).encode())
    assert read.is_enough([f"w{n}" for n in range(32)])
    assert not read.is_enough([f"w{n}" for n in range(1, 32)])


def test_a_list_of_logs_has_keys_by_origin_and_nothing_else() -> None:
    second = CheckpointKey.generate(LOG.name).public
    assert parse_logs(f"log {LOG.vkey}\n# after\nlog {second.vkey}\n".encode()) == {
        LOG.name: (LOG, second)
    }
    for wrong in (b"", b"# none\n", TWO_LEVELS.encode(), b"quorum none\n", b"log x\n"):
        with pytest.raises(PolicyError):
            parse_logs(wrong)
