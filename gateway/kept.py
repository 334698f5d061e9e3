"""Kept: every bundle and every catalogue that was in force, named by its digest.

bundles/bundle-<hex>.tar.gz      the files of a bundle, and `bundle.json`
bundles/catalogue-<hex>.tar.gz   the files of a catalogue, 1/… lowest, 2/… laid over it

A record names what it was made with by digest alone. So that it can be made again years
later, both are on disk before they decide anything. Nothing here is ever changed or removed.
"""

import gzip
import io
import os
import re
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsl.core import Program
from dsl.core_json import program_from_json
from dsl.errors import CoreFormatError
from dsl.to_rego import tarball
from gateway import toml_text
from gateway.bundle import Bundle, digest_of_files
from gateway.errors import ConfigurationError
from gateway.pdp import catalogue
from gateway.pdp.catalogue import MAX_CATALOGUE_BYTES, Catalogue
from gateway.pdp.overlay import lay_over

FOLDER = "bundles"
MAX_ARCHIVE = 4 * MAX_CATALOGUE_BYTES  # of all files in one archive
MAX_FILES = 2000
_MAX_TAR = MAX_ARCHIVE + 1024 * (MAX_FILES + 20)  # each has a header, and is filled up
# Of a compiled bundle, what its digest is not over.
_BESIDE = ("bundle.json", "opa.tar.gz")
_NAME = re.compile(r"(bundle|catalogue)-([0-9a-f]{64})\.tar\.gz")


@dataclass(frozen=True)
class KeptBundle:
    """A compiled bundle without its sources' model: enough to decide with."""

    program: Program
    digest: str
    files: Mapping[str, bytes]


def keep(folder: Path, bundle: Bundle, known: Catalogue, files: Sequence[Path]) -> None:
    """Keep what is about to be in force; on disk when this returns.

    Args:
        folder: The state folder.
        files: What the catalogue was read from, the lowest first; none where it came from
            no files, and then it is not kept.

    Raises:
        ConfigurationError: It cannot be written, or a file is not what was read from it.
    """
    place = folder / FOLDER
    try:
        if not _path(place, "bundle", bundle.digest).exists():
            whole = {**bundle.files, "bundle.json": bundle.manifest()}
            _write(_path(place, "bundle", bundle.digest), tarball(whole))
        if files and not _path(place, "catalogue", known.digest).exists():
            _write(_path(place, "catalogue", known.digest), tarball(_texts(files, known)))
    except OSError as error:
        raise ConfigurationError(f"{place}: cannot write it: {error.strerror}") from error


def _texts(files: Sequence[Path], known: Catalogue) -> dict[str, bytes]:
    texts = {f"{number}/{path.name}": path.read_bytes() for number, path in enumerate(files, 1)}
    try:
        found = _digest_of_layers(list(texts.values()))
    except ValueError:
        found = ""
    if found != known.digest:
        raise ConfigurationError(
            f"{', '.join(map(str, files))}: changed while the catalogue was loaded: load it again"
        )
    return texts


def _digest_of_layers(texts: Sequence[bytes]) -> str:
    layers = [catalogue.digest_of(toml_text.loads(text.decode("utf-8"))) for text in texts]
    return layers[0] if len(layers) == 1 else catalogue.digest_of({"layers": list(layers)})


# --- reading -------------------------------------------------------------------------


def kept_bundle(folder: Path, digest: str) -> KeptBundle | None:
    """The bundle of a digest; None where it was never in force here.

    Raises:
        ConfigurationError: The file is not what its name says, or of a format that this
            version does not read.
    """
    path = _path(folder / FOLDER, "bundle", digest)
    return read_bundle(path, digest) if path.exists() else None


def read_bundle(path: Path, digest: str | None = None) -> KeptBundle:
    """A compiled bundle of a file, or of the folder that `charter compile` writes.

    Args:
        digest: Which it must have.

    Raises:
        ConfigurationError: It cannot be read, or is not what it says it is.
    """
    files = _folder(path) if path.is_dir() else _archive(path)
    files = {name: data for name, data in files.items() if name not in _BESIDE}
    found = digest_of_files(files)
    if digest is not None and found != digest:
        raise ConfigurationError(f"{path} is damaged: it holds {found}")
    try:
        return KeptBundle(program_from_json(files["core.json"]), found, files)
    except KeyError as error:
        raise ConfigurationError(f"{path} is no compiled bundle: it has no core.json") from error
    except CoreFormatError as error:
        raise ConfigurationError(f"{path}: this version cannot read it: {error}") from error


def kept_catalogue(folder: Path, digest: str, program: Program) -> Catalogue | None:
    """The catalogue of a digest, read for a program; None where it was never in force here.

    Raises:
        ConfigurationError: The file is not what its name says, or the program does not know
            what it states.
    """
    if digest == catalogue.empty().digest:
        return catalogue.empty()
    path = _path(folder / FOLDER, "catalogue", digest)
    if not path.exists():
        return None
    files = _archive(path)
    try:
        names = sorted(files, key=lambda name: int(name.partition("/")[0]))
        layers = [toml_text.loads(files[name].decode("utf-8")) for name in names]
    except ValueError as error:
        raise ConfigurationError(f"{path} is damaged: {error}") from error
    if not layers or _digest_of_layers([files[name] for name in names]) != digest:
        raise ConfigurationError(f"{path} is damaged: it holds another catalogue")
    built = catalogue.build(layers[0], program, name=names[0])
    for name, raw in zip(names[1:], layers[1:], strict=True):
        built = lay_over(built, raw, program, name=name)
    return built


def kept_digests(folder: Path) -> tuple[list[str], list[str]]:
    """The digests of the bundles and of the catalogues that are kept, sorted."""
    place = folder / FOLDER
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    found = [match.groups() for name in names if (match := _NAME.fullmatch(name))]
    return (
        [f"sha256:{digest}" for kind, digest in found if kind == "bundle"],
        [f"sha256:{digest}" for kind, digest in found if kind == "catalogue"],
    )


def _path(place: Path, kind: str, digest: str) -> Path:
    name = f"{kind}-{digest.removeprefix('sha256:')}.tar.gz"
    if _NAME.fullmatch(name) is None:  # a digest of a record, which names no other file
        raise ConfigurationError(f"`{digest[:80]}` is no digest of a {kind}")
    return place / name


def _archive(path: Path) -> dict[str, bytes]:
    try:
        with gzip.open(path) as packed:
            # Before anything looks into it: a header can be as long as the whole archive.
            data = packed.read(_MAX_TAR + 1)
        files = None if len(data) > _MAX_TAR else _unpacked(data)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: cannot read it: {_words(error)}") from error
    if files is None:
        raise ConfigurationError(f"{path} is no archive of a bundle or a catalogue")
    return files


def _unpacked(data: bytes) -> dict[str, bytes] | None:
    """The files of an archive; None where there is anything in it but a few files."""
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for entry in archive:
            # Below 0 it would lead back, to the same entry again and again.
            within = entry.isreg() and not entry.issparse() and 0 <= entry.size <= len(data)
            if not within or len(files) >= MAX_FILES or entry.name in files:
                return None
            found = archive.extractfile(entry)
            files[entry.name] = b"" if found is None else found.read()
    return files


def _folder(path: Path) -> dict[str, bytes]:
    found = [file for file in sorted(path.rglob("*")) if file.is_file()]
    if len(found) > MAX_FILES or sum(file.stat().st_size for file in found) > MAX_ARCHIVE:
        raise ConfigurationError(f"{path} is no compiled bundle: it is too large")
    try:
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in found}
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {_words(error)}") from error


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or "it is damaged"


# --- writing -------------------------------------------------------------------------


def _write(path: Path, data: bytes) -> None:
    """In one step: whoever looks finds nothing or all of it."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _sync(path.parent.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
