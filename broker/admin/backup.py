"""The operation behind ``backup``: the holder of the home writes, since only it has keys and store."""

import os
import stat
from typing import Any, BinaryIO

from broker.admin.desk import Desk
from broker.admin.wire import Actor
from broker.domain.audit import Action
from broker.ops.backup import DRAFT, write_backup
from broker.ops.drafts import is_draft
from broker.seal.passphrase import Stretched
from fetchtoken.domain.errors import ConfigError, Unavailable

__all__ = ["BackupOperations"]


class BackupOperations:
    """Write the store into a file of the home.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def backup_write(
        self, actor: Actor, draft: str, stretched: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Write a backup into an empty draft that the command has made in the home.

        The record of it comes first, so that every backup holds its own.

        Args:
            actor: who asks.
            draft: the file's name.
            stretched: put the master keys inside, under this stretched passphrase.

        Raises:
            ConfigError: the home has no such draft.
            Unavailable: it cannot be written.
        """
        desk = self._desk
        passphrase = None if stretched is None else Stretched.from_document(stretched)
        with self._open(draft) as file:
            detail = "with the master keys, under a passphrase" if passphrase else "without the master keys"
            await desk.store.record(desk.record(Action.BACKUP_MADE, actor, detail=detail))
            try:
                made = await write_backup(desk.store, file, now_s=desk.clock(), stretched=passphrase)
            except OSError as error:
                raise Unavailable(
                    f"the backup cannot be written in {desk.home.path}: {error.strerror}",
                    hint=f"df {desk.home.path}",
                ) from None
        return {**made.to_document(), "key_file": desk.store.keys.seal.keys.source}

    def _open(self, name: str) -> BinaryIO:
        """Open a draft; nothing else in the home can be named."""
        try:
            if not is_draft(name, DRAFT):
                raise FileNotFoundError
            flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(self._desk.home.path / name, flags)
        except OSError:
            raise ConfigError(
                f"there is no draft {name[:40]!r} in {self._desk.home.path}", hint="run codex-broker backup"
            ) from None
        file = os.fdopen(fd, "wb")
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size or status.st_nlink != 1:
            file.close()
            raise ConfigError(f"{name} is not an empty file", hint="run codex-broker backup")
        return file
