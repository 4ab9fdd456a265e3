"""The contract of a target: subclass it in your tests and provide a target and a model."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from edgebench.core.dtype import DataType
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.options import read_options
from edgebench.core.profile import Sample
from edgebench.errors import EdgebenchError
from edgebench.targets.base import LoadedModel, MeasuresInLoops, Target


class TargetContract:
    """What edgebench expects of every target. A subclass defines the two fixtures."""

    @pytest.fixture
    def target(self) -> Target:
        """The target under test, ready to run."""
        raise NotImplementedError

    @pytest.fixture
    def model(self) -> Path:
        """A model file that the target takes."""
        raise NotImplementedError

    def test_it_says_what_it_takes_and_what_its_latencies_are(self, target: Target) -> None:
        """Class attributes are complete, and the device's options are known."""
        assert target.formats
        assert all(isinstance(format_, ModelFormat) for format_ in target.formats)
        assert target.dtype in {None, *DataType}
        assert isinstance(target.latency_provenance, Provenance)
        read_options(target.device, target.options_type)

    def test_check_names_versions(self, target: Target) -> None:
        """A target that is ready reports the versions it builds on."""
        versions = target.check()
        assert versions
        assert all(isinstance(part, str) and part for item in versions.items() for part in item)

    def test_a_loaded_model_runs_and_tells(self, target: Target, model: Path) -> None:
        """Samples, or a latency among the metrics, with everything that is read afterwards."""
        target.import_runtime()
        with target.load(model, InputSource()) as loaded:
            sample = loaded.run(1 if target.deterministic else 5)
            self._check_latency(target, loaded, sample)
            assert loaded.method
            assert all(isinstance(note, str) for note in loaded.notes())
            for metric in (loaded.footprint.ram_bytes, loaded.footprint.flash_bytes):
                assert metric is None or (metric.unit == "bytes" and metric.value >= 0)
            assert all(isinstance(metric, Metric) for metric in loaded.metrics().values())
            self._check_layers(loaded)

    def test_inputs_follow_the_seed(self, target: Target, model: Path) -> None:
        """The same seed gives the same outputs."""
        outputs = []
        for _ in range(2):
            with target.load(model, InputSource(seed=3)) as loaded:
                loaded.run(1)
                outputs.append({name: value.tobytes() for name, value in loaded.outputs().items()})
        assert outputs[0] == outputs[1]

    @pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95model"])
    def test_what_is_no_model_is_refused(self, target: Target, tmp_path: Path, content: bytes) -> None:
        """A file that is not a model is an error with a message, in targets that read the file."""
        path = tmp_path / "broken"
        path.write_bytes(content)
        if not self.reads_the_model():
            pytest.skip("the target does not read the model")
        with pytest.raises(EdgebenchError), target.load(path, InputSource()) as loaded:
            loaded.run(1)

    def reads_the_model(self) -> bool:
        """Whether the target reads the file."""
        return True

    @staticmethod
    def _check_latency(target: Target, loaded: LoadedModel, sample: Sample) -> None:
        if target.deterministic:
            latency = loaded.metrics().get("latency_s")
            assert latency is None or latency.provenance is target.latency_provenance
        else:
            assert len(sample.latencies_s) == (1 if isinstance(target, MeasuresInLoops) else 5)
            assert all(math.isfinite(latency) and latency > 0 for latency in sample.latencies_s)

    @staticmethod
    def _check_layers(loaded: LoadedModel) -> None:
        shares = [layer.share for layer in loaded.layers() if layer.share is not None]
        assert all(0 <= share <= 1 for share in shares)
        assert not shares or abs(sum(shares) - 1) < 0.02
