"""``python -m tests.support.run_fetchtoken``: the console script ``codex-fetchtoken``."""

import sys

from fetchtoken.entry import main

if __name__ == "__main__":
    sys.exit(main())
