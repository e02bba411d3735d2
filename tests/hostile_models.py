"""An adapter that reaches for whatever would give the truth away; ``facts`` tell what it got hold of.

Each try returns what it reached, or raises. Paths that a cheat would guess come disguised in the settings, so that the
harness cannot take them for files that the model needs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.adapters.adapter import Adapter, Context, Settings, Split
from bench.data.trajectories import Answers, Queries, Trajectories

Try = Callable[[dict[str, str]], object]
TRIES: dict[str, Try] = {}
REACHED, KEPT_OUT = "reached", "kept out"
PTRACE_ATTACH, PTRACE_DETACH = 16, 17


def attempt(function: Try) -> Try:
    """Make a function one of the tries."""
    TRIES[function.__name__] = function
    return function


def disguise(paths: dict[str, str]) -> str:
    """Write paths so that nobody finds them in a text."""
    return json.dumps(paths).encode().hex()


with contextlib.suppress(OSError):  # whoever imports this module reads the data for it, if it can
    Path("stolen").write_bytes(Path("data/city_C.csv.gz").read_bytes())


class Hostile(Adapter):
    """Answers honestly enough to be scored, after it has tried everything."""

    name: ClassVar[str] = "hostile"

    class Settings(Settings):
        """paths: what a cheat would guess, disguised; tells: whether skip is where it tries and tells."""

        paths: str = ""
        tells: bool = False

    def outcomes(self) -> dict[str, str]:
        """Try everything once; say of each try what came of it."""
        paths = json.loads(bytes.fromhex(self.settings.paths))
        found = {}
        for name, function in TRIES.items():
            try:
                found[name] = f"{REACHED}: {function(paths)}"[:120]
            except BaseException as error:
                found[name] = f"{KEPT_OUT}: {type(error).__name__}: {error}"[:120]
        return found

    def skip(self, split: Split) -> str | None:
        """Try here, and tell by the reason, which is short."""
        if not self.settings.tells:
            return None
        return f"tried {len(TRIES)}, {REACHED}: " + " ".join(
            name for name, outcome in self.outcomes().items() if outcome.startswith(REACHED)
        )

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Try here."""
        self.found = self.outcomes()

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer with the middle of the grid."""
        return Answers.of(np.full(len(queries), 100), np.full(len(queries), 100))

    def save(self, folder: Path) -> None:
        """Keep what was found."""
        (folder / "found.json").write_text(json.dumps(self.found))

    def load(self, folder: Path) -> None:
        """Read it again."""
        self.found = json.loads((folder / "found.json").read_text())

    def facts(self) -> dict[str, str]:
        """Tell what came of each try."""
        return self.found


def _truth(thing: object) -> object:
    """Return the truth that an object holds, if it does."""
    truth = getattr(thing, "truth", None)
    if isinstance(truth, Trajectories) and len(truth):
        return f"{len(truth)} true cells"
    return None


@attempt
def frames(_paths: dict[str, str]) -> object:
    """Walk up the callers' local variables."""
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if found := _truth(value):
                return found
        frame = frame.f_back  # type: ignore[assignment]
    raise LookupError("no caller holds the truth")


@attempt
def garbage(_paths: dict[str, str]) -> object:
    """Ask the collector for every object of the process."""
    for thing in gc.get_objects():
        if type(thing).__name__ == "Prepared" and (found := _truth(thing)):
            return found
    raise LookupError("no object holds the truth")


@attempt
def source_folder(paths: dict[str, str]) -> object:
    """Read the data's own files, their place being known."""
    return len(next(Path(paths["source"]).glob("*")).read_bytes())


@attempt
def source_file(paths: dict[str, str]) -> object:
    """Read one by its name, without a look at the folder."""
    return len((Path(paths["source"]) / "city_C.csv.gz").read_bytes())


@attempt
def source_by_root(paths: dict[str, str]) -> object:
    """Read one through the root of a process."""
    return len(Path(f"/proc/self/root{paths['source']}/city_C.csv.gz").read_bytes())


@attempt
def parquet_cache(paths: dict[str, str]) -> object:
    """Read the copies that the reading of data leaves."""
    return len(next(Path(paths["cache"]).rglob("*.parquet")).read_bytes())


@attempt
def command_lines(paths: dict[str, str]) -> object:
    """Look for the data's folder in the command line of any process."""
    others = [path.name for path in Path("/proc").glob("[0-9]*")]
    for process in (str(os.getppid()), *others):
        if paths["source"].encode() in Path(f"/proc/{process}/cmdline").read_bytes():
            return f"the folder, from process {process}"
    raise LookupError("no command line names the data")


@attempt
def own_words(paths: dict[str, str]) -> object:
    """Look for the data's folder in what this process was given."""
    said = json.dumps([sys.argv, dict(os.environ), Path("/proc/self/cmdline").read_text()])
    if paths["source"] in said or paths["cache"] in said:
        return "a folder"
    raise LookupError("neither arguments nor environment name the data")


def _of_parent(name: str) -> bytes:
    return Path(f"/proc/{os.getppid()}/{name}").read_bytes()


@attempt
def parents_environment(_paths: dict[str, str]) -> object:
    """Read the runner's environment."""
    return len(_of_parent("environ"))


@attempt
def parents_memory_map(_paths: dict[str, str]) -> object:
    """Read where the runner's memory lies."""
    return len(_of_parent("maps").splitlines())


def _writable_region(process: int) -> tuple[int, int]:
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        where, rights = line.split()[:2]
        if rights.startswith("rw"):
            first, last = (int(part, 16) for part in where.split("-"))
            return first, last
    raise LookupError("no region")


@attempt
def parents_memory(_paths: dict[str, str]) -> object:
    """Read the runner's memory as a file."""
    first, _last = _writable_region(os.getppid())
    with Path(f"/proc/{os.getppid()}/mem").open("rb", buffering=0) as memory:
        memory.seek(first)
        return len(memory.read(4096))


@attempt
def parents_memory_by_call(_paths: dict[str, str]) -> object:
    """Read the runner's memory with process_vm_readv, at an address that both processes share by chance or fork."""

    class Piece(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))

    libc = ctypes.CDLL(None, use_errno=True)
    mine = ctypes.create_string_buffer(16)
    here = Piece(ctypes.cast(mine, ctypes.c_void_p), 16)
    there = Piece(0x10000, 16)
    got = libc.process_vm_readv(os.getppid(), ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    if got < 0 and ctypes.get_errno() == 14:  # EFAULT: allowed, at a wrong address
        return "the right to read"
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got


@attempt
def parents_debugger(_paths: dict[str, str]) -> object:
    """Stop the runner as a debugger does."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_ATTACH, os.getppid(), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.waitpid(os.getppid(), 0x40000000)
    libc.ptrace(PTRACE_DETACH, os.getppid(), 0, 0)
    return "a stopped runner"


@attempt
def parents_descriptors(_paths: dict[str, str]) -> object:
    """Read what files the runner has open."""
    return os.listdir(f"/proc/{os.getppid()}/fd")


@attempt
def parents_folder(_paths: dict[str, str]) -> object:
    """List the runner's current folder through its process."""
    return os.listdir(f"/proc/{os.getppid()}/cwd")


@attempt
def signal_to_parent(_paths: dict[str, str]) -> object:
    """Send the runner a signal (a harmless one)."""
    os.kill(os.getppid(), signal.SIGURG)
    return "the runner"


@attempt
def inherited_descriptors(paths: dict[str, str]) -> object:
    """Look for open files of the runner in this process."""
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith((paths["source"], paths["cache"], paths["runs"])) and "/locks/" not in target:
            return target
    raise LookupError("none of the runner's")


@attempt
def rivals_answers_read(paths: dict[str, str]) -> object:
    """Read other models' answers."""
    return len(next((Path(paths["runs"]) / "store" / "answers").glob("*.parquet")).read_bytes())


@attempt
def rivals_answers_written(paths: dict[str, str]) -> object:
    """Write into another model's answers."""
    # Its name is in nobody's way: a cheat has the code, the settings and the data, and can compute it.
    with (Path(paths["runs"]) / "store" / "answers" / paths["rival"]).open("r+b"):
        return "the right to write"


@attempt
def store_listed(paths: dict[str, str]) -> object:
    """List the store."""
    return os.listdir(Path(paths["runs"]) / "store" / "answers")


@attempt
def store_planted(paths: dict[str, str]) -> object:
    """Put a file of answers into the store."""
    return (Path(paths["runs"]) / "store" / "answers" / "planted.parquet").write_bytes(b"PAR1")


@attempt
def records_written(paths: dict[str, str]) -> object:
    """Put a record into the run."""
    folder = Path(paths["runs"]) / "cheat-humob" / "records"
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "planted.json").write_text("{}")


@attempt
def other_jobs(_paths: dict[str, str]) -> object:
    """Look for the folders of other workers."""
    return os.listdir("/tmp")


@attempt
def home(paths: dict[str, str]) -> object:
    """Read a private file of the user's."""
    return (Path(paths["home"]) / "secret.txt").read_text()


@attempt
def project_written(_paths: dict[str, str]) -> object:
    """Put a module beside the metrics, for the runner to import."""
    import bench

    path = Path(bench.__file__).parent / "planted_by_a_test.py"
    path.write_text("")
    path.unlink()
    return "the project's folder"


@attempt
def compiled_written(_paths: dict[str, str]) -> object:
    """Put compiled code where the runner reads its own."""
    import bench

    folder = Path(bench.__file__).parent / "__pycache__"
    folder.mkdir(exist_ok=True)
    path = folder / "planted_by_a_test.pyc"
    path.write_bytes(b"")
    path.unlink()
    return "the folder of compiled code"


@attempt
def site_packages_written(_paths: dict[str, str]) -> object:
    """Put a .pth file where every Python process runs it."""
    path = Path(np.__file__).parent.parent / "planted_by_a_test.pth"
    path.write_text("")
    path.unlink()
    return "site-packages"


@attempt
def own_module_written(_paths: dict[str, str]) -> object:
    """Rewrite this very file, for the runner's next import."""
    with Path(__file__).open("r+b"):
        return "this file"


@attempt
def hard_link(paths: dict[str, str]) -> object:
    """Make the data's file another name here."""
    target = Path(os.environ.get("TMPDIR", "/tmp")) / "linked.csv.gz"
    os.link(Path(paths["source"]) / "city_C.csv.gz", target)
    target.unlink()
    return "a link"


@attempt
def mounted(paths: dict[str, str]) -> object:
    """Mount the data's folder elsewhere, in a namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.environ.get("TMPDIR", "/tmp").encode()
    if libc.mount(paths["source"].encode(), here, None, 4096, None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    libc.umount2(here, 2)
    return "a mount"


@attempt
def by_a_child(paths: dict[str, str]) -> object:
    """Let a program of another kind read the data."""
    import subprocess

    command = ["/bin/cat", f"{paths['source']}/city_C.csv.gz"]
    return len(subprocess.run(command, capture_output=True, check=True).stdout)


@attempt
def kernel_memory(_paths: dict[str, str]) -> object:
    """Read the machine's memory or disk below all files (as root)."""
    for path in ("/proc/kcore", "/dev/mem", *Path("/dev").glob("[svx]d[a-z]"), *Path("/dev").glob("nvme*n*")):
        try:
            with open(path, "rb") as file:
                return f"{len(file.read(64))} bytes of {path}"
        except OSError:
            continue
    raise PermissionError("none can be opened")
