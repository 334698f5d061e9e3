"""Callers without a token of ours, at a real gateway over real sockets; and the starts that
would let the wrong ones in."""

import http.client
import http.server
import json
import os
import signal
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from jwt.algorithms import ECAlgorithm

from gateway.callers import token_file
from gateway.errors import FetchError
from gateway.fetch import MAX_BYTES, fetch, tls_context
from tests.gateway.certificates import Authority, Issued, authority
from tests.gateway.cli.commands import CHARTER, Ran, finish, start
from tests.gateway.serving import prepare
from tests.gateway.world import question
from tests.gateway_process import GatewayProcess, Reply, stop

ID = "spiffe://clinic.example/ns/batch/sa/scheduler"
AUDITOR = "spiffe://clinic.example/audit/seven"
HOUR = timedelta(hours=1)
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH


# --- a gateway that knows callers by certificate and by JWT --------------------------

CALLERS = """\
format = "charter-callers/v1"

[[trust_domain]]
name = "clinic.example"
bundle = "clinic.example.pem"
[[trust_domain.grant]]
id = "{id}"
tenants = ["clinic-a"]
roles = ["scheduler"]
[[trust_domain.grant]]
id = "spiffe://clinic.example/audit/*"
tenants = ["clinic-a"]
roles = ["auditor"]

[[trust_domain]]
name = "other.example"
bundle = "other.example.pem"
[[trust_domain.grant]]
id = "spiffe://other.example/x"
tenants = ["clinic-b"]
roles = ["scheduler"]

[[issuer]]
issuer = "https://localhost/clinic"
audience = "https://charter.example"
keys_url = "{keys_url}"
ca_file = "server.pem"
private_network = true
[[issuer.grant]]
when = [{{ claim = "groups", is = "schedulers" }}]
tenants = ["clinic-a"]
roles = ["scheduler"]
"""


class KeyServer(http.server.BaseHTTPRequestHandler):
    """Publishes keys; other paths answer as a hostile or broken host would."""

    keys = b""

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/keys")
            self.end_headers()
        elif self.path == "/compressed":
            self._say(self.keys, encoding="gzip")
        elif self.path == "/large":
            self._say(b" " * (MAX_BYTES + 1))
        elif self.path == "/cut":
            self._say(self.keys, length=len(self.keys) + 1)
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                try:
                    self.wfile.write(b" ")
                    self.wfile.flush()
                except OSError:
                    return
                threading.Event().wait(0.05)
        elif self.path == "/keys":
            self._say(self.keys)
        else:
            self.send_error(500)

    def _say(self, body: bytes, encoding: str | None = None, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(body)))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the name of the parameter is the library's."""


@contextmanager
def key_server(issued: Issued, folder: Path) -> Generator[int]:
    """An HTTPS server on loopback; its port."""
    certificate, key = issued.write(folder, "key-server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), KeyServer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@dataclass
class Gate:
    """A running gateway, and the authorities around it."""

    gateway: GatewayProcess
    clinic: Authority
    other: Authority
    server: Authority
    issuer_key: ec.EllipticCurvePrivateKey
    token: str
    folder: Path

    def ask(
        self,
        leaf: Issued | None = None,
        method: str = "POST",
        path: str = "/v1/decisions",
        **headers: str,
    ) -> Reply:
        """One question on a TLS connection of its own."""
        context = ssl.create_default_context(cadata=self.server.pem.decode())
        if leaf is not None:
            context.load_cert_chain(*leaf.write(self.folder, "caller"))
        connection = http.client.HTTPSConnection(
            "localhost", self.gateway.port, timeout=10, context=context
        )
        sent = {"Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps(question()).encode() if method == "POST" else None
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def jwt(self, **changes: Any) -> str:
        at = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": "https://localhost/clinic", "aud": "https://charter.example", "sub": "svc",
            "nbf": at - 5, "exp": at + 300, "groups": ["schedulers"], **changes,
        }  # fmt: skip
        return jwt.encode(claims, self.issuer_key, "ES256", {"kid": "k1"})


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Generator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    clinic, other, server = authority("clinic"), authority("other"), authority("server")
    (folder / "clinic.example.pem").write_bytes(clinic.pem)
    (folder / "other.example.pem").write_bytes(other.pem)
    (folder / "server.pem").write_bytes(server.pem)
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    public = ECAlgorithm.to_jwk(issuer_key.public_key(), as_dict=True)
    KeyServer.keys = json.dumps({"keys": [{**public, "kid": "k1", "use": "sig"}]}).encode()
    host = server.leaf(dns="localhost", usage=SERVER_AUTH)
    certificate, key = host.write(folder, "host")
    tokens = prepare(folder)
    with key_server(host, folder) as port:
        callers = folder / "callers.toml"
        callers.write_text(CALLERS.format(id=ID, keys_url=f"https://localhost:{port}/keys"))
        callers.chmod(0o600)
        gateway = launch(
            folder / "state", "--policies", str(folder / "policies"), "--tls-cert",
            str(certificate), "--tls-key", str(key), "--callers", str(callers),
        )  # fmt: skip
        try:
            yield Gate(gateway, clinic, other, server, issuer_key, tokens["own"], folder)
        finally:
            stop(gateway)


def test_a_certificate_of_the_trust_domain_gets_a_decision_for_its_tenant(gate: Gate) -> None:
    for leaf in (gate.clinic.leaf(ID), gate.clinic.below().leaf(ID)):
        reply = gate.ask(leaf)
        assert (reply.status, reply.json["tenant"]) == (200, "clinic-a"), reply.body
    assert gate.ask(gate.other.leaf("spiffe://other.example/x")).json["tenant"] == "clinic-b"


def test_the_role_of_a_certificate_is_that_of_its_grant(gate: Gate) -> None:
    made = gate.ask(gate.clinic.leaf(ID)).json["id"]
    auditor = gate.clinic.leaf(AUDITOR)
    assert gate.ask(auditor).status == 403
    assert gate.ask(auditor, "GET", f"/v1/decisions/{made}").status == 200
    # Another tenant's: as if it were not there.
    other = gate.other.leaf("spiffe://other.example/x")
    assert gate.ask(other, "GET", f"/v1/decisions/{made}").status == 404


def test_without_a_certificate_there_is_still_a_token(gate: Gate) -> None:
    assert gate.ask(Authorization=f"Bearer {gate.token}").status == 200
    reply = gate.ask()
    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="charter"')


def test_a_bad_token_is_refused_with_a_good_certificate_too(gate: Gate) -> None:
    leaf = gate.clinic.leaf(ID)
    for header in ("Bearer x", f"Bearer {gate.token[:-1]}_", "Basic eDp5", ""):
        assert gate.ask(leaf, Authorization=header).status == 401, header


NOT_LET_IN: dict[str, Callable[[Gate], Issued]] = {
    "of an unknown authority": lambda _: authority("evil").leaf(ID),
    "of an unknown authority with a known name": lambda _: authority("clinic").leaf(ID),
    "expired": lambda g: g.clinic.leaf(ID, begins=_now() - 2 * HOUR, ends=_now() - HOUR),
    "not yet in force": lambda g: g.clinic.leaf(ID, begins=_now() + HOUR, ends=_now() + 2 * HOUR),
    "of a server": lambda g: g.clinic.leaf(ID, usage=SERVER_AUTH),
}


@pytest.mark.parametrize("case", NOT_LET_IN)
def test_the_handshake_does_not_let_in_a_certificate(gate: Gate, case: str) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        gate.ask(NOT_LET_IN[case](gate))
    assert gate.ask(gate.clinic.leaf(ID)).status == 200


UNKNOWN: dict[str, Callable[[Gate], Issued]] = {
    "two URIs": lambda g: g.clinic.leaf(ID, "https://clinic.example"),
    "no URI": lambda g: g.clinic.leaf(dns="clinic.example"),
    "an ID of another trust domain": lambda g: g.clinic.leaf("spiffe://other.example/x"),
    "an ID that another domain's authority signed": lambda g: g.other.leaf(ID),
    "an unknown trust domain": lambda g: g.clinic.leaf("spiffe://evil.example/x"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_certificate_that_the_handshake_believes_and_we_do_not_is_401(
    gate: Gate, case: str
) -> None:
    reply = gate.ask(UNKNOWN[case](gate))
    assert (reply.status, reply.json["type"].rpartition("/")[2]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-Client-Cert", "X-Client-Cert", "X-SSL-Client-Cert", "Charter.Peer", "Forwarded"],
)
def test_no_header_stands_for_a_certificate(gate: Gate, header: str) -> None:
    for value in (f"URI={ID}", f"By=x;URI={ID}", ID):
        assert gate.ask(None, **{header: value}).status == 401


def test_a_jwt_of_the_issuer_gets_a_decision_with_keys_from_its_host(gate: Gate) -> None:
    reply = gate.ask(Authorization=f"Bearer {gate.jwt()}")
    assert (reply.status, reply.json["tenant"]) == (200, "clinic-a"), reply.body
    refused: list[tuple[dict[str, Any], int]] = [
        ({"aud": "x"}, 401),
        ({"exp": 10, "nbf": 5}, 401),
        ({"iss": "https://localhost/other"}, 401),
        ({"groups": []}, 403),
    ]
    for changes, status in refused:
        assert gate.ask(Authorization=f"Bearer {gate.jwt(**changes)}").status == status, changes


def test_a_worker_that_is_started_again_knows_callers_as_they_are_by_then(gate: Gate) -> None:
    """The first process has read them at the start, when others were named."""
    callers, known = gate.folder / "callers.toml", gate.jwt(groups=["planners"])
    text = callers.read_text()
    assert gate.ask(Authorization=f"Bearer {gate.jwt()}").status == 200
    assert gate.ask(Authorization=f"Bearer {known}").status == 403
    said = len(gate.gateway.stderr)

    def change(to: str) -> None:
        callers.write_text(to)
        read = '"callers read again"'
        until(lambda: any(read in line for line in gate.gateway.stderr[said:]), "read again")

    change(text.replace('is = "schedulers"', 'is = "planners"'))
    before = gate.gateway.pid_of("worker 1")
    os.kill(before, signal.SIGKILL)
    seen: list[int] = []
    deadline = time.monotonic() + 30
    while len(seen) < 10:
        assert time.monotonic() < deadline
        with suppress(OSError, http.client.HTTPException):
            seen.append(gate.ask(Authorization=f"Bearer {gate.jwt()}").status)
    assert set(seen) == {403}
    assert gate.ask(Authorization=f"Bearer {known}").status == 200
    said = len(gate.gateway.stderr)
    change(text)


def until(holds: Callable[[], bool], words: str) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, words
        time.sleep(0.02)


def test_nothing_of_a_credential_is_in_what_the_process_wrote(gate: Gate) -> None:
    token = gate.jwt()
    gate.ask(Authorization=f"Bearer {token}")
    said = "".join(gate.gateway.stderr)
    assert token.split(".")[2] not in said
    assert "Traceback" not in said


def test_old_tls_is_not_spoken(gate: Gate) -> None:
    context = ssl.create_default_context(cadata=gate.server.pem.decode())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with_floor = http.client.HTTPSConnection("localhost", gate.gateway.port, context=context)
    with_floor.request("GET", "/healthz")
    assert with_floor.getresponse().read() is not None
    with_floor.close()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=gate.server.pem.decode())
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    old = http.client.HTTPSConnection("localhost", gate.gateway.port, context=context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        old.request("GET", "/healthz")
    old.close()


# --- fetching ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[int, Path]]:
    folder = tmp_path_factory.mktemp("host")
    root = authority("host")
    (folder / "root.pem").write_bytes(root.pem)
    KeyServer.keys = KeyServer.keys or b"{}"
    with key_server(root.leaf(dns="localhost", usage=SERVER_AUTH), folder) as port:
        yield port, folder / "root.pem"


def test_a_body_is_fetched_from_the_host_that_is_named(host: tuple[int, Path]) -> None:
    port, ca_file = host
    got = fetch(f"https://localhost:{port}/keys", tls_context(ca_file), private=True)
    assert got == KeyServer.keys


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/redirect", "status 302"),
        ("/compressed", "compressed"),
        ("/large", "more than"),
        ("/cut", "whole|IncompleteRead"),
        ("/missing", "status 500"),
    ],
)
def test_an_answer_that_is_not_simply_a_document_is_none(
    host: tuple[int, Path], path: str, words: str
) -> None:
    port, ca_file = host
    with pytest.raises(FetchError, match=words):
        fetch(f"https://localhost:{port}{path}", tls_context(ca_file), private=True)


def test_a_body_that_drips_is_cut_off_in_time(host: tuple[int, Path]) -> None:
    port, ca_file = host
    began = datetime.now(UTC)
    with pytest.raises(FetchError):
        fetch(f"https://localhost:{port}/slow", tls_context(ca_file), private=True, timeout_s=0.5)
    assert datetime.now(UTC) - began < timedelta(seconds=3)


def test_an_authority_that_is_not_named_is_not_believed(host: tuple[int, Path]) -> None:
    with pytest.raises(FetchError, match="SSLCertVerificationError"):
        fetch(f"https://localhost:{host[0]}/keys", tls_context(None), private=True)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "localhost", "10.0.0.1", "192.168.1.1", "[::1]", "[::ffff:10.0.0.1]"]
)
def test_the_own_network_is_not_asked_unless_it_is_allowed(address: str) -> None:
    with pytest.raises(FetchError, match="not to be asked"):
        fetch(f"https://{address}:1/keys", tls_context(None), private=False)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "[fe80::1]", "[::]", "224.0.0.1", "[::ffff:169.254.169.254]"]
)
def test_where_clouds_keep_credentials_is_never_asked(address: str) -> None:
    with pytest.raises(FetchError, match="not to be asked"):
        fetch(f"https://{address}:1/keys", tls_context(None), private=True)


# --- starts that would let the wrong ones in -----------------------------------------


@pytest.fixture(scope="module")
def unsafe(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Real processes that must not start."""
    folder = tmp_path_factory.mktemp("unsafe")
    root = authority("host")
    certificate, key = root.leaf(dns="localhost", usage=SERVER_AUTH).write(folder, "host")
    loose = folder / "loose.key"
    loose.write_bytes(key.read_bytes())
    loose.chmod(0o644)
    no_key = folder / "no.key"
    no_key.write_bytes(b"")
    no_key.chmod(0o600)
    (folder / "clinic.example.pem").write_bytes(root.pem)
    prepare(folder)
    domain = CALLERS.partition('[[trust_domain]]\nname = "other')[0].format(id=ID)

    def callers(name: str, text: str, mode: int = 0o600) -> list[str | Path]:
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
        return ["--callers", folder / name]

    def state(name: str, change: Callable[[Path], object]) -> list[str | Path]:
        where = folder / name
        prepared = folder / f"{name}-parts"
        prepared.mkdir()
        prepare(prepared)
        os.rename(prepared / "state", where)
        change(where)
        return ["--state", where]

    def revoke_all(where: Path) -> None:
        for row in token_file.read(where).tokens:
            token_file.remove(where, row.id)

    tls: list[str | Path] = ["--tls-cert", certificate, "--tls-key", key]
    public: list[str | Path] = ["--host", "0.0.0.0"]  # noqa: S104
    cases: dict[str, list[str | Path]] = {
        "public without TLS": public,
        "public IPv6 without TLS": ["--host", "::"],
        "key open to others": ["--tls-cert", certificate, "--tls-key", loose],
        "certificate missing": ["--tls-cert", folder / "none.pem", "--tls-key", key],
        "key missing": ["--tls-cert", certificate, "--tls-key", folder / "none.key"],
        "key that is none": ["--tls-cert", certificate, "--tls-key", no_key],
        "tokens open to others": state("a", lambda s: (s / "tokens.json").chmod(0o644)),
        "signing key open to others": state("b", lambda s: (s / "decision.key").chmod(0o644)),
        "no token and nobody else": state("c", revoke_all),
        "callers file missing": ["--callers", folder / "none.toml"],
        "callers file that others can change": [*tls, *callers("d.toml", domain, 0o666)],
        "callers by certificate without TLS": callers("e.toml", domain),
        "callers file without callers": callers("f.toml", 'format = "charter-callers/v1"'),
        "callers file of another format": callers("g.toml", 'format = "charter-callers/v2"'),
        "callers file that is not TOML": callers("h.toml", "x = "),
        "a trust domain twice": [*tls, *callers("i.toml", domain + domain.partition("\n")[2])],
        "a bundle that is missing": [
            *tls, *callers("j.toml", domain.replace("clinic.example.pem", "none.pem")),
        ],
        "keys over plain HTTP": callers("k.toml", _issuer("keys_url = 'http://localhost/k'")),
        "keys in no file": callers("l.toml", _issuer("keys_file = 'none.json'")),
        "a secret among the algorithms": callers(
            "m.toml", _issuer("keys_url = 'https://a.example/k'\nalgorithms = ['HS256']")
        ),
    }  # fmt: skip
    base = ["serve", "--port", "0", "--policies", folder / "policies"]
    fallback: list[str | Path] = ["--state", folder / "state"]
    started = {
        name: start(*base, *([] if "--state" in more else fallback), *more)
        for name, more in cases.items()
    }
    return {name: finish(process) for name, process in started.items()}


def _issuer(keys: str) -> str:
    return f"""\
format = "charter-callers/v1"
[[issuer]]
issuer = "https://a.example"
audience = "x"
{keys}
[[issuer.grant]]
when = [{{ claim = "sub", is = "x" }}]
tenants = ["t"]
roles = ["scheduler"]
"""


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("public without TLS", "give --tls-cert and --tls-key"),
        ("public IPv6 without TLS", "give --tls-cert and --tls-key"),
        ("key open to others", "run chmod 600"),
        ("certificate missing", "none.pem: cannot read it: No such file"),
        ("key missing", "none.key: cannot read it: No such file"),
        ("key that is none", "are no certificate with its key in PEM"),
        ("tokens open to others", "run chmod 600"),
        ("signing key open to others", "chmod 600"),
        ("no token and nobody else", "run charter token create"),
        ("callers file missing", "No such file"),
        ("callers file that others can change", "run chmod go-w"),
        ("callers by certificate without TLS", "give --tls-cert and --tls-key"),
        ("callers file without callers", "names no issuer and no trust domain"),
        ("callers file of another format", "format"),
        ("callers file that is not TOML", "not TOML"),
        ("a trust domain twice", "twice"),
        ("a bundle that is missing", "No such file"),
        ("keys over plain HTTP", "https://host/path"),
        ("keys in no file", "No such file"),
        ("a secret among the algorithms", "algorithms"),
    ],
)
def test_a_start_that_would_be_unsafe_is_refused_in_one_line(
    unsafe: dict[str, Ran], case: str, words: str
) -> None:
    ran = unsafe[case]
    ran.check_clean()
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line


def test_it_listens_on_loopback_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    prepare(tmp_path)
    gateway = launch(tmp_path / "state", "--policies", str(tmp_path / "policies"))
    try:
        line = next(line for line in gateway.stderr if '"listening"' in line)
        assert json.loads(line)["url"] == f"http://127.0.0.1:{gateway.port}"
    finally:
        stop(gateway)


def test_without_any_token_a_gateway_starts_for_those_who_need_none(tmp_path: Path) -> None:
    prepare(tmp_path)
    for row in token_file.read(tmp_path / "state").tokens:
        token_file.remove(tmp_path / "state", row.id)
    callers = tmp_path / "callers.toml"
    callers.write_text(_issuer("keys_url = 'https://a.example/k'"))
    callers.chmod(0o600)
    gateway = launch(
        tmp_path / "state", "--policies", str(tmp_path / "policies"), "--callers", str(callers)
    )
    try:
        assert gateway.request("GET", "/healthz").status == 200
        assert gateway.ask(question()).status == 401
    finally:
        stop(gateway)


def launch(state: Path, *arguments: str) -> GatewayProcess:
    """A gateway that says where it listens, over TLS or not."""
    command = [*CHARTER, "serve", "--port", "0", "--format", "json", "--state", str(state)]
    process = subprocess.Popen(
        [*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    gateway = GatewayProcess(process, 0, state)
    gateway.reader = threading.Thread(target=_read, args=(gateway,), daemon=True)
    gateway.reader.start()
    deadline = time.monotonic() + 60
    while gateway.port == 0:
        assert process.poll() is None, "".join(gateway.stderr)
        assert time.monotonic() < deadline, "".join(gateway.stderr)
        time.sleep(0.02)
    return gateway


def _read(gateway: GatewayProcess) -> None:
    assert gateway.process.stderr is not None
    for line in gateway.process.stderr:
        gateway.stderr.append(line)
        if '"listening"' in line:
            gateway.port = int(json.loads(line)["url"].rpartition(":")[2])


def _now() -> datetime:
    return datetime.now(UTC)
