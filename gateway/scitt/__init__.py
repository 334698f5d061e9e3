"""Signed statements of others (RFC 9943): who issued them, and receipts of their logs.

`issuers` verifies a statement by its certificates (did:x509) or by the hardware that attests
its key, `ccf` a receipt of a CCF ledger. What we export is in `gateway.receipts`.
"""
