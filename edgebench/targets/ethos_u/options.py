"""Options of an Ethos-U device, and the configurations that Vela knows."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Literal, get_args

from edgebench.core.device import Device
from edgebench.core.options import read_options
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError

Accelerator = Literal[
    "ethos-u55-32",
    "ethos-u55-64",
    "ethos-u55-128",
    "ethos-u55-256",
    "ethos-u65-256",
    "ethos-u65-512",
    "ethos-u85-128",
    "ethos-u85-256",
    "ethos-u85-512",
    "ethos-u85-1024",
    "ethos-u85-2048",
]
"""Product and multiply-accumulates per cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EthosUOptions:
    """Options of the ``ethos-u`` target, by the names of Vela's own command line.

    Attributes:
        accelerator: Product and size.
        system_config: Section of the configuration file: clock and memories.
        memory_mode: Section of the configuration file: what is in which memory.
        config: The user's configuration file; by default, Arm's own.
        optimization: What the compiler's scheduler favours.
    """

    accelerator: Accelerator
    system_config: str
    memory_mode: str
    config: str = ""
    optimization: Literal["Performance", "Size"] = "Performance"

    @property
    def config_path(self) -> Path:
        """The configuration file that is used."""
        if self.config:
            return Path(self.config)
        return Path(str(distribution("ethos-u-vela").locate_file("ethosu/config_files/Arm/vela.ini")))

    @property
    def macs_per_cycle(self) -> int:
        """Peak multiply-accumulates of one cycle."""
        return int(self.accelerator.rpartition("-")[2])


LARGEST = EthosUOptions(
    accelerator="ethos-u85-256", system_config="Ethos_U85_SYS_DRAM_Mid", memory_mode="Dedicated_Sram_384KB"
)
"""The product with the most operators, as Arm configures it."""


def read_ethos_u_options(device: Device) -> EthosUOptions:
    """Options of a device, checked against the existing configurations.

    Raises:
        InputError: An option is unknown or has an unknown value; the known ones are listed.
    """
    options = read_options(device, EthosUOptions)
    where = f"{device.origin or device.name}, [options]"
    path = options.config_path
    if not path.is_file():
        raise InputError(f"there is no configuration file {path}", where=where)
    parser = configparser.ConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(f"not a Vela configuration file: {error}", where=str(path)) from None
    for key, kind in (("system_config", "System_Config"), ("memory_mode", "Memory_Mode")):
        known = [name.partition(".")[2] for name in parser.sections() if name.startswith(f"{kind}.")]
        value = getattr(options, key)
        if value not in known:
            nearest = did_you_mean(value, known)
            raise InputError(
                f"{path.name} has no {key} {value!r}",
                where=where,
                remedy=f"{nearest + ' ' if nearest else ''}known are {', '.join(known)}",
            )
    return options


def accelerators() -> tuple[str, ...]:
    """All accelerators that the target knows."""
    return get_args(Accelerator)
