"""The callers file read again while the gateway runs: whoever is named counts within two
seconds, and what is wrong changes nothing but the log."""

import json
import logging
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from jwt.algorithms import ECAlgorithm

from gateway.callers import Callers, Peer, settings
from gateway.callers.known import Credentials, Known
from gateway.callers.reloading import CallersWatch, stamps
from gateway.callers.spiffe import TrustDomains
from gateway.errors import (
    AuthenticationError,
    AuthorisationError,
    ConfigurationError,
    GatewayError,
)
from tests.gateway.certificates import Issued, authority
from tests.gateway.cli.test_serve_callers import Gate, launch
from tests.gateway.serving import prepare
from tests.gateway.world import run
from tests.gateway_process import stop

NOW = datetime.now(UTC).replace(microsecond=0)
ID = "spiffe://clinic.example/scheduler"
HOUR = timedelta(hours=1)
ISSUER = "https://login.example"
TEXT = """\
format = "charter-callers/v1"

[[trust_domain]]
name = "clinic.example"
bundle = "clinic.pem"
[[trust_domain.grant]]
id = "{id}"
tenants = ["clinic-a"]
roles = ["scheduler"]

[[issuer]]
issuer = "https://login.example"
audience = "a"
keys_file = "keys.json"
[[issuer.grant]]
when = [{{ claim = "groups", is = "schedulers" }}]
tenants = ["{tenant}"]
roles = ["scheduler"]
"""


class Place:
    """A folder with a callers file, and what watches it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clinic = authority("clinic")
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.admitted: list[TrustDomains] = []
        self.write_keys()
        self.write("clinic.pem", self.clinic.pem)
        self.write_callers()
        seen = stamps(settings.files(self.path))
        self.known = Known(Callers(()), *settings.load(self.path))
        self.watch = CallersWatch(
            self.known,
            lambda: settings.load(self.path),
            lambda: settings.files(self.path),
            self.admit,
            seen,
        )

    @property
    def path(self) -> Path:
        return self.folder / "callers.toml"

    def admit(self, domains: TrustDomains) -> None:
        self.admitted.append(domains)

    def write(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)
        (self.folder / name).chmod(0o600)

    def write_callers(self, tenant: str = "clinic-a", spiffe_id: str = ID) -> None:
        self.write("callers.toml", TEXT.format(tenant=tenant, id=spiffe_id).encode())

    def write_keys(self) -> None:
        public = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        keys = {"keys": [{**public, "kid": "k1", "use": "sig"}]}
        self.write("keys.json", json.dumps(keys).encode())

    def tenant_of_jwt(self) -> str:
        at = int(NOW.timestamp())
        claims: dict[str, object] = {"iss": ISSUER, "aud": "a", "sub": "s", "groups": "schedulers"}
        claims |= {"nbf": at - 5, "exp": at + 300}
        token = jwt.encode(claims, self.key, "ES256", {"kid": "k1"})
        found = run(self.known.identify(Credentials((f"Bearer {token}",)), now=NOW))
        return found.tenants[0]

    def of(self, leaf: Issued) -> str:
        found = run(self.known.identify(Credentials((), Peer(leaf.der)), now=NOW))
        return found.tenants[0]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def refused(what: Callable[[], object]) -> type[GatewayError]:
    with pytest.raises((AuthenticationError, AuthorisationError)) as caught:
        what()
    return type(caught.value)


def test_while_nothing_changes_nothing_is_read(place: Place) -> None:
    assert [run(place.watch.look()) for _ in range(3)] == [False] * 3
    assert place.admitted == []


def test_another_grant_counts_after_the_next_look(place: Place) -> None:
    assert place.tenant_of_jwt() == "clinic-a"
    place.write_callers(tenant="clinic-b")
    assert place.tenant_of_jwt() == "clinic-a"
    assert run(place.watch.look()) is True
    assert place.tenant_of_jwt() == "clinic-b"
    assert run(place.watch.look()) is False


def test_a_grant_that_is_taken_away_counts_no_more(place: Place) -> None:
    leaf = place.clinic.leaf(ID)
    assert place.of(leaf) == "clinic-a"
    place.write_callers(spiffe_id="spiffe://clinic.example/other")
    run(place.watch.look())
    assert refused(lambda: place.of(leaf)) is AuthorisationError


def test_another_trust_bundle_takes_in_its_own_and_nobody_of_the_old_one(place: Place) -> None:
    old, new = place.clinic.leaf(ID), authority("new")
    assert place.of(old) == "clinic-a"
    place.write("clinic.pem", new.pem)
    assert run(place.watch.look()) is True
    assert refused(lambda: place.of(old)) is AuthenticationError  # also on an open connection
    assert place.of(new.leaf(ID)) == "clinic-a"
    assert place.admitted[-1].authorities() == new.pem.decode()


def test_keys_of_an_issuer_in_a_file_count_when_they_change(place: Place) -> None:
    place.tenant_of_jwt()
    place.key = ec.generate_private_key(ec.SECP256R1())
    place.write_keys()
    run(place.watch.look())
    assert place.tenant_of_jwt() == "clinic-a"


WRONG: dict[str, Callable[[Place], object]] = {
    "no TOML": lambda p: p.write("callers.toml", b"x"),
    "half written": lambda p: p.write("callers.toml", p.path.read_bytes()[:-20]),
    "empty": lambda p: p.write("callers.toml", b""),
    "nobody": lambda p: p.write("callers.toml", b'format = "charter-callers/v1"\n'),
    "nested too deeply": lambda p: p.write("callers.toml", b"x = " + b"[" * 5000),
    "no such day": lambda p: p.write("callers.toml", b"x = 2026-02-30"),
    "gone": lambda p: p.path.unlink(),
    "writable by others": lambda p: p.path.chmod(0o622),
    "a bundle that is none": lambda p: p.write("clinic.pem", b"none"),
    "a bundle that is gone": lambda p: (p.folder / "clinic.pem").unlink(),
    "a leaf in the bundle": lambda p: p.clinic.leaf(ID).write(p.folder, "clinic"),
    "keys that are none": lambda p: p.write("keys.json", b"{}"),
    "a grant of another domain": lambda p: p.write_callers(spiffe_id="spiffe://other.example/x"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_logged_once_and_everybody_stays_known(
    place: Place, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    leaf = place.clinic.leaf(ID)
    place.tenant_of_jwt()  # the keys of the issuer are known
    before = {name: (place.folder / name).read_bytes() for name in ("callers.toml", "clinic.pem")}
    WRONG[case](place)
    with caplog.at_level(logging.INFO, "charter"):
        assert [run(place.watch.look()) for _ in range(3)] == [False] * 3
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("callers stay as they were: ")
    assert (place.of(leaf), place.tenant_of_jwt()) == ("clinic-a", "clinic-a")
    assert place.admitted == []
    # And once it is right again it is read.
    for name, data in before.items():
        place.write(name, data)
    place.write_keys()
    place.write_callers(tenant="clinic-b")
    assert run(place.watch.look()) is True
    assert place.tenant_of_jwt() == "clinic-b"


def test_what_the_handshake_cannot_use_changes_nothing(place: Place) -> None:
    def refuse(_: TrustDomains) -> None:
        raise ConfigurationError("no TLS")

    watch = CallersWatch(
        place.known,
        lambda: settings.load(place.path),
        lambda: settings.files(place.path),
        refuse,
        {},
    )
    place.write_callers(tenant="clinic-b")
    assert run(watch.look()) is False
    assert place.tenant_of_jwt() == "clinic-a"


def test_what_changed_while_the_gateway_started_is_read_at_the_first_look(place: Place) -> None:
    seen = stamps(settings.files(place.path))
    place.write_callers(tenant="clinic-b")
    watch = CallersWatch(
        place.known,
        lambda: settings.load(place.path),
        lambda: settings.files(place.path),
        place.admit,
        seen,
    )
    assert run(watch.look()) is True


# --- a real gateway ------------------------------------------------------------------


def within(seconds: float, what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.1)
    return False


def status(gate: Gate, leaf: Issued) -> int:
    try:
        return gate.ask(leaf).status
    except (ssl.SSLError, ConnectionError):
        return 0  # not let in


def test_a_running_gateway_takes_another_trust_bundle_and_certificate(tmp_path: Path) -> None:
    clinic, new, server = authority("clinic"), authority("new"), authority("server")
    (tmp_path / "clinic.pem").write_bytes(clinic.pem)
    host = server.leaf(dns="localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    certificate, key = host.write(tmp_path, "host")
    tokens = prepare(tmp_path)
    callers = tmp_path / "callers.toml"
    only_domain = TEXT.partition("[[issuer]]")[0].format(id=ID)
    callers.write_text(only_domain)
    callers.chmod(0o600)
    gateway = launch(
        tmp_path / "state", "--policies", str(tmp_path / "policies"), "--callers", str(callers),
        "--tls-cert", str(certificate), "--tls-key", str(key), "--engines", "reference",
    )  # fmt: skip
    gate = Gate(gateway, clinic, new, server, ec.generate_private_key(ec.SECP256R1()),
                tokens["own"], tmp_path)  # fmt: skip
    try:
        old_leaf, new_leaf = clinic.leaf(ID), new.leaf(ID)
        assert (status(gate, old_leaf), status(gate, new_leaf)) == (200, 0)
        (tmp_path / "clinic.pem").write_bytes(b"-----BEGIN")
        time.sleep(1.6)
        assert (status(gate, old_leaf), status(gate, new_leaf)) == (200, 0)
        assert "callers stay as they were" in "".join(gateway.stderr)
        (tmp_path / "clinic.pem").write_bytes(new.pem)
        assert within(5, lambda: status(gate, new_leaf) == 200)
        assert status(gate, old_leaf) == 401
        # The certificate of the gateway itself can be renewed as well.
        other = authority("other server")
        other.leaf(dns="localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH, ends=NOW + HOUR).write(
            tmp_path, "host"
        )
        gate.server = other
        assert within(5, lambda: status(gate, new_leaf) == 200)
        assert "Traceback" not in "".join(gateway.stderr)
    finally:
        stop(gateway)
