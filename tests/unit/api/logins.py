"""A running API in front of a real store, for device logins from the asking to the credential."""

import json
import os
from contextlib import asynccontextmanager

from broker.domain.device import parse_user_code
from broker.ops.devices import Devices
from broker.store.store import Store
from tests.support.devices import Logins
from tests.support.records import NOW
from tests.unit.api.world import World, running

ADDRESS = "https://broker.example"
CALLBACK = f"{ADDRESS}/deviceauth/callback"
USER_CODE = "/api/accounts/deviceauth/usercode"
POLL = "/api/accounts/deviceauth/token"


class Marks:
    """Keeps the newest revision that it was told."""

    def __init__(self):
        self.top = 0

    async def reached(self, revision):
        self.top = max(self.top, revision)


class LoginWorld(World):
    """A broker with the accounts ``home``, ``work`` and ``other``, and Codex before it.

    Attributes:
        store: the real one.
        logins: past the API, into the store.
    """

    def __init__(self, store, logins):
        super().__init__()
        self.store = store
        self.logins = logins
        self.hash_key = store.api_key_hash_key
        self.marks = Marks()
        self.devices = Devices(store, self.roster, self.marks, lambda: self.now, os.urandom)

    async def follow(self):
        """Take in what is in the store, as a daemon does each second."""
        self.roster.apply(await self.store.snapshot())

    async def begin(self, **headers):
        """Ask for a login; return what Codex keeps."""
        response = await self.post(USER_CODE, {"client_id": "app_x"}, **headers)
        assert response.status == 200, response.content_bytes
        return json.loads(response.content_bytes)

    async def poll(self, kept, **changes):
        """Ask how a login goes."""
        fields = {name: kept[name] for name in ("device_auth_id", "user_code")}
        return await self.post(POLL, fields | changes)

    async def approved(self, kept=None, *, machine="box", account="work", **invite):
        """Ask, have it approved past the page, and return what Codex sends for its credential."""
        kept = kept or await self.begin()
        code = await self.logins.invited(**invite)
        offer = await self.logins.look(user_code_of(kept), code)
        await self.logins.approve(offer, account=account, machine=machine)
        told = json.loads((await self.poll(kept)).content_bytes)
        return {
            "grant_type": "authorization_code",
            "client_id": "app_x",
            "code": told["authorization_code"],
            "redirect_uri": CALLBACK,
            "code_verifier": told["code_verifier"],
        }

    async def redeem(self, fields, **changes):
        """Send it, as a form; a field that is changed to ``None`` is left out."""
        sent = {name: value for name, value in (fields | changes).items() if value is not None}
        return await self.post("/oauth/token", sent, form=True)


def user_code_of(kept):
    """Return the user code of what Codex keeps."""
    code = parse_user_code(kept["user_code"])
    assert code is not None
    return code


@asynccontextmanager
async def login_world(template, directory, **changes):
    """Serve, with a store of its own in a directory, copied from a template."""
    now = [NOW]
    store = await Store.open(template.copied(directory), template.seal, now=lambda: now[0])
    try:
        world = LoginWorld(store, await Logins.of(store))
        world.clock = now
        await world.follow()
        async with running(world, **({"public_url": ADDRESS} | changes)):
            yield world
    finally:
        await store.close()
