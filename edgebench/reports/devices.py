"""Devices as tables: what can be targeted here; one device, the machine and its meters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edgebench.core.device_status import DeviceStatus
from edgebench.meters.registry import MeterStatus
from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Cell, Column, Remark, Report, ReportTable, plain_columns

_TITLES = {"cpu": "Processors", "npu": "NPUs", "mcu": "Microcontrollers", "gpu": "GPUs"}


def devices_report(statuses: Iterable[DeviceStatus]) -> Report:
    """A table of devices, with the remedy of each that is not ready."""
    known = list(statuses)
    rows: list[dict[str, Cell]] = [
        {
            "device": status.name,
            "kind": status.device.kind.value if status.device else None,
            "target": status.device.target if status.device else None,
            "ready": "yes" if status.ready else "no",
            "versions": ", ".join(f"{key} {value}" for key, value in status.versions.items()) or None,
            "description": status.device.description if status.device else None,
        }
        for status in known
    ]
    notes = tuple(
        Remark(kind=Kind.WARNING, code=Code.DEVICE_NOTE, subject=status.name, text=status.note)
        for status in known
        if status.note
    )
    return Report(
        tables=tuple(
            _of_kind(rows, kind)
            for kind in sorted({row["kind"] for row in rows}, key=lambda kind: (*_TITLES, kind).index(kind))
        ),
        remarks=tuple(
            Remark(
                kind=Kind.FAILURE,
                code=Code.DEVICE_NOT_READY,
                subject=status.name,
                text=status.problem,
                remedy=status.remedy,
            )
            for status in known
            if status.problem
        )
        + notes,
        records=tuple(
            {**row, "ready": status.ready, "problem": status.problem, "remedy": status.remedy}
            for row, status in zip(rows, known, strict=True)
        ),
    )


def _of_kind(rows: Sequence[Mapping[str, Cell]], kind: Cell) -> ReportTable:
    """Devices of one kind; what they need is said once."""
    own = [row for row in rows if row["kind"] == kind]
    needed = {str(row["target"]): str(row["versions"]) for row in own if row["versions"]}
    # QEMU and Unicorn emulate different cores, so one target may have several.
    versions = dict.fromkeys(f"{row['target']}: {row['versions']}" for row in own if row["versions"])
    columns = plain_columns(("device", "ready", "description"))
    caption = "; ".join(versions) if len(versions) <= len(needed) + 1 else ""
    return ReportTable(
        title=_TITLES.get(str(kind), "Not valid"),
        columns=columns,
        rows=tuple(own),
        caption=caption,
    )


def check_report(
    status: DeviceStatus, machine: Mapping[str, str], warnings: Sequence[str], meters: Sequence[MeterStatus]
) -> Report:
    """Readiness first, then the machine and its energy meters; disturbances are warnings with a remedy.

    Args:
        status: Of the device.
        machine: What the machine is.
        warnings: What may disturb a measurement now.
        meters: Energy meters, usable or not.
    """
    readiness = devices_report([status])
    tables = (
        *readiness.tables,
        ReportTable(
            title="This machine",
            columns=(Column(key="what", title=""), Column(key="value", title="")),
            rows=tuple({"what": key, "value": value} for key, value in machine.items()),
        ),
        ReportTable(
            title="Energy meters",
            columns=plain_columns(("meter", "ready", "measures or needs")),
            rows=tuple(
                {"meter": meter.name, "ready": "yes" if meter.ready else "no", "measures or needs": meter.detail}
                for meter in meters
            ),
        ),
    )
    remarks = tuple(
        Remark(kind=Kind.WARNING, code=Code.MACHINE, subject="this machine", text=text) for text in warnings
    )
    record = {
        **readiness.records[0],
        "machine": dict(machine),
        "meters": [{"name": meter.name, "ready": meter.ready, "detail": meter.detail} for meter in meters],
        "warnings": list(warnings),
    }
    return Report(tables=tables, remarks=(*readiness.remarks, *remarks), records=(record,))
