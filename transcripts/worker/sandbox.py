"""What a process may not do any more once it handles what strangers made: limits, and a filter of system calls.

Linux keeps all of it, on x86_64 and aarch64. Elsewhere the limits alone hold, as far as the system knows them;
:func:`enter` says what does not. Nothing can be taken back, so only a child that lives for this enters.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path

# https://www.man7.org/linux/man-pages/man2/prctl.2.html
_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38

# https://docs.kernel.org/userspace-api/seccomp_filter.html, and linux/seccomp.h, linux/audit.h, linux/bpf_common.h
_MODE_FILTER = 2
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # where they stand in struct seccomp_data

# What is needed to compute, to read what is open, and to write where something reads already. Each one's number is
# the kernel's, by the machine's name (https://www.man7.org/linux/man-pages/man2/syscall.2.html, asm/unistd.h).
# All else fails with EPERM: to open a file, a socket or another process, to start a program or a thread, to send a
# signal, to change limits.
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOWED = {
    "brk": (12, 214),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "dup": (32, 23),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "lseek": (8, 62),
    "madvise": (28, 233),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "pread64": (17, 67),
    "read": (0, 63),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "sigaltstack": (131, 132),
    "write": (1, 64),
    "writev": (20, 66),
}
_WITHOUT_NEW_CODE = {"mmap": (9, 222), "mprotect": (10, 226)}  # their third argument says what the memory is for
_PROT_EXEC = 4
# Its second argument says what is done. Left out is what has signals sent to others.
_FCNTL = (72, 25)
_FCNTL_ALLOWED = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC

_OPEN_FILES = 8


def die_with(parent: int) -> None:
    """Has the kernel kill this process as soon as ``parent``, a process id, is gone, however that ended."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(1)


def enter(*, memory_bytes: int, cpu_seconds: int) -> list[str]:
    """Give up all that a decoder needs not, for good. Returns what this system does not keep, in words.

    ``memory_bytes`` are those of the whole address space, what is mapped already included. Beyond ``cpu_seconds``
    the process gets SIGXCPU, which ends it. Import everything before: no file can be opened after this.
    """
    lacking = []
    if not _be_first_to_go():
        lacking.append("no preference for it when memory runs out")
    limits = {
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + 1),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_NOFILE: (_OPEN_FILES, _OPEN_FILES),
        resource.RLIMIT_NPROC: (0, 0),  # root is exempt; the filter is not
        resource.RLIMIT_AS: (memory_bytes, memory_bytes),
    }
    for limit, values in limits.items():
        try:
            resource.setrlimit(limit, values)
        except (OSError, ValueError) as error:  # macOS refuses RLIMIT_AS
            lacking.append(f"no limit {limit} ({error})")
    if sys.platform != "linux":
        return [*lacking, f"no filter of system calls on {sys.platform}"]
    if platform.machine() not in _MACHINES:
        return [*lacking, f"no filter of system calls on {platform.machine()}"]
    try:
        _filter_system_calls(platform.machine())
    except OSError as error:
        lacking.append(f"no filter of system calls ({error})")
    return lacking


def program(machine: str) -> bytes:
    """The filter for a machine, in classic BPF: instructions of 8 bytes (code, jump if so, jump if not, value)."""
    place = list(_MACHINES).index(machine)
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_JUMP_EQUAL, _MACHINES[machine], so=1),
        _instruction(_RETURN, _KILL),  # a call in the way of another architecture has other numbers
        _instruction(_LOAD, _NUMBER),
    ]
    for numbers in _ALLOWED.values():
        code += [_instruction(_JUMP_EQUAL, numbers[place], no=1), _instruction(_RETURN, _ALLOW)]
    for numbers in _WITHOUT_NEW_CODE.values():
        code += [
            _instruction(_JUMP_EQUAL, numbers[place], no=4),
            _instruction(_LOAD, _argument(2)),
            _instruction(_JUMP_SET, _PROT_EXEC, so=1),
            _instruction(_RETURN, _ALLOW),
            _instruction(_RETURN, _ERRNO | errno.EPERM),
        ]
    code += [_instruction(_JUMP_EQUAL, _FCNTL[place], no=1 + 2 * len(_FCNTL_ALLOWED))]
    code += [_instruction(_LOAD, _argument(1))]
    for command in _FCNTL_ALLOWED:
        code += [_instruction(_JUMP_EQUAL, command, no=1), _instruction(_RETURN, _ALLOW)]
    return b"".join([*code, _instruction(_RETURN, _ERRNO | errno.EPERM)])


def _instruction(code: int, value: int, *, so: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, so, no, value)


def _argument(index: int) -> int:
    return _ARGUMENTS + 8 * index  # the lower half: both machines put it first


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def _filter_system_calls(machine: str) -> None:
    code = program(machine)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(code) // 8, code)))


def _prctl(option: int, value: int, pointer: object = 0) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), pointer, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def _be_first_to_go() -> bool:
    """Where memory runs out on the machine, the kernel ends this process and not the worker (proc(5))."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return False
    return True
