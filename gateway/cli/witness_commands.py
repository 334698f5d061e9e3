"""`charter witness` and its commands, with their arguments; no logic."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gateway.cli import options
from gateway.cli.command import Command

DEFAULT_PORT = 8480


def _arguments(parser: ArgumentParser) -> None:
    added = parser.add_subparsers(metavar="WHAT", required=True, title="what to do")
    new = added.add_parser(
        "new-key", help="make a witness: its key, and its empty memory", allow_abbrev=False
    )
    new.add_argument(
        "--name",
        required=True,
        metavar="NAME",
        help="name of the witness, such as witness.example/w1; fixed from then on",
    )
    new.set_defaults(run_witness=_new_key)

    show = added.add_parser(
        "show", help="show the public key of a witness, and what it cosigned", allow_abbrev=False
    )
    show.set_defaults(run_witness=_show)

    serve = added.add_parser("serve", help="run the witness", allow_abbrev=False)
    serve.add_argument(
        "--logs",
        type=Path,
        required=True,
        metavar="FILE",
        help="logs that it knows: lines `log VKEY`",
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: 127.0.0.1); others than loopback need TLS",
    )
    serve.add_argument(
        "--port",
        type=options.port,
        default=DEFAULT_PORT,
        help=f"port to listen on (default: {DEFAULT_PORT}); 0 for any that is free",
    )
    serve.add_argument("--tls-cert", metavar="FILE", help="certificate chain, PEM")
    serve.add_argument("--tls-key", metavar="FILE", help="private key of the certificate, PEM")
    serve.set_defaults(run_witness=_serve, callers=None)
    for command in (new, show, serve):
        command.add_argument(
            "--folder",
            type=Path,
            required=True,
            metavar="FOLDER",
            help="folder of the witness, with its key and its memory",
        )
        options.add_format(command)


def _run(args: Namespace) -> int:
    code: int = args.run_witness(args)
    return code


def _new_key(args: Namespace) -> int:
    from gateway.cli.witness import new_key

    return new_key(args)


def _show(args: Namespace) -> int:
    from gateway.cli.witness import show

    return show(args)


def _serve(args: Namespace) -> int:
    from gateway.cli.witness import serve

    return serve(args)


_DETAILS = """\
A witness is run by another organisation than the log. It remembers how far the log was, and
cosigns a checkpoint only if the log has grown since. Never start one from a backup: with an
old memory it would sign a history that contradicts what it has signed."""

COMMANDS = (Command("witness", "cosign checkpoints of others' logs", _arguments, _run, _DETAILS),)
