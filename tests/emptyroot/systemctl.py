#!/usr/bin/python3
"""``systemctl`` for a root without systemd: carries out the lines of deploy/README.md by the unit files.

A service runs by its own ExecStart, confined as :mod:`confine` can, and is started when it has said
READY=1. A timer that is enabled has its service run once, as if its time had come.
"""

import json
import os
import pwd
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from confine import confine

RUN = Path("/run/standin")
PLACES = ("/etc/systemd/system", "/usr/lib/systemd/system")
LIMIT_S = 60


def read(unit, places):
    """Return the last value of each key of a unit, and all values of those that may be many."""
    path = next((Path(place, unit) for place in places if Path(place, unit).exists()), None)
    if path is None:
        sys.exit(f"Unit {unit} could not be found.")
    pairs = [line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and line[0] != "#"]
    return dict(pairs), [value for key, value in pairs if key == "ExecStartPre"]


def words(text, service):
    home = pwd.getpwnam(service["User"]).pw_dir if "User" in service else str(Path.home())
    return [word.replace("%h", home).replace("%%", "%") for word in shlex.split(text.lstrip("-"))]


def supervise(unit, service):
    """Run a service's program and note what it says and how it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        address = RUN / f"{unit}.notify"
        address.unlink(missing_ok=True)
        channel.bind(str(address))
        address.chmod(0o777)
        channel.settimeout(0.05)
        with Path("/var/log", f"{unit}.log").open("ab") as log:
            program = os.fork()
            if program == 0:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
                try:
                    environ = confine(unit, service)
                    environ["NOTIFY_SOCKET"] = str(address)
                    environ["WATCHDOG_USEC"] = str(int(service.get("WatchdogSec", 0)) * 1_000_000)
                    command = words(service["ExecStart"], service)
                    os.execve(command[0], command, environ)  # noqa: S606 - as systemd does
                finally:
                    sys.excepthook(*sys.exc_info())
                    os._exit(99)
        (RUN / f"{unit}.pid").write_text(str(program))
        while True:
            with suppress(TimeoutError):
                said = channel.recv(65536).decode()
                with (RUN / f"{unit}.said").open("a") as notes:
                    notes.write(json.dumps(said.splitlines()) + "\n")
                if "READY=1" in said:
                    (RUN / f"{unit}.ready").touch()
            ended, status = os.waitpid(program, os.WNOHANG)
            if ended:
                (RUN / f"{unit}.ended").write_text(str(os.waitstatus_to_exitcode(status)))
                return


def start(unit, places):
    service, before = read(unit, places)
    kind = service.get("Type")
    if kind == "forking":
        for text in (*before, service["ExecStart"]):
            subprocess.run(words(text, service), check=True)
        return
    if "StateDirectory" not in service:  # a user's
        subprocess.run(words(service["ExecStart"], service), check=True)
        return
    RUN.mkdir(exist_ok=True)
    for name in ("ready", "ended"):
        (RUN / f"{unit}.{name}").unlink(missing_ok=True)
    if os.fork() == 0:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        supervise(unit, service)
        os._exit(0)
    wanted, end_s = "ended" if kind == "oneshot" else "ready", time.monotonic() + LIMIT_S
    while not (RUN / f"{unit}.{wanted}").exists():
        if time.monotonic() > end_s or (RUN / f"{unit}.ended").exists():
            sys.exit(f"{unit} failed:\n" + Path("/var/log", f"{unit}.log").read_text()[-4000:])
        time.sleep(0.02)
    if kind == "oneshot" and (code := (RUN / f"{unit}.ended").read_text()) != "0":
        sys.exit(f"{unit} ended with {code}:\n" + Path("/var/log", f"{unit}.log").read_text()[-4000:])


def stop(unit):
    os.kill(int((RUN / f"{unit}.pid").read_text()), signal.SIGTERM)
    end_s = time.monotonic() + LIMIT_S
    while not (RUN / f"{unit}.ended").exists():
        if time.monotonic() > end_s:
            sys.exit(f"{unit} does not end")
        time.sleep(0.02)
    if (code := (RUN / f"{unit}.ended").read_text()) != "0":
        sys.exit(f"{unit} ended with {code}")


def main(arguments):
    places = PLACES
    if arguments[0] == "--user":
        arguments, places = arguments[1:], (str(Path.home() / ".config/systemd/user"),)
    verb, *rest = arguments
    for unit in (word for word in rest if not word.startswith("--")):
        if verb in ("enable", "start"):
            # What is enabled without --now would begin at the next boot.
            if verb == "start" or "--now" in rest:
                read(unit, places)
                start(unit.replace(".timer", ".service"), places)
        elif verb == "stop":
            stop(unit)
        elif verb == "restart":
            stop(unit)
            start(unit, places)
        elif verb == "reload":
            service, _ = read(unit, places)
            subprocess.run(words(service["ExecReload"], service), check=True)
        else:
            sys.exit(f"systemctl {verb}: not known here")


if __name__ == "__main__":
    main(sys.argv[1:])
