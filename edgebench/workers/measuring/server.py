"""The measuring process: model files are read, converted and run here, and may crash it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edgebench.core.board_link import times_itself
from edgebench.core.device import Device
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.place import Seen
from edgebench.core.profile import Sample
from edgebench.core.support import Support
from edgebench.errors import EdgebenchError, InputError
from edgebench.machine.processes import adopt_orphans
from edgebench.models.prepare import Prepared
from edgebench.workers.measuring.board_jobs import (
    ClockTime,
    CoolDown,
    Cooled,
    FindStored,
    ListFiles,
    Look,
    ModelFiles,
    ReadClock,
    Stored,
    StorePart,
)
from edgebench.workers.measuring.jobs import (
    Done,
    Finish,
    Finished,
    ListedLayers,
    ListLayers,
    Load,
    Loaded,
    MakeReady,
    Prepare,
    Reserve,
    Run,
    RunTimed,
    TimedSample,
    Waiting,
)
from edgebench.workers.measuring.model_jobs import (
    CompareOutputs,
    CountOperators,
    ExecutedOperators,
    OutputsCompared,
    Try,
    WriteProject,
    Written,
)
from edgebench.workers.measuring.race_jobs import Race, Raced
from edgebench.workers.measuring.reservation import Reservation
from edgebench.workers.server import Server

if TYPE_CHECKING:
    from edgebench.meters.base import EnergyMeter
    from edgebench.workers.measuring.session import MeasurementSession


class MeasuringServer(Server):
    """Prepares and runs models."""

    def __init__(self, answers: BinaryIO, requests: BinaryIO) -> None:
        super().__init__(answers, requests)
        self._session: MeasurementSession | None = None
        self._of: Load | None = None
        self._meter: EnergyMeter | None = None
        self._unconfined: str | None = None
        self._is_settled = False
        self._reservation = Reservation()
        self.on(Prepare, self._prepare)
        self.on(MakeReady, self._make_ready)
        self.on(Try, self._try)
        self.on(CountOperators, self._count_operators)
        self.on(WriteProject, self._write_project)
        self.on_long(Reserve, self._reserve)
        self.on(Load, self._load)
        self.on(Run, self._run)
        self.on(RunTimed, self._run_timed)
        self.on(ReadClock, lambda _: ClockTime(time_s=time.monotonic()))
        self.on(Finish, self._finish)
        self.on(ListLayers, self._list_layers)
        self.on(Race, self._race)
        self.on(CompareOutputs, self._compare_outputs)
        self.on(Look, self._look)
        self.on(CoolDown, self._cool_down)
        self.on(ListFiles, self._list_files)
        self.on(FindStored, self._find_stored)
        self.on(StorePart, self._store_part)

    def _prepare(self, request: Prepare) -> Prepared:
        from edgebench.models.prepare import prepare

        wanted = request.wanted
        self._confine([wanted.source], files=[wanted.inputs, wanted.calibration], folders=[wanted.folder])
        return prepare(request.wanted)

    def _make_ready(self, request: MakeReady) -> Done:
        from edgebench.targets.base import MadeReadyOnce
        from edgebench.targets.registry import create_target

        target = create_target(request.device)
        if isinstance(target, MadeReadyOnce):
            target.make_ready()
        return Done()

    def _try(self, request: Try) -> Support:
        from edgebench.workers.measuring.trying import try_model

        self._confine([request.model], request.device, _files(request.inputs))
        return try_model(request.device, Path(request.model), request.inputs)

    def _count_operators(self, request: CountOperators) -> ExecutedOperators:
        from edgebench.targets.base import TellsOperators
        from edgebench.targets.registry import create_target

        self._confine(request.models, request.device)
        target = create_target(request.device)
        if not isinstance(target, TellsOperators):
            return ExecutedOperators(counts=None)
        target.check()
        return ExecutedOperators(counts=tuple(dict(target.operators(Path(model))) for model in request.models))

    def _write_project(self, request: WriteProject) -> Written:
        from edgebench.targets.base import WritesDeployed
        from edgebench.targets.registry import create_target

        self._confine([request.model], request.device, _files(request.inputs), [request.folder])
        target = create_target(request.device)
        if not isinstance(target, WritesDeployed):
            raise InputError(
                f"{request.device.name} runs model files as they are", remedy="use --to tflite or --to int8-tflite"
            )
        files, notes = target.write_deployed(Path(request.model), request.inputs, Path(request.folder))
        return Written(files=tuple(files), notes=tuple(notes))

    def _reserve(self, request: Reserve, goes_on: Callable[[Waiting], bool]) -> Done:
        self._reservation.make(request.device, request.owner, goes_on)
        return Done()

    def _load(self, request: Load) -> Loaded:
        from edgebench.workers.measuring.session import MeasurementSession

        self._acts_outside(request.device)
        self._open_meter(request.device)
        self._confine([request.model], request.device, _files(request.inputs))
        self._session = MeasurementSession(request.device, Path(request.model), request.inputs, self._meter)
        self._of = request
        loaded = self._session.load()
        self._require_unchanged()
        return loaded

    def _run(self, request: Run) -> Sample:
        return self._loaded().run(request.iterations)

    def _run_timed(self, request: RunTimed) -> TimedSample:
        return self._loaded().run_timed(request.iterations)

    def _finish(self, request: Finish) -> Finished:
        session = self._loaded()
        finished = session.finish(layers=request.layers)
        self._require_unchanged()
        if request.release:
            session.close()
            self._session = None
        if self._unconfined is not None:
            note = f"the process that ran the model was not confined: {self._unconfined}"
            finished = replace(finished, notes=(*finished.notes, note))
        return finished

    def _list_layers(self, _: ListLayers) -> ListedLayers:
        session = self._loaded()
        layers = session.layers()
        self._require_unchanged()
        session.close()
        self._session = None
        return ListedLayers(layers=layers)

    def _race(self, request: Race) -> Raced:
        from edgebench.workers.measuring.race import race

        self._acts_outside(request.device)
        self._open_meter(request.device)
        self._confine(request.models, request.device)
        models = [Path(model) for model in request.models]
        found = race(
            request.device,
            models,
            InputSource(),
            request.seconds,
            self._meter,
            least_burst_s=request.least_burst_s,
        )
        return Raced(results=found)

    def _compare_outputs(self, request: CompareOutputs) -> OutputsCompared:
        from edgebench.workers.measuring.outputs import compare_outputs

        self._acts_outside(request.device)
        self._confine([request.before, request.after], request.device, _files(request.inputs))
        return compare_outputs(request.device, Path(request.before), Path(request.after), request.inputs)

    def _acts_outside(self, device: Device) -> None:
        """Before this process is confined: have its board for itself, and start what confinement would break."""
        from edgebench.targets.base import ActsOutside, PassesModelsOn
        from edgebench.targets.registry import create_target

        self._reservation.require(device)
        if times_itself(device) and not self._is_settled:
            target = create_target(device)
            self._is_settled = isinstance(target, PassesModelsOn) and target.passes_models_on()
            if isinstance(target, ActsOutside):
                target.start_outside()

    def _look(self, request: Look) -> Seen:
        from edgebench.workers.measuring.looking import look

        return look(request.device, meters=request.meters)

    def _cool_down(self, request: CoolDown) -> Cooled:
        from edgebench.workers.measuring.surroundings import temperature_c, wait_until_cool

        if request.device.cool_to_c is None:
            return Cooled(waited_s=0.0, temperature_c=temperature_c())
        waited_s, now_c = wait_until_cool(request.device.cool_to_c, request.device.cool_within_s)
        return Cooled(waited_s=waited_s, temperature_c=now_c)

    def _list_files(self, request: ListFiles) -> ModelFiles:
        from edgebench.models.onnx.file import external_files, parse_graph

        self._confine([request.model])
        path = Path(request.model)
        return ModelFiles(beside=tuple(str(file) for file in external_files(parse_graph(path), path)))

    def _find_stored(self, request: FindStored) -> Stored:
        from edgebench.workers.measuring.stored_files import find_stored

        return find_stored(request)

    def _store_part(self, request: StorePart) -> Done:
        from edgebench.workers.measuring.stored_files import store_part

        return store_part(request)

    def _open_meter(self, device: Device) -> None:
        """A meter that is the user's program starts before this process is confined, and lives as long as it."""
        from edgebench.workers.measuring.session import open_device_meter

        if self._meter is None and device.meter.startswith("command:"):
            self._meter = open_device_meter(device)

    def _confine(
        self,
        models: Sequence[str],
        device: Device | None = None,
        files: Sequence[str | None] = (),
        folders: Sequence[str] = (),
    ) -> None:
        """Before the first model is read, give up what no model needs; what is given up stays so."""
        from edgebench.workers.measuring.confinement import confine_to, require_confinement

        if not self._is_settled:
            self._is_settled = True
            # What a model starts ends with this process. Boards' tools may leave helpers of their own behind.
            adopt_orphans()
            self._unconfined = confine_to(models, files, device, folders)
        require_confinement(self._unconfined, is_program=any(map(_is_program, models)))

    def _require_unchanged(self) -> None:
        """The figures are those of one file: it may have been replaced since it was prepared."""
        from edgebench.models.inspect import require_digest

        if self._of is not None and self._of.digest is not None:
            require_digest(Path(self._of.model), list(map(Path, self._of.beside)), self._of.digest)

    def _loaded(self) -> MeasurementSession:
        if self._session is None:
            raise InputError("no model is loaded")
        return self._session


def _files(inputs: InputSource) -> list[str | None]:
    return [inputs.file, inputs.calibration]


def _is_program(model: str) -> bool:
    """Whether a model can do anything when it runs."""
    from edgebench.models.source import identify, parse_source

    path = parse_source(model).path
    try:
        return path is not None and path.is_file() and identify(path) is ModelFormat.TORCHSCRIPT
    except EdgebenchError:
        return False
