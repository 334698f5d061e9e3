"""Remote attestation: evidence to claims to a result (RFC 9334).

One module reads and verifies one technology: `parse_…` takes bytes and knows no key, `verify_…`
takes what was parsed with anchors and an instant and gives `Claims`. `appraise` judges the
claims of every technology alike. Nothing here asks the network or reads a clock.
"""
