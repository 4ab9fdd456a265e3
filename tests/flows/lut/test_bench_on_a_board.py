"""Tables of a device on a board: networks are converted here and raced there."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.device import Device
from edgebench.errors import TargetUnavailableError
from edgebench.flows.lut.bench import Bench
from edgebench.flows.spaces import open_space
from edgebench.store.devices import find_device
from tests.ssh_server import SshServer, ssh_server

pytestmark = [pytest.mark.child, pytest.mark.heavy]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    settings = f"SetEnv XDG_CACHE_HOME={tmp_path_factory.mktemp('cache')}\n"
    with ssh_server(tmp_path_factory.mktemp("sshd"), settings=settings) as running:
        yield running


def on_board(name: str, server: SshServer) -> Device:
    reached = {
        "host": "board", "ssh_config": str(server.config), "python": sys.executable, "environment": sys.prefix,
    }  # fmt: skip
    return replace(find_device(name), link="ssh", reached=reached)


@pytest.mark.parametrize(("name", "dtype"), [("host", "float32"), ("host-litert", "int8")])
@pytest.mark.slow
def test_networks_are_raced_there(server: SshServer, tmp_path: Path, name: str, dtype: str) -> None:
    space = open_space("dscnn")
    smallest = space.network(space.smallest)
    with Bench(on_board(name, server), dtype, tmp_path, smallest) as bench:
        (found,) = bench.race([smallest], 0.05)
        assert bench.cpu
        assert bench.versions
    assert found.latency_p5_s > 0


def test_a_board_that_is_lost_ends_the_build_with_a_remedy(server: SshServer, tmp_path: Path) -> None:
    space = open_space("dscnn")
    smallest = space.network(space.smallest)
    with Bench(on_board("host", server), "float32", tmp_path, smallest) as bench:
        gone = replace(bench.device, reached={**bench.device.reached, "ssh_port": 9})
        bench.device = gone
        with pytest.raises(TargetUnavailableError) as caught:
            bench.race([smallest], 0.05)
    assert caught.value.remedy
