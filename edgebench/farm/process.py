"""A process on a host of a farm, as the parent's handle on a worker."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

from edgebench.core.profile import Outcome
from edgebench.farm.cluster import Cluster, Session
from edgebench.farm.messages import Asked, Kind
from edgebench.workers.protocol import (
    Answer,
    LongRequest,
    Order,
    Progress,
    ProtocolError,
    Request,
    Trouble,
    open_envelope,
    order_message,
    read_answer,
    read_progress,
    request_message,
)
from edgebench.workers.worker import ChildError, Worker


class RemoteProcess(Worker):
    """A process in a session on a host.

    Args:
        cluster: Carries its messages.
        session: Where it is.
        kind: What it does.
        number: Index of this process among the fresh processes of one measurement.
        memory_limit_bytes: Data it may allocate, or None for what is reasonable there.
    """

    def __init__(
        self,
        cluster: Cluster,
        session: Session,
        kind: Kind,
        *,
        number: int = 0,
        memory_limit_bytes: int | None = None,
    ) -> None:
        self._cluster, self._session = cluster, session
        self._asked = Asked(process=uuid.uuid4().hex, kind=kind, number=number, memory_limit_bytes=memory_limit_bytes)
        self._is_open = False

    def ask(self, request: Request[Answer], *, timeout_s: float) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            ChildError: The process has failed, or its host is gone.
        """
        with _understood():
            return self._read(self._sent(request_message(request), timeout_s), request)

    def follow(
        self, request: LongRequest[Answer, Progress], on_progress: Callable[[Progress], bool], *, timeout_s: float
    ) -> Answer:
        """Send a request, follow its progress and wait for its answer.

        Raises:
            ChildError: The process has failed, or its host is gone.
        """
        with _understood():
            reply = self._sent(request_message(request), timeout_s)
            while (progress := read_progress(open_envelope(reply), request)) is not None:
                order = Order.CONTINUE if on_progress(progress) else Order.STOP
                reply = self._sent(order_message(order), timeout_s)
            return self._read(reply, request)

    def close(self) -> None:
        """End the process."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(ChildError):
                self._cluster.exchange(self._session, self._asked)

    def _sent(self, message: bytes, timeout_s: float) -> bytes:
        self._is_open = True
        asked = replace(self._asked, message=message.decode(), timeout_s=timeout_s)
        replied = self._cluster.exchange(self._session, asked)
        return (replied.message or "").encode()

    def _read(self, reply: bytes, request: Request[Answer]) -> Answer:
        answer = read_answer(open_envelope(reply), request)
        if isinstance(answer, Trouble):
            raise ChildError(Outcome.CRASHED, answer.what, answer.remedy, answer.kind)
        return answer


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """What cannot be sent, or is no answer, is a failure of the process."""
    try:
        yield
    except ProtocolError as error:
        raise ChildError(Outcome.CRASHED, error.what, error.remedy) from None
