"""`python -m gateway.cli`: the same as `charter`."""

import sys

from gateway.cli.main import main

sys.exit(main())
