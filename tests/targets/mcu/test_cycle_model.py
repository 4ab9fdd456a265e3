"""Fits of a board's cycles: what they give back, what their bands cover, and what looks wrong in them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.core.calibration import BoardCalibration, BoardMeasurement, Work
from edgebench.core.device import Device, DeviceKind
from edgebench.errors import InputError
from edgebench.store.devices import find_device
from edgebench.targets.mcu.calibration import calibration_for, read_ratios
from edgebench.targets.mcu.cycle_model import Sample, fit_cycles, left_out, merged, outliers

ratios = st.floats(0.7, 3.0)
RANDOM = np.random.default_rng(7)


def work(
    convolution: int = 0, dense: int = 0, *, density: float = 1 / 3.2, layers: int = 8, depthwise: int = 0
) -> Work:
    return Work(
        layers=layers,
        instructions={"convolution": convolution, "depthwise": depthwise, "dense": dense, "other": 1000},
        macs={"convolution": round(convolution * density), "depthwise": depthwise // 8, "dense": round(dense / 2.7)},
    )


def sample(name: str, what: Work, ratio: float, dense_ratio: float | None = None) -> Sample:
    dense = what.instructions["dense"]
    return Sample(name=name, cycles=(what.total - dense) * ratio + dense * (dense_ratio or ratio), work=what)


def drawn(number: int, random: np.random.Generator = RANDOM) -> Work:
    size = int(10 ** random.uniform(5, 7.5))
    return work(size, int(10 ** random.uniform(3, 6)), density=random.uniform(0.15, 0.4), layers=5 + number % 9)


@given(ratios, st.floats(0.8, 1.25))
def test_exact_data_give_back_their_ratios_and_little_error(first: float, factor: float) -> None:
    samples = [
        sample("a", work(1_000_000, 10_000), first, first * factor),
        sample("b", work(5_000_000, 900), first, first * factor),
        sample("c", work(10_000, 800_000), first, first * factor),
        sample("d", work(300_000, 400_000), first, first * factor),
    ]
    model = fit_cycles(samples)
    for one in samples:
        assert model.estimate(one.work).cycles == pytest.approx(one.cycles, rel=0.03)
    assert [found.cycles for found in left_out(samples) if found] == pytest.approx(
        [one.cycles for one in samples], rel=0.35
    )


@given(st.floats(1.3, 2.0))
def test_networks_that_disagree_show_in_the_band(factor: float) -> None:
    agree = [sample(str(number), work(1_000_000 * number), 1.5) for number in (1, 2, 3, 4, 5)]
    disagree = [replace(one, cycles=one.cycles * factor ** (number % 2)) for number, one in enumerate(agree)]
    new = work(2_500_000)
    assert fit_cycles(disagree).estimate(new).factor > fit_cycles(agree).estimate(new).factor


def test_more_networks_make_the_band_narrower_and_one_is_wide() -> None:
    samples = [sample(str(number), drawn(number), 1.5) for number in range(12)]
    new = drawn(3)
    factors = [fit_cycles(samples[:count]).estimate(new).factor for count in (1, 3, 12)]
    assert factors == sorted(factors, reverse=True)
    assert factors[0] > 1.25


def test_what_no_network_showed_is_wide_and_said() -> None:
    seen = [sample(str(number), work(1_000_000 * number), 1.5) for number in (1, 2, 3)]
    model = fit_cycles(seen)
    inside = model.estimate(work(1_500_000))
    assert not inside.beyond
    for unlike in (work(1_500_000, density=0.1), work(0, 500_000)):
        outside = model.estimate(unlike)
        assert outside.beyond
        assert outside.factor > 1.5 * inside.factor - 0.5


@pytest.mark.parametrize("count", [3, 5, 12])
def test_bands_cover_boards_that_are_drawn(count: int) -> None:
    random = np.random.default_rng(count)
    inside = total = 0
    for _ in range(60):
        ratio, by_macs, dense = random.uniform(1, 2), random.uniform(-1.5, 1.0), random.uniform(0.8, 1.4)
        noise = random.uniform(0.01, 0.08)
        samples = []
        for number in range(count + 3):
            what = drawn(number, random)
            extra = what.macs["convolution"] - what.instructions["convolution"] / 3.2
            cycles = sample("", what, ratio, ratio * dense).cycles + by_macs * extra
            samples.append(Sample(name=str(number), cycles=cycles * float(np.exp(random.normal(0, noise))), work=what))
        model = fit_cycles(samples[:count])
        for one in samples[count:]:
            found = model.estimate(one.work)
            total += 1
            inside += 1 / found.factor <= one.cycles / found.cycles <= found.factor
    assert inside / total >= 0.9


def test_an_interpreter_is_told_apart_from_the_code() -> None:
    own = [sample(str(number), drawn(number), 1.5) for number in range(6)]
    small = [sample(f"s{number}", work(0, 4000 * (number + 1), layers=5), 1.5) for number in range(6)]
    interpreted = [
        replace(one, name=f"i{one.name}", cycles=one.cycles + 6000 * one.work.layers, interpreted=True) for one in small
    ]
    model = fit_cycles([*own, *interpreted])
    assert model.interpreter == pytest.approx(6000, rel=0.1)
    for one in small:
        assert model.estimate(one.work).cycles < model.estimate(one.work, interpreted=True).cycles
    # If an interpreter ran all of them, nobody knows its part.
    assert fit_cycles([replace(one, interpreted=True) for one in own]).interpreter is None
    assert fit_cycles(own).interpreter is None


def test_equal_networks_count_once() -> None:
    one, other = sample("a", work(1_000_000), 1.5), sample("b", work(3_000_000), 1.6)
    repeated = [one, replace(one, name="a again"), replace(one, name="and again"), other]
    assert [item.name for item in merged(repeated)] == ["a = a again = and again", "b"]
    new = work(2_000_000)
    assert fit_cycles(repeated).estimate(new) == fit_cycles([one, other]).estimate(new)
    assert left_out([one, replace(one, name="twice")]) == [None, None]


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_slip_of_the_decimal_point_is_an_outlier(factor: float) -> None:
    samples = [sample(str(number), drawn(number), 1.3 + 0.1 * number) for number in range(6)]
    assert outliers(samples) == []
    samples[2] = replace(samples[2], cycles=samples[2].cycles * factor)
    ((found, found_factor),) = outliers(samples)
    assert found.name == "2"
    assert found_factor == pytest.approx(factor, rel=0.3)


def test_of_two_networks_that_disagree_both_are_named() -> None:
    samples = [sample("a", work(1_000_000), 1.5), sample("b", work(2_000_000), 15.0)]
    assert {found.name for found, _ in outliers(samples)} == {"a", "b"}


def test_no_measurement_is_not_enough() -> None:
    with pytest.raises(ValueError, match="no measured network"):
        fit_cycles([])


ENTRY = BoardCalibration(
    compiler="zig 0.17.1",
    optimization="O2",
    clock_hz=120e6,
    source="a table",
    core="cortex-m4",
    networks=tuple(
        BoardMeasurement(name=str(number), latency_s=size * 1.5 / 120e6, work=work(size))
        for number, size in enumerate((1_000_000, 3_000_000, 9_000_000))
    ),
)
BOARD = Device(name="b", kind=DeviceKind.MCU, target="mcu", description="b", calibrations=(ENTRY,))
USED = {"core": "cortex-m4", "compiler": "zig", "optimization": "O2", "clock_hz": 120e6}


def test_the_calibration_of_the_compiler_in_use_is_used() -> None:
    gnu = replace(ENTRY, compiler="arm-none-eabi-gcc 12", networks=ENTRY.networks[:1])
    device = replace(BOARD, calibrations=(ENTRY, gnu))
    for compiler, count in (("zig", 3), ("arm-none-eabi-gcc", 1)):
        found = calibration_for(device, **{**USED, "compiler": compiler})  # type: ignore[arg-type]
        assert found is not None
        assert found.differences == ()
        assert ("one network" if count == 1 else f"{count} networks") in found.source


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"compiler": "arm-none-eabi-gcc"}, "made with zig, not arm-none-eabi-gcc"),
        ({"optimization": "Os"}, "made with -O2, not -Os"),
        ({"clock_hz": 60e6}, "made at 120 MHz, not 60 MHz"),
    ],
)
def test_another_compiler_or_clock_is_said_and_widens_the_band(change: dict[str, object], words: str) -> None:
    new = work(2_000_000)
    plain = calibration_for(BOARD, **USED)  # type: ignore[arg-type]
    other = calibration_for(BOARD, **{**USED, **change})  # type: ignore[arg-type]
    assert plain is not None
    assert other is not None
    assert words in other.source
    assert any(words in note for note in other.notes(new))
    before, after = plain.estimate(new), other.estimate(new)
    assert after.cycles == before.cycles
    assert after.low < before.low / 1.15
    assert after.high > before.high * 1.15


def test_an_outlier_in_a_device_file_is_named_with_every_estimate() -> None:
    wrong = replace(ENTRY.networks[1], latency_s=ENTRY.networks[1].latency_s * 10)
    device = replace(BOARD, calibrations=(replace(ENTRY, networks=(ENTRY.networks[0], wrong, ENTRY.networks[2])),))
    found, right = calibration_for(device, **USED), calibration_for(BOARD, **USED)  # type: ignore[arg-type]
    assert found is not None
    assert right is not None
    (note,) = (note for note in found.notes(work(2_000_000)) if "outlier" in note)
    assert note.startswith("1 is")
    assert not any("outlier" in note for note in right.notes(work(2_000_000)))


def test_another_board_is_said_and_another_core_is_not_used() -> None:
    taken = replace(BOARD, calibrations=(replace(ENTRY, taken_from="elsewhere"),))
    found, own = calibration_for(taken, **USED), calibration_for(BOARD, **USED)  # type: ignore[arg-type]
    assert found is not None
    assert own is not None
    assert "taken from elsewhere" in found.source
    assert found.estimate(work(2_000_000)).high > 1.3 * own.estimate(work(2_000_000)).high
    assert calibration_for(taken, **{**USED, "core": "cortex-m7"}) is None  # type: ignore[arg-type]


def test_ratios_of_older_files_are_still_read() -> None:
    section = {
        "convolution": 1.349,
        "convolution_error": 0.014,
        "fully_connected": 1.743,
        "fully_connected_error": 0.226,
        "compiler": "zig",
        "source": "a table",
    }
    device = replace(BOARD, calibrations=(), calibration=section)
    found = calibration_for(device, **USED)  # type: ignore[arg-type]
    assert found is not None
    estimate = found.estimate(work(1_000_000, 100_000))
    assert estimate.cycles == pytest.approx(1_001_000 * 1.349 + 100_000 * 1.743)
    assert estimate.high - estimate.cycles == pytest.approx(1_001_000 * 1.349 * 0.014 + 100_000 * 1.743 * 0.226)
    assert calibration_for(device, **{**USED, "compiler": "gcc"}).differences  # type: ignore[arg-type, union-attr]
    for change in ({"convolutoin": 1.0}, {"convolution": -1.0}):
        with pytest.raises(InputError):
            read_ratios(replace(device, calibration={**section, **change}))


@pytest.mark.parametrize("name", ["nucleo-l4r5zi", "nrf5340-dk", "ek-ra6m4"])
@pytest.mark.parametrize("compiler", ["zig", "arm-none-eabi-gcc"])
def test_boards_predict_their_own_networks_inside_their_bands(name: str, compiler: str) -> None:
    (entry,) = (entry for entry in find_device(name).calibrations if entry.compiler_name == compiler)
    samples = [Sample.of(network, entry.clock_hz) for network in entry.networks]
    assert outliers(samples) == []
    found = left_out(samples)
    inside = [
        1 / other.factor <= one.cycles / other.cycles <= other.factor
        for one, other in zip(samples, found, strict=True)
        if other is not None
    ]
    assert sum(inside) >= 0.9 * len(samples)
