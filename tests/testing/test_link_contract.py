"""The contract is worth something only if a link that breaks it is found."""

import contextlib
import os
import signal
from collections.abc import Callable

import pytest

from edgebench.links.base import Ending, Limits, Link, LinkClosedError
from edgebench.links.local import LocalLink
from edgebench.testing.link_contract import LinkContract

pytestmark = pytest.mark.child

LIMITS = Limits(message_bytes=16 << 20)
Test = Callable[[LinkContract, Callable[..., Link]], None]


class Stripping(LocalLink):
    def receive(self, timeout_s: float) -> bytes:
        return super().receive(timeout_s).strip()


class Reordering(LocalLink):
    """Swaps two messages."""

    held: bytes | None = None

    def receive(self, timeout_s: float) -> bytes:
        if self.held is None:
            self.held = super().receive(timeout_s)
            return super().receive(timeout_s)
        held, self.held = self.held, None
        return held


class Numbering(LocalLink):
    """Tells signals as exit codes."""

    def receive(self, timeout_s: float) -> bytes:
        try:
            return super().receive(timeout_s)
        except LinkClosedError as error:
            code = error.ending.exit_code
            if error.ending.signal:
                code = -signal.Signals[error.ending.signal].value
            raise LinkClosedError(error.what, Ending(exit_code=code)) from None


class Lenient(LocalLink):
    def start(self, command: list[str], limits: Limits) -> None:
        super().start(command, Limits(message_bytes=limits.message_bytes + 1))


class Impatient(LocalLink):
    """Gives up on a child that is slow."""

    def receive(self, timeout_s: float) -> bytes:
        try:
            return super().receive(timeout_s)
        except LinkClosedError:
            raise
        except Exception:
            self.close()
            raise


class Sparing(LocalLink):
    """Kills the child and nothing that it started."""

    def close(self) -> None:
        if self._process is not None and self._ending is None:
            self._process.kill()
            self._process.wait()
            self._ending = Ending()
        super().close()


class Once(LocalLink):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise OSError("bad file descriptor")
        self.closed = True
        super().close()


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (Stripping, LinkContract.test_a_message_arrives_whole_and_comes_back),
        (Reordering, LinkContract.test_messages_keep_their_order),
        (Numbering, LinkContract.test_a_signal_is_told_by_name),
        (Numbering, LinkContract.test_an_exit_is_told_with_its_code_and_last_words),
        (Lenient, LinkContract.test_the_limit_of_a_message_is_exact),
        (Lenient, LinkContract.test_memory_is_bounded),
        (Impatient, LinkContract.test_waiting_ends_with_its_time),
        (Once, LinkContract.test_it_closes_twice_and_tells_nothing_afterwards),
    ],
)
def test_a_link_that_breaks_a_rule_is_found(kind: type[LocalLink], test: Test) -> None:
    contract, links = LinkContract(), []

    def start(program: str, limits: Limits = LIMITS) -> Link:
        links.append(kind())
        links[-1].start(contract.command(program), limits)
        return links[-1]

    try:
        with pytest.raises((AssertionError, OSError, LinkClosedError, pytest.fail.Exception)):
            test(contract, start)
    finally:
        for link in links:
            LocalLink.close(link)


def test_a_link_that_spares_grandchildren_is_found() -> None:
    contract, links = LinkContract(), []

    def start(program: str, limits: Limits = LIMITS) -> Link:
        # The probe waits less here for what will not come.
        links.append(Sparing())
        links[-1].start(contract.command(program.replace("range(100)", "range(3)")), limits)
        return links[-1]

    try:
        with pytest.raises(LinkClosedError):
            contract.test_closing_ends_all_that_the_child_started(start, "import time; time.sleep(1000)")
    finally:
        for link in links:
            if link._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(link._process.pid, signal.SIGKILL)
            link.close()
