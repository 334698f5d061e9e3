"""Other policy servers with an equivalent policy: cedar-agent and Cerbos.

Both are given the facts that the gateway gives its engines, for neither knows a catalogue,
and both decide and do nothing else: what they leave out is told in docs/performance.md.
The programs are those of `make bench-peers`; why one is not there is in a file beside it.
"""

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dsl.cedar_conditions import TODAY
from dsl.facts import to_json
from dsl.to_cedar import cedar_parts
from tests.bench import generated
from tests.bench.servers import Law
from tests.bench.target import JSON_TYPE, NotBuiltError, Target, served
from tests.gateway_process import free_port
from tests.project import ROOT

CEDAR_AGENT, CERBOS = "cedar-agent", "cerbos"


def find(name: str) -> Path:
    """The program, named by `CHARTER_CEDAR_AGENT` or `CHARTER_CERBOS`, or in `.tools`.

    Raises:
        NotBuiltError: It is not there.
    """
    variable = f"CHARTER_{name.upper().replace('-', '_')}"
    program = Path(os.environ.get(variable) or ROOT / ".tools" / name)
    if program.is_file() and os.access(program, os.X_OK):
        return program
    reason = program.with_name(f"{program.name}.reason")
    words = reason.read_text(encoding="utf-8").strip() if reason.is_file() else ""
    raise NotBuiltError(words or f"there is no {name}: run `make bench-peers`")


# --- cedar-agent ---------------------------------------------------------------------


def cedar_agent(stack: ExitStack, law: Law, folder: Path) -> Target:
    """The Cedar that the gateway compiles, in the server of that name; its answer names the
    policies that decided."""
    program = find(CEDAR_AGENT)
    policies = folder / f"policies of {law.name}.json"
    decide = cedar_parts(law.program()).decide
    listed = [{"id": name, "content": text} for name, text in decide]
    policies.write_text(json.dumps(listed), encoding="utf-8")

    def command(port: int) -> Sequence[str]:
        quiet = ("--log-level", "error")
        return (str(program), "--port", str(port), "--policies", str(policies), *quiet)

    # Its web framework writes several lines for each request unless told not to.
    port, pid = stack.enter_context(served(command, environment={"ROCKET_LOG_LEVEL": "off"}))
    return Target(
        f"cedar-agent: {law.name}, same Cedar",
        f"http://127.0.0.1:{port}/v1/is_authorized",
        _cedar_question(law, law.question),
        {**JSON_TYPE, "Accept": "application/json"},
        pid,
        _cedar_permits,
        _cedar_question(law, law.refused),
    )


def _cedar_question(law: Law, question: dict[str, Any]) -> bytes:
    joined = law.joined(question)
    body = {
        "principal": 'Subject::"subject"',
        "action": f'Action::"{joined.action}"',
        "resource": 'Resource::"resource"',
        "context": {
            **{path: to_json(value) for path, value in joined.facts.items()},
            **{TODAY + zone: day for zone, day in joined.today.items()},
        },
    }
    return json.dumps(body).encode()


def _cedar_permits(said: bytes) -> bool:
    answer = json.loads(said)
    # A prohibition that fails is skipped, and the answer a permit all the same.
    assert not answer["diagnostics"]["errors"], answer
    return answer["decision"] == "Allow"


# --- Cerbos --------------------------------------------------------------------------

_SETTINGS = """\
server:
  httpListenAddr: "127.0.0.1:{port}"
  grpcListenAddr: "127.0.0.1:{other}"
storage:
  driver: disk
  disk: {{directory: "{folder}", watchForChanges: false}}
audit: {{enabled: false}}
telemetry: {{disabled: true}}
"""


def cerbos(stack: ExitStack, law: Law, rules: int, folder: Path) -> Target:
    """The generated rules, written by hand in CEL, as prohibitions of one resource policy."""
    program = find(CERBOS)
    policies = folder / f"cerbos {law.name}"
    policies.mkdir()
    (policies / "site.json").write_text(json.dumps(_cerbos_policy(rules)), encoding="utf-8")
    settings = folder / f"cerbos {law.name}.yaml"

    def command(port: int) -> Sequence[str]:
        text = _SETTINGS.format(port=port, other=free_port(), folder=policies)
        settings.write_text(text, encoding="utf-8")
        return (str(program), "server", f"--config={settings}", "--log-level=error")

    quiet = {"CERBOS_NO_TELEMETRY": "1"}
    port, pid = stack.enter_context(served(command, environment=quiet))
    return Target(
        f"Cerbos: {law.name}, same rules in CEL",
        f"http://127.0.0.1:{port}/api/check/resources",
        _cerbos_question(law, law.question),
        JSON_TYPE,
        pid,
        _cerbos_permits,
        _cerbos_question(law, law.refused),
    )


def _cerbos_policy(rules: int) -> dict[str, Any]:
    open_site = {
        "name": "open-site",
        "actions": ["place"],
        "effect": "EFFECT_ALLOW",
        "roles": ["*"],
        "condition": {"match": {"expr": "R.attr.open"}},
    }
    return {
        "apiVersion": "api.cerbos.dev/v1",
        "resourcePolicy": {
            "resource": "site",
            "version": "default",
            "rules": [open_site, *(_cerbos_rule(stated) for stated in generated.stated(rules))],
        },
    }


def _cerbos_rule(rule: generated.Stated) -> dict[str, Any]:
    conditions = [
        "P.attr.today >= 20635",  # 2026-07-01
        f'"{rule.label}" in P.attr.labels',
        '!R.attr.countries.all(c, c in ["BE", "DE", "FR"])',
        f'!(P.attr.tool in ["clauses", "rules"] && P.attr.age <= {rule.days})',
    ]
    return {
        "name": f"stays-{rule.number}",
        "actions": ["place", "flow"],
        "effect": "EFFECT_DENY",
        "roles": ["*"],
        "condition": {"match": {"expr": " && ".join(conditions)}},
    }


def _cerbos_question(law: Law, question: dict[str, Any]) -> bytes:
    joined = law.joined(question)
    facts = {path: to_json(value) for path, value in joined.facts.items()}
    said = {
        "labels": facts["data.labels"],
        "tool": facts["transfer.tool"],
        "age": facts["transfer.age"],
        "today": joined.today["Europe/Brussels"],
    }
    site = {"countries": facts["destination.countries"], "open": facts["destination.open"]}
    body = {
        "requestId": "1",
        "principal": {"id": "trainer-7", "roles": ["workload"], "attr": said},
        "resources": [
            {
                "actions": [joined.action],
                "resource": {"kind": "site", "id": question["resource"]["id"], "attr": site},
            }
        ],
    }
    return json.dumps(body).encode()


def _cerbos_permits(said: bytes) -> bool:
    (result,) = json.loads(said)["results"]
    (effect,) = result["actions"].values()
    return effect == "EFFECT_ALLOW"
