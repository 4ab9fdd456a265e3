"""A connection to a scheduler that may be started anew meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from edgebench.errors import UnavailableError
from edgebench.farm.dask import checked_address, distributed, host_and_port
from edgebench.workers.protocol import ProtocolError

T = TypeVar("T")
_CONNECT_S, _REACH_S = 10.0, 3.0
_AGAIN_S = 0.5


class Connection:
    """Threads may share it.

    Args:
        address: Of the scheduler.
        wait_s: How long one that does not answer is waited for.

    Attributes:
        address: Of the scheduler.

    Raises:
        InputError: It is not an address.
        MissingPackageError: Dask is not installed.
    """

    def __init__(self, address: str, wait_s: float) -> None:
        self.address = checked_address(address, "--cluster")
        self._wait_s = wait_s
        self._package = distributed()
        self._client: Any = None
        self._is_away = False
        self._lock = threading.Lock()

    def client(self) -> Any:
        """Dask's client; another one if the scheduler has been started anew.

        Raises:
            OSError: The scheduler does not answer.
        """
        with self._lock:
            if self._client is not None and self._client.status != "running":
                self._drop()
            if self._client is None:
                # Dask would try for long what is refused at once, and cannot be interrupted then.
                socket.create_connection(host_and_port(self.address), timeout=_REACH_S).close()
                self._client = self._package.Client(self.address, timeout=_CONNECT_S, set_as_default=False)
                self._is_away = False
            return self._client

    def announced(self) -> Mapping[str, Any]:
        """What Dask's workers announce, by their addresses; raises what Dask raises."""
        found: Mapping[str, Any] = self.client().scheduler_info(n_workers=-1)["workers"]
        return found

    def run(self, function: Callable[..., Any], *arguments: object, on: list[str]) -> dict[str, Any]:
        """Call a function on Dask's workers; those that are gone do not answer. Raises what Dask raises."""
        found: dict[str, Any] = self.client().run(function, *arguments, workers=on, on_error="ignore")
        return found

    def deadline(self) -> float:
        """When a wait for the scheduler ends; one that was waited for in vain is tried once more."""
        return time.monotonic() + (0.0 if self._is_away else self._wait_s)

    def give_up(self) -> None:
        """A wait has ended; if the scheduler is away, the next one will be short."""
        self._is_away = self._client is None

    def lasting(self, step: Callable[[], T]) -> T:
        """Do something with the scheduler; while it does not answer, wait and try again.

        Raises:
            UnavailableError: It does not come back.
        """
        deadline = self.deadline()
        while True:
            try:
                return step()
            except ProtocolError:
                raise
            except Exception as error:
                self.forget()
                if time.monotonic() >= deadline:
                    self.give_up()
                    raise UnavailableError(
                        f"the scheduler does not answer: {_first_line(error)}",
                        where=self.address,
                        remedy="check the address; edgebench farm scheduler starts one, and TLS needs certificates on "
                        "both sides",
                    ) from None
                time.sleep(_AGAIN_S)

    def forget(self) -> None:
        """Connect anew with the next step; the tasks of the old connection are over."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close(timeout=1)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
