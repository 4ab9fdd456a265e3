"""What remarks are about, so that a machine can select them."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """How much a remark matters."""

    FAILURE = "failure"
    """Something requested is missing, or a limit is not met."""
    WARNING = "warning"
    """It affects how far a figure can be trusted."""
    NOTE = "note"
    """Good to know."""


class Code(StrEnum):
    """What a remark is about."""

    PROFILE_FAILED = "profile-failed"
    CHECK_FAILED = "check-failed"
    OPERATORS_LEFT = "operators-left"
    DOES_NOT_FIT = "does-not-fit"
    UNDECIDED = "undecided"
    DISTURBED = "disturbed"
    DISTURBANCE = "disturbance"
    MACHINE = "machine"
    CONDITIONS_DIFFER = "conditions-differ"
    LEVEL_CHANGED = "level-changed"
    MODEL_CAVEAT = "model-caveat"
    MODEL_NOTE = "model-note"
    DEVICE_NOTE = "device-note"
    WIDE_BAND = "wide-band"
    CALIBRATION_OUTLIER = "calibration-outlier"
    CALIBRATION_NOTE = "calibration-note"
    DEVICE_NOT_READY = "device-not-ready"
    NOT_VALID = "not-valid"
    NO_TABLES = "no-tables"
    TABLE_NOTE = "table-note"
    TABLE_METHOD = "table-method"
    TABLE_NOT_VALIDATED = "table-not-validated"
    TABLE_NOT_COMPLETE = "table-not-complete"
    BLOCKS_MISSING = "blocks-missing"
    ARCHITECTURES_LOOKED_AT = "architectures-looked-at"
    TABLE_USED = "table-used"
    TASK = "task"
    SPACE_FILE = "space-file"
    TRIALS = "trials"
    RELAX_SEVERAL = "relax-several"
    REFERENCE = "reference"
    SOLUTION = "solution"
    NOT_A_SOLUTION = "not-a-solution"
    NO_TRIAL_ACCURATE = "no-trial-accurate"
    NO_SOLUTION = "no-solution"
    GATE_REGRESSED = "gate-regressed"
    GATE_CEILING_BROKEN = "gate-ceiling-broken"
    GATE_INCONCLUSIVE = "gate-inconclusive"
    GATE_INCOMPARABLE = "gate-incomparable"
    GATE_NOT_MEASURED = "gate-not-measured"
    GATE_IMPROVED = "gate-improved"
    GATE_NOTE = "gate-note"
    NOT_COMPARABLE = "not-comparable"
