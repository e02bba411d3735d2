"""Where a study's trials are kept: a SQLite file, a journal file, or a database server that Optuna can reach."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import URL

JOURNAL = "journal:"
FORMS = "write sqlite:///FILE, journal:FILE or postgresql+psycopg://USER@HOST/NAME"


@dataclass(frozen=True)
class Address:
    """A storage as given. place: where it was given, for errors; file: of SQLite or a journal; url: of a database."""

    place: str
    file: Path | None
    url: URL | None

    @classmethod
    def parse(cls, spec: str, place: str = "storage") -> Address:
        """Read ``journal:FILE`` or an Optuna URL; ``~`` is the home folder. Raises UserError."""
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        if spec.startswith(JOURNAL):
            return cls(place, Path(spec.removeprefix(JOURNAL)).expanduser(), None)
        try:
            url = make_url(spec)
            backend = url.get_backend_name()
        except ArgumentError:
            raise UserError(f"{place} {spec!r}: is not a storage; {FORMS}") from None
        if backend != "sqlite":
            return cls(place, None, url)
        if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
            raise UserError(f"{place} {spec!r}: trials in memory are lost when the command ends; write sqlite:///FILE")
        file = Path(url.database).expanduser()
        return cls(place, file, url.set(database=str(file)))

    def __str__(self) -> str:
        """Place and name, without a password."""
        name = self.url.render_as_string(hide_password=True) if self.url else f"{JOURNAL}{self.file}"
        return f"{self.place} {name}"

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn a storage's error while a study runs into a UserError of one line."""
        from optuna.exceptions import OptunaError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, OptunaError) as error:
            raise UserError(f"{self}: failed ({_line(_cause(error))}); the same command resumes the study") from None

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Turn an error while a storage is opened into a UserError of one line."""
        from optuna.exceptions import OptunaError
        from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

        unread = () if self.url else (ValueError, KeyError, TypeError, AttributeError)
        try:
            yield
        except unread:
            raise UserError(f"{self}: is not an Optuna journal, or has a broken line; choose another") from None
        except ArgumentError:
            raise UserError(f"{self}: is not a storage; {FORMS}") from None
        except ImportError as error:
            lacking = getattr(error.__cause__ or error, "name", None) or "its package"
            raise UserError(f"{self}: its driver is missing ({lacking}); install it") from None
        except (SQLAlchemyError, OptunaError) as error:
            cause = _cause(error)
            what = "cannot be opened or reached" if isinstance(cause, OperationalError) else "is not an Optuna storage"
            raise UserError(f"{self}: {what} ({_line(cause)})") from None
        except (OSError, RuntimeError) as error:
            raise UserError(f"{self}: cannot be opened ({_line(error)})") from None


def _cause(error: Exception) -> Exception:
    """Return the database's own error, which Optuna wraps."""
    from sqlalchemy.exc import SQLAlchemyError

    return error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error


def _line(error: Exception) -> str:
    """Return the first 300 characters of the driver's message, in one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]
