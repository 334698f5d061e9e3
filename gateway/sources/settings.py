"""The sources file: who may state what, where it is asked, and how far it is believed. TOML."""

import os
import ssl
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dsl.core import Origin, Program
from gateway import toml_text
from gateway.errors import ConfigurationError, FactSourceError
from gateway.fetch import Network, check_url, tls_context
from gateway.pdp.rows import first_error
from gateway.pdp.supplied import TENANT
from gateway.sources.all import Sources
from gateway.sources.allowed import Allowed, allow, check_apart
from gateway.sources.file import FileBackend
from gateway.sources.http import HttpBackend, read_token
from gateway.sources.interface import Backend
from gateway.sources.source import Source, Terms

MAX_FILE_BYTES = 1024 * 1024
MAX_SOURCES = 32
MAX_TIMEOUT_MS = 1_000  # beside an engine's time, within that of a decision
DEFAULT_TIMEOUT_MS = 200
DEFAULT_KEEP_S = 60
_MODEL = ConfigDict(extra="forbid", frozen=True, strict=True)


def _network(text: str) -> str:
    network = ip_network(text)
    if network.prefixlen == 0 or network.is_link_local or network.overlaps(_link_local(network)):
        # Where clouds keep the credentials of a machine.
        raise ValueError("a network that holds link-local addresses is not asked")
    return text


def _link_local(like: Network) -> Network:
    return ip_network("169.254.0.0/16" if like.version == 4 else "fe80::/10")


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
Word = Annotated[str, Field(min_length=1, max_length=256)]
NetworkText = Annotated[str, AfterValidator(_network)]


class HttpSettings(BaseModel):
    model_config = _MODEL

    url: Word
    method: Literal["GET", "POST"] = "GET"
    ca_file: Word | None = None
    client_cert: Word | None = None
    client_key: Word | None = None
    token_file: Word | None = None
    networks: list[NetworkText] = Field(default_factory=list[NetworkText], max_length=16)

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.client_cert is None) != (self.client_key is None):
            raise ValueError("give both client_cert and client_key")
        return self


class FileSettings(BaseModel):
    model_config = _MODEL

    path: Word


class SourceSettings(BaseModel):
    model_config = _MODEL

    name: Name
    about: Word
    origin: Literal["catalogue", "verifier"]
    states: list[Word] = Field(min_length=1, max_length=1000)
    max_age_s: int = Field(ge=1, le=366 * 86_400)
    keep_s: int | None = Field(default=None, ge=1, le=86_400)
    timeout_ms: int = Field(default=DEFAULT_TIMEOUT_MS, ge=10, le=MAX_TIMEOUT_MS)
    remember: int = Field(default=10_000, ge=1, le=1_000_000)
    http: HttpSettings | None = None
    file: FileSettings | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.http is None) == (self.file is None):
            raise ValueError("a source has either [source.http] or [source.file]")
        if self.keep_s is not None and self.keep_s > self.max_age_s:
            raise ValueError("keep_s is longer than max_age_s")
        return self

    def terms(self) -> Terms:
        usual = 1 if self.file is not None else DEFAULT_KEEP_S
        keep_s = min(usual, self.max_age_s) if self.keep_s is None else self.keep_s
        age = timedelta(seconds=self.max_age_s)
        return Terms(self.name, self.timeout_ms / 1000, age, keep_s, self.remember)


class SourcesSettings(BaseModel):
    model_config = _MODEL

    format: Literal["charter-sources/v1"]
    source: list[SourceSettings] = Field(min_length=1, max_length=MAX_SOURCES)


def load(path: Path, program: Program) -> Sources:
    """The sources of a file, for one program. Paths in it begin at its folder.

    Raises:
        ConfigurationError: It is missing, malformed, can be changed by others, or lets a
            source state what is not its own; or a file that it names is not as it should be.
    """
    settings, data = _read(path)
    allowed = [
        allow(program, one.about, Origin(one.origin), one.states, f"{path}: `{one.name}`")
        for one in settings.source
    ]
    names = [one.name for one in settings.source]
    if len(set(names)) != len(names):
        raise ConfigurationError(f"{path}: two sources have one name")
    check_apart(zip(names, allowed, strict=True), str(path))
    return Sources(
        program,
        [
            Source(one.terms(), of, _backend(one, of, path.parent, f"{path}: `{one.name}`"))
            for one, of in zip(settings.source, allowed, strict=True)
        ],
        digest=_digest(settings, data, path.parent),
    )


def _digest(settings: SourcesSettings, data: bytes, folder: Path) -> str:
    """Of what was read once, at the start: the file, and the certificates that it names."""
    whole = sha256(sha256(data).digest())
    for one in settings.source:
        for name in (one.http.ca_file, one.http.client_cert) if one.http is not None else ():
            whole.update(sha256((folder / name).read_bytes()).digest() if name else bytes(32))
    return whole.hexdigest()


def _read(path: Path) -> tuple[SourcesSettings, bytes]:
    try:
        with path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o022:
                raise ConfigurationError(f"{path} can be changed by others: run chmod go-w {path}")
            data = opened.read(MAX_FILE_BYTES)
        return SourcesSettings.model_validate(toml_text.loads(data.decode())), data
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the sources: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {first_error(error)}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: this is not TOML: {error}") from error


def _backend(one: SourceSettings, allowed: Allowed, folder: Path, where: str) -> Backend:
    if one.http is not None:
        return _http(one, one.http, allowed, folder, where)
    assert one.file is not None  # noqa: S101 - the settings have one of the two
    backend = FileBackend(folder / one.file.path)
    try:
        backend.rows()  # a host may be away for a moment; a file is there or wrong
    except FactSourceError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    return backend


def _http(
    one: SourceSettings, http: HttpSettings, allowed: Allowed, folder: Path, where: str
) -> Backend:
    is_post = http.method == "POST"
    _check_url(http.url, allowed, is_post=is_post, where=where)
    context = tls_context(folder / http.ca_file if http.ca_file else None)
    if http.client_cert is not None and http.client_key is not None:
        _load_client(context, folder / http.client_cert, folder / http.client_key)
    token = None if http.token_file is None else folder / http.token_file
    if token is not None:
        read_token(token)
    return HttpBackend(
        http.url,
        is_post,
        context,
        tuple(ip_network(text) for text in http.networks),
        one.timeout_ms / 1000,
        token,
        allowed.about,
        sorted(allowed.names()),
    )


def _check_url(url: str, allowed: Allowed, *, is_post: bool, where: str) -> None:
    """In the query alone: in a path, an id with dots or slashes could lead elsewhere."""
    filled = url.replace("{id}", "x").replace("{tenant}", "x")
    if "{" in filled or "}" in filled:
        raise ConfigurationError(f"{where}: `url` has other braces than {{id}} and {{tenant}}")
    check_url(filled)
    before, _, query = url.partition("?")
    wanted: set[str] = set()
    if not is_post:
        both = allowed.has_tenant and allowed.about != TENANT
        wanted = {"{id}", "{tenant}"} if both else {"{id}"}
    if "{" in before or {w for w in ("{id}", "{tenant}") if w in query} != wanted:
        told = " and ".join(sorted(wanted)) or "neither {id} nor {tenant}"
        raise ConfigurationError(f"{where}: the query of `url`, and it alone, must have {told}")


def _load_client(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        if os.stat(key).st_mode & 0o077:
            raise ConfigurationError(f"{key} is readable by others: run chmod 600 {key}")
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{certificate} and {key} are no certificate with its key in PEM"
        ) from error
