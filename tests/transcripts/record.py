"""``python -m tests.transcripts.record STORY…``: write down what is seen now; then read the diff."""

import sys
import tempfile
from pathlib import Path

from tests.support.issuer import issuer_in_thread
from tests.transcripts.stage import Stage
from tests.transcripts.test_stories import begins_at_nothing
from tests.transcripts.transcript import play, stories


def main() -> None:
    """Record the stories named, or all."""
    for story in stories():
        if len(sys.argv) > 1 and story.stem not in sys.argv[1:]:
            continue
        with (
            tempfile.TemporaryDirectory() as root,
            issuer_in_thread() as issuer,
            Stage(Path(root), issuer) as stage,
        ):
            if not begins_at_nothing(story):
                stage.broker.run("init")
            _, seen = play(story, stage)
        story.write_text(seen.rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
