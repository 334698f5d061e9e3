"""`charter replay`: recorded decisions made again."""

import sys
from argparse import Namespace

from gateway import bundle
from gateway.cli import exit_codes, output
from gateway.cli.failures import explain
from gateway.cli.progress import shown
from gateway.cli.replay_text import to_text
from gateway.errors import ConfigurationError
from gateway.kept import read_bundle
from gateway.replay.plan import Filters, Plan
from gateway.replay.run import replay as run
from gateway.replay.tally import Tally

DIFFERENT = 1


def replay(args: Namespace) -> int:
    """Decide again what is recorded, and say what differs."""
    try:
        return _replay(args)
    except BrokenPipeError:
        raise
    except Exception as error:
        # Code 1 would say that decisions came out otherwise.
        explain(error)
        code: int = args.parser.mistake
        return code


def _replay(args: Namespace) -> int:
    plan = plan_of(args)
    lines = args.format == "ndjson"

    def heard(part: Tally) -> None:
        for line in part.lines:
            sys.stdout.write(output.to_line(line))

    with shown(style=args.format) as told:
        tally = run(
            plan,
            workers=args.workers,
            limit=args.limit,
            told=lambda done, of: told("replay", done, of),
            heard=heard,
        )
    if lines:
        sys.stdout.write(output.to_line({"summary": tally.body()}))
    elif args.format == "json":
        sys.stdout.write(output.to_json({"what_if": plan.is_what_if, **tally.body()}))
    else:
        sys.stdout.write(to_text(tally, style=args.format, what_if=plan.is_what_if))
    different = tally.changed or (args.strict and tally.cannot_tell)
    return DIFFERENT if different else exit_codes.OK


def plan_of(args: Namespace) -> Plan:
    """What the command line says.

    Raises:
        ConfigurationError: Something that it names cannot be used.
    """
    if args.overlays and args.catalogue is None:
        raise ConfigurationError("--overlay lies over a catalogue: give --catalogue as well")
    if args.opa_url is not None and "opa" not in args.engines:
        raise ConfigurationError("--opa-url is for the engine `opa`: give --engines cedar,opa")
    plan = Plan(
        state=args.state,
        core=_core(args),
        catalogue=() if args.catalogue is None else (args.catalogue, *args.overlays),
        day=args.at,
        filters=Filters(
            tenant=args.tenant,
            rule=args.rule,
            entity=args.site,
            outcome=args.decision,
            since=args.since,
            until=args.until,
            ids=frozenset(args.ids),
            share=args.sample / 100,
        ),
        engines=tuple(args.engines),
        opa_url=args.opa_url,
        share=args.ask / 100,
        examples=args.examples,
        lines=args.format == "ndjson",
    )
    _try(plan)
    return plan


def _core(args: Namespace) -> bytes | None:
    if args.bundle is not None:
        return read_bundle(args.bundle).files["core.json"]
    if args.policies is None:
        return None
    from dsl.core_json import program_to_json

    _, program = bundle.compile_folder(args.policies).require()
    return program_to_json(program)


def _try(plan: Plan) -> None:
    """Whether the other rules and the other catalogue can be used together, before anything
    else is read."""
    if plan.core is None:
        return
    from dsl.core_json import program_from_json
    from gateway.pdp import catalogue
    from gateway.pdp.overlay import load_over

    program = program_from_json(plan.core)
    if plan.catalogue:
        first, *others = plan.catalogue
        load_over(catalogue.load(first, program), others, program)
