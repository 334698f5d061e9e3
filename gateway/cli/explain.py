"""`charter explain`: a rule in plain sentences, with its truth table."""

import sys
from argparse import Namespace
from dataclasses import replace

from dsl.core import Program
from dsl.explain import explain
from dsl.explain_text import to_body, to_human, to_plain
from dsl.to_cedar import cedar_policies
from dsl.to_rego import rego_policy
from gateway.cli import diagnose, exit_codes, output

# In a module, what belongs to its rules begins here; before are entry points.
_RULES = "# rules --"


def explain_(args: Namespace) -> int:
    """Explain one rule.

    Raises:
        UnknownRuleError: There is no such rule, or there are several.
    """
    result = diagnose.compiled(args)
    if result.errors:
        return diagnose.refuse(args, result)
    model, program = result.require()
    explained = explain(model, program, result.sources, args.rule)
    compiled = _compiled(program, explained.rule) if args.compiled else {}
    if args.format == "json":
        body = {**to_body(explained), **({"compiled": compiled} if compiled else {})}
        sys.stdout.write(output.to_json(body))
        return exit_codes.OK
    sys.stdout.write(to_plain(explained) if args.format == "plain" else to_human(explained))
    for heading, text in compiled.items():
        sys.stdout.write(f"\n{heading}:\n\n{text.strip()}\n" if text.strip() else "")
    return exit_codes.OK


def _compiled(program: Program, rule: str) -> dict[str, str]:
    """What the engines get of one rule, as if it stood alone in its bundle."""
    own = tuple(one for one in program.rules if one.id == rule)
    alone = replace(program, rules=own)
    module = rego_policy(alone).module
    cedar = cedar_policies(alone)
    return {
        "Rego": module[module.index(_RULES) :],
        "Cedar, who may": cedar.decide,
        "Cedar, why not": cedar.why,
        "Cedar, which duties": cedar.duties,
    }
