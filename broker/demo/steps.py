"""The steps of the demo, in order; each does one thing and says in one sentence what came of it."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from broker.demo.issuer import control, requests_seen, usage_status
from broker.demo.world import Failed, World
from fetchtoken.domain.claims import decode_claims
from fetchtoken.files.atomic import replace_file

__all__ = ["STEPS", "Step"]

_ACCOUNT = "demo"
_RECOVERY_LIMIT_S = 30.0
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Args:
        name: one word, by which a failure is named.
        plan: what is going to happen.
        act: does it and returns what came of it; raises :class:`Failed`.
    """

    name: str
    plan: str
    act: Callable[[World], str]


def _sandbox(world: World) -> str:
    info = world.root / "issuer.json"
    world.start("issuer", [*world.programs.broker, "sandbox", "--port", "0", "--info", str(info)])
    try:
        document = json.loads(info.read_text())
        world.issuer_url, world.issuer_control = document["url"], document["control_token"]
    except (OSError, ValueError, KeyError) as error:
        raise Failed(f"the issuer does not say where it is: {type(error).__name__}") from None
    return f"it listens on {world.issuer_url}"


def _login(world: World) -> str:
    minted = control(world, "POST", "/logins", {"email": f"{_ACCOUNT}@example.com"})
    try:
        world.auth_file.parent.mkdir(mode=0o700)
        replace_file(str(world.auth_file), json.dumps(minted["auth_json"], indent=2).encode())
    except OSError as error:
        raise Failed(f"{world.auth_file} cannot be written: {error.strerror}") from None
    return f"{world.auth_file} holds an access token and a refresh token, as codex login leaves it"


def _start(world: World) -> str:
    extra = {"CODEX_BROKER_ISSUER_URL": world.issuer_url}
    line = world.start("broker", [*world.programs.broker, "up", "--port", "0"], extra)
    word, _, world.broker_url = line.partition(" ")
    if word != "ready":
        raise Failed(f"the broker said {line[:80]!r} instead of ready")
    return f"it is ready on {world.broker_url}"


def _adopt(world: World) -> str:
    world.broker("account", "adopt", str(world.auth_file), "--name", _ACCOUNT)
    tokens = json.loads(world.auth_file.read_text())["tokens"]
    if tokens["refresh_token"]:
        raise Failed(f"{world.auth_file} still holds the refresh token")
    return "the broker holds the refresh token now, the file an access token only"


def _client(world: World) -> str:
    made = json.loads(world.broker("client", "add", "laptop", "--account", _ACCOUNT, "--json"))
    replace_file(str(world.key_file), (made["api_key"] + "\n").encode())
    return f"its API key lies in {world.key_file}, the broker keeps a hash of it"


def _fetch(world: World) -> str:
    world.token = _fetched(world)
    _must_live(world)
    return f"it printed an access token of {len(world.token)} characters, which the issuer's backend accepts"


def _rotate(world: World) -> str:
    before = world.token
    world.broker("account", "refresh", _ACCOUNT, "--force")
    world.token = _fetched(world)
    if world.token == before:
        raise Failed("the command still prints the old token")
    _must_live(world)
    return "the command prints the new token"


def _crash(world: World) -> str:
    control(world, "POST", "/faults", {"name": "hold"})
    forced = subprocess.Popen(  # noqa: S603 - our own program
        [*world.programs.broker, "account", "refresh", _ACCOUNT, "--force"],
        cwd=world.root,
        env=world.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while control(world, "GET", "/held?count=1&wait_s=1")["held"] != 1:
            if forced.poll() is not None:
                raise Failed("the command ended before its exchange reached the issuer")
        world.kill("broker")
    finally:
        forced.kill()
        forced.wait()
        control(world, "POST", "/release")
    return "the issuer had rotated the token, its answer was on the way, and the broker was dead"


def _restart(world: World) -> str:
    _start(world)
    end_s = time.monotonic() + _RECOVERY_LIMIT_S
    while (detail := json.loads(world.broker("account", "show", _ACCOUNT, "--json")))["generation"] < 2:
        if time.monotonic() > end_s:
            raise Failed(f"the account is {detail['state']} at generation {detail['generation']}")
        time.sleep(_PAUSE_S)
    return "the exchange process had outlived the broker and written the answer down, so nobody had to ask"


def _judge(world: World) -> str:
    before = world.token
    world.token = _fetched(world)
    if world.token == before:
        raise Failed("the command still prints the token from before the crash")
    _must_live(world)
    sent = [entry for entry in requests_seen(world) if entry["route"] == "POST /oauth/token"]
    if [entry["generation"] for entry in sent] != [0, 1] or any(
        entry["decision"] != "rotated" for entry in sent
    ):
        raise Failed("the issuer saw other exchanges than one of each generation")
    return "each refresh token was sent exactly once, and the newest access token lives"


def _fetched(world: World) -> str:
    extra = {
        "CODEX_TOKEN_SOURCE": "remote",
        "CODEX_REMOTE_URL": world.broker_url,
        "CODEX_REMOTE_API_KEY_FILE": str(world.key_file),
    }
    token = world.run([*world.programs.fetchtoken, "--force-refresh"], extra)
    if decode_claims(token) is None:
        raise Failed("the command printed something else than a token")
    return token


def _must_live(world: World) -> None:
    status = usage_status(world, world.token)
    if status != 200:
        raise Failed(f"the issuer's backend answers {status} to the token")


STEPS = (
    Step(
        "sandbox", "Start a strict issuer: single-use refresh tokens, a second use kills the login.", _sandbox
    ),
    Step("login", "Log in there, as codex login would.", _login),
    Step("broker", "Start a broker with an empty home.", _start),
    Step("adopt", "Let the broker adopt the login.", _adopt),
    Step("client", "Make a client that may use this account.", _client),
    Step("fetch", "Fetch a token over HTTP with codex-fetchtoken.", _fetch),
    Step("rotate", "Force a rotation.", _rotate),
    Step(
        "crash", "Force another one, and kill -9 the broker while the issuer's answer is held back.", _crash
    ),
    Step("restart", "Start the broker again.", _restart),
    Step("verdict", "Ask whether anything was lost; the issuer's log is the judge.", _judge),
)
"""In order."""
