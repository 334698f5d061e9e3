"""What can go wrong with a witness, on either side."""

from gateway.errors import ConfigurationError, GatewayError


class PolicyError(ConfigurationError):
    """The policy of witnesses cannot be used; the message names the line."""

    reason = "witness-policy"


class WitnessStateError(ConfigurationError):
    """The folder of a witness is missing something, or holds what does not belong together."""

    reason = "witness-state"


class StoreError(GatewayError):
    """The witness cannot remember, so it signs nothing."""

    reason = "witness-store"


class RefusedError(GatewayError):
    """The witness does not cosign; `status` is the one that C2SP tlog-witness gives it.

    `known` is the size of the latest checkpoint that was cosigned, for a status of 409.
    """

    reason = "witness-refused"

    def __init__(self, status: int, words: str, *, known: int | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.known = known


class NoCosignatureError(GatewayError):
    """A witness that was asked gave no cosignature. `kind` is a word for those who count."""

    reason = "no-cosignature"

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind
