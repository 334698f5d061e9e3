"""The archive that evidence is exported in: a ZIP file, read with limits and nothing unpacked.

evidence.json             {"format": "charter-evidence/v1", "decisions": {id: file}}
decisions/<name>.json     an answer, or {"record", "proof"}
checkpoint                the newest checkpoint, a signed note            (may be absent)
consistency.json          [{"from": size, "to": size, "path": [hash]}]    (may be absent)
timestamp.tsr             RFC 3161 response over `checkpoint`             (may be absent)
documents/…               for people: charters, reports; not looked into  (may be absent)
"""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping

from gateway.verify.refused import (
    EvidenceError,
    EvidencePathError,
    EvidenceTooLargeError,
    EvidenceTwiceError,
)

MAX_ARCHIVE = 64 * 1024 * 1024
MAX_FILES = 1000
MAX_EXPANSION = 10

LISTING = "evidence.json"
CHECKPOINT = "checkpoint"
CONSISTENCY = "consistency.json"
TIMESTAMP = "timestamp.tsr"
DECISION = re.compile(r"decisions/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.json", re.ASCII)
_DOCUMENT = re.compile(r"documents(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){1,8}", re.ASCII)
_SIMPLE = {LISTING, CHECKPOINT, CONSISTENCY, TIMESTAMP}
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1


def read_archive(data: bytes) -> Mapping[str, bytes]:
    """The files of an archive by their names, without the documents.

    Raises:
        EvidenceTooLargeError: More than 64 MiB, 1,000 files, or ten times what is packed.
        EvidencePathError: A name that leaves the folder, a link, or no ordinary file.
        EvidenceTwiceError: Two files of one name, also where only capitals differ.
        EvidenceError: No such archive, or a file that none of its kind has.
    """
    if len(data) > MAX_ARCHIVE:
        raise EvidenceTooLargeError(f"the archive is larger than {MAX_ARCHIVE} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = archive.infolist()
            _check_size(files, len(data))
            _check_names(files)
            return {one.filename: archive.read(one) for one in files if not _is_document(one)}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise EvidenceError("this is no ZIP archive that can be read whole") from error
    except (ValueError, OSError, OverflowError) as error:
        raise EvidenceError("the ZIP archive contradicts itself") from error


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """An archive of files by their names; the same files give the same bytes.

    Raises:
        EvidenceError: It would not be read again; see `read_archive`.
    """
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            about = zipfile.ZipInfo(name)  # of 1980: when it was made says nothing
            about.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(about, files[name])
    data = made.getvalue()
    read_archive(data)
    return data


def _check_size(files: list[zipfile.ZipInfo], packed: int) -> None:
    if len(files) > MAX_FILES:
        raise EvidenceTooLargeError(f"more than {MAX_FILES} files")
    unpacked = sum(one.file_size for one in files)
    if unpacked > min(MAX_ARCHIVE, MAX_EXPANSION * packed):
        raise EvidenceTooLargeError(f"{packed} bytes would unpack to {unpacked}")


def _check_names(files: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for one in files:
        name = one.orig_filename
        parts = name.split("/")
        if "\\" in name or ":" in name or name != one.filename or {"", ".", ".."} & {*parts}:
            raise EvidencePathError(f"the name {ascii(name)[:120]} is not one below its folder")
        kind = stat.S_IFMT(one.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or one.is_dir():
            raise EvidencePathError(f"{ascii(name)[:120]} is a link or no ordinary file")
        if name.casefold() in seen:
            raise EvidenceTwiceError(f"two files are named {ascii(name)[:120]}")
        seen.add(name.casefold())
        if name not in _SIMPLE and not DECISION.fullmatch(name) and not _is_document(one):
            raise EvidenceError(f"no evidence has a file {ascii(name)[:120]}")
        if one.compress_type not in _METHODS or one.flag_bits & _ENCRYPTED:
            raise EvidenceError(f"{name} is encrypted or packed in a rare way")


def _is_document(one: zipfile.ZipInfo) -> bool:
    return _DOCUMENT.fullmatch(one.filename) is not None
