"""The desk: gives out challenges, takes evidence, and says what stands of each node.

One in each process of a gateway, all over one file. Evidence is judged outside of any
transaction; in one transaction the challenge is used up, the evidence is kept and what stands
is replaced, so that of two who show one challenge at once, one is too late.
"""

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from gateway.attestation.errors import EvidenceError, EvidenceNonceError
from gateway.attestation.result import Verdict
from gateway.nodes import challenge as challenges
from gateway.nodes import keeping
from gateway.nodes.access import Access
from gateway.nodes.attested import STANDING, Attested, Submission, as_written
from gateway.nodes.challenge import Asker, Challenge
from gateway.nodes.errors import (
    EvidenceErasedError,
    EvidenceStoreError,
    NodeRolledBackError,
    UnknownNodeError,
)
from gateway.nodes.judged import judge, without
from gateway.nodes.row import Row
from gateway.nodes.store import writing
from gateway.nodes.terms import Terms

VERIFIER = f"charter/{version('charter-gateway')}"
REMEMBERED = 4_096
K = TypeVar("K")
V = TypeVar("V")


class Desk:
    """Blocking: call it in a thread.

    Args:
        path: Of the store, which is opened when it is first needed. A store that cannot be used
            is tried again at each use; no evidence counts meanwhile.
    """

    def __init__(
        self,
        path: Path,
        *,
        random: Callable[[int], bytes] = os.urandom,
        verifier: str = VERIFIER,
    ) -> None:
        self._random = random
        self._verifier = verifier
        self._writer, self._reader = Access(path, "kept"), Access(path, "looked up")
        self._memory = threading.Lock()
        self._judged: OrderedDict[tuple[str, object], Attested | None] = OrderedDict()
        self._named: OrderedDict[tuple[str, object], None] = OrderedDict()

    def check(self) -> None:
        """Open the store, and say in the log where that cannot be done."""
        with suppress(EvidenceStoreError), self._writer.use():
            pass

    def challenge(
        self, terms: Terms, *, tenant: str, caller: str, node: str, purpose: str, now: datetime
    ) -> Challenge:
        """A new challenge.

        Raises:
            UnknownNodeError: The register has no such node today.
            TooManyChallengesError: The tenant has too many open.
            EvidenceStoreError: It cannot be kept.
        """
        now = as_written(now)
        terms.register.find(node, now.date())
        asker = Asker(tenant, caller, node, purpose)
        with self._writer.use() as db, writing(db):
            return challenges.issue(db, asker, now, self._random)

    def submit(
        self,
        terms: Terms,
        submission: Submission,
        *,
        tenant: str,
        caller: str,
        purpose: str,
        now: datetime,
    ) -> Attested:
        """Judge evidence and keep it. Of purpose `standing` it becomes what stands of its node,
        unless something newer does.

        Returns:
            What it came to, whether or not it counts.

        Raises:
            EvidenceError: It is no evidence at all, so that there is nothing to judge.
            UnknownNodeError: The register has no such node today.
            EvidenceStoreError: It cannot be kept; then it does not count.
        """
        now = as_written(now)
        asker = Asker(tenant, caller, submission.node, purpose)
        nonce = self._open_challenge(submission, asker, now)
        attested = self._judge(terms, submission, tenant, purpose, nonce, now)
        if submission.challenge is not None and nonce is None:
            attested = _unanswered(attested)
        with self._writer.use() as db, writing(db):
            named = submission.challenge
            if named and nonce is not None and not challenges.use(db, named, asker, now):
                attested = _unanswered(attested)
            return self._keep(db, terms, submission.document, attested, now)

    def _open_challenge(self, submission: Submission, asker: Asker, now: datetime) -> bytes | None:
        if submission.challenge is None:
            return None
        with self._reader.use() as db:
            return challenges.find(db, submission.challenge, asker, now)

    def _judge(
        self,
        terms: Terms,
        submission: Submission,
        tenant: str,
        purpose: str,
        nonce: bytes | None,
        at: datetime,
    ) -> Attested:
        return judge(
            submission.document,
            node=submission.node,
            purpose=purpose,
            nonce=nonce,
            tenant=tenant,
            at=at,
            policy=terms.policy,
            anchors=terms.anchors,
            register=terms.register,
            verifier=self._verifier,
        )

    def _keep(
        self,
        db: sqlite3.Connection,
        terms: Terms,
        document: bytes,
        attested: Attested,
        now: datetime,
    ) -> Attested:
        """In the transaction of the caller."""
        if keeping.is_erased(db, attested):
            return without(attested, EvidenceErasedError("this evidence was erased"))
        new = Row.of(attested, self._random(16).hex())
        if keeping.is_behind(db, new):
            words = "its TPM was started again since, so it was kept from before"
            attested = without(attested, NodeRolledBackError(words))
        if attested.is_genuine:
            keeping.advance(db, new)
        is_standing = attested.purpose == STANDING
        if not is_standing and self._is_overruled(db, new, terms):
            words = (
                "evidence of this node that answered a challenge was refused, and none counts "
                "in its place but what answers another"
            )
            attested = without(attested, EvidenceNonceError(words))
        if not is_standing:
            keeping.keep(db, attested, document, is_named=True)
            keeping.keep_terms(db, terms)
        elif attested.is_genuine:
            old = keeping.standing(db, attested.tenant, attested.node)
            before = None if old is None else self._judge_again(db, old, terms)
            if old is None or new.takes_over(old, before, now):
                keeping.keep(db, attested, document, is_named=False)
                keeping.put(db, new, old)
        keeping.tidy(db, now)
        return attested

    def _is_overruled(self, db: sqlite3.Connection, new: Row, terms: Terms) -> bool:
        """Whether it could have been kept from before what is known of the node now."""
        if new.is_challenged:
            return False
        old = keeping.standing(db, new.tenant, new.node)
        if old is None or not old.is_challenged:
            return False
        before = self._judge_again(db, old, terms)
        return before is not None and before.result.verdict is not Verdict.ACCEPTED

    # --- what stands ---------------------------------------------------------------------

    def standing(self, terms: Terms, *, tenant: str, node: str, now: datetime) -> Attested | None:
        """What stands of a node, for a record to name: the evidence is kept from now on. None
        where nothing does.

        Raises:
            UnknownNodeError: The register has no such node today.
            EvidenceStoreError: It cannot be looked up, or kept.
        """
        terms.register.find(node, as_written(now).date())
        with self._reader.use() as db:
            row = keeping.standing(db, tenant, node)
            if row is None:
                return None
            if self._is_named(row, terms):
                return self._judge_again(db, row, terms)
        with self._writer.use() as db:
            with writing(db):
                # It can be another one by now, and the first be removed.
                row = keeping.standing(db, tenant, node)
                if row is None:
                    return None
                keeping.name(db, row)
                keeping.keep_terms(db, terms)
            with self._memory:
                _remember(self._named, (row.id, terms.named), None)
            return self._judge_again(db, row, terms)

    def _is_named(self, row: Row, terms: Terms) -> bool:
        with self._memory:
            return (row.id, terms.named) in self._named

    def look(self, terms: Terms, *, tenant: str, node: str) -> Attested | None:
        """The same, for somebody to read: nothing is kept for it."""
        with self._reader.use() as db:
            row = keeping.standing(db, tenant, node)
            return None if row is None else self._judge_again(db, row, terms)

    def _judge_again(self, db: sqlite3.Connection, row: Row, terms: Terms) -> Attested | None:
        """What stands, by the terms in force, at the instant at which it came. None where it
        says nothing of a node that there is."""
        key = row.id, terms.named
        with self._memory:
            if key in self._judged:
                self._judged.move_to_end(key)
                return self._judged[key]
        document = keeping.document(db, row)
        found: Attested | None = None
        if document is not None:
            submission = Submission(row.node, document)
            at = datetime.fromtimestamp(row.at_ms / 1000, UTC)
            try:
                found = self._judge(terms, submission, row.tenant, STANDING, row.nonce, at)
            except (EvidenceError, UnknownNodeError):
                found = None
        with self._memory:
            _remember(self._judged, key, found)
        return found

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def _unanswered(attested: Attested) -> Attested:
    words = "no such challenge is open for this caller, node and purpose"
    return without(attested, EvidenceNonceError(words))


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    if len(known) > REMEMBERED:
        known.popitem(last=False)
