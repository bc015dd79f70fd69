"""Every story is played twice: by commands alone, and through a running daemon."""

from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.issuer import Issuer
from tests.transcripts.broker.transcript import Stage, play, stories


@pytest.mark.parametrize("story", stories(), ids=lambda path: path.stem)
def test_commands_without_a_daemon(story: Path, broker: Broker, issuer: Issuer) -> None:
    """Each command answers as written when it opens the store itself."""
    if story.stem != "home":
        assert broker.run("init").code == 0
    written, seen = play(story, Stage(broker, issuer))
    assert seen == written


@pytest.mark.parametrize(
    "story", [path for path in stories() if path.stem != "home"], ids=lambda path: path.stem
)
def test_commands_through_the_daemon(story: Path, broker: Broker, issuer: Issuer) -> None:
    """Each command answers the same, word by word, when the daemon does the work."""
    assert broker.run("init").code == 0
    with broker.daemon():
        written, seen = play(story, Stage(broker, issuer))
    assert seen == written
