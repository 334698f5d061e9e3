"""Who may ask, and for whom."""

from gateway.callers.caller import ALL_ROLES, Caller, Identity, Role
from gateway.callers.known import Credentials, Known
from gateway.callers.peer import Peer
from gateway.callers.tokens import LOOK_S, Callers, TokenFile, TokenRow, issue

__all__ = [
    "ALL_ROLES",
    "LOOK_S",
    "Caller",
    "Callers",
    "Credentials",
    "Identity",
    "Known",
    "Peer",
    "Role",
    "TokenFile",
    "TokenRow",
    "issue",
]
