"""Profiles: which of a program's profiles a caller is under."""

from collections.abc import Iterable

from dsl.core import Profile, Program
from dsl.near import nearest
from gateway.errors import ConfigurationError


class Profiles:
    """The profiles of one program; a program may have none."""

    def __init__(self, program: Program) -> None:
        self._by_name = {profile.name: profile for profile in program.profiles}
        self._by_tenant = {
            tenant: profile for profile in program.profiles for tenant in profile.tenants
        }
        self._default = next((p for p in program.profiles if not p.tenants), None)

    def of(self, tenant: str | None) -> str | None:
        """The name of a tenant's profile; of the deployment's, where the tenant has none of
        its own. None where there is neither: nothing is permitted then, in a program with
        profiles."""
        found: Profile | None = self._by_tenant.get(tenant) if tenant is not None else None
        found = found or self._default
        return found.name if found else None

    def left_out(self, tenants: Iterable[str]) -> list[str]:
        """The tenants to which nothing is permitted, for no profile is theirs; none where
        there are no profiles at all."""
        return [t for t in tenants if self._by_name and self.of(t) is None]

    def named(self, name: str) -> str:
        """The name itself.

        Raises:
            ConfigurationError: There is no profile of that name.
        """
        if name in self._by_name:
            return name
        if not self._by_name:
            raise ConfigurationError("these charters declare no profile")
        guess = nearest(name, self._by_name)
        hint = f"; did you mean `{guess}`?" if guess else ""
        raise ConfigurationError(
            f"there is no profile `{name}`; there are {', '.join(sorted(self._by_name))}{hint}"
        )
