"""Who cosigns the log of the gateway that is about to start, and whether answers wait for it."""

import hashlib
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from gateway.cli.files import read_file
from gateway.errors import CheckpointMalformedError, ConfigurationError, LedgerError
from gateway.fetch import Network, check_url, exchange, tls_context
from gateway.keys import CheckpointPublicKey
from gateway.ledger.interface import OwnLedger
from gateway.ledger.log import Log
from gateway.ledger.seen import Seen
from gateway.mirrors import ask_all
from gateway.witness.collect import Collector
from gateway.witness.errors import PolicyError
from gateway.witness.kept import Kept
from gateway.witness.ledger import WitnessedLedger, log
from gateway.witness.newest import Newest
from gateway.witness.policy import MAX_POLICY, Policy, parse_policy
from gateway.witness.required import RequiredLedger


@dataclass(frozen=True)
class Witnessing:
    """Who cosigns, as the settings say; read and checked."""

    mode: str
    policy: Policy
    interval_s: float
    timeout_s: float
    ca_file: Path | None
    networks: tuple[Network, ...]

    @staticmethod
    def of(args: Namespace) -> "Witnessing | None":
        """What the settings say; None where nobody cosigns.

        Raises:
            ConfigurationError: It cannot be done so.
        """
        chosen: str = getattr(args, "witness_mode", None) or "none"
        path: Path | None = getattr(args, "witness_policy", None)
        if chosen == "none":
            if path is not None:
                raise ConfigurationError(
                    f"{path} names witnesses, and nobody asks them: give --witness-mode "
                    "background or required"
                )
            return None
        if path is None:
            raise ConfigurationError(f"--witness-mode {chosen} needs a --witness-policy")
        return Witnessing(
            chosen,
            _read_policy(path),
            args.witness_interval,
            args.witness_ms / 1000,
            args.witness_ca,
            tuple(ip_network(one) for one in args.witness_networks),
        )

    def seen(self, keys: Sequence[CheckpointPublicKey]) -> list[tuple[str, bytes]]:
        """The newest checkpoints of a log that its witnesses have cosigned, as far as they say.
        One that says something else than the log has signed is not believed.

        Args:
            keys: Those of the log, the newest first.
        """
        origin = keys[0].name
        path = f"{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"
        urls = [one.url for one in self.policy.witnesses.values() if one.url is not None]
        answers = ask_all(
            [f"{url.rstrip('/')}/{path}" for url in urls],
            ca_file=self.ca_file,
            networks=self.networks,
            timeout_s=self.timeout_s,
        )
        found: list[tuple[str, bytes]] = []
        for url, data in answers:
            try:
                is_ours = Seen.of(data.decode()).is_of(origin, keys)
            except (UnicodeDecodeError, CheckpointMalformedError):
                is_ours = False
            if is_ours:
                found.append((url, data))
            else:
                log.warning("%s answered with no checkpoint that this log has signed", url)
        return found

    def over(self, below: Log, folder: Path, key: CheckpointPublicKey) -> OwnLedger:
        """The ledger, cosigned. It owns the one below from now on.

        Raises:
            ConfigurationError: The policy is of another log, or what witnesses cosigned before
                is not what the ledger holds.
        """
        if self.policy.logs and key not in self.policy.logs:
            raise ConfigurationError(
                f"the policy of witnesses is of other logs; this one has the key {key.vkey}"
            )
        return self._over(below, folder, key, self.mode)

    def over_ended(self, below: Log, folder: Path, key: CheckpointPublicKey) -> OwnLedger:
        """A log that has ended: its last checkpoint is cosigned in the background, whatever
        the mode, unless the policy is of other logs. Raises as `over`."""
        if self.policy.logs and key not in self.policy.logs:
            return below
        return self._over(below, folder, key, "background")

    def _over(self, below: Log, folder: Path, key: CheckpointPublicKey, mode: str) -> OwnLedger:
        kept = Kept(folder)
        newest = below.latest_checkpoint()
        try:
            found = kept.read(self.policy, below, newest, key, lambda words: log.warning(words))
        except LedgerError as error:
            raise ConfigurationError(str(error)) from error
        context = tls_context(self.ca_file)
        ask = partial(exchange, context=context, networks=self.networks, timeout_s=self.timeout_s)
        clock = lambda: datetime.now(UTC)  # noqa: E731 - not the log's, which can be in doubt
        collector = Collector(self.policy, below, ask, clock=clock, timeout_s=self.timeout_s)
        kind = RequiredLedger if mode == "required" else WitnessedLedger
        ledger = kind(
            below,
            collector,
            Newest(self.policy, found),
            kept,
            interval_s=self.interval_s,
            clock=clock,
        )
        ledger.start()
        return ledger


def _read_policy(path: Path) -> Policy:
    try:
        policy = parse_policy(read_file(path, limit=MAX_POLICY))
    except PolicyError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    asked = [one for one in policy.witnesses.values() if one.url is not None]
    for one in asked:
        if check_url(one.url or "").query:
            raise ConfigurationError(f"{path}: `{one.url}` is no prefix of addresses")
    if policy.quorum is None:
        raise ConfigurationError(f"{path}: with `quorum none` nobody would have to cosign")
    if not policy.is_enough([one.name for one in asked]):
        raise ConfigurationError(
            f"{path}: the witnesses that have an address are no quorum, so none can be reached"
        )
    return policy
