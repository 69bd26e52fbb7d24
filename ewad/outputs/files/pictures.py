"""Pictures in one style, by matplotlib, which is imported only when one is drawn. Needs the extra `plot`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ewad.errors import ConfigError, needs
from ewad.outputs.files.output import Output

Axes = Any  # matplotlib.axes.Axes

# Told apart by people who see colours differently, too (Okabe & Ito 2008).
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#9A9A9A"
COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE)
# One colour per optimizer in all pictures.
OPTIMIZER_COLOURS = {"gradient_descent": BLUE, "momentum": ORANGE, "rmsprop": PURPLE, "adam": RED}

SIZE_INCHES, DPI = (9.0, 5.0), 100  # 900 x 500 pixels
STYLE: Any = {
    "font.size": 12,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.linewidth": 2.0,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.fancybox": False,
    "savefig.facecolor": "white",
    "svg.hashsalt": "ewad",  # the same picture is the same file
}


def check_picture(path: Path) -> None:
    """Raise ConfigError where matplotlib is not installed or does not know the suffix."""
    needs("matplotlib", "plot", f"{path}: a picture")
    from matplotlib.backend_bases import FigureCanvasBase

    if path.suffix.removeprefix(".").lower() not in FigureCanvasBase.filetypes:
        raise ConfigError(f"{path}: can't draw: expected a name that ends in .png, .svg or .pdf")


def draw(
    path: Path, plot: Callable[..., None], rows: int = 1, columns: int = 1, enlarged: float = 1.0
) -> None:
    """Have plot(axes, ...) draw on so many axes, and save the picture as path's suffix says.

    enlarged: so many times larger than else are text and lines in a picture of the same pixels.
    Raises ConfigError where matplotlib is not installed, the suffix is unknown or no file can be there,
    StateError where writing it fails.
    """
    check_picture(path)
    import matplotlib as mpl

    output = Output(path)
    try:
        with mpl.rc_context(STYLE), output.writing() as unfinished:
            figure = figure_of(plot, rows, columns, enlarged)
            figure.savefig(unfinished, dpi=figure.dpi)
            if path.suffix == ".png":
                _reduce(unfinished)
        output.finish()
    finally:
        output.discard()


def figure_of(plot: Callable[..., None], rows: int = 1, columns: int = 1, enlarged: float = 1.0) -> Any:
    """Return the matplotlib figure that plot(axes, ...) draws; all as for draw."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        width, height = SIZE_INCHES
        figure = Figure((width / enlarged, height / enlarged), DPI * enlarged, layout="constrained")
        plot(*figure.subplots(rows, columns, squeeze=False).ravel())
    return figure


def _reduce(path: Path) -> None:
    """Save the picture again in 128 colours: a third of the bytes, and no difference to see."""
    from PIL import Image  # comes with matplotlib

    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


def readable(name: str) -> str:
    """Return an optimizer's name as people write it: "gradient_descent" gives "gradient descent"."""
    return {"rmsprop": "RMSprop", "adam": "Adam"}.get(name, name.replace("_", " "))
