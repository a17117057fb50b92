"""``python -m benchmarks.cpu --scaling``: does the cost of a training step grow as the work grows?"""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.table import Table

from benchmarks import runner
from benchmarks.report import console
from benchmarks.runner import MINIGRAD, PEERS, Contender, alternate
from benchmarks.units import milliseconds

BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
SIZES = [32, 64, 96, 128, 160, 192, 224]


@dataclass(frozen=True)
class Curve:
    network: str
    model: str
    axis: str  # "batch size" or "picture size"
    values: list[int]
    batch: int  # of the curve over picture sizes
    channels: int
    size: int  # of the curve over batch sizes

    def point(self, value: int) -> tuple:
        """batch, channels and size."""
        if self.axis == "batch size":
            return value, self.channels, self.size
        return self.batch, self.channels, value

    def work(self, value: int) -> float:
        """What the time should be proportional to: pictures, or thousands of pixels."""
        batch, _, size = self.point(value)
        return batch if self.axis == "batch size" else batch * size**2 / 1000


CURVES = [
    Curve("LeNet-5", "lenet5", "batch size", BATCHES, 0, 1, 28),
    Curve("VGG-11-BN", "vgg11_bn_small", "batch size", BATCHES, 0, 1, 32),
    Curve("VGG-11-BN", "vgg11_bn_small", "picture size", SIZES, 4, 3, 0),
    Curve("ResNet-18", "resnet18", "picture size", SIZES, 8, 3, 0),
]


def measure_scaling(results: dict, path: Path, arguments: Namespace) -> None:
    """Measure, print, save and draw."""
    contenders = [MINIGRAD] if arguments.alone else [MINIGRAD, PEERS[0]]
    results |= {"rounds": arguments.rounds, "curves": []}
    for curve in CURVES:
        values = curve.values[:3] if arguments.quick else curve.values
        figures = {contender.name: [] for contender in contenders}
        for value in values:
            point = _measure_point(curve, value, contenders, arguments)
            for name, metrics in point.items():
                figures[name].append(metrics)
        per_picture = curve.axis == "batch size"
        results["curves"].append(
            {
                "network": curve.network,
                "title": f"{curve.network}, 1 picture" if per_picture else f"{curve.network}, 1,000 pixels",
                "axis": curve.axis,
                "unit": "ms a picture" if per_picture else "ms a thousand pixels",
                "values": values,
                "work": [curve.work(value) for value in values],
                "figures": figures,
            }
        )
        console.print(_table(results["curves"][-1]))
        runner.save(results, path)
    from benchmarks.charts import draw_scaling

    draw_scaling(results, path.with_suffix(""))


def _measure_point(curve: Curve, value: int, contenders: list[Contender], arguments: Namespace) -> dict:
    """One entry for each contender: its figures of all rounds."""
    metrics = ["training step", "peak memory"]
    point = {contender.name: {metric: [] for metric in metrics} for contender in contenders}
    with console.status(f"{curve.network}, {curve.axis} {value}"):
        for _, contender in alternate(contenders, arguments.rounds):
            words = curve.model, *curve.point(value), contender.layout, 0.0 if arguments.quick else 2.0
            env = runner.environment(contender.package, arguments.threads)
            measured = runner.run("program", words, env)
            for metric in metrics:
                point[contender.name][metric].append(measured[metric])
    return point


def _table(curve: dict) -> Table:
    """Step time, and the time for a unit of work beside that of the largest point, where the caches are full."""
    table = Table(title=f"{curve['network']} over {curve['axis']}", title_justify="left")
    for column in curve["axis"], "library", "training step", curve["unit"], "beside the largest", "peak memory":
        table.add_column(column, justify="right")
    for name, points in curve["figures"].items():
        each = [median(p["training step"]) / work for p, work in zip(points, curve["work"], strict=True)]
        for value, point, unit in zip(curve["values"], points, each, strict=True):
            table.add_row(
                str(value),
                name,
                milliseconds(median(point["training step"])),
                f"{1000 * unit:.4f}",
                f"{unit / each[-1]:.2f}",
                f"{max(point['peak memory']) / 2**20:,.0f} MiB",
            )
        table.add_section()
    return table
