"""``python -m tests.support.run_broker``: the console script ``codex-broker``."""

import sys

from broker.cli import main

if __name__ == "__main__":
    sys.exit(main())
