"""A program that answers as ``adb`` does, with a device that exists in a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """\
#!{python}
import json, pathlib, shlex, shutil, sys, time
home = pathlib.Path({home!r})
state = json.loads((home / "state.json").read_text())
arguments = sys.argv[1:]
with (home / "calls").open("a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
if arguments == ["devices"]:
    print("* daemon not running; starting now at tcp:5037\\n* daemon started successfully\\nList of devices attached")
    print("".join(f"{{name}}\\t{{what}}\\n" for name, what in state["devices"].items()))
    sys.exit(state.get("devices_code", 0))
serial = arguments[1]
if state["devices"].get(serial) != "device":
    sys.exit(f"adb: device '{{serial}}' not found")
if state.get("hang"):
    time.sleep(600)
def there(path):
    return home / path.lstrip("/").replace("/", "_")
if arguments[2] == "push":
    if state.get("full"):
        sys.exit("adb: error: failed to copy 'x' to 'y': remote couldn't create file: No space left on device")
    shutil.copy(arguments[3], there(arguments[4]))
    sys.exit()
words = shlex.split(arguments[3])
if words[0] == "getprop":
    print({{"ro.product.model": "Pretend 9", "ro.product.cpu.abi": "arm64-v8a"}}.get(words[1], "15"))
elif words[0] == "dumpsys":
    print(state[words[1]])
elif words[0] == "test":
    sys.exit(not there(words[2]).exists())
elif words[0] == "mv":
    there(words[1]).rename(there(words[2]))
elif words[0] == "rm":
    there(words[2]).unlink()
elif words[0].startswith("/data/local/tmp/"):
    options = dict(word.lstrip("-").partition("=")[::2] for word in words[1:])
    assert there(options["graph"]).exists()
    (home / "options").write_text(json.dumps(options))
    if state.get("unplug_after"):
        state["unplug_after"] -= 1
        if not state["unplug_after"]:
            state["devices"] = {{}}
            (home / "state.json").write_text(json.dumps(state))
            sys.exit("error: closed")
        (home / "state.json").write_text(json.dumps(state))
    print(state["output"].replace("COUNT", options["num_runs"]))
    sys.exit(state.get("code", 0))
"""
BATTERY = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  level: 85
  scale: 100
  temperature: 312
"""
THERMAL = "IsStatusOverride: false\nThermal Status: 0\nCached temperatures:\n"
OUTPUT = """\
INFO: STARTING!
INFO: Running benchmark for at least 1 iterations and at least 0 seconds but terminate if exceeding 60 seconds.
INFO: count=1 curr=2612 p5=2612 median=2612 p95=2612
INFO: count=1 first=2612 curr=2612 min=2612 max=2612 avg=2612 std=0

INFO: count=COUNT first=2062 curr=2065 min=1990 max=2123 avg=2010 std=13 p5=1995 median=2000 p95=2090

INFO: Inference timings in us: Init: 2943, First inference: 2612, Warmup (avg): 2612, Inference (avg): 2010
INFO: Memory footprint delta from the start of the tool (MB): init=4.05859 overall=6.5
"""


class FakeAdb:
    """A folder with a program ``adb``, and what it knows.

    Args:
        folder: Where it is, to be put into ``PATH``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.state: dict[str, Any] = {
            "devices": {"A1": "device"},
            "battery": BATTERY,
            "thermalservice": THERMAL,
            "output": OUTPUT,
        }
        self.set()
        program = folder / "adb"
        program.write_text(_PROGRAM.format(python=sys.executable, home=str(folder)))
        program.chmod(0o755)

    def set(self, **more: Any) -> None:
        """Change what it knows."""
        self.state.update(more)
        (self.folder / "state.json").write_text(json.dumps(self.state))

    @property
    def calls(self) -> list[list[str]]:
        """What it was asked."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    @property
    def options(self) -> dict[str, str]:
        """Options of the last run of the binary."""
        found: dict[str, str] = json.loads((self.folder / "options").read_text())
        return found

    @property
    def files(self) -> list[str]:
        """Files on the device."""
        return sorted(path.name for path in self.folder.glob("data_local_tmp_*"))
