"""The way to a host: straight, through a ``ProxyCommand``, or over jump hosts, each of them verified."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from socket import socket
from typing import NamedTuple

import asyncssh
from asyncssh import SSHClientConnection

from fetchtoken.domain.errors import ConfigError
from fetchtoken.net.connect import open_tcp
from fetchtoken.settings.keys import host_value, port_value, user_value
from fetchtoken.ssh.errors import translated
from fetchtoken.ssh.keys import Ring, open_ring
from fetchtoken.ssh.knownhosts import KnownHosts
from fetchtoken.ssh.proxy import through_command
from fetchtoken.ssh.target import Place, Target, place_of
from fetchtoken.ssh.trust import Witness, host_key_algorithms, verdict

__all__ = ["Leg", "connected", "hop_of", "itinerary", "way_out"]

_MOST_HOPS = 8
_GOODBYE_S = 1.0

logging.getLogger("asyncssh").addHandler(logging.NullHandler())  # else its warnings went to standard error


class Leg(NamedTuple):
    """One host on the way, and what ``~/.ssh/config`` says of it."""

    target: Target
    place: Place


def itinerary(target: Target) -> tuple[Leg, ...]:
    """Return the hosts on the way to a target, itself the last.

    The first jump host may have jump hosts of its own; those after it are reached by way of it.

    Raises:
        ConfigError: ``~/.ssh/config`` makes no sense, or leads in a circle.
    """
    return _legs(target, 0)


def _legs(target: Target, depth: int) -> tuple[Leg, ...]:
    if depth >= _MOST_HOPS:
        raise ConfigError(f"ProxyJump leads over more than {_MOST_HOPS} hosts", hint="look at ~/.ssh/config")
    place = place_of(target)
    hops = [hop_of(target, text) for text in place.jumps]
    if not hops or (target.host, target.port) in [(hop.host, hop.port) for hop in hops]:
        return (Leg(target, place),)  # straight, as a jump host is that all hosts are told to use
    others = (Leg(hop, place_of(hop)) for hop in hops[1:])
    return (*_legs(hops[0], depth + 1), *others, Leg(target, place))


@contextmanager
def way_out(leg: Leg, deadline_s: float) -> Iterator[socket]:
    """Connect to the first host on the way; nothing is said yet.

    Args:
        leg: that host.
        deadline_s: on the monotonic clock.

    Raises:
        Unavailable: there is no connection.
    """
    target, place = leg
    if place.proxy_command:
        with through_command(place.proxy_command, target.peer, target.environ) as sock:
            yield sock
        return
    with open_tcp(place.host, place.port, target.peer, deadline_s) as sock:
        yield sock


@asynccontextmanager
async def connected(legs: tuple[Leg, ...], sock: socket) -> AsyncIterator[SSHClientConnection]:
    """Log in to each host on the way, and to the last; disconnect at the end.

    Args:
        legs: as ``itinerary`` gives them.
        sock: as ``way_out`` gives it for the first of them.

    Raises:
        UnknownHost: the key of one of them is in no known_hosts file.
        LockedKey: our key needs a passphrase.
        FetchTokenError: anything else that went wrong, as ``translated`` says.
    """
    async with AsyncExitStack() as stack:
        via = None
        for leg in legs:
            via = await _log_in(leg, sock if via is None else None, via)
            stack.push_async_exit(_parting(via))
        if via is None:
            raise ValueError(legs)
        yield via


async def _log_in(leg: Leg, sock: socket | None, via: SSHClientConnection | None) -> SSHClientConnection:
    target, place = leg
    known = KnownHosts(place.known_hosts).of(*place.known_as)
    ring = await open_ring(target, place)
    witness = Witness()
    try:
        return await asyncssh.connect(
            target.host,
            target.port or (),
            sock=sock,
            tunnel=via,
            config=target.config_files,
            username=target.user or (),
            client_factory=lambda: witness,
            known_hosts=lambda *_: (known.keys, known.authorities, known.revoked),
            server_host_key_algs=() if place.chooses_host_keys else host_key_algorithms(known),
            client_keys=list(ring.pairs) or None,
            password=target.password.reveal() if target.password else None,
            preferred_auth=_methods(target),
            agent_path=None,
            # Nothing of this machine is offered to the other, and nothing is unpacked for it.
            agent_forwarding=False,
            canonicalize_hostname=False,
            client_host_keysign=False,
            compression_algs=["none"],
            connect_timeout=None,
            env=None,
            gss_host=None,
            host_based_auth=False,
            pkcs11_provider=None,
            request_pty=False,
            send_env=None,
            x11_forwarding=False,
            x509_trusted_cert_paths=[],
            x509_trusted_certs=None,
        )
    except asyncssh.HostKeyNotVerifiable as error:
        if witness.key is None:
            raise translated(error, target.peer, login="") from None
        raise verdict(witness.key, known, place, target.peer) from None
    except (asyncssh.Error, OSError, ValueError) as error:
        raise translated(error, target.peer, login=_login_hint(target, ring)) from None
    finally:
        if ring.agent is not None:
            ring.agent.close()


def _methods(target: Target) -> str:
    return "publickey,keyboard-interactive,password" if target.password else "publickey"


def _login_hint(target: Target, ring: Ring) -> str:
    if ring.locked:
        return f"ssh-add {ring.locked[0]}"
    if ring.passed_over:
        return f"{ring.passed_over[0]}; set its mode right, or set CODEX_SSH_KEY"
    if not ring.pairs and not target.password:
        return "set CODEX_SSH_KEY, or ssh-add a key"
    port = f"-p {target.port} " if target.port else ""
    user = f"{target.user}@" if target.user else ""
    return f"try ssh -v {port}{user}{target.host}"


def _parting(connection: SSHClientConnection) -> Callable[..., Awaitable[None]]:
    """Return what ends a connection: with a word where all went well, at once where time is over."""

    async def part(_kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            connection.abort()
            return
        connection.close()
        with suppress(TimeoutError, OSError, asyncssh.Error):
            async with asyncio.timeout(_GOODBYE_S):
                await connection.wait_closed()

    return part


def hop_of(target: Target, text: str) -> Target:
    """Return one jump host of a ``ProxyJump``: its key and password are not those of the target.

    Args:
        target: the host to which it leads.
        text: ``[USER@]HOST[:PORT]``, or the same as an ``ssh:`` URI.

    Raises:
        ConfigError: it is none.
    """
    user, _, place = text.removeprefix("ssh://").rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]") or (":" in host.strip("[]") and not host.endswith("]")):
        host, port = place, ""
    where = "ProxyJump in ~/.ssh/config"
    try:
        return replace(
            target,
            host=host_value(where, host.strip("[]") or "-"),
            port=port_value(where, port) if port else 0,
            user=user_value(where, user) if user else "",
            peer=f"jump host {text}",
            key="",
            password=None,
        )
    except ConfigError as error:
        raise ConfigError(f"{where}: {text[:80]!r} is no host", hint=error.hint) from None
