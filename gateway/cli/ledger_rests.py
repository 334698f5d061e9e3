"""`charter ledger rests-on`: which decisions rest on a machine of some kind."""

import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import cast

from dsl.printable import printable
from gateway.cli import exit_codes
from gateway.cli.output import to_json
from gateway.cli.progress import shown
from gateway.keeping.attested import Attested
from gateway.keeping.export import Wanted
from gateway.keeping.rests_on import Kind, Resting, resting
from gateway.keeping.rows import Row


def rests_on(args: Namespace, names: Iterable[str]) -> int:
    """List decisions; what was erased cannot be told and is counted.

    Args:
        names: Columns of `attested` that are options.
    """
    same = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    kind = Kind(same, dict(args.firmware_at_most), args.digest, refused=args.all)
    wanted = Wanted(tenant=args.tenant, since=args.since, until=args.until)
    seen = Resting()
    with shown(style=args.format) as told:
        found = list(resting(args.state, kind, wanted, seen, told))
    if args.format == "json":
        sys.stdout.write(
            to_json({"decisions": found, "entries": seen.entries, "erased": seen.erased})
        )
    else:
        lines = chain(*map(_lines, found), [_sum(seen, every=args.all)])
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    return exit_codes.OK


def _lines(row: Row) -> list[str]:
    until = f", valid until {row['valid_until']}" if row["valid_until"] else ""
    head = f"{row['id']}  {row['verdict']}  {row['site']}, decided {row['decided_at']}{until}"
    return [head, *(_machine(one) for one in cast("list[Attested]", row["attested"]))]


def _machine(one: Attested) -> str:
    levels = [
        f"{level['component']} {level['level']}"
        for level in cast("list[Mapping[str, object]]", one["firmware"])
    ]
    said = [str(one["technology"]), *([str(one["product"])] if one["product"] else []), *levels]
    counted = "" if one["verdict"] == "accepted" else f" ({one['verdict']}: {one['reason']})"
    return f"  node {one['node']}: {', '.join(said)}; by policy {one['policy']}{counted}"


def _sum(seen: Resting, *, every: bool) -> str:
    what = "decisions name it" if every else "permits rest on it"
    erased = f"; {seen.erased:,} entries are erased and say nothing" if seen.erased else ""
    return f"{seen.found:,} {what}, of {seen.entries:,} entries{erased}"
