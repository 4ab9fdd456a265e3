"""The verb ``devices check``: a device's readiness, the machine, its meters and what disturbs it."""

from __future__ import annotations

from edgebench.machine.description import describe_machine, machine_warnings
from edgebench.meters.registry import available_meters
from edgebench.reports.devices import DeviceStatus, devices_report
from edgebench.reports.report import Column, Remark, Report, Table


def check_report(status: DeviceStatus) -> Report:
    """Readiness first, then the machine and its energy meters; disturbances are warnings with a remedy."""
    readiness = devices_report([status])
    machine = describe_machine()
    meters = available_meters()
    tables = (
        *readiness.tables,
        _pairs("This machine", [{"what": key, "value": value} for key, value in machine.items()]),
        Table(
            title="Energy meters",
            columns=tuple(Column(key=key, title=key) for key in ("meter", "ready", "measures or needs")),
            rows=tuple(
                {
                    "meter": meter.name,
                    "ready": "yes" if meter.ready else "no",
                    "measures or needs": meter.detail,
                }
                for meter in meters
            ),
        ),
    )
    warnings = tuple(Remark(kind="warning", subject="this machine", text=text) for text in machine_warnings())
    record = {
        **readiness.records[0],
        "machine": machine,
        "meters": [{"name": meter.name, "ready": meter.ready, "detail": meter.detail} for meter in meters],
        "warnings": [warning.text for warning in warnings],
    }
    return Report(tables=tables, remarks=(*readiness.remarks, *warnings), records=(record,))


def _pairs(title: str, rows: list[dict[str, str]]) -> Table:
    return Table(title=title, columns=(Column(key="what", title=""), Column(key="value", title="")), rows=tuple(rows))
