"""Options that several commands share, so that one thing is spelled one way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.core.model import Converter

RESULTS = Path("results")
GOAL = "2%"
"""Width of the interval of a latency at which measuring stops, if nobody says otherwise."""
STORAGE_VARIABLE = "EDGEBENCH_STORAGE"
"""Names the storage of studies, so that a password need not be typed."""

SpaceArgument = Annotated[
    str,
    typer.Argument(metavar="SPACE", help="A search space, or the path of its file.", autocompletion=completion.spaces),
]
ResultsOption = Annotated[Path, typer.Option(metavar="FOLDER", help="Where tables, studies and runs are kept.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads, for runtimes that have them.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
ShapeOption = Annotated[
    list[str], typer.Option(metavar="NAME=1,3,224,224", help="Shape of an input with open dimensions.")
]
CalibrationOption = Annotated[
    Path | None, typer.Option(metavar="FILE.npz", help="Samples for quantising, if a device takes int8.")
]
SignatureOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Signature of a .tflite file; by default, its main graph.")
]
ConverterOption = Annotated[
    Converter,
    typer.Option(metavar="NAME", help="Converter of PyTorch models to TFLite: edgebench or litert-torch."),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead of standard output.")
]
TargetOption = Annotated[
    list[str],
    typer.Option("--option", "-O", metavar="[DEVICE:]KEY=VALUE", help="Any other option of a target; repeatable."),
]
OldTargetOption = Annotated[list[str], typer.Option("-o", metavar="[DEVICE:]KEY=VALUE", hidden=True)]
"""The name of ``-O`` before ``-o`` came to mean an output everywhere."""
DtypeOption = Annotated[
    str | None, typer.Option(metavar="TYPE", help="float32 or int8; by default, what the device takes.")
]
DtypesOption = Annotated[
    list[str], typer.Option(metavar="[DEVICE=]TYPE", help="float32 or int8; by default, what each device takes.")
]
_LIMIT = "[DEVICE=]VALUE"
MaxLatencyOption = Annotated[list[str], typer.Option(metavar=_LIMIT, help="Such as 50ms or host=5ms; repeatable.")]
MaxEnergyOption = Annotated[list[str], typer.Option(metavar=_LIMIT, help="Such as 2mJ.")]
MaxRamOption = Annotated[list[str], typer.Option(metavar=_LIMIT, help="Such as 128KB.")]
MaxFlashOption = Annotated[list[str], typer.Option(metavar=_LIMIT, help="Such as 512KB.")]
MinAccuracyOption = Annotated[str | None, typer.Option(metavar="95%", help="Minimum test accuracy.")]
TaskOption = Annotated[
    str | None,
    typer.Option(
        help="digits, mnist5k, FILE.npz, a folder of images, module:function.", autocompletion=completion.tasks
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="tcp://HOST:PORT", envvar="EDGEBENCH_CLUSTER", help="Scheduler of a farm whose hosts have the devices."
    ),
]
ClusterWaitOption = Annotated[
    str, typer.Option(metavar="TIME", help="How long a device is waited for that no host of the farm has.")
]
CLUSTER_WAIT = "60s"
StorageOption = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar=STORAGE_VARIABLE,
        help="sqlite:///F, postgresql://..., grpc://HOST:PORT, or @FILE with one of these; by default, a journal.",
    ),
]
LabelOption = Annotated[str, typer.Option(metavar="TEXT", help="Name of this run in reports and histories.")]
