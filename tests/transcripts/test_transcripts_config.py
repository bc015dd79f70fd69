"""The ``config`` commands, transcript by transcript."""

from pathlib import Path

import pytest

from tests.support.command import World
from tests.support.transcript import play

SCRIPTS = sorted((Path(__file__).parent / "config").glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_config_says_what_the_transcript_says(script: Path, tmp_path: Path):
    """Standard output, standard error and exit code of every command are as written."""
    play(script, World(tmp_path))


def test_there_are_transcripts():
    """An empty folder must not pass for a success."""
    assert len(SCRIPTS) >= 6
