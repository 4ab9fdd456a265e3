# ruff: noqa: T201 - a command
"""Kills commands at random moments: ``python -m tests.adversarial.kills 200``.

Whatever was finished before must be there and readable after it, the same command must then come to its end, and
nothing may be left of either: no process, no temporary file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).parent / "edgebench")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LONGEST_S = 300.0
PROMPT_S = 2.0
"""Time in which a command cleans up on a quiet machine."""
TOO_LONG_S = 15.0
"""Nothing but a fault takes that long, however busy the machine is."""
WORK: dict[str, tuple[str, ...]] = {
    "profile": ("profile", "zoo:tiny", "-d", "fake", "-d", "ethos-u55-128", "--repetitions", "4", "--goal", "90%"),
    "lut build": ("lut", "build", "small.toml", "-d", "fake"),
    "lut validate": ("lut", "validate", "small.toml", "-d", "ethos-u55-128", "-n", "3"),
    "search": (
        "search", "small.toml", "-d", "ethos-u55-128", "--accuracy", "proxy:macs", "--trials", "12", "--study", "s",
        "--max-latency", "1s",
    ),
    "gate": ("gate", "zoo:tiny", "--baseline", "base"),
    "compress": (
        "compress", "zoo:tiny", "--task", "data.npz", "-d", "ethos-u55-128", "--epochs", "1", "--strategy", "int8",
        "--strategy", "prune(0.3) + int8", "--study", "c", "--max-latency", "1s",
    ),
}  # fmt: skip


@dataclass
class Tally:
    """What the kills showed."""

    kills: Counter[str] = field(default_factory=Counter)
    slow: int = 0
    slowest_s: float = 0.0
    faults: list[str] = field(default_factory=list)


def finished(folder: Path) -> dict[str, int]:
    """How much of everything is finished and saved; a file that cannot be read is a fault of its own.

    Returns:
        By file and part, a number that only grows: processes of a profile, blocks of a table, lines of a journal.
    """
    found: dict[str, int] = {}
    for path in sorted((folder / "results").rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".json" and ".tmp" not in path.name:
            document = json.loads(path.read_text())
            found[name] = 1
            for number, profile in enumerate(document.get("profiles", ())):
                found[f"{name} profile {number}"] = len(profile.get("processes", ()))
            for key in ("blocks", "costs", "entries"):
                if isinstance(document.get(key), (dict, list)):
                    found[f"{name} {key}"] = len(document[key])
        elif path.suffix in {".log", ".jsonl", ".journal"}:
            found[name] = len(path.read_bytes().splitlines())
    return found


def processes_of(place: Path) -> list[int]:
    """Processes whose temporary files would be in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"TMPDIR={place}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def prepared(folder: Path, kinds: list[str]) -> dict[str, float]:
    """What the commands need, and how many seconds each takes undisturbed."""
    import numpy as np

    random_ = np.random.default_rng(0)
    shape = _input_of_tiny(folder)
    labels = np.arange(60) % _classes(folder)
    np.savez(folder / "data.npz", x=random_.standard_normal((60, *shape)).astype(np.float32), y=labels)
    _must(folder, "spaces", "new", "small", "--from", "dscnn")
    text = (folder / "search_spaces" / "small.toml").read_text()
    (folder / "search_spaces" / "small.toml").unlink()
    for key, values in (("filters", "[24, 32]"), ("depths", "[2, 3]"), ("kernels", "[3]")):
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {values}", text)
    (folder / "small.toml").write_text(text)
    if {"lut validate", "search"} & set(kinds):
        _must(folder, "lut", "build", "small.toml", "-d", "ethos-u55-128")
    if "gate" in kinds:
        _must(folder, "baseline", "save", "base", "zoo:tiny", "-d", "ethos-u55-128")
    took = {}
    for kind in kinds:
        with tempfile.TemporaryDirectory() as place:
            copy = Path(shutil.copytree(folder, Path(place) / "copy"))
            start = time.monotonic()
            _must(copy, *WORK[kind])
            took[kind] = time.monotonic() - start
            print(f"{kind}: {took[kind]:.1f} s", flush=True)
    return took


def _must(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    if done.returncode not in {0, 1, 4}:
        raise RuntimeError(f"edgebench {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")


def kill_once(kind: str, template: Path, took_s: float, random_: random.Random, tally: Tally) -> None:
    """One kill and all that is checked after it."""
    number = random_.choice(SIGNALS)
    twice = number is not signal.SIGKILL and random_.random() < 0.25
    delay_s = random_.random() * took_s
    what = f"{kind}, {number.name}{' twice' if twice else ''} after {delay_s:.2f} s"
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        folder = Path(shutil.copytree(template, Path(place) / "work"))
        temporary = Path(place) / "tmp"
        temporary.mkdir()
        environment = {**os.environ, "TMPDIR": str(temporary)}
        process = subprocess.Popen(
            [COMMAND, *WORK[kind]], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        time.sleep(delay_s)
        if process.poll() is not None:
            process.communicate()
            tally.kills[f"{kind} was over"] += 1
            return
        before = finished(folder)
        start = time.monotonic()
        process.send_signal(number)
        if twice:
            time.sleep(0.05)
            process.send_signal(number)
        try:
            said = process.communicate(timeout=LONGEST_S)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            tally.faults.append(f"{what}: did not end")
            return
        tally.kills[f"{kind} {number.name}"] += 1
        for fault in _after(process.returncode, said, number, time.monotonic() - start, temporary, twice, tally):
            tally.faults.append(f"{what}: {fault}")
        for fault in _kept(before, folder):
            tally.faults.append(f"{what}: {fault}")
        again = subprocess.run(
            [COMMAND, *WORK[kind]], cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST_S,
            check=False,
        )  # fmt: skip
        if again.returncode not in {0, 1, 4} or "Traceback" in again.stderr:
            tally.faults.append(f"{what}: the command again: {again.returncode} {again.stderr[-300:]}")
        for fault in _kept(before, folder):
            tally.faults.append(f"{what}, and again: {fault}")
        left = [path.name for path in temporary.iterdir()]
        if left or processes_of(temporary):
            tally.faults.append(f"{what}: left behind {left[:3]}, {len(processes_of(temporary))} processes")


def _after(
    code: int, said: str, number: signal.Signals, took_s: float, temporary: Path, twice: bool, tally: Tally
) -> Iterator[str]:
    """What is wrong with how a command ended."""
    if number is signal.SIGKILL:
        return
    tally.slow += took_s > PROMPT_S
    tally.slowest_s = max(tally.slowest_s, took_s)
    if took_s > TOO_LONG_S:
        yield f"took {took_s:.1f} s to end"
    if "Traceback" in said:
        yield f"traceback: {said[-300:]}"
    # Before Python has started, signals do what they always do; and a command may end while it is signalled.
    if code not in {128 + number, -number, 0, 1, 4}:
        yield f"exit code {code}: {said[-200:]}"
    if not twice and code != -number and list(temporary.iterdir()):
        yield f"left {[path.name for path in temporary.iterdir()][:3]}"
    if not twice and code != -number and processes_of(temporary):
        time.sleep(0.5)
        if processes_of(temporary):
            yield "processes live on"


def _kept(before: dict[str, int], folder: Path) -> Iterator[str]:
    try:
        after = finished(folder)
    except (ValueError, OSError) as error:
        yield f"a file cannot be read: {error}"
        return
    for name, count in before.items():
        if after.get(name, -1) < count:
            yield f"lost: {name} had {count}, has {after.get(name)}"


def _input_of_tiny(folder: Path) -> tuple[int, ...]:
    channels, *size = _tiny(folder)["inputs"][0]["shape"][1:]
    return (*size, channels)


def _classes(folder: Path) -> int:
    return int(_tiny(folder)["outputs"][0]["shape"][-1])


def _tiny(folder: Path) -> dict[str, Any]:
    from edgebench.core.model import ModelFormat
    from edgebench.models.inspect import inspect
    from edgebench.models.source import parse_source
    from edgebench.models.zoo import export
    from edgebench.store.codec import to_plain

    path = folder / "tiny.onnx"
    export("tiny", ModelFormat.ONNX, path)
    found: dict[str, Any] = to_plain(inspect(path, parse_source(str(path)), {}))
    return found


def attack(count: int, seed: int, kinds: list[str], longest_s: float = float("inf")) -> Tally:
    """Kill commands in turn.

    Args:
        count: How many kills.
        seed: Of the moments and signals.
        kinds: Which commands.
        longest_s: No further kill begins after that many seconds.
    """
    tally = Tally()
    random_ = random.Random(seed)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        template = Path(place) / "template"
        template.mkdir()
        took = prepared(template, kinds)
        done = 0
        while done < count and time.monotonic() - begin < longest_s:
            kind = kinds[done % len(kinds)]
            was_over = tally.kills[f"{kind} was over"]
            kill_once(kind, template, took[kind], random_, tally)
            done += tally.kills[f"{kind} was over"] == was_over
    return tally


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=list(WORK), choices=list(WORK))
    parser.add_argument("--longest", type=float, default=float("inf"), help="seconds")
    given = parser.parse_args()
    tally = attack(given.count, given.seed, given.kinds, given.longest)
    print(f"{sum(count for name, count in tally.kills.items() if 'over' not in name)} kills: {dict(tally.kills)}")
    print(f"signals: {tally.slow} took more than {PROMPT_S:g} s to end, the slowest {tally.slowest_s:.1f} s")
    print(f"{len(tally.faults)} faults")
    for fault in tally.faults:
        print(f"  {fault}")
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
