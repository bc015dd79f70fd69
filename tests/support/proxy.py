"""A real nginx or Caddy on loopback, with the configuration that the project ships.

What an operator sets (name, port, certificate, where the broker is) is put in by the test; every
other line is as shipped.
"""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon import LIMIT_S
from tests.support.need import need_program
from tests.support.wait import until_sync

__all__ = ["DEPLOY", "free_port", "serving", "write_caddy", "write_nginx"]

DEPLOY = Path(__file__).parents[2] / "deploy"

_MAIN = """\
worker_processes 1;
daemon off;
pid {root}/nginx.pid;
error_log {root}/error.log notice;
events {{ }}
http {{
    access_log {root}/access.log;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    include {root}/server.conf;
}}
"""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def write_nginx(root: Path, port: int, upstream: str, cert: Path, key: Path) -> list[str]:
    """Write the files; return the command line that serves from them."""
    server = _replaced(
        (DEPLOY / "nginx.conf").read_text(),
        ("    listen 443 ssl;\n", f"    listen 127.0.0.1:{port} ssl;\n"),
        ("    listen [::]:443 ssl;\n", ""),
        ("server_name broker.example.com", "server_name localhost"),
        ("/etc/ssl/broker.example.com/fullchain.pem", str(cert)),
        ("/etc/ssl/broker.example.com/privkey.pem", str(key)),
        ("server 127.0.0.1:7455", f"server {upstream}"),
    )
    (root / "server.conf").write_text(server)
    (root / "nginx.conf").write_text(_MAIN.format(root=root))
    return [
        need_program("nginx", "nginx-light"),
        "-p",
        str(root),
        "-c",
        "nginx.conf",
        "-e",
        f"{root}/error.log",
    ]


def write_caddy(root: Path, port: int, cert: Path, key: Path) -> list[str]:
    """Write the file; return the command line that serves from it."""
    name = "{$BROKER_HOST:broker.example.com} {\n"
    text = _replaced(
        (DEPLOY / "Caddyfile").read_text(), (name, f"https://localhost:{port} {{\n\ttls {cert} {key}\n")
    )
    (root / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + text)
    program = need_program("caddy", "caddy")
    return [program, "run", "--adapter", "caddyfile", "--config", str(root / "Caddyfile")]


@contextmanager
def serving(command: list[str], port: int, root: Path, **environ: str) -> Iterator[Path]:
    """Run a proxy until the block ends; gives its log."""

    def listens() -> bool:
        assert process.poll() is None, (root / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={"HOME": str(root), "PATH": "/usr/bin", **environ}
        )
    try:
        until_sync(listens)
        yield root / "log"
    finally:
        process.terminate()
        process.wait(LIMIT_S)
