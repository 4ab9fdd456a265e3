"""Draws charts without a browser: Vega-Lite specifications to SVG, PNG and PDF."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgebench.errors import InputError, MissingPackageError
from edgebench.reports.visible import visible

WIDE, FULL, NARROW, ALONE = 550, 1150, 320, 720
"""Pixels: beside another chart, across a page, on a telephone, and in its own file."""
_ID = re.compile(r'(id="|url\(#|href="#)((?:clip|gradient|pattern)[\w-]*)')
_SIZE = re.compile(r'^(<svg [^>]*?) width="([\d.]+)" height="([\d.]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """What a chart is painted with.

    A page gives names of its own style, so that one drawing serves for light, dark and print.

    Attributes:
        paper: Behind everything.
        ink: Text.
        quiet: Axes and what is of less weight.
        grid: Lines of the grid.
        main: The figures themselves.
        soft: Areas, bands.
        good: What meets the limits.
        bad: What does not, and the limits.
    """

    paper: str
    ink: str
    quiet: str
    grid: str
    main: str
    soft: str
    good: str
    bad: str


PAGE = Colours(
    paper="transparent",
    **{name: f"var(--{name})" for name in ("ink", "quiet", "grid", "main", "soft", "good", "bad")},
)
LIGHT = Colours(
    paper="#ffffff",
    ink="#1b1f27",
    quiet="#596273",
    grid="#e3e7ed",
    main="#2563b8",
    soft="#c5d8f2",
    good="#1b7f4b",
    bad="#c22f3d",
)
Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart that can be drawn in any width and colours.

    Attributes:
        name: Its name for ``--chart``.
        title: Heading.
        text: The same in words, for those who do not see it.
        caption: What a reader must know to read it.
        draw: Its specification.
        model: The model whose figures it shows, if only one.
        device: Likewise.
        full: Whether it takes the whole width of a page.
    """

    name: str
    title: str
    text: str
    caption: str = ""
    draw: Callable[[Colours, int], Spec]
    model: str = ""
    device: str = ""
    full: bool = False


def require_charts() -> None:
    """Raise unless what draws charts is installed.

    Raises:
        MissingPackageError: It is not.
    """
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "charts need altair and vl-convert-python", remedy="pip install 'edgebench[report]'"
        ) from error


def chosen_chart(charts: Sequence[Chart], name: str | None) -> Chart:
    """The chart of a name, or of the beginning of one; the only one, or the first, if none is named.

    Raises:
        InputError: There are no charts, or not one of that name.
    """
    if not charts:
        raise InputError("there is nothing to draw", remedy="profile on a device that is measured, or with --layers")
    found = [chart for chart in charts if name is None or chart.name == name]
    found = found or [chart for chart in charts if name is not None and chart.name.startswith(name)]
    if not found or (len(found) > 1 and name is not None):
        names = ", ".join(chart.name for chart in found or charts)
        raise InputError(
            f"{len(found) or 'no'} charts are called {name!r}", where="--chart", remedy=f"one of {visible(names)}"
        )
    return found[0]


def inline_svg(chart: Chart, width: int, number: int) -> str:
    """A chart for a page, in the colours of its style.

    Args:
        chart: What to draw.
        width: In pixels.
        number: Distinguishes the parts of one chart from those of another on the same page.
    """
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(dict(chart.draw(PAGE, width)))
    drawn = _ID.sub(lambda match: f"{match[1]}c{number}-{match[2]}", drawn)
    # As wide as its container, but never enlarged.
    return _SIZE.sub(r'\1 style="width:\2px" aria-hidden="true"', drawn, count=1)


def image(chart: Chart, form: str) -> bytes:
    """A chart as its own file.

    Args:
        chart: What to draw.
        form: ``svg``, ``png`` or ``pdf``.

    Raises:
        MissingPackageError: What draws charts is not installed.
    """
    require_charts()
    import vl_convert

    spec = dict(chart.draw(LIGHT, ALONE))
    if form == "svg":
        return str(vl_convert.vegalite_to_svg(spec)).encode()
    made: bytes = vl_convert.vegalite_to_pdf(spec) if form == "pdf" else vl_convert.vegalite_to_png(spec, scale=2)
    return made


def channels(**fields: Any) -> dict[str, Any]:
    """Channels of a mark: what Altair makes of ``x="time:Q"``, without the search for its class, which takes long."""
    import altair as alt

    kinds = {"x": alt.X, "y": alt.Y, "x2": alt.X2, "y2": alt.Y2, "text": alt.Text, "description": alt.Description}
    return {name: kinds[name](field) if isinstance(field, str) else field for name, field in fields.items()}


def finished(chart: Any, colours: Colours, **data: Sequence[Mapping[str, object]]) -> Spec:
    """A chart of Altair as a specification, in the one style that all share.

    Args:
        chart: Of Altair; its data are named.
        colours: What it is painted with.
        data: By name.
    """
    axis = {
        "labelColor": colours.quiet,
        "titleColor": colours.quiet,
        "gridColor": colours.grid,
        "domainColor": colours.grid,
        "tickColor": colours.grid,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 170,
    }
    # Tests validate what this makes; to do so for every chart of a page takes seconds.
    spec: Spec = chart.to_dict(validate=False)
    return {
        **spec,
        "datasets": data,
        "background": colours.paper,
        "padding": 4,
        "config": {
            "font": "Helvetica, Arial, sans-serif",
            "axis": axis,
            "view": {"stroke": None},
            "legend": {
                "labelFontSize": 11,
                "columnPadding": 26,
                "labelColor": colours.ink,
                "titleColor": colours.quiet,
                "orient": "top",
                "title": None,
            },
            "header": {"labelColor": colours.ink, "titleColor": colours.quiet, "labelFontSize": 12},
            "text": {"color": colours.ink, "fontSize": 11},
        },
    }
