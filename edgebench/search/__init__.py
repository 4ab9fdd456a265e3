"""The mathematics of choosing: costs, candidates, fronts, what to try next. No input or output."""
