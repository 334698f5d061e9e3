"""Timestamps of an authority (RFC 3161) over checkpoints of the log."""
