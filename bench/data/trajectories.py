"""Tables of points: what was seen (Trajectories), what is asked (Queries), what a model says (Answers).

Columns are compact numpy arrays. Days count from 0 and cells from 1, whatever the source's own files do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

DTYPES = {"city": np.int8, "uid": np.int32, "d": np.int16, "t": np.int16, "x": np.int16, "y": np.int16}

OK, INVALID, MISSING = 0, 1, 2
UNKNOWN = -1  # no status at all


@dataclass(frozen=True, eq=False)
class Queries:
    """Rows keyed by (city, uid, d, t), sorted by that key, no key twice: the points to predict.

    ``city`` holds indices into ``cities``. Build with :meth:`build` (sorts and checks); the constructor trusts you.
    """

    cities: tuple[str, ...]
    city: np.ndarray
    uid: np.ndarray
    d: np.ndarray
    t: np.ndarray

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return ("city", "uid", "d", "t")

    @classmethod
    def build(cls, cities: Sequence[str], **columns: np.ndarray) -> Self:
        """Make a table from unsorted columns.

        Raises UserError on a repeated (city, uid, d, t), or a value that its column cannot hold as it is.
        """
        data = {name: _exact(name, columns[name]) for name in cls.columns()}
        order, twice = sort_order(data)
        if len(twice):
            i = int(twice[0, 1])
            where = f"city {cities[int(data['city'][i])]}, uid {data['uid'][i]}, d {data['d'][i]}, t {data['t'][i]}"
            raise UserError(f"{where}: the point stands {len(twice)} time(s) too often; keep one row per key")
        if order is not None:
            data = {name: column[order] for name, column in data.items()}
        return cls(tuple(cities), **data)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, city: str | None = None) -> Self:
        """Make a table from a data frame; ``city`` names the city if the frame has no such column."""
        if city is not None:
            names: tuple[str, ...] = (city,)
            codes = np.zeros(len(frame), dtype=np.int8)
        else:
            import pandas as pd

            categories = pd.Categorical(frame["city"])
            names, codes = tuple(str(name) for name in categories.categories), categories.codes
        return cls.build(names, city=codes, **{c: frame[c].to_numpy() for c in cls.columns() if c != "city"})

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a data frame with the city's name in full (categorical)."""
        import pandas as pd

        data: dict[str, object] = {name: getattr(self, name) for name in self.columns()}
        data["city"] = pd.Categorical.from_codes(self.city, categories=pd.Index(self.cities))
        return pd.DataFrame(data)

    def __len__(self) -> int:
        return len(self.uid)

    def take(self, rows: slice | np.ndarray) -> Self:
        """Return the chosen rows (a slice, a mask or increasing indices), in the same order."""
        return type(self)(self.cities, **{name: getattr(self, name)[rows] for name in self.columns()})

    def days(self, first: int, last: int) -> Self:
        """Return the rows with first <= d <= last."""
        return self.take((self.d >= first) & (self.d <= last))

    @cached_property
    def _starts(self) -> np.ndarray:
        """Row at which each user begins, and the number of rows as the last entry."""
        if not len(self):
            return np.zeros(1, dtype=np.int64)
        change = (self.uid[1:] != self.uid[:-1]) | (self.city[1:] != self.city[:-1])
        return np.concatenate([[0], np.flatnonzero(change) + 1, [len(self)]]).astype(np.int64)

    @property
    def starts(self) -> np.ndarray:
        """Offsets of the users, int64 of length users + 1: user i holds rows starts[i]:starts[i + 1]."""
        return self._starts

    @cached_property
    def users(self) -> tuple[tuple[str, int], ...]:
        """The users (city, uid), in the order of the rows."""
        first = self.starts[:-1]
        return tuple((self.cities[int(c)], int(u)) for c, u in zip(self.city[first], self.uid[first], strict=True))

    @cached_property
    def _slices(self) -> dict[tuple[str, int], slice]:
        s = self.starts
        return {user: slice(int(s[i]), int(s[i + 1])) for i, user in enumerate(self.users)}

    def of(self, user: tuple[str, int]) -> Self:
        """Return the rows of one user; empty if the user is not here."""
        return self.take(self._slices.get(user, slice(0, 0)))

    def only(self, users: Sequence[tuple[str, int]]) -> Self:
        """Return the rows of the given users, in the table's own order; unknown users are passed over."""
        mask = np.zeros(len(self), dtype=bool)
        for user in users:
            if user in self._slices:
                mask[self._slices[user]] = True
        return self.take(mask)

    def fingerprint(self) -> str:
        """Return a SHA-256 over city names and all columns: the same rows give the same text."""
        digest = hashlib.sha256("\x00".join(self.cities).encode())
        for name in self.columns():
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Join tables. Raises UserError if a key stands in two of them."""
        cities = tuple(sorted({name for part in parts for name in part.cities}))
        code = {name: i for i, name in enumerate(cities)}
        columns: dict[str, list[np.ndarray]] = {name: [] for name in cls.columns()}
        for part in parts:
            recode = np.array([code[name] for name in part.cities], dtype=np.int8)
            columns["city"].append(recode[part.city] if len(part) else np.zeros(0, np.int8))
            for name in cls.columns()[1:]:
                columns[name].append(getattr(part, name))
        empty = {name: np.zeros(0, DTYPES[name]) for name in cls.columns()}
        return cls.build(cities, **{n: np.concatenate(c) if c else empty[n] for n, c in columns.items()})

    @classmethod
    def empty(cls, cities: Sequence[str] = ()) -> Self:
        """Return a table without rows."""
        return cls(tuple(cities), **{name: np.zeros(0, DTYPES[name]) for name in cls.columns()})


@dataclass(frozen=True, eq=False)
class Trajectories(Queries):
    """Where people were: Queries plus the cell ``x, y`` (counted from 1) of each row."""

    x: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))
    y: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return ("city", "uid", "d", "t", "x", "y")

    def queries(self) -> Queries:
        """Return the keys without the cells: what may be asked of a model."""
        return Queries(self.cities, self.city, self.uid, self.d, self.t)


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's answers, row by row as the queries stand.

    x, y: int16, cells counted from 1 (any value where status is not ok). status: int8, ok, invalid (the model said
    something that is no cell) or missing (it said nothing). raw: for language models, the text per (city, uid).
    ranked: int16 (rows, most, 2), x and y of the cells that the model holds likeliest, best first, 0 where there is no
    more; None from a model that names one cell alone, or that is not asked for more (``Context.ranks``).
    """

    x: np.ndarray
    y: np.ndarray
    status: np.ndarray
    raw: Mapping[tuple[str, int], str] = field(default_factory=dict)
    ranked: np.ndarray | None = None

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, status: np.ndarray | None = None) -> Answers:
        """Make answers from arrays of any type of number; without a status all are ok.

        An ok answer that is no whole number, or too large for a cell, becomes invalid: nothing is rounded or wrapped.
        Raises TypeError if an array holds no numbers.
        """
        (x, fits_x), (y, fits_y) = _cells("x", x), _cells("y", y)
        state = np.zeros(len(x), np.int8) if status is None else np.asarray(status)
        known = np.isin(state, (OK, INVALID, MISSING))
        state = np.where(known, state, UNKNOWN).astype(np.int8)  # a check refuses them
        if len(x) == len(y) == len(state):
            state[(state == OK) & ~(fits_x & fits_y)] = INVALID
        return cls(x, y, state)

    @classmethod
    def concat(cls, parts: Sequence[Answers]) -> Answers:
        """Join answers in the order given."""
        if not parts:
            return cls.of(np.zeros(0), np.zeros(0))
        raw = {user: text for part in parts for user, text in part.raw.items()}
        x, y, status = (np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "status"))
        return cls(x, y, status, raw, _ranked(parts))

    def __len__(self) -> int:
        return len(self.x)


def _ranked(parts: Sequence[Answers]) -> np.ndarray | None:
    """Join ranked cells; a part that names one cell alone has that one. None where all do."""
    most = max((part.ranked.shape[1] for part in parts if part.ranked is not None), default=0)
    if not most:
        return None
    found = []
    for part in parts:
        cells = np.zeros((len(part), most, 2), np.int16)
        given = np.stack([part.x, part.y], axis=1)[:, None] if part.ranked is None else part.ranked
        cells[:, : given.shape[1]] = given
        found.append(cells)
    return np.concatenate(found)


def _exact(name: str, column: np.ndarray) -> np.ndarray:
    """Return a column in its compact type. Raises UserError if that would change a value."""
    given = np.asarray(column)
    with np.errstate(invalid="ignore"):
        compact = np.ascontiguousarray(given, dtype=DTYPES[name])
    if given.dtype != compact.dtype and not np.array_equal(given, compact):
        row = int(np.argmin(given == compact))
        raise UserError(f"row {row}: {name} = {given[row]} is no whole number of this column ({compact.dtype})")
    return compact


def _cells(name: str, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates as int16, 0 where they do not fit, and whether they fit."""
    given = np.asarray(column)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"answers: {name} is of type {given.dtype}; whole numbers are needed")
    if given.dtype.kind == "f":
        given = given.astype(np.float64)
    limits = np.iinfo(np.int16)
    fits = (given >= limits.min) & (given <= limits.max) & (given == np.floor(given))
    return np.where(fits, given, 0).astype(np.int16), fits


def by_user(history: Trajectories, queries: Queries) -> Iterator[tuple[tuple[str, int], Trajectories, Queries]]:
    """Yield (user, history rows, query rows) for every user with queries, in the queries' order."""
    for user in queries.users:
        yield user, history.of(user), queries.of(user)


def is_sorted(data: Mapping[str, np.ndarray]) -> bool:
    """Tell whether the keys (city, uid, d, t) rise from row to row; a missing ``city`` counts as one city."""
    rows, step = len(data["uid"]), 1 << 18
    runs = ({name: column[i : i + step + 1] for name, column in data.items()} for i in range(0, rows, step))
    return all(bool(np.all(np.diff(_key(run)) > 0)) for run in runs)


def sort_order(data: Mapping[str, np.ndarray]) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the order that sorts rows by (city, uid, d, t), None if they are sorted, and the rows with the same key.

    The second is int64 of shape (repeats, 2): pairs of row indices (earlier, later). A missing ``city`` counts as one
    city.
    """
    if is_sorted(data):  # the common case takes no memory, the other 16 bytes a row and more
        return None, np.zeros((0, 2), np.int64)
    key = _key(data)
    order = np.argsort(key)
    key = key[order]
    first = np.flatnonzero(key[1:] == key[:-1])
    twice = np.sort(np.stack([order[first], order[first + 1]], axis=1), axis=1)
    return order, twice[np.argsort(twice[:, 1])]


def _key(data: Mapping[str, np.ndarray]) -> np.ndarray:
    """One int64 that sorts like (city, uid, d, t)."""
    key = data["city"].astype(np.int64) if "city" in data else np.zeros(len(data["uid"]), np.int64)
    for name, bits in (("uid", 32), ("d", 14), ("t", 11)):
        key <<= bits
        key |= data[name]
    return key
