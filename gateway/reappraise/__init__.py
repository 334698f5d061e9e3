"""Evidence that a decision rested on, judged again by an auditor: offline, with the documents
that the signed record names by their digest.

`documents` finds them, `again` judges and compares, `since` says what stands of it now. Begin
with `decision`. `docs/verify.md` is the page for auditors.
"""
