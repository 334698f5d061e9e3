"""What `charter serve` is told of witnesses: nothing is unwitnessed by mistake."""

from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import witness_options
from gateway.cli.witnessing import Witnessing
from gateway.errors import ConfigurationError
from gateway.keys import CheckpointKey
from gateway.ledger.cosignature import WitnessPublicKey
from gateway.witness.kept import FILE
from gateway.witness.key import WitnessKey
from gateway.witness.ledger import WitnessedLedger
from gateway.witness.required import RequiredLedger
from tests.gateway.ledger.logs import KEY, append, open_log

WITNESS: WitnessPublicKey = WitnessKey.generate("w.example").public
LINE = f"witness w {WITNESS.vkey} https://w.example/p\n"


def told(policy: Path | None, mode: str, **changes: Any) -> Namespace:
    settings: dict[str, Any] = {
        "witness_mode": mode,
        "witness_policy": policy,
        "witness_interval": 10,
        "witness_ms": 1000,
        "witness_ca": None,
        "witness_networks": [],
    }
    return Namespace(**{**settings, **changes})


def test_where_nobody_is_asked_the_ledger_is_the_log_itself() -> None:
    assert Witnessing.of(told(None, "none")) is None
    assert Witnessing.of(Namespace()) is None


@pytest.mark.parametrize(
    ("mode", "kind"), [("background", WitnessedLedger), ("required", RequiredLedger)]
)
def test_each_mode_makes_its_ledger(tmp_path: Path, mode: str, kind: type) -> None:
    policy = tmp_path / "policy"
    policy.write_text(f"log {KEY.public.vkey}\n{LINE}quorum w\n")
    made = Witnessing.of(told(policy, mode))
    assert made is not None
    ledger = made.over(open_log(tmp_path / "log"), tmp_path / "log", KEY.public)
    assert type(ledger) is kind
    ledger.close()


POLICIES = {
    "no quorum line": LINE,
    "quorum none": LINE + "quorum none\n",
    "no address": f"witness w {WITNESS.vkey}\nquorum w\n",
    "an address in the clear": f"witness w {WITNESS.vkey} http://w.example\nquorum w\n",
    "an address with a query": f"witness w {WITNESS.vkey} https://w.example/?a=b\nquorum w\n",
    "an address with a user": f"witness w {WITNESS.vkey} https://u@w.example/\nquorum w\n",
    "too few addresses": LINE
    + f"witness v {WitnessKey.generate('v.example').public.vkey}\ngroup g all w v\nquorum g\n",
    "nothing": "",
}


@pytest.mark.parametrize("what", POLICIES)
def test_a_policy_that_no_answer_could_meet_is_refused(tmp_path: Path, what: str) -> None:
    policy = tmp_path / "policy"
    policy.write_text(POLICIES[what])
    with pytest.raises(ConfigurationError):
        Witnessing.of(told(policy, "required"))


def test_a_mode_without_a_policy_and_a_policy_without_a_mode_are_refused(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text(LINE + "quorum w\n")
    for wrong in (told(None, "required"), told(None, "background"), told(policy, "none")):
        with pytest.raises(ConfigurationError):
            Witnessing.of(wrong)
    with pytest.raises(ConfigurationError):
        Witnessing.of(told(tmp_path / "missing", "required"))


def test_a_policy_of_another_log_and_an_old_ledger_are_refused(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    other = CheckpointKey.generate("other.example").public
    policy.write_text(f"log {other.vkey}\n{LINE}quorum w\n")
    made = Witnessing.of(told(policy, "background"))
    assert made is not None
    with open_log(tmp_path / "log") as log, pytest.raises(ConfigurationError, match="other logs"):
        made.over(log, tmp_path / "log", KEY.public)
    policy.write_text(LINE + "quorum w\n")
    made = Witnessing.of(told(policy, "background"))
    assert made is not None
    with open_log(tmp_path / "longer") as log:
        append(log, "a", "b")
        (tmp_path / "log" / FILE).write_text(log.latest_checkpoint())
    with open_log(tmp_path / "log") as log, pytest.raises(ConfigurationError, match="old copy"):
        made.over(log, tmp_path / "log", KEY.public)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (witness_options.mode, "sometimes"),
        (witness_options.mode, ""),
        (witness_options.interval, "0"),
        (witness_options.interval, "86401"),
        (witness_options.interval, "1.5"),
        (witness_options.timeout, "1801"),
        (witness_options.timeout, "-1"),
        (witness_options.timeout, "٣"),
        (witness_options.networks, "0.0.0.0/0"),
        (witness_options.networks, "::/0"),
        (witness_options.networks, "localhost"),
        (witness_options.networks, ",".join(["10.0.0.0/8"] * 17)),
    ],
)
def test_a_value_that_is_none_is_refused(read: Any, text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        read(text)
