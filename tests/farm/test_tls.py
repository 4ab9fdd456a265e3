"""A farm that speaks TLS, with Dask's own configuration: certificates on both sides, made by openssl."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extras import needs_cluster
from tests.farm_processes import EDGEBENCH, Farm

pytestmark = [
    pytest.mark.child,
    pytest.mark.slow,
    needs_cluster,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
]


def configuration(folder: Path) -> dict[str, str]:
    """The environment of Dask's TLS with one certificate for all roles; made as the documentation says."""
    folder.mkdir()
    for words in (
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=farm -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=lab1 -keyout lab1.key -out lab1.csr",
        "x509 -req -in lab1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out lab1.pem",
    ):
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
    prefix = "DASK_DISTRIBUTED__COMM__TLS"
    found = {f"{prefix}__CA_FILE": str(folder / "ca.pem"), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        found |= {
            f"{prefix}__{role}__CERT": str(folder / "lab1.pem"),
            f"{prefix}__{role}__KEY": str(folder / "lab1.key"),
        }
    return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Farm]:
    environment = configuration(tmp_path / "tls")
    (tmp_path / "farm").mkdir()
    started = Farm(tmp_path / "farm", environment)
    started.address = started.address.replace("tcp://", "tls://")
    try:
        started.scheduler()
        started.host("lab1", "-d", "fake", "--train", "0")
        yield started
    finally:
        started.close()


def test_who_has_a_certificate_is_let_in_and_nobody_else(running: Farm, tmp_path: Path) -> None:
    done = running.run("profile", "zoo:tiny", "-d", "fake", "--repetitions", "1", cwd=tmp_path)
    assert done.returncode in {0, 4}, f"{done.stderr}\n{running.said()}"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("DASK_")}
    stranger = (*EDGEBENCH, "farm", "show", "--cluster-wait", "1s", "--cluster")
    for address in (running.address, running.address.replace("tls://", "tcp://")):
        refused = subprocess.run([*stranger, address], cwd=tmp_path, env=plain, capture_output=True, text=True)
        assert refused.returncode == 3, refused.stdout
        assert "TLS needs certificates on both sides" in refused.stderr
