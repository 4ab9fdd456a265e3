"""What a host makes of a board: replies, silence, noise, restarts and other surprises."""

import os
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.errors import TargetUnavailableError, UnsupportedModelError
from edgebench.targets.mcu.board.dialogue import BYTES_A_COMMAND, open_dialogue
from tests.targets.mcu.boards import Behaviour, Firmware, arriving, behaving, running

pytestmark = pytest.mark.heavy
BOOT_S = 1.2


def failure(behaviour: Behaviour) -> TargetUnavailableError:
    """What is said of a board that behaves so when it is greeted."""
    with behaving(behaviour) as path, pytest.raises(TargetUnavailableError) as caught:
        open_dialogue(path, 115200, BOOT_S)
    assert caught.value.where == path
    assert caught.value.remedy
    return caught.value


def asked_failure(firmware: Firmware, command: str) -> TargetUnavailableError:
    """What is said of a board that answers a greeting, and then goes wrong."""
    with running(firmware) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        with port, pytest.raises(TargetUnavailableError) as caught:
            dialogue.ask(command, 0.5)
    return caught.value


def test_a_board_answers() -> None:
    firmware = Firmware()
    with running(firmware) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        with port:
            assert not dialogue.restarted
            assert dialogue.identity() == (firmware.model, None)
            dialogue.load(b"\1\2\3\4")
            found = dialogue.infer(20, 3, 5)
    assert firmware.loaded == b"\1\2\3\4"
    assert found.seconds == pytest.approx(0.02)
    assert found.results == ("0.250", "0.750")


@pytest.mark.slow
@given(content=st.binary(min_size=1, max_size=200))
@settings(max_examples=15, deadline=None)
def test_inputs_of_any_length_arrive_in_commands_that_firmware_can_keep(content: bytes) -> None:
    firmware = Firmware()
    firmware.input_bytes = len(content)
    with running(firmware) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        with port:
            dialogue.load(content)
    assert firmware.loaded == content
    assert all(len(command) + 1 <= 80 for command in firmware.commands)
    assert BYTES_A_COMMAND == 31


def test_a_counter_may_wrap() -> None:
    firmware = Firmware()
    firmware.clock_us = (1 << 32) - 5_000
    with running(firmware) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        with port:
            assert dialogue.infer(10, 0, 5).seconds == pytest.approx(0.01)


def test_a_board_that_takes_long_to_start_is_waited_for() -> None:
    def boots(board: int, over: threading.Event) -> None:
        for _ in arriving(board, over):
            break
        time.sleep(0.3)
        os.write(board, Firmware.greeting)
        for _ in arriving(board, over):
            os.write(board, b"m-name-dut-[late]\r\nm-ready\r\n")

    with behaving(boots) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        port.close()
    assert dialogue.restarted


def test_a_board_that_is_busy_for_somebody_who_has_left_is_waited_for() -> None:
    def finishes(board: int, over: threading.Event) -> None:
        asked = 0
        for content in arriving(board, over):
            asked += content.count(b"%")
            if asked >= 2:
                os.write(board, b"m-lap-us-9\r\nm-infer-done\r\nm-results-[0.5]\r\nm-ready\r\n")
                os.write(board, b"m-name-dut-[busy]\r\nm-ready\r\n" * asked)
                break
        for _ in arriving(board, over):
            os.write(board, b"m-model-[x]\r\nm-ready\r\n")

    with behaving(finishes) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        with port:
            assert dialogue.ask("profile") == ["m-model-[x]"]


def test_silence() -> None:
    error = failure(lambda board, over: [None for _ in arriving(board, over)] and None)
    assert "does not answer within" in error.what
    assert "export --to c" in str(error.remedy)


def test_a_wrong_rate() -> None:
    def garbles(board: int, over: threading.Event) -> None:
        for content in arriving(board, over):
            os.write(board, bytes((byte * 7 | 0x80) & 0xFF for byte in content))

    error = failure(garbles)
    assert "rate is probably wrong" in error.what
    assert "baud" in str(error.remedy)


def test_something_else_that_talks() -> None:
    def greets(board: int, over: threading.Event) -> None:
        for _ in arriving(board, over):
            os.write(board, b"login: \x1b[0m\r\n")

    error = failure(greets)
    assert "something else" in error.what
    assert "login:" in error.what
    assert "\x1b" not in error.what


@pytest.mark.slow
def test_a_board_that_starts_again_and_again() -> None:
    def restarts(board: int, over: threading.Event) -> None:
        for _ in arriving(board, over):
            os.write(board, Firmware.greeting)

    with behaving(restarts) as path, pytest.raises(TargetUnavailableError, match="again and again"):
        open_dialogue(path, 115200, 6)


def test_a_board_that_restarts_in_the_middle() -> None:
    class Restarts(Firmware):
        def reply(self, command: str) -> bytes:
            return self.greeting if command == "profile" else super().reply(command)

    error = asked_failure(Restarts(), "profile")
    assert "restarted during 'profile'" in error.what
    assert "supply" in str(error.remedy)


def test_a_reply_that_does_not_come() -> None:
    class Hangs(Firmware):
        def reply(self, command: str) -> bytes:
            return b"m-warmup-start-0\r\n" if command.startswith("infer") else super().reply(command)

    error = asked_failure(Hangs(), "infer 1 0")
    assert "no reply to 'infer' within 0.5 s, only 'm-warmup-start-0'" in error.what


def test_a_port_that_disappears_in_the_middle() -> None:
    class Leaves(Firmware):
        def reply(self, command: str) -> bytes:
            if command == "profile":
                raise ConnectionAbortedError
            return super().reply(command)

    def leaves(board: int, over: threading.Event) -> None:
        firmware, received = Leaves(), b""
        for content in arriving(board, over):
            *commands, received = (received + content).split(b"%")
            for command in commands:
                try:
                    os.write(board, firmware.reply(command.decode()))
                except ConnectionAbortedError:
                    os.close(board)
                    return

    with behaving(leaves) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        with port, pytest.raises(TargetUnavailableError, match="gone in the middle"):
            dialogue.ask("profile")


def test_bytes_that_are_lost() -> None:
    class Loses(Firmware):
        input_bytes = 99

    with running(Loses()) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        with port, pytest.raises(TargetUnavailableError, match="bytes were lost"):
            dialogue.load(b"\1\2\3\4")


@pytest.mark.parametrize(
    "line",
    ["e-[Supplied buffer size 4 exceeds maximum of 2]", "Supplied buffer size 4 exceeds maximum of 2"],
)
def test_a_board_with_too_little_room(line: str) -> None:
    class Small(Firmware):
        def obey(self, verb: str, *words: str) -> list[str]:
            return [line] if verb == "db" else super().obey(verb, *words)

    with running(Small()) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        with port, pytest.raises(UnsupportedModelError, match="exceeds maximum"):
            dialogue.load(b"\1\2\3\4")


def test_a_board_that_does_not_time() -> None:
    class Energy(Firmware):
        def infer(self, times: int, warm_up: int) -> list[str]:
            return [line for line in super().infer(times, warm_up) if "lap" not in line]

    with running(Energy()) as path:
        port, dialogue = open_dialogue(path, 115200, 5)
        with port, pytest.raises(TargetUnavailableError, match="0 times instead of 2"):
            dialogue.infer(1, 0, 5)


@pytest.mark.slow
@given(noise=st.binary(max_size=300))
@settings(max_examples=25, deadline=None)
def test_noise_before_the_answer_does_no_harm(noise: bytes) -> None:
    def noisy(board: int, over: threading.Event) -> None:
        for _ in arriving(board, over):
            os.write(board, noise.replace(b"m-", b"n-") + b"\r\nm-name-dut-[x]\r\nm-ready\r\n")

    with behaving(noisy) as path:
        port, _ = open_dialogue(path, 115200, 5)
        port.close()
