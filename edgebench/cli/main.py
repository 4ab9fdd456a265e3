"""The command line: its commands, and the one place where errors are caught."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli import interrupts
from edgebench.cli.commands import (
    baseline,
    check,
    compare,
    compress,
    devices,
    export,
    farm,
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
    trust,
    zoo,
)
from edgebench.cli.config import defaults
from edgebench.cli.faults import EXIT_FAULT, EXIT_PIPE, code_of, output_failed
from edgebench.cli.signals import exit_code, treat_as_interrupts
from edgebench.errors import InputError
from edgebench.machine.child_environment import NO_TELEMETRY
from edgebench.machine.session_folder import session_folder
from edgebench.store.trust import TRUST

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
app.command("compress")(compress.compress)
app.command("schema")(schema.schema)
app.command("trust")(trust.trust)
app.add_typer(baseline.app, name="baseline")
app.add_typer(devices.app, name="devices")
app.add_typer(farm.app, name="farm")
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
    trust: Annotated[
        bool, typer.Option("--trust", help="Run what models and files of this folder name, for this command.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Profile, search and ship neural networks for edge devices."""


def main() -> None:
    """Run the command line and turn errors into messages and exit codes."""
    os.environ.update(NO_TELEMETRY)
    treat_as_interrupts()
    if sys.stdout is None:  # pragma: no cover - only where standard output was closed before the start
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - as long as the process
    code = EXIT_FAULT
    try:
        with session_folder():
            code = _exit_code()
            code = _flushed(code)
    except KeyboardInterrupt:
        code = exit_code(EXIT_INTERRUPTED)
    sys.exit(code)


def _exit_code() -> int:
    """Run the command that was typed; returns the exit code."""
    # Accepted anywhere on the line, because users add it after a command has failed.
    arguments = [argument for argument in sys.argv[1:] if argument not in {"--debug", "--trust"}]
    debug = "--debug" in sys.argv or bool(os.environ.get("EDGEBENCH_DEBUG"))
    if "--trust" in sys.argv:
        os.environ[TRUST] = "1"
    try:
        _check_surroundings(arguments)
        command = typer.main.get_command(app)
        known = {} if "_EDGEBENCH_COMPLETE" in os.environ else defaults(command)
        command(args=arguments, prog_name="edgebench", default_map=known)
    except SystemExit as ended:
        return _ended(ended.code if isinstance(ended.code, int) else int(bool(ended.code)))
    except KeyboardInterrupt:
        return _ended(EXIT_INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        return code_of(error)
    return 0


def _ended(code: int) -> int:
    """The exit code that is due where the library of the command line has ended the command."""
    if code == EXIT_INTERRUPTED:
        if not interrupts.was_told:
            typer.echo("interrupted", err=True)
        return exit_code(EXIT_INTERRUPTED)
    # It wraps standard output when the reader is gone, and calls that 1.
    return EXIT_PIPE if type(sys.stdout).__name__ == "PacifyFlushWrapper" else code


def _check_surroundings(arguments: Sequence[str]) -> None:
    """What would fail in a hundred places is said once.

    Raises:
        InputError: An argument is not Unicode, or the current folder is gone.
    """
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode("utf-8", "backslashreplace").decode()
            raise InputError(
                f"an argument is not UTF-8: {shown}", remedy="rename the file, or write the argument in UTF-8"
            ) from None
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InputError("the current folder does not exist any more", remedy="cd to another one") from None


def _flushed(code: int) -> int:
    """The exit code, once all output has arrived."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return output_failed(error)
    return code


if __name__ == "__main__":
    main()
