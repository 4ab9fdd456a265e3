"""Networks of search spaces that searches find under the limits of a compression, with the original as teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgebench.compress.base import NotApplicableError, Pass
from edgebench.compress.redesign import TEACHER, Redesign
from edgebench.core.budget import Budget
from edgebench.core.plan import MeasurementPlan
from edgebench.core.search import SearchRecord, TrialResult
from edgebench.core.table import LookupTable
from edgebench.errors import EdgebenchError, InputError, NotComparableError, StorageError
from edgebench.flows.compress.artefacts import Artefacts, Made
from edgebench.flows.lut.opening import open_tables
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.search import search
from edgebench.flows.spaces import open_space
from edgebench.models.network.description import network_to_plain
from edgebench.search.costs import cost_model
from edgebench.spaces.space import SearchSpace
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import read_json, write_json
from edgebench.tasks.recipe import Recipe
from edgebench.workers.base import Workers
from edgebench.workers.training.compress_jobs import FoundDesign

KIND = "design"


@dataclass(frozen=True, slots=True, kw_only=True)
class Designs:
    """Searches for the passes that want a network; what was found before is not searched again.

    Attributes:
        artefacts: Makes networks.
        plan: How long files are measured.
        on_progress: Called for every step.
        workers: Starts the processes that train.
    """

    artefacts: Artefacts
    plan: MeasurementPlan
    on_progress: Callable[[ProfileProgress], None]
    workers: Workers

    def of(self, passes: Sequence[Pass]) -> dict[str, FoundDesign]:
        """What searches found, by search space.

        Raises:
            NotApplicableError: The space does not fit, no device has a table of it, or nothing in it meets the limits.
        """
        return {item.space: self._kept(item) for item in passes if isinstance(item, Redesign)}

    def _kept(self, item: Redesign) -> FoundDesign:
        request, original = self.artefacts.request, self.artefacts.original()
        if request.task is None:
            raise NotApplicableError("redesign trains, which needs a task", remedy="add --task mnist5k, or your own")
        try:
            space = open_space(item.space)
            tables, missing = self._tables(space)
            wanted = self._search(item, space, tables, original)
            path = request.folder / "designs" / f"{wanted.study}-{item.trials}.json"
            try:
                if path.is_file():
                    return from_plain(FoundDesign, read_json(path, kind=KIND, version=1)["design"], where=str(path))
            except (StorageError, KeyError):
                pass  # Damaged: the search goes on where its study ended.
            record = search(
                wanted, self.plan, on_update=lambda *_: None, on_progress=self.on_progress, workers=self.workers
            )
        except (InputError, NotComparableError) as error:
            raise NotApplicableError(error.what, remedy=error.remedy) from None
        found = _design(record, space, missing)
        write_json(path, {"schema": f"edgebench.{KIND}/1", "design": to_plain(found)})
        return found

    def _tables(self, space: SearchSpace) -> tuple[dict[str, LookupTable], tuple[str, ...]]:
        """The tables that there are, and what to know of devices without one.

        Raises:
            EdgebenchError: There is none.
        """
        request = self.artefacts.request
        tables: dict[str, LookupTable] = {}
        missing: list[EdgebenchError] = []
        for device in request.devices:
            try:
                tables |= open_tables(request.results, space, [device], {})
            except (InputError, NotComparableError) as error:
                missing.append(error)
        if not tables:
            raise missing[0]
        notes = tuple(
            f"the search did not look at its limits: {error.what}" + (f" ({error.remedy})" if error.remedy else "")
            for error in missing
        )
        return tables, notes

    def _search(
        self, item: Redesign, space: SearchSpace, tables: Mapping[str, LookupTable], original: Made
    ) -> SearchRequest:
        """A search under those limits of cost that tables predict; the more accurate, the better.

        Raises:
            InputError: A table lacks a block of the space.
        """
        request = self.artefacts.request
        known = set(cost_model(space, tables).names)
        limits = tuple(limit for limit in request.budget.limits if limit.column in known)
        wanted = SearchRequest(
            space=space,
            devices=tuple(device for device in request.devices if device.name in tables),
            tables=tables,
            budget=Budget(limits=limits),
            task=request.task,
            recipe=Recipe(epochs=max(1, request.epochs // 2), distillation=TEACHER),
            finalists=0,
            trials=item.trials,
            seed=request.seed,
            results=request.results,
            original=str(original.folder),
        )
        # Another original or other limits are another study; with more trials the same one goes on.
        data = self.artefacts.facts.digest if self.artefacts.facts else ""
        settings = f"{wanted.settings(data)} {original.key}"
        digest = hashlib.sha256(settings.encode()).hexdigest()[:12]
        return replace(wanted, study=f"redesign-{item.space.replace('/', '-')[-40:]}-{digest}")


def _design(record: SearchRecord, space: SearchSpace, notes: tuple[str, ...]) -> FoundDesign:
    """The most accurate network that was tried.

    Raises:
        NotApplicableError: There is none.
    """
    if record.infeasibility is not None:
        raise NotApplicableError(f"no network of {space.name} meets the limits", remedy="relax them, or name a space")
    known = [(trial.accuracy, trial) for trial in record.tried or record.front if trial.accuracy is not None]
    if not known:
        raise NotApplicableError(f"no network of {space.name} could be trained")
    best: TrialResult = max(known, key=lambda pair: pair[0])[1]
    text = f"network {best.architecture} of {space.name}, the most accurate of {len(known)} under the limits"
    network = space.network(space.parse(best.architecture))
    return FoundDesign(network=network_to_plain(network), text=text, notes=notes)
