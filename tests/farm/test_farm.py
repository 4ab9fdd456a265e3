"""A real scheduler and real hosts on loopback, some of which are killed."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebench.farm.cluster import Cluster
from edgebench.farm.training import FarmTraining
from edgebench.farm.workers import FarmWorkers
from edgebench.tasks.recipe import Recipe
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.training.jobs import SpaceText, TaskText, TrainJob
from tests.extras import needs_cluster, needs_torch
from tests.farm_processes import Farm, farm
from tests.models_on_disk import write_onnx
from tests.small_space import open_twelve, write_twelve
from tests.ssh_server import ssh_server

pytestmark = [pytest.mark.child, pytest.mark.slow, needs_cluster]
HOSTS = {"one": ("-d", "fake", "-d", "host"), "other": ("-d", "fake")}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Farm]:
    with farm(tmp_path / "farm", HOSTS) as started:
        yield started


def profiles(folder: Path) -> list[dict[str, Any]]:
    (run,) = (folder / "results" / "runs").glob("*.json")
    content = json.loads(run.read_text())
    assert content["complete"]
    found: list[dict[str, Any]] = content["profiles"]
    return found


def test_a_profile_is_that_of_the_host_that_has_the_device(running: Farm, tmp_path: Path) -> None:
    done = running.run("profile", "zoo:tiny", "-d", "fake", "-d", "host", "--repetitions", "2", cwd=tmp_path)
    assert done.returncode in {0, 4}, done.stderr
    fake, host = profiles(tmp_path)
    assert fake["outcome"] == host["outcome"] == "ok"
    assert len(fake["processes"]) >= 2
    assert fake["machine"]["host"] in HOSTS
    assert host["machine"]["host"] == "one"
    assert host["device"]["origin"] == ""


def test_a_host_that_is_killed_loses_nothing_and_samples_are_of_one_machine(running: Farm, tmp_path: Path) -> None:
    command = running.begin("profile", "zoo:tiny", "-d", "fake", "--repetitions", "9", cwd=tmp_path)
    victim = _owner(tmp_path)
    running.kill(victim)
    assert command.wait(120) in {0, 4}, running.said()
    (fake,) = profiles(tmp_path)
    assert fake["outcome"] == "ok"
    assert fake["machine"]["host"] == ({*HOSTS} - {victim}).pop()
    assert len(fake["processes"]) >= 9


def test_a_table_is_the_same_whatever_is_killed_and_wherever_its_blocks_were_measured(
    running: Farm, tmp_path: Path
) -> None:
    write_twelve(tmp_path)
    alone, words = tmp_path / "alone", ("lut", "build", "twelve", "-d", "fake", "-n", "2")
    command = running.begin(*words, cwd=tmp_path)
    time.sleep(4)
    running.kill("scheduler")
    running.again("scheduler")
    # Its host has the device again soon, and is preferred: a table is of one machine.
    assert command.wait(180) == 0, running.said()
    write_twelve(alone)
    running.kill("one")
    assert running.run(*words, cwd=alone).returncode == 0, running.said()
    ours, theirs = (
        json.loads((folder / "results/tables/fake/twelve.json").read_text()) for folder in (tmp_path, alone)
    )
    assert set(ours) == set(theirs)
    assert set(ours["entries"]) == set(theirs["entries"])
    assert ours["key"] == theirs["key"]


def test_a_killed_command_frees_its_board(running: Farm, tmp_path: Path) -> None:
    words = ("profile", "zoo:tiny", "-d", "host", "--repetitions", "15")
    first = running.begin(*words, cwd=tmp_path)
    _owner(tmp_path)
    first.kill()
    first.wait()
    start = time.monotonic()
    again = running.run("profile", "zoo:tiny", "-d", "host", "--repetitions", "1", cwd=tmp_path)
    assert again.returncode in {0, 4}, again.stderr
    assert time.monotonic() - start < 60


def test_who_comes_second_waits_and_hears_for_whom(running: Farm, tmp_path: Path) -> None:
    first = running.begin("profile", "zoo:tiny", "-d", "host", "--repetitions", "15", cwd=tmp_path)
    _owner(tmp_path)
    second = tmp_path / "second"
    second.mkdir()
    done = running.run("profile", "zoo:tiny", "-d", "host", "--repetitions", "1", cwd=second)
    assert done.returncode in {0, 4}, done.stderr
    assert f"process {first.pid}" in done.stderr
    assert first.wait(120) in {0, 4}


def test_a_device_that_no_host_has_is_a_failed_cell_that_names_what_there_is(running: Farm, tmp_path: Path) -> None:
    words = ("profile", "zoo:tiny", "-d", "host-litert", "-d", "fake", "--repetitions", "1", "--cluster-wait", "2s")
    done = running.run(*words, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    missing, fake = profiles(tmp_path)
    assert missing["outcome"] == "unavailable"
    assert "no host of the farm has host-litert" in missing["failure"]["message"]
    assert "fake, host" in missing["failure"]["message"]
    assert fake["outcome"] == "ok"


def test_a_gate_compares_pairs_on_one_host(running: Farm, tmp_path: Path) -> None:
    done = running.run("gate", "zoo:tiny", "--baseline-model", "zoo:tiny", "-d", "fake", "--json", cwd=tmp_path)
    assert done.returncode in {0, 4}, done.stderr
    assert {"latency_s", "ram_bytes"} <= {finding["figure"] for finding in json.loads(done.stdout)["rows"]}


@needs_torch
def test_trainings_go_to_hosts_that_take_them_and_come_to_the_same(tmp_path: Path) -> None:
    space, random = open_twelve(tmp_path), np.random.default_rng(0)
    images, labels = random.random((80, 8, 8, 1), dtype=np.float32), np.arange(80) % 10
    np.savez(tmp_path / "task.npz", x=images, y=labels)

    def trained(starts: Workers, name: str) -> dict[str, np.ndarray]:
        large = TrainJob(
            space=SpaceText.of(space),
            architecture=tuple(space.largest),
            task=TaskText(text=str(tmp_path / "task.npz"), seed=0),
            recipe=Recipe(epochs=2),
            seed=0,
            weights=str(tmp_path / f"{name}-large.npz"),
        )
        small = replace(
            large,
            architecture=tuple(space.smallest),
            recipe=Recipe(epochs=2, distillation=0.5),
            teacher=(large.architecture, str(large.weights)),
            weights=str(tmp_path / f"{name}-small.npz"),
        )
        epochs: list[int] = []
        with starts.training() as worker:
            for job in (large, small):
                worker.follow(job, lambda epoch: epochs.append(epoch.number) is None, timeout_s=120.0)
            if isinstance(worker, FarmTraining):
                assert worker._own is None, "nothing was trained here"
        assert epochs == [1, 2, 1, 2]
        with np.load(str(small.weights)) as file:
            return dict(file)

    with farm(tmp_path / "farm", {"board": ("-d", "fake"), "trainer": ("--train", "1")}) as running:
        cluster = Cluster(running.address, 30.0)
        try:
            there = trained(FarmWorkers(cluster), "there")
        finally:
            cluster.close()
    here = trained(LOCAL, "here")
    assert set(there) == set(here)
    assert all(np.array_equal(there[name], here[name]) for name in here)


def test_a_board_behind_a_host_is_described_reached_and_trusted_there(tmp_path: Path) -> None:
    with ssh_server(tmp_path / "sshd", settings=f"SetEnv XDG_CACHE_HOME={tmp_path / 'cache'}\n") as server:
        place = tmp_path / "farm" / "devices"
        place.mkdir(parents=True)
        (place / "pi.toml").write_text(
            f"""schema = "edgebench.device/1"
kind = "cpu"
target = "onnxruntime"
description = "A board behind a host"
link = "ssh"
host = "board"
ssh_config = "{server.config}"
python = "{sys.executable}"
environment = "{sys.prefix}"
"""
        )
        with farm(tmp_path / "farm", {"lab": ("-d", "pi", "--train", "0", "--trust")}) as running:
            model = write_onnx(tmp_path / "model.onnx")
            done = running.run("profile", str(model), "-d", "pi", "--repetitions", "1", cwd=tmp_path)
            assert done.returncode in {0, 4}, f"{done.stderr}\n{running.said()}"
            assert "ssh board" in running.run("farm", "show", cwd=tmp_path).stdout
    (profile,) = profiles(tmp_path)
    assert profile["outcome"] == "ok"
    assert profile["machine"]["host"] == "lab"
    assert list((tmp_path / "cache").rglob("model-*.onnx")), "the host has sent it on to its board"


def _owner(folder: Path) -> str:
    """Wait until something is measured on a farm's host; returns which one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for run in (folder / "results" / "runs").glob("*.json"):
            try:
                content = json.loads(run.read_text())
            except ValueError:
                continue
            for profile in content["profiles"]:
                if profile["processes"]:
                    return str(profile["machine"]["host"])
        threading.Event().wait(0.05)
    raise TimeoutError("nothing is measured")
