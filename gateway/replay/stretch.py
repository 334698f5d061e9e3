"""One stretch of a ledger, decided again entry by entry."""

from pathlib import Path

from gateway.errors import RequestError
from gateway.replay.asked import (
    Moment,
    RecordUnfitError,
    fact_changes,
    moment_of,
    unknown_to,
)
from gateway.replay.compare import MALFORMED, Change, changes, other_members, refused
from gateway.replay.plan import Plan
from gateway.replay.rules import Body, EnginesDifferError, Rules
from gateway.replay.shelf import NotKeptError, Shelf
from gateway.replay.stored import Kind, Predicate, Stored, read_stored
from gateway.replay.tally import Example, Tally, example_of

FACTS = "facts differ"
ENGINES = "engines differ"
WORDS = "other words"


class Again:
    """Decides again what a plan says."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._shelf = Shelf(plan)

    async def stretch(self, ledger: Path, first: int, end: int, most: int | None) -> Tally:
        """Decide again what is from one index to before another.

        Args:
            ledger: The folder with the database.
            most: After how many decisions to stop.

        Raises:
            LedgerError: There is no ledger that can be read.
            ConfigurationError: What the plan names cannot be used.
        """
        tally = Tally(self._plan.examples)
        before = self._shelf.counts
        for one in read_stored(ledger, first, end):
            tally.looked += 1
            if one.kind is Kind.OWN:
                tally.own += 1
            elif self._plan.filters.meant(one):
                tally.matched += 1
                await self._one(one, tally)
                if tally.matched == most:
                    break
        after = self._shelf.counts
        tally.counts = after.minus(before)
        return tally

    async def _one(self, one: Stored, tally: Tally) -> None:
        predicate = one.predicate
        if one.kind is not Kind.DECISION:
            self._no_word(tally, one, one.kind.value, "")
            return
        if predicate.get("incident"):
            # What came of a fault of that moment is no work of the rules.
            self._no_word(tally, one, "fault", "the engines gave no common answer then")
            return
        try:
            rules = await self._shelf.rules(predicate["bundle"], predicate["catalogue"])
            moment = rules.moment(moment_of(predicate), self._plan.day)
            if self._plan.core is not None:
                tally.left.update(unknown_to(rules.program, predicate))
            await self._decided(one, rules, moment, tally)
        except NotKeptError as error:
            self._no_word(tally, one, error.reason, str(error))
        except RecordUnfitError as error:
            self._no_word(tally, one, "unfit", str(error))
        except EnginesDifferError as error:
            if error.failed:
                self._no_word(tally, one, "engine-failed", str(error))
            else:
                told = example_of(one.index, predicate, "indeterminate", words=str(error))
                tally.change(told, [Change("-", ENGINES)], keep_line=self._plan.lines)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            # Of a record that was logged by something else.
            self._no_word(tally, one, "foreign", f"no record of ours: {type(error).__name__}")

    async def _decided(self, one: Stored, rules: Rules, moment: Moment, tally: Tally) -> None:
        predicate, keep = one.predicate, self._plan.lines
        try:
            joined = rules.join(predicate, moment)
        except RequestError as error:
            told = example_of(one.index, predicate, MALFORMED, words=_words(error))
            tally.change(told, [refused(predicate)], keep_line=keep)
            return
        facts = fact_changes(joined, predicate)
        after = await rules.decide(joined, moment)
        found = changes(predicate, after, same_day=self._plan.day is None)
        if not self._plan.is_what_if:
            found += self._strictly(predicate, after, bool(facts), found)
        if found:
            told = example_of(one.index, predicate, after["decision"], facts=facts)
            tally.change(told, found, keep_line=keep)
            return
        tally.same += 1
        tally.from_facts += not rules.has_catalogue
        tally.words += bool(other_members(predicate, after))

    @staticmethod
    def _strictly(
        predicate: Predicate, after: Body, facts_differ: bool, found: list[Change]
    ) -> list[Change]:
        """Of a decision that has to come out as it is recorded, what is not substance."""
        more = [Change("-", FACTS)] if facts_differ else []
        others = other_members(predicate, after)
        if others and not found and not more:
            more.append(Change("-", f"{WORDS} in {', '.join(sorted(others))}"))
        return more

    def _no_word(self, tally: Tally, one: Stored, reason: str, words: str) -> None:
        if one.predicate:
            try:
                told = example_of(one.index, one.predicate, "", words=words)
            except (KeyError, TypeError, AttributeError):
                told = _bare(one, words)
        else:
            told = _bare(one, words)
        tally.no_word(reason, told, keep_line=self._plan.lines)

    async def close(self) -> None:
        """Let go of all engines."""
        await self._shelf.close()


def _bare(one: Stored, words: str) -> Example:
    return Example(one.index, one.id, one.tenant, "", (), one.logged_at, "", "", words=words)


def _words(error: RequestError) -> str:
    return f"{error.pointer}: {error.detail}" if error.pointer else error.detail
