"""Every transcript is played; those of the broker twice: by commands alone, and through a running daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.issuer import Issuer
from tests.transcripts.stage import Stage
from tests.transcripts.transcript import lines_of, play, stories


def begins_at_nothing(story: Path) -> bool:
    """Tell whether a story makes its own homes, or needs none."""
    made = [["codex-broker", "init"], ["codex-broker", "up"], ["codex-broker", "demo"]]
    return story.parent.name == "fetchtoken" or any(line.words[:2] in made for line in lines_of(story))


SERVED = [story for story in stories("broker") if not begins_at_nothing(story)]


@pytest.fixture
def stage(tmp_path: Path, issuer: Issuer) -> Iterator[Stage]:
    """Return a stage with nothing on it but a person's home."""
    with Stage(tmp_path, issuer) as stage:
        yield stage


@pytest.mark.parametrize("story", stories(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_commands_without_a_daemon(story: Path, stage: Stage) -> None:
    """Each command answers as written; the broker's open the store themselves."""
    if not begins_at_nothing(story):
        assert stage.broker.run("init").code == 0
    written, seen = play(story, stage)
    assert seen == written


@pytest.mark.parametrize("story", SERVED, ids=lambda path: path.stem)
def test_commands_through_the_daemon(story: Path, stage: Stage) -> None:
    """Each command answers the same, word by word, when the daemon does the work."""
    assert stage.broker.run("init").code == 0
    with stage.broker.daemon():
        written, seen = play(story, stage)
    assert seen == written


def test_there_are_stories_of_both_programs() -> None:
    """An empty folder must not pass for a success."""
    assert len(stories("broker")) >= 10
    assert len(stories("fetchtoken")) >= 7
