"""Tiers and the vector (AR4SI)."""

import pytest

from gateway.attestation.vector import (
    CRYPTO_FAILED,
    MEMBERS,
    Tier,
    Vector,
    crypto_failed,
    tier_of,
)


@pytest.mark.parametrize(
    ("value", "tier"),
    [
        (-129, Tier.NONE), (-128, Tier.CONTRAINDICATED), (-96, Tier.CONTRAINDICATED),
        (-95, Tier.WARNING), (-32, Tier.WARNING), (-31, Tier.AFFIRMING), (-2, Tier.AFFIRMING),
        (-1, Tier.NONE), (0, Tier.NONE), (1, Tier.NONE), (2, Tier.AFFIRMING),
        (31, Tier.AFFIRMING), (32, Tier.WARNING), (95, Tier.WARNING), (96, Tier.CONTRAINDICATED),
        (99, Tier.CONTRAINDICATED), (127, Tier.CONTRAINDICATED), (200, Tier.NONE),
    ],
)  # fmt: skip
def test_a_value_is_of_the_tier_of_its_range(value: int, tier: Tier) -> None:
    assert tier_of(value) is tier


def test_the_members_have_the_names_of_the_draft_in_its_order() -> None:
    assert MEMBERS == (
        "instance-identity",
        "configuration",
        "executables",
        "file-system",
        "hardware",
        "runtime-opaque",
        "storage-opaque",
        "sourced-data",
    )


def test_the_worst_member_is_the_tier_and_silence_is_no_approval() -> None:
    assert Vector().worst() is Tier.NONE
    assert Vector(hardware=2).worst() is Tier.AFFIRMING
    assert Vector(hardware=2, executables=33).worst() is Tier.WARNING
    assert Vector(hardware=97, executables=33).worst() is Tier.CONTRAINDICATED
    assert Vector(hardware=2).told() == {"hardware": 2}


def test_a_failed_signature_stands_in_every_member() -> None:
    assert set(crypto_failed().members().values()) == {CRYPTO_FAILED}
