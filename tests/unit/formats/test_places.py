import pytest

from fetchtoken.formats.detect import FORMATS
from fetchtoken.formats.places import TOOLS, is_paused, name_of_file, tool_at

WHERE = {"home": "/h", "codex_home": "/h/.codex", "data_home": "/h/.local/share"}


@pytest.mark.parametrize(
    ("path", "form", "name"),
    [
        ("/h/.codex/auth.json", "codex", "Codex"),
        ("/elsewhere/login.json", "codex", "Codex"),
        ("/h/.codex/accounts/work.json", "codex", "scorpiox code or codex-fetchtoken"),
        ("/h/.codex/accounts/YWNjdA.auth.json", "codex", "codex-auth"),
        ("/h/.cli-proxy-api/codex-ada.json", "cliproxy", "CLIProxyAPI"),
        ("/h/.ccs/cliproxy/auth/codex-ada.json", "cliproxy", "CCS"),
        ("/h/.ccs/cliproxy/auth-paused/codex-ada.json", "cliproxy", "CCS"),
        ("standard input", "cliproxy", "CLIProxyAPI"),
        ("/h/.local/share/opencode/auth.json", "opencode", "opencode"),
        ("/h/.codex/multi-auth/openai-codex-accounts.json", "codex-multi-auth", "codex-multi-auth"),
        ("/srv/var/openai_codex_oauth_accounts/a.json", "llm-interactive-proxy", "llm-interactive-proxy"),
        ("/tmp/export.json", "codex-lb", "codex-lb"),
        ("/tmp/blob.json", "blob", "the program that keeps it"),
    ],
)
def test_the_tool_that_must_stop_is_known(path, form, name):
    """By the format, and among tools that share one by the place."""
    tool = tool_at(path, form)
    assert tool.name == name
    assert tool.refreshes
    assert tool.stop


def test_every_format_has_a_tool():
    """An import can always say who must stop."""
    assert {tool.form for tool in TOOLS} == set(FORMATS)


def test_places_follow_the_machines_directories():
    """Globs below the home, Codex's home and the data directory."""
    globs = [glob for tool in TOOLS for glob in tool.globs(**WHERE)]
    assert "/h/.codex/auth.json" in globs
    assert "/h/.ccs/cliproxy/auth-paused/codex-*.json" in globs
    assert "/h/.local/share/opencode/auth.json" in globs
    assert all(glob.startswith("/h/") and "{" not in glob for glob in globs)


def test_a_paused_file_of_ccs_is_told_by_its_directory():
    """The file itself does not say it."""
    assert is_paused("/h/.ccs/cliproxy/auth-paused/codex-ada.json")
    assert not is_paused("/h/.ccs/cliproxy/auth/codex-ada.json")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/h/.codex/accounts/work.json", "work"),
        ("/h/.codex/accounts/work.json.backup", "work"),
        ("/h/.codex/accounts/YWNjdA.auth.json", ""),
        ("/h/.codex/auth.json", ""),
        ("standard input", ""),
    ],
)
def test_a_files_own_name_counts_where_it_is_an_accounts(path, name):
    """``accounts/NAME.json``, and nothing else."""
    assert name_of_file(path) == name
