"""What somebody known from elsewhere may do here: the first grant that names it counts."""

from collections.abc import Mapping
from typing import Annotated, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.callers.caller import MAX_TENANTS, Role, check_tenant
from gateway.callers.tokens import Action, Tenant

MODEL = ConfigDict(extra="forbid", frozen=True)
Text = Annotated[str, Field(min_length=1, max_length=2048)]
ClaimPath = Text | Annotated[tuple[Text, ...], Field(min_length=1, max_length=8)]


class Rights(BaseModel):
    """`actions` None means every action."""

    model_config = MODEL

    roles: frozenset[Role] = Field(min_length=1)
    actions: frozenset[Action] | None = None


class Test(BaseModel):
    """Holds where the claim is the text, or is a list in which it stands."""

    model_config = MODEL
    __test__ = False  # no test of pytest

    claim: ClaimPath
    is_: Text = Field(alias="is")

    def holds(self, claims: Mapping[str, object]) -> bool:
        found = claim(claims, self.claim)
        if isinstance(found, list):
            return self.is_ in found
        return isinstance(found, str) and found == self.is_


class ClaimGrant(Rights):
    """Rights of whoever has claims for which every test holds. The tenants are stated, or
    are those of a claim; with both, a claim outside the list is none."""

    when: tuple[Test, ...] = Field(min_length=1, max_length=16)
    tenants: tuple[Tenant, ...] | None = Field(default=None, min_length=1, max_length=MAX_TENANTS)
    tenant_claim: ClaimPath | None = None

    @model_validator(mode="after")
    def _has_tenants(self) -> Self:
        if self.tenants is None and self.tenant_claim is None:
            raise ValueError("a grant says its tenants, or the claim that does")
        return self

    def tenants_of(self, claims: Mapping[str, object]) -> tuple[str, ...]:
        """The tenants it gives to these claims; none where the claim does not fit."""
        if self.tenant_claim is None:
            return self.tenants or ()
        found = claim(claims, self.tenant_claim)
        named = cast("list[object]", found) if isinstance(found, list) else [found]
        if len(named) > MAX_TENANTS:
            return ()
        try:
            texts = [check_tenant(name) for name in named if isinstance(name, str)]
        except ValueError:
            return ()
        if len(texts) != len(named):
            return ()
        return tuple(
            name for name in dict.fromkeys(texts) if self.tenants is None or name in self.tenants
        )


class IdGrant(Rights):
    """Rights of a SPIFFE ID, or of all below a path that ends in `/*`."""

    id: Text
    tenants: tuple[Tenant, ...] = Field(min_length=1, max_length=MAX_TENANTS)

    def names(self, spiffe_id: str) -> bool:
        if self.id.endswith("/*"):
            return spiffe_id.startswith(self.id[:-1]) and len(spiffe_id) >= len(self.id)
        return spiffe_id == self.id


def claim(claims: Mapping[str, object], path: str | tuple[str, ...]) -> object:
    """A claim, or a member of a claim; None where there is none."""
    found: object = claims
    for name in (path,) if isinstance(path, str) else path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found  # pyright: ignore[reportUnknownVariableType]
