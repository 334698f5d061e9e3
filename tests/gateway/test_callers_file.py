"""The example of the callers file in the documentation is one, and says all there is."""

import re
import tomllib

from gateway.callers.grants import ClaimGrant, IdGrant
from gateway.callers.oidc import IssuerSettings
from gateway.callers.settings import CallersSettings
from gateway.callers.spiffe import TrustDomainSettings
from tests.project import ROOT

PAGE = (ROOT / "docs" / "callers.md").read_text(encoding="utf-8")


def test_the_callers_file_is_read_and_shows_every_setting() -> None:
    section = PAGE.partition("\n## Callers file\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    raw = tomllib.loads(block)
    CallersSettings.model_validate(raw)
    issuer, domain = raw["issuer"][0], raw["trust_domain"][0]
    assert set(issuer) | {"keys_file"} == set(IssuerSettings.model_fields)
    assert set(issuer["grant"][0]) == set(ClaimGrant.model_fields)
    assert set(domain) == set(TrustDomainSettings.model_fields)
    assert set(domain["grant"][0]) == set(IdGrant.model_fields)
