"""Whether a measured figure is known well enough to act on."""

from __future__ import annotations

from edgebench.core.figure import LATENCY
from edgebench.core.metric import Metric, Provenance
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise

UNDECIDED = 100
"""An interval this many times as wide as the goal decides nothing; a goal stricter than usual changes that not."""


def undecided_latency(profile: Profile, plan: MeasurementPlan) -> Metric | None:
    """The latency, if its 95 % interval is ``UNDECIDED`` times as wide as the goal or wider; otherwise None.

    A figure without an interval (a single process, a simulator) is not judged.
    """
    return _wider_than(UNDECIDED * max(plan.goal, MeasurementPlan().goal), profile)


def missed_goal(profile: Profile, plan: MeasurementPlan) -> Metric | None:
    """The latency, if its 95 % interval is wider than the goal; otherwise None."""
    return _wider_than(plan.goal, profile)


def _wider_than(share: float, profile: Profile) -> Metric | None:
    latency = summarise(profile).get(LATENCY)
    if profile.outcome is not Outcome.OK or latency is None or latency.provenance is not Provenance.MEASURED:
        return None
    width = latency.most - latency.least
    return latency if latency.value > 0 and width >= share * latency.value else None
