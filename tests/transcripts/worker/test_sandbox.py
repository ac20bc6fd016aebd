"""What a process in the sandbox tries to do, and cannot. Each tries it for real, in a process of its own."""

import errno
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from transcripts.worker import sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is the Linux kernel's")

ROOT = Path(__file__).parents[3]
MEGABYTE = 1 << 20

PROGRAM = """
import sys; sys.path.append({root!r})
import ctypes, errno, fcntl, mmap, os, resource, select, signal, socket, subprocess, threading
from transcripts.worker import sandbox
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "")
written = open({folder!r} + "/written", "wb", buffering=0)
lacking = sandbox.enter(memory_bytes={memory}, cpu_seconds={cpu})
assert not lacking, lacking
try:
    {attempt}
except BaseException as error:
    print(type(error).__name__, errno.errorcode.get(getattr(error, "errno", 0), ""))
else:
    print("done")
sys.stdout.flush()
os._exit(0)
"""


def attempt(folder: Path, code: str, *, memory: int = 256 * MEGABYTE, cpu: int = 20) -> subprocess.CompletedProcess:
    program = PROGRAM.format(root=str(ROOT), folder=str(folder), memory=memory, cpu=cpu, attempt=code)
    return subprocess.run(
        [sys.executable, "-I", "-c", program, str(os.getpid())], capture_output=True, text=True, cwd=folder
    )


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        pytest.param("socket.socket()", "PermissionError EPERM", id="a socket"),
        pytest.param("socket.socket(socket.AF_UNIX)", "PermissionError EPERM", id="a socket on this machine"),
        pytest.param("socket.socketpair()", "PermissionError EPERM", id="a pair of sockets"),
        pytest.param("open('new', 'w')", "PermissionError EPERM", id="a new file"),
        pytest.param("open('written', 'r+')", "PermissionError EPERM", id="a file to write to"),
        pytest.param("open('/etc/passwd')", "PermissionError EPERM", id="another file"),
        pytest.param("open('/proc/self/environ')", "PermissionError EPERM", id="its environment"),
        pytest.param("open('/dev/shm/x', 'w')", "PermissionError EPERM", id="shared memory"),
        pytest.param("os.listdir('/')", "PermissionError EPERM", id="a folder"),
        pytest.param("os.unlink('written')", "PermissionError EPERM", id="removal"),
        pytest.param("os.rename('written', 'moved')", "PermissionError EPERM", id="another name"),
        pytest.param("os.chmod('written', 0o777)", "PermissionError EPERM", id="other rights"),
        pytest.param("os.symlink('/etc/passwd', 'link')", "PermissionError EPERM", id="a link"),
        pytest.param("os.execv('/bin/true', ['true'])", "PermissionError EPERM", id="another program"),
        pytest.param("subprocess.run(['true'])", "PermissionError EPERM", id="a child's program"),
        pytest.param("os.fork()", "PermissionError EPERM", id="a child"),
        pytest.param("threading.Thread(target=print).start()", "RuntimeError ", id="a thread"),
        pytest.param("os.kill(int(sys.argv[1]), 0)", "PermissionError EPERM", id="a signal to the worker"),
        pytest.param("fcntl.fcntl(1, fcntl.F_SETOWN, int(sys.argv[1]))", "PermissionError EPERM", id="a late signal"),
        pytest.param("os.setsid()", "PermissionError EPERM", id="another session"),
        pytest.param("os.nice(5)", "PermissionError EPERM", id="another precedence"),
        pytest.param("resource.setrlimit(resource.RLIMIT_NOFILE, (1, 1))", "ValueError ", id="other limits"),
        pytest.param(
            "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)", "PermissionError EPERM", id="new code"
        ),
        pytest.param("select.epoll()", "PermissionError EPERM", id="what nobody thought of"),
        pytest.param("call(425, 1, 0)", "PermissionError EPERM", id="io_uring"),
        pytest.param("call(157, 1, 0)", "PermissionError EPERM", id="to outlive its parent"),
        pytest.param("written.write(b'x')", "OSError EFBIG", id="an open file to write to"),
        pytest.param("bytearray(300 << 20)", "MemoryError ", id="more memory"),
        pytest.param("[os.dup(0) for _ in range(20)]", "OSError EMFILE", id="many files"),
    ],
)
def test_it_keeps_a_process_from(code, outcome, tmp_path):
    result = attempt(tmp_path, code)

    assert result.stdout == f"{outcome}\n", result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["written"]
    assert (tmp_path / "written").read_bytes() == b""


def test_it_leaves_a_process_what_decoding_takes(tmp_path):
    code = "bytearray(50 << 20); os.read(0, 10); os.fstat(0); os.dup(0); os.urandom(8); sum(range(10**6))"

    assert attempt(tmp_path, code).stdout == "done\n"


def test_it_ends_a_process_that_computes_for_too_long(tmp_path):
    result = attempt(tmp_path, "any(iter(int, 1))", cpu=1)

    assert -result.returncode == signal.SIGXCPU


def test_it_ends_one_that_will_not_hear_of_it(tmp_path):
    code = "signal.signal(signal.SIGXCPU, signal.SIG_IGN); any(iter(int, 1))"

    assert -attempt(tmp_path, code, cpu=1).returncode == signal.SIGKILL


def test_it_leaves_no_core(tmp_path):
    result = attempt(tmp_path, "ctypes.string_at(0)")

    assert -result.returncode == signal.SIGSEGV
    assert [path.name for path in tmp_path.iterdir()] == ["written"]


def test_it_ends_at_once_if_its_parent_is_gone_already():
    code = f"import sys; sys.path.append({str(ROOT)!r}); from transcripts.worker.sandbox import die_with; die_with(1)"

    assert subprocess.run([sys.executable, "-I", "-c", f"{code}; print('alive')"], capture_output=True).stdout == b""


# --- the filter itself, also for the machine that these tests do not run on


KILLED, ALLOWED, REFUSED = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EPERM
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def verdict(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the kernel would decide: runs the program as `seccomp(2)` says."""
    data = struct.pack("=iIQ6Q", number, architecture, 0, *(arguments + (0,) * 6)[:6])
    code = list(struct.iter_unpack("=HBBI", program))
    at, held = 0, 0
    while True:
        operation, so, no, value = code[at]
        at += 1
        match operation:
            case 0x20:
                (held,) = struct.unpack_from("=I", data, value)
            case 0x15:
                at += so if held == value else no
            case 0x45:
                at += so if held & value else no
            case 0x06:
                return value


@pytest.mark.parametrize(
    ("machine", "read", "open_at", "mmap", "mprotect", "fcntl"),
    [("x86_64", 0, 257, 9, 10, 72), ("aarch64", 63, 56, 222, 226, 25)],
)
def test_its_filter_decides_alike_on(machine, read, open_at, mmap, mprotect, fcntl):
    program, here = sandbox.program(machine), ARCHITECTURES[machine]

    assert verdict(program, here, read) == ALLOWED
    assert verdict(program, here, open_at) == REFUSED
    assert verdict(program, here, mmap, 0, 4096, 3) == ALLOWED
    assert verdict(program, here, mmap, 0, 4096, 5) == REFUSED
    assert verdict(program, here, mprotect, 0, 4096, 4) == REFUSED
    assert verdict(program, here, fcntl, 0, 1030) == ALLOWED
    assert verdict(program, here, fcntl, 0, 8) == REFUSED  # F_SETOWN


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_its_filter_allows_few_calls_and_none_that_is_unknown(machine):
    program = sandbox.program(machine)

    allowed = [number for number in range(2_000) if verdict(program, ARCHITECTURES[machine], number) == ALLOWED]

    assert len(allowed) == 33
    assert verdict(program, ARCHITECTURES[machine], 0x40000000 | allowed[0]) == REFUSED  # x32


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_its_filter_ends_who_calls_in_the_way_of_another_machine(machine):
    assert verdict(sandbox.program(machine), 0x40000003, 0) == KILLED  # i386
