"""Files of what has not finished: beside what they belong to, under a name that nothing else reads."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

from edgebench.core.begun import BegunCalibration, BegunValidation
from edgebench.core.record import Record
from edgebench.errors import StorageError
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import read_json, sync_folder, write_json

T = TypeVar("T", bound=Record)
_KINDS: dict[type[Record], str] = {BegunValidation: "begun-validation", BegunCalibration: "begun-calibration"}
_VERSION = 1


class BegunFile(Generic[T]):
    """One of these files.

    Args:
        path: Where it is.
        kind: What is in it.
    """

    def __init__(self, path: Path, kind: type[T]) -> None:
        self.path = path
        self._kind: type[T] = kind

    def load(self) -> T | None:
        """What was kept, or None if nothing was.

        Raises:
            StorageError: It is damaged or newer than this edgebench.
        """
        if not self.path.exists():
            return None
        document = read_json(self.path, kind=_KINDS[self._kind], version=_VERSION)
        return from_plain(self._kind, document, where=str(self.path))

    def save(self, begun: T) -> None:
        """Keep what was measured so far.

        Raises:
            StorageError: It cannot be written.
        """
        write_json(self.path, {"schema": f"edgebench.{_KINDS[self._kind]}/{_VERSION}", **to_plain(begun)})

    def drop(self) -> None:
        """Remove the file, once what it was for is saved.

        Raises:
            StorageError: It cannot be removed.
        """
        try:
            self.path.unlink()
            sync_folder(self.path.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"cannot be removed: {error.strerror}", where=str(self.path)) from None


def begun_validation(table: Path) -> BegunFile[BegunValidation]:
    """The file of a table's validation that has not finished.

    Args:
        table: The table's file.
    """
    return BegunFile(table.with_name(f"{table.name}.validating"), BegunValidation)


def begun_calibration(results: Path, device: str) -> BegunFile[BegunCalibration]:
    """The file of a device's calibration that has not finished.

    Args:
        results: The results folder.
        device: Name of the device.
    """
    return BegunFile(results / "calibrations" / f"{device}.json", BegunCalibration)
