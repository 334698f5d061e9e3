"""Profiles: chosen by whose token it is, and by nothing else."""

from dataclasses import replace

import pytest

from gateway.errors import ConfigurationError
from gateway.pdp.profiles import Profiles
from tests.gateway.language import PROGRAM

PROFILES = Profiles(PROGRAM)


@pytest.mark.parametrize(
    ("tenant", "profile"),
    [
        ("clinic-a", "clinics"),
        ("clinic-b", "clinics"),
        ("clinic-c", "everybody"),
        ("Clinic-a", "everybody"),
        ("clinics", "everybody"),
        ("", "everybody"),
        (None, "everybody"),
    ],
)
def test_a_tenant_has_its_own_profile_or_that_of_everybody(
    tenant: str | None, profile: str
) -> None:
    assert PROFILES.of(tenant) == profile


def test_without_a_default_a_tenant_nobody_named_has_none() -> None:
    profiles = Profiles(replace(PROGRAM, profiles=PROGRAM.profiles[:1]))
    assert profiles.of("clinic-a") == "clinics"
    assert profiles.of("clinic-c") is None
    assert profiles.of(None) is None
    assert profiles.left_out(["clinic-a", "clinic-c", "clinic-b"]) == ["clinic-c"]


def test_nobody_is_left_out_of_a_default_or_of_charters_without_profiles() -> None:
    for profiles in (PROFILES, Profiles(replace(PROGRAM, profiles=()))):
        assert profiles.left_out(["clinic-a", "clinic-c"]) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("clinic", "did you mean `clinics`?"),
        ("x", "there are clinics, everybody"),
        ("", "no profile"),
    ],
)
def test_a_profile_that_does_not_exist_is_refused(name: str, words: str) -> None:
    assert PROFILES.named("clinics") == "clinics"
    with pytest.raises(ConfigurationError) as caught:
        PROFILES.named(name)
    assert words in str(caught.value)


def test_charters_without_profiles_say_so() -> None:
    profiles = Profiles(replace(PROGRAM, profiles=()))
    assert profiles.of("clinic-a") is None
    with pytest.raises(ConfigurationError, match="declare no profile"):
        profiles.named("clinics")
