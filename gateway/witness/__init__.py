"""Witnesses: another organisation that remembers how far a log was, and signs nothing else.

Both sides of C2SP tlog-witness v1: the witness itself (`protocol`, `store`, `witness`,
`server`) and the log that asks for cosignatures (`policy`, `collect`, `ledger`).
"""
