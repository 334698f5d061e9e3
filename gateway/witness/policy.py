"""Policies of witnesses (C2SP tlog-policy): which logs, which witnesses, and how many of them
are enough. Lines of words; what is not understood is refused.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...
    quorum <name>|none
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway.errors import KeyMalformedError
from gateway.keys import CheckpointPublicKey
from gateway.keys.purposes import raw_of_vkey
from gateway.ledger.cosignature import WitnessPublicKey
from gateway.witness.errors import PolicyError

MAX_POLICY = 64 * 1024
MAX_LOGS = 1024
MAX_WITNESSES = 64
MAX_GROUPS = 64
NONE = "none"
# Tab and newline, and no other control character.
_FOREIGN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_COUNT = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness under the name it has in the policy. `url` is its submission prefix."""

    name: str
    key: WitnessPublicKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """`enough` of the members, which are witnesses or groups."""

    enough: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy file says. `quorum` names a witness or a group, or is None."""

    logs: tuple[CheckpointPublicKey, ...]
    witnesses: Mapping[str, PolicyWitness]
    groups: Mapping[str, Group]
    quorum: str | None

    def is_enough(self, cosigned: Collection[str]) -> bool:
        """Whether the witnesses of these names are a quorum."""
        return self.quorum is None or self._has(self.quorum, cosigned)

    def _has(self, name: str, cosigned: Collection[str]) -> bool:
        # As deep as there are groups: each names only those before it.
        if name in self.witnesses:
            return name in cosigned
        group = self.groups[name]
        return sum(self._has(one, cosigned) for one in group.members) >= group.enough


def parse_policy(data: bytes) -> Policy:
    """Read a policy file.

    Raises:
        PolicyError: Anything that is not in the form, or over a limit.
    """
    if len(data) > MAX_POLICY:
        raise PolicyError(f"the policy is longer than {MAX_POLICY} bytes")
    reader = _Reader()
    reader.read(data)
    if not reader.quorums:
        raise PolicyError("the policy has no line `quorum`")
    quorum = reader.quorums[0]
    return Policy(
        tuple(reader.logs),
        reader.witnesses,
        reader.groups,
        None if quorum == NONE else quorum,
    )


def parse_logs(data: bytes) -> Mapping[str, tuple[CheckpointPublicKey, ...]]:
    """The keys of logs by their origin: a file of lines `log`, as in a policy.

    Raises:
        PolicyError: Another line, or no log.
    """
    if len(data) > MAX_LOGS * 512:
        raise PolicyError("the list of logs is too long")
    reader = _Reader(frozenset({"log"}))
    reader.read(data)
    found: dict[str, tuple[CheckpointPublicKey, ...]] = {}
    for key in reader.logs:
        found[key.name] = (*found.get(key.name, ()), key)
    if not found:
        raise PolicyError("no line `log`, so nothing would be witnessed")
    return found


class _Reader:
    """Takes one line after another."""

    def __init__(self, words: frozenset[str] | None = None) -> None:
        self.logs: list[CheckpointPublicKey] = []
        self.witnesses: dict[str, PolicyWitness] = {}
        self.groups: dict[str, Group] = {}
        self.quorums: list[str] = []
        self._used: set[str] = set()
        self._raw: set[bytes] = set()
        takes = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        self._takes = {name: take for name, take in takes.items() if words is None or name in words}

    def read(self, data: bytes) -> None:
        if _FOREIGN.search(data):
            raise PolicyError("the file has a control character besides tab and newline")
        # Names are octets: what is no UTF-8 is kept, and stays different.
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        for number, line in enumerate(lines, 1):
            words = [word for word in re.split("[ \t]+", line) if word]
            if not words or words[0].startswith("#"):
                continue
            try:
                self._takes.get(words[0], self._foreign)(words[1:])
            except (PolicyError, KeyMalformedError) as error:
                raise PolicyError(f"line {number}: {error}") from error

    def _foreign(self, _: list[str]) -> None:
        raise PolicyError(f"a line begins with one of: {', '.join(self._takes)}")

    def _log(self, words: list[str]) -> None:
        if len(words) not in (1, 2) or len(self.logs) >= MAX_LOGS:
            raise PolicyError(f"write `log <vkey> [<url>]`, at most {MAX_LOGS} times")
        key = CheckpointPublicKey.from_vkey(words[0])
        self._once(key.vkey)
        self.logs.append(key)

    def _witness(self, words: list[str]) -> None:
        if len(words) not in (2, 3) or len(self.witnesses) >= MAX_WITNESSES:
            raise PolicyError(
                f"write `witness <name> <vkey> [<url>]`, at most {MAX_WITNESSES} times"
            )
        name, vkey, *url = words
        self._define(name)
        key = WitnessPublicKey.from_vkey(vkey)
        self._once(key.vkey)
        self.witnesses[name] = PolicyWitness(name, key, url[0] if url else None)

    def _group(self, words: list[str]) -> None:
        if len(words) < 3 or len(self.groups) >= MAX_GROUPS:
            raise PolicyError(
                f"write `group <name> all|any|<k> <name>...`, at most {MAX_GROUPS} times"
            )
        name, count, *members = words
        for member in members:
            self._known(member)
            if member in self._used:
                raise PolicyError(f"`{_shown(member)}` is a member already")
            self._used.add(member)
        self._define(name)
        enough = {"all": len(members), "any": 1}.get(count) or _count(count)
        if not 1 <= enough <= len(members):
            raise PolicyError(f"`{_shown(count)}` is no number of {len(members)} members")
        self.groups[name] = Group(enough, tuple(members))

    def _quorum(self, words: list[str]) -> None:
        if len(words) != 1 or self.quorums:
            raise PolicyError("write `quorum <name>`, once")
        if words[0] != NONE:
            self._known(words[0])
        self.quorums.append(words[0])

    def _define(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise PolicyError(f"`{_shown(name)}` is defined already")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise PolicyError(f"`{_shown(name)}` is not defined on a line above")

    def _once(self, vkey: str) -> None:
        # The key itself, whatever its name, id and type: it would count twice, or the log would
        # be its own witness.
        raw = raw_of_vkey(vkey)
        if raw in self._raw:
            raise PolicyError("this key is listed already")
        self._raw.add(raw)


def _count(text: str) -> int:
    return int(text) if _COUNT.fullmatch(text) else 0


def _shown(name: str) -> str:
    return name[:80].encode("utf-8", "backslashreplace").decode()
