"""Tables that were measured elsewhere: what goes out comes back, and another machine is another device."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebench.cli.render.data import render_csv
from edgebench.core.budget import Limit
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey, Validation
from edgebench.errors import InputError, TargetUnavailableError
from edgebench.flows.lut.importing import Imported, ImportRequest, import_table
from edgebench.flows.lut.opening import find_device_or_table, load_any_table, open_tables
from edgebench.flows.search.request import margins
from edgebench.flows.spaces import open_space
from edgebench.reports.report import Report
from edgebench.search.costs import cost_model
from edgebench.store.table_csv import table_records
from edgebench.targets.registry import create_target

MACRO, CELLS = open_space("nas-bench-macro"), open_space("nas-bench-201")


def request(file: Path, **changes: object) -> ImportRequest:
    given = ImportRequest(
        file=file,
        space=MACRO,
        device=None,
        machine=None,
        source="lab",
        provenance=Provenance.MEASURED,
        versions={},
        dtype=None,
        force=False,
        results=file.parent / "results",
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def blocks() -> LookupTable:
    error = Validation(
        networks=9, seed=0, mean_error=0.02, within_5_percent=0.9, within_10_percent=1.0, rank_correlation=None,
        low=0.95, high=1.06, when="",
    )  # fmt: skip
    return LookupTable(
        space=MACRO.name,
        key=TableKey(device="pi5", target="imported", dtype="int8", machine="Raspberry Pi 5"),
        figures={
            "latency_s": TableFigure(provenance=Provenance.ESTIMATED, method="a model", source="a paper"),
            "flash_bytes": TableFigure(provenance=Provenance.EXACT, method="read", source="a paper", base=4096.0),
        },
        entries={
            block.key: {"latency_s": 1e-5 * number - 2e-6, "flash_bytes": 100.0 * number}
            for number, block in enumerate(MACRO.all_blocks)
        },
        left_out={"latency_s": error},
        disturbed=(MACRO.all_blocks[3].key,),
        space_digest=MACRO.digest,
        complete=True,
    )


def written(table: LookupTable, file: Path) -> Path:
    file.write_text(render_csv(Report(tables=(), records=table_records(table))))
    return file


def test_what_goes_out_comes_back(tmp_path: Path) -> None:
    table = blocks()
    found = import_table(request(written(table, tmp_path / "t.csv"), source=""))
    assert found.elsewhere
    assert found.table == table


def whole_csv(file: Path, count: int = 60, noise: float = 0.01) -> Path:
    """Networks that take a millisecond and a time for each operation that is executed."""
    random = np.random.default_rng(0)
    rows = np.unique(CELLS.sample(random, count), axis=0)
    operations = CELLS.features(rows)[0].values
    latency = (1e-3 + operations @ np.array([0, 0, 4e-4, 3e-3, 5e-4])) * random.normal(1, noise, len(rows))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["architecture", "latency_ms"])
    writer.writerows([CELLS.text(row), f"{1e3 * time:.6f}"] for row, time in zip(rows, latency, strict=True))
    file.write_text(text.getvalue())
    return file


def imported_cells(tmp_path: Path) -> Imported:
    file = whole_csv(tmp_path / "networks.csv")
    return import_table(request(file, space=CELLS, device="host", machine="Raspberry Pi 5", dtype="float32"))


def test_whole_networks_make_a_predictor_and_a_device_of_its_own(tmp_path: Path) -> None:
    found = imported_cells(tmp_path)
    table = found.table
    # The same runtime on another machine is not this machine's device.
    assert (table.key.device, table.key.target, table.key.machine) == ("raspberry-pi-5", "imported", "Raspberry Pi 5")
    assert table.left_out["latency_s"].within_5_percent > 0.9
    device = find_device_or_table("raspberry-pi-5", tmp_path / "results")
    tables = open_tables(tmp_path / "results", CELLS, [device], {})
    model = cost_model(CELLS, tables)
    rows = CELLS.sample(np.random.default_rng(7), 200)
    actual = 1e-3 + CELLS.features(rows)[0].values @ np.array([0, 0, 4e-4, 3e-3, 5e-4])
    predicted = model.predict(rows)[:, model.names.index("latency_s@raspberry-pi-5")]
    assert np.mean(np.abs(predicted / actual - 1) < 0.05) > 0.9
    limit = Limit(figure="latency_s", device="raspberry-pi-5", value=1.0)
    # What it promises is the margin.
    assert margins([limit], tables) == (table.left_out["latency_s"].high,)
    with pytest.raises(TargetUnavailableError, match="not attached"):
        create_target(device).check()


def test_networks_that_go_out_come_back(tmp_path: Path) -> None:
    first = imported_cells(tmp_path).table
    file = written(load_any_table(tmp_path / "results", CELLS.name, "raspberry-pi-5", None), tmp_path / "again.csv")
    again = import_table(request(file, space=CELLS, source="", force=True)).table
    assert again.wholes == first.wholes
    assert again.key == first.key
    assert again.figures["latency_s"].weights.keys() == first.figures["latency_s"].weights.keys()


def test_what_others_compute_without_need_is_learnt_too(tmp_path: Path) -> None:
    """Whoever converts a cell as it is written computes convolutions of zeros, which we leave out."""
    rows = np.random.default_rng(5).integers(0, 5, (120, 6)).astype(np.int8)
    rows = np.unique(rows[CELLS.features(rows)[2].values[:, 2] == 0], axis=0)
    families = {family.name: family.values for family in CELLS.features(rows)}
    cost = np.array([0, 0, 4e-4, 3e-3, 5e-4])
    actual = 1e-3 + (families["operations"] + families["of zeros"]) @ cost
    lines = [f"{CELLS.text(row)},{value}" for row, value in zip(rows, actual, strict=True)]
    file = tmp_path / "as_written.csv"
    file.write_text("\n".join(["architecture,latency_s", *lines]))
    table = import_table(request(file, space=CELLS, device="pi5", machine="Raspberry Pi 5", dtype="float32")).table
    assert set(table.wholes) == {CELLS.text(row) for row in rows}
    assert table.left_out["latency_s"].within_5_percent > 0.85
    # Ours compute nothing of the kind.
    drawn = CELLS.sample(np.random.default_rng(8), 200)
    expected = 1e-3 + CELLS.features(drawn)[0].values @ cost
    predicted = cost_model(CELLS, {"pi5": table}).predict(drawn)[:, 0]
    assert np.mean(np.abs(predicted / expected - 1) < 0.05) > 0.85


def test_a_table_is_not_replaced_unasked(tmp_path: Path) -> None:
    imported_cells(tmp_path)
    with pytest.raises(InputError, match="exists already"):
        imported_cells(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("architecture,latency_s\n000000,\n", "latency_s is missing"),
        ("architecture,latency_s\n000000,-1\n", "not above 0"),
        ("architecture,latency_s\n000000,1\n000000,2\n", "has other figures than in line 2"),
        ("architecture,latency_s\n900000,1\n", "not an architecture"),
        ("architecture,latency_s\n000000,1\n", "too few"),
        ("architecture,latency_s\n000000,1000\n111111,2000\n", "or more in every line"),
        ("architecture,speed\n000000,1\n", "'speed' is not a figure"),
        ("block,latency_s\nx,1\n", "no table of blocks"),
    ],
)
def test_bad_files_are_refused_with_what_is_wrong(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(InputError) as refused:
        import_table(request(file, space=CELLS, device="pi5"))
    assert words in str(refused.value)


def test_somebody_measured_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="who measured it"):
        import_table(request(whole_csv(tmp_path / "n.csv"), space=CELLS, device="pi5", source=""))
    with pytest.raises(InputError, match="no device"):
        import_table(request(whole_csv(tmp_path / "n.csv"), space=CELLS))
