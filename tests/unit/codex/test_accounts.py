import pytest

from fetchtoken.codex.accounts import account_file, account_names, default_file


@pytest.fixture
def home(tmp_path):
    (tmp_path / "accounts").mkdir()
    return tmp_path


def test_only_files_of_accounts_are_accounts(home):
    """Files of other tools, locks, attempts, backups and odd names are left alone."""
    for name in (
        "work.json",
        "ann@example.com.json",
        "registry.json",
        "1f0e.auth.json",
        "auth.json.bak.1764000000",
        "work.bak.1.json",
        "work.json.backup",
        "work.json.lock",
        "work.refresh.lock",
        "work.json.attempt",
        ".work.json.0123456789ab.tmp",
        "Work.json",
        "device.json",
        "notes.txt",
    ):
        (home / "accounts" / name).touch()
    assert account_names(str(home)) == ["ann@example.com", "work"]


def test_no_directory_is_no_account(tmp_path):
    """Somebody who never had accounts has none."""
    assert account_names(str(tmp_path)) == []


def test_where_files_are():
    """As the local source and Codex look for them."""
    assert account_file("/h/.codex", "work") == "/h/.codex/accounts/work.json"
    assert default_file("/h/.codex") == "/h/.codex/auth.json"
