"""`charter ledger documents` and `erase-evidence`: evidence of machines read and erased."""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from dsl.printable import printable
from gateway.cli import exit_codes
from gateway.cli.files import write_private
from gateway.cli.key_options import custody_of
from gateway.cli.output import to_json
from gateway.cli.settings import resolve
from gateway.erasure import Grounds
from gateway.errors import ConfigurationError, LedgerError
from gateway.evidence_erasure import EvidenceGoneError, erase_evidence
from gateway.keeping.named import named_documents
from gateway.keeping.payload import read_predicate
from gateway.keeping.snapshot import Snapshot, open_snapshot
from gateway.keeping.tree import nodes_of
from gateway.ledger import storage
from gateway.ledger.merkle import inclusion_path
from gateway.ledger.proof import write_proof
from gateway.ledger.shards import shard_folders, with_older
from gateway.nodes.documents import EVIDENCE, NOBODY, Documents
from gateway.nodes.store import FILE
from gateway.record.canonical import Json
from gateway.state import open_state


def documents(args: Namespace) -> int:
    """Write what a decision names of evidence into a new folder, each file by its digest; of
    evidence that was erased, what says so."""
    target: Path = args.output
    if target.exists() or target.is_symlink():
        raise ConfigurationError(f"{target} exists already; name a folder that is not there")
    tenant, predicate = _decision(args.state, args.id)
    kept = Documents(args.state / FILE)
    files: dict[str, bytes] = {}
    missing: list[str] = []
    for sha256, kind in named_documents(predicate).items():
        found = kept.find(sha256, (tenant, NOBODY))
        body = None if found is None else found.checked()
        if body is not None:
            files[f"{kind}-{sha256}.{'json' if kind == EVIDENCE else 'toml'}"] = body
        elif found is not None and found.erasure is not None:
            files[f"erased-{sha256}.json"] = _tombstone(args.state, found.erasure)
        else:
            missing.append(f"{kind} sha256:{sha256}")
    for name, data in files.items():
        write_private(target / name, data)
    if args.format == "json":
        sys.stdout.write(to_json({"files": sorted(files), "missing": missing}))
    else:
        lines = [*(f"  {name}" for name in sorted(files)), *(f"  missing: {m}" for m in missing)]
        head = f"{len(files)} files are in {target}" if files else "the decision names no evidence"
        if missing and not files:
            head = "nothing of what the decision names is kept"
        sys.stdout.write("".join(f"{printable(line)}\n" for line in (head, *lines)))
    return exit_codes.FAILED if missing else exit_codes.OK


def _ledgers(state: Path) -> list[Path]:
    return [one / "ledger" for one in (state, *shard_folders(state))]


def _decision(state: Path, entry: str) -> tuple[str, Mapping[str, Json]]:
    """The tenant of a decision, and what its record says."""
    for folder in _ledgers(state):
        with open_snapshot(folder) as snapshot:
            record = _record(snapshot, entry)
            if record is None:
                continue
            if not record.body:
                raise LedgerError(f"the decision {entry!r} is erased, and with it what it names")
            try:
                return record.tenant, read_predicate(record.body)
            except (ValueError, LookupError, TypeError) as error:
                raise LedgerError(f"entry {record.index} is no record of Charter") from error
    raise ConfigurationError(f"{state}: there is no decision {entry!r}")


def _record(snapshot: Snapshot, entry: str) -> storage.StoredRecord | None:
    place = storage.find_place(snapshot.connection, entry)
    return None if place is None else snapshot.record(place[0])


def _tombstone(state: Path, entry: str) -> bytes:
    """What a gateway answers in place of the evidence, from the files of its ledger."""
    for folder in _ledgers(state):
        with open_snapshot(folder) as snapshot:
            record = _record(snapshot, entry)
            if record is not None:
                said = read_predicate(record.body)
                body = {
                    "erased": said.get("erased"),
                    "erased_at": said.get("decided_at"),
                    "record": json.loads(record.body),
                    "proof": _proof(snapshot, record),
                }
                return to_json(body).encode()
    raise LedgerError(f"the entry {entry!r} that says why evidence is erased is not there")


def _proof(snapshot: Snapshot, record: storage.StoredRecord) -> str:
    *_, (size, checkpoint, _) = snapshot.checkpoints(record.index + 1)
    return write_proof(
        salt=record.salt,
        commitment=record.commitment,
        index=record.index,
        path=inclusion_path(record.index, size, nodes_of(snapshot)),
        checkpoint=checkpoint,
    )


def erase(args: Namespace) -> int:
    """Erase evidence, with a ledger that no gateway has open."""
    resolve(args)
    grounds = Grounds(args.reason, args.authority, args.by)
    if not (args.state / "ledger").is_dir():
        raise ConfigurationError(f"{args.state}: there is no ledger here")
    state = open_state(args.state, custody=custody_of(args))
    with (
        closing(state),
        closing(with_older(state.open_ledger(seen_file=args.seen_file), state.folder)) as log,
    ):
        try:
            done = erase_evidence(
                Documents(args.state / FILE),
                log,
                state.decision_key,
                sha256=args.digest,
                grounds=grounds,
                now=datetime.now(UTC),
            )
        except EvidenceGoneError as error:
            raise ConfigurationError(str(error)) from error
    told = {
        "digest": f"sha256:{done.sha256}",
        "erasure_id": done.erasure_id,
        "erasure_index": done.erasure_index,
        "tidy": done.is_tidy,
    }
    if args.format == "json":
        sys.stdout.write(to_json(told))
    else:
        words = f"OK: {told['digest']} is erased, as entry {done.erasure_index} says"
        sys.stdout.write(f"{words}\n")
    if not done.is_tidy:
        sys.stderr.write(
            "Somebody reads an older state of the files: what is erased is gone once that ends "
            "and the store is opened again.\n"
        )
    return exit_codes.OK
