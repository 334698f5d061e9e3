"""Commands that ask, run and verify a gateway, with their arguments; no logic."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gateway.cli import key_options, options
from gateway.cli.command import Command

DEFAULT_PORT = 8470


def _decide_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("request", help="JSON file with the question, or - for standard input")
    parser.add_argument(
        "--url", help="ask the gateway at this address instead of deciding in this process"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the token for --url (default: the variable CHARTER_TOKEN)",
    )
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="FILE",
        help="trust file of the gateway at --url: verify its answer before believing it",
    )
    parser.add_argument(
        "--as-of",
        "--on",
        dest="as_of",
        type=options.day,
        metavar="DAY",
        help="what would be decided on that day, such as 2027-01-31, in the time zones of the "
        "charters; a dry run, neither signed nor recorded",
    )
    parser.add_argument(
        "--known-on",
        type=options.day,
        metavar="DAY",
        help="with --as-of: the catalogue as it stands on this day (default: the same day)",
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="with --as-of: the profile to decide under (default: that of the tenant)",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="also say what the answer rests on, and what would change it; see below",
    )
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="also write the answer there, as JSON"
    )
    options.add_policies(parser)
    options.add_service(parser)
    key_options.add_custody(parser)
    options.add_format(parser)


def _decide(args: Namespace) -> int:
    from gateway.cli.decide import decide

    return decide(args)


_DECIDE_DETAILS = """\
With --explain, a refusal comes with the changes of at most two facts of the request under
which it would be a permit, and with other destinations that would be permitted; a permit
comes with the facts it rests on; both with the next day on which the answer changes. Each
change was put to the reference evaluator. It is information on the rules: a fact may be
stated only if it is true. With --format json the output is then
{"answer": ..., "explanation": ...}, and --save writes the answer alone."""


def _serve_arguments(parser: ArgumentParser) -> None:
    from gateway.cli.engine_options import add_engine_options
    from gateway.cli.limits import add_limits
    from gateway.cli.node_options import add_evidence
    from gateway.cli.seen import add_seen
    from gateway.cli.settings import collector, take_over
    from gateway.cli.stamping import add_timestamps
    from gateway.cli.tpm_options import add_tpm
    from gateway.cli.witness_options import add_witnesses

    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings, TOML; see `charter config` (default: the variable CHARTER_CONFIG)",
    )
    _listening_arguments(parser)
    parser.add_argument(
        "--origin",
        metavar="NAME",
        help="name of the log, such as ledger.example/eu; chosen at first start, then fixed "
        "(default: charter.example/local)",
    )
    parser.add_argument(
        "--clock-was-ahead-until",
        type=options.instant,
        metavar="INSTANT",
        help="records up to this instant, such as 2026-11-22T09:30:00Z, were made with a clock "
        "that was ahead; they keep no decision waiting",
    )
    parser.add_argument(
        "--connections",
        type=options.connections,
        default=512,
        metavar="N",
        help="connections open at once (default: 512)",
    )
    parser.add_argument(
        "--connections-of-client",
        type=options.connections,
        default=100,
        metavar="N",
        help="of them, from one address (default: 100); behind a proxy, as many as it opens",
    )
    parser.add_argument(
        "--traces",
        type=collector,
        metavar="URL",
        help="collector of traces by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; "
        "needs the extra `tracing`",
    )
    add_limits(parser)
    add_witnesses(parser)
    parser.add_argument(
        "--authzen-without-context",
        type=options.tenants,
        default=[],
        metavar="TENANTS",
        help="tenants, with commas between, whose AuthZEN answers are a decision and nothing "
        "else, unless they ask for more",
    )
    options.add_policies(parser)
    _release_arguments(parser)
    options.add_service(parser)
    key_options.add_custody(parser)
    add_engine_options(parser)
    add_seen(parser)
    add_timestamps(parser)
    add_tpm(parser)
    add_evidence(parser)
    options.add_format(parser)
    take_over(parser)


def _release_arguments(parser: ArgumentParser) -> None:
    """By whom rules and catalogue must be signed."""
    parser.add_argument(
        "--authors",
        type=Path,
        metavar="FILE",
        help="public keys of the authors, PEM, one after another: nothing is loaded that none "
        "of them signed",
    )
    parser.add_argument(
        "--release",
        type=Path,
        metavar="FILE",
        help="what they signed, made by `charter release sign` (default: release.json in the "
        "folder of the charters)",
    )


def _listening_arguments(parser: ArgumentParser) -> None:
    """Where a gateway listens, and to whom."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: 127.0.0.1); others than loopback need TLS",
    )
    parser.add_argument(
        "--port",
        type=options.port,
        default=DEFAULT_PORT,
        help=f"port to listen on (default: {DEFAULT_PORT}); 0 for any that is free",
    )
    parser.add_argument(
        "--workers",
        type=options.workers,
        default=1,
        metavar="N",
        help="processes that decide; another holds the log for them, and another starts again "
        "whichever ends; 0 for all in one process (default: 1)",
    )
    parser.add_argument(
        "--public-url",
        type=options.public_url,
        metavar="URL",
        help="where callers reach this gateway, such as https://pdp.example; told in the "
        "AuthZEN metadata (default: the address it listens on)",
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate chain, PEM")
    parser.add_argument("--tls-key", metavar="FILE", help="private key of the certificate, PEM")
    parser.add_argument(
        "--callers",
        type=Path,
        metavar="FILE",
        help="callers known by a JWT of an issuer or by a certificate, TOML",
    )
    parser.add_argument(
        "--sources",
        type=Path,
        metavar="FILE",
        help="fact sources, files or HTTPS services, asked for what nobody else states, TOML",
    )


_SERVE_DETAILS = """\
Every option but --config and --format is also a setting. A flag wins over a variable of the
environment, that over the settings file; `charter config` lists all settings with their
variables and says where each value comes from."""


def _serve(args: Namespace) -> int:
    from gateway.cli.serve import serve

    return serve(args)


def _config(args: Namespace) -> int:
    from gateway.cli.config import config

    return config(args)


_CONFIG_DETAILS = """\
Takes the options of `charter serve` and starts nothing. What it prints is a settings file.
Passwords in addresses are masked. An unknown key, an unknown variable of a section and a
value of the wrong kind are errors."""


def _verify_arguments(parser: ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("answer", type=Path, nargs="?", help="JSON file with the answer of a gateway")
    what.add_argument(
        "--bundle", type=Path, metavar="FILE", help="evidence that was exported, or one answer"
    )
    what.add_argument(
        "--newer",
        type=Path,
        metavar="FILE",
        help="checkpoint that must extend the one of --older",
    )
    what.add_argument(
        "--ledger", type=Path, metavar="FOLDER", help="whole log in the layout of C2SP tlog-tiles"
    )
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="FILE",
        required=True,
        help="trust.json of the gateway, got by a way you trust",
    )
    parser.add_argument(
        "--at", metavar="RFC3339", help="with --bundle: judge as of this time (default: now)"
    )
    parser.add_argument(
        "--expect-decision", metavar="ID", help="with --bundle: decision that must be in it"
    )
    parser.add_argument(
        "--seen",
        type=Path,
        metavar="FILE",
        action="append",
        help="with --bundle: checkpoint seen before, which the log must extend; repeatable",
    )
    parser.add_argument("--older", type=Path, metavar="FILE", help="with --newer: checkpoint")
    parser.add_argument(
        "--consistency",
        type=Path,
        metavar="FILE",
        help="with --newer: proof, one hash in base64 a line",
    )
    parser.add_argument(
        "--request",
        type=Path,
        metavar="FILE",
        help="question that it must be the answer to; with --bundle, that one in it must",
    )
    parser.add_argument(
        "--gateway-evidence",
        type=Path,
        metavar="FILE",
        help="with an answer: document by which its gateway attested itself, from "
        "/v1/attestation/gateway; a TPM must have quoted over key and rules",
    )
    parser.add_argument(
        "--anchors",
        type=Path,
        metavar="FILE",
        help="with --gateway-evidence: keys and authorities of TPMs that you vouch for",
    )
    parser.add_argument(
        "--appraisal",
        type=Path,
        metavar="FILE",
        help="with --gateway-evidence: policy on how the machine must have been started",
    )
    parser.add_argument(
        "--key-in-tpm",
        action="store_true",
        help="with --gateway-evidence: the decision key itself must be in that TPM",
    )
    _again_arguments(parser)
    options.add_format(parser)


def _again_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--re-appraise",
        type=Path,
        action="append",
        metavar="PATH",
        help="with an answer: judge the evidence of the decision again, by the documents in this "
        "folder or file that it names by digest; repeatable",
    )
    parser.add_argument(
        "--appraisal-now",
        type=Path,
        metavar="FILE",
        help="with --re-appraise: also say what stands of it now, by this appraisal policy",
    )
    parser.add_argument(
        "--anchors-now",
        type=Path,
        metavar="FILE",
        help="with --appraisal-now: anchors of today (default: those of then)",
    )


_VERIFY_DETAILS = """
With --bundle, --newer or --ledger it prints one line of JSON with a verdict and a reason, and
the exit codes are those of conformance suites: 0 good, 1 bad, 2 cannot tell."""


def _verify(args: Namespace) -> int:
    if args.answer is not None:
        from gateway.cli.verify import verify

        return verify(args)
    from gateway.cli import verify_evidence

    if args.gateway_evidence is not None:
        args.parser.error("--gateway-evidence goes with an answer")
    if args.re_appraise is not None:
        args.parser.error("--re-appraise goes with an answer")
    if args.bundle is not None:
        return verify_evidence.verify_bundle(args)
    if args.newer is not None:
        return verify_evidence.verify_consistency(args)
    return verify_evidence.verify_ledger(args)


def _pack_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "answer", type=Path, nargs="+", help="JSON file with the answer of a gateway"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", required=True, help="archive to write, a new file"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="newest checkpoint of the log, to put in"
    )
    parser.add_argument(
        "--timestamp",
        type=Path,
        metavar="FILE",
        help="RFC 3161 response over the checkpoint, to put in",
    )
    parser.add_argument(
        "--stamped",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="what a gateway gave at /v1/timestamps/SIZE, instead of both: once for each size of "
        "the tree in the answers, all of the same checkpoint",
    )
    options.add_format(parser)


def _pack(args: Namespace) -> int:
    from gateway.cli.pack import pack

    return pack(args)


def _receipt_arguments(parser: ArgumentParser) -> None:
    from gateway.cli.key_options import add_custody
    from gateway.cli.settings import take_over

    parser.add_argument("answer", type=Path, help="JSON file with an answer of this gateway")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", required=True, help="file to write, a new one"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings of `charter serve`, which say where its keys are (default: the variable "
        "CHARTER_CONFIG)",
    )
    options.add_state(parser)
    add_custody(parser)
    take_over(parser)


def _receipt(args: Namespace) -> int:
    from gateway.cli.receipt import receipt

    return receipt(args)


_RECEIPT_DETAILS = """\
Writes a COSE_Sign1 with a receipt of RFC 9942, which `charter verify` and tools of COSE check.
The answer is verified first. The receipt is signed by a key of its own, made at first use."""


COMMANDS = (
    Command("decide", "put one question", _decide_arguments, _decide, _DECIDE_DETAILS),
    Command("serve", "run the gateway", _serve_arguments, _serve, _SERVE_DETAILS),
    Command(
        "config",
        "show the settings of the gateway, and check them",
        _serve_arguments,
        _config,
        _CONFIG_DETAILS,
    ),
    Command(
        "verify",
        "check an answer, exported evidence or a log offline",
        _verify_arguments,
        _verify,
        _VERIFY_DETAILS,
    ),
    Command("pack", "pack answers into one file of evidence", _pack_arguments, _pack),
    Command(
        "receipt",
        "write an answer as a signed statement of COSE with a receipt",
        _receipt_arguments,
        _receipt,
        _RECEIPT_DETAILS,
    ),
)
