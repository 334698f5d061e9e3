"""Exit codes; each means one thing, whatever the command."""

OK = 0  # permitted, verified, nothing wrong
FAILED = 1  # could not do it
REFUSED = 2  # denied, not verified, a case that does not hold, too little coverage
POLICY_ERRORS = 3  # the charters have errors
INDETERMINATE = 4
