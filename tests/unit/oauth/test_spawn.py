import os
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from struct import pack

import pytest

from fetchtoken.oauth.spawn import (
    EXCHANGE,
    REFRESH_FILE,
    boot_clock_s,
    child_argv,
    child_environment,
    decode_frame,
    encode_frame,
    read_frame,
)

FRAME = {"kind": "exchange", "body": "é\n", "number": 1.5}

SECRETS = [
    "CODEX_REMOTE_API_KEY",
    "TOKEN_HTTP_API_KEY",
    "CODEX_SSH_PASS",
    "CODEX_ACCESS_TOKEN",
    "OPENAI_API_KEY",
    "OPENAI_CODEX_ACCESS_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "CREDENTIALS_DIRECTORY",
    "CODEX_BROKER_STORE_URL",
    "LD_PRELOAD",
    "PYTHONSTARTUP",
    "BASH_ENV",
]
NEEDED = ["PATH", "HOME", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
NEEDED += ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE", "SSL_CERT_DIR", "USERPROFILE", "SYSTEMROOT"]


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_in_the_environment_of_the_process(name):
    """Only what is on the list of names passes, so a secret of any other name does not."""
    assert child_environment({name: "canary", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize("name", NEEDED)
def test_what_the_request_needs_passes(name):
    """Proxies in both spellings, authorities, and where Python finds itself."""
    assert child_environment({name: "/value"}) == {name: "/value"}


@pytest.mark.parametrize("module", [EXCHANGE, REFRESH_FILE])
def test_the_command_line_says_nothing(module):
    """It is the same for every attempt: no URL, no account, no path of a file."""
    assert child_argv(module) == [sys.executable, "-P", "-m", module]
    assert find_spec(module) is not None


def test_the_boot_clock_goes_forward_for_every_process():
    """Two reads are in order, and the clock is the machine's, not the process's."""
    first = boot_clock_s()
    assert boot_clock_s() >= first > 0
    assert boot_clock_s() >= time.clock_gettime(time.CLOCK_MONOTONIC) - 1


def through_pipe(data, *, in_pieces=False):
    read_fd, write_fd = os.pipe()

    def write():
        pieces = [data[i : i + 1] for i in range(len(data))] if in_pieces else [data]
        with os.fdopen(write_fd, "wb", buffering=0) as end:
            for piece in pieces:
                end.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return read_frame(read_fd)
    finally:
        os.close(read_fd)
        writer.join()


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_frame_arrives_whole(in_pieces):
    """However many reads it takes."""
    assert through_pipe(encode_frame(FRAME), in_pieces=in_pieces) == FRAME


def test_a_frame_cut_at_any_byte_is_none():
    """The writer went away: that is not half a request, it is no request."""
    data = encode_frame(FRAME)
    assert [through_pipe(data[:cut]) for cut in range(len(data))] == [None] * len(data)


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b"\xff", b"x" * 10])
def test_a_frame_must_hold_an_object(payload):
    """Anything else is an error, not a request with nothing in it."""
    with pytest.raises(ValueError, match=r".+"):
        through_pipe(pack(">I", len(payload)) + payload)
    with pytest.raises(ValueError, match=r".+"):
        decode_frame(payload)


def test_an_absurd_length_is_not_waited_for():
    """The header alone is enough to refuse."""
    with pytest.raises(ValueError, match="too long"):
        through_pipe(pack(">I", 0xFFFFFFFF))


@pytest.mark.parametrize("name", ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_path_from_where_the_caller_stands_leads_to_the_same_place_from_the_root(name):
    """The exchange process works in ``/``: a relative path is made whole, a whole one and none stay."""
    assert child_environment({name: "ca/private.pem"}) == {name: str(Path.cwd() / "ca" / "private.pem")}
    assert child_environment({name: "/etc/ca.pem"}) == {name: "/etc/ca.pem"}
    assert child_environment({name: ""}) == {name: ""}
