"""`charter ledger export`: what a ledger says, as rows."""

import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain

from dsl.printable import printable
from gateway.cli import exit_codes
from gateway.cli.output import to_json
from gateway.cli.progress import shown
from gateway.keeping.errors import ExportError
from gateway.keeping.export import Wanted, decision_rows, write_lines, write_ndjson
from gateway.keeping.export import export as write_file
from gateway.keeping.parquet import write_parquet
from gateway.keeping.progress import Told
from gateway.keeping.rows import Row
from gateway.keeping.zones import ZONES, zone_rows
from gateway.kept import kept_bundle, kept_digests


def export(args: Namespace) -> int:
    """Write rows to a file, or as NDJSON to standard output."""
    if args.output is None and args.form == "parquet":
        raise ExportError("Parquet is no text: name a file with --output")
    with shown(style=args.format) as told:
        rows, columns = _rows(args, told)
        if args.output is None:
            write_lines(rows, sys.stdout.buffer)  # pyright: ignore[reportArgumentType]
            return exit_codes.OK
        write = partial(write_parquet, columns=columns) if args.form == "parquet" else write_ndjson
        count = write_file(rows, args.output, write)
    if args.format == "json":
        sys.stdout.write(to_json({"rows": count, "file": str(args.output)}))
    else:
        sys.stdout.write(printable(f"OK: {count:,} rows are in {args.output}") + "\n")
    return exit_codes.OK


def _rows(args: Namespace, told: Told) -> tuple[Iterator[Row], Mapping[str, str]]:
    wanted = Wanted(
        tenant=args.tenant,
        since=args.since,
        until=args.until,
        first=args.first,
        without=frozenset(args.without),
    )
    if args.table == "decisions":
        rows = decision_rows(args.state / "ledger", wanted, told)
        columns = wanted.columns()
        # The first row before any file: what cannot be read leaves none.
        first = next(rows, None)
        return chain([] if first is None else [first], rows), columns
    if wanted != Wanted():
        raise ExportError("the table `zones` is given whole: leave out the other options")
    return _zones(args), ZONES


def _zones(args: Namespace) -> Iterator[Row]:
    for digest in kept_digests(args.state)[0]:
        bundle = kept_bundle(args.state, digest)
        if bundle is not None:
            yield from zone_rows(digest, bundle.files)
