"""What keeps the truth from a model: a worker reaches only the files it needs (Linux: Landlock), never the runner.

docs/trust.md says what this prevents and what it does not. The truth itself is cut off in splits.py.

A worker calls :func:`confine` before it imports any of a model's code. From then on the process, its threads and its
children can use only what was granted: they cannot open other files, nor read or stop other processes. Only the
standard library is imported here, because a thread that starts earlier would stay free. The kernel's own
description: Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # system calls, the same on x86-64 and ARM
VERSION, PATH_BENEATH = 1, 1
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
ALL_OF_1, REFER, TRUNCATE, IOCTL_DEV = (1 << 13) - 1, 1 << 13, 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
SCOPES = 0b11  # abstract sockets and signals stay within the confined

# What every process reads of the kernel. The rest of /proc, other processes above all, stays closed.
PROC = (
    *("cgroups", "cpuinfo", "devices", "driver", "filesystems", "loadavg", "meminfo", "modules"),
    *("mounts", "stat", "sys", "uptime", "version", "vmstat"),
)
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
GPU_DEVICES = ("nvidia*", "dri", "kfd", "dxg", "infiniband")


@dataclass(frozen=True)
class Grants:
    """What a confined process may use: paths with all that lies below them.

    reads: files and folders to read and to run; lists: folders whose names alone may be listed; writes: folders to read
    and write; gpu: whether the devices of a GPU are among them, and /proc as a whole, which its driver reads.
    """

    reads: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    gpu: bool = False

    def plain(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def available() -> int:
    """Return the version of Landlock that this kernel has; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(CREATE_RULESET, None, 0, VERSION))


def confine(grants: Grants) -> bool:
    """Give up everything but the grants; return whether this system can do so. Call it while there is one thread."""
    version = available()
    if not version:
        return False
    handled = ALL_OF_1 | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    handled |= IOCTL_DEV if version >= 5 else 0
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = (ctypes.c_uint64 * 3)(handled, 0, SCOPES if version >= 6 else 0)
    ruleset = _call(CREATE_RULESET, rules, size, 0)
    if ruleset < 0:
        return False
    try:
        read = EXECUTE | READ_FILE | READ_DIR
        for rights, paths in (
            (read, (*grants.reads, *_of_the_system(grants.gpu))),
            (READ_DIR, grants.lists),
            (handled, grants.writes),
            (read | WRITE_FILE | (handled & IOCTL_DEV), _devices(grants.gpu)),
            (handled, ["/dev/shm"]),
        ):
            for path in paths:
                _grant(ruleset, path, rights)
        return _prctl(PR_SET_NO_NEW_PRIVS, 1) == 0 and _call(RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def hide(names: Iterable[str] = ()) -> None:
    """Close this process's memory, environment and open files to other processes of its user (Linux).

    names: what to blot out at the end of arguments in this process's command line, which all may read.
    """
    if sys.platform != "linux":
        return
    _prctl(PR_SET_DUMPABLE, 0)
    blot_out([name for name in names if name])


def blot_out(names: list[str]) -> None:
    """Write asterisks over what some arguments of this process end with, where the kernel keeps its command line."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        first, last = int(fields[45]), int(fields[46])  # arg_start and arg_end, fields 48 and 49 of proc(5)
        arguments = Path("/proc/self/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return
    if not first or last - first != len(arguments):
        return
    place = first
    for argument in arguments.split(b"\0"):
        for name in map(os.fsencode, names):
            if argument.endswith(name):
                ctypes.memset(place + len(argument) - len(name), ord("*"), len(name))
        place += len(argument) + 1


def _of_the_system(gpu: bool) -> list[str]:
    if gpu:
        return ["/proc"]
    return [_pinned_self(), *(f"/proc/{name}" for name in PROC)]


def _pinned_self() -> str:
    """Return this process's own folder in /proc, held open for as long as it lives: a rule ends with its inode."""
    global _self
    _self = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    return f"/proc/{os.getpid()}"


_self = -1


def _devices(gpu: bool) -> list[str]:
    found = [f"/dev/{name}" for name in DEVICES]
    for pattern in GPU_DEVICES if gpu else ():
        found += [str(path) for path in Path("/dev").glob(pattern)]
    return found


def _grant(ruleset: int, path: str, rights: int) -> None:
    """Add a rule; what is not there needs none."""

    class Rule(ctypes.Structure):
        _pack_ = 1
        _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))

    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= OF_FILES
        if rights and _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(Rule(rights, handle)), 0) < 0:
            raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}", path)
    finally:
        os.close(handle)


def _call(number: int, *arguments: Any) -> int:
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *words))


def _prctl(option: int, value: int) -> int:
    zero = ctypes.c_ulong(0)
    return int(ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), zero, zero, zero))
