"""Addresses of a farm, and what is said where Dask is missing."""

import sys

import pytest

from edgebench.core.device import Device
from edgebench.errors import InputError, MissingPackageError
from edgebench.farm.cluster import Cluster
from edgebench.farm.dask import checked_address, host_and_port, is_loopback
from edgebench.farm.serving import boards, serve_scheduler
from edgebench.store.devices import find_device
from tests.extras import needs_cluster


def test_an_address_names_scheme_host_and_port() -> None:
    for right in ("tcp://lab:8786", "tls://10.0.0.1:1", "tcp://[::1]:8786"):
        assert checked_address(right, "--cluster") == right
    for wrong in ("lab:8786", "tcp://lab", "http://lab:80", "tcp://:8786", ""):
        with pytest.raises(InputError, match="not the address of a scheduler"):
            checked_address(wrong, "--cluster")
    assert host_and_port("tcp://[::1]:8786") == ("::1", 8786)


def test_loopback_is_what_only_this_machine_reaches() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("localhost")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("192.0.2.1")


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError) as caught:
        Cluster("tcp://lab:8786", 1.0)
    assert "pip install 'edgebench[cluster]'" in (caught.value.remedy or "")


@needs_cluster
def test_a_scheduler_on_a_network_needs_tls() -> None:
    with pytest.raises(InputError, match="run programs on every host"):
        serve_scheduler("0.0.0.0", 8786, insecure=False, say=lambda _: None)


def test_one_job_uses_a_board_or_the_processors_of_a_host() -> None:
    def on(name: str, port: str) -> Device:
        from dataclasses import replace

        return replace(find_device("fake"), name=name, link="serial", reached={"port": port})

    here, other = find_device("host"), find_device("fake")
    groups = boards([here, on("a", "/dev/a"), other, on("b", "/dev/b"), on("c", "/dev/a")])
    assert [[device.name for device in group] for group in groups] == [["host", "fake"], ["a", "c"], ["b"]]
