"""Where a key is in a token: the URIs of RFC 7512.

    pkcs11:token=charter;object=decision?module-path=/usr/lib/softhsm/libsofthsm2.so
    pkcs11:serial=448988c65fa72467;id=%01?module-path=...&pin-source=file:/etc/charter/pin

A PIN in the URI itself (`pin-value`) is refused: settings and command lines are shown and kept.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from gateway.keys.errors import CustodyError

SCHEME = "pkcs11:"
_MAX = 1024
_IN_PATH = ("token", "serial", "manufacturer", "model", "object", "id", "type")
_IN_QUERY = ("module-path", "pin-source")
_SAFE = re.compile(r"[A-Za-z0-9._~!$'()*+,;=:@/&?%\[\]-]*", re.ASCII)
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class KeyUri:
    """One key of one token. `text` is what was given; `pin_file` is where the PIN is, None
    where a setting or the environment says."""

    text: str
    module: Path
    token: str | None
    serial: str | None
    label: str | None
    id: bytes | None
    pin_file: Path | None


def parse(text: str) -> KeyUri:
    """Read a URI.

    Raises:
        CustodyError: It is none, or does not say which key of which token by which module.
    """
    if len(text) > _MAX or not text.startswith(SCHEME) or not _SAFE.fullmatch(text):
        raise CustodyError("a key in a token is named by a URI of the scheme pkcs11 (RFC 7512)")
    if _PERCENT.search(text):
        raise CustodyError("a percent sign in a pkcs11 URI begins two hexadecimal digits")
    path, _, query = text.removeprefix(SCHEME).partition("?")
    if "pin-value" in query:
        raise CustodyError(
            "a PIN stands in no URI: use pin-source=file:/path, the setting keys.pin_file or "
            "the variable CHARTER_PKCS11_PIN"
        )
    parts = _members(path, ";", _IN_PATH)
    more = _members(query, "&", _IN_QUERY)
    if parts.get("type", b"private") != b"private":
        raise CustodyError("a pkcs11 URI of a key that signs has type=private or no type")
    module = _text(more, "module-path")
    if module is None or not module.startswith("/"):
        raise CustodyError(
            "a pkcs11 URI here ends in ?module-path= with the path of the module's library"
        )
    found = KeyUri(
        text,
        Path(module),
        _text(parts, "token"),
        _text(parts, "serial"),
        _text(parts, "object"),
        parts.get("id"),
        _pin_file(_text(more, "pin-source")),
    )
    if found.token is None and found.serial is None:
        raise CustodyError("a pkcs11 URI here says which token: token=LABEL or serial=NUMBER")
    if found.label is None and found.id is None:
        raise CustodyError("a pkcs11 URI here says which key: object=LABEL or id=%01")
    return found


def _members(text: str, separator: str, known: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name not in known:
            raise CustodyError(f"a pkcs11 URI here has no `{name}`; it has: {', '.join(known)}")
        if not equals or not value or name in found:
            raise CustodyError(f"`{name}` stands once in a pkcs11 URI, and has a value")
        found[name] = unquote_to_bytes(value)
    return found


def _text(members: dict[str, bytes], name: str) -> str | None:
    value = members.get(name)
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise CustodyError(f"`{name}` of a pkcs11 URI is printable text in UTF-8")
    return text


def _pin_file(source: str | None) -> Path | None:
    if source is None:
        return None
    path = source.removeprefix("file:").removeprefix("//")
    if not source.startswith("file:") or not path.startswith("/"):
        raise CustodyError("pin-source of a pkcs11 URI here is file: and a path from the root")
    return Path(path)
