import json
import os
from pathlib import Path

import pytest

from fetchtoken.codex.replaceable import check_replaceable
from fetchtoken.domain.errors import Malformed, Unsafe
from fetchtoken.formats.codex import AuthFile
from tests.support.places import mounted, read_only


@pytest.fixture(params=["auth.json", "auth \\ \tfile\n.json"], ids=["plain", "odd name"])
def auth(request, tmp_path):
    """Return an auth file that can be replaced."""
    path = tmp_path / request.param
    path.touch(0o600)
    path.write_text(json.dumps({"tokens": {"access_token": "at"}}))
    return AuthFile({"tokens": {"access_token": "at"}}, str(path))


def test_an_ordinary_file_can_be_replaced(auth):
    """Nothing is changed by the question."""
    before = Path(auth.name).stat()
    check_replaceable(auth)
    assert Path(auth.name).stat() == before


def test_a_link_to_an_ordinary_file_can_be_replaced(auth, tmp_path):
    """The real file is what counts."""
    (tmp_path / "link").symlink_to(auth.name)
    check_replaceable(AuthFile(auth.document, str(tmp_path / "link")))


def test_a_hard_link_cannot(auth, tmp_path):
    """The other name would keep the spent token."""
    os.link(auth.name, tmp_path / "other")
    with pytest.raises(Unsafe, match="hard-linked") as caught:
        check_replaceable(auth)
    assert "-samefile" in caught.value.hint


def test_a_read_only_file_cannot(auth):
    """By its mode, even for root, as in Codex."""
    Path(auth.name).chmod(0o400)
    with pytest.raises(Unsafe, match="read-only") as caught:
        check_replaceable(auth)
    assert caught.value.hint.startswith("chmod 600")


def test_a_file_on_a_read_only_disk_cannot(auth, tmp_path):
    """The system says so itself."""
    with read_only(tmp_path), pytest.raises(OSError, match="Read-only"):
        check_replaceable(auth)


def test_a_file_that_is_mounted_by_itself_cannot(auth, tmp_path):
    """A container's volume of one file: rename fails with EBUSY, after the token would have been spent."""
    (tmp_path / "volume").write_text("{}")
    with (
        mounted(auth.name, "--bind", str(tmp_path / "volume")),
        pytest.raises(Unsafe, match="mounted") as caught,
    ):
        check_replaceable(auth)
    assert str(tmp_path) in caught.value.hint
    check_replaceable(auth)


def test_a_document_that_cannot_be_written_again_cannot(auth):
    """What was read must be writable before its token is spent."""
    deep = []
    for _ in range(50_000):
        deep = [deep]
    auth.document["future"] = deep
    with pytest.raises(Malformed, match="nested"):
        check_replaceable(auth)
