"""Which versions of the Codex CLI are met: all that are named, each once, and none passed over in silence."""

from pathlib import Path

import pytest

from tests.support.codex_cli import Release, releases


@pytest.fixture(autouse=True)
def _no_binary_named(monkeypatch):
    monkeypatch.delenv("CODEX_BIN", raising=False)


def prefix(root: Path, name: str, version: str) -> Path:
    """Make a directory as npm would leave it, with a program that says this version."""
    binary = root / name / "node_modules/@openai/codex-linux-x64/vendor/x/bin/codex"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho codex-cli {version}\n")
    binary.chmod(0o755)
    return root / name


def found(*prefixes: Path, monkeypatch) -> list[Release]:
    """Look anew, in these directories."""
    monkeypatch.setenv("CODEX_NPM_PREFIX", ":".join(map(str, prefixes)))
    return releases.__wrapped__()


def test_every_named_version_is_met(tmp_path, monkeypatch):
    """Two directories are two releases, in their order, named by what the programs say of themselves."""
    old, new = prefix(tmp_path, "a", "0.1.0"), prefix(tmp_path, "b", "0.2.0")
    met = found(old, new, monkeypatch=monkeypatch)
    assert [str(release) for release in met] == ["0.1.0", "0.2.0"]
    assert Path(met[0].need()).is_relative_to(old)
    assert Path(met[1].need()).is_relative_to(new)


def test_one_version_twice_is_met_once(tmp_path, monkeypatch):
    """Where the newest is the known one, nothing is run twice and nothing counts as missing."""
    pair = prefix(tmp_path, "a", "0.1.0"), prefix(tmp_path, "b", "0.1.0")
    assert [str(release) for release in found(*pair, monkeypatch=monkeypatch)] == ["0.1.0"]


def test_a_directory_without_one_is_missed(tmp_path, monkeypatch):
    """It stays in the list, so that its tests are skipped, or fail where nothing may be missing."""
    met = found(prefix(tmp_path, "a", "0.1.0"), tmp_path / "empty", monkeypatch=monkeypatch)
    assert [str(release) for release in met] == ["0.1.0", str(tmp_path / "empty")]
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="empty"):
        met[1].need()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="npm package @openai/codex"):
        met[1].need()


def test_a_named_binary_is_met_alone(tmp_path, monkeypatch):
    """``CODEX_BIN`` beats every directory."""
    other = prefix(tmp_path, "a", "0.1.0")
    binary = prefix(tmp_path, "b", "0.2.0") / "node_modules/@openai/codex-linux-x64/vendor/x/bin/codex"
    monkeypatch.setenv("CODEX_BIN", str(binary))
    assert found(other, monkeypatch=monkeypatch) == [Release("0.2.0", str(binary))]
