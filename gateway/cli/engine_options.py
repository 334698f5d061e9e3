"""How `charter serve` runs its engines: options, what their values may be, and what is made
of them."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gateway.cli import options
from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.pdp.engines import Arrangement

# As `gateway.pdp.engines` and `gateway.pdp.child` have them: no command but the one that runs
# engines should load them.
NAMES = ("cedar", "rego", "opa", "reference")
CAN_BE_ISOLATED = ("cedar", "rego", "reference")
ISOLATED = ("rego",)
MEMORY_MIB = 1024
QUESTIONS = 200_000

NONE = "none"
# The time to decide in all is two seconds.
MOST_MS = 2_000
LEAST_MIB, MOST_MIB = 128, 65_536
LEAST_QUESTIONS = 100
STOP_FILE = "engines-stopped.json"


def add_engine_options(parser: ArgumentParser) -> None:
    """How engines are run by a gateway that stays."""
    parser.add_argument(
        "--engine-timeouts",
        type=timeouts,
        default=[],
        metavar="LIST",
        help="milliseconds an engine has for a question, such as cedar=100,rego=400 "
        "(default: 500 each)",
    )
    parser.add_argument(
        "--isolate",
        type=isolated,
        default=list(ISOLATED),
        metavar="NAMES",
        help=f"engines with a process of their own, of {', '.join(CAN_BE_ISOLATED)}, with "
        f"commas between, or none (default: {','.join(ISOLATED)})",
    )
    parser.add_argument(
        "--engine-memory",
        type=memory,
        default=MEMORY_MIB,
        metavar="MIB",
        help="memory of such a process; it is ended and started again beyond that "
        f"(default: {MEMORY_MIB})",
    )
    parser.add_argument(
        "--engine-questions",
        type=questions,
        default=QUESTIONS,
        metavar="N",
        help=f"after so many questions another process takes its place (default: {QUESTIONS})",
    )
    parser.add_argument(
        "--opa-start",
        type=Path,
        metavar="FILE",
        help="the program of a stock Open Policy Agent, to be started, loaded and watched for "
        "the engine opa, instead of --opa-url",
    )
    parser.add_argument(
        "--stop-after",
        type=options.count,
        default=0,
        metavar="N",
        help="after so many disagreements of the engines answer nothing more, until the file "
        f"{STOP_FILE} is removed from the state folder; 0 for never (default: 0)",
    )


def arrangement(args: Namespace) -> "Arrangement":
    """How the engines are run, as the options say.

    Raises:
        ConfigurationError: Options contradict each other, the OPA cannot be started, or the
            gateway was stopped after a disagreement and nobody has resumed it.
    """
    from gateway.pdp.child import Confinement
    from gateway.pdp.engines import DEFAULT, Arrangement
    from gateway.pdp.stop import Stop
    from gateway.state import origin_of

    names: Sequence[str] = args.engines or DEFAULT
    limits = dict(_limit(one) for one in cast("list[str]", args.engine_timeouts))
    for name in limits:
        if name not in names:
            raise ConfigurationError(f"--engine-timeouts: the engine `{name}` is not asked")
    opa_start = _opa_to_start(args, names)
    try:
        stop = Stop(args.state / STOP_FILE, args.stop_after)
    except PermissionError:
        origin_of(args.state)  # says whose the folder is
        raise
    stop.refuse_to_start()
    return Arrangement(
        isolated=args.isolate,
        given=Confinement(args.engine_memory, args.engine_questions),
        timeouts=limits,
        opa_url=args.opa_url,
        opa_start=opa_start,
        stop=stop,
    )


def _opa_to_start(args: Namespace, names: Sequence[str]) -> Path | None:
    from gateway.pdp.opa_server import check_binary

    if args.opa_start is None:
        return None
    if args.opa_url is not None:
        raise ConfigurationError("--opa-start and --opa-url: give one of them")
    if "opa" not in names:
        raise ConfigurationError("--opa-start is for the engine `opa`: give --engines cedar,opa")
    return check_binary(args.opa_start)


# --- values --------------------------------------------------------------------------


def timeouts(text: str) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    for part in found:
        name, _, number = part.partition("=")
        if name not in NAMES:
            raise ArgumentTypeError(f"there is no engine `{name}`; there are: {', '.join(NAMES)}")
        if not number.isascii() or not number.isdecimal() or len(number) > 4:
            raise ArgumentTypeError(f"`{part}` is no limit such as rego=400")
        if not 1 <= int(number) <= MOST_MS:
            raise ArgumentTypeError(f"`{part}`: from 1 to {MOST_MS} milliseconds")
    names = [part.partition("=")[0] for part in found]
    if len(set(names)) != len(names):
        raise ArgumentTypeError("one limit for each engine")
    return found


def _limit(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    return name, int(number) / 1000


def isolated(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == [NONE]:
        return []
    for name in names:
        if name not in CAN_BE_ISOLATED:
            raise ArgumentTypeError(
                f"`{name}` has no process of its own; there are: {', '.join(CAN_BE_ISOLATED)}, "
                f"or {NONE}"
            )
    if len(set(names)) != len(names):
        raise ArgumentTypeError("name each engine once")
    return names


def memory(text: str) -> int:
    number = options.count(text)
    if not LEAST_MIB <= number <= MOST_MIB:
        raise ArgumentTypeError(f"`{text}`: from {LEAST_MIB} to {MOST_MIB} MiB")
    return number


def questions(text: str) -> int:
    number = options.count(text)
    if number < LEAST_QUESTIONS:
        raise ArgumentTypeError(f"`{text}`: at least {LEAST_QUESTIONS} questions")
    return number
