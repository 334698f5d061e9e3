"""The rules that records name, each loaded once, and those of the plan in their place."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from dsl.core import Program
from dsl.core_json import program_from_json
from gateway.errors import ConfigurationError
from gateway.kept import kept_bundle, kept_catalogue
from gateway.pdp import catalogue
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.engine import Engine
from gateway.pdp.engines import make_engines
from gateway.pdp.overlay import load_over
from gateway.replay.plan import Plan
from gateway.replay.rules import Counts, Rules

# Loaded at once; each has its engines, some 30 MB.
MAX_LOADED = 4

T = TypeVar("T")
Names = tuple[str, str]  # the digests of a bundle and a catalogue


class NotKeptError(Exception):
    """What a record names is not in the state folder, or cannot be read; `reason` is one of
    the reasons for which a replay cannot tell."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


class Shelf:
    """Rules by what records name."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._other = None if plan.core is None else program_from_json(plan.core)
        self._loaded: OrderedDict[Names, Rules] = OrderedDict()
        self._missing: dict[Names, NotKeptError] = {}
        self._closed = Counts()

    @property
    def counts(self) -> Counts:
        """How much was decided with all of them so far."""
        total = self._closed
        for rules in self._loaded.values():
            total = total.plus(rules.counts)
        return total

    async def rules(self, bundle: str, known: str) -> Rules:
        """The rules to decide with again what was decided with a bundle and a catalogue.

        Raises:
            NotKeptError: They are not there.
        """
        names = (
            "" if self._other is not None else bundle,
            "" if self._plan.catalogue else known,
        )
        if names in self._missing:
            raise self._missing[names]
        rules = self._loaded.get(names)
        if rules is None:
            try:
                rules = self._load(bundle, known)
            except NotKeptError as error:
                self._missing[names] = error
                raise
            self._loaded[names] = rules
            if len(self._loaded) > MAX_LOADED:
                _, oldest = self._loaded.popitem(last=False)
                self._closed = self._closed.plus(oldest.counts)
                await oldest.close()
        self._loaded.move_to_end(names)
        return rules

    def _load(self, bundle: str, known: str) -> Rules:
        plan = self._plan
        program = self._other or self._program(bundle)
        stated = self._catalogue(program, known)
        if stated is None and plan.is_what_if:
            raise NotKeptError("catalogue-not-kept", f"the catalogue {known} is not kept here")
        engines: list[Engine] = []
        if plan.engines:
            engines = make_engines(plan.engines, program, opa_url=plan.opa_url)
        return Rules(program, stated, engines, share=plan.share)

    def _program(self, digest: str) -> Program:
        def find() -> Program | None:
            found = kept_bundle(self._plan.state, digest)
            return None if found is None else found.program

        program = _read("bundle-unreadable", find)
        if program is None:
            raise NotKeptError("bundle-not-kept", f"the bundle {digest} is not kept here")
        return program

    def _catalogue(self, program: Program, digest: str) -> Catalogue | None:
        if self._plan.catalogue:
            first, *others = self._plan.catalogue
            return load_over(catalogue.load(first, program), others, program)
        return _read(
            "catalogue-unreadable", lambda: kept_catalogue(self._plan.state, digest, program)
        )

    async def close(self) -> None:
        """Let go of all engines."""
        for rules in self._loaded.values():
            await rules.close()


def _read(reason: str, find: Callable[[], T]) -> T:
    try:
        return find()
    except ConfigurationError as error:
        raise NotKeptError(reason, str(error)) from error
