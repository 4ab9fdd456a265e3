"""Targets by name: ours, and those of installed plug-ins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from edgebench.core.board_link import times_itself
from edgebench.core.device import Device
from edgebench.core.plugins import load_plugin, plugin_names
from edgebench.errors import InputError
from edgebench.targets.base import Target

GROUP = "edgebench.targets"
BUILTIN: Mapping[str, str] = {
    "ethos-u": "edgebench.targets.ethos_u.target:EthosUTarget",
    "imported": "edgebench.targets.imported:ImportedTarget",
    "fake": "edgebench.targets.fake:FakeTarget",
    "litert": "edgebench.targets.litert:LiteRtTarget",
    "litert-delegate": "edgebench.targets.litert_delegate:DelegateTarget",
    "mcu": "edgebench.targets.mcu.target:McuTarget",
    "onnxruntime": "edgebench.targets.onnxruntime_cpu:OnnxRuntimeTarget",
    "onnxruntime-ep": "edgebench.targets.onnxruntime_providers:ProviderTarget",
    "torch": "edgebench.targets.torch_cpu:TorchTarget",
}

_AT_A_LINK: Mapping[tuple[str, str], str] = {
    ("mcu", "serial"): "edgebench.targets.mcu.board.target:BoardTarget",
    ("litert", "adb"): "edgebench.targets.adb.target:AdbTarget",
}
"""Targets whose devices are boards, by what a device's file names as target and link."""


def target_names() -> list[str]:
    """Names of all targets, ours first."""
    return plugin_names(GROUP, BUILTIN)


def target_type(name: str) -> type[Target]:
    """The class of a target.

    Raises:
        InputError: There is no target of that name; the nearest names are suggested.
        TargetUnavailableError: Its plug-in cannot be imported.
    """
    return cast("type[Target]", load_plugin(GROUP, name, BUILTIN))


def create_target(device: Device) -> Target:
    """The target that runs models for a device.

    Raises:
        InputError: The device names a target that does not exist, or a link that does not lead to it.
        TargetUnavailableError: Its plug-in cannot be imported.
    """
    if not times_itself(device):
        return target_type(device.target)(device)
    key = (device.target, device.link)
    if key not in _AT_A_LINK:
        known = [f"target {target} at link {link}" for target, link in _AT_A_LINK]
        raise InputError(
            f"target {device.target} is not reached over link {device.link!r}",
            where=device.origin or device.name,
            remedy=f"remove link, or use {' or '.join(known)}",
        )
    name = "/".join(key)
    return cast("type[Target]", load_plugin(GROUP, name, {name: _AT_A_LINK[key]}))(device)
