"""Every pass follows the contract, and does what it is for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebench.compress.base import Design, NotApplicableError, Pass, Setting
from edgebench.compress.channels import find_channels
from edgebench.compress.layer_times import LayerTimes, SplitTimes
from edgebench.compress.pipeline import PASSES, parse_pipeline, pipeline_text
from edgebench.compress.widths import sampled_widths
from edgebench.errors import InputError
from edgebench.models.artefact import Artefact
from edgebench.models.network.weights import LayerWeights
from edgebench.testing.pass_contract import PassContract
from tests.compress.networks import artefact_of, coupled
from tests.tasks.synthetic import bars_task

TEXTS = [
    "prune(0.5)", "prune(0.3, by=board)", "sparse(0.6)", "sparse(pattern=2:4)", "lowrank(0.5, multiple=1)",
    "lowrank(0.9, by=board)", "scratch(0.5)", "redesign", "tune", "distil(0.7)", "qat", "qat(0.5)", "int8",
    "int8_weights", "mixed(1)", "float16", "fuse",
]  # fmt: skip


def setting_for(artefact: Artefact) -> Setting:
    groups = find_channels(artefact.network).groups
    widths = tuple(sampled_widths(groups, 4, seed=0)[:2])
    times = LayerTimes(widths=widths, seconds={layer.name: (1e-3, 4e-4) for layer in artefact.network.layers})
    names = [layer.name for layer in artefact.network.layers]
    splits = SplitTimes(whole=dict.fromkeys(names, 1e-3), split=dict.fromkeys(names, ((4, 0.0004), (8, 0.0007))))
    return Setting(
        task=bars_task(90),
        teacher=(artefact.network, artefact.weights),
        epochs=1,
        costs={"board": times},
        splits={"board": splits},
        designs={"mobile": Design(network=coupled(8), text="network 1 of mobile")},
    )


def low_rank(artefact: Artefact) -> Artefact:
    """Dense and 1x1 layers whose weights have few directions."""
    thin = {}
    for name, own in artefact.weights.items():
        matrix = own.kernel.reshape(len(own.kernel), -1)
        thin[name] = LayerWeights(
            kernel=(np.ones((len(matrix), 1), np.float32) @ matrix[:1]).reshape(own.kernel.shape), bias=own.bias
        )
    return replace(artefact, weights=thin)


@pytest.mark.usefixtures("torch")
class TestPasses(PassContract):
    @pytest.fixture(params=TEXTS)
    def item(self, request: pytest.FixtureRequest) -> Pass:
        return parse_pipeline(request.param)[0]

    @pytest.fixture
    def artefact(self, item: Pass) -> Artefact:
        artefact = artefact_of(coupled(16))
        return low_rank(artefact) if item.name == "lowrank" else artefact

    @pytest.fixture
    def setting(self, artefact: Artefact) -> Setting:
        return setting_for(artefact)


@pytest.mark.usefixtures("torch")
class TestShare(PassContract):
    @pytest.fixture
    def item(self) -> Pass:
        return parse_pipeline("share(16)")[0]

    @pytest.fixture
    def artefact(self) -> Artefact:
        artefact = artefact_of(coupled(16))
        return parse_pipeline("int8")[0].apply(artefact, replace(setting_for(artefact), task=None))

    @pytest.fixture
    def setting(self, artefact: Artefact) -> Setting:
        return setting_for(artefact)


def test_every_pass_is_tried_here() -> None:
    assert {parse_pipeline(text)[0].name for text in TEXTS} | {"share"} == set(PASSES)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("prune(0.3)+distil  + int8", "prune(0.3) + distil + int8"),
        ("prune( ratio = 0.3 , multiple=8)", "prune(0.3, multiple=8)"),
        ("prune(0.50)", "prune(0.5)"),
        ("distil(0.5)", "distil"),
        ("  ", ""),
    ],
)
def test_pipelines_have_one_canonical_form(text: str, canonical: str) -> None:
    assert pipeline_text(parse_pipeline(text)) == canonical
    assert parse_pipeline(canonical) == parse_pipeline(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("prune(0)", "above 0"),
        ("prune(1)", "below 1"),
        ("prune(nan)", "above 0"),
        ("scratch(1)", "below 1"),
        ("sparse(0)", "above 0"),
        ("lowrank(1)", "below 1"),
        ("share(1)", "from 2"),
        ("mixed(0)", "at least 1"),
        ("qat(1)", "below 1"),
        ("distil(temperature=0)", "above 0"),
        ("prune(x)", "not a number"),
        ("prune", "needs its ratio"),
        ("prune(0.3, 0.4)", "no parameter"),
        ("prune(0.3, ratio=0.4)", "twice"),
        ("prun(0.3)", "no pass"),
        ("prune(0.3", "not a pass"),
        ("int8(3)", "no parameter"),
        ("int8 +", "not a pass"),
        ("sparse(pattern=3:4)", "no pattern"),
        ("redesign(mobile, trials=0)", "at least 1"),
        ("redesign(trials=many)", "not a number"),
    ],
)
def test_pipelines_that_make_no_sense_are_refused(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        parse_pipeline(text)


def test_a_network_too_narrow_to_prune_is_named() -> None:
    artefact = artefact_of(coupled(4))
    setting = replace(setting_for(artefact), task=None)
    with pytest.raises(NotApplicableError, match="conv_1"):
        parse_pipeline("prune(0.2, multiple=8)")[0].apply(artefact, setting)


def test_pruning_by_an_unknown_device_does_not_apply() -> None:
    artefact = artefact_of(coupled())
    with pytest.raises(NotApplicableError, match="moon"):
        parse_pipeline("prune(0.5, by=moon)")[0].apply(artefact, replace(setting_for(artefact), task=None))


@pytest.mark.parametrize("text", ["int8 + int8", "int8 + qat", "share(8)", "int8 + mixed", "int8 + float16"])
def test_passes_in_an_order_that_makes_no_sense_do_not_apply(text: str, torch: object) -> None:
    artefact = artefact_of(coupled())
    setting = setting_for(artefact)
    *before, last = parse_pipeline(text)
    for item in before:
        artefact = item.apply(artefact, setting)
    with pytest.raises(NotApplicableError):
        last.apply(artefact, setting)


def test_zeros_stay_zeros_in_training(torch: object) -> None:
    artefact = artefact_of(coupled())
    setting = setting_for(artefact)
    for item in parse_pipeline("sparse(0.5) + tune + qat"):
        artefact = item.apply(artefact, setting)
    kernel = artefact.weights["conv_5"].kernel
    assert 0.45 < (kernel == 0).mean() < 0.55


def test_a_teacher_that_is_worse_is_named(torch: object) -> None:
    from edgebench.tasks.recipe import Recipe
    from edgebench.tasks.training import train

    task, bad = bars_task(240), artefact_of(coupled())
    trained = train(bad.network, task, Recipe(epochs=6), seed=0)
    student = replace(bad, weights=trained.weights)
    setting = Setting(task=task, teacher=(bad.network, bad.weights), epochs=1)
    step = parse_pipeline("distil")[0].apply(student, setting).steps[-1]
    assert "teacher is worse" in step.skipped[0]


def test_an_artefact_in_a_folder_is_the_same_again(tmp_path: Path) -> None:
    from edgebench.store.artefacts import is_complete, load_artefact, save_artefact

    artefact = artefact_of(coupled())
    made = parse_pipeline("int8")[0].apply(artefact, replace(setting_for(artefact), task=None))
    assert not is_complete(tmp_path)
    save_artefact(made, tmp_path)
    again = load_artefact(tmp_path)
    assert (again.digest, again.steps, again.network) == (made.digest, made.steps, made.network)
    (tmp_path / "weights.npz").write_bytes(b"damaged")
    assert not is_complete(tmp_path)


def test_layers_are_made_two_where_that_is_faster_on_the_device() -> None:
    artefact = low_rank(artefact_of(coupled(16)))
    setting = replace(setting_for(artefact), task=None)
    slow = {name: ((4, 2e-3), (8, 3e-3)) for name in setting.splits["board"].split if name != "conv_6"}
    fast = {"conv_6": ((4, 5e-4), (8, 9e-4))}
    times = replace(setting.splits["board"], split=slow | fast)
    made = parse_pipeline("lowrank(0.9, by=board)")[0].apply(artefact, replace(setting, splits={"board": times}))
    assert made.steps[-1].done == "factorised 1 layers: conv_6"
    assert any("not be faster on board" in text for text in made.steps[-1].skipped)
    with pytest.raises(NotApplicableError, match="moon"):
        parse_pipeline("lowrank(0.9, by=moon)")[0].apply(artefact, setting)
    times = replace(times, split=slow)
    with pytest.raises(NotApplicableError, match="not be faster"):
        parse_pipeline("lowrank(0.9, by=board)")[0].apply(artefact, replace(setting, splits={"board": times}))


def test_the_time_of_two_layers_is_on_the_line_through_what_was_measured() -> None:
    times = SplitTimes(whole={"a": 1.0}, split={"a": ((4, 0.5), (12, 0.9)), "b": ((8, 0.8),)})
    assert times.at_rank("a", 8) == pytest.approx(0.7)
    assert times.at_rank("b", 4) == pytest.approx(0.4)
    assert times.at_rank("c", 4) is None


def test_a_redesign_takes_what_a_search_found(torch: object) -> None:
    artefact = artefact_of(coupled(16))
    setting = setting_for(artefact)
    made = parse_pipeline("redesign")[0].apply(artefact, setting)
    assert made.network == coupled(8)
    assert "original as teacher" in made.steps[-1].done
    with pytest.raises(NotApplicableError, match="no search of resnet"):
        parse_pipeline("redesign(resnet)")[0].apply(artefact, setting)
    other = replace(setting, designs={"mobile": Design(network=coupled(8, classes=5), text="x")})
    with pytest.raises(NotApplicableError, match="as the original does"):
        parse_pipeline("redesign")[0].apply(artefact, other)
