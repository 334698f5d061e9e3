"""`charter compile`: the bundle of charters, as files."""

import sys
from argparse import Namespace
from pathlib import Path

from gateway import bundle
from gateway.cli import diagnose, exit_codes, output
from gateway.cli.charters import fixtures_of
from gateway.cli.files import write_file
from gateway.errors import ConfigurationError


def compile_(args: Namespace) -> int:
    """Write the compiled bundle into a folder."""
    result = diagnose.compiled(args)
    if result.errors:
        return diagnose.refuse(args, result)
    _, program = result.require()
    made = bundle.build(result, fixtures_of(args.paths, args.fixtures, result, program))
    target: Path = args.output
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        # Files of an older bundle would stay among the new ones.
        raise ConfigurationError(f"{target} is not an empty folder; name another for the bundle")
    files = {**made.files, "bundle.json": made.manifest(), "opa.tar.gz": made.opa_tarball()}
    for name, data in files.items():
        write_file(target / name, data)
    if args.format == "json":
        sys.stdout.write(output.to_json({"digest": made.digest, "files": sorted(files)}))
    else:
        sys.stdout.write(
            f"OK: {diagnose.many(len(files), 'file')} in {target}, bundle {made.digest}\n"
        )
    return exit_codes.OK
