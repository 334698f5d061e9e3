"""`charter release` and `charter reload`: what a gateway decides with, signed and renewed."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, cast

from dsl.printable import printable
from gateway import release
from gateway.cli import exit_codes, remote
from gateway.cli.assemble import Parts, release_file
from gateway.cli.files import write_file
from gateway.cli.output import to_json
from gateway.errors import ConfigurationError
from gateway.keys import DecisionKey
from gateway.loaded import Rollback, read_loaded, write_rollback
from gateway.release import Release

# Everything is compiled anew and put to every engine before the gateway answers.
RELOAD_TIMEOUT_S = 300.0


def key(args: Namespace) -> int:
    """Make the key of an author, and show its public half."""
    made = DecisionKey.create(args.key)
    if args.format == "json":
        sys.stdout.write(to_json({"keyid": made.public.key_id, "pem": made.public.pem}))
    else:
        sys.stdout.write(made.public.pem)
        sys.stderr.write(
            f"The private key is in {printable(str(args.key))}; add these lines to the file "
            "of authors of each gateway.\n"
        )
    return exit_codes.OK


def sign(args: Namespace) -> int:
    """Sign the charters and the catalogue as a gateway would load them."""
    author = DecisionKey.load(args.key)
    parts = Parts(args)
    made = Release(args.number, parts.bundle.digest, parts.catalogue.digest)
    data = release.sign(made, author)
    target: Path = args.output or release_file(args)
    if target.exists() and not args.replace:
        raise ConfigurationError(f"{target} exists; give --replace, or another --output")
    write_file(target, data + b"\n")
    _say(args, f"OK: release {made.sequence} is in {printable(str(target))}", made, author.key_id)
    return exit_codes.OK


def show(args: Namespace) -> int:
    """What trusted authors signed."""
    found = release.load(args.file, release.load_authors(args.authors))
    _say(args, f"OK: release {found.sequence}", found, *found.authors)
    return exit_codes.OK


def allow(args: Namespace) -> int:
    """Give leave for one older release, once."""
    loaded = read_loaded(args.state)
    if loaded is None or loaded.sequence is None:
        raise ConfigurationError(f"{args.state}: no release was in force here; nothing is older")
    if args.number >= loaded.sequence:
        raise ConfigurationError(
            f"release {args.number} needs no leave: the newest here is {loaded.sequence}"
        )
    write_rollback(args.state, Rollback(args.number, args.reason))
    if args.format == "json":
        sys.stdout.write(to_json({"allowed": args.number, "newest": loaded.sequence}))
    else:
        sys.stdout.write(
            f"OK: release {args.number} may be loaded once, after {loaded.sequence}; "
            "the log will say why\n"
        )
    return exit_codes.OK


def reload(args: Namespace) -> int:
    """Have a running gateway load what is on its disk."""
    token = remote.read_token(args.token_file)
    data = remote.post(args.url, "/v1/reload", token, b"", timeout_s=RELOAD_TIMEOUT_S)
    try:
        said = cast("dict[str, Any]", json.loads(data))
        now, before = said["bundle"], said["before"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{args.url}: this is not the answer of a gateway") from error
    if args.format == "json":
        sys.stdout.write(to_json(said))
        return exit_codes.OK
    same = before is not None and all(said[name] == before[name] for name in before)
    number = "" if said["sequence"] is None else f"  release    {said['sequence']}\n"
    sys.stdout.write(
        printable(f"OK: {'nothing changed' if same else 'reloaded'}")
        + f"\n{number}  bundle     {now}\n  catalogue  {said['catalogue']}\n"
    )
    return exit_codes.OK


def _say(args: Namespace, first: str, found: Release, *authors: str) -> None:
    if args.format == "json":
        said = {"sequence": found.sequence, "bundle": found.bundle, "catalogue": found.catalogue}
        sys.stdout.write(to_json({**said, "authors": list(authors)}))
        return
    sys.stdout.write(
        f"{first}\n  bundle     {found.bundle}\n  catalogue  {found.catalogue}\n"
        + "".join(f"  author     {author}\n" for author in authors)
    )
