"""Check a submission against a challenge's rules, line by line: every fault at once.

Rules: rows uid,d,t,x,y as .csv or .csv.gz, header optional, whole numbers without blanks, no blank line, no byte order
mark; the city's target users and no others; the 15 days of the horizon as the challenge counts them; cells within the
grid, none masked; no point twice; each user's points in order of time, as the data have them. With the challenge's data
at hand: exactly the points asked for. Users may come in any order. Sources: the challenges' pages, e.g.
sigspatial2025.sigspatial.org/giscup/submit.html, and the organisers' validator (github.com/yahoojapan/geobleu), which
compares each user's days and timeslots with the data's row by row.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.challenge.score import spans
from bench.data.files.dialect import GZIP, HEAD, UTF16_BOMS, foreign
from bench.data.files.rows import COLUMNS, Rules, whole_number
from bench.data.sources.challenges import Challenge, get_challenge
from bench.data.trajectories import Queries
from bench.errors import UserError, nearest, printable

_NUMBER = re.compile(r"\s*-?[0-9]{1,9}\s*")
_HEADER = ",".join(COLUMNS)
BOM = "\ufeff"

Key = tuple[int, int, int]


def check_submission(path: Path, challenge: str, city: str, asked: Queries | None = None) -> list[str]:
    """Return every fault, one line each, in the file's order; then what is missing. An empty list: it is good.

    asked: the points asked for (see :func:`asked_points`), days from 0; without them missing points go unnoticed.
    Raises UserError if the challenge, the city or the file does not exist.
    """
    rules = get_challenge(challenge)
    if city not in rules.targets:
        raise UserError(f"{challenge}: has no targets in city '{city}'{nearest(city, rules.targets)}")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    if not path.name.endswith((".csv", ".csv.gz")):
        return [f"{path}: is neither .csv nor .csv.gz"]
    with path.open("rb") as file:
        head = file.read(HEAD)
    kind = foreign(path, head)
    if head.startswith(UTF16_BOMS):
        kind = "is UTF-16 text; save it as UTF-8"
    elif head.startswith(GZIP) and not path.name.endswith(".gz"):
        kind = "is gzip; name it .csv.gz"
    if kind:
        return [printable(f"{path}: {kind}")]
    return [printable(fault) for fault in _Check(path, rules, city).run(asked)]


def asked_points(challenge: str, city: str, data: str) -> Queries:
    """Return the points that a challenge asks for in a city; days count from 0.

    data: the folder with the challenge's files, also as ``humob:FOLDER``. Raises UserError.
    """
    from bench.data.sources.humob import Humob

    rules = get_challenge(challenge)
    source = Humob(data.removeprefix("humob:"))
    if source.challenge.name != rules.name:
        raise UserError(f"{data}: holds files of {source.challenge.title}, not of {rules.title}; give the right folder")
    known = source.load(city).days(*rules.horizon)
    known = known.take(np.isin(known.uid, source.targets(city)))
    return Queries.concat([source.masked(city).days(*rules.horizon), known.queries()])


class _Check:
    """One pass over a file: faults by line, and which key stands in which line."""

    def __init__(self, path: Path, rules: Challenge, city: str) -> None:
        self.path = path
        self.rules = rules
        self.targets = rules.targets[city]
        self.days = range(rules.first_day + rules.horizon[0], rules.first_day + rules.horizon[1] + 1)
        self.row_rules = Rules(first_day=rules.first_day)
        self.bounds = [self.row_rules.bounds()[name] for name in COLUMNS]
        self.lines: dict[Key, int] = {}
        self.faults: list[tuple[int, str]] = []
        self.users: set[int] = set()
        self.latest: dict[int, tuple[int, int]] = {}  # user -> d, t of the rows so far
        self.astray: dict[int, tuple[int, str]] = {}  # user -> first row that comes too late

    def run(self, asked: Queries | None) -> list[str]:
        """Read the file and return all faults."""
        ending = None
        try:
            for number, line in _lines(self.path):
                self._line(number, line)
        except (OSError, EOFError, zlib.error) as error:  # a bad gzip stream, or no leave to read
            ending = f"{self.path}: cannot be read to its end ({error}); write the file again"
        if not self.lines and not self.faults and not ending:
            return [f"{self.path}: holds no rows; give rows {_HEADER}"]
        whole = self._shift()
        self._judge_order()
        if not whole:
            self.faults += [
                (line, self._wrong_day(key[1])) for key, line in self.lines.items() if key[1] not in self.days
            ]
            if asked is not None:
                self._compare(asked)
        named = [f"{self.path}, line {line}: {fault}" for line, fault in sorted(self.faults)]
        ends = [ending] if ending else self._missing(None if whole else asked)
        return whole + named + ends

    def _line(self, number: int, line: str) -> None:
        """Check one line, also against those before it."""
        if fault := self._unlike_a_row(number, line):
            self.faults.append((number, fault))
            return
        fields = line.split(",")
        if not self._plain(fields):
            self.faults += [(number, fault) for fault in self._row_faults(fields)]
        if not all(_NUMBER.fullmatch(field) for field in fields[:3]):
            return
        uid, d, t = (int(field) for field in fields[:3])
        self.users.add(uid)
        if d in self.days:
            self._keep_order(number, uid, (d, t))
        if uid not in self.targets:
            told = f"{self.targets[0]}..{self.targets[-1]}"
            self.faults.append((number, f"uid {uid} is not a target user of this city ({told})"))
        first = self.lines.setdefault((uid, d, t), number)
        if first != number:
            self.faults.append((number, f"uid {uid}, d {d}, t {t} stands in line {first} already; keep one of them"))

    def _unlike_a_row(self, number: int, line: str) -> str | None:
        """Say why a line is not a row."""
        if not line.strip():
            return "is blank; remove it"
        if number == 1 and line.startswith(BOM):
            return (
                "begins with a byte order mark, which the validator takes for text; save the file as UTF-8 without it"
            )
        if number == 1 and line.replace(" ", "").lower() == _HEADER:
            return f"the header must be {_HEADER}, in lower case and without spaces; or leave it out"
        if "\r" in line:
            return "holds a carriage return; end each row with a line feed"
        fields = line.count(",") + 1
        if fields != len(COLUMNS):
            other = "; separate them with commas" if fields == 1 and (";" in line or "\t" in line) else ""
            return f"{fields} fields instead of {len(COLUMNS)}: {_HEADER}{other}"
        return None

    def _plain(self, fields: list[str]) -> bool:
        """Whether a row is plainly valid, as nearly all are; a quick test."""
        return all(field.isascii() and field.isdecimal() for field in fields) and all(
            low <= int(field) <= high for field, (low, high) in zip(fields, self.bounds, strict=True)
        )

    def _row_faults(self, fields: list[str]) -> Iterator[str]:
        yield from self.row_rules.faults(dict(zip(COLUMNS, fields, strict=True)))
        for name, field in zip(COLUMNS, fields, strict=True):
            if "." in field and (value := whole_number(field.strip())) is not None:
                yield f"{name} is '{field}', not a whole number as the challenge wants it: write {value}"
        if any(field != field.strip() for field in fields):
            yield "spaces next to a number; remove them"

    def _keep_order(self, number: int, uid: int, point: tuple[int, int]) -> None:
        """Remember a user's latest point, or the first row that comes after a later one."""
        if point < self.latest.setdefault(uid, point):
            self.astray.setdefault(uid, (number, f"uid {uid}, d {point[0]}, t {point[1]}"))
        else:
            self.latest[uid] = point

    def _judge_order(self) -> None:
        """Note the first row that comes after a later one of its user, and how many users have such rows."""
        if self.astray:
            line, point = min(self.astray.values())
            others = f" (the rows of {len(self.astray):,} users do not)" if len(self.astray) > 1 else ""
            do = "each user's rows must be in the order of d and t; sort the file by uid, d, t"
            self.faults.append((line, f"{point} comes after a later point: {do}{others}"))

    def _wrong_day(self, day: int) -> str:
        return f"d = {day} is not asked for; the days are {self.days[0]}..{self.days[-1]}"

    def _shift(self) -> list[str]:
        """Report days that are all one too high or too low in one line, not day by day."""
        if not self.lines:
            return []
        low, high = min(d for _, d, _ in self.lines), max(d for _, d, _ in self.lines)
        base = f"{self.rules.title} counts days from {self.rules.first_day}"
        if low > self.days[0] and high == self.days[-1] + 1:
            return [f"{self.path}: days {low}..{high}: all days are one too high; {base}: subtract 1 from d"]
        if low == self.days[0] - 1 and high < self.days[-1]:
            return [f"{self.path}: days {low}..{high}: all days are one too low; {base}: add 1 to d"]
        return []

    def _compare(self, asked: Queries) -> None:
        """Note the rows of target users on the right days that were not asked for."""
        wanted = self._keys(asked)
        self.faults += [
            (line, f"uid {uid}, d {d}, t {t} is not asked for; remove the row")
            for (uid, d, t), line in self.lines.items()
            if uid in self.targets and d in self.days and (uid, d, t) not in wanted
        ]

    def _missing(self, asked: Queries | None) -> list[str]:
        """Name what is missing: whole users together, single points one by one."""
        absent = sorted(set(self.targets) - self.users if asked is None else set(asked.uid.tolist()) - self.users)
        faults = [f"{self.path}: {len(absent)} target users have no row: {spans(absent, 20)}"] if absent else []
        if asked is not None:
            single = sorted(key for key in self._keys(asked) - self.lines.keys() if key[0] in self.users)
            faults += [f"{self.path}: no row for uid {uid}, d {d}, t {t}" for uid, d, t in single]
        return faults

    def _keys(self, asked: Queries) -> set[Key]:
        """The points asked for, with days as the challenge counts them."""
        days = asked.d + self.rules.first_day
        return set(zip(asked.uid.tolist(), days.tolist(), asked.t.tolist(), strict=True))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield all lines except a valid header, with their numbers and without their ends."""
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            text = line.removesuffix("\n").removesuffix("\r")
            if number > 1 or text.rstrip() != _HEADER:
                yield number, text
