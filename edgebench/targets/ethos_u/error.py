"""How far Vela's estimates are from hardware, as far as that is published."""

from __future__ import annotations

import math

_HARDWARE = (-0.003, -0.19, 0.21)
"""Relative errors of Vela's cycles against counters of the hardware for three networks on an Ethos-U85-256."""
_VERSIONS = (-0.36, 0.23)
"""How far cycles of one network differ between versions of Vela, at most."""
TINY_MACS = 100_000
"""Networks with fewer multiply-accumulates are mostly what Vela does not model: starting, waiting, passing on."""
BAND_SOURCE = (
    "band: its published errors against hardware counters (-0.3, -19 and +21 %, an Ethos-U85-256) and the differences "
    "between its versions (-36 to +23 %)"
)
OUTSIDE = "no error band for a network this small: Vela was 66 % below the hardware counters of a tiny recurrent one"


def error_factor() -> float:
    """The band reaches from the estimate / factor to the estimate x factor.

    An estimate that is too low by the largest error of both kinds, which are independent, sets the factor.
    """
    largest = math.hypot(max(map(abs, _HARDWARE)), max(map(abs, _VERSIONS)))
    return 1 / (1 - largest)


def is_tiny(macs: int) -> bool:
    """Whether the band says nothing about a network."""
    return macs < TINY_MACS
