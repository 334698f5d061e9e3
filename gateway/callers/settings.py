"""The callers file: who may ask without a token of ours. TOML."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from gateway import toml_text
from gateway.callers.grants import MODEL
from gateway.callers.jwks import IssuerKeys, read_keys
from gateway.callers.oidc import Issuer, Issuers, IssuerSettings
from gateway.callers.spiffe import TrustDomain, TrustDomains, TrustDomainSettings
from gateway.errors import ConfigurationError, IssuerKeysError
from gateway.fetch import fetch, tls_context

MAX_FILE_BYTES = 1024 * 1024
MAX_KEY_FILE_BYTES = 1024 * 1024


class CallersSettings(BaseModel):
    model_config = MODEL

    format: Literal["charter-callers/v1"]
    issuer: tuple[IssuerSettings, ...] = ()
    trust_domain: tuple[TrustDomainSettings, ...] = ()


def load(path: Path) -> tuple[Issuers, TrustDomains]:
    """The issuers and trust domains of a callers file. Paths in it begin at its folder.

    Raises:
        ConfigurationError: It is missing, malformed, or can be changed by others; or a file
            that it names is not what it should be.
    """
    settings = _read(path)
    issuers = [_issuer(one, path.parent) for one in settings.issuer]
    domains = [
        TrustDomain.load(one.model_copy(update={"bundle": path.parent / one.bundle}))
        for one in settings.trust_domain
    ]
    for names in (
        [one.settings.issuer for one in issuers],
        [one.settings.name for one in domains],
    ):
        if len(set(names)) != len(names):
            raise ConfigurationError(f"{path} names an issuer or a trust domain twice")
    if not issuers and not domains:
        raise ConfigurationError(f"{path} names no issuer and no trust domain")
    return Issuers(issuers), TrustDomains(domains)


def files(path: Path) -> tuple[Path, ...]:
    """The callers file, and every file that it names.

    Raises:
        ConfigurationError: As of `load`, where the callers file itself cannot be read.
    """
    settings = _read(path)
    named = [one.bundle for one in settings.trust_domain]
    for issuer in settings.issuer:
        named += [Path(name) for name in (issuer.keys_file, issuer.ca_file) if name is not None]
    return (path, *(path.parent / name for name in named))


def _read(path: Path) -> CallersSettings:
    try:
        with path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o022:
                raise ConfigurationError(f"{path} can be changed by others: run chmod go-w {path}")
            data = opened.read(MAX_FILE_BYTES)
        return CallersSettings.model_validate(toml_text.loads(data.decode()))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the callers: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigurationError(f"{path}: {where}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: this is not TOML: {error}") from error


def _issuer(settings: IssuerSettings, folder: Path) -> Issuer:
    if settings.keys_file is None:
        read = _from_url(settings, folder)
    else:
        read = _from_file(folder / settings.keys_file)
        try:
            # A host may be away for a moment; a file is there or wrong.
            read_keys(read())
        except OSError as error:
            raise ConfigurationError(
                f"{folder / settings.keys_file}: cannot read it: {error.strerror}"
            ) from error
        except IssuerKeysError as error:
            raise ConfigurationError(f"{folder / settings.keys_file}: {error}") from error
    return Issuer(settings, IssuerKeys(settings.issuer, read))


def _from_url(settings: IssuerSettings, folder: Path) -> Callable[[], bytes]:
    url = settings.keys_url or ""
    context = tls_context(folder / settings.ca_file if settings.ca_file else None)
    return lambda: fetch(url, context, private=settings.private_network)


def _from_file(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        with path.open("rb") as opened:
            return opened.read(MAX_KEY_FILE_BYTES)

    return read
