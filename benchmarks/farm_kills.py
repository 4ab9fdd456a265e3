"""Kills a farm's scheduler, a host and the command itself at random moments: nothing that was finished may be lost.

Each time a table is built, or a model profiled, on a farm of one host on loopback, and one of the three is killed at a
random moment as a power cut would do it; the scheduler and the host are started again. If the command does not survive
it, the same command is run again. What had been saved when the kill came must be in the result, unchanged.

    PYTHONPATH=. python benchmarks/farm_kills.py [TIMES [scheduler|host|client ...]]
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.farm_processes import Farm, farm
from tests.small_space import write_twelve

TABLE = ("lut", "build", "twelve", "-d", "fake", "-n", "2")
PROFILE = ("profile", "zoo:tiny", "-d", "fake", "--repetitions", "6", "--goal", "100%")
LIMIT_S = 300.0
PAUSE_S = 1.0


def saved(folder: Path) -> dict[str, Any]:
    """What is saved now: entries of the table, or processes of the newest run."""
    table = folder / "results/tables/fake/twelve.json"
    if table.is_file():
        content = json.loads(table.read_text())
        return {key: value for key, value in content["entries"].items() if key not in content["disturbed"]}
    runs = sorted((folder / "results/runs").glob("*.json"), key=lambda path: path.stat().st_mtime)
    found: dict[str, Any] = {}
    for run in runs[-1:]:
        for profile in json.loads(run.read_text())["profiles"]:
            found |= {str(number): process["bursts"] for number, process in enumerate(profile["processes"])}
    return found


def finished(words: tuple[str, ...], folder: Path) -> bool:
    """Whether the result is complete."""
    if words is TABLE:
        return bool(json.loads((folder / "results/tables/fake/twelve.json").read_text())["complete"])
    runs = [json.loads(path.read_text()) for path in (folder / "results/runs").glob("*.json")]
    return any(run["complete"] and run["profiles"][0]["outcome"] == "ok" for run in runs)


def one(running: Farm, victim: str, words: tuple[str, ...], within_s: float, folder: Path) -> tuple[int, int, int]:
    """One kill; returns how often the command was run, what was saved by then, and how much of that was lost."""
    write_twelve(folder)
    command = running.begin(*words, cwd=folder)
    time.sleep(random.uniform(0.3, within_s))
    if victim == "client":
        command.kill()
    else:
        running.kill(victim)
    before = saved(folder)
    if victim != "client":
        time.sleep(PAUSE_S)
        running.again(victim)
    times, code = 1, command.wait(LIMIT_S)
    # Without a cluster, too, a profile that was killed is begun anew, in a run of its own.
    kept = saved(folder) if words is PROFILE and victim == "client" else None
    while code not in {0, 4} and times < 4:
        times += 1
        code = running.run(*words, cwd=folder, timeout_s=LIMIT_S).returncode
    if not finished(words, folder):
        raise RuntimeError(f"{victim}: not finished, exit code {code}\n{running.said()}")
    after = saved(folder) if kept is None else kept
    return times, len(before), sum(after.get(key) != value for key, value in before.items())


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with farm(folder / "farm", {"host": ("-d", "fake", "--train", "0")}) as running:
            lasts = {}
            for words in (TABLE, PROFILE):
                start = time.monotonic()
                place = folder / f"quiet-{words[0]}"
                write_twelve(place)
                done: subprocess.CompletedProcess[str] = running.run(*words, cwd=place, timeout_s=LIMIT_S)
                if done.returncode not in {0, 4}:
                    raise RuntimeError(done.stderr)
                lasts[words] = time.monotonic() - start
                print(f"{' '.join(words[:2])}: {lasts[words]:.1f} s undisturbed", flush=True)
            for victim in sys.argv[2:] or ("scheduler", "host", "client"):
                runs: Counter[int] = Counter()
                kept = lost = 0
                for number in range(times):
                    words = (TABLE, PROFILE)[number % 2]
                    found = one(running, victim, words, lasts[words], folder / f"{victim}-{number}")
                    runs[found[0]] += 1
                    kept, lost = kept + found[1], lost + found[2]
                    print(
                        f"  {victim} {number + 1}: {words[0]}, commands {found[0]}, saved {found[1]}, lost {found[2]}",
                        flush=True,
                    )
                again = sum(count for commands, count in runs.items() if commands > 1)
                print(
                    f"{victim}: {times} kills, {again} commands run again, {kept} finished parts, {lost} lost",
                    flush=True,
                )


if __name__ == "__main__":
    main()
