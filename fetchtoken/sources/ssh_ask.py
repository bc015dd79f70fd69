"""The cold half of the SSH source: ask the host, a person where one is there, and keep what it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from socket import socket

from fetchtoken.domain.errors import Unavailable
from fetchtoken.domain.token import Token
from fetchtoken.settings import Settings
from fetchtoken.sources.cache import Copy
from fetchtoken.sources.copies import ask_or_copy
from fetchtoken.sources.request import Request
from fetchtoken.sources.ssh import peer_of
from fetchtoken.sources.ssh_answer import (
    NOT_INSTALLED,
    command_lines,
    file_line,
    token_of_command,
    token_of_file,
)
from fetchtoken.ssh import person
from fetchtoken.ssh.errors import LockedKey, UnknownHost, translated
from fetchtoken.ssh.knownhosts import add_line, fingerprint
from fetchtoken.ssh.route import Leg, connected, itinerary, way_out
from fetchtoken.ssh.run import Done, run
from fetchtoken.ssh.target import Target

__all__ = ["ask", "converse", "target_of"]

Runner = Callable[[str], Awaitable[Done]]
"""Runs one command line on the host."""


def ask(settings: Settings, request: Request, path: str, copy: Copy | None) -> Token:
    """Return the host's token and keep a copy of it.

    Args:
        settings: which host, and how to get in.
        request: what is demanded.
        path: the file of the copy.
        copy: the copy, where there is one to fall back on.

    Raises:
        FetchTokenError: as for :func:`fetchtoken.sources.ssh.fetch`.
    """
    target = target_of(settings)

    def host(deadline_s: float) -> tuple[Token, str]:
        return _with_person(target, settings.ssh_command, request, deadline_s), ""

    return ask_or_copy(host, target.peer, request, path, copy)


def target_of(settings: Settings) -> Target:
    """Return the host that the settings name, and how to get in."""
    return Target(
        host=settings.ssh_host,
        port=settings.ssh_port,
        user=settings.ssh_user,
        peer=peer_of(settings),
        home=settings.home,
        environ=settings.environ,
        key=settings.ssh_key,
        password=settings.ssh_password,
        known_hosts=settings.ssh_known_hosts,
    )


def _with_person(target: Target, command: str, request: Request, deadline_s: float) -> Token:
    """Ask the host; where it is unknown, or a key locked, ask the person first and then again."""
    while True:
        try:
            return _talk(target, command, request, deadline_s)
        except (UnknownHost, LockedKey) as error:
            if not request.interactive or not person.is_there():
                raise error from None
            with person.unhurried() as passed:
                target = _after_asking(target, error)
            deadline_s += passed[0]
            request.deadline += passed[0]


def _after_asking(target: Target, error: UnknownHost | LockedKey) -> Target:
    """Return the target with what the person has said; raise where that is no."""
    if isinstance(error, LockedKey):
        phrase = person.ask_passphrase(f"passphrase of {error.path}: ")
        return replace(target, passphrases={**target.passphrases, error.path: phrase})
    shown = fingerprint(error.key)
    said = person.ask_line(
        f"{error.message}\n{error.compare},\ntype yes, or the fingerprint, to add it to {error.file}: "
    )
    if said not in ("yes", shown.split()[1]):
        raise error from None
    add_line(error.file, error.host, error.port, error.key)
    return target


def _talk(target: Target, command: str, request: Request, deadline_s: float) -> Token:
    """Find the way, and have the conversation."""
    legs = itinerary(target)
    try:
        with way_out(legs[0], deadline_s) as sock:
            return _in_a_loop(_conversation(legs, sock, command, request, deadline_s))
    except Unavailable as error:
        error.hint = error.hint or "check CODEX_SSH_HOST, or try again later"
        raise


async def _conversation(
    legs: tuple[Leg, ...], sock: socket, command: str, request: Request, deadline_s: float
) -> Token:
    peer = legs[-1].target.peer
    try:
        async with asyncio.timeout(deadline_s - time.monotonic()), connected(legs, sock) as connection:

            async def on_the_host(line: str) -> Done:
                return await run(connection, line, peer)

            return await converse(on_the_host, peer, command, request)
    except TimeoutError as error:
        raise translated(error, peer, login="") from None


async def converse(on_the_host: Runner, peer: str, command: str, request: Request) -> Token:
    """Run the command, look for it elsewhere, and read the host's own login where there is none.

    Args:
        on_the_host: runs a command line there.
        peer: the host, for messages.
        command: ``CODEX_SSH_COMMAND``.
        request: what is demanded.

    Raises:
        FetchTokenError: what the host's answers mean.
    """
    for line in command_lines(command, request.account, request.min_valid_s):
        done = await on_the_host(line)
        if done.code != NOT_INSTALLED:
            return token_of_command(peer, done, request.account)
    done = await on_the_host(file_line(request.account))
    return token_of_file(peer, done, request.account, min_valid_s=request.min_valid_s, now_s=time.time())


def _in_a_loop(work: Coroutine[None, None, Token]) -> Token:
    """Run a coroutine to its end, in a thread of its own where this one has a loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_quietly(work))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _quietly(work)).result()


async def _quietly(work: Coroutine[None, None, Token]) -> Token:
    """Do the work; what a connection says after its end is nobody's concern."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    return await work
