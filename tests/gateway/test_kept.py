"""Whatever was in force can be read again by its digest, or is refused by name."""

import gzip
import os
import stat
import tarfile
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from dsl.to_rego import tarball
from gateway.errors import ConfigurationError
from gateway.in_force import InForce
from gateway.kept import FOLDER, keep, kept_bundle, kept_catalogue, kept_digests, read_bundle
from gateway.pdp import catalogue
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.overlay import load_over
from gateway.reload import Reloader

from .test_in_force import other_law
from .world import SITES, World, made, program, run

OVERLAY = """\
format = "charter-overlay/v1"
title = "Ours"
author = "An operator"
as_of = 2026-11-22

[[site]]
id = "far"
changes = "It was closed"
source = "made up"
facts = { open = false }
"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "sites.toml").write_text(SITES)
    (tmp_path / "ours.toml").write_text(OVERLAY)
    return [tmp_path / "sites.toml", tmp_path / "ours.toml"]


def known_of(files: list[Path]) -> catalogue.Catalogue:
    return load_over(catalogue.load(files[0], program()), files[1:], program())


@pytest.fixture
def state(tmp_path: Path, files: list[Path]) -> Path:
    """A state folder with one bundle and a catalogue of two layers."""
    folder = tmp_path / "state"
    folder.mkdir()
    keep(folder, made(), known_of(files), files)
    return folder


def bundle_file(state: Path) -> Path:
    return state / FOLDER / f"bundle-{made().digest.removeprefix('sha256:')}.tar.gz"


def catalogue_file(state: Path, files: list[Path]) -> Path:
    return state / FOLDER / f"catalogue-{known_of(files).digest.removeprefix('sha256:')}.tar.gz"


def test_a_bundle_is_read_again_by_its_digest(state: Path) -> None:
    found = kept_bundle(state, made().digest)
    assert found is not None
    assert (found.program, found.digest) == (made().program, made().digest)
    assert found.files == made().files


def test_a_catalogue_of_layers_is_read_again_by_its_digest(state: Path, files: list[Path]) -> None:
    before = known_of(files)
    found = kept_catalogue(state, before.digest, program())
    assert found is not None
    assert found.digest == before.digest
    assert found.entries == before.entries
    assert [layer.name for layer in found.layers] == ["sites.toml", "ours.toml"]


def test_what_was_never_in_force_is_not_there(state: Path) -> None:
    assert kept_bundle(state, other_law().digest) is None
    assert kept_catalogue(state, "sha256:" + "0" * 64, program()) is None
    assert kept_bundle(state / "elsewhere", made().digest) is None
    assert kept_digests(state / "elsewhere") == ([], [])


def test_the_digests_that_are_kept_are_listed_without_what_is_half_written(
    state: Path, files: list[Path]
) -> None:
    (state / FOLDER / f".{bundle_file(state).name}.77").write_bytes(b"half")
    assert kept_digests(state) == ([made().digest], [known_of(files).digest])


def test_only_the_owner_reads_it_and_it_is_written_once(state: Path, files: list[Path]) -> None:
    paths = [bundle_file(state), catalogue_file(state, files)]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]
    before = [path.stat().st_ino for path in paths]
    files[0].write_text("no longer a catalogue")
    keep(state, made(), known_of_kept(state, files), files)
    assert [path.stat().st_ino for path in paths] == before
    assert len(list((state / FOLDER).iterdir())) == 2


def known_of_kept(state: Path, files: list[Path]) -> catalogue.Catalogue:
    (digest,) = kept_digests(state)[1]
    found = kept_catalogue(state, digest, program())
    assert found is not None
    return found


@pytest.mark.parametrize("text", [SITES.replace("tier = 3", "tier = 4"), "half = [", ""])
def test_a_catalogue_that_changed_since_it_was_loaded_is_not_kept(
    tmp_path: Path, files: list[Path], text: str
) -> None:
    known = known_of(files)
    files[0].write_text(text)
    with pytest.raises(ConfigurationError, match="changed while the catalogue was loaded"):
        keep(tmp_path, made(), known, files)
    assert kept_digests(tmp_path)[1] == []


def repacked(path: Path, **changes: bytes | None) -> None:
    """The archive with other files in it."""
    with tarfile.open(path, "r:gz") as archive:
        files = {
            entry.name: data.read()
            for entry in archive
            if (data := archive.extractfile(entry)) is not None
        }
    for name, data in changes.items():
        name = name.replace("__", "/")
        if data is None:
            del files[name]
        else:
            files[name] = data
    path.write_bytes(tarball(files))


def hostile(kind: bytes, name: str = "core.json") -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    return out.getvalue()


def header(name: str, size: int, kind: bytes = b"0") -> bytes:
    """A header of an archive, which `tarfile` does not write where the size is below 0."""
    entry = tarfile.TarInfo(name)
    whole = bytearray(entry.tobuf(tarfile.USTAR_FORMAT))
    whole[124:136] = size.to_bytes(12, "big", signed=True) if size < 0 else b"%011o\0" % size
    whole[148:157] = b" " * 8 + kind
    whole[148:156] = b"%06o\0 " % sum(whole)
    return bytes(whole)


# Each is an archive that made whoever read it take no end, or all memory.
LEADING_BACK = header("a", 0) + header("b", -512) + bytes(1024)
NESTED = header("x", 512, b"x") + b"9 a=b\n" + bytes(506)
LONG = header("x", 50_000_000, b"x") + bytes(50_000_000)
TWICE = header("a", 0) + header("a", 0) + bytes(1024)


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), "cannot read it"),
    (lambda p: p.write_bytes(b""), "cannot read it"),
    (lambda p: p.write_bytes(gzip.compress(b"no archive")), "cannot read it"),
    (lambda p: repacked(p, **{"vectors.json": b"[]"}), "damaged"),
    (lambda p: repacked(p, **{"core.json": None}), "damaged"),
    (lambda p: p.write_bytes(hostile(tarfile.SYMTYPE)), "no archive"),
    (lambda p: p.write_bytes(hostile(tarfile.LNKTYPE)), "no archive"),
    (lambda p: p.write_bytes(hostile(tarfile.FIFOTYPE)), "no archive"),
    (lambda p: p.write_bytes(gzip.compress(LEADING_BACK)), "no archive"),
    (lambda p: p.write_bytes(gzip.compress(NESTED * 5000)), "cannot read it"),
    (lambda p: p.write_bytes(gzip.compress(TWICE)), "no archive"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGES)
def test_a_damaged_bundle_is_refused(
    state: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(bundle_file(state))
    with pytest.raises(ConfigurationError, match=words):
        kept_bundle(state, made().digest)


def test_no_more_is_unpacked_than_a_bundle_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.kept._MAX_TAR", 1_000_000)
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(LONG))
    tracemalloc.start()
    try:
        with pytest.raises(ConfigurationError, match="no archive"):
            read_bundle(tmp_path / "b.tar.gz")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_another_bundle_under_the_name_is_refused(state: Path) -> None:
    bundle_file(state).write_bytes(tarball({**other_law().files}))
    with pytest.raises(ConfigurationError, match="it holds sha256:"):
        kept_bundle(state, made().digest)


def test_a_core_of_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    core = made().files["core.json"].replace(b'"charter-core/2"', b'"charter-core/9"')
    (tmp_path / "b.tar.gz").write_bytes(tarball({**made().files, "core.json": core}))
    with pytest.raises(ConfigurationError, match="this version cannot read it"):
        read_bundle(tmp_path / "b.tar.gz")


def test_an_archive_of_something_else_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_bytes(tarball({"readme": b"hello"}))
    with pytest.raises(ConfigurationError, match=r"it has no core\.json"):
        read_bundle(tmp_path / "b.tar.gz")


def test_a_damaged_catalogue_is_refused(state: Path, files: list[Path]) -> None:
    digest = known_of(files).digest
    damages: list[dict[str, bytes | None]] = [
        {"2__ours.toml": None},
        {"2__ours.toml": b"x = 1"},
        {"1__sites.toml": b"["},
        {"ours.toml": b""},
    ]
    for changes in damages:
        path = catalogue_file(state, files)
        whole = path.read_bytes()
        repacked(path, **changes)
        with pytest.raises(ConfigurationError, match="damaged"):
            kept_catalogue(state, digest, program())
        path.write_bytes(whole)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../etc/passwd", "sha256:" + "A" * 64])
def test_a_digest_of_a_record_names_no_other_file(state: Path, digest: str) -> None:
    with pytest.raises(ConfigurationError, match="is no digest"):
        kept_bundle(state, digest)
    with pytest.raises(ConfigurationError, match="is no digest"):
        kept_catalogue(state, digest, program())


def test_nothing_comes_into_force_that_cannot_be_kept(tmp_path: Path, files: list[Path]) -> None:
    """A file where the folder should be stands for a disk that takes nothing."""

    async def start() -> None:
        law = made()
        known = known_of(files)
        in_force = InForce(law, known, [ReferenceEngine(law.program)], catalogue_files=files)
        world = World(tmp_path / "world", in_force=in_force)
        (tmp_path / FOLDER).write_text("in the way")
        reloader = Reloader(world.service, lambda: in_force, tmp_path)
        with pytest.raises(ConfigurationError, match="cannot write it"):
            await reloader.start()
        assert not (tmp_path / "in_force.json").exists()
        os.unlink(tmp_path / FOLDER)
        await reloader.start()
        assert kept_digests(tmp_path) == ([law.digest], [known.digest])
        await world.service.close()

    run(start())
