"""Other people's tools for tests: Regal, the official Cedar command line, cosign, a reader of
logs made of the packages of Go's checksum database, and one of COSE made of veraison/go-cose.

A binary is what `CHARTER_REGAL`, `CHARTER_CEDAR` and so on name, else the one in `.tools`. Without
one the test is skipped and says so, but fails where `CI` is set: there nobody would read
the reason.
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.project import ROOT

# The linter asks the network for a newer version of itself unless told not to.
REGAL_SETTINGS = b"features:\n  remote:\n    check-version: false\n"


def regal(*arguments: str, files: Mapping[str, bytes]) -> subprocess.CompletedProcess[str]:
    """`regal` with arguments, in a folder that holds the files."""
    return _run("regal", arguments, {**files, ".regal/config.yaml": REGAL_SETTINGS})


def cedar(*arguments: str, files: Mapping[str, bytes]) -> subprocess.CompletedProcess[str]:
    """`cedar` with arguments, in a folder that holds the files."""
    return _run("cedar", arguments, files)


def cosign(*arguments: str, files: Mapping[str, bytes]) -> subprocess.CompletedProcess[str]:
    """Sigstore's `cosign` with arguments, in a folder that holds the files."""
    return _run("cosign", arguments, files)


def tlogcheck(*arguments: str, files: Mapping[str, bytes]) -> subprocess.CompletedProcess[str]:
    """`tests/tools/tlogcheck` with arguments, in a folder that holds the files."""
    return _run("tlogcheck", arguments, files)


def cosecheck(*arguments: str, files: Mapping[str, bytes]) -> subprocess.CompletedProcess[str]:
    """`tests/tools/cosecheck` with arguments, in a folder that holds the files."""
    return _run("cosecheck", arguments, files)


def cedar_format(text: str) -> str:
    """The policies in the layout of `cedar format`."""
    done = cedar("format", "--policies", "policies.cedar", files={"policies.cedar": text.encode()})
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(
    name: str, arguments: tuple[str, ...], files: Mapping[str, bytes]
) -> subprocess.CompletedProcess[str]:
    binary = _require(name)
    with tempfile.TemporaryDirectory() as folder:
        for path, data in files.items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return subprocess.run(
            [str(binary), *arguments], cwd=folder, capture_output=True, text=True, check=False
        )


def _require(name: str) -> Path:
    """The binary, or the end of this test."""
    variable = f"CHARTER_{name.upper()}"
    binary = Path(os.environ.get(variable) or ROOT / ".tools" / name)
    if binary.is_file():
        return binary
    reason = f"no {name} binary: run `make test`, or set {variable}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
