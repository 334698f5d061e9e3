"""Which witnesses are enough: groups of C2SP tlog-policy, nested, as a trust file has them.

    {"enough": 2, "of": ["<vkey>", {"enough": 1, "of": ["<vkey>", "<vkey>"]}]}

A group has cosigned when enough of its members have, and the outermost must have. Each witness
stands in one place, so that nobody counts twice.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Union, cast

from gateway.errors import TrustError
from gateway.ledger.cosignature import WitnessPublicKey
from gateway.record.canonical import Json

MAX_DEPTH = 8
MAX_WITNESSES = 64


@dataclass(frozen=True, slots=True)
class Group:
    """`enough` of the members, which are witnesses or groups."""

    enough: int
    of: tuple[Union[WitnessPublicKey, "Group"], ...]

    def witnesses(self) -> Iterator[WitnessPublicKey]:
        """All witnesses in it, from left to right."""
        for one in self.of:
            if isinstance(one, Group):
                yield from one.witnesses()
            else:
                yield one

    def count(self, signed: Collection[WitnessPublicKey]) -> int:
        """How many of the members have cosigned."""
        return sum(
            one.count(signed) >= one.enough if isinstance(one, Group) else one in signed
            for one in self.of
        )

    def to_json(self) -> dict[str, Json]:
        members: list[Json] = [
            one.to_json() if isinstance(one, Group) else one.vkey for one in self.of
        ]
        return {"enough": self.enough, "of": members}


def read_group(value: Json, depth: int = 1) -> Group:
    """The group in a trust file.

    Raises:
        TrustError: Another shape, an impossible number, or too many or too deep.
        KeyMalformedError: A key that nobody should trust.
    """
    if depth > MAX_DEPTH:
        raise TrustError(f"groups of witnesses are nested deeper than {MAX_DEPTH}")
    if not isinstance(value, dict) or value.keys() != {"enough", "of"}:
        raise TrustError("a group of witnesses has exactly enough, of")
    enough, listed = value["enough"], value["of"]
    if not isinstance(listed, list) or len(listed) > MAX_WITNESSES:
        raise TrustError(f"`of` is a list of at most {MAX_WITNESSES} witnesses and groups")
    if type(enough) is not int or not 1 <= enough <= len(listed):
        raise TrustError(f"`enough` is no number of {len(listed)} members")
    group = Group(enough, tuple(_member(one, depth) for one in listed))
    if depth == 1 and sum(1 for _ in group.witnesses()) > MAX_WITNESSES:
        raise TrustError(f"a trust file names at most {MAX_WITNESSES} witnesses")
    return group


def _member(value: Json, depth: int) -> WitnessPublicKey | Group:
    if isinstance(value, str):
        return WitnessPublicKey.from_vkey(value)
    return read_group(value, depth + 1)


def vkeys_of(witnesses: object) -> Iterator[str]:
    """The verifier keys in the member `witnesses` of a trust file, which is not read strictly.

    Raises:
        TrustError: Something in it can be neither a key nor a number of them.
    """
    match witnesses:
        case str():
            yield witnesses
        case list():
            for one in cast("list[object]", witnesses):
                yield from vkeys_of(one)
        case dict():
            for name, value in cast("dict[str, object]", witnesses).items():
                if name not in ("quorum", "enough") or type(value) is not int:
                    yield from vkeys_of(value)
        case _:
            raise TrustError(f"{witnesses!r:.40} names no witness")
