"""A measuring process in other hands: it works honestly until it is asked for one thing, and then does its worst.

``python hostile_child.py NUMBER ATTACK`` speaks the protocol of ``edgebench.workers.measuring``. Each attack says at
which request it begins, and what a user may then be told.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

NONSENSE = "the worker's answer is invalid"
CRASHED = "crashed"
SILENT = "no answer within"
MUTE = "stopped answering"
MARK = "EDGEBENCH_HOSTILE"
"""Names a variable of the environment by which a test finds all that an attack has started."""
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202eevil\x9b31m\r\b\n::error::owned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way of being hostile.

    Attributes:
        verb: The request at which it begins.
        words: What the failure may say, any of them; empty if the profile is as good as any other.
        act: Takes the connection and the honest answer, as JSON would write it.
        layers: Whether the profile asks for layers.
    """

    verb: str
    words: tuple[str, ...]
    act: Callable[[Connection, dict[str, Any]], None]
    layers: bool = False


class Connection:
    """What the parent reads, and what it wrote."""

    def __init__(self, out: int, read: Callable[[], object]) -> None:
        self.out = out
        self.read = read

    def say(self, data: bytes | str) -> None:
        """Write all of it, as a line."""
        self.write((data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data) + b"\n")

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.out, view) :]

    def answer(self, answer: object) -> None:
        self.say(json.dumps({"protocol": 1, "answer": answer}))


def _says(line: bytes | str) -> Callable[[Connection, dict[str, Any]], None]:
    return lambda connection, _: connection.say(line)


def _changed(*keys: str | int, value: object) -> Callable[[Connection, dict[str, Any]], None]:
    """The honest answer, but for one value deep in it."""

    def act(connection: Connection, honest: dict[str, Any]) -> None:
        place: Any = honest
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value(place[keys[-1]]) if callable(value) else value
        connection.answer(honest)

    return act


def _spelled(old: str, new: str) -> Callable[[Connection, dict[str, Any]], None]:
    """The honest answer, but for how a value is spelled: what ``json`` itself would not write."""

    def act(connection: Connection, honest: dict[str, Any]) -> None:
        text = json.dumps({"protocol": 1, "answer": honest})
        if old not in text:
            raise AssertionError(f"{old} is not in {text}")
        connection.say(text.replace(old, new, 1))

    return act


def _latencies(text: str) -> Callable[[Connection, dict[str, Any]], None]:
    def act(connection: Connection, honest: dict[str, Any]) -> None:
        honest |= {"latencies_s": "HERE", "wall_s": 0.5, "cpu_s": 0.5}
        connection.say(json.dumps({"protocol": 1, "answer": honest}).replace('"HERE"', text))

    return act


def _dies(number: int) -> Callable[[Connection, dict[str, Any]], None]:
    def act(_: Connection, __: dict[str, Any]) -> None:
        signal.signal(number, signal.SIG_DFL) if number not in {signal.SIGKILL, signal.SIGSTOP} else None
        os.kill(os.getpid(), number)
        time.sleep(600)

    return act


def _hangs(*_: object) -> NoReturn:
    while True:
        time.sleep(60)


def _deaf(connection: Connection, _: dict[str, Any]) -> None:
    """Ignores every signal that can be ignored, and hangs with half a message."""
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    connection.write(b'{"protocol": 1, "ans')
    _hangs()


def _closes(descriptor: str) -> Callable[[Connection, dict[str, Any]], None]:
    def act(connection: Connection, honest: dict[str, Any]) -> None:
        if descriptor == "output":
            os.close(connection.out)
        else:
            connection.answer(honest)
            for number in range(3, 64):
                if number != connection.out:
                    with contextlib.suppress(OSError):
                        os.close(number)
        _hangs()

    return act


def _endless_line(connection: Connection, _: dict[str, Any]) -> None:
    connection.write(b'{"protocol": 1, "answer": "')
    while True:
        connection.write(b"x" * 65536)


def _endless_lines(connection: Connection, _: dict[str, Any]) -> None:
    while True:
        connection.write(b"{}\n" * 10_000)


def _endless_complaints(_: Connection, __: dict[str, Any]) -> None:
    while True:
        os.write(2, b"something is wrong\n" * 10_000)


def _complains(connection: Connection, honest: dict[str, Any]) -> None:
    os.write(2, ESCAPES.encode("utf-8", "surrogatepass") * 10)
    raise SystemExit(3)


def _twice(connection: Connection, honest: dict[str, Any]) -> None:
    """The second answer is there before the next question."""
    connection.answer(honest)
    connection.answer(honest)
    _hangs()


def _other_verb(connection: Connection, _: dict[str, Any]) -> None:
    connection.say('{"protocol": 1, "request": "run", "body": {"iterations": 1}}')


def _reports_forever(connection: Connection, _: dict[str, Any]) -> None:
    while True:
        connection.say('{"protocol": 1, "progress": {"owner": "me"}}')
        connection.read()


def _grandchild(*, session: bool) -> Callable[[Connection, dict[str, Any]], None]:
    """Ends, but something that it started keeps its output open."""

    def act(connection: Connection, _: dict[str, Any]) -> None:
        subprocess.Popen(
            [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"],
            stdout=connection.out,
            start_new_session=session,
        )
        os._exit(0)

    return act


def _many(connection: Connection, honest: dict[str, Any]) -> None:
    """A hundred thousand layers with long names."""
    honest["layers"] = [{"name": f"{number} " + "l" * 90, "operator": "Conv"} for number in range(100_000)]
    connection.answer(honest)


def _ten_million(connection: Connection, _: dict[str, Any]) -> None:
    connection.say(b'{"protocol": 1, "answer": {"latencies_s": [' + b"1," * 9_999_999 + b"1]}}")


def _nested(opening: str, closing: str) -> str:
    return '{"protocol": 1, "answer": ' + opening * 100_000 + closing * 100_000 + "}"


def _figure(value: object, **more: object) -> dict[str, object]:
    return {"value": value, "unit": "s", "provenance": "measured", "method": "m", **more}


def _failure(**fields: object) -> str:
    return json.dumps({"protocol": 1, "failure": {"kind": "crashed", "what": "x", **fields}})


def _confined(step: Callable[[], object]) -> Callable[[Connection, dict[str, Any]], None]:
    """What a process does that is confined as it is before it reads a model; it must not succeed."""

    def act(connection: Connection, honest: dict[str, Any]) -> None:
        from edgebench.workers.measuring.confinement import confine_to

        reason = confine_to([os.environ["EDGEBENCH_HOSTILE_MODEL"]], [], None, [])
        if reason is not None:
            connection.say(f"not confined: {reason}")
            return
        try:
            step()
        except OSError:
            connection.answer(honest)
            return
        connection.say("it was possible")

    return act


def _terminals() -> None:
    """The terminal of the process that started this one, by each of its names."""
    parent = os.getppid()
    places = ["/dev/tty", "/dev/console", f"/proc/{parent}/fd/0", f"/proc/{parent}/fd/1", f"/proc/{parent}/fd/2"]
    with contextlib.suppress(OSError, KeyError):
        places.append(os.environ["EDGEBENCH_HOSTILE_TERMINAL"])
    wrote = 0
    for place in places:
        with contextlib.suppress(OSError):
            descriptor = os.open(place, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
            if os.isatty(descriptor):
                wrote += os.write(descriptor, b"\x1b]0;owned\x07")
            os.close(descriptor)
    if not wrote:
        raise PermissionError("no terminal can be written to")


def _abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + os.environ["EDGEBENCH_HOSTILE_SOCKET"])


def _kills(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getppid(), number)


_LOADED = ("load", (NONSENSE,))
_RUN = ("run", (NONSENSE,))
_FINISH = ("finish", (NONSENSE,))
_PREPARE = ("prepare", (NONSENSE,))


def _of(kind: tuple[str, tuple[str, ...]], act: Callable[[Connection, dict[str, Any]], None]) -> Attack:
    return Attack(verb=kind[0], words=kind[1], act=act)


ATTACKS: dict[str, Attack] = {
    # What is no message at all.
    "no JSON": _of(_LOADED, _says("hello, world")),
    "nothing": _of(_RUN, _says(b"")),
    "bytes": _of(_PREPARE, _says(bytes(range(11, 256)) * 50)),
    "a list": _of(_RUN, _says("[1, 2, 3]")),
    "a number": _of(_FINISH, _says("42")),
    "null": _of(_PREPARE, _says("null")),
    "a string": _of(_LOADED, _says('"done"')),
    "no answer": _of(_RUN, _says('{"protocol": 1}')),
    "no version": _of(_RUN, _says('{"answer": {}}')),
    "a version in words": _of(_PREPARE, _says('{"protocol": "1", "answer": {}}')),
    "another version": Attack(
        verb="load", words=("speaks protocol 7",), act=_says('{"protocol": 7, "answer": {}, "new": true}')
    ),
    "a version that is true": _of(_LOADED, _says('{"protocol": true, "answer": {}}')),
    "a request": _of(_LOADED, _other_verb),
    "an order": _of(_FINISH, _says('{"protocol": 1, "order": "continue"}')),
    "progress": _of(_RUN, _says('{"protocol": 1, "progress": {"owner": "me"}}')),
    "progress without end": _of(_LOADED, _reports_forever),
    "an answer and a failure": _of(
        _RUN, _says('{"protocol": 1, "answer": {"latencies_s": [1]}, "failure": {"kind": "crashed", "what": "x"}}')
    ),
    "nested lists": _of(_PREPARE, _says(_nested("[", "]"))),
    "nested objects": _of(_FINISH, _says(_nested('{"a":', "") + "1")),
    "lone surrogates": _of(_FINISH, _changed("notes", value=["\ud800\udfff\udc80"])),
    "raw surrogates": _of(_FINISH, _says(b'{"protocol": 1, "answer": "\xed\xa0\x80"}')),
    "an endless line": _of(_RUN, _endless_line),
    "a line without an end": Attack(verb="prepare", words=(SILENT,), act=_deaf),
    "an integer of 5,000 digits": _of(_FINISH, _spelled('"peak_ram_bytes": ', '"peak_ram_bytes": ' + "9" * 5000)),
    "an integer of 4,000 digits": _of(_FINISH, _spelled('"peak_ram_bytes": ', '"peak_ram_bytes": ' + "9" * 4000)),
    "a size of 400 digits": _of(_PREPARE, _changed("info", "size_bytes", value=10**400)),
    "a key twice": _of(_RUN, _spelled('"latencies_s"', '"latencies_s": [1e-9], "latencies_s"')),
    # Answers of another shape.
    "another shape": _of(_LOADED, _says('{"protocol": 1, "answer": {"latencies_s": [0.1]}}')),
    "an answer that is a list": _of(_RUN, _says('{"protocol": 1, "answer": [0.1]}')),
    "a field too many": _of(_LOADED, _changed("evil", value=1)),
    "a field too few": _of(_LOADED, lambda link, honest: link.answer({"load_s": honest["load_s"]})),
    "true for a number": _of(_LOADED, _changed("load_s", value=True)),
    "true for an integer": _of(_LOADED, _changed("iterations", value=True)),
    "a number in words": _of(_LOADED, _changed("load_s", value="0.1")),
    "a number for text": _of(_LOADED, _changed("method", value=1)),
    "unknown provenance": _of(_FINISH, _changed("metrics", value={"x": _figure(1, provenance="guessed")})),
    # Impossible figures.
    "latency 0": _of(_RUN, _latencies("[0, 0, 0]")),
    "latency -0": _of(_RUN, _latencies("[-0.0]")),
    "latency below zero": _of(_RUN, _latencies("[-1e-3]")),
    "latency NaN": _of(_RUN, _latencies("[NaN]")),
    "latency infinite": _of(_RUN, _latencies("[Infinity]")),
    "latency 1e400": _of(_RUN, _latencies("[1e400]")),
    "latency 1e308": _of(_RUN, _latencies("[1e308, 1e308]")),
    "latency 1e-320": _of(_RUN, _latencies("[1e-320]")),
    "latency true": _of(_RUN, _latencies("[true]")),
    "latency null": _of(_RUN, _latencies("[null]")),
    "no latencies": _of(_RUN, _latencies("[]")),
    "more latencies than inferences": _of(_RUN, _latencies("[" + "1e-3," * 5000 + "1e-3]")),
    "ten million latencies": _of(_RUN, _ten_million),
    "a first inference of 10^10 s": _of(_LOADED, _changed("first", "latencies_s", value=[1e10])),
    "a loading time below zero": _of(_LOADED, _changed("load_s", value=-1)),
    "a loading time of 1e308": _of(_LOADED, _changed("load_s", value=1e308)),
    "a burst of no inferences": _of(_LOADED, _changed("iterations", value=0)),
    "a burst of 10^30 inferences": _of(_LOADED, _changed("iterations", value=10**30)),
    "loops without end": _of(_LOADED, _changed("loops", value=10**12)),
    "no loops": _of(_LOADED, _changed("loops", value=0)),
    "energy below zero": _of(_RUN, _changed("energy_j", value=-1)),
    "energy of 1e308": _of(_RUN, _changed("energy_j", value=1e308)),
    "memory below zero": _of(_FINISH, _changed("peak_ram_bytes", value=-1)),
    "memory of 10^300": _of(_FINISH, _changed("peak_ram_bytes", value=10**300)),
    "a figure of 1e308": _of(_FINISH, _changed("metrics", value={"latency_s": _figure(1e308)})),
    "a figure below zero": _of(_FINISH, _changed("metrics", value={"energy_j": _figure(-1)})),
    "a figure outside its interval": _of(_FINISH, _changed("metrics", value={"latency_s": _figure(1, low=2, high=3)})),
    "a share of 7": Attack(
        verb="list layers", words=(NONSENSE,), layers=True, act=_changed("layers", 0, "share", value=7)
    ),
    "a size below zero": _of(_PREPARE, _changed("info", "size_bytes", value=-1)),
    "a temperature of 1e308": _of(_LOADED, _changed("before", value={"temperature_c": 1e308})),
    # Too much of everything.
    "a note of 100 MB": _of(_FINISH, _changed("notes", value=lambda _: ["n" * 10**8])),
    "a note of 60 MB": _of(_FINISH, _changed("notes", value=lambda _: ["n" * 6 * 10**7])),
    "a million notes": _of(_FINISH, _changed("notes", value=lambda _: [f"note {n}" for n in range(10**6)])),
    "layers nobody asked for": _of(_FINISH, _changed("layers", value=[{"name": "x", "operator": "y"}])),
    "100,000 layers": Attack(verb="list layers", words=(NONSENSE,), act=_many, layers=True),
    "a failure of 60 MB": Attack(
        verb="run", words=(NONSENSE, "xxxx"), act=lambda link, _: link.say(_failure(what="x" * 6 * 10**7))
    ),
    "lines without end": _of(_RUN, _endless_lines),
    "complaints without end": Attack(verb="run", words=(NONSENSE, SILENT, CRASHED), act=_endless_complaints),
    # Texts that are not meant to be read.
    "escapes in a failure": Attack(
        verb="run", words=("evil",), act=_says(_failure(what=ESCAPES, where=ESCAPES, remedy=ESCAPES, exception=ESCAPES))
    ),
    "escapes in last words": Attack(verb="run", words=(CRASHED,), act=_complains),
    "escapes in notes": Attack(verb="finish", words=(), act=_changed("notes", value=[ESCAPES])),
    "escapes in the method": Attack(verb="load", words=(), act=_changed("method", value=ESCAPES)),
    "escapes in the name": Attack(verb="prepare", words=(), act=_changed("info", "name", value=ESCAPES)),
    "escapes in layers": Attack(
        verb="list layers",
        words=(),
        layers=True,
        act=_changed("layers", value=[{"name": ESCAPES, "operator": ESCAPES, "placement": ESCAPES, "reason": ESCAPES}]),
    ),
    "escapes in a figure": Attack(
        verb="finish", words=(), act=_changed("metrics", value={ESCAPES: _figure(1, unit=ESCAPES, method=ESCAPES)})
    ),
    # Files that are not its own.
    "a file elsewhere": _of(_PREPARE, _changed("path", value="/etc/passwd")),
    "a file above": _of(_PREPARE, _changed("path", value="../../../etc/passwd")),
    "a path with a NUL": _of(_PREPARE, _changed("path", value="a\0b")),
    # Manners.
    "no output": Attack(verb="load", words=(MUTE,), act=_closes("output")),
    "no input": Attack(verb="load", words=(SILENT, MUTE, CRASHED), act=_closes("input")),
    "silence": Attack(verb="run", words=(SILENT,), act=_hangs),
    "answers out of turn": Attack(verb="load", words=(NONSENSE,), act=_twice),
    "exit code 0": Attack(verb="run", words=(CRASHED,), act=lambda *_: os._exit(0)),
    "exit code 3": Attack(verb="load", words=(CRASHED,), act=lambda *_: os._exit(3)),
    **{
        f"dies of {number.name}": Attack(verb=verb, words=(f"{CRASHED} ", "killed by SIGKILL"), act=_dies(number))
        for number, verb in (
            (signal.SIGSEGV, "prepare"),
            (signal.SIGABRT, "load"),
            (signal.SIGBUS, "run"),
            (signal.SIGFPE, "finish"),
            (signal.SIGILL, "run"),
            (signal.SIGKILL, "load"),
            (signal.SIGTERM, "run"),
            (signal.SIGPIPE, "run"),
            (signal.SIGXCPU, "load"),
        )
    },
    "stops itself": Attack(verb="run", words=(SILENT,), act=_dies(signal.SIGSTOP)),
    "a grandchild with its output": Attack(verb="run", words=(CRASHED,), act=_grandchild(session=False)),
    "a grandchild in a session of its own": Attack(verb="run", words=(CRASHED,), act=_grandchild(session=True)),
    # What a process could do to others; it is confined as before it reads a model.
    "writes to the terminal": Attack(verb="load", words=(), act=_confined(_terminals)),
    "reads the memory of its parent": Attack(
        verb="load", words=(), act=_confined(lambda: os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR))
    ),
    "speaks to a local service": Attack(verb="load", words=(), act=_confined(_abstract_socket)),
    **{
        f"sends {number.name} to its parent": Attack(verb="load", words=(), act=_confined(_kills(number)))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGSTOP, signal.SIGKILL)
    },
}


def main(name: str) -> None:
    """Serve, and attack when it is time."""
    from edgebench.workers.measuring.server import MeasuringServer
    from edgebench.workers.server import main as serve

    attack = ATTACKS[name]

    class Hostile(MeasuringServer):
        def serve(self) -> None:
            connection, done = Connection(self._answers.fileno(), self._next), False
            while (line := self._next()) is not None:
                if done or json.loads(line)["request"] != attack.verb:
                    self._send(self._reply(line))
                    continue
                attack.act(connection, json.loads(self._reply(line)).get("answer", {}))
                done = True
                # What an attack left unsaid is not said later.
                while attack.words and self._next() is not None:
                    pass

    serve(Hostile)


if __name__ == "__main__":
    main(sys.argv[2])
