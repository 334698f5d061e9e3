"""JWTs of issuers: real keys, real signatures, and every way to lie about them."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.callers import Callers, Credentials, Identity, Known, Role
from gateway.callers.jwks import MAX_AGE_S, MAX_STALE_S, RETRY_S, IssuerKeys, read_keys
from gateway.callers.oidc import MAX_TOKEN, Issuer, Issuers, IssuerSettings
from gateway.errors import (
    AuthenticationError,
    AuthorisationError,
    CallersUnavailableError,
    FetchError,
    IssuerKeysError,
)

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
AT = int(NOW.timestamp())
ISSUER, OTHER = "https://login.example/clinic", "https://login.example/other"
AUDIENCE = "https://charter.example"
GRANT = {
    "when": [{"claim": ["realm_access", "roles"], "is": "schedulers"}],
    "roles": ["scheduler"],
    "actions": ["place"],
    "tenants": ["clinic-a"],
}


@cache
def rsa_key(name: str = "a", bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}[curve])


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, kid: str | None, **changes: Any) -> dict[str, Any]:
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        made = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        made = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        made = OKPAlgorithm.to_jwk(public, as_dict=True)
    made.pop("key_ops", None)
    found = {**made, "use": "sig", **({} if kid is None else {"kid": kid}), **changes}
    return {name: value for name, value in found.items() if value is not ...}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


@dataclass
class Source:
    """Where an issuer publishes its keys, and a clock beside it."""

    data: bytes
    reads: int = 0
    seconds: float = 1000.0
    away: bool = False
    seen: list[float] = field(default_factory=list[float])

    def read(self) -> bytes:
        self.reads += 1
        self.seen.append(self.seconds)
        if self.away:
            raise FetchError("login.example: timed out")
        return self.data

    def keys(self) -> IssuerKeys:
        return IssuerKeys(ISSUER, self.read, seconds=lambda: self.seconds)


def settings(**changes: Any) -> IssuerSettings:
    base: dict[str, Any] = {
        "issuer": ISSUER, "audience": AUDIENCE, "keys_url": "https://login.example/keys",
        "grant": [GRANT],
    }  # fmt: skip
    return IssuerSettings.model_validate({**base, **changes})


def published() -> Source:
    return Source(key_set(jwk(rsa_key(), "r1"), jwk(ec_key(), "e1"), jwk(ed_key(), "d1")))


def issuers(source: Source | None = None, **changes: Any) -> Issuers:
    other = Source(key_set(jwk(rsa_key("other"), "r1"), jwk(rsa_key("other2"), "o1")))
    return Issuers(
        [
            Issuer(settings(**changes), (source or published()).keys()),
            Issuer(settings(issuer=OTHER), other.keys()),
        ]
    )


def claims(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "svc-7", "nbf": AT - 10, "exp": AT + 600,
        "realm_access": {"roles": ["users", "schedulers"]},
    }  # fmt: skip
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


def signed(
    key: Any = None, algorithm: str = "RS256", kid: Any = "r1", header: Any = None, **changes: Any
) -> str:
    named = {} if kid is ... else {"kid": kid}
    return jwt.encode(claims(**changes), key or rsa_key(), algorithm, {**named, **(header or {})})


def raw(header: dict[str, Any], payload: Any, sign: Callable[[bytes], bytes]) -> str:
    """A token made by hand, as no library would make it."""
    parts = [_b64(json.dumps(part).encode()) for part in (header, payload)]
    message = b".".join(parts)
    return (message + b"." + _b64(sign(message))).decode()


def _b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def identify(token: str, known: Issuers | None = None, now: datetime = NOW) -> Identity:
    return asyncio.run((known or issuers()).identify(token, now=now))


# --- what gets in --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(rsa_key, "RS256", "r1"), (ec_key, "ES256", "e1"), (ed_key, "EdDSA", "d1")],
)
def test_a_token_of_each_algorithm_gets_in_with_its_grant(
    key: Callable[[], Any], algorithm: str, kid: str
) -> None:
    found = identify(signed(key(), algorithm, kid))
    assert (found.tenants, found.roles, found.actions) == (
        ("clinic-a",), {Role.SCHEDULER}, {"place"},
    )  # fmt: skip
    # A subject can be the name of a person, and this goes to logs.
    assert "svc-7" not in found.id


def test_the_subjects_of_two_issuers_are_two_callers() -> None:
    mine = identify(signed())
    theirs = identify(signed(rsa_key("other"), iss=OTHER))
    assert mine.id != theirs.id


def test_through_the_header_beside_tokens_of_ours() -> None:
    known = Known(Callers(()), issuers())
    found = asyncio.run(known.identify(Credentials([f"Bearer {signed()}"]), now=NOW))
    assert found.tenants == ("clinic-a",)
    for header in (f"Basic {signed()}", signed(), f"Bearer charter_{signed()}"):
        with pytest.raises(AuthenticationError):
            asyncio.run(known.identify(Credentials([header]), now=NOW))


# --- what does not -------------------------------------------------------------------


def _public_pem() -> bytes:
    return (
        rsa_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _hmac(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda message: hmac.digest(secret, message, sha256)


def forged() -> dict[str, str]:
    good = signed()
    head, body, signature = good.split(".")
    hs = {"alg": "HS256", "typ": "JWT", "kid": "r1"}
    public = json.dumps(jwk(rsa_key(), "r1")).encode()
    evil = jwk(rsa_key("evil"), "r1")
    return {
        "alg none": raw({"alg": "none", "kid": "r1"}, claims(), lambda _: b""),
        "alg None with a signature": raw({"alg": "None", "kid": "r1"}, claims(), lambda _: b"x"),
        "no alg": raw({"kid": "r1"}, claims(), lambda _: b"x"),
        "alg that is a list": raw({"alg": ["RS256"], "kid": "r1"}, claims(), lambda _: b"x"),
        "HS256 with the public key in PEM": raw(hs, claims(), _hmac(_public_pem())),
        "HS256 with the public key as JWK": raw(hs, claims(), _hmac(public)),
        "HS256 with an empty secret": raw(hs, claims(), _hmac(b"")),
        "RS512, which is not pinned": signed(algorithm="RS512"),
        "PS256, which is not pinned": signed(algorithm="PS256"),
        "the key of another algorithm": signed(ec_key(), "ES256", "r1"),
        "the id of another key": signed(rsa_key(), "RS256", "e1"),
        "ES384 under the id of a P-256 key": signed(ec_key("P-384"), "ES384", "e1"),
        "an unknown key id": signed(kid="r2"),
        "no key id where there are several keys": signed(kid=...),
        "a key id that is a number": raw({"alg": "RS256", "kid": 1}, claims(), lambda _: b"x"),
        "a key id that is a path": signed(kid="../../r1"),
        "another key under a known id": signed(rsa_key("evil")),
        "the key of another issuer": signed(rsa_key("other"), iss=ISSUER),
        "the key id of another issuer": signed(rsa_key("other2"), kid="o1"),
        "our key for another issuer": signed(iss=OTHER),
        "its own key inside": signed(rsa_key("evil"), header={"jwk": evil}),
        "its own key elsewhere": signed(rsa_key("evil"), header={"jku": "https://evil.example/k"}),
        "its own chain": signed(rsa_key("evil"), header={"x5c": ["AA=="], "x5u": "https://e.e"}),
        "a critical extension": signed(header={"crit": ["exp"], "exp": 1}),
        "an unencoded payload": signed(header={"b64": False, "crit": ["b64"]}),
        "a logout token": signed(header={"typ": "logout+jwt"}),
        "a type that is a list": raw({"alg": "RS256", "typ": ["JWT"], "kid": "r1"}, claims(),
                                     lambda _: b"x"),
        "another issuer": signed(iss="https://login.example/clinics"),
        "an issuer with a slash more": signed(iss=ISSUER + "/"),
        "an issuer in capitals": signed(iss=ISSUER.upper()),
        "no issuer": signed(iss=...),
        "another audience": signed(aud="https://other.example"),
        "several audiences without ours": signed(aud=["x", AUDIENCE + "/"]),
        "no audience": signed(aud=...),
        "no subject": signed(sub=...),
        "an empty subject": signed(sub=""),
        "no end": signed(exp=...),
        "no beginning": signed(nbf=...),
        "an end that is text": raw({"alg": "RS256", "kid": "r1"}, claims(exp="9999999999"),
                                   lambda m: _rs256(m)),
        "an end that is a truth value": raw({"alg": "RS256", "kid": "r1"}, claims(exp=True),
                                            lambda m: _rs256(m)),
        "an end beyond all": signed(exp=2**70),
        "an infinite end": raw({"alg": "RS256", "kid": "r1"}, claims(exp=float("inf")),
                               lambda m: _rs256(m)),
        "expired": signed(exp=AT - 30, nbf=AT - 600),
        "not begun": signed(nbf=AT + 31),
        "issued in the future": signed(iat=AT + 31),
        "of too long a time": signed(exp=AT + 86_400),
        "ended before it began": signed(nbf=AT + 20, exp=AT + 10),
        "a changed payload": ".".join([head, signed(sub="root").split(".")[1], signature]),
        "a cut signature": good[:-4],
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.x",
        "an encrypted token": f"{head}.{body}.x.y.z",
        "not base64": f"{head}.!!!.{signature}",
        "not JSON": f"{head}.{_b64(b'{').decode()}.{signature}",
        "a payload that is a list": raw({"alg": "RS256", "kid": "r1"}, [], lambda m: _rs256(m)),
        "a payload nested deeply": ".".join(
            [head, _b64(b'{"a":' + b"[" * 5000).decode(), signature]
        ),
        "nothing": "",
        "dots": "..",
        "not ASCII": "é.é.é",
        "huge": signed(more="x" * MAX_TOKEN),
    }  # fmt: skip


def _rs256(message: bytes) -> bytes:
    return jwt.get_algorithm_by_name("RS256").sign(message, rsa_key())


@pytest.mark.parametrize("case", sorted(forged()))
def test_no_forged_stale_or_foreign_token_gets_in(case: str) -> None:
    token = forged()[case]
    with pytest.raises(AuthenticationError) as caught:
        identify(token)
    assert len(str(caught.value)) < 100
    assert token == "" or token not in str(caught.value)


def test_every_token_made_by_hand_would_get_in_if_it_were_not_for_its_fault() -> None:
    """The forgeries above are refused for what is wrong in them, not for how they are made."""
    good = raw({"alg": "RS256", "kid": "r1"}, claims(), _rs256)
    assert identify(good).tenants == ("clinic-a",)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"exp": AT - 29, "nbf": AT - 600}, True),
        ({"exp": AT - 30, "nbf": AT - 600}, False),
        ({"nbf": AT + 30}, True),
        ({"nbf": AT + 31}, False),
    ],
)
def test_the_clocks_may_differ_by_the_leeway_and_no_second_more(
    changes: dict[str, Any], counts: bool
) -> None:
    if counts:
        identify(signed(**changes))
        return
    with pytest.raises(AuthenticationError):
        identify(signed(**changes))


def test_a_pinned_algorithm_alone_is_taken() -> None:
    only = issuers(algorithms=["ES256"])
    identify(signed(ec_key(), "ES256", "e1"), only)
    for token in (signed(), signed(ed_key(), "EdDSA", "d1")):
        with pytest.raises(AuthenticationError):
            identify(token, only)


# --- grants --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"realm_access": ...},
        {"realm_access": {"roles": "schedulers "}},
        {"realm_access": {"roles": ["Schedulers"]}},
        {"realm_access": {"roles": {"schedulers": True}}},
        {"realm_access": ["schedulers"]},
        {"realm_access.roles": ["schedulers"], "realm_access": ...},
    ],
)
def test_a_caller_whom_no_grant_names_is_known_and_may_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(AuthorisationError, match="no grant"):
        identify(signed(**changes))


def by_claim(**more: Any) -> Issuers:
    grant = {**GRANT, "tenants": ["clinic-a", "clinic-b"], "tenant_claim": "org", **more}
    return issuers(grant=[{k: v for k, v in grant.items() if v is not ...}])


def test_the_tenants_of_a_claim_are_those_that_the_grant_allows() -> None:
    assert identify(signed(org="clinic-b"), by_claim()).tenants == ("clinic-b",)
    several = identify(signed(org=["clinic-b", "clinic-z", "clinic-a"]), by_claim())
    assert several.tenants == ("clinic-b", "clinic-a")
    assert identify(signed(org="clinic-z"), by_claim(tenants=...)).tenants == ("clinic-z",)


@pytest.mark.parametrize(
    "org", [..., None, "", 7, "clinic-z", "clinic-a\n", [], ["clinic-a", 7], {"clinic-a": 1},
            ["x"] * 65, "self check", ["clinic-a", "self check"]],
)  # fmt: skip
def test_a_claim_that_names_no_allowed_tenant_gives_none(org: Any) -> None:
    with pytest.raises(AuthorisationError):
        identify(signed(org=org), by_claim())


@pytest.mark.parametrize("org", ["self check", ["clinic-z", "self check"]])
def test_a_claim_that_names_the_gateway_itself_gives_no_tenant_at_all(org: Any) -> None:
    for more in ({"tenants": ...}, {}):
        with pytest.raises(AuthorisationError, match="no grant"):
            identify(signed(org=org), by_claim(**more))


def test_the_first_grant_that_fits_counts_alone() -> None:
    second = {**GRANT, "roles": ["operator"], "tenants": ["clinic-b"]}
    found = identify(signed(), issuers(grant=[GRANT, second]))
    assert (found.tenants, found.roles) == (("clinic-a",), {Role.SCHEDULER})


# --- the keys ------------------------------------------------------------------------

KEY_SETS: list[tuple[str, Callable[[], bytes]]] = [
    ("not JSON", lambda: b"{"),
    ("a list", lambda: b"[]"),
    ("no keys", key_set),
    ("keys that are no list", lambda: b'{"keys": {}}'),
    ("a key that is no object", lambda: b'{"keys": [7]}'),
    ("nested deeply", lambda: b'{"keys":' + b"[" * 100_000),
    ("101 keys", lambda: key_set(*[jwk(ec_key(), str(n)) for n in range(101)])),
    ("an id twice", lambda: key_set(jwk(rsa_key(), "a"), jwk(ec_key(), "a"))),
    ("an id missing among several", lambda: key_set(jwk(rsa_key(), "a"), jwk(ec_key(), None))),
    ("an id that is a number", lambda: key_set({**jwk(rsa_key(), "a"), "kid": 7})),
    ("a secret alone", lambda: key_set({"kty": "oct", "k": "AA", "kid": "a"})),
    ("for encryption alone", lambda: key_set(jwk(rsa_key(), "a", use="enc"))),
    ("to sign alone", lambda: key_set(jwk(rsa_key(), "a", key_ops=["sign"]))),
    ("of another algorithm", lambda: key_set(jwk(rsa_key(), "a", alg="HS256"))),
    ("of another curve", lambda: key_set(jwk(ec_key("P-384"), "a"))),
    ("a weak RSA key", lambda: key_set(jwk(rsa_key("weak", 1024), "a"))),
    ("a private key", lambda: key_set(jwk(rsa_key(), "a", d="AA"))),
    ("a broken key", lambda: key_set(jwk(rsa_key(), "a", n=7))),
    ("half a key", lambda: key_set(jwk(ec_key(), "a", x=...))),
    ("a point off the curve", lambda: key_set(jwk(ec_key(), "a", x=jwk(ec_key(), "a")["y"]))),
]


@pytest.mark.parametrize("data", [case[1] for case in KEY_SETS], ids=[case[0] for case in KEY_SETS])
def test_keys_that_nobody_should_trust_are_refused(data: Callable[[], bytes]) -> None:
    with pytest.raises(IssuerKeysError):
        read_keys(data())


def test_keys_for_other_things_are_left_out() -> None:
    found = read_keys(
        key_set(jwk(rsa_key(), "a"), jwk(rsa_key("evil"), "b", use="enc"), {"kty": "oct", "k": "A"})
    )
    assert set(found) == {"a"}


def test_an_only_key_without_an_id_is_found_by_a_token_without_one() -> None:
    known = issuers(Source(key_set(jwk(rsa_key(), None))))
    identify(signed(kid=...), known)
    with pytest.raises(AuthenticationError):
        identify(signed(kid="r1"), known)


def test_a_new_key_is_looked_for_once_and_unknown_ids_do_not_flood_the_issuer() -> None:
    source = published()
    known = issuers(source)

    async def ask(token: str) -> bool:
        try:
            await known.identify(token, now=NOW)
        except AuthenticationError:
            return False
        return True

    async def run() -> None:
        assert await ask(signed())
        flood = [ask(signed(kid=f"unknown-{n}")) for n in range(50)]
        assert not any(await asyncio.gather(*flood))
        assert source.reads == 1
        # The issuer changes its key.
        source.data = key_set(jwk(rsa_key("new"), "r2"))
        source.seconds += RETRY_S
        assert await ask(signed(rsa_key("new"), kid="r2"))
        assert source.reads == 2
        # What it took back does not count any more.
        assert not await ask(signed())

    asyncio.run(run())


def test_keys_are_read_again_in_the_background_and_outlive_an_issuer_that_is_away() -> None:
    source = published()
    keys = source.keys()

    async def run() -> None:
        await keys.find("r1")
        source.away = True
        source.seconds += MAX_AGE_S + 1
        await keys.find("r1")
        await asyncio.sleep(0.05)
        assert source.reads == 2
        await keys.find("r1")  # and not at every question
        assert source.reads == 2
        source.seconds = source.seen[0] + MAX_STALE_S + 1
        with pytest.raises(CallersUnavailableError):
            await keys.find("r1")
        # It recovers by itself.
        source.away, source.seconds = False, source.seconds + RETRY_S
        await keys.find("r1")

    asyncio.run(run())


def test_while_keys_were_never_read_nobody_is_let_in_and_the_issuer_is_not_flooded() -> None:
    source = published()
    source.away = True
    known = issuers(source)
    for _ in range(5):
        with pytest.raises(CallersUnavailableError):
            identify(signed(), known)
    assert source.reads == 1


def test_keys_that_turn_bad_do_not_take_the_place_of_good_ones() -> None:
    source = published()
    keys = source.keys()

    async def run() -> None:
        await keys.find("r1")
        source.data, source.seconds = b"<html>", source.seconds + RETRY_S
        with pytest.raises(AuthenticationError):
            await keys.find("r2")
        await keys.find("r1")

    asyncio.run(run())


# --- settings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": ""},
        {"audience": ""},
        {"keys_url": None},
        {"keys_file": "keys.json"},
        {"keys_url": "http://login.example/keys"},
        {"keys_url": "https://user:secret@login.example/keys"},
        {"keys_url": "https:///keys"},
        {"keys_url": "file:///etc/passwd"},
        {"keys_url": "https://login.example/keys#x"},
        {"algorithms": []},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"leeway_s": 301},
        {"leeway_s": -1},
        {"max_lifetime_s": 0},
        {"grant": []},
        {"grant": [{**GRANT, "when": []}]},
        {"grant": [{**GRANT, "roles": []}]},
        {"grant": [{**GRANT, "roles": ["root"]}]},
        {"grant": [{k: v for k, v in GRANT.items() if k != "tenants"}]},
        {"grant": [{**GRANT, "tenants": []}]},
        {"grant": [{**GRANT, "tenants": ["self check"]}]},
        {"more": 1},
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        settings(**changes)
