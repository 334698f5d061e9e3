"""Appraisal policies as files: what is refused, and where."""

import pytest

from gateway.attestation.anchors import read_anchors
from gateway.attestation.errors import AppraisalPolicyError
from gateway.attestation.evidence import Technology
from gateway.attestation.policy import MAX_FILE, read_policy

GOOD = """\
format = "charter-appraisal/v1"
id = "example/strict"
owner = "security@operator.example"
source = "decision 12 of the security board"
valid_from = 2026-01-01
valid_until = 2026-12-31

[[technology]]
name = "sev-snp"
products = ["Milan"]
max_age_s = 600

[[technology.floor]]
product = "Milan"
firmware = { bootloader = 4, snp = 24 }
source = "AMD-SB-3020"
valid_from = 2026-01-01

[[technology.refuse]]
product = "Milan"
firmware_at_most = { microcode = 100 }
reason = "microcode of CVE-2024-56161"
source = "AMD-SB-3019"
valid_from = 2026-02-01

[[technology.reference]]
measurement = "launch"
any_of = ["00ff"]
source = "build 7"
valid_from = 2026-01-01

[[technology]]
name = "nitro"
products = ["ANY"]

[[technology.reference]]
measurement = "pcr0"
waived = "the image is built by each tenant"
source = "decision 13"
valid_from = 2026-01-01
"""


def test_a_policy_has_a_name_an_owner_days_and_the_digest_of_its_bytes() -> None:
    policy = read_policy(GOOD.encode())
    assert (policy.id, policy.owner) == ("example/strict", "security@operator.example")
    assert set(policy.sections) == {Technology.SEV_SNP, Technology.NITRO}
    assert policy.sha256 != read_policy(GOOD.encode() + b"\n").sha256
    section = policy.sections[Technology.SEV_SNP]
    assert (section.debug, section.migration, section.max_level) == (False, False, 0)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("charter-appraisal/v1", "charter-appraisal/v2", "format"),
        ('id = "example/strict"', 'id = ""', "id"),
        ('id = "example/strict"\n', "", "id"),
        ('owner = "security@operator.example"\n', "", "owner"),
        ('source = "decision 12 of the security board"\n', "", "source"),
        ("valid_from = 2026-01-01\nvalid_until", "valid_until", "valid_from"),
        ("valid_until = 2026-12-31", 'valid_until = "soon"', "valid_until"),
        ('name = "sev-snp"', 'name = "sgx"', "technology.0.name"),
        ('name = "nitro"', 'name = "sev-snp"', "two sections"),
        ('products = ["Milan"]\n', "", "technology.0.products"),
        ('products = ["Milan"]', "products = []", "technology.0.products"),
        ("max_age_s = 600", "max_age_s = 0", "max_age_s"),
        ("max_age_s = 600", 'max_age_s = "600"', "max_age_s"),
        ("max_age_s = 600", "debgu = true", "debgu"),
        ("max_age_s = 600", 'debug = "yes"', "debug"),
        ("bootloader = 4", "bootloader = -1", "floor.0.firmware.bootloader"),
        ("bootloader = 4", "bootloader = 4.5", "floor.0.firmware.bootloader"),
        ("{ bootloader = 4, snp = 24 }", "{}", "floor.0.firmware"),
        ('reason = "microcode of CVE-2024-56161"\n', "", "refuse.0.reason"),
        ('product = "Milan"\nfirmware_at_most', "firmware_at_most", "needs its `product`"),
        ('any_of = ["00ff"]', 'any_of = ["00FF"]', "any_of"),
        ('any_of = ["00ff"]', 'any_of = ["0"]', "any_of"),
        ('any_of = ["00ff"]', "any_of = []", "`any_of`"),
        ('any_of = ["00ff"]', 'any_of = ["00ff"]\nwaived = "x"', "`any_of`"),
        ('waived = "the image is built by each tenant"', 'waived = ""', "waived"),
        ('source = "build 7"\n', "", "reference.0.source"),
    ],
)
def test_a_policy_with_a_mistake_is_refused_with_its_place(old: str, new: str, names: str) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(AppraisalPolicyError) as caught:
        read_policy(GOOD.replace(old, new, 1).encode())
    assert names in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"format = ", b"[" * 100_000, bytes(100), b"a = 1\n" * (MAX_FILE // 5),
        b"a." * 30_000 + b"a = 1",
    ],
    ids=["nothing", "no text", "cut", "deep", "zeros", "too much", "a key of many parts"],
)  # fmt: skip
def test_bytes_that_are_no_policy_are_refused(data: bytes) -> None:
    for read in (read_policy, read_anchors):
        with pytest.raises(AppraisalPolicyError):
            read(data)
