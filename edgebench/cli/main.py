"""The command line: its commands, and the one place where errors are caught."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from edgebench.cli.commands import (
    baseline,
    check,
    compare,
    devices,
    export,
    gate,
    history,
    lut,
    profile,
    report,
    runs,
    schema,
    search,
    setup,
    spaces,
    tasks,
    zoo,
)
from edgebench.cli.config import defaults
from edgebench.errors import EdgebenchError
from edgebench.machine.child_environment import NO_TELEMETRY

EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="edgebench",
    help="Profile, search and ship neural networks for edge devices.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check")(check.check)
app.command("profile")(profile.profile)
app.command("export")(export.export)
app.command("gate")(gate.gate)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("history")(history.history)
app.command("search")(search.search)
app.command("schema")(schema.schema)
app.add_typer(baseline.app, name="baseline")
app.add_typer(devices.app, name="devices")
app.add_typer(lut.app, name="lut")
app.add_typer(runs.app, name="runs")
app.add_typer(setup.app, name="setup")
app.add_typer(spaces.app, name="spaces")
app.add_typer(tasks.app, name="tasks")
app.add_typer(zoo.app, name="zoo")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"edgebench {version('edgebench')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Profile, search and ship neural networks for edge devices."""


def main() -> None:
    """Run the command line and turn errors into messages and exit codes."""
    os.environ.update(NO_TELEMETRY)
    debug = "--debug" in sys.argv or bool(os.environ.get("EDGEBENCH_DEBUG"))
    # Accepted anywhere on the line, because users add it after a command has failed.
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        command = typer.main.get_command(app)
        known = {} if "_EDGEBENCH_COMPLETE" in os.environ else defaults(command)
        command(args=arguments, prog_name="edgebench", default_map=known)
    except EdgebenchError as error:
        if debug:
            raise
        _print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader is gone (`edgebench report | head`): there is nobody left to report to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _print_error(error: EdgebenchError) -> None:
    from rich.console import Console

    from edgebench.cli.render.terminal import escape

    console = Console(stderr=True, highlight=False, emoji=False)
    where = f"{escape(error.where)}: " if error.where else ""
    console.print(f"[bold red]error:[/] {where}{escape(error.what)}", soft_wrap=True)
    if error.remedy:
        console.print(f"  [cyan]{escape(error.remedy)}[/]", soft_wrap=True)


if __name__ == "__main__":
    main()
