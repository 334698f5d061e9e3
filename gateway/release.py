"""Release: an author's signature over one bundle and one catalogue, with a number.

An in-toto Statement v1 in a DSSE envelope, whose subjects are the two by their digests. The
number grows with each release, so that an old one cannot come back unnoticed. Bundle and
catalogue are signed together: parts of two releases make no third.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import (
    CanonicalFormError,
    ConfigurationError,
    GatewayError,
    JsonError,
    KeyMalformedError,
    ReleaseError,
)
from gateway.keys import DecisionPublicKey, DecisionSigner
from gateway.record.canonical import Json, canonicalise, check_canonical
from gateway.record.envelope import parse_envelope, sign_envelope, verify_envelope
from gateway.record.statement import PAYLOAD_TYPE, STATEMENT_TYPE

# An identifier, not an address: nobody can register a name under .example (RFC 2606).
PREDICATE_TYPE = "https://charter.example/attestation/release/v1"
MAX_RELEASE = 64 * 1024
MAX_SEQUENCE = 2**53 - 1
MAX_AUTHORS = 64
_PEM_END = "-----END PUBLIC KEY-----"
_DIGEST = re.compile("sha256:[0-9a-f]{64}")

Authors = Mapping[str, DecisionPublicKey]


@dataclass(frozen=True, slots=True)
class Release:
    """What was signed. `bundle` and `catalogue` are digests; `authors` are the ids of the
    keys whose signatures held, none of a release that is only being written."""

    sequence: int
    bundle: str
    catalogue: str
    authors: tuple[str, ...] = ()

    def covers(self, *, bundle: str, catalogue: str) -> None:
        """Refuse anything but the bundle and the catalogue that were signed.

        Raises:
            ReleaseError: It names the one that differs.
        """
        found = {"bundle": (self.bundle, bundle), "catalogue": (self.catalogue, catalogue)}
        for name, (signed, loaded) in found.items():
            if signed != loaded:
                raise ReleaseError(
                    f"release {self.sequence} signs the {name} {signed}, and the {name} here is "
                    f"{loaded}: sign what is here as a new release, or put back what was signed"
                )


def sign(release: Release, signer: DecisionSigner) -> bytes:
    """The release as the bytes of an envelope with one signature.

    Raises:
        ReleaseError: Its number or a digest is none.
    """
    _check(release.sequence, release.bundle, release.catalogue)
    payload = canonicalise(
        {
            "_type": STATEMENT_TYPE,
            "predicateType": PREDICATE_TYPE,
            "predicate": {"sequence": release.sequence},
            "subject": [
                {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
                for name, digest in (("bundle", release.bundle), ("catalogue", release.catalogue))
            ],
        }
    )
    return sign_envelope(payload, PAYLOAD_TYPE, signer).to_bytes()


def verify(data: bytes, authors: Authors) -> Release:
    """What a trusted author signed.

    Raises:
        ReleaseError: It is no release, or no trusted author signed it.
    """
    if len(data) > MAX_RELEASE:
        raise ReleaseError(f"the release is longer than {MAX_RELEASE:,} bytes")
    try:
        signed = verify_envelope(parse_envelope(data.strip()), authors, payload_type=PAYLOAD_TYPE)
        value = check_canonical(signed.payload, max_bytes=MAX_RELEASE)
    except (JsonError, CanonicalFormError) as error:
        raise ReleaseError(f"what was signed is no release: {error}") from error
    except GatewayError as error:
        raise ReleaseError(f"the release is not signed by a trusted author: {error}") from error
    return _read(value, signed.key_ids)


def _read(value: Json, authors: tuple[str, ...]) -> Release:
    match value:
        case {
            "_type": kind,
            "predicateType": predicate_type,
            "predicate": {"sequence": int(sequence), **other},
            "subject": [
                {"name": "bundle", "digest": {"sha256": str(bundle), **more}, **beside},
                {"name": "catalogue", "digest": {"sha256": str(catalogue), **still}, **next_to},
            ],
            **rest,
        } if (
            (kind, predicate_type) == (STATEMENT_TYPE, PREDICATE_TYPE)
            and not (other or more or beside or still or next_to or rest)
            and not isinstance(sequence, bool)
        ):
            release = Release(sequence, f"sha256:{bundle}", f"sha256:{catalogue}", authors)
            _check(release.sequence, release.bundle, release.catalogue)
            return release
        case _:
            raise ReleaseError("what was signed is no release")


def _check(sequence: int, *digests: str) -> None:
    if not 1 <= sequence <= MAX_SEQUENCE:
        raise ReleaseError(f"releases are numbered from 1 to {MAX_SEQUENCE}")
    if not all(_DIGEST.fullmatch(digest) for digest in digests):
        raise ReleaseError("a release names its bundle and its catalogue by sha256:<64 hex digits>")


# --- files ---------------------------------------------------------------------------


def load(path: Path, authors: Authors) -> Release:
    """The release of a file; raises as `verify`, naming the file."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RELEASE + 1)
    except OSError as error:
        raise ReleaseError(
            f"{path}: there is no release to read ({error.strerror}), and only signed rules are "
            "loaded: have an author sign them with `charter release sign`"
        ) from error
    try:
        return verify(data, authors)
    except ReleaseError as error:
        raise ReleaseError(f"{path}: {error}") from error


def load_authors(path: Path) -> Authors:
    """The public keys of a file: one PEM after another.

    Raises:
        ConfigurationError: There is none, or one is no P-256 key, or the file can be changed
            by others.
    """
    try:
        if path.stat().st_mode & 0o022:
            raise ConfigurationError(f"{path} can be changed by others: run chmod go-w {path}")
        text = path.read_bytes()[: MAX_RELEASE + 1].decode("ascii")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: this is no PEM") from error
    pems = [part.strip() + f"\n{_PEM_END}\n" for part in text.split(_PEM_END)[:-1]]
    if not pems or len(pems) > MAX_AUTHORS or text.rpartition(_PEM_END)[2].strip():
        raise ConfigurationError(
            f"{path}: this is no list of 1 to {MAX_AUTHORS} public keys in PEM, one after another"
        )
    try:
        keys = [DecisionPublicKey.from_pem(pem) for pem in pems]
    except KeyMalformedError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return {key.key_id: key for key in keys}
