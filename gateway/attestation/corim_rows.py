"""What of a CoRIM can be compared with evidence here: reference values of an appraisal policy,
and a list of all else that it says.

A value counts where the whole of its measurement can be compared. What goes with the digest of
software itself (version, name, signer) does not have to be; any other condition that cannot be
compared leaves its measurement out, so that nothing is admitted that the maker did not admit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway import cbor
from gateway.attestation.anchors import CcaPlatform
from gateway.attestation.corim import Corim, Signer
from gateway.attestation.corim_comid import Comid, Environment, Measurement, Triple
from gateway.attestation.corim_keys import platform_keys
from gateway.attestation.corim_profiles import ALGORITHMS, How, how_to_read
from gateway.attestation.errors import (
    EvidenceExpiredError,
    EvidenceMalformedError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Technology
from gateway.attestation.policy import MAX_ROWS, Reference

_PEM, _MEMBER_OF, _MEMBER = 554, 60020, 6
# What the digest of software settles: version, SVN, name, its signer; in Intel's profile its
# date, SVN and product.
_SETTLED: Mapping[cbor.Key, str] = {
    0: "version", 1: "svn", 11: "name", 13: "cryptokeys", -72: "tcbdate", -73: "isvsvn",
    -85: "isvprodid",
}  # fmt: skip
_LABELS: Mapping[cbor.Key, str] = {
    **_SETTLED, 2: "digests", 3: "flags", 4: "raw-value", 5: "raw-value-mask", 6: "mac-addr",
    7: "ip-addr", 8: "serial-number", 9: "ueid", 10: "uuid", 14: "integrity-registers",
    15: "int-range", -77: "instanceid", -80: "pceid", -81: "miscselect", -82: "attributes",
    -83: "mrtee", -84: "mrsigner", -86: "tcbevalnum", -88: "tcbstatus", -89: "advisoryids",
    -125: "tcbcompsvn",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A reference value, and of which environment it is."""

    environment: str
    reference: Reference


@dataclass(frozen=True)
class Imported:
    """What came of a manifest.

    Attributes:
        environments: Of which there are rows. A policy tells technologies apart and not
            environments: rows of two together would admit mixtures of them.
        left: What it says and no row does, in words, each with its place.
        keys: Rows of a file of anchors.
    """

    technology: Technology
    rows: tuple[Row, ...]
    environments: tuple[str, ...]
    left: tuple[str, ...]
    keys: tuple[CcaPlatform, ...] = ()


@dataclass
class _Sheet:
    """Rows so far: digests by environment and measurement, with what they come from."""

    digests: dict[tuple[str, str], list[str]] = field(
        default_factory=dict[tuple[str, str], list[str]]
    )
    sources: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    states: dict[str, list[frozenset[str]]] = field(default_factory=dict[str, list[frozenset[str]]])
    left: list[str] = field(default_factory=list[str])


def references(
    corim: Corim,
    signer: Signer | None,
    *,
    at: datetime,
    technology: Technology | None = None,
    names: Mapping[str, str] | None = None,
) -> Imported:
    """The reference values of a manifest.

    Args:
        signer: Whose word it is, as `verify_corim` found; None for the operator's.
        at: When it is imported: the first day of rows where the manifest names none.
        technology: Of which the values are, where the manifest has no profile that tells.
        names: The measurement that a key of the manifest means, such as a UUID: `launch`.

    Raises:
        EvidenceIncompleteError: Nothing tells the technology.
        EvidenceUnsupportedError: Its profile or technology is not one that is compared here.
        EvidenceBindingError: Its profile is of another technology, or a name of none.
        EvidenceExpiredError: It does not count for one whole day.
        EvidenceMalformedError: A digest is not of the length of its algorithm.
    """
    how = how_to_read(corim, technology, names or {})
    sheet = _Sheet(left=list(corim.others))
    for comid in corim.comids:
        _read(comid, how, corim, signer, sheet)
    first, last = _days(corim, at)
    rows = [
        Row(
            environment,
            Reference(
                source=sheet.sources[environment, name],
                valid_from=first,
                valid_until=last,
                measurement=name,
                any_of=tuple(dict.fromkeys(digests)),
            ),
        )
        for (environment, name), digests in sheet.digests.items()
    ]
    if len(rows) > MAX_ROWS:
        raise EvidenceUnsupportedError(f"more than {MAX_ROWS} reference values")
    environments = tuple(dict.fromkeys(row.environment for row in rows))
    sources = {one.id: _source(one, corim, signer) for one in corim.comids}
    keys = platform_keys(corim, sources, first, last)
    left = (*sheet.left, *keys.left)
    return Imported(how.technology, tuple(rows), environments, left, keys.rows)


# --- one tag -------------------------------------------------------------------------


def _read(comid: Comid, how: How, corim: Corim, signer: Signer | None, sheet: _Sheet) -> None:
    place = f"tag {comid.id}"
    sheet.left += [f"{place}: {words}" for words in comid.others]
    for number, triple in enumerate(comid.references):
        inside = f"{place}, reference values {number}"
        found = _state(triple, how, signer, inside, sheet)
        own = triple.environment.text
        if not found or _mixes(own, frozenset(found), inside, sheet):
            continue
        for name, digests in found.items():
            sheet.digests.setdefault((own, name), []).extend(digests)
            source = f"{_source(comid, corim, signer)}, of {own:.150}"
            sheet.sources.setdefault((own, name), source)


def _source(comid: Comid, corim: Corim, signer: Signer | None) -> str:
    by = "vouched for by the operator" if signer is None else f"signed by {signer.name:.60}"
    return f"CoRIM {corim.id}, tag {comid.id} version {comid.version}, sha256 {corim.sha256}, {by}"


def _mixes(own: str, found: frozenset[str], inside: str, sheet: _Sheet) -> bool:
    """Whether rows of this state with those of another would admit mixtures of the two: a
    policy has values of one measurement side by side, and not states."""
    states = sheet.states.setdefault(own, [])
    if any(found & other and max(len(found), len(other)) > 1 for other in states):
        sheet.left.append(f"{inside}: another state of `{own}`; rows would admit mixtures")
        return True
    states.append(found)
    return False


def _state(
    triple: Triple, how: How, signer: Signer | None, inside: str, sheet: _Sheet
) -> dict[str, list[str]]:
    """The measurements of one state that can be compared, with their digests."""
    if not triple.environment.is_class:
        sheet.left.append(f"{inside}: {_for_one(triple.environment)}")
        return {}
    found: dict[str, list[str]] = {}
    twice: set[str] = set()
    for number, measurement in enumerate(triple.measurements):
        where = f"{inside}, measurement {number} `{measurement.key}`"
        for name, digests in _comparable(triple, measurement, how, signer, where, sheet).items():
            twice |= {name} & found.keys()
            found[name] = digests
    for name in sorted(twice):
        # Of two parts with one name, evidence is compared with one.
        sheet.left.append(f"{inside}: `{name}` stands there twice")
        del found[name]
    return found


def _for_one(environment: Environment) -> str:
    return f"for one device or group alone: `{environment.text}`"


def _comparable(
    triple: Triple, measurement: Measurement, how: How, signer: Signer | None, where: str,
    sheet: _Sheet,
) -> dict[str, list[str]]:  # fmt: skip
    if measurement.authorities and not _is_among(signer, measurement.authorities):
        sheet.left.append(f"{where}: others than the signer alone may say so")
        return {}
    found = how.read(triple, measurement)
    conditions = measurement.values.keys() - how.uses - _SETTLED.keys()
    if not found or conditions:
        says = ", ".join(sorted(_label(key) for key in measurement.values))
        sheet.left.append(f"{where}: cannot be compared as a whole ({says})")
        return {}
    beside = (measurement.values.keys() & _SETTLED.keys()) - how.uses
    settled = sorted(_label(key) for key in beside)
    if settled:
        sheet.left.append(f"{where}: not compared besides the digest: {', '.join(settled)}")
    rows = {name: _digests(value, f"{where}: `{name}`", sheet) for name, value in found.items()}
    return {name: digests for name, digests in rows.items() if digests}


def _label(key: cbor.Key) -> str:
    return _LABELS.get(key) or f"{key!r:.40}"


def _digests(value: cbor.Value, where: str, sheet: _Sheet) -> list[str]:
    """Of one input, each by another algorithm (section 7.7); or, in a set of Intel's profile,
    of inputs of which any is right."""
    is_set = isinstance(value, cbor.Tagged) and value.tag == _MEMBER_OF
    if isinstance(value, cbor.Tagged) and is_set and isinstance(value.value, list):
        is_any = len(value.value) == 2 and value.value[0] == _MEMBER
        value = value.value[1] if is_any else None
    if not isinstance(value, list) or not value:
        sheet.left.append(f"{where} has no digests that it may be")
        return []
    found: list[tuple[str, str]] = []
    for one in value:
        algorithm, digest = one if isinstance(one, list) and len(one) == 2 else (None, None)
        is_named = isinstance(algorithm, (int, str)) and not isinstance(algorithm, bool)
        if not is_named or not isinstance(digest, bytes):
            raise EvidenceMalformedError(f"{where}: a digest is an algorithm and bytes")
        known = ALGORITHMS.get(algorithm)
        if known is None:
            sheet.left.append(f"{where}: a digest by algorithm {algorithm!r:.40}")
            continue
        name, size = known
        if len(digest) != size or (not is_set and name in dict(found)):
            raise EvidenceMalformedError(f"{where}: a digest has another length, or comes twice")
        found.append((name, digest.hex()))
    return [digest for _, digest in found]


def _is_among(signer: Signer | None, authorities: tuple[cbor.Value, ...]) -> bool:
    """Whether the signer is one of those who may say so; by its very key."""
    for one in authorities:
        if signer is None or not isinstance(one, cbor.Tagged) or one.tag != _PEM:
            continue
        try:
            if load_pem_public_key(str(one.value).encode()) == signer.key:
                return True
        except (ValueError, UnsupportedAlgorithm):
            continue
    return False


def _days(corim: Corim, at: datetime) -> tuple[date, date | None]:
    """The whole days on which the manifest and its signature count; both belong to them."""
    periods = (corim.period, corim.signed)
    begins = max((one.begins for one in periods if one.begins is not None), default=None)
    ends = min((one.ends for one in periods if one.ends is not None), default=None)
    first = at.astimezone(UTC).date()
    if begins is not None:
        first = begins.date() + timedelta(days=begins.time() != datetime.min.time())
    if ends is None:
        return first, None
    # The last second of a day ends it.
    last = (ends + timedelta(seconds=1)).date() - timedelta(days=1)
    if last < first:
        raise EvidenceExpiredError("the CoRIM does not count for one whole day")
    return first, last
