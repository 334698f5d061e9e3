"""`make demo`: a real gateway, eight questions that tell a story, one proof checked offline.

Everything runs on this machine and is removed afterwards. The catalogue is the example
of a deployment, whose contracts are imagined; the law is the installed pack.
"""

import copy
import json
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway.bundle import PACK
from gateway.cli import output
from tests.gateway_process import CHARTER, GatewayProcess, run_gateway

CATALOGUE = PACK / "operator" / "sites.toml"

HOSPITAL: dict[str, Any] = {
    "subject": {
        "type": "workload",
        "id": "trainer-7",
        "properties": {
            "sector": "health",
            "entity_class": "essential",
            "critical_entity": False,
            "supports_essential_service": False,
            "exporter_country": "FR",
        },
    },
    "action": {"name": "place"},
    "resource": {"type": "site", "id": "aws/eu-west-1"},
    "context": {
        "data": {"labels": ["health"]},
        "transfer": {"mechanism": "none", "impact_assessment": "missing"},
        "supplier": {"risk_assessment": "favourable", "assessment_age": 30},
        "ai": {"area": "none"},
    },
}


@dataclass(frozen=True)
class Scene:
    """One question: what happens, how the question differs, and what must come of it."""

    story: str
    change: dict[str, Any]
    expected: str
    without: tuple[str, ...] = ()
    on: str | None = None
    reasons: tuple[str, ...] = field(default=())


SCENES = (
    Scene(
        "A French hospital trains on patient records in Dublin, at a site of a company whose "
        "parent sits in the United States.",
        {},
        "permit",
    ),
    Scene(
        "The scheduler finds cheaper machines in Virginia. Nobody signed anything.",
        {"resource.id": "aws/us-east-1"},
        "deny",
        reasons=("eu.gdpr.transfers/protected-destination",),
    ),
    Scene(
        "Clauses are signed, but the request does not say how the impact assessment ended.",
        {"resource.id": "aws/us-east-1", "context.transfer.mechanism": "scc-m2"},
        "indeterminate",
        without=("context.transfer.impact_assessment",),
        reasons=("eu.gdpr.transfers/protected-destination",),
    ),
    Scene(
        "An agent is clever and claims that Virginia lies in Germany.",
        {
            "resource.id": "aws/us-east-1",
            "resource.properties": {"countries": ["DE"]},
        },
        "refused at the door",
    ),
    Scene(
        "Records move from Paris to Virginia. The assessment was favourable: an exception to "
        "the rule applies, and brings a duty of its own.",
        {
            "action.name": "flow",
            "context.origin": {"type": "site", "id": "scaleway/fr-par"},
            "resource.id": "aws/us-east-1",
            "context.transfer.mechanism": "scc-m2",
            "context.transfer.impact_assessment": "favourable",
        },
        "permit",
    ),
    Scene(
        "London is adequate today. The same question on the first day of 2032, when the "
        "decision on the United Kingdom has run out.",
        {"resource.id": "aws/eu-west-2"},
        "deny",
        on="2032-01-01",
        reasons=("eu.gdpr.transfers/protected-destination",),
    ),
    Scene(
        "The hospital's supplier assessment is two years old.",
        {"context.supplier.assessment_age": 730},
        "deny",
        reasons=("eu.critical-infrastructure/assessed-supplier",),
    ),
    Scene(
        "A system that screens patients' access to services keeps no logs. The AI Act asks "
        "for them from 2 December 2027; this is that day.",
        {
            "context.ai": {
                "area": "essential-services",
                "automatic_logs": False,
                "log_retention": 0,
                "placed_before_dates": False,
                "for_public_authority": False,
            }
        },
        "deny",
        on="2027-12-02",
        reasons=("eu.ai-act/automatic-logs",),
    ),
)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with run_gateway(folder / "state", "--catalogue", str(CATALOGUE)) as gateway:
            print("".join(gateway.stderr[:3]).rstrip())
            answers = [
                _play(number, scene, gateway, folder) for number, scene in enumerate(SCENES, 1)
            ]
        permitted = next(answer for answer in answers if answer is not None)
        _verify(permitted, folder)
    return 0


def _play(number: int, scene: Scene, gateway: GatewayProcess, folder: Path) -> Any:
    print(f"\n{number}. {textwrap.fill(scene.story, 86, subsequent_indent='   ')}")
    question = _question(scene)
    if scene.expected == "refused at the door":
        reply = gateway.ask(question)
        assert reply.status == 422, reply.body
        problem = reply.json
        print(f"\nREFUSED at the door, status 422: {problem['title']}.")
        print(textwrap.indent(f"{problem['errors'][0]['pointer']}: {problem['detail']}.", "    "))
        return None
    if scene.on:
        print(f"\n   Today: {gateway.decide(question)['decision']}. On {scene.on}:")
    answer = _dry(question, scene.on, folder) if scene.on else gateway.decide(question)
    assert answer["decision"] == scene.expected, answer
    named = {reason["rule"] for reason in answer["reasons"]}
    assert set(scene.reasons) <= named, named
    print("\n" + output.decision(answer, style="human").rstrip())
    return answer if "record" in answer else None


def _question(scene: Scene) -> dict[str, Any]:
    question = copy.deepcopy(HOSPITAL)
    for path, value in scene.change.items():
        *parents, last = path.split(".")
        at = question
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
    for path in scene.without:
        *parents, last = path.split(".")
        at = question
        for parent in parents:
            at = at[parent]
        del at[last]
    return question


def _dry(question: dict[str, Any], day: str, folder: Path) -> dict[str, Any]:
    path = folder / "question.json"
    path.write_text(json.dumps(question))
    arguments = [
        "decide",
        str(path),
        "--on",
        day,
        "--catalogue",
        str(CATALOGUE),
        "--format",
        "json",
    ]
    done = subprocess.run([*CHARTER, *arguments], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def _verify(answer: dict[str, Any], folder: Path) -> None:
    print("\nThe gateway has stopped. A stranger has the first answer and the public keys:\n")
    good = folder / "answer.json"
    good.write_text(json.dumps(answer))
    assert _run_verify(good, folder) == 0
    print("\nSomebody removes the obligations and tries again:\n")
    bad = folder / "tampered.json"
    bad.write_text(json.dumps({**answer, "obligations": []}))
    assert _run_verify(bad, folder) == 2


def _run_verify(path: Path, folder: Path) -> int:
    trust = folder / "state" / "trust.json"
    print(f"  $ charter verify {path.name} --trust trust.json")
    done = subprocess.run(
        [*CHARTER, "verify", str(path), "--trust", str(trust)],
        capture_output=True,
        text=True,
        check=False,
    )
    print(textwrap.indent(done.stdout.rstrip(), "  "))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
