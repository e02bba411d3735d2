"""bench check beside the rules of the organisers' validator: what that refuses, this refuses too.

The rules, as the validator of github.com/yahoojapan/geobleu has them: a first line that begins with ``uid,`` is passed
over; each other line has five fields of digits; d, t, x and y are in range; the users are exactly the target users;
each user's (d, t) are those of the data, in the data's order.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.challenge.submission import check_submission
from bench.data.sources import challenges
from bench.data.trajectories import Queries

USERS = range(3000, 3004)
ASKED = [(uid, 60 + i % 15, (7 * i) % 48) for uid in USERS for i in range(0, 20, 3)]
GOOD = [f"{uid},{d},{t},{1 + t},{200 - d}" for uid, d, t in sorted(ASKED)]


@pytest.fixture(autouse=True, scope="module")
def _few_users() -> None:
    with pytest.MonkeyPatch.context() as patch:
        few = replace(challenges.get_challenge("humob2024"), targets={"D": USERS})
        patch.setitem(challenges.CHALLENGES, "humob2024", few)
        yield


def queries() -> Queries:
    uid, d, t = zip(*ASKED, strict=True)
    return Queries.build(("D",), city=[0] * len(uid), uid=uid, d=d, t=t)


def validator_refuses(text: str) -> bool:
    said: dict[int, list[tuple[int, int]]] = {}
    for number, line in enumerate(text.splitlines()):
        if number == 0 and line.startswith("uid,"):
            continue
        fields = line.rstrip().split(",")
        if len(fields) != 5 or not all(field.isnumeric() and field.isascii() for field in fields):
            return True
        uid, d, t, x, y = map(int, fields)
        if not (60 <= d <= 74 and 0 <= t <= 47 and 1 <= x <= 200 and 1 <= y <= 200):
            return True
        said.setdefault(uid, []).append((d, t))
    wanted: dict[int, list[tuple[int, int]]] = {}
    for uid, d, t in sorted(ASKED):
        wanted.setdefault(uid, []).append((d, t))
    return said != wanted


def faults(path: Path, text: str, *, data: bool = True) -> list[str]:
    path.write_bytes(text.encode())
    found = check_submission(path, "humob2024", "D", queries() if data else None)
    return [fault.removeprefix(str(path)) for fault in found]


Change = Callable[[list[str], random.Random], None]


def _at(rows: list[str], rng: random.Random, change: Callable[[str], str]) -> None:
    i = rng.randrange(len(rows))
    rows[i] = change(rows[i])


def _field(value: str) -> Change:
    def change(rows: list[str], rng: random.Random) -> None:
        field = rng.randrange(5)
        _at(rows, rng, lambda row: ",".join(value if i == field else text for i, text in enumerate(row.split(","))))

    return change


def _a_day_later(row: str) -> str:
    uid, d, *rest = [*row.split(","), ""]
    return ",".join([uid, str(int(d) + 1), *rest[:-1]]) if d.isdecimal() else row


CHANGES: dict[str, Change] = {
    "nothing": lambda rows, rng: None,
    "shuffled": lambda rows, rng: rng.shuffle(rows),
    "two rows changed places": lambda rows, rng: rows.insert(0, rows.pop(rng.randrange(len(rows)))),
    "users in another order": lambda rows, rng: rows.sort(key=lambda row: row.split(",")[0], reverse=True),
    "a row twice": lambda rows, rng: rows.append(rng.choice(rows)),
    "a row less": lambda rows, rng: rows.remove(rng.choice(rows)),
    "a user less": lambda rows, rng: rows.__delitem__(slice(0, 7)),
    "a user more": lambda rows, rng: rows.append("2999,60,1,5,5"),
    "a blank line": lambda rows, rng: rows.insert(rng.randrange(len(rows) + 1), ""),
    "a header": lambda rows, rng: rows.insert(0, "uid,d,t,x,y"),
    "a header in capitals": lambda rows, rng: rows.insert(0, "UID,D,T,X,Y"),
    "a header with a blank": lambda rows, rng: rows.insert(0, " uid,d,t,x,y"),
    "a header twice": lambda rows, rng: rows.__setitem__(slice(0, 0), ["uid,d,t,x,y"] * 2),
    "a byte order mark": lambda rows, rng: rows.__setitem__(0, "\ufeff" + rows[0]),
    "a field more": lambda rows, rng: _at(rows, rng, lambda row: row + ",1"),
    "a field less": lambda rows, rng: _at(rows, rng, lambda row: row.rsplit(",", 1)[0]),
    "semicolons": lambda rows, rng: rows.__setitem__(slice(None), [row.replace(",", ";") for row in rows]),
    "a blank in a row": lambda rows, rng: _at(rows, rng, lambda row: row.replace(",", ", ", 1)),
    "carriage returns": lambda rows, rng: rows.__setitem__(slice(None), [row + "\r" for row in rows]),
    "days from 1": lambda rows, rng: rows.__setitem__(slice(None), [_a_day_later(row) for row in rows]),
    **{f"a field {value!r}": _field(value) for value in ("", "5.0", "-1", "0", "nan", "201", "999", "75", "+5", "0x5")},
}


@given(changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=2), seed=st.integers(0, 999))
def test_what_the_validator_refuses_is_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[str], seed: int
) -> None:
    rows, rng = list(GOOD), random.Random(seed)
    for name in changes:
        CHANGES[name](rows, rng)
    text = "\n".join(rows) + "\n"
    found = faults(tmp_path_factory.mktemp("check") / "team.csv", text)
    assert found or not validator_refuses(text)


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_each_kind_of_fault_is_refused_or_harmless(tmp_path: Path, name: str) -> None:
    rows = list(GOOD)
    CHANGES[name](rows, random.Random(1))
    harmless = name in {"nothing", "users in another order", "a header", "carriage returns"}
    text = "\n".join(rows) + "\n"
    assert (faults(tmp_path / "team.csv", text) == []) == harmless
    assert not (harmless and validator_refuses(text))


@pytest.mark.parametrize("data", [True, False])
def test_another_order_is_told_once_with_the_first_row(tmp_path: Path, data: bool) -> None:
    rows = [*GOOD[:2], GOOD[3], GOOD[2], *GOOD[4:]]
    uid, d, t, *_ = GOOD[2].split(",")
    do = "each user's rows must be in the order of d and t; sort the file by uid, d, t"
    told = f", line 4: uid {uid}, d {d}, t {t} comes after a later point: {do}"
    assert faults(tmp_path / "team.csv", "\n".join(rows), data=data) == [told]
    assert faults(tmp_path / "team.csv", "\n".join(GOOD[::-1]), data=data)[0].endswith("(the rows of 4 users do not)")


def test_faults_quote_the_file_in_escapes(tmp_path: Path) -> None:
    (found,) = faults(tmp_path / "team.csv", "\n".join([*GOOD, "3000,60,\x1b[2J,5,5"]))
    assert found.endswith(r"t is '\x1b[2J', not a whole number")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("uid,d,t,x,y\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (gzip.compress(b"uid,d,t,x,y\n", mtime=0), "is gzip; name it .csv.gz"),
        (b"BZh91AY&SY", "is compressed by bzip2; unpack it, or compress it by gzip"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "team.csv"
    path.write_bytes(content)
    assert check_submission(path, "humob2024", "D") == [f"{path}: {kind}"]
