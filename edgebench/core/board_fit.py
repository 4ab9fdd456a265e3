"""What ``devices calibrate`` found, for reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.core.calibration import BoardCalibration
from edgebench.core.device import PowerModel


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedNetwork:
    """One measured network beside the fit.

    Attributes:
        name: Of the network, or of all equal ones.
        measured_s: Latency on the board, in seconds.
        fitted_s: Latency according to the fit to all networks.
        left_out: Relative error of predicting it from the others; None if there are no others.
        band: Half-width of that prediction's 95 % interval, as a fraction.
        off: Factor between its cycles per instruction and the usual ones, if it is far from them: a slip of the pen?
        before: Relative error of what was estimated before the fit; None if there was no estimate.
    """

    name: str
    measured_s: float
    fitted_s: float
    left_out: float | None
    band: float | None
    off: float | None = None
    before: float | None = None

    @property
    def after(self) -> float:
        """Relative error of the fit itself, which knows the network."""
        return self.fitted_s / self.measured_s - 1

    @property
    def inside(self) -> bool | None:
        """Whether the others predicted it within their band."""
        if self.left_out is None or self.band is None:
            return None
        return 1 / (1 + self.band) <= 1 / (1 + self.left_out) <= 1 + self.band


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFit:
    """The result of a board's calibration.

    Attributes:
        device: Name of the device.
        networks: Networks that were measured on the board.
        calibration: What was measured, for the device file.
        section: The same, and the power if there is one, as the sections of a file.
        corrections: Terms besides the ratios that leave-one-out found worth having.
        noise: Relative error that no term explains.
        power: Of the board, if energies were measured.
        repeated: Number of measurements that were of a network already listed.
        left_behind: Networks that the board could not run, each with the reason.
        from_board: Whether edgebench measured the board itself.
    """

    device: str
    networks: tuple[CalibratedNetwork, ...]
    calibration: BoardCalibration
    section: str
    corrections: tuple[str, ...]
    noise: float
    power: PowerModel | None = None
    repeated: int = 0
    left_behind: tuple[str, ...] = ()
    from_board: bool = False

    @property
    def outliers(self) -> Sequence[CalibratedNetwork]:
        """Networks that may have been written down wrongly."""
        return [network for network in self.networks if network.off is not None]

    @property
    def mean_error(self) -> float | None:
        """Mean absolute error of predicting each network from the others; None for a single network."""
        errors = [abs(network.left_out) for network in self.networks if network.left_out is not None]
        return sum(errors) / len(errors) if errors else None
