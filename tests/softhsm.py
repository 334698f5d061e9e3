"""A token in software: SoftHSM of Debian, in a folder of its own for each test.

Without `softhsm2-util` and its module a test is skipped and says so, but fails where `CI` is
set: there nobody would read the reason.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.keys.uri import KeyUri, parse

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, SO_PIN, LABEL = "13579-of-tests", "24680-of-tests", "charter"

_ODD = """\
import pkcs11, sys
from pkcs11 import Attribute, KeyType, Mechanism
token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])
with token.open(rw=True, user_pin=sys.argv[3]) as session:
    exec(sys.argv[4])
"""
# What `odd` may be told to make.
P256 = "{Attribute.EC_PARAMS: bytes.fromhex('06082a8648ce3d030107')}"
P384 = "{Attribute.EC_PARAMS: bytes.fromhex('06052b81040022')}"
SEALED = "{Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}"


def ec_pair(parameters: str = P256, private: str = SEALED, more: str = "") -> str:
    """A statement that makes a pair of an elliptic curve, labelled `odd`."""
    return (
        f"session.create_domain_parameters(KeyType.EC, {parameters}, local=True)"
        f".generate_keypair(store=True, label='odd', private_template={private}{more})"
    )


@dataclass(frozen=True)
class SoftHsm:
    """A token that is there, with a PIN for its user."""

    folder: Path
    configuration: Path

    def uri(self, label: str) -> str:
        return f"pkcs11:token={LABEL};object={label}?module-path={MODULE}"

    def key(self, label: str) -> KeyUri:
        return parse(self.uri(label))

    @property
    def tokens(self) -> Path:
        """The folder that is the token: without it, it is lost."""
        return self.folder / "tokens"

    def odd(self, statement: str, *, pin: str = PIN) -> None:
        """Run a statement with `session`, in a process of its own."""
        arguments = [sys.executable, "-c", _ODD, str(MODULE), LABEL, pin, statement]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def soft_hsm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    """A fresh token in the folder, for this process and those it starts."""
    program = shutil.which("softhsm2-util")
    if program is None or not MODULE.is_file():
        reason = "no SoftHSM: install the Debian package softhsm2, as `make test` does"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    found = SoftHsm(folder, folder / "softhsm2.conf")
    found.tokens.mkdir(parents=True)
    found.configuration.write_text(
        f"directories.tokendir = {found.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(found.configuration))
    arguments = ["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", SO_PIN]
    subprocess.run([program, *arguments], capture_output=True, check=True)
    return found
