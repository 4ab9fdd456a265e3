"""``edgebench farm``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.options import CLUSTER_WAIT, ClusterOption, ClusterWaitOption
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Devices of several hosts, shared by whoever needs them.", no_args_is_help=True)

HostOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")]


@app.command()
def scheduler(
    host: HostOption = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8786,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen on a network without TLS: whoever reaches it runs programs.")
    ] = False,
) -> None:
    """Run Dask's scheduler for a farm.

    It listens on loopback unless told otherwise. With certificates in Dask's configuration it speaks TLS.
    """
    from edgebench.farm.serving import serve_scheduler

    serve_scheduler(host, port, insecure=insecure, say=_say)


@app.command()
def worker(
    scheduler: Annotated[str, typer.Option(metavar="tcp://HOST:PORT", help="The farm's scheduler.")],
    device: Annotated[
        list[str],
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Device to announce; repeatable. By default, all that are ready here; none with --train.",
            autocompletion=completion.devices,
        ),
    ] = [],
    train: Annotated[
        int | None,
        typer.Option(
            min=0, help="Trainings at the same time; by default none where processors are measured, otherwise one."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of this host, to be kept in results as well.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address to listen on; by default, as the scheduler sees it.")
    ] = None,
) -> None:
    """Announce this host's devices to a farm.

    Commands with --cluster use them then. One job at a time uses a board, or the processors of this host. A scheduler
    that goes away is waited for.
    """
    from importlib.util import find_spec

    from edgebench.errors import InputError, MissingPackageError, TargetUnavailableError
    from edgebench.farm.serving import serve_host
    from edgebench.flows.devices import all_statuses, status_of

    statuses = [status_of(one, ask=False) for one in dict.fromkeys(device)] if device or train else all_statuses()
    for status in statuses if device else []:
        if status.problem:
            raise TargetUnavailableError(status.problem, where=status.name, remedy=status.remedy)
    devices = [status.device for status in statuses if status.device is not None and not status.problem]
    if not devices and not train:
        raise InputError("there is nothing to announce", remedy="name devices with -d, or take trainings: --train 1")
    if train is None:
        train = int(all(one.link for one in devices) and find_spec("torch") is not None)
    if train and find_spec("torch") is None:
        raise MissingPackageError(
            "PyTorch is not installed", where=f"--train {train}", remedy="pip install 'edgebench[train,tasks]'"
        )
    _say(f"devices: {', '.join(one.name for one in devices) or 'none'}; trainings at the same time: {train}")
    serve_host(scheduler, devices, trainings=train, name=name, host=host, say=_say)


@app.command()
def show(
    cluster: ClusterOption = None,
    cluster_wait: ClusterWaitOption = CLUSTER_WAIT,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """List the hosts of a farm: what they have, and whom they work for."""
    from edgebench.core.units import Dimension, parse_quantity
    from edgebench.errors import InputError
    from edgebench.farm.cluster import Cluster
    from edgebench.reports.farm import farm_report

    if not cluster:
        raise InputError("no farm is named", remedy="edgebench farm show --cluster tcp://HOST:8786")
    farm = Cluster(cluster, parse_quantity(cluster_wait, Dimension.TIME, where="--cluster-wait"))
    try:
        hosts = list(farm.hosts().values())
    finally:
        farm.close()
    print_report(farm_report(hosts), "farm show", Format.JSON if json_ else format_)


def _say(text: str) -> None:
    typer.echo(text, err=True)
