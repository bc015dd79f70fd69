"""The two walks to an authorization code, as a person makes them at a terminal."""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from dataclasses import dataclass

from fetchtoken.domain.errors import ConfigError, Malformed
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login import device
from fetchtoken.oauth.login.asking import Issuer
from fetchtoken.oauth.login.browser import authorize_url, read_paste, redirect_uri
from fetchtoken.oauth.login.callback import Callback
from fetchtoken.oauth.login.grant import Approval
from fetchtoken.oauth.login.person import Person, has_desktop, open_browser
from fetchtoken.oauth.login.pkce import Pkce, make_pkce

__all__ = ["Wishes", "walk"]

_TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a person wants to log in."""

    device: bool = False
    browser: bool = False
    no_open: bool = False
    """Show the link only."""

    def check(self) -> None:
        """Raise where the two ways are asked for at once.

        Raises:
            ConfigError: they are.
        """
        if self.device and self.browser:
            raise ConfigError("--device and --browser contradict each other", hint="leave one out")


def walk(issuer: Issuer, person: Person, wishes: Wishes) -> Approval:
    """Have somebody approve a login; return the code that stands for it.

    Without a wish the browser is taken where there is a desktop, else the device flow.

    Raises:
        Denied: they said no.
        Unsafe: the answer had another state.
        Unavailable: nobody approved in time, or the issuer cannot be reached.
        Malformed: the issuer said what nobody understands.
        ConfigError: both ports for the browser's answer are taken.
    """
    wishes.check()
    try:
        if wishes.browser or (not wishes.device and has_desktop(person.environ, sys.platform)):
            return _with_browser(issuer, person, open_it=not wishes.no_open)
        return _with_device(issuer, person)
    finally:
        person.clear()


def _with_device(issuer: Issuer, person: Person) -> Approval:
    code = issuer.device_code()
    page = device.page_url(issuer.url)
    person.say("open this page on any device, and type the code there:")
    person.show(page)
    person.show(code.user_code)
    person.show_qr(page)
    person.say("never give the code to anybody: who types it logs this machine in")
    end_s, interval_s = time.monotonic() + device.LIFE_S, code.interval_s
    while True:
        poll = issuer.poll(code)
        if poll.code is not None and poll.verifier is not None:
            return Approval(poll.code, poll.verifier, device.redirect_uri(issuer.url))
        interval_s += poll.slower_s
        _pause(person, min(interval_s, end_s - time.monotonic()), end_s)
        if time.monotonic() >= end_s:
            raise device.expired()


def _pause(person: Person, seconds: float, end_s: float) -> None:
    """Wait, and show how long the code is still good."""
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        person.progress(f"waiting for the approval, {_clock(end_s)} left")
        time.sleep(min(left_s, _TICK_S))


def _with_browser(issuer: Issuer, person: Person, *, open_it: bool) -> Approval:
    pkce = make_pkce(os.urandom)
    with Callback(pkce.state) as callback:
        link = authorize_url(issuer.url, client_id=issuer.client_id, port=callback.port, pkce=pkce)
        desktop = has_desktop(person.environ, sys.platform)
        opened = open_it and desktop and open_browser(link, person.environ, sys.platform)
        person.say("your browser opens this page; log in there:" if opened else "open this page and log in:")
        person.show(link)
        if not opened:
            _tell_tunnel(person, callback.port)
        code = _answer(callback, person, pkce)
        return Approval(code, pkce.verifier, redirect_uri(callback.port))


def _tell_tunnel(person: Person, port: int) -> None:
    """Say what to do where the browser is on another machine than we are."""
    person.say(
        "if the browser is on another machine, forward the port from there first:"
        f" ssh -L {port}:127.0.0.1:{port} {socket.gethostname() or 'HOST'}"
    )
    if person.stdin >= 0:
        person.say("or paste the address of the page that does not load at the end, here:")


def _answer(callback: Callback, person: Person, pkce: Pkce) -> Secret:
    """Wait for the browser, or for a paste, whichever comes first."""
    end_s = time.monotonic() + device.LIFE_S
    while (left_s := end_s - time.monotonic()) > 0:
        person.progress(f"waiting for the browser, {_clock(end_s)} left")
        listening: list[Callback | int] = [callback]
        if person.stdin >= 0:
            listening.append(person.stdin)
        ready, _, _ = select.select(listening, [], [], min(left_s, _TICK_S))
        if callback in ready and (code := callback.code()) is not None:
            return code
        if person.stdin in ready and (pasted := _pasted(person, pkce)) is not None:
            return pasted
    raise device.expired()


def _pasted(person: Person, pkce: Pkce) -> Secret | None:
    text = person.pasted()
    if not text:
        return None
    try:
        return read_paste(text, pkce.state)
    except Malformed as error:
        person.say(f"{error.message}; {error.hint}")
        return None


def _clock(end_s: float) -> str:
    left_s = max(0, int(end_s - time.monotonic()))
    return f"{left_s // 60}:{left_s % 60:02}"
