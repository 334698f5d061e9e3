"""A state folder with recorded decisions, made by a service of the small law."""

import asyncio
import json
import shutil
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dsl.compile import Compiled, compile_charters
from dsl.core import Program
from dsl.source import SourceText
from gateway import bundle
from gateway.callers import Caller
from gateway.in_force import InForce
from gateway.kept import keep
from gateway.keys import CheckpointKey, DecisionKey
from gateway.ledger.log import Log
from gateway.pdp import catalogue
from gateway.pdp.engine import Engine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.normalise import NO_CLAIMS, Claims
from gateway.pdp.overlay import load_over
from gateway.pdp.supplied import FactSources
from gateway.record.envelope import sign_envelope
from gateway.record.statement import PAYLOAD_TYPE, Statement, write_statement
from gateway.replay.plan import Plan
from gateway.replay.run import replay
from gateway.replay.stored import read_stored
from gateway.replay.tally import Tally
from gateway.service import Service
from tests.gateway.world import CALLER, CHARTERS, NOW, ORIGIN, SITES, made, question


def law(**texts: str) -> bundle.Bundle:
    """The small law with other charters in it, by name: `law`, `words`, `baseline`."""
    compiled = _compiled(texts)
    _, program = compiled.require()
    known = catalogue.build(tomllib.loads(SITES), program, name="sites.toml")
    return bundle.build(compiled, known.raw_facts())


def program_of(**texts: str) -> Program:
    """The program of the same, of which the examples are not looked at."""
    return _compiled(texts).require()[1]


def _compiled(texts: Mapping[str, str]) -> Compiled:
    files = {**CHARTERS, **{f"{name}.charter": text for name, text in texts.items()}}
    return compile_charters([SourceText(name, text) for name, text in files.items()])


@dataclass
class Past:
    """A gateway that decided; then what it decided is looked at."""

    folder: Path
    keeps: bool = True
    ids: list[str] = field(default_factory=list[str])
    decision_key: DecisionKey = field(default_factory=DecisionKey.generate)
    checkpoint_key: CheckpointKey = field(default_factory=lambda: CheckpointKey.generate(ORIGIN))

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def open_ledger(self, now: datetime = NOW) -> Log:
        return Log.open(
            self.state / "ledger", origin=ORIGIN, signer=self.checkpoint_key, clock=lambda: now
        )

    def decide(
        self,
        *asked: dict[str, Any],
        of: bundle.Bundle | None = None,
        sites: str = SITES,
        overlays: Sequence[str] = (),
        now: datetime = NOW,
        caller: Caller = CALLER,
        engines: Sequence[Engine] | None = None,
        sources: FactSources | None = None,
        claims: Claims = NO_CLAIMS,
        own: str | None = None,
    ) -> None:
        """Record the answers to questions, given as changes of the usual one; and `own`, an
        act of the gateway."""
        rules = of or made()
        files = self._files(sites, overlays)
        known = catalogue.load(files[0], rules.program)
        known = load_over(known, files[1:], rules.program)
        in_force = InForce(
            rules,
            known,
            engines or [ReferenceEngine(rules.program)],
            engine_timeout_s=5.0,
            sources=sources,
        )
        self.state.mkdir(exist_ok=True)
        if self.keeps:
            keep(self.state, rules, known, files)
        service = Service(
            in_force=in_force,
            signer=self.decision_key,
            ledger=self.open_ledger(now),
            clock=lambda: now,
            timeout_s=30,
        )
        asyncio.run(self._ask(service, asked, caller, own, claims))

    async def _ask(
        self,
        service: Service,
        asked: Sequence[dict[str, Any]],
        caller: Caller,
        own: str | None,
        claims: Claims,
    ) -> None:
        async def decide(changes: dict[str, Any]) -> dict[str, object]:
            prepared = await service.prepare(question(**changes), caller, claims=claims)
            (answer,) = await service.commit([prepared])
            return answer

        found = await asyncio.gather(*map(decide, asked))
        self.ids += [str(answer["id"]) for answer in found]
        if own is not None:
            await service.record_own(own, {"by": "an operator"})
        await service.close()

    def rewrite(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Have the ledger hold nothing but its first record with another predicate, as if a
        gateway had decided so."""
        (one,) = read_stored(self.state / "ledger", 0, 1)
        predicate = json.loads(json.dumps(one.predicate))
        change(predicate)
        payload = write_statement(Statement("0" * 64, predicate))
        signed = sign_envelope(payload, PAYLOAD_TYPE, self.decision_key).to_bytes()
        shutil.rmtree(self.state / "ledger")
        with self.open_ledger() as log:
            log.append(one.id, one.tenant, signed).result()

    def _files(self, sites: str, overlays: Sequence[str]) -> list[Path]:
        place = self.folder / "files"
        place.mkdir(exist_ok=True)
        paths = [place / f"{number}.toml" for number in range(1 + len(overlays))]
        for path, text in zip(paths, (sites, *overlays), strict=True):
            path.write_text(text)
        return paths

    def replay(self, *, limit: int | None = None, workers: int = 1, **plan: Any) -> Tally:
        settings: dict[str, Any] = {"engines": ("reference",), **plan}
        return replay(Plan(self.state, **settings), workers=workers, limit=limit)


def groups_of(tally: Tally) -> dict[tuple[str, str], list[str]]:
    """By rule and change, the ids of the examples."""
    return {
        (change.rule, change.kind): [one.id for one in group.examples]
        for change, group in tally.groups.items()
    }


def plain(tally: Tally) -> dict[str, Any]:
    """The counts that say most."""
    body: dict[str, Any] = json.loads(json.dumps(tally.body()))
    return {name: body[name] for name in ("decisions", "same", "changed", "cannot_tell")}
