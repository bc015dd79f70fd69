"""What a unit's ``[Service]`` asks for, as far as it can be had without systemd: Linux calls by ctypes.

Applied in this process: state directory, credential, read-only system, private tmp, hidden homes, a
/proc of processes only, a user namespace, no capabilities, no new privileges, no writable code.
Not applied: the system call filter, address families and device rules, which other tests hold
against what is really called.
"""

import ctypes
import grp
import os
import pwd
import resource
import shutil
from contextlib import suppress
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    1 << 14,
    1 << 18,
)
MNT_DETACH = 2
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 38, 65
_libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """Call the C library; raise where it says no."""
    words = [word.encode() if isinstance(word, str) else word for word in arguments]
    if getattr(_libc, name)(*words) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")


def mount(source, target, kind, flags=0, data=""):
    call("mount", source, str(target), kind, ctypes.c_ulong(flags), data)


def confine(unit, service):
    """Become what the unit says; returns the environment for its program.

    Args:
        unit: the unit's name.
        service: the last value of each key in ``[Service]``.
    """
    user = pwd.getpwnam(service["User"])
    group = grp.getgrnam(service["Group"])
    state = Path("/var/lib", service["StateDirectory"])
    state.mkdir(exist_ok=True)
    os.chown(state, user.pw_uid, group.gr_gid)
    state.chmod(int(service["StateDirectoryMode"], 8))
    credentials = _close_files(
        unit, service, user, [state, *map(Path, service.get("ReadWritePaths", "").split())]
    )
    _close_process(service, user.pw_uid, group.gr_gid)
    named = dict(item.split("=", 1) for item in service.get("Environment", "").split())
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "STATE_DIRECTORY": str(state),
        "CREDENTIALS_DIRECTORY": str(credentials),
        **named,
    }


def _on(service, *keys):
    """Tell which of the unit's switches are on; one that is off is a unit that this was not made for."""
    for key in keys:
        assert service.get(key) in ("yes", "strict", "pid", "invisible", ""), key


def _close_files(unit, service, user, writable):
    """Enter a mount namespace in which only what is writable for the unit can be written."""
    _on(service, "ProtectSystem", "PrivateTmp", "ProtectHome", "ProcSubset", "ProtectProc")
    call("unshare", CLONE_NEWNS)
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    credentials = _credentials(unit, service, user)
    for path in writable:
        mount(path.as_posix(), path, "", MS_BIND)
    _read_only({str(path) for path in writable})
    for path in ("/tmp", "/var/tmp"):
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for path in ("/home", "/root"):
        mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=000")
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible,subset=pid")
    return credentials


def _close_process(service, uid, gid):
    """Become the user for good, without a way back or up."""
    _on(service, "PrivateUsers", "NoNewPrivileges", "MemoryDenyWriteExecute", "CapabilityBoundingSet")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(int(service["UMask"], 8))
    os.setgroups([])
    _own_users(uid, gid)
    os.setresgid(gid, gid, gid)
    for number in range(int(Path("/sys/cap_last").read_text()) + 1):
        call("prctl", PR_CAPBSET_DROP, number, 0, 0, 0)
    os.setresuid(uid, uid, uid)
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with suppress(OSError):  # Linux before 6.3 has none; there systemd does it by its call filter
        call("prctl", PR_SET_MDWE, 1, 0, 0, 0)


def _credentials(unit, service, user):
    directory = Path("/run/credentials", unit)
    directory.mkdir(parents=True, exist_ok=True)
    mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700")
    name, _, source = service["LoadCredential"].partition(":")
    shutil.copyfile(source, directory / name)
    (directory / name).chmod(0o400)
    for path in (directory / name, directory):
        os.chown(path, user.pw_uid, user.pw_gid)
    mount("", directory, "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    return directory


def _read_only(besides):
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4]
        if point not in besides and not point.startswith(("/dev", "/proc", "/sys", "/run/credentials")):
            mount("", point, "", MS_REMOUNT | MS_BIND | MS_RDONLY)


def _own_users(uid, gid):
    """Enter a user namespace in which only root and the user exist; a child outside writes its maps."""
    asked, ask = os.pipe()
    told, tell = os.pipe()
    me = os.getpid()
    if os.fork() == 0:
        os.read(asked, 1)
        Path(f"/proc/{me}/uid_map").write_text(f"0 0 1\n{uid} {uid} 1\n")
        Path(f"/proc/{me}/gid_map").write_text(f"0 0 1\n{gid} {gid} 1\n")
        os.write(tell, b"x")
        os._exit(0)
    call("unshare", CLONE_NEWUSER)
    os.write(ask, b"x")
    assert os.read(told, 1)
    os.wait()
    for fd in (asked, ask, told, tell):
        os.close(fd)
