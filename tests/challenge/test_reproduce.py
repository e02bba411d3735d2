"""bench reproduce humob2024, against a local server with stand-ins of the same format."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from bench.challenge import reproduce as module
from bench.challenge.reproduce import PUBLISHED, reproduce
from bench.cli.reproduce import reproduce_command
from bench.data.files.fetch import RECORDS
from bench.data.sources.challenges import CHALLENGES
from bench.errors import UserError

RULES = CHALLENGES["humob2024"]
ORIGINAL = PUBLISHED["humob2024"]
RECORD = f"/api/records/{RECORDS[ORIGINAL.truth]}"


def rows(table: np.ndarray) -> bytes:
    text = "uid,d,t,x,y\n" + "\n".join(",".join(map(str, row)) for row in table.tolist()) + "\n"
    return gzip.compress(text.encode(), 1)


def stand_ins() -> dict[str, bytes]:
    """The record, its truth files and the submission's: 3,000 target users a city, three points each."""
    rng = np.random.default_rng(0)
    files: dict[str, bytes] = {}
    entries = []
    for city, target in RULES.targets.items():
        uid = np.repeat(np.array(target), 3)
        d, t = 60 + np.arange(len(uid)) % 15, np.arange(len(uid)) % 48
        cells = rng.integers(50, 150, size=(len(uid), 2))
        before = np.column_stack([uid, d - 60, t, cells])
        other = np.column_stack([uid[:30] - target[0], d[:30], t[:30], cells[:30]])
        truth = np.column_stack([uid, d, t, cells])
        said = truth + np.column_stack([np.zeros((len(uid), 3), int), rng.integers(-4, 5, size=(len(uid), 2))])
        name = f"{RULES.complete[city]}.csv.gz"
        body = rows(np.concatenate([before, other, truth]))
        entries.append({"key": name, "size": len(body), "checksum": f"md5:{hashlib.md5(body).hexdigest()}"})
        files[f"{RECORD}/files/{name}/content"] = body
        files[f"/{ORIGINAL.files[city]}"] = rows(said)
    big = {"key": "cityA-dataset.csv.gz", "size": 10**9, "checksum": "md5:0"}
    files[RECORD] = json.dumps({"files": [*entries, big]}).encode()
    return files


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """Address, what is served (may be changed), and what was asked for."""
    files, asked = stand_ins(), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", files, asked
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBILITY_BENCH_CACHE", str(tmp_path / "cache"))


def test_other_answers_than_the_published_ones_are_told_apart(
    served: tuple[str, dict[str, bytes], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, _, asked = served
    assert reproduce_command("humob2024", tmp_path / "data", url) == 1
    out = capsys.readouterr().out
    assert "9,000" in out
    assert "0.309" in out
    assert "27.96" in out
    assert "NO" in out
    assert not any("cityA" in path for path in asked)  # a gigabyte that is not needed

    asked.clear()  # a second time nothing is fetched again but the record's list
    reproduce("humob2024", tmp_path / "data", url)
    assert asked == [RECORD]


def test_agreement_is_found_when_the_figures_are_those_of_the_files(
    served: tuple[str, dict[str, bytes], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = served[0]
    first = reproduce("humob2024", tmp_path / "data", url)
    assert [row.users for row in first] == [9000] * 2 + [3000] * 6
    assert not any(row.agrees for row in first if row.city == "all")
    scores = {(row.city, row.metric): f"{row.measured:.{row.digits}f}" for row in first}
    monkeypatch.setitem(module.PUBLISHED, "humob2024", replace(ORIGINAL, scores=scores))
    assert all(row.agrees for row in reproduce("humob2024", tmp_path / "data", url))
    assert reproduce_command("humob2024", tmp_path / "data", url) == 0


def test_a_submission_with_faults_is_not_scored(
    served: tuple[str, dict[str, bytes], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, files, _ = served
    name = f"/{ORIGINAL.files['C']}"
    lines = gzip.decompress(files[name]).decode().splitlines()
    lines[5] = lines[5].rsplit(",", 1)[0] + ",0"
    monkeypatch.setitem(files, name, gzip.compress("\n".join(lines[:-1]).encode()))
    with pytest.raises(UserError) as caught:
        reproduce("humob2024", tmp_path / "data", url)
    assert "line 6: y = 0" in caught.value.messages[0]
    assert "no row for uid 19999" in caught.value.messages[1]


def test_a_record_without_the_truth_is_told(
    served: tuple[str, dict[str, bytes], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, files, _ = served
    monkeypatch.setitem(files, RECORD, json.dumps({"files": []}).encode())
    with pytest.raises(UserError, match="lacks cityB-dataset"):
        reproduce("humob2024", tmp_path / "data", url)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'humob2024'"):
        reproduce("humob2023", tmp_path)


def test_official_figures_stand_as_published() -> None:
    assert ORIGINAL.scores["all", "geobleu@humob24"] == ".309"
    assert ORIGINAL.scores["all", "dtw@humob24"] == "27.96"
