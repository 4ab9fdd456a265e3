from hypothesis import given
from hypothesis import strategies as st

from edgebench.targets.mcu.planner import ALIGNMENT, Buffer, plan_arena


@st.composite
def buffers(draw: st.DrawFn) -> list[Buffer]:
    found = []
    for index in range(draw(st.integers(1, 15))):
        first = draw(st.integers(0, 10))
        found.append(
            Buffer(name=str(index), size=draw(st.integers(1, 5000)), first=first, last=first + draw(st.integers(0, 5)))
        )
    return found


@given(buffers())
def test_buffers_alive_together_never_overlap(found: list[Buffer]) -> None:
    plan = plan_arena(found)
    for buffer in found:
        start = plan.offsets[buffer.name]
        assert start % ALIGNMENT == 0
        assert start + buffer.size <= plan.size
        for other in found:
            if other is not buffer and other.first <= buffer.last and buffer.first <= other.last:
                other_start = plan.offsets[other.name]
                assert start + buffer.size <= other_start or other_start + other.size <= start


@given(buffers())
def test_the_arena_is_between_its_bounds(found: list[Buffer]) -> None:
    plan = plan_arena(found)
    total = sum(-(-buffer.size // ALIGNMENT) * ALIGNMENT for buffer in found)
    assert plan.lower_bound <= plan.size <= total


def test_a_chain_of_layers_needs_no_more_than_its_largest_pair() -> None:
    sizes = [1000, 400, 800, 160]
    plan = plan_arena([Buffer(name=str(i), size=size, first=max(0, i - 1), last=i) for i, size in enumerate(sizes)])
    assert plan.size == plan.lower_bound
