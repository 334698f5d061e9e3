"""Stage 3, profiles: tree → model. Which charters are in force for whom, and what is
permitted at all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dsl import core, model, tree
from dsl.check_condition import ConditionChecker
from dsl.check_together import check_itself
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Label, Severity, quoted
from dsl.found import Found
from dsl.lookalikes import check_looks
from dsl.near import nearest
from dsl.polarity import Place, check_known
from dsl.scope import Scope, each


@dataclass(frozen=True)
class Profiles:
    """`fact` is where the gateway writes the caller's profile; None without profiles."""

    profiles: tuple[core.Profile, ...]
    permits: tuple[model.ProfilePermit, ...]
    fact: core.FactType | None


def check_profiles(scopes: Sequence[Scope], found: Found) -> Profiles:
    """The profiles of all charters."""
    declared = [
        (scope, profile) for scope in scopes for _, profile in each([scope.charter], tree.Profile)
    ]
    found.twice("profile", [profile.name for _, profile in declared])
    checker = [_ProfileChecker(scope, profile, found) for scope, profile in declared]
    profiles = [one.profile() for one in checker]
    permits = [one.permit() for one in checker]
    _check_names(declared, found)
    _check_tenants([profile for _, profile in declared], found)
    if declared:
        _check_left_out(scopes, profiles, found)
    names = tuple(sorted({profile.name for profile in profiles}))
    return Profiles(
        tuple(sorted(profiles, key=lambda profile: profile.name)),
        tuple(sorted((p for p in permits if p is not None), key=lambda permit: permit.id)),
        _fact(names) if names else None,
    )


def _fact(names: tuple[str, ...]) -> core.FactType:
    return core.FactType(
        core.PROFILE_PATH,
        core.Kind.TERM,
        core.Origin.CATALOGUE,
        (),
        "The profile under which the question is asked",
        values=names,
    )


class _ProfileChecker:
    def __init__(self, scope: Scope, declared: tree.Profile, found: Found) -> None:
        self._scope = scope
        self._declared = declared
        self._found = found

    def profile(self) -> core.Profile:
        declared = self._declared
        self._found.twice("charter", declared.charters, verb="listed")
        self._found.twice("tenant", declared.tenants, verb="listed")
        for word in declared.tenants:
            check_looks(word, self._found)
        own = self._scope.charter
        seen = {own.name.text, *(word.text for word in own.imports)}
        for word in declared.charters:
            if word.text not in seen:
                self._strange(word, seen)
        return core.Profile(
            declared.name.text,
            declared.title.text,
            tuple(sorted({word.text for word in declared.charters})),
            tuple(sorted({word.text for word in declared.tenants})),
        )

    def _strange(self, word: tree.Word, seen: Iterable[str]) -> None:
        if word.text not in self._scope.charters:
            guess = nearest(word.text, seen) or nearest(word.text, self._scope.charters)
            self._found.unknown(
                Code.UNKNOWN_IMPORT,
                "charter",
                word,
                [guess] if guess else self._scope.charters,
                # A charter that is not among those given may be found by its import.
                help_=f"write `import {word.text}` at the end of the head",
            )
            return
        self._found.add(
            Diagnostic(
                Code.NOT_IMPORTED,
                f"the profile {quoted(self._declared.name.text)} names {word.text}, which this "
                "charter does not import",
                (Label(word.span),),
                help=f"write `import {word.text}` at the end of the head",
                fix=self._found.import_of(word.text, word),
            )
        )

    def permit(self) -> model.ProfilePermit | None:
        declared = self._declared
        before = self._found.errors
        known = self._scope.actions
        for word in declared.permits:
            if word.text not in known:
                self._found.unknown(Code.UNKNOWN_NAME, "action", word, known)
        when = None
        if declared.when is not None:
            when = ConditionChecker(self._scope, self._found).check(declared.when)
            check_known(declared.when, Place.GRANTS, self._found)
            check_itself(declared.when, when, self._found)
        if not declared.permits or self._found.errors > before:
            return None
        name = declared.name.text
        return model.ProfilePermit(
            f"{self._scope.charter.name.text}/{name}",
            name,
            declared.title.text,
            tuple(sorted({word.text for word in declared.permits})),
            when,
        )


def _check_names(declared: Sequence[tuple[Scope, tree.Profile]], found: Found) -> None:
    """What a profile permits becomes a rule of its name."""
    for scope, profile in declared:
        for _, rule in each([scope.charter], tree.Rule):
            if rule.name.text == profile.name.text:
                found.report(
                    Code.DECLARED_TWICE,
                    f"{quoted(profile.name.text)} is a rule of this charter, and names a profile "
                    "as well",
                    profile.name.span,
                    "rename one of them",
                    Label(rule.name.span, "the rule"),
                )


def _check_tenants(declared: Sequence[tree.Profile], found: Found) -> None:
    """A tenant has one profile, and those without one have one as well."""
    default: tree.Profile | None = None
    owners: dict[str, tree.Word] = {}
    for profile in declared:
        own: dict[str, tree.Word] = {}
        for word in profile.tenants:
            other = owners.get(word.text)
            if other is not None:
                found.report(
                    Code.PROFILES,
                    f"the tenant {quoted(word.text)} is in two profiles",
                    word.span,
                    "keep it in one of them",
                    Label(other.span, "in another profile as well"),
                )
            own.setdefault(word.text, word)
        owners.update(own)
        if profile.tenants:
            continue
        if default is not None and default.name.text != profile.name.text:
            found.report(
                Code.PROFILES,
                f"{quoted(default.name.text)} and {quoted(profile.name.text)} are both the "
                "profile of everybody else",
                profile.name.span,
                "write `tenants` and who has this profile",
                Label(default.name.span, "has no tenants either"),
                note="a profile without tenants is that of all who are in no other",
            )
        default = default or profile


def _check_left_out(
    scopes: Sequence[Scope], profiles: Iterable[core.Profile], found: Found
) -> None:
    """Warn of charters whose rules are in force for nobody."""
    listed = {name for profile in profiles for name in profile.charters}
    if not listed <= {scope.charter.name.text for scope in scopes}:
        # A misspelt charter is reported; it may be the one that seems left out.
        return
    for scope in scopes:
        charter = scope.charter
        has_rules = any(True for _ in each([charter], tree.Rule))
        if has_rules and charter.name.text not in listed:
            found.report(
                Code.IN_NO_PROFILE,
                f"no profile names {charter.name.text}, so its rules are in force for nobody",
                charter.name.span,
                f"add `{charter.name.text}` to the `charters` of a profile",
                severity=Severity.WARNING,
            )
