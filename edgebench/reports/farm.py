"""The hosts of a farm as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from edgebench.core.board_link import reached_by
from edgebench.farm.messages import HostStatus
from edgebench.reports.report import Cell, Report, plain_table


def farm_report(hosts: Sequence[HostStatus]) -> Report:
    """A row for each board, for the processors of each host, and for its trainings: what is there and for whom."""
    rows: list[dict[str, Cell]] = []
    records: list[dict[str, Cell]] = []
    for status in sorted(hosts, key=lambda one: (one.host, [device.name for device in one.devices])):
        names = ", ".join(device.name for device in status.devices)
        board = next((reached_by(device) for device in status.devices), "")
        row: dict[str, Cell] = {
            "host": status.host,
            "board": board,
            "devices": names,
            "trainings": status.trainings or None,
            "works for": ", ".join(status.sessions.values()) or None,
            "edgebench": status.edgebench,
        }
        rows.append(row)
        since = min(status.since.values(), default=None)
        shown = None if since is None else datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
        records.append({**row, "since": shown, "build": status.build})
    caption = "" if rows else "no host has announced itself: edgebench farm worker --scheduler ADDRESS"
    return Report(tables=(plain_table("Farm", rows, {}, caption),), records=tuple(records))
