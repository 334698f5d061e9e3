"""On which terms a key, a log or a bundle is believed: what trust files of version 2 say."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from gateway.errors import WitnessQuorumError
from gateway.keys import CheckpointPublicKey, DecisionPublicKey
from gateway.ledger.cosignature import WitnessPublicKey, read_cosignatures
from gateway.ledger.note import Note
from gateway.record.canonical import Json
from gateway.verify.groups import Group


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` on, and before `end`; open where it is None."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)

    def to_json(self) -> dict[str, Json]:
        ends = {"from": self.start, "until": self.end}
        return {name: at.isoformat() for name, at in ends.items() if at is not None}


@dataclass(frozen=True, slots=True)
class Timestampers:
    """Who may say when a checkpoint existed, as PEM; `signers` pins those that sign."""

    roots: tuple[str, ...]
    signers: tuple[str, ...] = ()
    policy: str | None = None
    required: bool = False

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {"roots": list(self.roots), "required": self.required}
        if self.signers:
            value["signers"] = list(self.signers)
        return value if self.policy is None else {**value, "policy": self.policy}


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """A key that signs receipts of the log `origin`, and when it counts."""

    origin: str
    key: DecisionPublicKey
    period: Period = field(default_factory=Period)

    def to_json(self) -> dict[str, Json]:
        named = {"origin": self.origin, "keyid": self.key.key_id, "pem": self.key.pem}
        return {**named, **self.period.to_json()}


def _no_periods() -> Mapping[str, Period]:
    return MappingProxyType({})


def _no_sizes() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Terms:
    """What version 2 of a trust file may say besides; `periods` are of decision keys by id,
    `rules` of bundles by digest, `last_sizes` of keys of `further_logs` by vkey. `witnesses` are
    all that are known; `quorum` of them must have cosigned, or those of `group`."""

    periods: Mapping[str, Period] = field(default_factory=_no_periods)
    further_logs: tuple[tuple[str, CheckpointPublicKey], ...] = ()
    last_sizes: Mapping[str, int] = field(default_factory=_no_sizes)
    threshold: int = 1
    quorum: int = 0
    witnesses: tuple[WitnessPublicKey, ...] = ()
    group: Group | None = None
    rules: Mapping[str, Period] = field(default_factory=_no_periods)
    timestamps: Timestampers | None = None
    receipt_keys: tuple[ReceiptKey, ...] = ()

    @property
    def demands_witnesses(self) -> bool:
        """Whether a checkpoint counts only if it is cosigned."""
        return self.group is not None or self.quorum > 0

    def without_witnesses(self) -> "Terms":
        """The same where nobody needs to have cosigned."""
        return replace(self, quorum=0, group=None)

    def check_cosigned(self, note: Note, *, demanded: bool = True) -> dict[str, int]:
        """Check all lines of known witnesses, and that enough of them signed where that is
        `demanded`; as `verify_cosignatures`."""
        signed = read_cosignatures(note, self.witnesses)
        expected, found = self.quorum, len(signed)
        if self.group is not None:
            expected, found = self.group.enough, self.group.count(signed)
        if demanded and found < expected:
            raise WitnessQuorumError(expected=expected, found=found)
        return {key.name: time for key, time in signed.items()}

    def _last_size(self, key: CheckpointPublicKey) -> dict[str, Json]:
        size = self.last_sizes.get(key.vkey)
        return {} if size is None else {"last_size": size}

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {}
        if self.further_logs:
            value["further_logs"] = [
                {"origin": origin, "vkey": key.vkey, **self._last_size(key)}
                for origin, key in self.further_logs
            ]
        if self.threshold != 1:
            value["threshold"] = self.threshold
        if self.group is not None:
            inside = set(self.group.witnesses())
            more: list[Json] = [key.vkey for key in self.witnesses if key not in inside]
            quorum = self.group.to_json()
            value["witnesses"] = {"quorum": quorum, **({"vkeys": more} if more else {})}
        elif self.witnesses:
            vkeys: list[Json] = [key.vkey for key in self.witnesses]
            value["witnesses"] = {"quorum": self.quorum, "vkeys": vkeys}
        if self.rules:
            value["rules"] = [{"digest": one, **p.to_json()} for one, p in self.rules.items()]
        if self.timestamps is not None:
            value["timestamps"] = self.timestamps.to_json()
        if self.receipt_keys:
            value["receipt_keys"] = [one.to_json() for one in self.receipt_keys]
        return value
