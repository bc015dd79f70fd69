import pytest

from fetchtoken.codex.user_manager import UserManager
from fetchtoken.domain.errors import Unavailable
from tests.support.setting_up import recording_systemctl


def manager(directory, **wishes):
    log = recording_systemctl(directory, **wishes)
    return UserManager({"PATH": str(directory)}), log


def test_what_it_is_asked(tmp_path):
    """The words of systemctl(1), for the user's own manager."""
    one, log = manager(tmp_path)
    assert one.is_there
    one.reload()
    one.start("x.timer")
    one.stop("x.timer")
    assert log.read_text().splitlines() == [
        "--user show-environment",
        "--user daemon-reload",
        "--user enable --now x.timer",
        "--user disable --now x.timer",
    ]


def test_where_there_is_none(tmp_path):
    """No program, or one that reaches no manager, as in containers and over sudo."""
    assert not UserManager({"PATH": str(tmp_path)}).is_there
    assert not UserManager({}).is_there
    assert not manager(tmp_path, fails="show-environment")[0].is_there


@pytest.mark.parametrize("word", ["daemon-reload", "enable"])
def test_one_that_refuses(tmp_path, word):
    """Its own words and the command are shown: exit 5."""
    one, _ = manager(tmp_path, fails=word)
    with pytest.raises(Unavailable, match=f"systemctl --user {word}.*ended with 1: Failed to do that"):
        {"daemon-reload": one.reload, "enable": lambda: one.start("x.timer")}[word]()


def test_stopping_what_is_not_there_is_no_error(tmp_path):
    """Undo may be run again."""
    manager(tmp_path, fails="disable")[0].stop("x.timer")


def test_a_program_that_cannot_be_run(tmp_path):
    """A broken systemctl counts as none."""
    (tmp_path / "systemctl").write_text("#!/nonexistent\n")
    (tmp_path / "systemctl").chmod(0o755)
    assert not UserManager({"PATH": str(tmp_path)}).is_there
