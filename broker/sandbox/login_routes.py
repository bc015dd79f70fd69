"""The pages and routes on which people and devices log in to the sandbox issuer."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from pydantic import ValidationError

from broker.sandbox.answers import Reply
from broker.sandbox.authorizations import Asked, Authorizations
from broker.sandbox.devices import Devices
from broker.sandbox.issuer import Decision, StrictIssuer, Wish
from broker.sandbox.pages import PLANS, Choice, consent_page, device_page, message_page
from broker.sandbox.routes import IssuerRoutes, body_fields, response
from fetchtoken.oauth.login.device import TOKEN_PATH, USERCODE_PATH

__all__ = ["LoginRoutes"]

_MOST_CHOICES = 8
_EMAIL_SIZE = range(3, 121)
_NO_FORM = Decision(text="refused: invalid_request", status=400, code="invalid_request")
_SAID = {
    "expired_request": "This login was decided before, or waited too long. Start it again.",
    "expired_token": "This code is no good any more. Start the login again.",
    "invalid_client": "The program that asks is not known here.",
    "invalid_request": "The address of this page is not that of a login.",
    "unknown_code": "No login waits for this code.",
}


class LoginRoutes:
    """Browser login and device login.

    Args:
        routes: the issuer's other routes, whose log these write.
        authorizations: decides about browsers.
        devices: decides about devices.
        now_s: the issuer's clock, epoch seconds.
    """

    def __init__(
        self,
        routes: IssuerRoutes,
        authorizations: Authorizations,
        devices: Devices,
        now_s: Callable[[], float],
    ) -> None:
        self._routes = routes
        self._authorizations = authorizations
        self._devices = devices
        self._now_s = now_s

    def add_to(self, app: web.Application) -> None:
        """Register the routes."""
        app.router.add_get("/oauth/authorize", self._ask)
        app.router.add_post("/oauth/authorize", self._decide)
        app.router.add_get("/codex/device", self._show_device)
        app.router.add_post("/codex/device", self._decide_device)
        app.router.add_post(USERCODE_PATH, self._json(self._devices.begin))
        app.router.add_post(TOKEN_PATH, self._json(self._devices.poll))

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        """``GET /oauth/authorize``: the page, or what is wrong with the link."""
        once = {key: value for key, value in request.query.items() if len(request.query.getall(key)) == 1}
        asked = self._authorizations.ask(once, self._now_s())
        if isinstance(asked, Asked):
            await self._routes.note(request, Decision(text="asked"), "", 200)
            target = asked.redirect_uri.partition("/auth/")[0]
            choices = choices_of(self._routes.issuer)
            return response(consent_page(asked.request_id, choices, target=target, client_id=asked.client_id))
        return await self._browse(request, asked)

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        """``POST /oauth/authorize``: Approve or Deny."""
        form = await _form(request)
        wish = _wish(form, self._routes.issuer)
        if isinstance(wish, str) or not _is_own(request):
            return await self._browse(request, _NO_FORM)
        return await self._browse(
            request, self._authorizations.decide(form.get("request", ""), wish, self._now_s())
        )

    async def _browse(self, request: web.Request, decision: Decision) -> web.StreamResponse:
        """Send the browser on, or say why not."""
        await self._routes.note(request, decision, "", decision.status)
        if location := decision.document.get("location"):
            headers = {"Location": location, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
            return web.Response(status=decision.status, headers=headers)
        said = _SAID.get(decision.code, decision.code)
        return response(message_page("This does not work", said, status=decision.status))

    async def _show_device(self, request: web.Request) -> web.StreamResponse:
        """``GET /codex/device``: where the code is typed."""
        await self._routes.note(request, Decision(text="asked"), "", 200)
        return response(device_page(choices_of(self._routes.issuer)))

    async def _decide_device(self, request: web.Request) -> web.StreamResponse:
        """``POST /codex/device``: Approve or Deny."""
        form = await _form(request)
        wish = _wish(form, self._routes.issuer)
        typed = form.get("user_code", "")[:16]
        if isinstance(wish, str) or not _is_own(request):
            decision = _NO_FORM
            said = wish if isinstance(wish, str) else _SAID["invalid_request"]
        else:
            decision = self._devices.decide(typed, wish, self._now_s())
            said = _SAID.get(decision.code, "")
        reply = self._decided(decision, typed, said)
        await self._routes.note(request, decision, "", reply.status)
        return response(reply)

    def _decided(self, decision: Decision, typed: str, said: str) -> Reply:
        if decision.code:
            return device_page(choices_of(self._routes.issuer), user_code=typed, problem=said)
        if decision.text == "denied":
            return message_page("Denied", "The device stays logged out. You can close this page.")
        return message_page("Approved", "The device goes on by itself. You can close this page.")

    def _json(
        self, judge: Callable[[Mapping[str, object], float], Decision]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return the handler of a route of the device flow."""

        async def handle(request: web.Request) -> web.StreamResponse:
            is_json = request.content_type == "application/json"
            decision = judge(await body_fields(request) if is_json else {}, self._now_s())
            return await self._routes.answer(request, decision)

        return handle


def choices_of(issuer: StrictIssuer) -> list[Choice]:
    """Return the people that the issuer knows, each once, the newest first."""
    people = {(login.account_id, login.user_id): login for login in issuer.logins}
    newest = list(people.values())[::-1][:_MOST_CHOICES]
    return [
        Choice(
            login.login_id,
            Wish(
                email=login.email,
                plan_type=login.plan_type,
                account_id=login.account_id,
                user_id=login.user_id,
            ),
        )
        for login in newest
    ]


def _wish(form: Mapping[str, str], issuer: StrictIssuer) -> Wish | str | None:
    """Return who logs in, ``None`` for nobody, or what is wrong with the form."""
    if form.get("decision") == "deny":
        return None
    chosen = form.get("account", "")
    email, plan = form.get("email", "").strip(), form.get("plan", "")
    known = choices_of(issuer)
    for choice in known:
        if chosen == choice.value or (chosen == "new" and choice.wish.email == email):
            return choice.wish
    if form.get("decision") != "approve" or chosen != "new" or plan not in PLANS:
        return "Choose an account."
    if len(email) not in _EMAIL_SIZE or "@" not in email:
        return "Type an e-mail address for the other account."
    try:
        return Wish(email=email, plan_type=plan)
    except ValidationError:
        return "Type an e-mail address for the other account."


def _is_own(request: web.Request) -> bool:
    """Tell whether a form came from one of our own pages (Fetch Metadata, RFC 6454)."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin", "")
    own = f"{request.scheme}://{request.host}"
    return site == "same-origin" and origin in ("", "null", own)


async def _form(request: web.Request) -> dict[str, str]:
    return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
