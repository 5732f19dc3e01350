"""The kernel as a library: compiled with the machine's C compiler when it is first needed, then kept.

The file is named by a hash of the sources, the compiler's options and the processor, so that it is never stale and
never runs on a processor that it was not made for. It lies where Python keeps its own compiled code, beside the
sources, or where that cannot be written, with the runs.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from engine.home import home

HERE = Path(__file__).parent
OPTIONS = ("-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
TUNING = ("-march=native", "-mcpu=native", "-O3")  # tried in order: which of them a compiler knows differs
COMPILERS = ("cc", "gcc", "clang")
CPUINFO = Path("/proc/cpuinfo")


@cache
def key() -> str:
    digest = hashlib.sha256(" ".join((*OPTIONS, *TUNING, _processor())).encode())
    for source in sorted(HERE.glob("*.[ch]")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    flags = [line for line in _cpuinfo() if line.startswith(("flags", "Features", "model name"))]
    return " ".join([platform.system(), platform.machine(), platform.processor(), *sorted(set(flags))])


def _cpuinfo() -> list[str]:
    try:
        return CPUINFO.read_text().splitlines()
    except OSError:
        return []


def places() -> tuple[Path, ...]:
    return HERE / "__pycache__", home() / "native"


def library() -> ctypes.CDLL | None:
    """The compiled kernel, if there is one that can be loaded (from some disks nothing may be)."""
    for folder in places():
        path = folder / f"kernel-{key()}.so"
        if path.exists():
            with suppress(OSError):
                return _load(path)
    return None


def made() -> ctypes.CDLL:
    """The compiled kernel; compiles it and waits, if need be."""
    if found := library():
        return found
    begin(compiler() or COMPILERS[0]).wait()
    found = library()
    if found is None:
        raise OSError("the kernel could not be compiled: is there a C compiler?")
    return found


@cache
def _load(path: Path) -> ctypes.CDLL:
    found = ctypes.CDLL(str(path))
    found.run.restype = found.width.restype = ctypes.c_int64
    found.room_needed.restype = ctypes.c_int64
    found.run.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    found.room_needed.argtypes = (ctypes.c_void_p, ctypes.c_int64)
    return found


def compiler() -> str | None:
    return next((path for name in COMPILERS if (path := shutil.which(name))), None)


# $1 compiler, $2 source, $3 the file in the making, $4 the file; then the options
SCRIPT = """
compiler=$1 source=$2 part=$3 made=$4; shift 4
for tuning in {tuning}; do
  "$compiler" "$@" $tuning "$source" -o "$part" -lm && exec mv -f "$part" "$made"
done
rm -f "$part"; exit 1
"""


class Build:
    """A compilation in a process of its own: who needs the result asks ``running`` between other work."""

    def __init__(self, compiler: str) -> None:
        folder = next((folder for folder in places() if _writable(folder)), None)
        self._process = _start(compiler, folder) if folder else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self) -> None:
        if self._process is not None:
            self._process.wait()


_going: dict[int, Build] = {}  # by process: who is forked cannot wait for what its parent compiles


def begin(compiler: str) -> Build:
    """The compilation that this process has going, or else a new one: however many wait, the compiler runs once."""
    going = _going.get(os.getpid())
    if going is None or not going.running:
        going = _going[os.getpid()] = Build(compiler)
    return going


def _start(compiler: str, folder: Path) -> subprocess.Popen[bytes]:
    made = folder / f"kernel-{key()}.so"
    part = made.with_suffix(f".{os.getpid()}.part")  # renamed when complete: two that compile at once do no harm
    script = SCRIPT.format(tuning=" ".join(TUNING))
    return subprocess.Popen(
        ["sh", "-c", script, "sh", compiler, str(HERE / "kernel.c"), str(part), str(made), *OPTIONS],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
