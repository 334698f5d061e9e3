"""Where a key is, and where its PIN is: nothing is guessed, nothing secret is shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.custody import check_custody
from gateway.keys.errors import CustodyError
from gateway.keys.pin import VARIABLE, read_pin
from gateway.keys.uri import parse

MODULE = "module-path=/usr/lib/softhsm/libsofthsm2.so"
GOOD = f"pkcs11:token=charter;object=decision?{MODULE}"


def test_a_uri_says_which_key_of_which_token_by_which_module() -> None:
    found = parse(
        f"pkcs11:token=My%20token;serial=00ff;object=d%C3%A9cision;id=%01%ff;type=private?{MODULE}"
        "&pin-source=file:/etc/charter/pin"
    )
    assert (found.token, found.serial, found.label) == ("My token", "00ff", "décision")
    assert (found.id, found.module) == (b"\x01\xff", Path("/usr/lib/softhsm/libsofthsm2.so"))
    assert found.pin_file == Path("/etc/charter/pin")
    assert parse(GOOD).pin_file is None


WRONG_URIS = {
    "": "scheme pkcs11",
    "file:/decision.key": "scheme pkcs11",
    "pkcs11:": "module-path",
    f"PKCS11:token=charter;object=decision?{MODULE}": "scheme pkcs11",
    "pkcs11:token=charter;object=decision": "module-path",
    "pkcs11:token=charter;object=decision?module-path=libsofthsm2.so": "module-path",
    "pkcs11:token=charter;object=decision?module-name=softhsm": "no `module-name`",
    f"pkcs11:object=decision?{MODULE}": "which token",
    f"pkcs11:token=charter?{MODULE}": "which key",
    f"pkcs11:token=charter;object=a;object=b?{MODULE}": "stands once",
    f"pkcs11:token=;object=a?{MODULE}": "has a value",
    f"pkcs11:token;object=a?{MODULE}": "has a value",
    f"pkcs11:token=charter;object=a;slot-id=1?{MODULE}": "no `slot-id`",
    f"pkcs11:token=charter;object=a;type=public?{MODULE}": "type=private",
    f"pkcs11:token=charter;object=%zz?{MODULE}": "two hexadecimal digits",
    f"pkcs11:token=charter;object=%00?{MODULE}": "printable text",
    f"pkcs11:token=charter;object=%ff?{MODULE}": "printable text",
    f"pkcs11:token=charter;object=a b?{MODULE}": "scheme pkcs11",
    f"{GOOD}&pin-source=/etc/pin": "pin-source",
    f"{GOOD}&pin-source=file:pin": "pin-source",
    f"{GOOD}&pin-source=%7Ccat%20/etc/pin": "pin-source",
    f"pkcs11:token=charter;object={'a' * 2000}?{MODULE}": "scheme pkcs11",
}


@pytest.mark.parametrize("text", WRONG_URIS)
def test_a_uri_that_does_not_say_it_all_is_refused(text: str) -> None:
    with pytest.raises(CustodyError, match=WRONG_URIS[text]):
        parse(text)


@pytest.mark.parametrize("name", ["pin-value=1234", "pin-value=12%3334"])
def test_a_pin_in_a_uri_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(CustodyError, match="stands in no URI") as refused:
        parse(f"{GOOD}&{name}")
    assert "12" not in str(refused.value).replace("CHARTER_PKCS11_PIN", "")


@given(st.text(alphabet="pkcs11:token=objectid;?&%/module-path0a"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(f"pkcs11:{text}")
    except CustodyError:
        return
    assert found.module.is_absolute()


@pytest.mark.parametrize("text", ["", "File", "files", "/etc/decision.key", "kms:key"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CustodyError):
        check_custody(text)
    assert check_custody("file") == "file"
    assert check_custody(GOOD) == GOOD


# --- the PIN -------------------------------------------------------------------------


def pin_file(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "pin"
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("data", [b"1234", b"1234\n", b"1234\r\n"])
def test_a_pin_is_the_one_line_of_its_file(tmp_path: Path, data: bytes) -> None:
    assert read_pin(pin_file(tmp_path, data), {VARIABLE: "other"}) == "1234"
    assert read_pin(None, {VARIABLE: "5678"}) == "5678"


WRONG_PINS = [b"", b"\n", b"12\n34", b"12\x0034", b"\xff\xfe", b"1" * 257, b"1234\n\n"]


@pytest.mark.parametrize("data", WRONG_PINS)
def test_a_pin_file_that_holds_none_is_refused_and_not_repeated(
    tmp_path: Path, data: bytes
) -> None:
    with pytest.raises(CustodyError, match="holds no PIN") as refused:
        read_pin(pin_file(tmp_path, data), {VARIABLE: "5678"})
    assert "12" not in str(refused.value).replace(str(tmp_path), "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_pin_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(CustodyError, match="chmod 600"):
        read_pin(pin_file(tmp_path, b"1234", mode), {})


def test_a_pin_that_is_not_there_is_not_taken_from_elsewhere(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(CustodyError):
            read_pin(path, {VARIABLE: "5678"})
    for environment in ({}, {VARIABLE: ""}):
        with pytest.raises(CustodyError, match=VARIABLE):
            read_pin(None, environment)
