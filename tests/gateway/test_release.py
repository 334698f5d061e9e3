"""A release holds only as its author signed it, and stock tools can tell."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import release
from gateway.errors import ConfigurationError, KeyFileError, ReleaseError
from gateway.keys import DecisionKey
from gateway.record.canonical import canonicalise
from gateway.record.envelope import pre_authentication_encoding, sign_envelope
from gateway.record.statement import PAYLOAD_TYPE
from gateway.release import Release

KEY, OTHER = DecisionKey.generate(), DecisionKey.generate()
AUTHORS = {KEY.key_id: KEY.public}
BUNDLE, CATALOGUE = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
RELEASE = Release(7, BUNDLE, CATALOGUE)


def payload() -> dict[str, Any]:
    return json.loads(base64.b64decode(json.loads(release.sign(RELEASE, KEY))["payload"]))


def signed(value: object, key: DecisionKey = KEY) -> bytes:
    return sign_envelope(canonicalise(value), PAYLOAD_TYPE, key).to_bytes()  # pyright: ignore[reportArgumentType]


def with_payload(change: Callable[[dict[str, Any]], None]) -> bytes:
    value = payload()
    change(value)
    return signed(value)


def test_what_was_signed_is_what_is_read() -> None:
    found = release.verify(release.sign(RELEASE, KEY), AUTHORS)
    assert (found.sequence, found.bundle, found.catalogue) == (7, BUNDLE, CATALOGUE)
    assert found.authors == (KEY.key_id,)


@pytest.mark.parametrize("byte", range(0, 700, 41))
def test_a_release_with_one_byte_changed_is_refused(byte: int) -> None:
    data = bytearray(release.sign(RELEASE, KEY))
    data[byte % len(data)] ^= 1
    with pytest.raises(ReleaseError):
        release.verify(bytes(data), AUTHORS)


WRONG: dict[str, Callable[[], bytes]] = {
    "signed by nobody who is trusted": lambda: release.sign(RELEASE, OTHER),
    "empty": lambda: b"",
    "no JSON": lambda: b"release 7",
    "too long": lambda: release.sign(RELEASE, KEY) + b" " * release.MAX_RELEASE,
    "a number that is a truth value": lambda: with_payload(
        lambda p: p["predicate"].update(sequence=True)
    ),
    "number zero": lambda: with_payload(lambda p: p["predicate"].update(sequence=0)),
    "a negative number": lambda: with_payload(lambda p: p["predicate"].update(sequence=-1)),
    "a number as text": lambda: with_payload(lambda p: p["predicate"].update(sequence="7")),
    "no number": lambda: with_payload(lambda p: p["predicate"].clear()),
    "another predicate": lambda: with_payload(
        lambda p: p.update(predicateType="https://charter.example/attestation/decision/v1")
    ),
    "another statement": lambda: with_payload(lambda p: p.update(_type="x")),
    "one subject": lambda: with_payload(lambda p: p["subject"].pop()),
    "subjects changed round": lambda: with_payload(lambda p: p["subject"].reverse()),
    "a third subject": lambda: with_payload(lambda p: p["subject"].append(p["subject"][0])),
    "a short digest": lambda: with_payload(lambda p: p["subject"][0]["digest"].update(sha256="ab")),
    "a second digest": lambda: with_payload(lambda p: p["subject"][0]["digest"].update(md5="ab")),
    "an unknown member": lambda: with_payload(lambda p: p.update(surprise=1)),
    "an unknown member of the predicate": lambda: with_payload(
        lambda p: p["predicate"].update(surprise=1)
    ),
    "not canonical": lambda: sign_envelope(
        json.dumps(payload(), indent=1).encode(), PAYLOAD_TYPE, KEY
    ).to_bytes(),
    "another payload type": lambda: sign_envelope(
        canonicalise(payload()), "text/plain", KEY
    ).to_bytes(),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_release_of_a_trusted_author_is_refused(case: str) -> None:
    with pytest.raises(ReleaseError):
        release.verify(WRONG[case](), AUTHORS)


@pytest.mark.parametrize("wrong", ["bundle", "catalogue"])
def test_a_release_covers_nothing_but_what_was_signed(wrong: str) -> None:
    digests = {"bundle": BUNDLE, "catalogue": CATALOGUE}
    RELEASE.covers(**digests)
    with pytest.raises(ReleaseError, match=f"signs the {wrong}"):
        RELEASE.covers(**{**digests, wrong: f"sha256:{'c' * 64}"})


@pytest.mark.parametrize(
    "wrong", [Release(0, BUNDLE, CATALOGUE), Release(2**53, BUNDLE, CATALOGUE), Release(1, "", "")]
)
def test_what_cannot_be_read_is_not_signed_either(wrong: Release) -> None:
    with pytest.raises(ReleaseError):
        release.sign(wrong, KEY)


# --- files ---------------------------------------------------------------------------


def test_authors_are_read_one_after_another(tmp_path: Path) -> None:
    path = tmp_path / "authors.pem"
    path.write_text(KEY.public.pem + "\n" + OTHER.public.pem)
    assert set(release.load_authors(path)) == {KEY.key_id, OTHER.key_id}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no list of 1 to 64"),
        ("-----END PUBLIC KEY-----", "cannot be read|PEM"),
        (KEY.public.pem + "more", "no list of 1 to 64"),
        ("who " + KEY.public.pem[5:], "PEM"),
        (KEY.public.pem * 65, "no list of 1 to 64"),
    ],
)
def test_what_is_no_list_of_keys_trusts_nobody(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "authors.pem"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        release.load_authors(path)


def test_authors_that_others_can_change_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "authors.pem"
    path.write_text(KEY.public.pem)
    path.chmod(0o666)
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        release.load_authors(path)


def test_a_missing_release_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="charter release sign"):
        release.load(tmp_path / "release.json", AUTHORS)


def test_the_key_of_an_author_that_others_can_read_signs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "author.key"
    DecisionKey.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        DecisionKey.load(path)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
@pytest.mark.parametrize("damaged", [False, True])
def test_openssl_verifies_a_release(tmp_path: Path, damaged: bool) -> None:
    envelope = json.loads(release.sign(RELEASE, KEY))
    body = base64.b64decode(envelope["payload"])
    body = body.replace(b'"sequence":7', b'"sequence":8') if damaged else body
    message = pre_authentication_encoding(envelope["payloadType"], body)
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (tmp_path / "key.pem").write_text(KEY.public.pem)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"]
    ran = subprocess.run([*command, "message"], cwd=tmp_path, check=False, capture_output=True)
    assert (ran.returncode == 0) is not damaged
