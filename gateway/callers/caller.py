"""Somebody who has proved who it is, and what it may do."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import AuthorisationError
from gateway.identifiers import OWN_TENANT

MAX_TENANT = 256
MAX_TENANTS = 64


class Role(StrEnum):
    """What a caller does. A role gives nothing that another one has."""

    SCHEDULER = "scheduler"  # asks for decisions and reads its own again
    AUTHOR = "author"  # reads the charters and what was compiled of them
    AUDITOR = "auditor"  # reads decisions of its tenants, and all that they rest on
    OPERATOR = "operator"  # watches and runs the gateway


ALL_ROLES = frozenset(Role)


@dataclass(frozen=True)
class Caller:
    """Somebody authenticated, for one tenant. `actions` None means every action."""

    id: str
    tenant: str
    actions: frozenset[str] | None = None
    roles: frozenset[Role] = frozenset({Role.SCHEDULER})

    def may(self, action: str) -> None:
        """Raise `AuthorisationError` unless the caller may ask about the action."""
        if self.actions is not None and action not in self.actions:
            raise AuthorisationError(f"this caller does not cover the action `{action}`")

    def act_as(self, roles: frozenset[Role]) -> None:
        """Raise `AuthorisationError` unless the caller has one of the roles."""
        if not self.roles & roles:
            names = " or ".join(sorted(roles))
            raise AuthorisationError(
                f"this needs the role {names}, which this caller does not have"
            )


@dataclass(frozen=True)
class Identity:
    """Somebody authenticated who may speak for several tenants, for one at a time."""

    id: str
    tenants: tuple[str, ...]
    actions: frozenset[str] | None
    roles: frozenset[Role]

    def caller(self, tenant: str | None) -> Caller:
        """The caller for the tenant it names; for its only one where it names none.

        Raises:
            AuthorisationError: The tenant is none of its own, or it has several and names
                none. The message is the same whether or not such a tenant exists.
        """
        if tenant is None and len(self.tenants) == 1:
            tenant = self.tenants[0]
        if tenant is None:
            raise AuthorisationError(
                "this caller speaks for several tenants: name one in Charter-Tenant"
            )
        if tenant not in self.tenants:
            raise AuthorisationError("this caller does not speak for that tenant")
        return Caller(self.id, tenant, self.actions, self.roles)


def check_tenant(tenant: str) -> str:
    """A tenant as it may stand in the ledger and in logs; raises `ValueError` otherwise."""
    if not 0 < len(tenant) <= MAX_TENANT or not tenant.isprintable():
        raise ValueError(f"a tenant is printable text of 1 to {MAX_TENANT} characters")
    if tenant == OWN_TENANT:
        # Who spoke for it could read and write what the gateway says of itself.
        raise ValueError(
            f"the tenant {OWN_TENANT!r} is the gateway itself: no caller speaks for it"
        )
    return tenant
