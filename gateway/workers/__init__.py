"""Several processes behind one address, with one ledger.

    supervisor ── starts ──▶ writer    the ledger and its key; answers over a Unix socket
               └─ starts ──▶ workers   decide, sign, and ask the writer to record

A worker whose writer is gone answers nothing but refusals.
"""
