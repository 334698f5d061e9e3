"""`charter keys`: keys of a gateway, made, listed, replaced, and their public halves."""

import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dsl.printable import printable
from gateway import published
from gateway.cli import exit_codes
from gateway.cli.key_options import custody_of
from gateway.cli.memory import leave_no_core
from gateway.cli.output import to_json
from gateway.cli.settings import resolve
from gateway.errors import ConfigurationError, KeyMalformedError
from gateway.keys import CheckpointKey, CheckpointPublicKey, DecisionKey, DecisionPublicKey
from gateway.keys.custody import IN_FILE, close
from gateway.keys.hsm_keys import open_checkpoint_key, open_decision_key
from gateway.keys.jose import public_jwk, public_log_jwk
from gateway.keys.pin import read_pin
from gateway.keys.purposes import fingerprint_of_log, raw_of_vkey
from gateway.keys.uri import SCHEME, parse
from gateway.ledger.cosignature import WitnessPublicKey
from gateway.rotation import retire, rotate
from gateway.rotation_ground import Given

_P256 = ("decision", "receipt", "release")


# --- new -----------------------------------------------------------------------------


def new(args: Namespace) -> int:
    """Make a key, and show its public half."""
    leave_no_core()
    if args.purpose in _P256 and args.name is not None:
        raise ConfigurationError(f"a {args.purpose} key has no name; its id is its fingerprint")
    if args.purpose not in _P256 and args.name is None:
        raise ConfigurationError(
            f"a {args.purpose} key has a name: give --name, for checkpoints the origin of the log"
        )
    try:
        said = _made_for_decisions(args) if args.purpose in _P256 else _made_for_notes(args)
    except KeyMalformedError as error:
        raise ConfigurationError(f"`{args.name}` cannot name a key: {error}") from error
    if args.format == "json":
        sys.stdout.write(to_json({"purpose": args.purpose, "place": args.place, **said}))
    else:
        sys.stdout.write(str(said.get("vkey") or said["pem"]).rstrip("\n") + "\n")
        sys.stderr.write(f"The private key is in {printable(args.place)}.\n")
    return exit_codes.OK


def _made_for_decisions(args: Namespace) -> dict[str, object]:
    if args.place.startswith(SCHEME):
        uri = parse(args.place)
        key = open_decision_key(uri, read_pin(uri.pin_file or args.pin_file), make=True)
    else:
        key = DecisionKey.create(Path(args.place))
    close(key)
    return {"keyid": key.key_id, "pem": key.public.pem}


def _made_for_notes(args: Namespace) -> dict[str, object]:
    CheckpointKey.generate(args.name)  # the name is tried before there is a key
    if args.place.startswith(SCHEME):
        uri = parse(args.place)
        pin = read_pin(uri.pin_file or args.pin_file)
        key = open_checkpoint_key(uri, pin, name=args.name, make=True)
    else:
        key = CheckpointKey.create(Path(args.place), name=args.name)
    close(key)
    public = key.public
    if args.purpose == "cosignature":
        witness = WitnessPublicKey.of(public.name, raw_of_vkey(public.vkey))
        return {"keyid": witness.key_id, "vkey": witness.vkey}
    return {"keyid": public.key_id, "vkey": public.vkey}


# --- list ----------------------------------------------------------------------------


def list_all(args: Namespace) -> int:
    """Show every key that strangers are told of, and where those that sign are."""
    resolve(args)
    told = _told(args.state)
    places = custody_of(args)
    now = datetime.now(UTC)
    rows: list[dict[str, object]] = []
    for one in _decision_keys(told):
        counts = told.counts(one["keyid"], now)
        rows.append(
            {
                "purpose": "decision",
                "id": one["keyid"],
                "state": "signs" if counts else "ended",
                "from": one.get("from"),
                "until": one.get("until"),
                "place": places.decision if counts else None,
            }
        )
    for key, one in _log_keys(told):
        current, alongside = key == told.log_key, key == told.ending
        rows.append(
            {
                "purpose": "checkpoint",
                "id": key.vkey,
                "fingerprint": fingerprint_of_log(key),
                "state": "signs" if current else "signs alongside" if alongside else "ended",
                "last_size": one.get("last_size"),
                "place": places.checkpoint if current else places.before if alongside else None,
            }
        )
    rows += [_receipt_row(one, places.receipt, now) for one in _receipt_keys(told)]
    if args.format == "json":
        sys.stdout.write(to_json(rows))
    else:
        sys.stdout.write("".join(printable(_line(row)) + "\n" for row in rows))
    return exit_codes.OK


def _receipt_row(one: Mapping[str, Any], place: str, now: datetime) -> dict[str, object]:
    counts = _is_open(one, now)
    return {
        "purpose": "receipt",
        "id": one["keyid"],
        "state": "signs" if counts else "ended",
        "from": one.get("from"),
        "until": one.get("until"),
        "place": place if counts else None,
    }


def _line(row: Mapping[str, object]) -> str:
    words = {"from": "from", "until": "until", "last_size": "up to size", "place": "in"}
    more = "".join(f", {say} {row[name]}" for name, say in words.items() if row.get(name))
    return f"{row['purpose']} {row['id']}: {row['state']}{more}"


# --- rotate, retire ------------------------------------------------------------------


def rotate_key(args: Namespace) -> int:
    """Have a new key take the place of one."""
    leave_no_core()
    resolve(args)
    said = rotate(_given(args), args.purpose, to=args.to, lost=args.lost)
    return _say(args, said, _settings(args, said))


def retire_key(args: Namespace) -> int:
    """End the key that signs alongside."""
    leave_no_core()
    resolve(args)
    said = retire(_given(args))
    return _say(args, said, _settings(args, said))


def _given(args: Namespace) -> Given:
    return Given(args.state, custody_of(args), args.seen_file)


def _settings(args: Namespace, said: Mapping[str, Any]) -> dict[str, str]:
    """What the configuration has to say from now on, where it says something else."""
    places = custody_of(args)
    now = {"keys.decision": places.decision, "keys.checkpoint": places.checkpoint}
    now |= {"keys.checkpoint_before": places.before, "keys.receipt": places.receipt}
    if "last_size" in said:
        wanted = {"keys.checkpoint_before": IN_FILE}
    elif said["purpose"] != "checkpoint":
        wanted = {f"keys.{said['purpose']}": args.to}
    else:
        before = IN_FILE if said["lost"] else places.checkpoint
        wanted = {"keys.checkpoint": args.to, "keys.checkpoint_before": before}
    return {name: value for name, value in wanted.items() if value != now[name]}


def _say(args: Namespace, said: Mapping[str, Any], settings: Mapping[str, str]) -> int:
    kept = said.get("kept")
    if args.format == "json":
        sys.stdout.write(to_json({**said, "settings": dict(settings)}))
        return exit_codes.OK
    is_over = "last_size" in said
    lines = [
        f"OK: the {said['purpose']} key "
        + (f"ended at size {said['last_size']}" if is_over else "was replaced"),
        f"  old    {said['old']}",
        f"  new    {said['new']}",
        f"  entry  {said['id']}",
        *(f"  set    {name} = {value}" for name, value in settings.items()),
    ]
    if kept is not None:
        signs = kept.startswith("checkpoint.before")
        lines.append(f"  kept   {kept}" + ("" if signs else ": it signs no more; destroy it"))
    lines.append(f"Start the gateway, and give {args.state / published.FILE} to whoever verifies.")
    if said["purpose"] == "checkpoint" and not is_over and not said.get("lost"):
        lines.append("Both keys sign until `charter keys retire`.")
    sys.stdout.write("".join(printable(line) + "\n" for line in lines))
    return exit_codes.OK


# --- export --------------------------------------------------------------------------


def export(args: Namespace) -> int:
    """Write public keys, the current ones first."""
    told = _told(args.state)
    purpose = args.purpose or ("checkpoint" if args.format == "vkey" else "decision")
    now = datetime.now(UTC)
    if purpose == "checkpoint":
        sys.stdout.write(_export_checkpoint(args, told))
        return exit_codes.OK
    if purpose == "decision":
        rows = [one for one in _decision_keys(told) if args.ended or told.counts(one["keyid"], now)]
    else:
        rows = [one for one in _receipt_keys(told) if args.ended or _is_open(one, now)]
    sys.stdout.write(_export_p256(args, [one["pem"] for one in rows]))
    return exit_codes.OK


def _export_p256(args: Namespace, kept: list[str]) -> str:
    try:
        keys = [DecisionPublicKey.from_pem(pem) for pem in kept]
    except KeyMalformedError as error:
        raise ConfigurationError(f"{args.state / published.FILE}: {error}") from error
    match args.format:
        case "jwks":
            return to_json({"keys": [public_jwk(key) for key in keys]})
        case "pem":
            return "".join(key.pem for key in keys)
        case _:
            raise ConfigurationError("only keys that sign notes have a vkey: --purpose checkpoint")


def _export_checkpoint(args: Namespace, told: published.Published) -> str:
    keys = [key for key, one in _log_keys(told) if args.ended or "last_size" not in one]
    match args.format:
        case "jwks":
            return to_json({"keys": [public_log_jwk(key) for key in keys]})
        case "pem":
            return "".join(key.pem for key in keys)
        case _:
            return "".join(f"{key.vkey}\n" for key in keys)


def _told(folder: Path) -> published.Published:
    told = published.read(folder)
    if told is None:
        raise ConfigurationError(f"{folder}: there is no gateway here, or its trust.json is gone")
    return told


def _decision_keys(told: published.Published) -> list[dict[str, Any]]:
    document: Mapping[str, Any] = told.document
    return document["decision_keys"]


def _receipt_keys(told: published.Published) -> list[dict[str, Any]]:
    document: Mapping[str, Any] = told.document
    return document.get("receipt_keys", [])


def _is_open(one: Mapping[str, Any], now: datetime) -> bool:
    """Whether a key that is listed with its time has not ended."""
    until = one.get("until")
    return until is None or now < datetime.fromisoformat(until)


def _log_keys(told: published.Published) -> list[tuple[CheckpointPublicKey, dict[str, Any]]]:
    """The keys of the log, with what is said of each."""
    document: Mapping[str, Any] = told.document
    further = {one["vkey"]: one for one in document.get("further_logs", ())}
    return [(key, further.get(key.vkey, {})) for key in (told.log_key, *told.earlier)]
