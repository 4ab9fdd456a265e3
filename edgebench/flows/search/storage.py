"""Where a study is kept: opened from what a user types, with waiting while it is unreachable."""

from __future__ import annotations

import errno
import os
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TypeVar

from edgebench.core.secrets import redacted
from edgebench.errors import InputError, MissingPackageError, StorageError
from edgebench.flows.search.journal import open_journal
from edgebench.store.files import require_file

T = TypeVar("T")
_WAITS_S = (1.0, 3.0, 9.0)
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS}
_TABLE_WAITS_S = (0.3, 1.0)
_LONGEST_URL = 4096


def open_storage(url: str, folder: Path) -> Any:
    """An Optuna storage.

    Args:
        url: ``sqlite:///...``, ``postgresql://...``, ``grpc://HOST:PORT``, the path of a journal, ``@FILE`` with one
            of these in it, or empty. A PostgreSQL URL without a password takes that in ``PGPASSWORD``.
        folder: Where the journal is if ``url`` is empty.

    Raises:
        StorageError: It cannot be opened.
        MissingPackageError: A package that it needs is missing.
        InputError: It is no URL, or a file that is not a journal.
    """
    import optuna

    url = _in_file(url)
    _checked(url)
    try:
        if url.startswith("grpc://"):
            host, _, port = url.removeprefix("grpc://").partition(":")
            with warnings.catch_warnings():
                # Experimental in Optuna since 4.2.
                warnings.simplefilter("ignore")
                return optuna.storages.GrpcStorageProxy(host=host or "localhost", port=int(port or 13000))
        if "://" in url:
            return _database(_with_driver(url))
        return open_journal(Path(url) if url else folder / "journal.log")
    except ImportError as error:
        raise MissingPackageError(
            f"this storage needs a package: {error}",
            where=redacted(url),
            remedy="pip install 'edgebench[storages]' (PostgreSQL, gRPC), or the driver of your database",
        ) from None
    except StorageError:
        raise
    except Exception as error:
        raise StorageError(
            f"the storage cannot be opened: {_first_line(error)}",
            where=redacted(url) or str(folder),
            remedy="check that it exists and that the user may write to it",
        ) from None


def _database(url: str) -> Any:
    """A database; another process may be creating its tables at this moment, and then one of the two fails."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    for wait in _TABLE_WAITS_S:
        try:
            return optuna.storages.RDBStorage(url)
        except SQLAlchemyError:
            time.sleep(wait)
    return optuna.storages.RDBStorage(url)


def _with_driver(url: str) -> str:
    """A PostgreSQL URL that names no driver gets the one that is installed; SQLAlchemy knows only one default."""
    scheme, _, rest = url.partition("://")
    if scheme == "postgresql" and find_spec("psycopg2") is None and find_spec("pg8000") is not None:
        return _with_password(f"postgresql+pg8000://{rest}")
    return _with_password(url) if scheme.startswith("postgresql") else url


def _with_password(url: str) -> str:
    """With the password of PostgreSQL's own variable, which not all drivers know."""
    from sqlalchemy.engine import make_url

    password, parsed = os.environ.get("PGPASSWORD"), make_url(url)
    if not password or parsed.password is not None or "password" in parsed.query:
        return url
    return parsed.set(password=password).render_as_string(hide_password=False)


def _in_file(text: str) -> str:
    """The URL itself, if a file holds it: passwords on command lines are seen by everyone on the machine.

    Raises:
        InputError: The file cannot be read, or has not one line.
    """
    if not text.startswith("@"):
        return text
    path = Path(text[1:])
    require_file(path)
    try:
        with path.open("rb") as file:
            words = file.read(_LONGEST_URL).decode().split()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(
            f"the file with the storage's URL cannot be read: {reason}",
            where=f"--storage {text}",
            remedy="put the URL alone into a text file that only you can read",
        ) from None
    if len(words) != 1:
        raise InputError(
            f"the file holds {len(words)} words, not one URL",
            where=f"--storage {text}",
            remedy="put the URL alone into it",
        )
    return words[0]


def lasting(step: Callable[[], T]) -> T:
    """Do something with a storage; while it is unreachable, wait and try again.

    Raises:
        StorageError: It does not come back.
    """
    for wait in (*_WAITS_S, None):
        try:
            return step()
        except Exception as error:
            if not _is_storage_trouble(error):
                raise
            if wait is None:
                raise StorageError(
                    _what_is_wrong(error),
                    remedy="finished work is in it: run the same command again when the storage works",
                ) from None
            time.sleep(wait)
    raise StorageError("the study's storage does not answer")


def _is_storage_trouble(error: Exception) -> bool:
    """Whether an exception is a storage's: a lost connection, a full disk, a closed channel."""
    import optuna

    module = type(error).__module__.partition(".")[0]
    return isinstance(error, (OSError, JSONDecodeError, optuna.exceptions.StorageInternalError)) or module in {
        "grpc",
        "sqlalchemy",
        "psycopg2",
        "pg8000",
        "redis",
    }


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return f"the study cannot be saved: {error.strerror}"
    return f"the study's storage does not answer: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    if type(error).__name__ == "StorageInternalError" and error.__cause__ is not None:
        error = error.__cause__  # Optuna's own message does not say what happened.
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _checked(url: str) -> None:
    """Refuse what is meant as a URL and is none, and files that are not journals.

    Raises:
        InputError: It is one of these.
    """
    if "://" not in url and ("//" in url or "@" in url):
        raise InputError(
            "this is not the URL of a storage",
            where="--storage",
            remedy="such as sqlite:///studies.db, postgresql://user@host/studies or grpc://host:13000",
        )
    path = Path(url)
    if "://" in url or not url or not path.exists():
        return
    if not path.is_file():
        raise InputError("this is not a regular file", where=f"--storage {url}", remedy="name a journal, or a new file")
    with path.open("rb") as file:
        first = file.readline(1 << 16).strip()
    if first and b'"op_code"' not in first:
        raise InputError(
            "this file is not a journal of Optuna, and is left as it is",
            where=f"--storage {url}",
            remedy="name a journal, or a new file",
        )
