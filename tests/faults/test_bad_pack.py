"""A pack of one tenant that is bad: its rules are undetermined, or it does not even compile.
R10: another tenant has the answers that it had, in about the same time."""

import random
import signal
import statistics
from pathlib import Path

from tests.faults.history import Event, check_answers, draw, put
from tests.faults.running import Project, Running, eventually, gateway

TIMES = 30
RULES = 60
HEAD = """\
charter test.pack
  title "A pack of one tenant"
  law HOUSE "House rules"
  time zone Europe/Brussels
  as of 2026-11-22
import test.words
import test.law
import test.baseline
"""
# `encrypted` is stated by nobody who asks here.
RULE = """
rule bad-{0} "Bad {0}"
  cites HOUSE section 1
  on place
  forbid
  when transfer.encrypted and transfer.age more than {0} days
  because "It is bad."
  remedy "Leave it."
  example "one that is encrypted for long" is denied
    transfer.encrypted = yes
    transfer.age = 300 days
  example "one that is not encrypted" is permitted
    transfer.encrypted = no
"""
# Found only once everything has been read.
NO_REMEDY = """
rule last "The last"
  cites HOUSE section 1
  on place
  forbid
  when transfer.encrypted
  because "It is bad."
"""
PROFILES = """
profile bad "What one tenant runs under"
  charters test.law, test.baseline, test.pack
  tenants  clinic-a
profile others "What everybody else runs under"
  charters test.law, test.baseline
"""


def with_pack(project: Project) -> Path:
    """Give the tenant its bad pack; its file."""
    path = project.policies / "pack.charter"
    rules = "".join(RULE.format(number) for number in range(RULES))
    path.write_text(HEAD + rules + PROFILES, encoding="utf-8")
    return path


def ask_both(running: Running, other: Running, number: int) -> tuple[list[Event], list[Event]]:
    """The same questions of another tenant to a gateway with the pack and to one without."""
    chance = random.Random(1)  # noqa: S311
    inside: list[Event] = []
    outside: list[Event] = []
    for _ in range(number):
        asked = draw(chance)
        inside.append(put(running, asked, who="other_tenant"))
        outside.append(put(other, asked, who="other_tenant"))
    return inside, outside


def median_s(events: list[Event]) -> float:
    return statistics.median(event.ended - event.sent for event in events)


def test_a_pack_of_one_tenant_that_is_never_determined_costs_another_nothing(
    project: Project, tmp_path: Path
) -> None:
    with_pack(project)
    elsewhere = Project.make(tmp_path / "elsewhere")
    with (
        gateway(project, "--engines", "cedar", "--memo", "0") as running,
        gateway(elsewhere, "--engines", "cedar", "--memo", "0") as other,
    ):
        chance = random.Random(2)  # noqa: S311
        own = [put(running, draw(chance)) for _ in range(10)]
        # Else the pack harms nobody, and the case shows nothing.
        assert "permit" not in {event.decision for event in own}
        assert "indeterminate" in {event.decision for event in own}
        ask_both(running, other, 3)
        inside, outside = ask_both(running, other, TIMES)
    for one, same in zip(inside, outside, strict=True):
        assert one.decision == same.decision == one.asked.right
    check_answers(inside)
    assert median_s(inside) < 2 * median_s(outside) + 0.01


def test_a_pack_that_does_not_compile_is_refused_and_costs_nobody_an_answer(
    project: Project,
) -> None:
    with gateway(project, "--engines", "cedar") as running:
        path = with_pack(project)
        path.write_text(path.read_text(encoding="utf-8") + NO_REMEDY, encoding="utf-8")
        chance = random.Random(3)  # noqa: S311
        events: list[Event] = []
        for _ in range(3):
            before = refusals(running)
            running.process.send_signal(signal.SIGHUP)
            while refusals(running) == before:
                events += [put(running, draw(chance), who="other_tenant") for _ in range(3)]
                assert len(events) < 3000, "the reload does not end"
        eventually(lambda: running.ready()[0] == 200, 5, "ready")
        events += [put(running, draw(chance)) for _ in range(5)]
    assert len(events) > 10
    for event in events:
        assert event.decision == event.asked.right, event
    check_answers(events)


def refusals(running: Running) -> int:
    return running.stderr.count("reload refused")
