"""``edgebench trust``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def trust(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Device or search space files that you have read.")
    ],
) -> None:
    """Allow a device or space file to run the programs it names."""
    from edgebench.store.trust import allow

    for path in files:
        named = allow(path, "device or space")
        shown = "".join(f"\n  {key} = {value!r}" for key, value in named.items())
        typer.echo(f"{path} may run{shown}" if named else f"{path} names nothing that would be run")
