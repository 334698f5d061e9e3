"""EAR and EAT: real results of public repositories, and results made here, damaged one thing
at a time."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import cbor2
import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from gateway import cbor
from gateway.attestation import eat, errors
from gateway.attestation.anchors import read_anchors
from gateway.attestation.appraise import appraise
from gateway.attestation.bundle import FORMAT, read_bundle
from gateway.attestation.ear_token import (
    DRAFT,
    TRUSTEE,
    VERAISON,
    Issuer,
    parse_token,
    read_result,
    verify_token,
)
from gateway.attestation.evidence import Claims
from gateway.attestation.freshness import check_bound
from gateway.attestation.policy import read_policy
from gateway.attestation.result import AttestationResult, Freshness, Verdict
from gateway.attestation.verifiers import verify_bundle
from tests.gateway.attestation import ears
from tests.gateway.attestation.chains import AT, DAY
from tests.gateway.attestation.ears import CBOR, NONCE, NOW, Made

MADE = Made()
MODERN = Made(ears.draft())
POLICY_ID = sha256(b"policy:cpu").hexdigest()


def policy(rows: str = "") -> bytes:
    return f"""
format = "charter-appraisal/v1"
id = "results"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
[[technology]]
name = "ear"
products = ["verifier.example"]
{rows}
""".encode()


def reference(name: str, words: str) -> str:
    return f"""[[technology.reference]]
measurement = "{name}"
{words}
source = "tests"
valid_from = 2020-01-01
"""


ANY_POLICY = policy(reference("policy:any", 'waived = "the verifier chooses its policies"'))
THAT_POLICY = policy(reference("policy:cpu0", f'any_of = ["{POLICY_ID}"]'))


def judge(claims: Claims, rows: bytes = ANY_POLICY, at: datetime = AT) -> AttestationResult:
    return appraise(
        claims, read_policy(rows), at=at, freshness=Freshness.BACKGROUND, evidence_sha256=""
    )


# --- real results --------------------------------------------------------------------

THEN = datetime(2022, 10, 18, 11, 10, tzinfo=UTC)
REAL = {
    "ear-2023-good": Verdict.ACCEPTED,
    "ear-2023-jwk-in-header": Verdict.ACCEPTED,
    "ear-trustee-realm": errors.EvidenceSignatureError,
    "ear-badcrypto": Verdict.REFUSED,
    "ear-good-result": Verdict.ACCEPTED,
    "ear-trustee-contraindicated": Verdict.REFUSED,
    "ear-draft-2026": "parse",
    "eat-submods": "parse",
}
WORDS = {
    "accept": (Verdict.ACCEPTED,),
    "reject": (Verdict.REFUSED, errors.EvidenceSignatureError),
    "parse": ("parse",),
}


def expected(folder: Path) -> dict[str, dict[str, Any]]:
    listed = json.loads((folder / "expected.json").read_bytes())["cases"]
    return {one["id"]: one for one in listed}


def test_no_real_case_is_left_out(vectors: Path) -> None:
    found = expected(vectors / "ear-eat")
    assert found.keys() == REAL.keys()
    for name, outcome in REAL.items():
        assert outcome in WORDS[found[name]["verdict"]]


def pinned(folder: Path) -> Issuer:
    jwk = json.loads((folder / "ear-2023-pub.jwk.json").read_bytes())
    return Issuer(
        "verifier.example", pyjwt.PyJWK.from_dict(jwk, "ES256").key, frozenset({VERAISON, TRUSTEE})
    )


@pytest.mark.parametrize("name", [name for name in REAL if name.startswith("ear-2023")])
def test_real_tokens_hold_under_the_pinned_key(vectors: Path, name: str) -> None:
    folder = vectors / "ear-eat"
    case = expected(folder)[name]
    token = parse_token((folder / case["files"]["token"]).read_bytes())
    claims = verify_token(token, issuers=[pinned(folder)], at=THEN)
    assert claims.produced_at == datetime.fromtimestamp(1666091373, UTC)
    assert claims.concluded["test"].vector["executables"] == 3
    assert len(claims.concluded["test"].vector) == 8
    assert judge(claims, at=THEN).verdict is REAL[name]


def test_a_real_token_that_brings_its_own_key_does_not_hold(vectors: Path) -> None:
    folder = vectors / "ear-eat"
    data = (folder / "trustee-realm-expired.jwt").read_bytes()
    own = pyjwt.PyJWK.from_dict(pyjwt.get_unverified_header(data.decode())["jwk"], "ES256").key
    itself = Issuer("itself", own, frozenset({TRUSTEE}))
    early = datetime.fromtimestamp(1752059439 - 1, UTC)
    with pytest.raises(errors.EvidenceSignatureError):
        verify_token(parse_token(data), issuers=[pinned(folder)], at=early)
    assert verify_token(parse_token(data), issuers=[itself], at=early)
    with pytest.raises(errors.EvidenceExpiredError):
        verify_token(parse_token(data), issuers=[itself], at=early + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ear-badcrypto", "veraison-result-psa.badcrypto.json"),
        ("ear-good-result", "veraison-result-cca.good.json"),
        ("ear-trustee-contraindicated", "trustee-as-token-payload.json"),
    ],
)
def test_real_results_signed_here_get_their_verdict(vectors: Path, name: str, file: str) -> None:
    given = json.loads((vectors / "ear-eat" / file).read_bytes())
    made = MADE.having("submods", value=given.get("submods", given))
    if "eat_profile" in given:
        given |= {"iat": NOW, "exp": NOW + 300}
        made = replace(MADE, payload=given)
    result = judge(made.verify())
    assert result.verdict is REAL[name], (result.findings, result.lacking)
    if name == "ear-badcrypto":
        assert set(result.vector.members().values()) == {99}
    if name == "ear-good-result":
        assert result.vector.told()["storage-opaque"] == 2
        assert "file-system" not in result.vector.told()


_PARTS = re.compile(r'("(?:[^"\\]|\\.)*")|(/[^/]*/)|h\'([0-9a-fA-F]*)\'|(-?\d+)(?=\s*:)')


def diagnostic(text: str) -> Any:
    """CBOR diagnostic notation (RFC 8949, section 8), as far as the examples go."""

    def spelled(found: re.Match[str]) -> str:
        text, comment, digits, label = found.groups()
        if comment is not None:
            return ""
        return text or (f'"hex:{digits}"' if digits is not None else f'"int:{label}"')

    return undo(json.loads(_PARTS.sub(spelled, text)))


def undo(value: Any) -> Any:
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        return {int(k[4:]) if k[:4] == "int:" else k: undo(v) for k, v in given.items()}
    if isinstance(value, str) and value.startswith("hex:"):
        return bytes.fromhex(value[4:])
    return value


@pytest.mark.parametrize(
    ("file", "statuses"),
    [
        ("draft-2026-ear-json-1.diag", {"PSA": 96}),
        ("draft-2026-ear-json-2.diag", {"CCA Platform": 2, "CCA Realm": 2}),
        ("draft-2026-ear-cbor-1.diag", {"PSA": 96}),
    ],
)
def test_examples_of_the_draft_are_read(vectors: Path, file: str, statuses: dict[str, int]) -> None:
    payload = diagnostic((vectors / "ear-eat" / file).read_text())
    base = CBOR if "cbor" in file else MADE
    token = parse_token(replace(base, payload=payload).token())
    assert token.profile == DRAFT
    assert {name: one.status for name, one in token.conclusions.items()} == statuses
    assert token.developer == "https://veraison-project.org"
    first = next(iter(token.conclusions.values()))
    assert first.vector["instance-identity"] == 2
    assert first.policies == ("https://veraison.example/policy/1/60a0068d",)


def test_submodules_of_an_entity_are_read(vectors: Path) -> None:
    payload = diagnostic((vectors / "ear-eat" / "eat-valid-submods.diag").read_text())
    found = eat.read_cbor(cbor.loads(cbor2.dumps(payload)))
    assert found.nonces == (bytes.fromhex("e253cabedc9eec24ac4e25bcbeaf7765"),)
    assert (found.debug, found.claims["swname"]) == (3, "Acme OS")
    assert found.issued_at == datetime.fromtimestamp(1526542894, UTC)
    assert found.submods.keys() == {"board", "device"}
    assert found.submods["device"].claims["oemid"] == 61234
    with pytest.raises(errors.EvidenceMalformedError):
        read_result(found, parse_token(CBOR.token()).signed)  # an entity is no result


# --- results made here ---------------------------------------------------------------

GOOD = {
    "Veraison": MADE,
    "Trustee": Made(ears.dotted(TRUSTEE)),
    "the draft": MODERN,
    "the draft in CBOR": CBOR,
}


@pytest.mark.parametrize("name", GOOD)
def test_results_of_every_profile_hold(name: str) -> None:
    made = GOOD[name]
    claims = made.verify()
    assert (claims.product, claims.bound) == ("verifier.example", NONCE)
    assert claims.concluded["cpu0"].vector == ears.VECTOR
    assert claims.concluded["cpu0"].policies == ("policy:cpu",)
    assert claims.ends() == AT + timedelta(seconds=300)
    check_bound(claims, NONCE)
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(claims, NONCE[:-1] + b"\0")
    for rows in (ANY_POLICY, THAT_POLICY):
        assert judge(claims, rows).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("signer", "algorithm"),
    [
        ("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512"), ("Ed25519", "EdDSA"),
        ("RSA", "PS256"), ("RSA", "PS384"), ("RSA", "RS256"), ("RSA", "RS512"),
    ],
)  # fmt: skip
def test_results_hold_under_keys_of_every_kind(signer: str, algorithm: str) -> None:
    assert Made(signer=signer, pinned=signer, header={"alg": algorithm}).verify()


def edited(change: Callable[[list[bytes]], None]) -> bytes:
    parts = MADE.token().split(b".")
    change(parts)
    return b".".join(parts)


def stray(parts: list[bytes]) -> None:
    """The last letter with bits that stand for nothing: common readers take it."""
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(parts[2][-1:])
    parts[2] = parts[2][:-1] + letters[last ^ 1 : (last ^ 1) + 1]


MALFORMED, UNSUPPORTED = errors.EvidenceMalformedError, errors.EvidenceUnsupportedError
SIGNATURE, CHAIN = errors.EvidenceSignatureError, errors.EvidenceChainError
BINDING, EXPIRED = errors.EvidenceBindingError, errors.EvidenceExpiredError
INCOMPLETE = errors.EvidenceIncompleteError
OTHER = cast("EllipticCurvePublicKey", ears.key("P-256 of another").public_key())
OWN = {"alg": "ES256", "jwk": ECAlgorithm.to_jwk(OTHER, as_dict=True)}

DAMAGED: dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]] = {
    "signed by another": (lambda: replace(MADE, signer="P-256 of another"), SIGNATURE),
    "signed by another, which brings its key": (
        lambda: replace(MADE, signer="P-256 of another", header=OWN), SIGNATURE,
    ),
    "CBOR signed by another": (lambda: replace(CBOR, signer="P-256 of another"), SIGNATURE),
    "an algorithm of another key": (
        lambda: replace(MADE, signer="RSA", header={"alg": "RS256"}), SIGNATURE,
    ),
    "a key that is too short": (
        lambda: Made(signer="RSA, weak", pinned="RSA, weak", header={"alg": "RS256"}), SIGNATURE,
    ),
    "an algorithm of a secret": (lambda: replace(MADE, header={"alg": "HS256"}), UNSUPPORTED),
    "no algorithm": (lambda: replace(MADE, header={"alg": "none"}), UNSUPPORTED),
    "a critical header": (
        lambda: replace(MADE, header={"alg": "ES256", "crit": ["exp"], "exp": 1}), UNSUPPORTED,
    ),
    "a payload that is not encoded": (
        lambda: replace(MADE, header={"alg": "ES256", "b64": False}), UNSUPPORTED,
    ),
    "a key id that is no text": (
        lambda: replace(MADE, header={"alg": "ES256", "kid": 1}), MALFORMED,
    ),
    "a key id that nobody has": (
        lambda: replace(MADE, header={"alg": "ES256", "kid": "a"}, kid="b"), INCOMPLETE,
    ),
    "CBOR with a key id that nobody has": (
        lambda: replace(CBOR, header={1: -7, 4: b"a"}, kid="b"), INCOMPLETE,
    ),
    "CBOR with a critical header": (
        lambda: replace(CBOR, header={1: -7, 2: [99], 99: 1}), MALFORMED,
    ),
    "a profile that is not known": (
        lambda: MADE.having("eat_profile", value="tag:example.com,2026:new"), UNSUPPORTED,
    ),
    "no profile": (lambda: MADE.having("eat_profile", value=None), MALFORMED),
    "a profile that is a number": (lambda: MADE.having("eat_profile", value=1), MALFORMED),
    "a profile that the issuer is not pinned for": (
        lambda: replace(MADE, profiles=frozenset({DRAFT})), CHAIN,
    ),
    "a profile of other names": (lambda: MADE.having("eat_profile", value=DRAFT), MALFORMED),
    "the key of last year": (lambda: replace(MADE, valid_until=date(2026, 5, 31)), EXPIRED),
    "the key of tomorrow": (lambda: replace(MADE, valid_from=date(2026, 6, 2)), EXPIRED),
    "it ended this second": (lambda: MADE.having("exp", value=NOW), EXPIRED),
    "it is not valid yet": (lambda: MADE.having("nbf", value=NOW + 61), EXPIRED),
    "it was made in the future": (
        lambda: MADE.having("iat", value=NOW + 61), EXPIRED,
    ),
    "it ends before it begins": (lambda: MADE.having("exp", value=NOW - 11), MALFORMED),
    "it does not say when it was made": (lambda: MADE.having("iat", value=None), MALFORMED),
    "it was made at a fraction": (lambda: MADE.having("iat", value=NOW + 0.5), MALFORMED),
    "it was made at true": (lambda: MADE.having("iat", value=True), MALFORMED),
    "it ends in text": (lambda: MADE.having("exp", value=str(NOW + 300)), MALFORMED),
    "it ends in 30,000 years": (lambda: MADE.having("exp", value=10**12), MALFORMED),
    "no submodules": (lambda: MADE.having("submods", value=None), MALFORMED),
    "an empty map of submodules": (lambda: MADE.having("submods", value={}), MALFORMED),
    "a submodule that is a token": (
        lambda: MADE.having("submods", "gpu0", value="a.b.c"), MALFORMED,
    ),
    "a submodule with submodules": (
        lambda: MADE.of_cpu("submods", {"x": {"ear.status": "none"}}), UNSUPPORTED,
    ),
    "a submodule without a name": (
        lambda: MADE.having("submods", "", value={"ear.status": "none"}), MALFORMED,
    ),
    "no status": (lambda: MADE.of_cpu("ear.status", None), MALFORMED),
    "a status that is not known": (lambda: MADE.of_cpu("ear.status", "great"), MALFORMED),
    "a status that is true": (lambda: MADE.of_cpu("ear.status", True), MALFORMED),
    "a status that is a list": (lambda: MADE.of_cpu("ear.status", ["affirming"]), MALFORMED),
    "a status above its vector": (
        lambda: MADE.of_cpu("ear.trustworthiness-vector", ears.VECTOR | {"hardware": 97}), BINDING,
    ),
    "a status above a negative value": (
        lambda: MADE.of_cpu("ear.trustworthiness-vector", ears.VECTOR | {"hardware": -33}),
        BINDING,
    ),
    "a status above a warning": (
        lambda: MODERN.of_cpu(
            "ear_trustworthiness_vector", ears.VECTOR | {"file-system": 32}
        ), BINDING,
    ),
    "a whole above its part": (
        lambda: MADE.of_cpu("ear.status", "warning").having("ear.status", value="affirming"),
        BINDING,
    ),
    "a member of no vector": (
        lambda: MADE.of_cpu("ear.trustworthiness-vector", {"hardwear": 96}), UNSUPPORTED,
    ),
    "a member beyond a byte": (
        lambda: MADE.of_cpu("ear.trustworthiness-vector", {"hardware": 258}), MALFORMED,
    ),
    "a member that is true": (
        lambda: MADE.of_cpu("ear.trustworthiness-vector", {"hardware": True}), MALFORMED,
    ),
    "a member that is a text": (
        lambda: MADE.of_cpu("ear.trustworthiness-vector", {"hardware": "2"}), MALFORMED,
    ),
    "a vector that is a list": (
        lambda: MADE.of_cpu("ear.trustworthiness-vector", [2, 2]), MALFORMED,
    ),
    "older names with a list of policies": (
        lambda: MADE.of_cpu("ear.appraisal-policy-id", ["policy:cpu"]), MALFORMED,
    ),
    "too many policies": (
        lambda: MODERN.of_cpu("ear_appraisal_policy_ids", ["p"] * 33), MALFORMED,
    ),
    "no verifier": (lambda: MADE.having("ear.verifier-id", value=None), MALFORMED),
    "a verifier without a build": (
        lambda: MADE.having("ear.verifier-id", value={"developer": "x"}), MALFORMED,
    ),
    "a nonce that is too short": (lambda: MADE.having("eat_nonce", value="AAAA"), MALFORMED),
    "a nonce that is a number": (lambda: MADE.having("eat_nonce", value=12345678), MALFORMED),
    "parts of two challenges": (
        lambda: MADE.of_cpu("eat_nonce", ears.b64(NONCE[::-1]).decode()), BINDING,
    ),
    "a debug status that is not known": (lambda: MADE.having("dbgstat", value="off"), MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_results_are_refused_for_their_reason(damage: str) -> None:
    make, error = DAMAGED[damage]
    with pytest.raises(errors.EvidenceError) as raised:
        make().verify()
    assert type(raised.value) is error, raised.value


TEXT = json.dumps(MADE.payload).encode()
TOKENS: dict[str, tuple[Callable[[], bytes], type[errors.EvidenceError]]] = {
    "no bytes": (lambda: b"", MALFORMED),
    "two parts": (lambda: MADE.token().rpartition(b".")[0], MALFORMED),
    "four parts": (lambda: MADE.token() + b".AAAA", MALFORMED),
    "a line after it": (lambda: MADE.token() + b"\n", MALFORMED),
    "padding": (lambda: MADE.token() + b"==", MALFORMED),
    "stray bits at its end": (lambda: edited(stray), MALFORMED),
    "no signature": (lambda: edited(lambda p: p.__setitem__(2, b"")), SIGNATURE),
    "a signature in DER": (lambda: edited(lambda p: p.__setitem__(2, p[2][:-2])), SIGNATURE),
    "the signature of another": (
        lambda: edited(lambda p: p.__setitem__(2, MODERN.token().split(b".")[2])), SIGNATURE,
    ),
    "the payload of another": (
        lambda: edited(lambda p: p.__setitem__(
            1, MADE.having("iat", value=NOW).token().split(b".")[1])), SIGNATURE,
    ),
    "a payload that says two things": (
        lambda: replace(MADE, payload=TEXT[:-1] + b',"exp":9}').token(),
        MALFORMED,
    ),
    "a payload that is a list": (lambda: replace(MADE, payload=[1]).token(), MALFORMED),
    "more than it may have": (lambda: MADE.having("x", value="y" * 131_072).token(), MALFORMED),
    "a byte after CBOR": (lambda: CBOR.token() + b"\0", MALFORMED),
    "CBOR cut short": (lambda: CBOR.token()[:-1], MALFORMED),
    "a list in CBOR": (lambda: replace(CBOR, payload=[1]).token(), MALFORMED),
    "CBOR that names a claim twice": (
        lambda: replace(CBOR, payload=ears.numbered() | {"iat": 1}).token(), MALFORMED,
    ),
    "CBOR with a vector that names a member twice": (
        lambda: replace(CBOR, payload=ears.numbered() | {
            266: {"cpu0": {1000: 2, 1001: {4: 96, "hardware": 2}}}}).token(), UNSUPPORTED,
    ),
    "CBOR with another profile": (
        lambda: replace(CBOR, payload=ears.numbered() | {265: "x"}).token(), UNSUPPORTED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", TOKENS)
def test_damaged_tokens_are_refused_for_their_reason(damage: str) -> None:
    make, error = TOKENS[damage]
    with pytest.raises(errors.EvidenceError) as raised:
        MADE.verify(make())
    assert type(raised.value) is error, raised.value


def test_a_result_that_ended_still_holds_at_its_time() -> None:
    assert MADE.verify()
    with pytest.raises(EXPIRED):
        replace(MADE, at=AT + DAY).verify()


def test_a_token_with_its_own_key_holds_under_the_pinned_one_only() -> None:
    assert replace(MADE, header=OWN).verify()


@pytest.mark.parametrize("tag", [b"\xd8\x3d", b""])
def test_a_tag_of_claims_before_the_signature_changes_nothing(tag: bytes) -> None:
    assert CBOR.verify(tag + CBOR.token())


NOT_APPROVED: dict[str, tuple[Made, Verdict]] = {
    "status none": (MADE.of_cpu("ear.status", "none"), Verdict.UNDECIDED),
    "no vector": (MADE.of_cpu("ear.trustworthiness-vector", None), Verdict.UNDECIDED),
    "nothing but zeros": (
        MADE.of_cpu("ear.trustworthiness-vector", dict.fromkeys(ears.VECTOR, 0)),
        Verdict.UNDECIDED,
    ),
    "hardware of which nothing is said": (
        MADE.of_cpu("ear.trustworthiness-vector", ears.VECTOR | {"hardware": 0}),
        Verdict.UNDECIDED,
    ),
    "hardware that was not understood": (
        MADE.of_cpu("ear.trustworthiness-vector", ears.VECTOR | {"hardware": 1}),
        Verdict.UNDECIDED,
    ),
    "a member at which the verifier failed": (
        MADE.of_cpu("ear.trustworthiness-vector", ears.VECTOR | {"file-system": -1}),
        Verdict.UNDECIDED,
    ),
    "a part of which nothing is said": (
        MADE.having("submods", "gpu0", value={"ear.status": "affirming"}), Verdict.UNDECIDED,
    ),
    "a part that is contraindicated": (
        MADE.having("submods", "gpu0", value={"ear.status": "contraindicated"}), Verdict.REFUSED,
    ),
    "a status worse than each member": (MADE.of_cpu("ear.status", "warning"), Verdict.REFUSED),
    "debug": (MADE.having("dbgstat", value="enabled"), Verdict.REFUSED),
    "made six minutes ago": (MADE.having("iat", value=NOW - 360), Verdict.REFUSED),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_APPROVED)
def test_what_the_verifier_does_not_approve_does_not_count(name: str) -> None:
    made, verdict = NOT_APPROVED[name]
    assert judge(made.verify()).verdict is verdict


def test_another_issuer_or_policy_than_the_owner_lists_does_not_count() -> None:
    claims = MADE.verify()
    other = THAT_POLICY.replace(b'["verifier.example"]', b'["another.example"]')
    assert judge(claims, other).verdict is Verdict.REFUSED
    assert judge(claims, THAT_POLICY.replace(POLICY_ID.encode(), b"00")).verdict is Verdict.REFUSED
    assert judge(claims, policy()).verdict is Verdict.UNDECIDED


def test_a_nonce_of_one_part_does_not_speak_for_another() -> None:
    second = {"ear_status": "affirming", "ear_trustworthiness_vector": ears.VECTOR}
    assert MODERN.having("submods", "gpu0", value=second).verify().bound == b""
    words = "this is no base64 at all!"
    assert MADE.having("eat_nonce", value=words).verify().bound == b""


# --- from files ----------------------------------------------------------------------

JWK = ECAlgorithm.to_jwk(cast("EllipticCurvePublicKey", MADE.issuer().key), as_dict=True)
PEM = MADE.issuer().key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ANCHORS = f"""
format = "charter-anchors/v1"
owner = "tests"
[[ear_issuer]]
name = "verifier.example"
jwk = {{ kty = "EC", crv = "P-256", x = "{JWK["x"]}", y = "{JWK["y"]}" }}
profiles = ["{VERAISON}", "{DRAFT}"]
source = "tests"
valid_from = 2026-01-01
valid_until = 2026-12-31
"""
IN_PEM = re.sub(r"jwk = .*", f'pem = """{PEM}"""', ANCHORS)


def in_bundle(made: Made, anchors: str) -> Claims:
    given = base64.b64encode(made.token()).decode()
    bundle = {"format": FORMAT, "technology": "ear", "evidence": {"token": given}}
    found = read_bundle(json.dumps(bundle).encode())
    return verify_bundle(found, read_anchors(anchors.encode()), at=AT)


@pytest.mark.parametrize("anchors", [ANCHORS, IN_PEM], ids=["jwk", "pem"])
def test_the_issuers_of_a_file_of_anchors_count(anchors: str) -> None:
    assert in_bundle(MADE, anchors).product == "verifier.example"
    assert in_bundle(CBOR, anchors).bound == NONCE
    trustee = Made(ears.dotted(TRUSTEE))
    for made, error in (
        (trustee, CHAIN),
        (replace(MADE, signer="P-256 of another", header=OWN), SIGNATURE),
    ):
        with pytest.raises(error):
            in_bundle(made, anchors)
    with pytest.raises(INCOMPLETE):
        in_bundle(MADE, anchors.partition("[[")[0])


BAD_ISSUERS = {
    "an unknown profile": (DRAFT, "tag:example.com,2026:new"),
    "a private key": ('kty = "EC"', 'd = "AQAB", kty = "EC"'),
    "a shared secret": ('kty = "EC"', 'k = "AQAB", kty = "oct"'),
    "a point on no curve": (JWK["x"], JWK["y"]),
    "both forms of a key": ("jwk = ", f'pem = """{PEM}"""\njwk = '),
    "no key": ("jwk = ", 'kid = "x" # '),
    "no profile": (f'["{VERAISON}", "{DRAFT}"]', "[]"),
    "a member that is not known": ("owner = ", "more = 1\nowner = "),
}


@pytest.mark.parametrize("damage", BAD_ISSUERS)
def test_an_issuer_that_is_none_is_refused(damage: str) -> None:
    old, new = BAD_ISSUERS[damage]
    assert old in ANCHORS
    with pytest.raises(errors.AppraisalPolicyError):
        read_anchors(ANCHORS.replace(old, new, 1).encode())


# --- hostile bytes -------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    for tail in (data, b"\xd2" + data, ears.b64(b'{"alg":"ES256"}') + b"." + ears.b64(data) + b"."):
        try:
            parse_token(tail)
        except errors.EvidenceError:
            continue


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-300, 300) | st.text(max_size=8)
    | st.sampled_from(["affirming", VERAISON, TRUSTEE, DRAFT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["submods", "cpu0", "ear.status", "ear_status", "eat_nonce", "hardware",
                         "ear.trustworthiness-vector", "dbgstat", "developer", "build"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200)
@given(st.sampled_from(sorted(MADE.payload)), _JSON)
def test_no_claim_makes_the_reader_fail_otherwise(name: str, value: object) -> None:
    payload = MADE.payload | {name: value}
    signed = parse_token(CBOR.token()).signed
    try:
        read_result(eat.read_json(payload), signed)
        eat.read_cbor(payload)
    except errors.EvidenceError:
        return


@given(st.integers(0, len(MADE.token()) - 1), st.integers(1, 127))
def test_no_byte_of_a_token_can_be_another(at: int, flip: int) -> None:
    data = MADE.token()
    changed = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
    with pytest.raises(errors.EvidenceError):
        MADE.verify(changed)


# --- debug, told by parts ------------------------------------------------------------


def parts(*told: str | None, whole: str | None = None) -> Made:
    """As many parts as there are words, each with its own; None for one that is silent."""
    cpu = MADE.payload["submods"]["cpu0"]
    own = [{k: v for k, v in cpu.items() if k != "dbgstat"} for _ in told]
    named = [
        one | ({} if word is None else {"dbgstat": word})
        for one, word in zip(own, told, strict=True)
    ]
    found = MADE.having("submods", value={f"part{n}": one for n, one in enumerate(named)})
    return found if whole is None else found.having("dbgstat", value=whole)


TOLD: dict[str, tuple[Made, bool | None]] = {
    "nobody says": (parts(None), None),
    "the only part says no": (parts("disabled"), False),
    "both parts say no": (parts("disabled", "disabled-permanently"), False),
    "one part says no and one is silent": (parts("disabled", None), None),
    "one part says yes and one is silent": (parts(None, "enabled"), True),
    "one part says yes and one no": (parts("disabled", "enabled"), True),
    "the whole says no and a part is silent": (parts(None, whole="disabled"), False),
    "the whole says no and a part yes": (parts("enabled", None, whole="disabled"), True),
    "the whole says yes and a part no": (parts("disabled", whole="enabled"), True),
}  # fmt: skip


@pytest.mark.parametrize("kind", TOLD)
def test_that_nothing_can_be_debugged_is_told_of_every_part_or_not_at_all(kind: str) -> None:
    made, is_debug = TOLD[kind]
    assert made.verify().is_debug is is_debug
