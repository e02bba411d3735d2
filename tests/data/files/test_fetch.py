from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from bench.data.files.fetch import CHUNK, RECORDS, download, fetch
from bench.errors import UserError

CONTENT = {
    name: bytes(i * 37 % 251 for i in range(size)) for name, size in (("a.csv.gz", 90_000), ("POI b.csv", 5_000))
}


class Zenodo(ThreadingHTTPServer):
    """A stand-in for Zenodo that misbehaves as told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts: list[int] = []  # cut the next file answers after so many bytes
        self.busy = 0  # so many answers 503 first
        self.ranges = True
        self.wrong = False
        self.names = list(CONTENT)
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Zenodo

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        record, _, rest = self.path.removeprefix("/api/records/").partition("/files/")
        span = self.headers.get("Range")
        self.server.asked.append((rest, span))
        name = rest.removesuffix("/content").replace("%20", " ")
        if self.server.busy:
            self.server.busy -= 1
            self.send_error(503)
        elif record != str(RECORDS["humob2024"]) or (rest and name not in CONTENT):
            self.send_error(404)
        elif not rest:
            self.answer(200, json.dumps({"files": [self.entry(name) for name in self.server.names]}).encode())
        else:
            self.file(CONTENT[name], span)

    def entry(self, name: str) -> dict[str, object]:
        content = CONTENT.get(name, b"")
        md5 = hashlib.md5(b"other" if self.server.wrong else content).hexdigest()
        return {"key": name, "size": len(content), "checksum": f"md5:{md5}"}

    def file(self, content: bytes, span: str | None) -> None:
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and self.server.ranges else 0
        if start >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        elif span and self.server.ranges:
            last = len(content) - 1
            self.answer(206, content[start:], {"Content-Range": f"bytes {start}-{last}/{len(content)}"})
        else:
            self.answer(200, content)

    def answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts and self.path.endswith("/content") else len(body)
        self.wfile.write(body[:cut])


@pytest.fixture
def server() -> Iterator[Zenodo]:
    zenodo = Zenodo()
    thread = threading.Thread(target=zenodo.serve_forever, args=(0.01,))
    thread.start()
    yield zenodo
    zenodo.shutdown()
    thread.join()
    zenodo.server_close()


def get(server: Zenodo, folder: Path) -> list[Path]:
    return fetch("humob2024", folder, server.url, pause_s=0.0)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_files_of_the_record_arrive(server: Zenodo, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    paths = fetch("humob2024", tmp_path, server.url, lambda *step: told.append(step), pause_s=0.0)
    assert [path.name for path in paths] == list(CONTENT)
    assert contents(tmp_path) == CONTENT
    assert ("a.csv.gz", 90_000, 90_000) in told


def test_what_is_here_is_not_fetched_again(server: Zenodo, tmp_path: Path) -> None:
    get(server, tmp_path)
    server.asked.clear()
    get(server, tmp_path)
    assert server.asked == [("", None)]


def test_a_changed_file_is_fetched_again(server: Zenodo, tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(b"an older version")
    get(server, tmp_path)
    assert contents(tmp_path) == CONTENT


def test_a_cut_connection_is_resumed(server: Zenodo, tmp_path: Path) -> None:
    server.cuts = [2 * CHUNK + 10, CHUNK]
    get(server, tmp_path)
    assert contents(tmp_path) == CONTENT
    spans = [span for name, span in server.asked if name.startswith("a.csv")]
    assert spans == [None, f"bytes={2 * CHUNK}-", f"bytes={3 * CHUNK}-"]


def test_a_connection_that_stays_cut_keeps_what_came_and_the_next_run_goes_on(server: Zenodo, tmp_path: Path) -> None:
    server.cuts = [CHUNK] + [0] * 5
    with pytest.raises(UserError, match="stays cut") as caught:
        get(server, tmp_path)
    assert f"{CHUNK} bytes are kept" in str(caught.value)
    assert contents(tmp_path) == {"a.csv.gz.part": CONTENT["a.csv.gz"][:CHUNK]}
    server.asked.clear()
    get(server, tmp_path)
    assert server.asked[1][1] == f"bytes={CHUNK}-"
    assert contents(tmp_path) == CONTENT


def test_a_server_that_ignores_ranges_sends_the_file_from_the_start(server: Zenodo, tmp_path: Path) -> None:
    server.cuts, server.ranges = [CHUNK], False
    get(server, tmp_path)
    assert contents(tmp_path) == CONTENT


def test_a_wrong_checksum_leaves_nothing(server: Zenodo, tmp_path: Path) -> None:
    server.wrong = True
    with pytest.raises(UserError, match="checksum is not md5:"):
        get(server, tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("size", [4_000, 90_000, 95_000])
def test_a_part_of_another_file_is_replaced(server: Zenodo, tmp_path: Path, size: int) -> None:
    (tmp_path / "a.csv.gz.part").write_bytes(b"?" * size)
    get(server, tmp_path)
    assert contents(tmp_path) == CONTENT


def test_a_complete_part_needs_no_bytes(server: Zenodo, tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz.part").write_bytes(CONTENT["a.csv.gz"])
    get(server, tmp_path)
    assert contents(tmp_path) == CONTENT


def test_a_busy_server_is_asked_again(server: Zenodo, tmp_path: Path) -> None:
    server.busy = 2
    get(server, tmp_path)
    assert contents(tmp_path) == CONTENT


def test_without_a_checksum_an_old_part_is_not_trusted(server: Zenodo, tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz.part").write_bytes(b"?" * 10)
    url = f"{server.url}/api/records/{RECORDS['humob2024']}/files/a.csv.gz/content"
    server.cuts = [50_000]
    path = download(url, tmp_path / "a.csv.gz", pause_s=0.0)
    assert path.read_bytes() == CONTENT["a.csv.gz"]


def test_an_absent_record_is_told_in_one_line(server: Zenodo, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="answers 404") as caught:
        fetch("humob2024-truth", tmp_path, server.url, pause_s=0.0)
    assert len(caught.value.messages) == 1


def test_a_name_that_would_leave_the_folder_is_refused(server: Zenodo, tmp_path: Path) -> None:
    server.names = ["../evil.csv"]
    with pytest.raises(UserError, match="leave the folder"):
        get(server, tmp_path / "inside")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "url", "message"),
    [
        ("humob2025", None, "did you mean 'humob202"),
        ("humob2024", "http://127.0.0.1:9", "cannot be reached"),
        ("humob2024", "no-address", "no address"),
    ],
)
def test_what_cannot_be_fetched_is_said(tmp_path: Path, name: str, url: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fetch(name, tmp_path / "data", url, pause_s=0.0)
    assert not (tmp_path / "data").exists()


def test_a_folder_that_is_a_file_is_said(server: Zenodo, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        get(server, tmp_path / "data")


class Hub(Zenodo):
    """A stand-in for Hugging Face with one city."""

    tables: ClassVar[dict[str, bytes]] = {"train-0.parquet": b"PAR1" * 9000, "test-0.parquet": b"PAR1" * 50}

    def __init__(self) -> None:
        ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), HubHandler)
        self.cuts, self.ranges, self.asked = [], True, []
        self.extra = "README.md"


class HubHandler(Handler):
    server: Hub

    def do_GET(self) -> None:
        place = "/datasets/CRUISEResearchGroup/Massive-STEPS-New-York/"
        name = self.path.rpartition("/")[2]
        if self.path == f"/api{place}tree/main/tabular":
            listed = [
                {"path": f"tabular/{key}", "size": len(table), "lfs": {"oid": hashlib.sha256(table).hexdigest()}}
                for key, table in self.server.tables.items()
            ]
            self.answer(
                200, json.dumps([*listed, {"path": self.server.extra, "size": 1, "lfs": {"oid": "0"}}]).encode()
            )
        elif self.path == f"{place}resolve/main/tabular/{name}":
            self.file(self.server.tables[name], self.headers.get("Range"))
        else:
            self.send_error(404)


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_city_of_massive_steps_is_fetched_from_hugging_face(hub: Hub, tmp_path: Path) -> None:
    paths = fetch("massive-steps-new-york", tmp_path, hub.url, pause_s=0.0)
    assert [path.name for path in paths] == list(hub.tables)
    assert contents(tmp_path) == hub.tables
    with pytest.raises(UserError, match="answers 404"):
        fetch("massive-steps-atlantis", tmp_path, hub.url, pause_s=0.0)


def test_a_name_of_the_hub_that_would_leave_the_folder_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.extra = "tabular/../evil.parquet"
    with pytest.raises(UserError, match="leave the folder"):
        fetch("massive-steps-new-york", tmp_path, hub.url, pause_s=0.0)


def test_any_record_of_zenodo_is_fetched_by_its_number(server: Zenodo, tmp_path: Path) -> None:
    fetch(f"zenodo:{RECORDS['humob2024']}", tmp_path, server.url, pause_s=0.0)
    assert contents(tmp_path) == CONTENT


@pytest.mark.parametrize("name", ["geolife", "t-drive", "foursquare", "cabspotting", "movebank", "giscup2025"])
def test_what_terms_keep_from_being_fetched_says_where_it_is(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not fetched; get it from .*datasets\.md"):
        fetch(name, tmp_path)
