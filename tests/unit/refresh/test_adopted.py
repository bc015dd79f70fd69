"""Adopted files follow each rotation, and nobody's new login is ever replaced."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from broker.domain.records import Account
from broker.refresh.adopted import FileState, is_adopted, look_at, rewrite
from fetchtoken.domain.errors import Unsafe
from fetchtoken.formats.codex import access_only_document, parse_auth_file
from tests.support.need import need_root
from tests.unit.refresh.conftest import World


async def adopted(world: World, path: Path) -> Account:
    """Return an account whose file is access-only, as ``account adopt`` leaves it."""
    account = await world.add(source="adopt", source_path=str(path))
    auth = parse_auth_file(json.dumps(world.logins["work"].document), str(path))
    save(path, access_only_document(auth.token(), now_s=0))
    return account


def save(path: Path, document: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))


def token_in(path: Path) -> str:
    return str(json.loads(path.read_text())["tokens"]["access_token"])


async def rotate(world: World) -> Account:
    """Rotate, and wait for the file's writer."""
    account = await world.coordinator.refresh((await world.row()).id, force=True)
    await world.shop.adopted.close(within_s=30)
    return account


async def test_a_rotation_reaches_the_file(world: World, tmp_path: Path) -> None:
    """After a rotation the file holds the new access token, no refresh token, and mode 0600."""
    path = tmp_path / "auth.json"
    await adopted(world, path)
    renewed = await rotate(world)
    assert token_in(path) == renewed.access_token.reveal()
    assert json.loads(path.read_text())["tokens"]["refresh_token"] == ""
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_new_login_in_the_file_stays(world: World, tmp_path: Path) -> None:
    """A file that holds a refresh token again is left as it is, and said so."""
    path = tmp_path / "auth.json"
    await adopted(world, path)
    save(path, world.logins["work"].document)
    before = path.read_bytes()
    with capture_logs() as lines:
        await rotate(world)
    assert path.read_bytes() == before
    assert [line["event"] for line in lines if "file" in line] == ["adopted_file_holds_a_login"]
    assert look_at(await world.row()) is FileState.LOGIN


async def test_a_file_that_is_gone_is_not_made(world: World, tmp_path: Path) -> None:
    """Whoever removed the file does not get it back, and no lock file beside it."""
    path = tmp_path / "codex" / "auth.json"
    path.parent.mkdir()
    await adopted(world, path)
    path.unlink()
    await rotate(world)
    assert list(path.parent.iterdir()) == []


async def test_a_failure_never_stops_a_rotation(world: World, tmp_path: Path) -> None:
    """A directory that others can write is refused: a log line, and the rotation stands."""
    directory = tmp_path / "shared"
    directory.mkdir()
    path = directory / "auth.json"
    await adopted(world, path)
    directory.chmod(0o777)
    with capture_logs() as lines:
        renewed = await rotate(world)
    assert renewed.generation == 1
    assert token_in(path) != renewed.access_token.reveal()
    assert "adopted_file_not_rewritten" in [line["event"] for line in lines]
    with pytest.raises(Unsafe, match="written by others"):
        rewrite(renewed, 0.0)


async def test_another_accounts_file_stays(world: World, tmp_path: Path) -> None:
    """A file that belongs to somebody else by now is none of the broker's."""
    path = tmp_path / "auth.json"
    account = await adopted(world, path)
    other = replace(account, user_id="user-other")
    assert look_at(other) is FileState.OTHER


async def test_a_strangers_file_is_not_looked_at(world: World, tmp_path: Path) -> None:
    """A file of another user than the daemon's is left to ``codex-fetchtoken sync``."""
    need_root("giving a file away")
    path = tmp_path / "auth.json"
    account = await adopted(world, path)
    os.chown(path, 4711, 4711)
    assert look_at(account) is FileState.ABSENT


async def test_a_newer_token_is_not_overwritten(world: World, tmp_path: Path) -> None:
    """A slow writer of an older rotation leaves what a faster one wrote."""
    path = tmp_path / "auth.json"
    account = await adopted(world, path)
    assert look_at(replace(account, access_token=account.refresh_token)) is FileState.BEHIND
    older = replace(account, access_token=account.refresh_token, issued_at=(account.issued_at or 0) - 60)
    assert look_at(older) is FileState.CURRENT


async def test_only_adopted_accounts_have_a_file(world: World, tmp_path: Path) -> None:
    """What was imported, or is not adopted to the end, keeps its file as it is."""
    account = await adopted(world, tmp_path / "auth.json")
    assert is_adopted(account)
    assert not is_adopted(replace(account, source="import"))
    assert not is_adopted(replace(account, adopting=True))
