"""The container image, built and run: it decides without any right that it does not need, and
says what it lacks where it is given too little.

`make image` builds it first; without that these tests are skipped."""

import json
from collections.abc import Callable, Generator

import pytest

from gateway.verify import Trust, verify_decision
from tests.deploy.container import (
    SEEN,
    STATE,
    USER,
    Container,
    Files,
    ended,
    image,
    podman,
    running,
)
from tests.project import ROOT

QUESTION = json.loads((ROOT / "docs" / "examples" / "virginia.json").read_bytes())
pytestmark = pytest.mark.usefixtures("built")


@pytest.fixture(scope="module")
def built() -> str:
    return image()


@pytest.fixture(scope="module")
def files(built: str, tmp_path_factory: pytest.TempPathFactory) -> Files:
    assert built
    return Files(tmp_path_factory.mktemp("mounted"))


@pytest.fixture
def volumes(files: Files) -> list[str]:
    """Two, as their user has them."""
    return given(files)


@pytest.fixture(scope="module")
def gateway(files: Files) -> Generator[Container]:
    with running(files, *given(files)) as container:
        yield container


def given(
    files: Files,
    *,
    state: dict[str, int] | None = None,
    seen: dict[str, int] | None = None,
    tls: dict[str, int] | None = None,
) -> list[str]:
    """Two volumes and the files of TLS, of its user where nothing else is said."""
    return [
        f"--volume={files.volume(**(state or {}))}:{STATE}",
        f"--volume={files.volume(**(seen or {}))}:{SEEN}",
        files.tls(**(tls or {})),
    ]


def decides(container: Container) -> str:
    """That it does, and that a stranger can check it; the id of the decision."""
    answer = container.ask(QUESTION, container.token()).json
    trust = Trust.from_json(container.request("GET", "/v1/trust").body)
    verified = verify_decision(answer, trust)
    assert (answer["decision"], verified.id) == ("permit", answer["id"])
    assert answer["engines"] == {"cedar": "permit", "rego": "permit"}
    return answer["id"]


# --- what it does ----------------------------------------------------------------------


def test_it_decides_over_tls_and_the_answer_is_verified_offline(gateway: Container) -> None:
    assert decides(gateway)


def test_no_stranger_is_answered(gateway: Container) -> None:
    assert gateway.ask(QUESTION, "").status == 401
    assert gateway.ask(QUESTION, "charter_none_none").status == 401


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_an_orchestrator_sees_that_it_lives_and_is_ready(gateway: Container, path: str) -> None:
    assert gateway.request("GET", path).status == 200


def test_none_of_its_processes_has_a_right_that_others_have_not(gateway: Container) -> None:
    found = gateway.python(
        "import pathlib\n"
        "for one in pathlib.Path('/proc').glob('[0-9]*/status'):\n"
        "    print(one.read_text().replace(chr(10), ';').replace(chr(9), ' '))"
    ).splitlines()
    assert len(found) >= 3  # the gateway, an engine, and this script
    for process in found:
        rows = dict(row.split(": ", 1) for row in process.split(";") if ": " in row)
        assert {rows[f"Cap{kind}"].strip("0") for kind in ("Prm", "Eff", "Bnd", "Amb")} == {""}
        assert rows["Uid"].split() == [str(USER)] * 4
        assert (rows["NoNewPrivs"], rows["Seccomp"]) == ("1", "2")


def test_nothing_can_be_written_but_the_two_volumes(gateway: Container) -> None:
    found = gateway.python(
        "import os\n"
        "for folder, _, _ in os.walk('/'):\n"
        "    if folder.startswith(('/proc', '/sys', '/dev')):\n"
        "        continue\n"
        "    try:\n"
        "        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))\n"
        "        print(folder)\n"
        "    except OSError:\n"
        "        pass"
    ).split()
    assert {STATE, SEEN} <= set(found)
    assert [folder for folder in found if not folder.startswith((STATE, SEEN))] == []


def test_sigterm_ends_it_in_order_and_nothing_answered_is_lost(
    files: Files, volumes: list[str]
) -> None:
    with running(files, *volumes) as container:
        token, made = container.token(), decides(container)
        assert container.stop() == 0
    with running(files, *volumes) as again:
        assert again.request("GET", f"/v1/decisions/{made}", token=token).json["id"] == made
        assert "CHARTER_TOKEN" not in again.said()


@pytest.mark.parametrize(
    ("whose", "user"),
    [
        pytest.param({"user": 0, "mode": 0o2775}, f"{USER}:{USER}", id="of root, for its group"),
        pytest.param({"user": 0, "group": 0, "mode": 0o770}, "70000:0", id="of any user of 0"),
    ],
)
def test_it_starts_whoever_a_volume_belongs_to_where_it_can_be_written(
    files: Files, whose: dict[str, int], user: str
) -> None:
    key = {"user": 0, "group": int(user.partition(":")[2]), "mode": 0o440}
    mounted = given(files, state=whose, seen=whose, tls=key)
    with running(files, *mounted, "--user", user) as container:
        decides(container)


def test_two_workers_answer_in_it(files: Files, volumes: list[str]) -> None:
    with running(
        files, *volumes, command=("serve", "--format", "json", "--workers", "2")
    ) as container:
        decides(container)
        assert container.stop() == 0


def test_engines_start_where_a_filter_refuses_files_in_memory(
    files: Files, volumes: list[str]
) -> None:
    profile = files.folder / "seccomp.json"
    refused = {"names": ["memfd_create"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused]}))
    with running(files, *volumes, f"--security-opt=seccomp={profile}") as container:
        with pytest.raises(AssertionError, match="PermissionError"):
            container.python("import os; os.memfd_create('x')")
        decides(container)


def test_a_volume_with_a_name_is_its_user_s_from_the_start(files: Files) -> None:
    names = ["charter-test-state", "charter-test-seen"]
    try:
        mounted = [f"--volume={names[0]}:{STATE}", f"--volume={names[1]}:{SEEN}", files.tls()]
        with running(files, *mounted) as container:
            decides(container)
    finally:
        podman("volume", "rm", "--force", *names)


# --- what it is not given ----------------------------------------------------------------

ROOTS = {"user": 0, "group": 0}
REFUSED: dict[str, tuple[Callable[[Files], list[str]], str]] = {
    "no volume at all": (
        lambda files: [files.tls()], "/state: cannot use it as state folder: Read-only file system",
    ),
    "no volume for what was seen": (
        lambda files: [given(files)[0], files.tls()],
        f"{SEEN}/seen: cannot write it: Read-only file system",
    ),
    "a volume of root": (
        lambda files: given(files, state={**ROOTS, "mode": 0o755}),
        f"{STATE} is of user 0, and this is user {USER}",
    ),
    "a volume of root that it cannot look into": (
        lambda files: given(files, state=ROOTS), f"{STATE} is of user 0, and this is user {USER}",
    ),
    "a volume of root for what was seen": (
        lambda files: given(files, seen={**ROOTS, "mode": 0o755}),
        f"{SEEN}/seen: cannot write it: Permission denied",
    ),
    "a volume for what was seen that it cannot look into": (
        lambda files: given(files, seen=ROOTS), f"{SEEN}/seen does not say what was seen",
    ),
    "a key of root": (
        lambda files: given(files, tls=ROOTS), "tls/tls.key: cannot read it: Permission denied",
    ),
    "a key that all can read": (
        lambda files: given(files, tls={"mode": 0o644}), "tls/tls.key is readable by others",
    ),
    "no certificate": (
        lambda files: given(files)[:2], "tls/tls.crt: cannot read it: No such file or directory",
    ),
    "no settings": (
        lambda files: [*given(files), "--env=CHARTER_CONFIG=/etc/none"],
        "/etc/none: cannot read it: No such file or directory",
    ),
    "no TLS": (
        lambda files: [
            *given(files), "--env=CHARTER_CONFIG=", "--env=CHARTER_LISTEN_HOST=0.0.0.0",
        ],
        "give --tls-cert and --tls-key",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_does_not_start_and_says_in_one_line_what_is_missing(files: Files, case: str) -> None:
    options, words = REFUSED[case]
    code, line = ended(files, *options(files))
    assert words in line
    assert (code, line.startswith("charter: ")) == (1, True)
