"""Whom to believe: the trust file that an auditor got by a way of their own.

    {"format": "charter-trust/v1", "log": {"origin", "vkey"},
     "decision_keys": [{"keyid", "pem"}]}

Version 2 may say more, each member on its own:

    {"format": "charter-trust/v2", "log": {...},
     "decision_keys": [{"keyid", "pem", "from"?, "until"?}],
     "further_logs"?: [{"origin", "vkey", "last_size"?}],  other keys, shards before or after
     "threshold"?: 1,                                    decision keys that must have signed
     "witnesses"?: {"quorum": 1, "vkeys": ["..."]},      who must have cosigned; or the quorum
                                                         is a group, see `gateway.verify.groups`
     "rules"?: [{"digest", "from"?, "until"?}],          bundles that may have decided
     "receipt_keys"?: [{"origin", "keyid", "pem", "from"?, "until"?}],   keys of COSE receipts
     "timestamps"?: {"roots": [pem], "signers"?: [pem], "policy"?, "required"?: false}}

`from` is the first instant and `until` the first one after, in RFC 3339. No checkpoint that is
larger than `last_size` is believed from that key.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.errors import JsonError, KeyMalformedError, TrustError
from gateway.keys import CheckpointPublicKey, DecisionPublicKey
from gateway.keys.purposes import raw_of_vkey
from gateway.ledger.cosignature import WitnessPublicKey
from gateway.record.canonical import Json, load_strict
from gateway.verify.groups import Group, read_group
from gateway.verify.instant import parse_instant
from gateway.verify.refused import (
    CheckpointKeyPeriodError,
    TrustEmptyError,
    TrustKeyRefusedError,
    TrustKeyTwiceError,
)
from gateway.verify.terms import Period, ReceiptKey, Terms, Timestampers

TRUST_FORMAT = "charter-trust/v1"
TRUST_FORMAT_2 = "charter-trust/v2"
MAX_TRUST = 256 * 1024
_NEEDED = {"format", "log", "decision_keys"}
_FURTHER = {"further_logs", "threshold", "witnesses", "rules", "timestamps", "receipt_keys"}


@dataclass(frozen=True, slots=True)
class Trust:
    """One log, the keys that sign decisions, by their id, and the terms of both."""

    origin: str
    log_key: CheckpointPublicKey
    decision_keys: Mapping[str, DecisionPublicKey]
    terms: Terms = field(default_factory=Terms)

    @staticmethod
    def from_json(data: bytes) -> "Trust":
        """Read a trust file.

        Raises:
            TrustError: Another shape, no decision key, two of one id, an id that is not
                its key's, or a key that nobody should trust.
        """
        if not data:
            raise TrustEmptyError("the trust file is empty")
        try:
            value = load_strict(data, max_bytes=MAX_TRUST)
        except JsonError as error:
            raise TrustError(f"the trust file is not strict JSON: {error}") from error
        later = isinstance(value, dict) and value.get("format") == TRUST_FORMAT_2
        file = _members(value, "the trust file", _NEEDED, _FURTHER if later else set())
        if not later and file["format"] != TRUST_FORMAT:
            raise TrustError(f"the trust file is not of format {TRUST_FORMAT}")
        try:
            origin, log_key = _log(file["log"])
            keys, periods = _decision_keys(file["decision_keys"], later)
            terms = replace(_terms(file, periods), receipt_keys=_receipt_keys(file, keys))
            return Trust(origin, log_key, keys, terms)
        except KeyMalformedError as error:
            raise TrustKeyRefusedError(f"a key of the trust file is refused: {error}") from error

    def check_size(self, key: CheckpointPublicKey, size: int) -> None:
        """Refuse a checkpoint that is larger than any that a key may have signed.

        Raises:
            CheckpointKeyPeriodError: It is.
        """
        last = self.terms.last_sizes.get(key.vkey)
        if last is not None and size > last:
            raise CheckpointKeyPeriodError(
                f"key {key.name}+{key.key_id} ended at size {last}, the checkpoint is of {size}"
            )

    def log_keys(self, origin: str) -> Sequence[CheckpointPublicKey]:
        """The keys that may have signed checkpoints of a log."""
        logs = ((self.origin, self.log_key), *self.terms.further_logs)
        return [key for name, key in logs if name == origin]

    def to_json(self) -> dict[str, Json]:
        """The value that a trust file holds, of version 1 where that can say it."""
        further = self.terms.to_json()
        later = further or self.terms.periods
        return {
            "format": TRUST_FORMAT_2 if later else TRUST_FORMAT,
            "log": {"origin": self.origin, "vkey": self.log_key.vkey},
            "decision_keys": [
                {"keyid": key.key_id, "pem": key.pem, **self._period(key.key_id).to_json()}
                for key in self.decision_keys.values()
            ],
            **further,
        }

    def _period(self, key_id: str) -> Period:
        return self.terms.periods.get(key_id, Period())


def _decision_keys(
    value: Json, later: bool
) -> tuple[Mapping[str, DecisionPublicKey], Mapping[str, Period]]:
    keys: dict[str, DecisionPublicKey] = {}
    periods: dict[str, Period] = {}
    for element in _list(value, "decision_keys"):
        further = {"from", "until"} if later else set[str]()
        entry = _members(element, "a decision key", {"keyid", "pem"}, further)
        key = _key(entry, keys, "decision")
        keys[key.key_id] = key
        period = _period_of(entry)
        if period != Period():
            periods[key.key_id] = period
    if not keys:
        raise TrustEmptyError("decision_keys lists no key")
    return MappingProxyType(keys), MappingProxyType(periods)


def _key(entry: Mapping[str, Json], listed: Container[object], kind: str) -> DecisionPublicKey:
    key = DecisionPublicKey.from_pem(_text(entry["pem"], "pem"))
    if entry["keyid"] in listed:
        raise TrustKeyTwiceError(f"{kind} key {entry['keyid']} is listed twice")
    if entry["keyid"] != key.key_id:
        raise TrustKeyRefusedError(f"a {kind} key is named {entry['keyid']!r}, but is {key.key_id}")
    return key


def _receipt_keys(file: Mapping[str, Json], decision: Container[str]) -> tuple[ReceiptKey, ...]:
    keys: dict[str, ReceiptKey] = {}
    for element in _list(file.get("receipt_keys", []), "receipt_keys"):
        entry = _members(element, "a receipt key", {"origin", "keyid", "pem"}, {"from", "until"})
        key = _key(entry, keys, "receipt")
        if key.key_id in decision:
            raise TrustKeyTwiceError(f"key {key.key_id} is for decisions and for receipts")
        origin = _text(entry["origin"], "origin")
        keys[key.key_id] = ReceiptKey(origin, key, _period_of(entry))
    return tuple(keys.values())


def _terms(file: Mapping[str, Json], periods: Mapping[str, Period]) -> Terms:
    threshold = file.get("threshold", 1)
    if type(threshold) is not int or threshold < 1:
        raise TrustError("threshold is no whole number above 0")
    quorum, group, witnesses = _witnesses(file.get("witnesses"))
    rules: dict[str, Period] = {}
    for element in _list(file.get("rules", []), "rules"):
        entry = _members(element, "an element of rules", {"digest"}, {"from", "until"})
        if (
            rules.setdefault(_text(entry["digest"], "digest"), period := _period_of(entry))
            != period
        ):
            raise TrustError("rules lists one digest twice")
    further = _list(file.get("further_logs", []), "further_logs")
    logs = tuple(_log(one, {"last_size"}) for one in further)
    vkeys = [_log(file["log"])[1].vkey, *(key.vkey for _, key in logs)]
    if len(set(vkeys)) != len(vkeys):
        raise TrustKeyTwiceError("a key of a log is listed twice")
    if {raw_of_vkey(one) for one in vkeys} & {raw_of_vkey(key.vkey) for key in witnesses}:
        raise TrustKeyTwiceError("a key is that of a log and of a witness")
    return Terms(
        periods=periods,
        further_logs=logs,
        last_sizes=_last_sizes(further),
        threshold=threshold,
        quorum=quorum,
        witnesses=witnesses,
        group=group,
        rules=MappingProxyType(rules),
        timestamps=_timestampers(file.get("timestamps")),
    )


def _last_sizes(further: list[Json]) -> Mapping[str, int]:
    """By vkey; `further` are logs that were read before."""
    sizes: dict[str, int] = {}
    for one in further:
        if isinstance(one, dict) and "last_size" in one:
            size = one["last_size"]
            if type(size) is not int or size < 0:
                raise TrustError("last_size is no whole number from 0")
            sizes[str(one["vkey"])] = size
    return MappingProxyType(sizes)


def _log(value: Json, further: set[str] | None = None) -> tuple[str, CheckpointPublicKey]:
    log = _members(value, "log", {"origin", "vkey"}, further)
    origin = _text(log["origin"], "origin")
    return origin, CheckpointPublicKey.from_vkey(_text(log["vkey"], "vkey"))


def _witnesses(value: Json) -> tuple[int, Group | None, tuple[WitnessPublicKey, ...]]:
    if value is None:
        return 0, None, ()
    nested = isinstance(value, dict) and isinstance(value.get("quorum"), dict)
    further = {"vkeys"} if nested else set[str]()
    entry = _members(value, "witnesses", {"quorum", "vkeys"} - further, further)
    vkeys = _list(entry.get("vkeys", []), "vkeys")
    keys = tuple(WitnessPublicKey.from_vkey(_text(one, "a vkey")) for one in vkeys)
    quorum = entry["quorum"]
    group = read_group(quorum) if nested else None
    if group is not None:
        keys = (*group.witnesses(), *keys)
    # The keys themselves: under two names one would count twice.
    if len({raw_of_vkey(key.vkey) for key in keys}) != len(keys):
        raise TrustKeyTwiceError("a witness is listed twice")
    if group is not None:
        return 0, group, keys
    if type(quorum) is not int or not 0 <= quorum <= len(keys):
        raise TrustError("the quorum is no number of witnesses that are listed")
    return quorum, None, keys


def _timestampers(value: Json) -> Timestampers | None:
    if value is None:
        return None
    entry = _members(value, "timestamps", {"roots"}, {"signers", "policy", "required"})
    roots = tuple(_text(one, "a root") for one in _list(entry["roots"], "roots"))
    signers = tuple(_text(one, "a signer") for one in _list(entry.get("signers", []), "signers"))
    policy, required = entry.get("policy"), entry.get("required", False)
    if not roots or type(required) is not bool:
        raise TrustError("timestamps has roots, and `required` is true or false")
    return Timestampers(
        roots, signers, None if policy is None else _text(policy, "policy"), required
    )


def _period_of(entry: Mapping[str, Json]) -> Period:
    try:
        start, end = (
            parse_instant(entry[name]) if name in entry else None for name in ("from", "until")
        )
    except ValueError as error:
        raise TrustError(f"`from` or `until` is {error}") from error
    if start is not None and end is not None and end <= start:
        raise TrustError("`until` is not after `from`")
    return Period(start, end)


def _members(
    value: Json, what: str, needed: set[str], further: set[str] | None = None
) -> dict[str, Json]:
    if not isinstance(value, dict) or not needed <= value.keys() <= needed | (further or set()):
        raise TrustError(f"{what} has exactly {', '.join(sorted(needed | (further or set())))}")
    return value


def _list(value: Json, name: str) -> list[Json]:
    if not isinstance(value, list):
        raise TrustError(f"{name} is no list")
    return value


def _text(value: Json, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise TrustError(f"{name} is no text")
    return value
