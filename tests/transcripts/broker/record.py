"""``python -m tests.transcripts.broker.record STORY…``: write down what is seen now; then read the diff."""

import sys
import tempfile
from pathlib import Path

from tests.support.broker import Broker
from tests.support.issuer import issuer_in_thread
from tests.transcripts.broker.transcript import Stage, play, stories


def main() -> None:
    """Record the stories named, or all."""
    for story in stories():
        if len(sys.argv) > 1 and story.stem not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as root, issuer_in_thread() as issuer:
            broker = Broker(Path(root), issuer)
            if story.stem != "home":
                broker.run("init")
            _, seen = play(story, Stage(broker, issuer))
        story.write_text(seen.rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
