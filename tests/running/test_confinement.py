"""What a confined process can and cannot do, and what a worker is granted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_run import HERE, Go

from bench.running import grants as given
from bench.running.confinement import Grants, available, confine
from bench.running.executor import environment

landlock = pytest.mark.skipif(not available(), reason="this system has no Landlock")
LIMITS = {"threads": 1, "temporary": "/t", "compiled": "/c"}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Run code in a process confined to some grants and the Python that runs it; return what it prints."""

    def run(code: str, *, lists: tuple[str, ...] = (), writes: tuple[str, ...] = ()) -> str:
        reads, _ = given._python()
        rules = Grants(reads=(*reads, str(tmp_path / "read")), lists=lists, writes=writes)
        start = f"from bench.running.confinement import Grants, confine\nassert confine({rules!r})\n"
        env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        told = subprocess.run(
            [sys.executable, "-P", "-c", start + code],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        return told.stdout.strip() or told.stderr.strip().splitlines()[-1]

    for folder in ("read", "write", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text(folder)
    return run


@landlock
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("print(open('read/file').read())", "read"),
        ("print(open('write/file').read())", "write"),
        ("open('write/new', 'w').write('x'); print('done')", "done"),
        ("import os; os.truncate('write/file', 0); print('done')", "done"),
        ("import os; os.rename('write/file', 'write/file2'); print('done')", "done"),
        ("open('read/new', 'w')", "PermissionError"),
        ("open('read/file', 'a')", "PermissionError"),
        ("import os; os.truncate('read/file', 0)", "PermissionError"),
        ("import os; os.unlink('read/file')", "PermissionError"),
        ("open('other/file')", "PermissionError"),
        ("import os; os.listdir('.')", "PermissionError"),
        ("import os; print(len(os.listdir('other')))", "1"),
        ("import os; os.symlink('../other/file', 'write/link'); open('write/link')", "PermissionError"),
        ("import os; os.rename('other/file', 'write/moved')", "Error: "),
        ("import threading as t; x = []; a = t.Thread(target=lambda: x.append(open('other/file')));"
         " a.start(); a.join(); print(len(x))", "0"),
        ("import os; print(len(open('/proc/self/status').read()) > 0, len(open('/proc/meminfo').read()) > 0)",
         "True True"),
        ("import os; open(f'/proc/{os.getppid()}/status')", "PermissionError"),
        ("import os; open('/dev/null', 'w').write('x'); print(len(os.urandom(3)))", "3"),
        ("import multiprocessing as m; print(m.Lock())", "<Lock"),
    ],
)  # fmt: skip
def test_a_confined_process_has_its_grants_and_no_more(
    run: Callable[..., str], tmp_path: Path, code: str, says: str
) -> None:
    assert says in run(code, lists=(str(tmp_path / "other"),), writes=(str(tmp_path / "write"),))


def test_without_landlock_nothing_is_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.running.confinement.available", lambda: 0)
    assert confine(Grants()) is False


def test_settings_grant_what_they_name_but_nothing_that_holds_the_data(tmp_path: Path) -> None:
    data, weights = tmp_path / "all" / "data", tmp_path / "weights"
    for folder in (data, weights):
        folder.mkdir(parents=True)
    settings = {"base": str(weights), "deep": [{"answers": str(tmp_path / "all")}], "word": "B", "path": str(data)}
    found, reached = given.grants(settings, folders=[], reads=[], writes=[], hidden=[data], gpu=False)
    assert str(weights) in found.reads
    assert not {str(tmp_path / "all"), str(data)} & set(found.reads)
    assert reached == ()


def test_data_among_what_every_worker_reads_are_told(tmp_path: Path) -> None:
    inside = tmp_path / "package" / "data"
    inside.mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").write_text("")
    _, reached = given.grants({}, folders=[str(tmp_path)], reads=[], writes=[], hidden=[inside], gpu=False)
    assert reached == (inside,)


def test_a_record_says_so_where_every_worker_reaches_the_data(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = HERE.parent / "bench" / "data"
    monkeypatch.setattr("bench.data.sources.synthetic.Synthetic.folders", lambda _self: (inside,))
    _, records, said = go("user_mode")
    assert [(record.status, record.confined) for record in records] == [("done", False)] * 2
    assert sum(f"models can read {inside};" in line for line in said.lines) == 1


def test_an_outsiders_folder_grants_modules_and_packages_alone(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    found, _ = given.grants({}, folders=[str(tmp_path)], reads=[], writes=[], hidden=[], gpu=False)
    mine = {Path(path).name for path in found.reads if Path(path).parent == tmp_path}
    assert mine == {"model.py", "package"}
    assert str(tmp_path) in found.lists


def test_a_workers_environment_names_no_data_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBILITY_BENCH_CACHE", "/somewhere")
    monkeypatch.setenv("THEIR_DATA", "/private/data")
    monkeypatch.setenv("HARMLESS", "/private/database")
    monkeypatch.setenv("PATH", f"/private/bin{os.pathsep}/usr/bin")
    env = environment(LIMITS, [Path("/private/data")])
    assert not {"MOBILITY_BENCH_CACHE", "THEIR_DATA"} & set(env)
    assert env["HARMLESS"] == "/private/database"
    assert env["PATH"].endswith("/usr/bin")
    assert (env["TMPDIR"], env["OMP_NUM_THREADS"], env["OMP_WAIT_POLICY"]) == ("/t", "1", "PASSIVE")


@pytest.mark.skipif(sys.platform != "linux", reason="the command line is blotted out on Linux only")
def test_the_command_line_keeps_no_folder_of_the_data(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bench.running.confinement import hide; hide([sys.argv[1]]);"
        " print(Path('/proc/self/cmdline').read_bytes())"
    )
    env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    words = [sys.executable, "-c", code, str(tmp_path), f"humob:{tmp_path}", f"--data=humob:{tmp_path}", "kept"]
    shown = subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in shown
    assert "humob:***" in shown
    assert "kept" in shown


def test_of_keys_only_those_that_the_model_names_reach_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ITS_API_KEY", "OTHER_API_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "aws_secret", "HF_TOKEN", "EDITOR"):
        monkeypatch.setenv(name, "x")
    found = environment({**LIMITS, "environment": ("ITS_API_KEY",)}, [])
    assert {"ITS_API_KEY", "HF_TOKEN", "EDITOR"} <= set(found)
    assert not {"OTHER_API_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "aws_secret"} & set(found)


@landlock
def test_a_confined_process_reaches_the_network(run: Callable[..., str]) -> None:
    code = (
        "import socket, threading\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "threading.Thread(target=lambda: server.accept()[0].sendall(b'heard'), daemon=True).start()\n"
        "print(socket.create_connection(server.getsockname()).recv(5).decode(), socket.gethostbyname('localhost'))\n"
    )
    assert run(code) == "heard 127.0.0.1"
