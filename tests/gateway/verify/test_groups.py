"""Groups of witnesses in a trust file: the same witnesses are enough as by a policy of C2SP
tlog-policy, and what is not such a group is refused."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import GatewayError, TrustError, WitnessQuorumError
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint
from gateway.ledger.note import parse_note
from gateway.verify.checkpoints import read_checkpoint
from gateway.verify.groups import MAX_DEPTH, MAX_WITNESSES, vkeys_of
from gateway.verify.trust import Trust
from gateway.witness.policy import parse_policy
from tests.gateway.ledger.logs import KEY, ORIGIN
from tests.gateway.verify.fresh import Witness
from tests.gateway.world import World

WITNESSES = [Witness(f"w{number}.example") for number in range(8)]
VKEYS = [one.public.vkey for one in WITNESSES]
NOTE = sign_checkpoint(Checkpoint(ORIGIN, 7, b"r" * 32), KEY)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with World(tmp_path_factory.mktemp("world")) as world:
        document = world.trust.to_json()
    return {
        **document,
        "format": "charter-trust/v2",
        "log": {"origin": ORIGIN, "vkey": KEY.public.vkey},
    }


def trust(base: Any, witnesses: object) -> Trust:
    return Trust.from_json(json.dumps({**base, "witnesses": witnesses}).encode())


def cosigned(signers: list[Witness]) -> bytes:
    return (NOTE + "".join(one.line(NOTE) for one in signers)).encode()


# --- what is enough ------------------------------------------------------------------


def any_group(draw: random.Random, names: list[str], depth: int = 0) -> tuple[Any, list[str], str]:
    """A random tree over the witnesses: as in a trust file, as lines of a policy, and the name
    of its top there."""
    if len(names) == 1 and (depth or draw.random() < 0.5):
        return VKEYS[int(names[0][1:])], [], names[0]
    cuts = sorted(draw.sample(range(1, len(names)), draw.randint(0, len(names) - 1)))
    parts = [names[a:b] for a, b in zip([0, *cuts], [*cuts, len(names)], strict=True)]
    if parts == [names] and len(names) > 1:
        parts = [[one] for one in names]
    made = [any_group(draw, part, depth + 1) for part in parts]
    enough, own = draw.randint(1, len(made)), f"g{depth}-{names[0]}-{draw.random()}"
    lines = [line for _, more, _ in made for line in more]
    lines.append(f"group {own} {enough} {' '.join(name for *_, name in made)}")
    return {"enough": enough, "of": [one for one, *_ in made]}, lines, own


@pytest.mark.parametrize("seed", range(40))
def test_the_same_are_enough_as_by_a_policy(base: Any, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - to be the same each time
    names = [f"n{number}" for number in range(draw.randint(1, 8))]
    value, lines, top = any_group(draw, names)
    if isinstance(value, str):
        value = {"enough": 1, "of": [value]}
    witnesses = [f"witness {name} {VKEYS[int(name[1:])]}" for name in names]
    policy = parse_policy("\n".join([*witnesses, *lines, f"quorum {top}"]).encode())
    given = trust(base, {"quorum": value})
    assert Trust.from_json(json.dumps(given.to_json()).encode()).terms == given.terms
    for _ in range(12):
        signed = [name for name in names if draw.random() < 0.6]
        note = cosigned([WITNESSES[int(name[1:])] for name in signed])
        if policy.is_enough(signed):
            read_checkpoint(note, given)
        else:
            with pytest.raises(WitnessQuorumError):
                read_checkpoint(note, given)


def test_who_is_named_besides_is_checked_and_not_demanded(base: Any) -> None:
    given = trust(base, {"quorum": {"enough": 1, "of": [VKEYS[0]]}, "vkeys": [VKEYS[1]]})
    assert given.terms.check_cosigned(parse_note(cosigned(WITNESSES[:2]))).keys() == {
        "w0.example",
        "w1.example",
    }
    with pytest.raises(WitnessQuorumError):
        read_checkpoint(cosigned(WITNESSES[1:2]), given)
    read_checkpoint(cosigned(WITNESSES[:1]), given)
    damaged = cosigned(WITNESSES[:1]).decode() + WITNESSES[1].line(NOTE.replace("\n7\n", "\n8\n"))
    with pytest.raises(GatewayError, match="does not hold"):
        read_checkpoint(damaged.encode(), given)
    read_checkpoint(cosigned([]), given, witnessed=False)
    assert Trust.from_json(json.dumps(given.to_json()).encode()).terms == given.terms


def test_one_witness_twice_in_a_note_counts_once(base: Any) -> None:
    given = trust(base, {"quorum": {"enough": 2, "of": VKEYS[:2]}})
    with pytest.raises(WitnessQuorumError, match=r"1 known .* expected 2"):
        read_checkpoint(cosigned([WITNESSES[0], WITNESSES[0]]), given)


@pytest.mark.parametrize("quorum", [0, 1, 2])
def test_the_form_of_before_means_what_it_meant(base: Any, quorum: int) -> None:
    given = trust(base, {"quorum": quorum, "vkeys": VKEYS[:2]})
    assert given.to_json()["witnesses"] == {"quorum": quorum, "vkeys": VKEYS[:2]}
    for signers in range(3):
        if signers >= quorum:
            read_checkpoint(cosigned(WITNESSES[:signers]), given)
        else:
            with pytest.raises(WitnessQuorumError):
                read_checkpoint(cosigned(WITNESSES[:signers]), given)


# --- what is none --------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = VKEYS[0]
    for _ in range(depth):
        value = {"enough": 1, "of": [value]}
    return value


def many(count: int) -> Any:
    return [{"enough": 1, "of": [Witness(f"m{n}").public.vkey]} for n in range(count)]


WRONG: dict[str, Callable[[], object]] = {
    "no members": lambda: {"quorum": {"enough": 0, "of": []}},
    "nobody is enough": lambda: {"quorum": {"enough": 0, "of": VKEYS[:2]}},
    "more than there are": lambda: {"quorum": {"enough": 3, "of": VKEYS[:2]}},
    "true": lambda: {"quorum": {"enough": True, "of": VKEYS[:2]}},
    "a text": lambda: {"quorum": {"enough": "1", "of": VKEYS[:2]}},
    "all of": lambda: {"quorum": {"of": VKEYS[:2]}},
    "nothing of": lambda: {"quorum": {"enough": 1}},
    "something else": lambda: {"quorum": {"enough": 1, "of": VKEYS[:1], "name": "eu"}},
    "of a text": lambda: {"quorum": {"enough": 1, "of": VKEYS[0]}},
    "a member that is a number": lambda: {"quorum": {"enough": 1, "of": [1]}},
    "a member that is a list": lambda: {"quorum": {"enough": 1, "of": [VKEYS[:1]]}},
    "no key": lambda: {"quorum": {"enough": 1, "of": ["w0.example+00000000+AAAA"]}},
    "the key of a log": lambda: {"quorum": {"enough": 1, "of": [KEY.public.vkey]}},
    "one witness in two groups": lambda: {
        "quorum": {"enough": 2, "of": [VKEYS[0], {"enough": 1, "of": VKEYS[:2]}]}
    },
    "one witness in a group and besides": lambda: {
        "quorum": {"enough": 1, "of": VKEYS[:1]},
        "vkeys": VKEYS[:1],
    },
    "too deep": lambda: {"quorum": nested(MAX_DEPTH + 1)},
    "much too deep": lambda: {"quorum": nested(60)},
    "too many": lambda: {"quorum": {"enough": 1, "of": [*many(MAX_WITNESSES), VKEYS[0]]}},
    "too many in all": lambda: {
        "quorum": {
            "enough": 1,
            "of": [{"enough": 1, "of": many(33)}, {"enough": 1, "of": many(32)}],
        }
    },
    "a number without keys": lambda: {"quorum": 1},
    "groups beside a number": lambda: {"quorum": 1, "vkeys": [{"enough": 1, "of": VKEYS[:1]}]},
    "a list": lambda: [{"enough": 1, "of": VKEYS[:1]}],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_group_is_refused(base: Any, name: str) -> None:
    with pytest.raises(TrustError):
        trust(base, WRONG[name]())


def test_as_deep_and_as_many_as_may_be(base: Any) -> None:
    trust(base, {"quorum": nested(MAX_DEPTH)})
    assert len(trust(base, {"quorum": {"enough": 9, "of": many(64)}}).terms.witnesses) == 64


def test_a_trust_file_of_version_1_names_none(base: Any) -> None:
    with pytest.raises(TrustError):
        Trust.from_json(
            json.dumps(
                {
                    **base,
                    "format": "charter-trust/v1",
                    "witnesses": {"quorum": {"enough": 1, "of": VKEYS[:1]}},
                }
            ).encode()
        )


def test_keys_are_found_wherever_they_stand() -> None:
    assert list(vkeys_of({"quorum": 1, "vkeys": VKEYS[:2]})) == VKEYS[:2]
    tree = {"enough": 1, "of": [VKEYS[0], {"enough": 1, "of": VKEYS[1:3]}]}
    assert list(vkeys_of({"quorum": tree, "vkeys": VKEYS[3:4]})) == VKEYS[:4]
    assert list(vkeys_of([])) == []
    for wrong in (None, 1, {"vkeys": 1}, {"quorum": True}, {"quorum": {"enough": 1, "of": [None]}}):
        with pytest.raises(TrustError):
            list(vkeys_of(wrong))
