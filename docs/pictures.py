"""Draws what the terminal shows: ``make pictures`` runs the commands for real and writes docs/pictures/*.svg.

Figures measured on this machine's CPU come out a little differently each time, as they should; run it on a quiet
machine.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH = 112
PICTURES = {
    "profile.svg": "edgebench profile zoo:ds-cnn zoo:resnet8 -d host -d ethos-u55-128 -d nucleo-l4r5zi",
    "layers.svg": "edgebench profile zoo:tiny -d nucleo-l4r5zi --layers",
    "front.svg": "edgebench lut front dscnn -d nucleo-l4r5zi --max-latency 60ms --top 8",
}
_COLOURS = [(236, 112, 99), (88, 196, 140), (230, 190, 100), (110, 160, 240), (200, 140, 220), (90, 200, 210)]
THEME = TerminalTheme(
    (24, 28, 32),
    (216, 222, 228),
    [(24, 28, 32), *_COLOURS, (216, 222, 228)],
    [(120, 128, 136), *_COLOURS, (255, 255, 255)],
)
# Rich's own template loads a font from elsewhere; this one takes what the reader has.
TEMPLATE = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>A terminal with edgebench</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre; }}
.{unique_id}-title {{ font-size: 16px; font-family: ui-sans-serif, system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    """Draw all pictures."""
    folder = Path(__file__).parent / "pictures"
    folder.mkdir(exist_ok=True)
    for name, command in PICTURES.items():
        print(command)
        (folder / name).write_text(picture(command, shown(command)), encoding="utf-8")


def shown(command: str) -> str:
    """What a terminal gets from a command, with its colours."""
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    environment |= {"COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    arguments = [sys.executable, "-m", "edgebench.cli.main", *shlex.split(command)[1:]]
    with tempfile.TemporaryDirectory() as results:
        done = subprocess.run(
            [*arguments, "--results", results], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        return done.stdout.replace(f" --results {results}", "").replace(results, "results")


def picture(command: str, output: str) -> str:
    """A terminal with a command and its output, as SVG."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")), soft_wrap=False)
        console.print(Text.from_ansi(output.strip("\n")))
        drawn = console.export_svg(title="edgebench", theme=THEME, code_format=TEMPLATE, unique_id="terminal")
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


if __name__ == "__main__":
    main()
