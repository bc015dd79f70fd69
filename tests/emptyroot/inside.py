"""PID 1 of an empty root: builds it in namespaces of its own, then runs steps in it.

``inside.py PLAN`` reads a JSON plan and prints one JSON line for each step that was run. Nothing of
the machine is changed: /usr is bound read-only, everything else is a tmpfs that ends with the process.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from confine import MNT_DETACH, MS_BIND, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT, call, mount

COPIED = ("nsswitch.conf", "ld.so.cache", "ld.so.conf", "login.defs", "mime.types")
TREES = ("alternatives", "ld.so.conf.d", "nginx", "pam.d", "security")
"""What /etc has on a machine with these packages."""

WRITTEN = {
    "passwd": """\
root:x:0:0::/root:/bin/bash
daemon:x:1:1::/:/bin/false
www-data:x:33:33::/var/www:/bin/false
nobody:x:65534:65534::/:/bin/false
""",
    "group": "root:x:0:\ndaemon:x:1:\nadm:x:4:\nwww-data:x:33:\nnogroup:x:65534:\n",
    "shadow": "root:*:1::::::\n",
    "machine-id": f"{1:032x}\n",
}
MADE = (
    *(
        "root",
        "tmp",
        "run",
        "home",
        "opt",
        "srv",
        "proc",
        "sys",
        "dev",
        "etc/ssl/certs",
        "etc/systemd/system",
    ),
    *("var/tmp", "var/lib/nginx", "var/log/nginx", "var/cache"),
)
ENVIRON = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/srv/wheels",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def build(root, plan):
    """Make the root; what lies in it afterwards is a machine's that was just installed."""
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", root, "tmpfs", 0, "mode=0755")
    for name in MADE:
        (root / name).mkdir(parents=True)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    (root / "root").chmod(0o700)
    _programs(root)
    _settings(root, plan["files"])
    mount("proc", root / "proc", "proc")
    (root / "sys/cap_last").write_text(Path("/proc/sys/kernel/cap_last_cap").read_text())
    shutil.copytree(plan["wheels"], root / "srv/wheels")
    shutil.copytree(plan["clone"], root / "usr/local/src/codex-token-broker")


def _programs(root):
    """Bind the machine's programs, and put the stand-in for systemctl beside them."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "usr").mkdir()
    mount("/usr", root / "usr", "", MS_BIND | MS_REC)
    mount("", root / "usr", "", MS_REMOUNT | MS_BIND | MS_RDONLY)
    local = root / "usr/local"
    mount("tmpfs", local, "tmpfs", 0, "mode=0755")
    for name in ("bin", "sbin", "src", "lib/standin"):
        (local / name).mkdir(parents=True)
    for name in ("systemctl.py", "confine.py"):
        shutil.copy(Path(__file__).parent / name, local / "lib/standin" / name)
    (local / "lib/standin/systemctl.py").chmod(0o755)
    (local / "sbin/systemctl").symlink_to("../lib/standin/systemctl.py")
    for name in ("null", "zero", "full", "random", "urandom"):
        (root / "dev" / name).touch()
        mount(f"/dev/{name}", root / "dev" / name, "", MS_BIND)


def _settings(root, files):
    for name in COPIED:
        if Path("/etc", name).exists():
            shutil.copy(Path("/etc", name), root / "etc" / name)
    for name in TREES:
        shutil.copytree(Path("/etc", name), root / "etc" / name, symlinks=True)
    written = {f"etc/{name}": text for name, text in WRITTEN.items()}
    for path, text in (written | files).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def run(step, before):
    """Run a step's text in bash, as its user; its input is a word that an earlier step printed."""
    name, pattern = step.get("stdin", ("", ""))
    stdin = re.search(pattern, before[name])[1] + "\n" if name else ""
    script = ["/usr/bin/bash", "-euo", "pipefail", "-c", step["text"]]
    home, where, become = "/root", "/usr/local/src/codex-token-broker", []
    if step["user"] != "root":
        home = f"/home/{step['user']}"
        where = f"{home}/codex-token-broker"
        become = ["/usr/sbin/runuser", "-u", step["user"], "--"]
    done = subprocess.run(
        [*become, *script],
        env={**ENVIRON, "HOME": home},
        cwd=where,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    return {"name": step["name"], "code": done.returncode, "out": done.stdout, "err": done.stderr}


def main(plan):
    root = Path(plan["root"])
    build(root, plan)
    # Not chroot: the kernel makes no user namespaces for those who sit in one.
    (root / "old").mkdir()
    os.chdir(root)
    subprocess.run(["/usr/sbin/pivot_root", ".", "old"], check=True)
    os.chdir("/")
    call("umount2", "/old", MNT_DETACH)
    Path("/old").rmdir()
    os.umask(0o022)
    subprocess.run(["/usr/sbin/ip", "link", "set", "lo", "up"], check=True)
    before = {}
    for step in plan["steps"]:
        told = run(step, before)
        before[step["name"]] = told["out"]
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        if told["code"]:
            return


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
