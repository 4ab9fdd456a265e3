"""Models are programs: what they may touch is the model, the runtime and a scratch folder."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from edgebench.machine.landlock import version
from tests.cli.test_cli import QUICK, edgebench

pytestmark = [pytest.mark.child, pytest.mark.slow]
needs_landlock = pytest.mark.skipif(version() < 1, reason="this system has no Landlock")


@needs_landlock
def test_a_confined_process_has_its_files_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    for name in ("model", "scratch"):
        (tmp_path / name).mkdir()
    (tmp_path / "model" / "weights").write_text("weights")
    listening = socket.create_server(("127.0.0.1", 0))
    program = f"""
        import os, signal, socket, sys
        from pathlib import Path
        from edgebench.machine.landlock import confine
        folder = Path({str(tmp_path)!r})
        python = [Path(sys.prefix), Path(sys.base_prefix), Path("/usr"), Path("/lib"), Path("/lib64"), Path("/proc")]
        assert confine([*python, folder / "model"], [folder / "scratch"]) is None
        def refused(step):
            try:
                step()
            except OSError:
                return True
            return False
        assert (folder / "model" / "weights").read_text() == "weights"
        (folder / "scratch" / "note").write_text("mine")
        assert refused(lambda: (folder / "secret" / "key").read_text())
        assert refused(lambda: list((folder / "secret").iterdir()))
        assert refused(lambda: (folder / "model" / "more").write_text(""))
        assert refused(lambda: (folder / "model" / "weights").unlink())
        assert refused(lambda: os.truncate(folder / "model" / "weights", 0)) or {version()} < 3
        port = {listening.getsockname()[1]}
        assert refused(lambda: socket.create_connection(("127.0.0.1", port), 1)) or {version()} < 4
        assert refused(lambda: os.kill(os.getppid(), 0)) or {version()} < 6
        assert refused(lambda: Path("/etc/hosts").read_text())
        print("held")
    """
    with listening:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
    assert done.stdout.strip() == "held", done.stderr


def hostile(path: Path, secret: Path) -> None:
    """A TorchScript program that reads a file of the user when it runs."""
    import torch

    class Hostile(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            content = torch.from_file(str(secret), shared=False, size=4, dtype=torch.uint8)
            return x + content.sum() * 0

    secret.write_bytes(b"seed")
    module = torch.jit.trace(Hostile(), torch.zeros(1, 4), check_trace=False)
    torch.jit.save(module, str(path))


@needs_landlock
def test_a_torchscript_program_cannot_read_what_is_not_its_own(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    hostile(tmp_path / "models" / "model.pt", home / ".ssh" / "id")
    done = edgebench("profile", "models/model.pt", "-d", "host-torch", "--shape", "1,4", *QUICK, cwd=tmp_path)
    text = done.stdout + done.stderr
    assert done.returncode == 2, text
    assert "ermission denied" in text, text
    trusted = edgebench(
        "profile", "models/model.pt", "-d", "host-torch", "--shape", "1,4", *QUICK, "--details", cwd=tmp_path,
        env={"EDGEBENCH_TRUST": "1"},
    )  # fmt: skip
    assert trusted.returncode in {0, 4}, trusted.stdout + trusted.stderr
    assert "was not confined: the models are trusted" in trusted.stdout


def test_without_confinement_programs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.errors import UnavailableError
    from edgebench.store.trust import TRUST
    from edgebench.workers.measuring.confinement import require_confinement

    monkeypatch.delenv(TRUST, raising=False)
    require_confinement(None, is_program=True)
    require_confinement("this system has no Landlock", is_program=False)
    with pytest.raises(UnavailableError, match="nothing confines them here"):
        require_confinement("this system has no Landlock", is_program=True)
    monkeypatch.setenv(TRUST, "1")
    require_confinement("this system has no Landlock", is_program=True)


@needs_landlock
@pytest.mark.parametrize(
    "device", ["host", "host-litert", "host-torch", "ethos-u55-128", "nucleo-l4r5zi", "generic-m55"]
)
def test_every_device_works_confined(device: str, tmp_path: Path) -> None:
    done = edgebench("profile", "zoo:tiny", "-d", device, *QUICK, "--details", cwd=tmp_path)
    if done.returncode == 3:
        pytest.skip("the device is not available here")
    assert done.returncode in {0, 4}, done.stdout + done.stderr
    assert "was not confined" not in done.stdout
    assert os.access(tmp_path, os.W_OK)
