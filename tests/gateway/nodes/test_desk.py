"""The desk: challenges count once and for whom they were given, and the newest genuine evidence
of a node's own device stands."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.attestation.result import Freshness, Verdict
from gateway.nodes import challenge as challenges
from gateway.nodes.attested import Attested, Strength
from gateway.nodes.desk import Desk
from gateway.nodes.errors import TooManyChallengesError, UnknownNodeError
from gateway.nodes.store import FILE
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import NOW, POLICY, SECOND, Counter, Machine

OWN = Machine()
BAD = OWN.with_pcr(machines.GOOD_PCR, b"\xee" * 32)
HOUR = timedelta(hours=1)


ERASED = (
    "UPDATE document SET erasure = 'e1' WHERE kind = 'evidence'",
    "UPDATE document SET body = NULL, erasure = 'e1' WHERE kind = 'evidence'",
)


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(Desk(tmp_path / FILE), machines.terms(tmp_path))


def reasons(found: Attested | None) -> tuple[str, str]:
    assert found is not None
    return found.result.verdict.value, found.result.reason


def stands(counter: Counter) -> tuple[str, str] | None:
    found = counter.stands()
    return None if found is None else reasons(found)


ACCEPTED = ("accepted", "")


# --- challenges ----------------------------------------------------------------------


def test_evidence_made_for_a_challenge_counts_and_stands(counter: Counter) -> None:
    shown = counter.answer(OWN)
    assert reasons(shown) == ACCEPTED
    assert shown.result.freshness is Freshness.CHALLENGED
    assert (shown.site, shown.strength) == (machines.SITE, Strength.ENROLLED)
    found = counter.stands()
    assert found is not None
    assert found.body() == shown.body()
    assert found.counts_at(NOW)
    assert not found.counts_at(NOW + HOUR)


def test_two_challenges_differ_in_name_and_bytes(counter: Counter) -> None:
    one, other = counter.ask(), counter.ask()
    assert one.id != other.id
    assert one.nonce != other.nonce
    assert len(one.nonce) == 32
    assert one.expires_at == NOW + challenges.VALID


FOREIGN: dict[str, Callable[[Counter], Counter]] = {
    "caller": lambda one: replace(one, caller="token-2"),
    "tenant": lambda one: replace(one, tenant="clinic-b"),
    "node": lambda one: replace(one, node="n2"),
    "purpose": lambda one: replace(one, purpose="decision"),
    "time": lambda one: replace(one, now=NOW + challenges.VALID),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_challenge_of_another_is_refused_and_not_used_up(counter: Counter, what: str) -> None:
    asked = counter.ask()
    document = OWN.document(asked.nonce)
    shown = FOREIGN[what](counter).show(document, asked.id)
    assert reasons(shown) == ("refused", "evidence-nonce")
    assert shown.result.claims is None
    assert counter.stands() is None
    assert reasons(counter.show(document, asked.id)) == ACCEPTED


def test_a_challenge_counts_once(counter: Counter) -> None:
    asked = counter.ask()
    document = OWN.document(asked.nonce)
    assert reasons(counter.show(document, asked.id)) == ACCEPTED
    assert reasons(counter.show(document, asked.id)) == ("refused", "evidence-nonce")
    assert stands(counter) == ACCEPTED


def test_a_challenge_that_nobody_gave_is_refused_and_never_background(counter: Counter) -> None:
    shown = counter.show(OWN.document(b"1" * 32), "0" * 32)
    assert reasons(shown) == ("refused", "evidence-nonce")
    assert counter.stands() is None


def test_evidence_for_another_challenge_is_refused_and_uses_up_its_own(counter: Counter) -> None:
    one, other = counter.ask(), counter.ask()
    document = OWN.document(one.nonce)
    assert reasons(counter.show(document, other.id)) == ("refused", "evidence-nonce")
    again = counter.show(OWN.document(other.nonce), other.id)
    assert reasons(again) == ("refused", "evidence-nonce")
    assert reasons(counter.show(document, one.id)) == ACCEPTED


def test_the_nonce_of_a_challenge_is_not_its_name(counter: Counter) -> None:
    asked = counter.ask()
    shown = counter.show(OWN.document(asked.nonce), asked.nonce.hex())
    assert reasons(shown) == ("refused", "evidence-nonce")


def test_of_many_who_show_one_challenge_at_once_one_counts(
    counter: Counter, tmp_path: Path
) -> None:
    asked = counter.ask()
    document = OWN.document(asked.nonce)
    others = [replace(counter, desk=Desk(tmp_path / FILE)) for _ in range(4)]

    def show(one: Counter) -> Attested:
        return one.show(document, asked.id)

    with ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(show, [counter, *others] * 3))
    assert sorted(map(reasons, shown)) == [ACCEPTED] + [("refused", "evidence-nonce")] * 14
    assert stands(counter) == ACCEPTED


def test_open_challenges_of_a_tenant_are_bounded_and_become_free(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenges, "MAX_OPEN", 3)
    asked = [counter.ask() for _ in range(3)]
    with pytest.raises(TooManyChallengesError):
        counter.ask()
    replace(counter, tenant="clinic-b").ask()
    counter.show(OWN.document(asked[0].nonce), asked[0].id)
    counter.ask()
    with pytest.raises(TooManyChallengesError):
        counter.ask()
    counter.later(challenges.VALID)
    counter.ask()


def test_an_unknown_node_gets_no_challenge_and_has_no_evidence(counter: Counter) -> None:
    other = replace(counter, node="n9")
    for attempt in (other.ask, other.stands, lambda: other.show(OWN.document())):
        with pytest.raises(UnknownNodeError, match="n9"):
            attempt()


# --- what stands ---------------------------------------------------------------------


def test_evidence_that_does_not_verify_changes_nothing_and_is_not_kept(
    counter: Counter, tmp_path: Path
) -> None:
    assert reasons(counter.answer(OWN)) == ACCEPTED
    before = kept(tmp_path)
    document = OWN.document(b"2" * 32)
    forged = document.replace(b'"signature":"', b'"signature":"ABgACwAg')
    assert forged != document
    for damaged in (forged, replace(OWN, key=tpm_key()).document()):
        assert counter.show(damaged).result.verdict is not Verdict.ACCEPTED
    assert kept(tmp_path) == before
    assert stands(counter) == ACCEPTED


def tpm_key() -> machines.ec.EllipticCurvePrivateKey:
    return machines.ec.generate_private_key(machines.ec.SECP256R1())


def test_genuine_evidence_that_the_policy_refuses_ends_what_stood(counter: Counter) -> None:
    assert reasons(counter.answer(OWN)) == ACCEPTED
    assert reasons(counter.answer(BAD)) == ("refused", "appraisal-executables")
    assert stands(counter) == ("refused", "appraisal-executables")
    assert reasons(counter.answer(OWN)) == ACCEPTED
    assert stands(counter) == ACCEPTED


def test_background_stands_where_nothing_does_and_says_so(counter: Counter) -> None:
    shown = counter.show(OWN.document())
    assert reasons(shown) == ACCEPTED
    assert shown.result.freshness is Freshness.BACKGROUND
    assert shown.nonce is None
    assert stands(counter) == ACCEPTED


def test_background_does_not_hide_that_challenged_evidence_was_refused(counter: Counter) -> None:
    counter.answer(BAD)
    assert reasons(counter.show(OWN.document())) == ACCEPTED
    assert stands(counter) == ("refused", "appraisal-executables")
    counter.later(timedelta(days=300))
    assert reasons(counter.show(OWN.document())) == ACCEPTED
    assert stands(counter) == ("refused", "appraisal-executables")


def test_background_in_a_question_does_not_hide_that_challenged_evidence_was_refused(
    counter: Counter,
) -> None:
    asking = replace(counter, purpose="decision")
    assert reasons(asking.show(OWN.document())) == ACCEPTED
    counter.answer(BAD)
    assert reasons(asking.show(OWN.document())) == ("refused", "evidence-nonce")
    assert reasons(asking.answer(OWN)) == ACCEPTED
    counter.answer(OWN)
    assert reasons(asking.show(OWN.document())) == ACCEPTED


def test_background_does_not_end_challenged_evidence_that_counts(counter: Counter) -> None:
    counter.answer(OWN)
    counter.show(BAD.document())
    assert stands(counter) == ACCEPTED
    counter.later(HOUR)
    counter.show(BAD.document())
    assert stands(counter) == ("refused", "appraisal-executables")


def test_the_later_of_two_counts_whichever_comes_first(counter: Counter) -> None:
    later = replace(counter, now=NOW + timedelta(seconds=1))
    old, new = counter.ask(), counter.ask()
    assert reasons(later.show(OWN.document(new.nonce), new.id)) == ACCEPTED
    counter.show(BAD.document(old.nonce), old.id)
    assert stands(counter) == ACCEPTED


def test_what_a_clock_that_was_ahead_has_judged_neither_counts_nor_stays(
    counter: Counter,
) -> None:
    replace(counter, now=NOW + timedelta(days=1)).answer(BAD)
    assert reasons(counter.answer(OWN)) == ACCEPTED
    assert stands(counter) == ACCEPTED


def test_another_device_is_refused_and_changes_nothing(counter: Counter) -> None:
    counter.answer(OWN)
    shown = counter.answer(Machine(SECOND))
    assert reasons(shown) == ("refused", "node-device")
    assert shown.result.claims is None
    assert stands(counter) == ACCEPTED


def test_a_node_of_any_device_is_declared_alone(counter: Counter) -> None:
    other = replace(counter, node="n2")
    shown = other.answer(Machine(SECOND))
    assert reasons(shown) == ACCEPTED
    assert shown.strength is Strength.DECLARED


def test_no_tenant_sees_or_uses_what_another_has(counter: Counter) -> None:
    counter.answer(OWN)
    assert replace(counter, tenant="clinic-b").stands() is None


def test_evidence_for_a_decision_does_not_stand(counter: Counter) -> None:
    once = replace(counter, purpose="decision")
    assert reasons(once.answer(OWN)) == ACCEPTED
    assert counter.stands() is None


# --- the TPM counts ------------------------------------------------------------------


def test_after_a_reboot_what_stood_ends_and_old_quotes_are_refused(counter: Counter) -> None:
    kept_back = counter.ask()
    old = OWN.document(kept_back.nonce)
    counter.answer(OWN)
    assert reasons(counter.answer(OWN.rebooted())) == ACCEPTED
    assert reasons(counter.show(old, kept_back.id)) == ("refused", "node-rolled-back")
    assert reasons(counter.show(OWN.document())) == ("refused", "node-rolled-back")
    assert stands(counter) == ACCEPTED


def test_a_reboot_seen_in_a_decision_ends_what_stood(counter: Counter) -> None:
    counter.answer(OWN)
    replace(counter, purpose="decision").answer(BAD.rebooted())
    assert counter.stands() is None


def test_a_reboot_seen_at_one_node_ends_what_stood_of_the_device_at_another(
    counter: Counter,
) -> None:
    other = replace(counter, node="n2")
    other.answer(OWN)
    counter.answer(OWN.rebooted())
    assert other.stands() is None
    assert reasons(other.show(OWN.document())) == ("refused", "node-rolled-back")


def test_a_restart_counts_like_a_reboot(counter: Counter) -> None:
    counter.answer(replace(OWN, restarts=1))
    assert reasons(counter.answer(OWN)) == ("refused", "node-rolled-back")
    assert reasons(counter.answer(OWN.rebooted())) == ACCEPTED


def test_a_quote_kept_from_earlier_in_the_same_boot_is_no_background(counter: Counter) -> None:
    counter.show(replace(BAD, clock=2000).document())
    shown = counter.show(replace(OWN, clock=1999).document())
    assert reasons(shown) == ("refused", "node-rolled-back")
    assert stands(counter) == ("refused", "appraisal-executables")


def test_two_challenged_quotes_may_overtake_each_other(counter: Counter) -> None:
    assert reasons(counter.answer(replace(BAD, clock=2000))) != ACCEPTED
    assert reasons(counter.answer(replace(OWN, clock=1999))) == ACCEPTED
    assert stands(counter) == ("refused", "appraisal-executables")


def test_what_does_not_verify_does_not_count_a_tpm_on(counter: Counter) -> None:
    counter.answer(OWN)
    asked = counter.ask()
    ahead = replace(OWN, boot=9).document(b"3" * 32)
    assert reasons(counter.show(ahead, asked.id)) == ("refused", "evidence-nonce")
    assert reasons(counter.answer(OWN)) == ACCEPTED


def test_counts_of_one_tenant_are_not_seen_by_another(counter: Counter) -> None:
    counter.answer(replace(OWN, boot=9))
    assert reasons(replace(counter, tenant="clinic-b").answer(OWN)) == ACCEPTED


# --- other terms ---------------------------------------------------------------------


def test_what_stands_is_judged_by_the_terms_in_force(counter: Counter, tmp_path: Path) -> None:
    counter.answer(OWN)
    strict = POLICY.replace("07" * 32, "ee" * 32)
    assert strict != POLICY
    counter.terms = machines.terms(tmp_path / "strict", policy=strict)
    found = counter.stands()
    assert found is not None
    assert reasons(found) == ("refused", "appraisal-executables")
    assert found.terms.policy_sha256 == counter.terms.policy.sha256
    counter.terms = machines.terms(tmp_path / "again")
    assert stands(counter) == ACCEPTED


def test_nothing_counts_of_a_device_that_was_taken_out_of_the_register(
    counter: Counter, tmp_path: Path
) -> None:
    counter.answer(OWN)
    row = machines.node("n1", [Machine(SECOND).device])
    counter.terms = machines.terms(tmp_path / "moved", row)
    assert stands(counter) == ("refused", "node-device")
    counter.terms = machines.terms(tmp_path / "gone", machines.node("n2"))
    with pytest.raises(UnknownNodeError):
        counter.stands()


def test_nothing_counts_of_a_key_that_is_not_pinned_any_more(
    counter: Counter, tmp_path: Path
) -> None:
    counter.answer(OWN)
    vouched = machines.anchors(Machine(SECOND))
    counter.terms = machines.terms(tmp_path / "unpinned", vouched=vouched)
    assert stands(counter) == ("undecided", "evidence-incomplete")


def test_another_desk_over_the_same_file_says_the_same(counter: Counter, tmp_path: Path) -> None:
    shown = counter.answer(OWN)
    other = replace(counter, desk=Desk(tmp_path / FILE))
    found = other.stands()
    assert found is not None
    assert found.body() == shown.body()
    replace(counter).answer(BAD)
    assert stands(other) == ("refused", "appraisal-executables")


# --- what is kept --------------------------------------------------------------------


def kept(folder: Path) -> set[tuple[str, int]]:
    with sqlite3.connect(folder / FILE) as db:
        query = "SELECT sha256, named FROM document WHERE kind = 'evidence'"
        return set(db.execute(query).fetchall())


def test_evidence_that_no_record_names_goes_when_it_is_replaced(
    counter: Counter, tmp_path: Path
) -> None:
    first = counter.answer(OWN)
    second = counter.answer(OWN)
    assert first.result.evidence_sha256 != second.result.evidence_sha256
    assert kept(tmp_path) == {(second.result.evidence_sha256, 0)}


def test_evidence_that_a_record_may_name_stays(counter: Counter, tmp_path: Path) -> None:
    first = counter.answer(OWN)
    counter.stands()
    second = counter.answer(OWN)
    third = replace(counter, purpose="decision").answer(BAD)
    assert kept(tmp_path) == {
        (first.result.evidence_sha256, 1),
        (second.result.evidence_sha256, 0),
        (third.result.evidence_sha256, 1),
    }


def test_looking_at_what_stands_names_nothing(counter: Counter, tmp_path: Path) -> None:
    shown = counter.answer(OWN)
    found = counter.desk.look(counter.terms, tenant=counter.tenant, node=counter.node)
    assert found is not None
    assert found.body() == shown.body()
    assert kept(tmp_path) == {(shown.result.evidence_sha256, 0)}


def test_what_a_record_names_can_be_found_with_all_that_judged_it(
    counter: Counter, tmp_path: Path
) -> None:
    counter.answer(OWN)
    found = counter.stands()
    assert found is not None
    body = found.body()
    with sqlite3.connect(tmp_path / FILE) as db:
        rows = db.execute("SELECT tenant, kind, 'sha256:' || sha256 FROM document").fetchall()
    assert set(rows) == {
        (machines.TENANT, "evidence", body["digest"]),
        ("", "policy", f"sha256:{found.terms.policy_sha256}"),
        ("", "anchors", body["anchors"]),
        ("", "register", body["register"]),
    }


def test_what_ended_long_ago_goes_and_what_was_refused_stays(
    counter: Counter, tmp_path: Path
) -> None:
    counter.answer(OWN)
    replace(counter, node="n2").answer(replace(BAD, key=SECOND))
    counter.later(timedelta(days=31) + HOUR)
    replace(counter, tenant="clinic-b").answer(OWN)
    assert counter.stands() is None
    assert stands(replace(counter, node="n2")) == ("refused", "appraisal-executables")
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize("erase", ERASED, ids=["marked", "gone"])
def test_erased_evidence_ends_what_stood_and_is_not_kept_again(
    counter: Counter, tmp_path: Path, erase: str
) -> None:
    document = OWN.document()
    shown = counter.show(document)
    assert stands(counter) == ACCEPTED
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute(erase)
    assert counter.stands() is None
    assert counter.desk.look(counter.terms, tenant=counter.tenant, node="n1") is None
    assert reasons(counter.show(document)) == ("undecided", "evidence-erased")
    assert counter.stands() is None
    with sqlite3.connect(tmp_path / FILE) as db:
        query = "SELECT erasure FROM document WHERE sha256 = ?"
        found = db.execute(query, (shown.result.evidence_sha256,)).fetchall()
    assert found == [("e1",)]
