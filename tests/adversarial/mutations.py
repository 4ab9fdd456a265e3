# ruff: noqa: T201 - a command
"""Files that strangers changed, put through edgebench by the thousand: ``python -m tests.adversarial.mutations``.

Model files go through ``edgebench check`` and ``profile`` for every kind of device, in the child process that is used
for them otherwise, which is kept for the next file as long as it lives: starting a process takes longer than refusing a
file. Device files, runs and tables are read and reported in this process, as commands do.

A file may be refused, and it may crash the runtime that it is for. What may not happen: an exception that is none of
edgebench's own, an answer that makes no sense, and a file that takes longer than its limit.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import signal
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.errors import EdgebenchError
from edgebench.flows.check import CheckRequest, check
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.links import guard
from edgebench.store.devices import find_device
from edgebench.store.files import _checksum
from edgebench.workers.local import LOCAL
from edgebench.workers.protocol import Answer, FailureKind, Request
from edgebench.workers.worker import ChildError, Worker
from tests.adversarial.hostile_names import NAMES
from tests.canned_workers import WithoutBoards
from tests.models.small_model_files import exported, keyword_net, keyword_tflite, torchscript

FILE_LIMIT_S = 20.0
"""Time for one step of one file; the slowest that may be is a conversion by PyTorch."""
PER_PROCESS = 100
"""Files for one process, so that it is none of many generations."""
DEVICES = {
    "onnx": ("host", "host-litert", "ethos-u55-128", "nucleo-l4r5zi"),
    "tflite": ("host-litert", "ethos-u55-128", "nucleo-l4r5zi"),
    "pt": ("host-torch",),
    "pt2": ("host-torch",),
    "npz": ("ethos-u55-128",),
}
SHAPES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "onnx": {"audio": (2, 2, 8)},
    "pt": {"x": (1, 3, 8, 8)},
    "pt2": {"image": (3, 3, 16, 16)},
}
_INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, 0x10000, 0x7FFF)
_VALUES: tuple[str, ...] = (
    "0", "-1", "1e400", "-1e400", "NaN", "Infinity", "1e308", "5e-324", "9" * 400, "9" * 5000, "true", "null", '""',
    '"x"', "[]", "{}", "[[[]]]", '{"a": {}}', '"\\ud800"', '"\\u0000"', '"../../x"', "[" * 200 + "]" * 200,
)  # fmt: skip


def _bytes(random_: random.Random, content: bytes) -> bytes:
    """One to four changes of bytes anywhere: flipped, cut off, repeated, removed, or taken for another number."""
    data = bytearray(content)
    for _ in range(random_.choice((1, 1, 1, 2, 4))):
        at, length = random_.randrange(len(data) + 1), random_.choice((1, 2, 4, 8, 64, 512))
        other = random_.randrange(len(data) + 1)
        kind = random_.choice(("flip", "flip", "set", "cut", "copy", "repeat", "remove", "word", "word", "varint"))
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << random_.randrange(8)
        elif kind == "set" and at < len(data):
            data[at] = random_.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
        elif kind == "cut":
            del data[max(at, 8) :]
        elif kind == "copy":
            data[at : at + length] = data[other : other + length]
        elif kind == "repeat":
            data[at:at] = data[other : other + length] * random_.choice((1, 1, 100))
        elif kind == "remove":
            del data[at : at + length]
        elif kind == "word":
            start = at // 4 * 4
            data[start : start + 4] = random_.choice(_INTEGERS).to_bytes(4, "little")
        elif kind == "varint":
            data[at : at + 1] = random_.choice((b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x07", b"\x80\x80\x80\x00"))
    return bytes(data)


def _onnx(random_: random.Random, content: bytes) -> bytes:
    """A valid file with one to three fields changed: sizes, names, operators, links between them."""
    import onnx

    if random_.random() < 0.4:
        return _bytes(random_, content)
    model = onnx.ModelProto.FromString(content)
    for _ in range(random_.choice((1, 1, 2, 3))):
        message, name = random_.choice(list(_fields(model)))
        _change(random_, message, name)
    try:
        return bytes(model.SerializeToString())
    except (ValueError, UnicodeEncodeError):
        return content


def _fields(message: Any) -> Iterator[tuple[Any, Any]]:
    for descriptor, value in message.ListFields():
        yield message, descriptor
        if descriptor.type == descriptor.TYPE_MESSAGE:
            for item in value if _is_repeated(descriptor) else [value]:
                yield from _fields(item)


def _is_repeated(descriptor: Any) -> bool:
    found = descriptor.is_repeated
    return bool(found() if callable(found) else found)


def _change(random_: random.Random, message: Any, descriptor: Any) -> None:
    value = getattr(message, descriptor.name)
    if descriptor.type == descriptor.TYPE_MESSAGE or _is_repeated(descriptor):
        if not _is_repeated(descriptor) or not len(value):
            message.ClearField(descriptor.name)
            return
        at = random_.randrange(len(value))
        if descriptor.type != descriptor.TYPE_MESSAGE:
            new = _scalar(random_, descriptor, value[at])
            if new is not None:
                value[at] = new
        elif random_.random() < 0.5:
            del value[at]
        else:
            value.add().CopyFrom(value[random_.randrange(len(value))])
        return
    new = _scalar(random_, descriptor, value)
    if new is not None:
        setattr(message, descriptor.name, new)


def _scalar(random_: random.Random, descriptor: Any, value: Any) -> Any:
    if isinstance(value, str):
        return random_.choice((random_.choice(_names()), "", value + "x"))
    if isinstance(value, bytes):
        return _bytes(random_, value) if random_.random() < 0.7 else random_.choice(_names()).encode()
    if isinstance(value, float):
        return random_.choice((0.0, -1.0, float("nan"), float("inf"), 3e38))
    if isinstance(value, int) and descriptor.enum_type is None:
        big = (2**31 - 1, -(2**31)) if "32" in str(descriptor.cpp_type) else (2**31, 2**40, 2**63 - 1, -(2**63))
        found = random_.choice((0, 1, -1, 2, 3, 7, 1000, *big))
        return found if descriptor.cpp_type in {descriptor.CPPTYPE_INT64, descriptor.CPPTYPE_UINT64} else found % 2**31
    return None


def _names() -> list[str]:
    found = []
    for name in NAMES:
        try:
            name.encode()
        except UnicodeEncodeError:
            continue
        found.append(name)
    return found


def _archive(random_: random.Random, content: bytes) -> bytes:
    """A whole archive whose entries are changed, doubled, renamed, emptied or blown up; or changed as bytes."""
    if random_.random() < 0.25:
        return _bytes(random_, content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = random_.randrange(len(entries))
    name, data = entries[at]
    kind = random_.choice(("bytes", "bytes", "bytes", "text", "text", "double", "rename", "drop", "bomb", "empty"))
    if kind == "bytes":
        entries[at] = (name, _bytes(random_, data))
    elif kind == "text":
        entries[at] = (name, _text(random_, data))
    elif kind == "double":
        entries.append((name, _bytes(random_, data)))
    elif kind == "rename":
        entries[at] = (random_.choice(("../../evil", "/etc/evil", name.upper(), "a" * 5000, name + "/x")), data)
    elif kind == "drop":
        del entries[at]
    elif kind == "bomb":
        entries[at] = (name, b"\0" * (64 << 20))
    else:
        entries[at] = (name, b"")
    found = io.BytesIO()
    packed = zipfile.ZIP_DEFLATED if kind == "bomb" or random_.random() < 0.2 else zipfile.ZIP_STORED
    with zipfile.ZipFile(found, "w", packed) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    changed = bytearray(found.getvalue())
    if random_.random() < 0.15:
        # Sizes and offsets of the directory.
        start = changed.rfind(b"PK\x01\x02")
        place = start + random_.choice((10, 16, 20, 24, 28, 30, 42))
        changed[place : place + 4] = random_.choice(_INTEGERS).to_bytes(4, "little")
    return bytes(changed)


def _text(random_: random.Random, content: bytes) -> bytes:
    """A document in which one to three values are others, keys are missing or there twice, or bytes are changed."""
    if random_.random() < 0.15:
        return _bytes(random_, content)
    text = content.decode("utf-8", "surrogateescape")
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        values = list(re.finditer(r'-?\d[\d.eE+_-]*|"(?:[^"\\]|\\.)*"|true|false|null', text))
        if not values:
            break
        match = random_.choice(values)
        is_text = match[0].startswith('"')
        kind = random_.choice(("value", "value", "name", "remove", "twice"))
        if kind == "value":
            new = random_.choice(_VALUES)
        elif kind == "name" and is_text:
            new = json.dumps(random_.choice(NAMES))
        elif kind == "twice":
            line = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.end()) + 1
            text = text[:end] + text[line:end] + text[end:]
            continue
        else:
            new = ""
        text = text[: match.start()] + new + text[match.end() :]
    return text.encode("utf-8", "surrogateescape")


def _signed(content: bytes) -> bytes:
    """A document of edgebench as somebody writes it who knows how: with its checksum."""
    try:
        document = json.loads(content)
        if isinstance(document, dict):
            document.pop("checksum", None)
            document["checksum"] = _checksum(document)
            return json.dumps(document, ensure_ascii=True).encode()
    except (ValueError, RecursionError):
        pass
    return content


@dataclass
class Tally:
    """What became of the files."""

    files: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)
    slowest_s: float = 0.0

    def fault(self, what: str, file: str) -> None:
        self.faults.setdefault(what, []).append(file)


class Kept(WithoutBoards):
    """Workers that are used again, one for each device, until they die or have had many files."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._living: dict[str, tuple[Worker, int]] = {}
        self.file = ""

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        return Lent(self)

    def ask(self, key: str, request: Request[Answer], timeout_s: float) -> Answer:
        worker, used = self._living.pop(key, (None, 0))
        if worker is None:
            worker = LOCAL.measuring(memory_limit_bytes=3 << 30)
        start = time.monotonic()
        try:
            # Compilers are made ready once, which is no matter of a file.
            found = worker.ask(request, timeout_s=timeout_s if request.verb == "make ready" else FILE_LIMIT_S)
        except ChildError as error:
            self._note(error, request, worker)
            if error.kind is None:
                worker.close()
            elif used < PER_PROCESS:
                self._living[key] = worker, used + 1
            else:
                worker.close()
            raise
        finally:
            self._tally.slowest_s = max(self._tally.slowest_s, time.monotonic() - start)
        if used < PER_PROCESS:
            self._living[key] = worker, used + 1
        else:
            worker.close()
        return found

    def _note(self, error: ChildError, request: Request[Any], worker: Worker) -> None:
        self._tally.outcomes[error.outcome.value] += 1
        if error.outcome is Outcome.TIMED_OUT:
            self._tally.fault(f"hangs at {request.verb}", self.file)
        elif error.kind in {FailureKind.CRASHED, FailureKind.PROTOCOL} or "answer is invalid" in error.message:
            where = _last_frame(worker) if error.kind is FailureKind.CRASHED else ""
            text = re.sub(r"[\d.]+|'[^']*'|/\S+", "#", error.message)[:100]
            self._tally.fault(f"{request.verb}: {text} {where}", self.file)
        elif error.kind is None and error.outcome is Outcome.CRASHED:
            self._tally.outcomes[f"  {request.verb}: {error.message[:110]}"] += 1

    def close(self) -> None:
        for worker, _ in self._living.values():
            worker.close()
        self._living.clear()

    def training(self) -> Worker:
        raise NotImplementedError


class Lent(Worker):
    """A worker that goes back when it is closed."""

    def __init__(self, kept: Kept) -> None:
        self._kept, self._key = kept, ""

    def ask(self, request: Request[Answer], *, timeout_s: float) -> Answer:
        device = getattr(request, "device", None)
        self._key = self._key or ("" if device is None else device.name)
        return self._kept.ask(self._key, request, timeout_s)

    def close(self) -> None:
        """It lives on."""


def _last_frame(worker: Worker) -> str:
    link = worker._here._link if hasattr(worker, "_here") else worker._link  # type: ignore[attr-defined]
    frames = [line.strip() for line in link.printed() if line.strip().startswith("File ")]
    frame = next((frame for frame in reversed(frames) if "edgebench" in frame), frames[-1] if frames else "")
    return re.sub(r'File ".*?(edgebench/|site-packages/)', r"\1", frame).replace('",', "")


@contextmanager
def _bounded() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"more than {FILE_LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, FILE_LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _render(report: Any) -> None:
    from edgebench.cli.output import Format, _text

    for form in (Format.TERMINAL, Format.MARKDOWN, Format.CSV, Format.JSON, Format.HTML):
        _text(report, "attack", form).encode()


def _as_model(path: Path, kind: str, number: int, kept: Kept, calibration: Path | None = None) -> None:
    from edgebench.reports.check import check_report
    from edgebench.reports.profiles import report

    names = DEVICES[kind]
    plan = MeasurementPlan(repetitions=1, time_limit_s=FILE_LIMIT_S, layers=True)
    inputs = InputSource(shapes=SHAPES.get(kind, {}), calibration=None if calibration is None else str(calibration))
    # Each file is read; then one device, and every tenth time all of them.
    devices = [find_device(name) for name in (names if number % 10 == 0 else [names[number % len(names)]])]
    models = check(CheckRequest(models=[str(path)], devices=devices, plan=plan, inputs=inputs), workers=kept)
    _render(check_report(models))
    if number % 4 == 0 and any(found.support and found.support.runs for model in models for found in model.devices):
        found: list[tuple[Profile, ...]] = []
        profile(
            ProfileRequest(models=[str(path)], devices=devices[:1], plan=plan, inputs=inputs),
            on_update=found.append, workers=kept,
        )  # fmt: skip
        _render(report([_run(found[-1])]))


def _run(profiles: tuple[Profile, ...]) -> Any:
    from edgebench.core.run import Run
    from edgebench.store.codec import from_plain, to_plain

    run = Run(
        name="attack", started="2026-01-01T00:00:00+00:00", command=("edgebench",), edgebench="0",
        plan=MeasurementPlan(), machine={}, seed=0, profiles=profiles,
    )  # fmt: skip
    return from_plain(Run, json.loads(json.dumps(to_plain(run))), where="attack")


def _as_run(path: Path) -> None:
    from edgebench.reports.profiles import report
    from edgebench.store.runs import load_run

    _render(report([load_run(path)]))


def _as_table(path: Path) -> None:
    from edgebench.reports.tables import table_report, tables_report
    from edgebench.store.tables import load_table

    table = load_table(path)
    _render(tables_report([table]))
    _render(table_report(table))


def _as_device(path: Path) -> None:
    from edgebench.flows.devices import status_of
    from edgebench.reports.devices import devices_report

    _render(devices_report([status_of(str(path))]))


def _seeds(folder: Path) -> dict[str, list[bytes]]:
    """Small files of every kind, as edgebench and others write them."""
    from edgebench.core.model import ModelFormat
    from edgebench.models.zoo import export

    (folder / "seeds").mkdir()
    for format_ in (ModelFormat.ONNX, ModelFormat.TFLITE):
        export("tiny", format_, folder / "seeds" / f"tiny{format_.suffix}")
    calibration = io.BytesIO()
    np.savez(calibration, input=np.zeros((4, 1, 8, 8), np.float32))
    tiny = {path.suffix[1:]: path.read_bytes() for path in (folder / "seeds").iterdir()}
    found: list[tuple[Profile, ...]] = []
    profile(
        ProfileRequest(
            models=["zoo:tiny"], devices=[find_device("fake")], plan=MeasurementPlan(repetitions=2, layers=True),
            inputs=InputSource(),
        ),
        on_update=found.append,
    )  # fmt: skip
    from edgebench.store.codec import to_plain

    run = json.dumps({"schema": "edgebench.run/5", **to_plain(_run(found[-1]))}, indent=1).encode()
    root = Path(__file__).parents[2]
    tables = list((root / "results" / "tables").rglob("*.json"))
    devices = ("host", "ethos-u55-128", "nucleo-l4r5zi", "fake", "generic-m4", "xnnpack")
    return {
        "onnx": [keyword_net().SerializeToString(), tiny["onnx"]],
        "tflite": [keyword_tflite(), tiny["tflite"]],
        "pt": [torchscript()],
        "pt2": [exported()],
        "npz": [calibration.getvalue()],
        "run.json": [run],
        "table.json": [min(tables, key=lambda path: path.stat().st_size).read_bytes()],
        "toml": [(root / "devices" / f"{name}.toml").read_bytes() for name in devices],
    }


_MUTATE: Mapping[str, Callable[[random.Random, bytes], bytes]] = {
    "onnx": _onnx,
    "tflite": _bytes,
    "pt": _archive,
    "pt2": _archive,
    "npz": _archive,
    "run.json": lambda random_, content: _signed(_text(random_, content)),
    "table.json": lambda random_, content: _signed(_text(random_, content)),
    "toml": _text,
}


def attack(count: int, seed: int, kinds: list[str], keep: Path | None = None) -> Tally:
    """Mutate files and put them through edgebench.

    Args:
        count: How many of each kind.
        seed: The same files come of the same seed.
        kinds: Which.
        keep: Where files are copied that showed a fault, or None.
    """
    tally = Tally()
    kept = Kept(tally)
    with tempfile.TemporaryDirectory(prefix="mutations-") as place:
        folder = Path(place)
        seeds = _seeds(folder)
        (folder / "files").mkdir()
        before = tempfile.tempdir
        tempfile.tempdir = str(folder / "files")
        try:
            for kind in kinds:
                for number in range(count):
                    random_ = random.Random(f"{seed} {kind} {number}")
                    content = _MUTATE[kind](random_, random_.choice(seeds[kind]))
                    path = folder / "files" / f"file.{kind}"
                    path.write_bytes(content)
                    kept.file = f"{seed} {kind} {number}"
                    faults = sum(map(len, tally.faults.values()))
                    _put_through(path, kind, number, kept, tally, folder)
                    if keep is not None and sum(map(len, tally.faults.values())) > faults:
                        (keep / f"{seed}-{number}.{kind}").write_bytes(content)
                    tally.files[kind] += 1
        except KeyboardInterrupt:
            # What was found until then counts.
            pass
        finally:
            tempfile.tempdir = before
            kept.close()
        left = {path.name for path in (folder / "files").iterdir()} - {f"file.{kind}" for kind in kinds}
        if left:
            tally.fault(f"left behind: {sorted(left)[:3]}", "")
    # What ends children if this process is killed goes with it.
    if [child for child in psutil.Process().children() if guard.__file__ not in child.cmdline()]:
        tally.fault("left behind: processes", "")
    return tally


def _put_through(path: Path, kind: str, number: int, kept: Kept, tally: Tally, folder: Path) -> None:
    try:
        if kind in {"onnx", "tflite", "pt", "pt2"}:
            _as_model(path, kind, number, kept)
        elif kind == "npz":
            _as_model(folder / "seeds" / "tiny.onnx", kind, number, kept, calibration=path)
        else:
            with _bounded():
                {"run.json": _as_run, "table.json": _as_table, "toml": _as_device}[kind](path)
        tally.outcomes["went through"] += 1
    except EdgebenchError:
        tally.outcomes["refused"] += 1
    except (Exception, RecursionError) as error:
        trace, frame = error.__traceback__, ""
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            if "/edgebench/" in name:
                frame = f"{name.rpartition('/edgebench/')[2]}:{trace.tb_lineno}"
            trace = trace.tb_next
        text = re.sub(r"[\d.]+|'[^']*'", "#", str(error))[:80]
        tally.fault(f"{type(error).__name__}: {text} {frame}", kept.file)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, help="files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=list(_MUTATE), choices=list(_MUTATE))
    parser.add_argument("--keep", type=Path, help="folder for files that show a fault")
    given = parser.parse_args()
    start = time.monotonic()
    tally = attack(given.count, given.seed, given.kinds, given.keep)
    print(f"{sum(tally.files.values()):,} files in {time.monotonic() - start:.0f} s: {dict(tally.files)}")
    for what, count in tally.outcomes.most_common():
        print(f"  {count:6} {what}")
    print(f"slowest step {tally.slowest_s:.1f} s; {len(tally.faults)} kinds of faults")
    for what, files in sorted(tally.faults.items(), key=lambda item: -len(item[1])):
        print(f"  {len(files):6} {what}  ({files[0]})")
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
