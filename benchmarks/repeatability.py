"""How far the p5 of separate ``edgebench profile`` calls is apart.

Goal: five calls within 3 % on a quiet machine; a machine that was not quiet is named.

    python benchmarks/repeatability.py [MODEL] [DEVICE] [CALLS]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any


def profile(model: str, device: str, results: str) -> tuple[dict[str, Any], list[str]]:
    """One call of the command line: its figures and its warnings."""
    command = [
        sys.executable,
        "-m",
        "edgebench.cli.main",
        "profile",
        model,
        "-d",
        device,
        "--json",
        "--results",
        results,
    ]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    warnings = [remark["text"] for remark in answer["remarks"] if remark["kind"] == "warning"]
    return answer["profiles"][0], warnings


def main() -> None:
    """Print each call's figures, then their spread."""
    model, device, calls = (sys.argv[1:] + ["zoo:resnet8", "host", "5"][len(sys.argv) - 1 :])[:3]
    figures: dict[str, list[float]] = {"latency_p5_s": [], "latency_s": [], "latency_min_s": []}
    with tempfile.TemporaryDirectory() as results:
        for _ in range(int(calls)):
            answer, warnings = profile(model, device, results)
            for name, values in figures.items():
                values.append(answer[name])
            line = {name: round(values[-1] * 1e6, 2) for name, values in figures.items()}
            sys.stdout.write(json.dumps({**line, "unit": "us", "warnings": warnings}) + "\n")
    spreads = {name: f"{max(values) / min(values) - 1:.2%}" for name, values in figures.items()}
    sys.stdout.write(json.dumps({"spread": spreads}) + "\n")


if __name__ == "__main__":
    main()
