"""What a witness cosigns and what it refuses, with the status of C2SP tlog-witness."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.keys import CheckpointKey, CheckpointPublicKey
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint
from gateway.ledger.merkle import EMPTY_ROOT
from gateway.ledger.note import parse_note, sign_note
from gateway.witness.errors import RefusedError, StoreError
from gateway.witness.protocol import write_request
from gateway.witness.witness import CLOCK_LEEWAY_S
from tests.gateway.ledger.logs import KEY, ORIGIN
from tests.gateway.witness.histories import LOGS, History, Made
from tests.project import ROOT


def refusal(made: Made, body: bytes) -> RefusedError:
    """How a request is refused; nothing that is remembered may change by it."""
    before = made.store.find(ORIGIN)
    with pytest.raises(RefusedError) as raised:
        made.witness.add_checkpoint(body)
    assert made.store.find(ORIGIN) == before
    return raised.value


# --- published -----------------------------------------------------------------------


def test_the_published_requests_get_their_statuses_in_order(vectors: Path, tmp_path: Path) -> None:
    told: Any = json.loads((vectors / "c2sp-tlog" / "witness-add-checkpoint.json").read_text())
    origins = {case["request_body"].split("\n\n")[1].split("\n")[0] for case in told["cases"]}
    raw = bytes.fromhex(told["log_public_key_hex"])
    known = min(origins)  # the other one differs in its last digit, and is not known
    logs = {known: (CheckpointPublicKey.of(known, raw),)}
    made = Made(tmp_path / "witness", logs, name=told["witness_name"])
    for case in told["cases"]:
        (rule,) = case["asserts"]
        status, body = answer_of(made, case["request_body"].encode())
        expected = case["status"]
        if "unknown log" in rule:
            expected = 404  # since 2026; the run that was published is older
        assert status == expected, (rule, body)
        if found := re.fullmatch(r'body contains "(.*)"', rule):
            assert found[1] in body
        else:
            assert body == json.loads(rule.removeprefix("body == "))


def answer_of(made: Made, body: bytes) -> tuple[int, str]:
    try:
        return 200, made.witness.add_checkpoint(body).line
    except RefusedError as error:
        return error.status, f"{error.known}\n" if error.status == 409 else str(error)


# --- good ----------------------------------------------------------------------------


def test_a_log_that_grows_is_cosigned_size_by_size(made: Made, history: History) -> None:
    for old, new in ((0, 0), (0, 1), (1, 3), (3, 8)):
        cosigned = made.witness.add_checkpoint(history.request(old, new))
        time = made.check(history.notes[new], cosigned.line)
        assert time == int(made.clock.now.timestamp())
        assert made.size() == new


def test_the_same_checkpoint_again_is_cosigned_again(made: Made, history: History) -> None:
    made.witness.add_checkpoint(history.request(0, 5))
    made.clock.step(60)
    again = made.witness.add_checkpoint(history.request(5, 5))
    assert made.check(history.notes[5], again.line) == int(made.clock.now.timestamp())


def test_a_witness_that_starts_again_remembers(made: Made, history: History) -> None:
    made.witness.add_checkpoint(history.request(0, 5))
    made.reopen()
    assert refusal(made, history.request(0, 8)).known == 5
    made.witness.add_checkpoint(history.request(5, 8))


def test_what_is_served_has_the_verified_lines_and_the_cosignature(
    made: Made, history: History
) -> None:
    stranger = CheckpointKey.generate("stranger.example")
    text = parse_note(history.notes[3].encode()).text
    line = sign_note(text, stranger).removeprefix(text + "\n")
    note = history.notes[3] + line
    cosigned = made.witness.add_checkpoint(write_request(0, [], note))
    found = made.witness.latest(sha256(ORIGIN.encode()).hexdigest())
    assert found is not None
    assert found.note == history.notes[3] + cosigned.line
    assert made.witness.latest(sha256(b"another").hexdigest()) is None


def test_both_keys_of_a_log_that_changes_its_key_are_kept(tmp_path: Path, history: History) -> None:
    after = CheckpointKey.generate(ORIGIN)
    made = Made(tmp_path / "two", {ORIGIN: (KEY.public, after.public)})
    text = parse_note(history.notes[3].encode()).text
    both = history.notes[3] + sign_note(text, after).removeprefix(text + "\n")
    assert made.witness.add_checkpoint(write_request(0, [], both)).seen.note == both


# --- refused -------------------------------------------------------------------------


def damaged(body: bytes, old: bytes, new: bytes) -> bytes:
    assert body.count(old) == 1
    return body.replace(old, new)


EXTRA = b"A" * 43 + b"=\n"
BAD: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "no empty line": lambda body: body.replace(b"\n\n", b"\n"),
    "no old line": lambda body: body.removeprefix(b"old 3\n"),
    "an old size with a leading zero": lambda body: damaged(body, b"old 3\n", b"old 03\n"),
    "an old size below zero": lambda body: damaged(body, b"old 3\n", b"old -3\n"),
    "an old size with a space": lambda body: damaged(body, b"old 3\n", b"old 3 \n"),
    "an old size beyond 2^63": lambda body: damaged(body, b"old 3\n", b"old 9223372036854775808\n"),
    "an old size in other digits": lambda body: damaged(body, b"old 3\n", "old ٣\n".encode()),
    "old in capitals": lambda body: damaged(body, b"old 3\n", b"OLD 3\n"),
    "carriage returns": lambda body: body.replace(b"\n", b"\r\n"),
    "64 hashes": lambda body: damaged(body, b"old 3\n", b"old 3\n" + EXTRA * 64),
    "a hash of 31 bytes": lambda body: damaged(
        body, b"old 3\n", b"old 3\n" + b"A" * 40 + b"AA==\n"
    ),
    "a hash that is no base64": lambda body: damaged(body, b"old 3\n", b"old 3\n%%%\n"),
    "a root that is no base64": lambda body: damaged(body, b"\n8\n", b"\n8\n!"),
    "an old size above the new one": lambda body: damaged(body, b"old 3\n", b"old 9\n"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_request_out_of_form_is_a_bad_request(made: Made, history: History, what: str) -> None:
    made.witness.add_checkpoint(history.request(0, 3))
    assert refusal(made, BAD[what](history.request(3, 8))).status == 400


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "no final newline": lambda body: body[:-1],
    "no signature": lambda body: body[: body.rindex(b"\xe2\x80\x94")],
    "no dash": lambda body: body.replace(b"\xe2\x80\x94", b"-"),
    "a signature of nothing": lambda body: body[: body.rindex(b" ") + 1] + b"AAAA\n",
    "a signature that is no base64": lambda body: body[:-2] + b"!\n",
    "a name with a plus": lambda body: body.replace("\u2014 ".encode(), "\u2014 +".encode()),
    "65 lines": lambda body: body + body[body.rindex(b"\xe2\x80\x94") :] * 64,
}


@pytest.mark.parametrize("what", SPOILED)
def test_signature_lines_out_of_form_are_an_invalid_signature(
    made: Made, history: History, what: str
) -> None:
    made.witness.add_checkpoint(history.request(0, 3))
    error = refusal(made, SPOILED[what](history.request(3, 8)))
    assert (error.status, "invalid signature" in str(error)) == (403, True)


def test_a_log_that_is_not_known_is_not_found(made: Made, tmp_path: Path) -> None:
    stranger = History.begin(tmp_path, "x", signer=CheckpointKey.generate("other.example")).grow(2)
    assert refusal(made, stranger.request(0, 2)).status == 404
    stranger.log.close()


def resigned(history: History, key: CheckpointKey) -> bytes:
    text = parse_note(history.notes[3].encode()).text
    return write_request(0, [], sign_note(text, key))


def test_a_checkpoint_that_no_known_key_signed_is_forbidden(made: Made, history: History) -> None:
    for key in (CheckpointKey.generate(ORIGIN), CheckpointKey.generate("x.example")):
        assert refusal(made, resigned(history, key)).status == 403


def test_a_signature_of_another_text_is_forbidden(made: Made, history: History) -> None:
    lines = history.notes[5].split("\n\n")[1]
    text = history.notes[3].split("\n\n")[0]
    body = write_request(0, [], f"{text}\n\n{lines}")
    assert refusal(made, body).status == 403


def test_one_broken_line_of_a_known_key_spoils_the_note(made: Made, history: History) -> None:
    line = history.notes[5].split("\n\n")[1]
    assert refusal(made, write_request(0, [], history.notes[3] + line)).status == 403


def test_what_is_wrong_with_the_log_is_said_before_what_is_wrong_with_the_size(
    made: Made, history: History
) -> None:
    # Otherwise anybody could read sizes of logs.
    made.witness.add_checkpoint(history.request(0, 3))
    assert refusal(made, resigned(history, CheckpointKey.generate(ORIGIN))).status == 403


def test_another_old_size_is_a_conflict_that_tells_the_known_one(
    made: Made, history: History
) -> None:
    for old in (1, 3, 5, 8):
        error = refusal(made, history.request(old, 8))
        assert (error.status, error.known) == (409, 0)
    made.witness.add_checkpoint(history.request(0, 5))
    for old, new in ((0, 8), (1, 8), (3, 5), (8, 8), (0, 5), (0, 0), (1, 3), (3, 3)):
        error = refusal(made, history.request(old, new))
        assert (error.status, error.known) == (409, 5), (old, new)


def test_a_smaller_tree_is_refused_whatever_old_size_it_states(
    made: Made, history: History
) -> None:
    made.witness.add_checkpoint(history.request(0, 5))
    body = write_request(5, history.log.consistency(3, 5), history.notes[3])
    assert refusal(made, body).status == 400
    assert refusal(made, history.request(3, 3)).status == 409


def test_a_fork_is_refused_at_every_size(made: Made, history: History, other: History) -> None:
    made.witness.add_checkpoint(history.request(0, 3))
    for new in (3, 5, 8):
        assert refusal(made, other.request(3, new)).status == 422
        path = history.log.consistency(3, new)
        assert refusal(made, write_request(3, path, other.notes[new])).status == 422
    made.witness.add_checkpoint(history.request(3, 5))


def test_a_proof_that_is_not_the_one_is_refused(made: Made, history: History) -> None:
    made.witness.add_checkpoint(history.request(0, 3))
    path = history.log.consistency(3, 8)
    wrong = {
        "none": [],
        "too short": path[:-1],
        "too long": [*path, path[0]],
        "in another order": path[::-1],
        "of another size": history.log.consistency(5, 8),
        "with one bit changed": [bytes([path[0][0] ^ 1]) + path[0][1:], *path[1:]],
    }
    for what, nodes in wrong.items():
        assert refusal(made, write_request(3, nodes, history.notes[8])).status == 422, what


def test_a_proof_from_size_0_is_refused(made: Made, history: History) -> None:
    body = write_request(0, [b"\0" * 32], history.notes[3])
    assert refusal(made, body).status == 422
    made.witness.add_checkpoint(history.request(0, 0))
    assert refusal(made, body).status == 422


def test_a_proof_between_equal_sizes_is_refused(made: Made, history: History) -> None:
    made.witness.add_checkpoint(history.request(0, 3))
    assert refusal(made, write_request(3, [b"\0" * 32], history.notes[3])).status == 422


def test_an_empty_tree_with_another_root_is_refused(made: Made, history: History) -> None:
    wrong = write_request(0, [], sign_checkpoint(Checkpoint(ORIGIN, 0, b"\1" * 32), KEY))
    assert refusal(made, wrong).status == 422
    made.witness.add_checkpoint(history.request(0, 3))
    assert refusal(made, wrong).status == 409
    right = write_request(0, [], sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), KEY))
    assert refusal(made, right).status == 409


# --- the clock -----------------------------------------------------------------------


def test_no_cosignature_is_dated_before_an_earlier_one(made: Made, history: History) -> None:
    first = made.witness.add_checkpoint(history.request(0, 3)).seen.time
    made.clock.step(-CLOCK_LEEWAY_S)
    assert made.witness.add_checkpoint(history.request(3, 5)).seen.time == first
    made.clock.step(-1)
    with pytest.raises(StoreError):
        made.witness.add_checkpoint(history.request(5, 8))
    assert made.size() == 5


# --- races and sudden ends -----------------------------------------------------------


def test_of_two_requests_at_once_one_is_cosigned(made: Made, history: History) -> None:
    for old, sizes in ((0, (1, 3)), (3, (5, 8))):
        if made.size() not in (None, old):
            made.witness.add_checkpoint(history.request(made.size() or 0, old))
        start, answers = threading.Barrier(8), list[int]()

        def ask(
            body: bytes, start: threading.Barrier = start, answers: list[int] = answers
        ) -> None:
            start.wait()
            answers.append(answer_of(made, body)[0])

        bodies = [history.request(old, sizes[n % 2]) for n in range(8)]
        threads = [threading.Thread(target=ask, args=(body,)) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Each states the old size, which is known to one of them alone.
        assert sorted(answers) == [200] + [409] * 7


@pytest.mark.parametrize(("moment", "size"), [("checked", 3), ("stored", 8)])
def test_killed_before_it_signs_it_forgets_nothing_and_has_signed_nothing(
    made: Made, history: History, other: History, moment: str, size: int, tmp_path: Path
) -> None:
    made.witness.add_checkpoint(history.request(0, 3))
    made.store.close()
    vkeys = "".join(f"log {key.vkey}\n" for key in LOGS[ORIGIN])
    (tmp_path / "logs.txt").write_text(vkeys)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.gateway.witness.killed",
            made.place,
            tmp_path / "logs.txt",
            moment,
        ],
        input=history.request(3, 8),
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-9, b""), done.stderr
    made.open()
    assert made.size() == size
    forked = other.request(size, 8)
    assert refusal(made, forked).status == 422
    cosigned = made.witness.add_checkpoint(history.request(size, 8))
    made.check(history.notes[8], cosigned.line)
