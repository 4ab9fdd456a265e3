"""What a search of pipelines chooses from."""

from hypothesis import given
from hypothesis import strategies as st

from edgebench.compress.pipeline import parse_pipeline, pipeline_text
from edgebench.flows.compress.pipelines import pipeline_of, pipeline_space, untrained
from edgebench.store.devices import find_device

DEVICES = tuple(find_device(name) for name in ("host", "nucleo-l4r5zi", "ethos-u55-128"))
SPACE = pipeline_space(DEVICES)
CHOICES = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in SPACE.choices.items()})


@given(CHOICES)
def test_every_choice_is_a_pipeline_in_its_canonical_form(choices: dict[str, str]) -> None:
    text = pipeline_of(choices)
    assert pipeline_text(parse_pipeline(text)) == text


@given(CHOICES)
def test_the_shape_of_every_choice_is_known_without_training(choices: dict[str, str]) -> None:
    passes = parse_pipeline(untrained(choices))
    assert not any(item.trains for item in passes)
    assert ("int8" in [item.name for item in passes]) == (choices["dtype"] != "float32")


@given(CHOICES)
def test_what_lost_weights_is_trained_again(choices: dict[str, str]) -> None:
    names = [item.name for item in parse_pipeline(pipeline_of(choices))]
    if {"prune", "lowrank"} & set(names):
        assert {"tune", "distil"} & set(names)


def test_where_a_device_takes_int8_only_everything_is_int8() -> None:
    assert "float32" not in SPACE.choices["dtype"]
    assert "float32" in pipeline_space(DEVICES[:1]).choices["dtype"]
    assert SPACE.choices["by"] == ("everywhere", "nucleo-l4r5zi", "ethos-u55-128")


def test_starts_are_choices_of_the_space() -> None:
    for start in SPACE.starts:
        assert set(start) == set(SPACE.choices)
        assert all(value in SPACE.choices[name] for name, value in start.items())
