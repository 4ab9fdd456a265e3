"""The calibration of a board as a table."""

from __future__ import annotations

from collections.abc import Iterator

from edgebench.core.board_fit import BoardFit, CalibratedNetwork
from edgebench.core.calibration import INTERPRETER
from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Cell, Remark, Report, plain_table

_TITLES = {
    "before": "error before",
    "after": "error after",
    "left_out": "predicted from the others",
    "band": "their band",
    "inside": "inside",
}
_FEW = 3


def calibration_report(fit: BoardFit) -> Report:
    """Each network as measured and as fitted, with its error when it is left out of the fit."""
    rows: list[dict[str, Cell]] = [
        {
            "model": network.name,
            "measured": f"{network.measured_s * 1e3:.4g} ms",
            "fitted": f"{network.fitted_s * 1e3:.4g} ms",
            **(
                {
                    "before": None if network.before is None else f"{network.before:+.1%}",
                    "after": f"{network.after:+.1%}",
                }
                if fit.from_board
                else {}
            ),
            "left_out": None if network.left_out is None else f"{network.left_out:+.1%}",
            "band": None if network.band is None else f"±{network.band:.0%}",
            "inside": _inside(network),
        }
        for network in fit.networks
    ]
    records = tuple(
        {
            "model": network.name,
            "measured_s": network.measured_s,
            "fitted_s": network.fitted_s,
            "error_before": network.before,
            "error_after": network.after,
            "left_out_error": network.left_out,
            "band": network.band,
            "inside": network.inside,
            "outlier_factor": network.off,
            "section": fit.section,
        }
        for network in fit.networks
    )
    return Report(tables=(plain_table("Calibration", rows, _TITLES),), remarks=tuple(_remarks(fit)), records=records)


def _inside(network: CalibratedNetwork) -> str | None:
    return None if network.inside is None else "yes" if network.inside else "no"


def _remarks(fit: BoardFit) -> Iterator[Remark]:
    for network in fit.outliers:
        yield Remark(
            kind=Kind.FAILURE,
            code=Code.CALIBRATION_OUTLIER,
            subject=network.name,
            text=f"an outlier: its cycles per instruction are {network.off:.2g} times those of the others",
            remedy="check the latency and its unit, or remove the row",
        )
    yield from (
        Remark(kind=kind, code=Code.CALIBRATION_NOTE, subject=fit.device, text=text, remedy=remedy)
        for kind, text, remedy in _notes(fit)
    )


def _before_and_after(fit: BoardFit) -> str:
    before = [abs(network.before) for network in fit.networks if network.before is not None]
    after = [abs(network.after) for network in fit.networks]
    earlier = f"{sum(before) / len(before):.1%}" if before else "no estimate"
    return f"mean error of the estimate: {earlier} before, {sum(after) / len(after):.1%} after"


def _notes(fit: BoardFit) -> Iterator[tuple[Kind, str, str | None]]:
    count = len(fit.networks)
    if fit.from_board:
        yield Kind.NOTE, _before_and_after(fit), None
    for reason in fit.left_behind:
        yield Kind.WARNING, f"not measured: {reason}", "name networks that the board can run with --model"
    if fit.mean_error is not None:
        by = ", ".join(fit.corrections) if fit.corrections else "none"
        yield (
            Kind.NOTE,
            f"mean error when left out: {fit.mean_error:.1%}; corrections besides the ratio that this chose: {by}",
            None,
        )
    if count < _FEW:
        rests = "one network" if count == 1 else f"{count} networks"
        yield (
            Kind.WARNING,
            f"{rests} say little: bands are wide",
            "measure more networks, of different kinds and sizes",
        )
    if fit.repeated:
        yield Kind.NOTE, f"{fit.repeated} of the networks execute the same as another and count once with it", None
    if any(network.interpreted for network in fit.calibration.networks):
        yield (
            Kind.NOTE,
            f"the time of {INTERPRETER} per layer is a term of its own and not part of latencies of edgebench's code",
            None,
        )
