"""Decisions for tools of COSE: signed statements with receipts of the log (RFC 9942, RFC 9943).

Begin with `make`; `gateway.verify.transparent` says what is in one, and checks it.
"""
