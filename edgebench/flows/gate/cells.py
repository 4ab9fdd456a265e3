"""Which models are held on which devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from edgebench.core.baseline import Baseline
from edgebench.core.device import Device
from edgebench.errors import InputError
from edgebench.store.devices import find_device
from edgebench.store.trust import require_typed


def chosen_cells(
    models: Sequence[str],
    devices: Sequence[Device],
    baseline: Baseline | None,
    find: Callable[[str], Device] = find_device,
) -> list[tuple[str, Device]]:
    """Every model on every device; what is not given is what the baseline has.

    Args:
        models: As typed; none for those of the baseline.
        devices: With their options applied; none for those of the baseline.
        baseline: Figures in a file, or None.
        find: Finds a device by its name.

    Raises:
        InputError: Nothing is left to compare, or a device of the baseline is unknown.
    """
    if baseline is None:
        if not models:
            raise InputError("no model is given", remedy="edgebench gate MODEL --baseline-ref main")
        return [(model, device) for model in _once(models) for device in devices or [find("host")]]
    if models and devices:
        return [(model, device) for model in _once(models) for device in devices]
    for entry in () if models else baseline.entries:
        require_typed(entry.source, f"baseline {baseline.name}", f"edgebench gate {entry.source} ...")
    here = {device.name: device for device in devices}
    cells: list[tuple[str, Device]] = []
    for model in _once(models) or _once(entry.source for entry in baseline.entries):
        names = _once(entry.device for entry in baseline.entries if _is_of(entry.source, entry.model, model))
        if not names:
            raise InputError(
                f"baseline {baseline.name} has no model {model!r}",
                remedy=f"it has {', '.join(_once(entry.source for entry in baseline.entries)) or 'none'}; "
                "-d names devices to compare it on all the same",
            )
        cells += [(model, here.get(name) or find(name)) for name in names if not here or name in here]
    if not cells:
        raise InputError(
            f"baseline {baseline.name} has nothing on {', '.join(here) or 'any device'}",
            remedy=f"it has {', '.join(_once(entry.subject for entry in baseline.entries)) or 'no entries'}",
        )
    return cells


def _is_of(source: str, name: str, model: str) -> bool:
    plain = Path(model).name.removeprefix("zoo:")
    return source == model or Path(source).name.removeprefix("zoo:") == plain or name == Path(plain).stem


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
