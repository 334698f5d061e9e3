"""`charter token`: the tokens of a state folder, made, listed and revoked."""

import os
import sys
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from dsl.printable import printable
from gateway.callers import TokenRow, token_file
from gateway.callers.tokens import make
from gateway.cli import exit_codes
from gateway.cli.output import to_json
from gateway.errors import ConfigurationError


def create(args: Namespace) -> int:
    """Make a token, and show it this once."""
    now = datetime.now(UTC).replace(microsecond=0)
    if args.save is not None:
        _check_free(args.save)
    try:
        row, text = make(
            tenants=tuple(args.tenant),
            roles=frozenset(args.role),
            actions=frozenset(args.action) if args.action else None,
            label=args.label,
            created=now,
            expires=now + timedelta(days=args.days),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ConfigurationError(f"{first['loc'][0]}: {first['msg']}") from None
    if args.save is not None:
        # Before it counts: a token that nobody has is only a row, and the other way round
        # somebody would have to revoke what nobody saw.
        _save(args.save, text)
    try:
        token_file.add(args.state, row)
    except ConfigurationError:
        if args.save is not None:
            args.save.unlink(missing_ok=True)
        raise
    _show(args, row, text)
    return exit_codes.OK


def list_all(args: Namespace) -> int:
    """Show every token, without any secret."""
    now = datetime.now(UTC)
    rows = token_file.read(args.state).tokens
    if args.format == "json":
        sys.stdout.write(to_json([_said(row, now) for row in rows]))
        return exit_codes.OK
    for row in rows:
        sys.stdout.write(printable(_line(row, now)) + "\n")
    if not rows:
        sys.stdout.write("no tokens\n")
    return exit_codes.OK


def revoke(args: Namespace) -> int:
    """Take a token out; a running gateway refuses it from the next request on."""
    row = token_file.remove(args.state, args.id)
    if args.format == "json":
        sys.stdout.write(to_json({"revoked": row.id}))
    else:
        sys.stdout.write(f"OK: revoked {row.id}\n")
    return exit_codes.OK


def _show(args: Namespace, row: TokenRow, text: str) -> None:
    secret = {} if args.save is not None else {"token": text}
    if args.format == "json":
        sys.stdout.write(to_json({**_said(row, datetime.now(UTC)), **secret}))
        return
    if args.save is None:
        sys.stdout.write(text + "\n")
        sys.stderr.write("This token is shown this once; keep it where others cannot read it.\n")
    else:
        sys.stdout.write(f"OK: token {row.id} is in {printable(str(args.save))}\n")


def _said(row: TokenRow, now: datetime) -> dict[str, object]:
    """A row without its hash."""
    return {
        "id": row.id,
        "label": row.label,
        "tenants": list(row.tenants),
        "roles": sorted(row.roles),
        "actions": None if row.actions is None else sorted(row.actions),
        "created": None if row.created is None else row.created.isoformat(),
        "expires": None if row.expires is None else row.expires.isoformat(),
        "counts": row.counts(now),
    }


def _line(row: TokenRow, now: datetime) -> str:
    actions = "every action" if row.actions is None else ", ".join(sorted(row.actions)) or "none"
    if row.expires is None:
        until = "never expires"
    else:
        day = row.expires.astimezone(UTC).date().isoformat()
        until = f"expires {day}" if row.counts(now) else f"EXPIRED {day}"
    parts = [row.id, ", ".join(row.tenants), ", ".join(sorted(row.roles)), actions, until]
    return "  ".join([*parts, row.label] if row.label else parts)


def _check_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise ConfigurationError(f"{path} exists already; name another file")


def _save(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error
