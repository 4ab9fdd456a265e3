"""The rule that decides whether a measured figure got worse, pair of fresh processes by pair.

The unit that is counted is the pair: within one process, samples resemble each other so much that almost any two
processes "differ significantly". For each pair there is one number, the logarithm of the ratio; the rule looks at
them after 6, 8, ..., 20 pairs and shares its chance of an error between the looks. What looks like a regression is
measured again from the start, because a machine can change its mind once.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from edgebench.gate.student import t_upper_quantile

LOOKS = (6, 8, 10, 12, 14, 16, 18, 20)
ALPHA = 0.005


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

    def judge(self, values: Sequence[float]) -> Answer:
        """The answer after so many pairs, without confirmation; ``MORE`` between two looks.

        Args:
            values: For each pair the logarithm of candidate over baseline; larger is worse.
        """
        if len(values) not in self.looks:
            return Answer.MORE
        bound, found = math.log1p(self.limit), self.estimate(values)
        if found.mean > bound and found.low > bound / 2:
            return Answer.REGRESSED
        if found.mean < -bound and found.high < -bound / 2:
            return Answer.IMPROVED
        if found.high < bound:
            return Answer.PASSED
        return Answer.INCONCLUSIVE if len(values) == self.looks[-1] else Answer.MORE

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
        answer: So far.
        suspected: Whether the first set looked like a regression.
    """

    rule: Rule
    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)
    answer: Answer = Answer.MORE
    suspected: bool = False

    def add(self, value: float) -> Answer:
        """Count another pair; once there is an answer, nothing changes it.

        Args:
            value: Logarithm of candidate over baseline; larger is worse.
        """
        if self.answer is not Answer.MORE:
            return self.answer
        current = self.second if self.suspected else self.first
        current.append(value)
        found = self.rule.judge(current)
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
        enough = len(self.second) >= self.rule.looks[0]
        return self.rule.estimate(self.second if enough else self.first)


def decide(values: Sequence[float], rule: Rule) -> Trial:
    """The rule on recorded log-ratios in their order; ``MORE`` if there are too few of them."""
    trial = Trial(rule=rule)
    for value in values:
        if trial.add(value) is not Answer.MORE:
            break
    return trial
