"""`charter ledger documents` and `erase-evidence`, with their arguments; no logic."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from gateway.cli import options


def documents_arguments(added: Any) -> ArgumentParser:
    """The command below `charter ledger`."""
    documents: ArgumentParser = added.add_parser(
        "documents",
        help="write the evidence of a decision, and what it was judged by, as files",
        allow_abbrev=False,
    )
    documents.add_argument("id", metavar="ID", help="the decision")
    options.add_state(documents)
    documents.add_argument(
        "--output", type=Path, metavar="FOLDER", required=True, help="folder to write, a new one"
    )
    documents.set_defaults(run_ledger=_documents)
    return documents


def erase_evidence_arguments(added: Any) -> ArgumentParser:
    """The command below `charter ledger`."""
    from gateway.cli.key_places import add_key_places

    erase: ArgumentParser = added.add_parser(
        "erase-evidence",
        help="erase evidence of a machine on legal grounds, while no gateway runs",
        allow_abbrev=False,
    )
    erase.add_argument("digest", type=digest, metavar="SHA256", help="of the evidence")
    options.add_state(erase)
    options.add_grounds(erase)
    add_key_places(erase)
    erase.set_defaults(run_ledger=_erase)
    return erase


def digest(text: str) -> str:
    """A SHA-256 as an argument, with `sha256:` before it or without; 64 digits come out."""
    bare = text.removeprefix("sha256:")
    if len(bare) != 64 or not set(bare) <= set("0123456789abcdef"):
        raise ArgumentTypeError(f"`{text}` is no SHA-256: 64 digits of 0-9 and a-f")
    return bare


def _documents(args: Namespace) -> int:
    from gateway.cli.ledger_documents import documents

    return documents(args)


def _erase(args: Namespace) -> int:
    from gateway.cli.ledger_documents import erase

    return erase(args)
