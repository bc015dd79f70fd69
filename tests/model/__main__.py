"""``python -m tests.model [--depth N] [--large] [--json]``: what was explored, and which mistakes it sees.

The exit code is 1 where an invariant is broken or a mutant is not caught.
"""

import argparse
import json
import sys

from tests.model.survey import survey


def main() -> int:
    """Explore every scene, then look for every mutant."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--depth", type=int, default=100, help="moves from the start; all states by default")
    parser.add_argument("--large", action="store_true", help="scenes of millions of states, in minutes")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    options = parser.parse_args()
    found = survey(options.depth, large=options.large)
    text = json.dumps(found.to_document(), indent=2) if options.json else found.to_text()
    sys.stdout.write(text + "\n")
    return 0 if found.holds else 1


if __name__ == "__main__":
    sys.exit(main())
