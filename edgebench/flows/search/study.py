"""The Optuna study behind a search: opened, checked, resumed."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from edgebench.core.figure import ACCURACY
from edgebench.errors import InputError, NotComparableError, StorageError, TargetUnavailableError
from edgebench.flows.search.journal import open_journal
from edgebench.flows.search.request import SearchRequest, SearchSettings
from edgebench.machine.lock import one_process_at_a_time
from edgebench.store.codec import from_plain, to_plain

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

T = TypeVar("T")
SETTINGS = "edgebench"
OWNER = "owner"
RETRY_OF = "retry_of"
ATTEMPT = "attempt"
MAX_RETRIES = 2
NAMELESS_S = 10.0
"""A trial has a moment of life before its process has written its name to it."""
_WAITS_S = (1.0, 3.0, 9.0)
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS}
_TABLE_WAITS_S = (0.3, 1.0)


def open_storage(url: str, folder: Path) -> Any:
    """An Optuna storage.

    Args:
        url: ``sqlite:///...``, ``postgresql://...``, ``grpc://HOST:PORT``, the path of a journal, or empty.
        folder: Where the journal lies if ``url`` is empty.

    Raises:
        StorageError: It cannot be opened.
        TargetUnavailableError: A package that it needs is missing.
    """
    import optuna

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
        raise TargetUnavailableError(
            f"this storage needs a package: {error}",
            where=_without_password(url),
            remedy="pip install 'edgebench[storages]' (PostgreSQL, gRPC), or the driver of your database",
        ) from None
    except Exception as error:
        raise StorageError(
            f"the storage cannot be opened: {_first_line(error)}",
            where=_without_password(url) or str(folder),
            remedy="check that it is there and that the user may write to it",
        ) from None


def _database(url: str) -> Any:
    """A database; another process may be creating its tables at this moment, which fails one of the two."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    for wait in _TABLE_WAITS_S:
        try:
            return optuna.storages.RDBStorage(url)
        except SQLAlchemyError:
            time.sleep(wait)
    return optuna.storages.RDBStorage(url)


def _with_driver(url: str) -> str:
    """A PostgreSQL URL that names no driver gets the one that is installed; SQLAlchemy knows one default alone."""
    scheme, _, rest = url.partition("://")
    if scheme == "postgresql" and find_spec("psycopg2") is None and find_spec("pg8000") is not None:
        return f"postgresql+pg8000://{rest}"
    return url


def open_study(request: SearchRequest, settings: SearchSettings, sampler: Any, pruner: Any) -> optuna.Study:
    """The study of a request: a new one, or the one of that name if it was begun with the same settings.

    Raises:
        NotComparableError: There is one with other settings; the difference is named.
        StorageError: The storage cannot be opened.
    """
    import optuna
    from optuna.study import StudyDirection

    directions = [
        StudyDirection.MAXIMIZE if objective == ACCURACY else StudyDirection.MINIMIZE
        for objective in request.objectives
    ]
    storage = open_storage(request.storage, request.folder)
    study = lasting(
        lambda: optuna.create_study(
            study_name=request.study,
            storage=storage,
            directions=directions,
            sampler=sampler,
            pruner=pruner,
            load_if_exists=True,
        )
    )
    stored = lasting(lambda: study.user_attrs).get(SETTINGS)
    if stored is None:
        if all_trials(study):
            raise NotComparableError(
                f"study {request.study!r} was not begun by edgebench", remedy="choose another name with --study"
            )
        lasting(lambda: study.set_user_attr(SETTINGS, to_plain(settings)))
        with warnings.catch_warnings():
            # Experimental in Optuna since 3.2; the dashboard shows the names.
            warnings.simplefilter("ignore")
            lasting(lambda: study.set_metric_names(list(request.objectives)))
        return study
    before = from_plain(SearchSettings, stored, where=f"study {request.study}")
    differences = settings.differences(before)
    if differences:
        raise NotComparableError(
            f"study {request.study!r} was begun with other settings: {'; '.join(differences)}",
            remedy="choose another name with --study, or go back to those settings",
        )
    return study


def load_study(name: str, storage: str, folder: Path) -> optuna.Study:
    """A study that is there.

    Raises:
        InputError: It is not.
    """
    import optuna

    opened = open_storage(storage, folder / name)
    try:
        return optuna.load_study(study_name=name, storage=opened)
    except KeyError:
        raise InputError(
            f"there is no study {name!r}",
            where=_without_password(storage) or str(folder),
            remedy="give its storage with --storage, or its folder with --results",
        ) from None


def lasting(step: Callable[[], T]) -> T:
    """Do something with a storage; when it is away, wait and try again.

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
                    remedy="what was finished is in it: run the same command again when it is mended",
                ) from None
            time.sleep(wait)
    raise StorageError("the study's storage does not answer")


def all_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Every trial of a study, as the storage has it; not to be changed.

    Raises:
        StorageError: The storage went away and did not come back.
    """
    return lasting(lambda: study.get_trials(deepcopy=False))


@contextmanager
def one_at_a_time(folder: Path, what: str = "") -> Iterator[None]:
    """Keeps the processes of one machine from choosing at the same time, and so from choosing the same.

    Args:
        folder: Of the study.
        what: Another thing that one process at a time does there.

    Raises:
        StorageError: The lock cannot be made.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(one_process_at_a_time(folder / f".{what}.lock"))
        except OSError as error:
            raise StorageError(str(error.strerror), where=str(folder), remedy="choose another --results") from None
        yield


def owner() -> str:
    """This process, such that another process of the same number is another owner."""
    return json.dumps([socket.gethostname(), os.getpid(), psutil.Process().create_time()])


def requeue_abandoned(study: optuna.Study, dimensions: int) -> int:
    """Give trials whose process is gone to whoever asks next.

    Args:
        study: The study.
        dimensions: Of the space: a trial with fewer choices had not begun.

    Returns:
        How many there were.
    """
    from optuna.trial import TrialState

    count = 0
    for trial in all_trials(study):
        if trial.state is not TrialState.RUNNING or _alive(trial.user_attrs.get(OWNER), trial.datetime_start):
            continue
        lasting(partial(study.tell, trial.number, state=TrialState.FAIL, skip_if_finished=True))
        if len(trial.params) == dimensions:
            requeue(study, trial.number, trial.params, int(trial.user_attrs.get(ATTEMPT, 0)) + 1)
        count += 1
    return count


def others_at_work(study: optuna.Study) -> bool:
    """Whether another process of this machine is at a trial."""
    from optuna.trial import TrialState

    mine = owner()
    return any(
        trial.state is TrialState.RUNNING
        and trial.user_attrs.get(OWNER) != mine
        and _here(trial.user_attrs.get(OWNER))
        and _alive(trial.user_attrs.get(OWNER), trial.datetime_start)
        for trial in all_trials(study)
    )


def requeue(study: optuna.Study, number: int, params: Mapping[str, Any], attempt: int) -> None:
    """Have a trial's architecture tried again, unless its processes died too often."""
    if attempt <= MAX_RETRIES:
        lasting(lambda: study.enqueue_trial(dict(params), user_attrs={RETRY_OF: number, ATTEMPT: attempt}))


def _here(text: object) -> bool:
    return not isinstance(text, str) or json.loads(text)[0] == socket.gethostname()


def _alive(text: object, started: datetime | None) -> bool:
    """Whether a trial's process is at work; one on another machine is taken to be, and one that has just begun."""
    if not isinstance(text, str):
        return started is not None and (datetime.now() - started).total_seconds() < NAMELESS_S
    host, number, created = json.loads(text)
    if host != socket.gethostname():
        return True
    try:
        return bool(abs(psutil.Process(number).create_time() - created) < 1)
    except psutil.NoSuchProcess:
        return False


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
        error = error.__cause__  # Optuna's own words say nothing of what happened.
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or "@" not in rest:
        return url
    return f"{scheme}://...@{rest.rpartition('@')[2]}"
