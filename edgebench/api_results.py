"""What the Python API returns: plain dataclasses, with a table for notebooks and pandas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from edgebench.core.device_status import DeviceStatus
    from edgebench.core.profile import Profile
    from edgebench.core.run import Run
    from edgebench.core.search import Finalist, SearchRecord
    from edgebench.core.support import ModelSupport
    from edgebench.core.table import LookupTable
    from edgebench.gate.comparison import Ratio
    from edgebench.gate.verdict import Finding, GateResult
    from edgebench.reports.report import Report


class _Shown:
    """Shows a report: as HTML in Jupyter, as text elsewhere, as rows in pandas."""

    __slots__ = ()

    def report(self) -> Report:
        """Tables, remarks and records, as the command line prints them."""
        raise NotImplementedError

    def to_pandas(self) -> pd.DataFrame:
        """One row for each record of ``report()``, in SI units."""
        import pandas as pd

        return pd.DataFrame.from_records([dict(record) for record in self.report().records])

    def _repr_html_(self) -> str:
        from edgebench.cli.render.html import render_fragment

        return render_fragment(self.report().brief())

    def __str__(self) -> str:
        from edgebench.cli.render.terminal import render_text

        return render_text(self.report().brief())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult(_Shown):
    """A run: what was profiled, and everything that was found.

    Attributes:
        run: The run as it is stored.
        path: Its file, or None if it could not be saved.
    """

    run: Run
    path: Path | None = None

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """One profile per model and device."""
        return self.run.profiles

    def report(self) -> Report:
        """The answer for each model and device first, then details."""
        from edgebench.reports.profiles import report

        return report([self.run])

    def __iter__(self) -> Iterator[Profile]:
        return iter(self.run.profiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableResult(_Shown):
    """A lookup table.

    Attributes:
        table: The table as it is stored.
        path: Its file.
    """

    table: LookupTable
    path: Path

    def report(self) -> Report:
        """Every entry, what the table was built for, and its validation."""
        from edgebench.reports.tables import table_report

        return table_report(self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult(_Shown):
    """A search.

    Attributes:
        run: The run with its outcome and the finalists' profiles.
        path: The run's file.
    """

    run: Run
    path: Path

    @property
    def record(self) -> SearchRecord:
        """The outcome: front, finalists, or why nothing meets the limits."""
        if self.run.search is None:
            raise ValueError("the run contains no search")
        return self.run.search

    @property
    def solutions(self) -> tuple[Finalist, ...]:
        """Finalists that meet every limit when checked."""
        return tuple(finalist for finalist in self.record.finalists if finalist.solution)

    def report(self) -> Report:
        """The best networks, finalists against limits, or why nothing meets them."""
        from edgebench.reports.search import search_report

        return search_report(self.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult(_Shown):
    """What is in model files, and which devices run them.

    Attributes:
        models: One for each model.
    """

    models: tuple[ModelSupport, ...]

    def report(self) -> Report:
        """One model in detail; for several, a line for each and what is in the way."""
        from edgebench.reports.check import check_report

        return check_report(self.models)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome(_Shown):
    """What a gate found.

    Attributes:
        result: A verdict for each figure of each model on each device.
    """

    result: GateResult

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The verdicts."""
        return self.result.findings

    @property
    def passed(self) -> bool:
        """Whether everything was measured and passed."""
        return self.exit_code() == 0

    def exit_code(self, *, allow_inconclusive: bool = False) -> int:
        """What the command line would exit with.

        Args:
            allow_inconclusive: Whether an inconclusive verdict counts as passed.
        """
        from edgebench.gate.verdict import exit_code

        return exit_code(self.result.findings, allow_inconclusive=allow_inconclusive)

    def report(self) -> Report:
        """A row for each verdict, the layers that got slower, and what to do next."""
        from edgebench.reports.gate import gate_report

        return gate_report(self.result)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.result.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(_Shown):
    """Things side by side.

    Attributes:
        ratios: One for each figure of each model on each device.
    """

    ratios: tuple[Ratio, ...]

    def report(self) -> Report:
        """A table of ratios for each pair, and why some do not exist."""
        from edgebench.reports.compare import compare_report

        return compare_report(self.ratios)

    def __iter__(self) -> Iterator[Ratio]:
        return iter(self.ratios)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceList(_Shown):
    """The devices that can be found.

    Attributes:
        statuses: One per device, ready or not.
    """

    statuses: tuple[DeviceStatus, ...]

    @property
    def ready(self) -> tuple[str, ...]:
        """Names of devices that models can be profiled on now."""
        return tuple(status.name for status in self.statuses if status.ready)

    def report(self) -> Report:
        """A table of devices, with the remedy of each that is not ready."""
        from edgebench.reports.devices import devices_report

        return devices_report(self.statuses)

    def __iter__(self) -> Iterator[DeviceStatus]:
        return iter(self.statuses)
