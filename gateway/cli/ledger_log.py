"""`charter ledger tiles` and `shard`: the log as files, and another log in its place."""

import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dsl.printable import printable
from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.cli.key_options import custody_of
from gateway.cli.output import to_json
from gateway.cli.progress import shown
from gateway.cli.settings import resolve
from gateway.errors import ConfigurationError
from gateway.keys import CheckpointSigner
from gateway.keys.custody import IN_FILE, checkpoint_key, close
from gateway.ledger.note import MAX_NOTE
from gateway.ledger.shards import shard_folders
from gateway.ledger.tile_export import write_tiles
from gateway.ledger.tiles import TileReader
from gateway.next_log import change, prepare
from gateway.next_log_files import finish
from gateway.state import State, open_state


def tiles(args: Namespace) -> int:
    """Write the log as files that any web server can serve."""
    state: Path = args.state
    number: int | None = args.shard
    if number is not None and state / "shards" / str(number) not in shard_folders(state):
        raise ConfigurationError(f"{state}: there is no log number {number} that has ended")
    folder = state / "ledger" if number is None else state / "shards" / str(number) / "ledger"
    with shown(style=args.format) as told, TileReader.open(folder) as reader:
        try:
            written = write_tiles(
                reader, args.folder, told=lambda done, of: told("tiles", done, of)
            )
        except OSError as error:
            raise ConfigurationError(f"{args.folder}: cannot write it: {error.strerror}") from error
    said = {"size": written.size, "files": written.files}
    _say(
        args,
        said,
        f"OK: {written.size:,} entries are in {args.folder}, {written.files:,} files new",
    )
    return exit_codes.OK


def shard(args: Namespace) -> int:
    """End the log and begin another in its place; or finish that."""
    resolve(args)
    if finish(args.state):
        _say(args, {"finished": True}, "OK: the change of logs that was begun is finished")
        return exit_codes.OK
    if not (args.state / "origin").exists():
        raise ConfigurationError(f"{args.state}: there is no gateway here")
    if args.next_origin is None or (args.reason is None and not args.prepare):
        raise ConfigurationError("name the next log by --origin, and say why by --reason")
    custody = custody_of(args)
    with closing(open_state(args.state, custody=custody)) as state:
        key = None
        if args.to != IN_FILE:
            place = replace(custody, checkpoint=args.to)
            key = checkpoint_key(place, state.folder, name=args.next_origin)
        try:
            return _prepare(args, state, key) if args.prepare else _change(args, state, key)
        finally:
            close(key)


def _prepare(args: Namespace, state: State, key: CheckpointSigner | None) -> int:
    vkey = prepare(state, args.next_origin, key=key)
    said = {"prepared": args.next_origin, "vkey": vkey}
    _say(args, said, f"OK: {args.next_origin} is prepared: {vkey}")
    return exit_codes.OK


def _change(args: Namespace, state: State, key: CheckpointSigner | None) -> int:
    done = change(
        state,
        args.next_origin,
        reason=args.reason or "",
        clock=lambda: datetime.now(UTC),
        seen=[(str(path), read_file(Path(path), limit=MAX_NOTE)) for path in args.seen],
        seen_file=args.seen_file,
        lost=args.lost,
        key=key,
    )
    settings = {"keys.checkpoint": args.to, "keys.checkpoint_before": IN_FILE}
    places = {
        "keys.checkpoint": args.checkpoint_key,
        "keys.checkpoint_before": args.checkpoint_key_before,
    }
    wanted = {name: value for name, value in settings.items() if value != places[name]}
    left = [place for place in places.values() if place not in (IN_FILE, args.to)]
    said: dict[str, object] = {
        "ended": done.old,
        "entries": done.size,
        "begun": done.new,
        "vkey": done.vkey,
        "settings": wanted,
        "destroy": left,
    }
    lines = [
        f"OK: {done.old} has ended with {done.size:,} entries, and {done.new} has begun.",
        f"  key    {done.vkey}",
        f"  trust  {args.state / 'trust.json'}: give it to whoever verifies",
        *(f"  set    {name} = {value}" for name, value in wanted.items()),
        *(f"  kept   {place}: it signs no more; destroy it in its token" for place in left),
    ]
    _say(args, said, "\n".join(map(printable, lines)))
    return exit_codes.OK


def _say(args: Namespace, said: Mapping[str, object], words: str) -> None:
    sys.stdout.write(to_json(said) if args.format == "json" else words + "\n")
