"""The mathematics of holding models to their figures: limits, the sequential rule, verdicts."""
