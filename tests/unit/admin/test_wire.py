"""``admin.sock``: errors keep their class, nonsense is answered as such, a bug shows nothing."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from broker.admin.client import SocketCaller
from broker.admin.local import listen
from broker.admin.server import build_admin_app
from broker.admin.wire import PATH, Actor, Caller, from_problem, to_problem
from broker.telemetry.log import configure
from fetchtoken.domain import errors
from fetchtoken.domain.errors import FetchTokenError, Malformed, NotFound, Unavailable
from tests.support.broker import Broker
from tests.support.logins import auth_document

KINDS = [getattr(errors, name) for name in errors.__all__]


class Service:
    """Answers with its parameters, or as its name says."""

    async def call(self, operation: str, params: dict[str, Any], _actor: Actor) -> Any:
        if operation == "missing":
            raise NotFound("no such thing", hint="look elsewhere", code="gone")
        if operation == "broken":
            raise RuntimeError(params["secret"])
        return params


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Stand where a daemon would, read one request and answer with these bytes."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass  # closing with unread bytes would reset the answer away

    with listen(path) as listener:
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


async def ask(path: Path, operation: str, body: bytes) -> tuple[int, dict[str, Any]]:
    runner = web.AppRunner(build_admin_app(Service(), owner=0), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listen(path)).start()
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
            session.post(f"http://x{PATH}{operation}", data=body) as answer,
        ):
            return answer.status, await answer.json(content_type=None)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_crosses_the_socket(kind: type[FetchTokenError]) -> None:
    """Class, message, hint and code are the same on the other side."""
    sent = kind("what happened", hint="what to do", code="word")
    came = from_problem(json.loads(json.dumps(to_problem(sent))))
    assert type(came) is kind
    assert (came.message, came.hint, came.code) == ("what happened", "what to do", "word")


@pytest.mark.parametrize("document", [{}, {"exit_code": "x"}, {"exit_code": 99, "detail": 5}])
def test_an_odd_problem_is_a_bug(document: dict[str, Any]) -> None:
    """A problem that says too little is the root class: exit 1."""
    assert type(from_problem(document)) is FetchTokenError


async def test_results_and_problems(tmp_path: Path) -> None:
    """A result comes back as it is, an error as a problem document."""
    path = tmp_path / "admin.sock"
    assert await ask(path, "echo", b'{"a":[1]}') == (200, {"result": {"a": [1]}})
    status, problem = await ask(path, "missing", b"{}")
    assert (status, problem["exit_code"], problem["hint"]) == (409, 4, "look elsewhere")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff"])
async def test_a_body_that_is_no_object(tmp_path: Path, body: bytes) -> None:
    """Anything but a JSON object is exit 2."""
    status, problem = await ask(tmp_path / "admin.sock", "echo", body)
    assert (status, problem["exit_code"]) == (409, 2)


async def test_a_bug_keeps_its_text(tmp_path: Path) -> None:
    """An unexpected error is answered by its operation's name; its text stays in, in the log as well."""
    log = StringIO()
    configure(stream=log)
    status, problem = await ask(tmp_path / "admin.sock", "broken", b'{"secret":"rt_canary"}')
    assert (status, problem["exit_code"]) == (500, 1)
    assert "broken" in problem["detail"]
    assert "rt_canary" not in json.dumps(problem)
    assert "RuntimeError" in log.getvalue()
    assert "rt_canary" not in log.getvalue()


def test_an_unknown_operation_names_the_remedy(broker: Broker) -> None:
    """Command and daemon of different versions say so, with or without a daemon."""

    def call(caller: Caller, operation: str, **params: Any) -> str:
        with pytest.raises(errors.ConfigError) as caught:
            caller(operation, **params)
        return caught.value.hint

    assert broker.run("init").code == 0
    with broker.daemon():
        caller = SocketCaller(broker.home / "admin.sock")
        assert "restart the daemon" in call(caller, "account_teleport")
        assert "restart the daemon" in call(caller, "account_show", nom="x")
        assert "restart the daemon" in call(caller, "_took", account=1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", Unavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Unavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", Malformed),
        (b"nonsense\r\n\r\n", Unavailable),
    ],
    ids=["gone", "torn", "not JSON", "not an object", "not HTTP"],
)
def test_a_daemon_that_answers_nonsense(tmp_path: Path, answer: bytes, error: type[FetchTokenError]) -> None:
    """A daemon that dies in mid-answer is exit 5, one that talks nonsense exit 7."""
    with answering(tmp_path / "admin.sock", answer), pytest.raises(error):
        SocketCaller(tmp_path / "admin.sock")("accounts_list")


def test_nobody_listens(tmp_path: Path) -> None:
    """No socket, and one that a crash left behind, mean that no daemon runs."""
    caller = SocketCaller(tmp_path / "admin.sock")
    assert not caller.is_listening()
    with listen(tmp_path / "admin.sock"):
        pass
    assert not caller.is_listening()
    with listen(tmp_path / "admin.sock") as listener:
        listener.listen()
        assert caller.is_listening()


def test_operations_that_write_take_turns(broker: Broker) -> None:
    """Twenty clients made at once through the daemon are twenty clients."""
    assert broker.run("init").code == 0
    documents = [{"text": json.dumps(auth_document("opaque", refresh="rt_1")), "path": "test"}]
    with broker.daemon(), ThreadPoolExecutor(20) as people:
        caller = SocketCaller(broker.home / "admin.sock")
        caller("account_import", documents=documents, name="work", sole_owner=True)

        def add(number: int) -> str:
            added = caller("client_add", name=f"c{number}", accounts=["work"], scopes=["token"])
            return str(added["api_key"])

        keys = set(people.map(add, range(20)))
    assert len(keys) == 20
    assert len(broker.json("client", "list")) == 20


def test_one_socket_address_for_each_home(tmp_path: Path) -> None:
    """A socket file of somebody else's is replaced, not reused."""
    path = tmp_path / "admin.sock"
    path.write_text("something else")
    with listen(path) as listener:
        assert listener.family == socket.AF_UNIX
        assert path.is_socket()
