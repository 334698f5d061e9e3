"""What can go wrong while a ledger is looked at, copied or put back."""

from gateway.errors import ConfigurationError, LedgerError


class SnapshotError(LedgerError):
    """There is no ledger to read, or none that this program can read."""

    reason = "ledger-unreadable"


class BackupError(ConfigurationError):
    """A backup cannot be made, is not whole, or cannot be put back; nothing was changed."""

    reason = "backup"


class ExportError(ConfigurationError):
    """Rows cannot be written; there is no file."""

    reason = "export"
