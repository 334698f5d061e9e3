"""Lark's parse tree → `dsl.tree`: profiles and invariants, which speak of whole bundles."""

from typing import cast

from dsl import tree
from dsl.build_condition import ConditionBuilder
from dsl.build_rule import RuleBuilder
from dsl.codes import Code
from dsl.tree_reader import Branch, TreeReader, branches


class ProfileBuilder:
    def __init__(self, reader: TreeReader, rules: RuleBuilder) -> None:
        self._reader = reader
        self._rules = rules
        self._conditions = ConditionBuilder(reader)

    def profile(self, node: Branch) -> tree.Profile:
        name, title = (self._reader.word(word) for word in node.children[:2])
        parts = list(branches(node))
        read = self._reader.words
        charters = self._reader.once(parts, "charters", read)
        permits = self._reader.once(parts, "permitted_actions", read)
        when = self._reader.once(parts, "when", lambda part: part)
        if charters is None:
            message = "the profile names no charters"
            help_ = "add `charters` and their names, separated by commas"
            self._reader.report(Code.UNEXPECTED, message, name.span, help_)
        if when is not None and permits is None:
            message = "`when` says on what condition the profile permits, but it permits nothing"
            help_ = "add `permit` and the actions, such as `permit place`"
            self._reader.report(Code.MISPLACED_CLAUSE, message, self._reader.span(when), help_)
        return tree.Profile(
            name,
            title,
            charters or (),
            self._reader.once(parts, "tenants", read) or (),
            permits or (),
            self._conditions.condition(when.children[0]) if when else None,
        )

    def invariant(self, node: Branch) -> tree.Invariant:
        name, title = (self._reader.word(word) for word in node.children[:2])
        parts = list(branches(node))
        claim = parts[-1]
        return tree.Invariant(
            name,
            title,
            tuple(self._rules.cites(part) for part in parts if part.data == "cites"),
            self._reader.once(parts, "on", self._reader.words) or (),
            self._conditions.condition(cast("Branch", claim.children[-1])),
            self._reader.span(node),
        )
