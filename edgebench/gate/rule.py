"""The rule that decides whether a measured figure got worse, pair of fresh processes by pair.

The unit that is counted is the pair: within one process, samples resemble each other so much that almost any two
processes "differ significantly". For each pair there is one number, the logarithm of the ratio; the rule looks at
them after 6, 8, ..., 20, 25 and 30 pairs and shares its chance of an error between the looks. What looks like a
regression is measured again from the start, because a machine can change its mind once.

A process can be slow from its first to its last run, by a third and more, because of what else ran beside it. Such
processes are known by their level: each model's own processes are compared with the fastest quarter of them, and a
pair with a slower one is set aside, whichever model it was. Levels of the two models are never compared, so that this
favours neither.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from edgebench.gate.student import t_upper_quantile

LOOKS = (6, 8, 10, 12, 14, 16, 18, 20, 25, 30)
ALPHA = 0.005
SLOWED = 0.03
"""Levels of undisturbed processes of one model are within this log-ratio of their first quartile, or half a limit."""
FEWEST_KEPT = 4
Levels = tuple[float, float]
"""Of a pair's baseline and candidate: the logarithm of a percentile of all latencies of the process."""


def undisturbed(levels: Sequence[Levels], margin: float = SLOWED) -> list[bool]:
    """Of each pair, whether both of its processes ran as fast as the others of their model.

    Args:
        levels: How fast they were.
        margin: Log-ratio above the first quartile of a model's processes that counts as slowed.
    """
    kept = [True] * len(levels)
    for side in (0, 1):
        own = [pair[side] for pair in levels]
        fast = sorted(own)[len(own) // 4] if own else 0.0
        kept = [known and level <= fast + margin for known, level in zip(kept, own, strict=True)]
    return kept


class Answer(StrEnum):
    """What the rule says."""

    MORE = "more"
    """More pairs are needed."""
    PASSED = "passed"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How much is allowed, and how sure the answer must be.

    Attributes:
        limit: Relative increase that is allowed, above 0: 0.02 for 2 %.
        looks: Numbers of pairs after which it is judged, at least 2 and increasing.
        alpha: Chance of an error to one side over all looks together.
    """

    limit: float = 0.02
    looks: tuple[int, ...] = LOOKS
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        if not 0 < self.limit < math.inf or not 0 < self.alpha < 0.5:
            raise ValueError(f"the limit must be above 0 and alpha below 0.5, not {self.limit} and {self.alpha}")
        if not self.looks or self.looks[0] < 2 or list(self.looks) != sorted(set(self.looks)):
            raise ValueError(f"looks must be increasing numbers of at least two pairs, not {self.looks}")

    def judge(self, values: Sequence[float], levels: Sequence[Levels] | None = None) -> Answer:
        """The answer after so many pairs, without confirmation; ``MORE`` between two looks.

        Args:
            values: For each pair the logarithm of candidate over baseline; larger is worse.
            levels: How fast each pair's processes were, to set aside those that were slowed; by default, none is.
        """
        if len(values) not in self.looks:
            return Answer.MORE
        unknown = Answer.INCONCLUSIVE if len(values) == self.looks[-1] else Answer.MORE
        kept = self.kept(values, levels)
        if len(kept) < min(FEWEST_KEPT, len(values)):
            return unknown
        bound, found = math.log1p(self.limit), self.estimate(kept)
        if found.mean > bound and found.low > bound / 2:
            return Answer.REGRESSED
        if found.mean < -bound and found.high < -bound / 2:
            return Answer.IMPROVED
        return Answer.PASSED if found.high < bound else unknown

    @property
    def margin(self) -> float:
        """How much slower than the others of its model a process may be: noise that a wide limit does not mind."""
        return max(SLOWED, math.log1p(self.limit) / 2)

    def kept(self, values: Sequence[float], levels: Sequence[Levels] | None) -> list[float]:
        """The pairs that are not set aside; all if it is not known how fast they were."""
        if levels is None:
            return list(values)
        return [value for value, good in zip(values, undisturbed(levels, self.margin), strict=True) if good]

    def estimate(self, values: Sequence[float]) -> Estimate:
        """The mean of so many pairs with the bounds of one look; infinite bounds for a single pair."""
        mean = statistics.fmean(values)
        if len(values) < 2:
            return Estimate(mean=mean, low=-math.inf, high=math.inf, pairs=len(values))
        spread = statistics.stdev(values, mean) / math.sqrt(len(values))
        margin = t_upper_quantile(len(values) - 1, self.alpha / len(self.looks)) * spread
        return Estimate(mean=mean, low=mean - margin, high=mean + margin, pairs=len(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The logarithm of a ratio.

    Attributes:
        mean: Over pairs.
        low: Lower bound.
        high: Upper bound.
        pairs: How many there are.
    """

    mean: float
    low: float
    high: float
    pairs: int

    @property
    def change(self) -> float:
        """The relative change: 0.05 for 5 % more."""
        return math.expm1(self.mean)

    @property
    def least(self) -> float:
        """Lower bound of the relative change."""
        return math.expm1(self.low)

    @property
    def most(self) -> float:
        """Upper bound of the relative change."""
        return math.inf if self.high == math.inf else math.expm1(self.high)


@dataclass(slots=True, kw_only=True)
class Trial:
    """One figure while it is judged: a first set of pairs, and a second one if the first looks like a regression.

    Attributes:
        rule: What judges it.
        first: Log-ratios of the first set.
        second: Those of the set that confirms.
        first_levels: How fast the processes of the first set were, where it is known.
        second_levels: Those of the second set.
        answer: So far.
        suspected: Whether the first set looked like a regression.
    """

    rule: Rule
    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)
    first_levels: list[Levels] = field(default_factory=list)
    second_levels: list[Levels] = field(default_factory=list)
    answer: Answer = Answer.MORE
    suspected: bool = False

    def add(self, value: float, levels: Levels | None = None) -> Answer:
        """Count another pair; once there is an answer, nothing changes it.

        Args:
            value: Logarithm of candidate over baseline; larger is worse.
            levels: How fast its processes were; given for all pairs or for none.
        """
        if self.answer is not Answer.MORE:
            return self.answer
        current, known = (self.second, self.second_levels) if self.suspected else (self.first, self.first_levels)
        current.append(value)
        if levels is not None:
            known.append(levels)
        found = self.rule.judge(current, known or None)
        if found is Answer.REGRESSED and not self.suspected:
            self.suspected = True
        elif self.suspected and found is Answer.IMPROVED:
            # Two sets that contradict each other do not make an improvement.
            self.answer = Answer.PASSED
        else:
            self.answer = found
        return self.answer

    @property
    def estimate(self) -> Estimate:
        """Of the set that the answer is from; of the first while the second has too few pairs.

        Raises:
            ValueError: There is no pair yet.
        """
        if not self.first:
            raise ValueError("no pair was measured")
        values, levels = self._counted
        return self.rule.estimate(self.rule.kept(values, levels) or values)

    @property
    def slowed(self) -> tuple[int, int]:
        """How many processes of the baseline and of the candidate were slowed, in the set that the answer is from."""
        _, levels = self._counted
        margin = self.rule.margin
        own = [undisturbed([(pair[side], 0.0) for pair in levels or ()], margin) for side in (0, 1)]
        return own[0].count(False), own[1].count(False)

    @property
    def _counted(self) -> tuple[list[float], list[Levels] | None]:
        if len(self.second) >= self.rule.looks[0]:
            return self.second, self.second_levels or None
        return self.first, self.first_levels or None


def decide(values: Sequence[float], rule: Rule, levels: Sequence[Levels] | None = None) -> Trial:
    """The rule on recorded log-ratios in their order; ``MORE`` if there are too few of them.

    Args:
        values: Logarithms of candidate over baseline.
        rule: What judges them.
        levels: How fast the processes of each pair were, or None if it is not known.
    """
    trial = Trial(rule=rule)
    for index, value in enumerate(values):
        if trial.add(value, None if levels is None else levels[index]) is not Answer.MORE:
            break
    return trial
