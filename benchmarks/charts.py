"""The pictures of the measurements, as PNG and SVG."""

from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#555555"  # of Okabe and Ito's palette, told apart by all eyes
LIGHT_BLUE, GREEN, PURPLE = "#56B4E9", "#009E73", "#CC79A7"

PANELS = {
    "training step": "Training step",
    "inference": "Inference, same batch",
    "inference, batch 1": "Inference, batch 1",
    "peak memory": "Peak memory",
    "first step": "Process start\nto first step",
}

GPU_PANELS = {name: PANELS[name] for name in ("training step", "inference", "peak memory")}


def draw_ratios(results: dict, path: Path) -> None:
    """Bars of PyTorch's figures over ours, a panel for each metric, a row for each case; the line is at 1."""
    cases, peers = results["cases"], ["PyTorch", "PyTorch channels_last"]
    height = 0.55 * len(cases) + 1.9
    figure, axes = plt.subplots(1, len(PANELS), figsize=(14, height), sharey=True, layout="constrained")
    for panel, (metric, title) in zip(axes, PANELS.items(), strict=True):
        for offset, peer, colour in zip((-0.19, 0.19), peers, (BLUE, ORANGE), strict=True):
            rows = {index + offset: case["ratios"][peer][metric] for index, case in enumerate(cases.values())}
            _bars(panel, rows, 0.36, colour, peer)
        _finish(panel, title)
    axes[0].set_yticks(range(len(cases)), [case["title"] for case in cases.values()])
    axes[0].invert_yaxis()
    machine = results["machine"]
    figure.suptitle("PyTorch's figure divided by minigrad's: right of the line minigrad needs less", fontsize=12)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    figure.supxlabel(
        f"{machine['processor']}, {machine['threads']} threads, PyTorch {machine['versions']['torch']}, "
        f"{machine['date'][:10]}; whiskers: least and most of {results['rounds']} rounds",
        fontsize=8,
        color=GREY,
    )
    _save(figure, path)


def draw_gpu(results: dict, path: Path) -> None:
    """As `draw_ratios`: eager beside eager, graph beside graph, and PyTorch's eager step beside minigrad's graph."""
    cases = {name: row for name, row in results["networks"].items() if row["ratios"]}
    pairs = [
        ("minigrad", "PyTorch", BLUE),
        ("minigrad", "PyTorch channels_last", ORANGE),
        ("minigrad graph", "PyTorch", LIGHT_BLUE),
        ("minigrad graph", "PyTorch graph", GREEN),
        ("minigrad graph", "PyTorch channels_last graph", PURPLE),
    ]
    height = 0.9 * len(cases) + 2.2
    figure, axes = plt.subplots(1, len(GPU_PANELS), figsize=(14, height), sharey=True, layout="constrained")
    for panel, (metric, title) in zip(axes, GPU_PANELS.items(), strict=True):
        for number, (own, peer, colour) in enumerate(pairs):
            place = 0.16 * (number - 2)
            rows = {index + place: case["ratios"].get(own, {}).get(peer) for index, case in enumerate(cases.values())}
            rows = {place: row[metric] for place, row in rows.items() if row and metric in row}
            _bars(panel, rows, 0.15, colour, f"{peer} over {own}")
        _finish(panel, title)
    axes[0].set_yticks(range(len(cases)), [case["title"].replace(", TF32", "\nTF32") for case in cases.values()])
    axes[0].set_ylim(len(cases) - 0.5, -0.5)
    device, machine = results["device"], results["machine"]
    figure.suptitle(
        "PyTorch's figure divided by minigrad's: right of the line minigrad needs less\n"
        f"{device['name']}, driver {device['driver']}, PyTorch {machine['versions']['torch']}, {machine['date'][:10]}; "
        "whiskers: least and most of the rounds",
        fontsize=10,
    )
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=5, frameon=False, fontsize=9)
    _save(figure, path)


def _bars(panel, rows: dict[float, dict], height: float, colour: str, label: str) -> None:
    """At each place a bar of the median, whiskers to the least and the most, and the number."""
    values = [row["median"] for row in rows.values()]
    below, above = ([abs(row[end] - row["median"]) for row in rows.values()] for end in ("least", "most"))
    whiskers = {"ecolor": GREY, "elinewidth": 1}
    panel.barh(list(rows), values, height, xerr=[below, above], color=colour, error_kw=whiskers, label=label)
    for place, row in rows.items():
        background = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # where it crosses the line at 1
        text = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 7, "color": GREY}
        panel.annotate(f"{row['median']:.2f}", (row["most"], place), **text, bbox=background)


def _finish(panel, title: str) -> None:
    panel.axvline(1, color="black", linewidth=1)
    panel.margins(y=0.01)
    panel.set_xlim(0, 1.18 * max(2.0, panel.get_xlim()[1]))
    panel.set_title(title, fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(labelsize=8)


def draw_scaling(results: dict, path: Path) -> None:
    """Time for one picture or pixel over the number of them (level where the cost is linear), and peak memory."""
    figure, axes = plt.subplots(1, len(results["curves"]) + 1, figsize=(14, 4.2), layout="constrained")
    styles = {"minigrad": (BLUE, "o-"), "PyTorch": (ORANGE, "s--")}
    for panel, curve in zip(axes, results["curves"], strict=False):
        for name, (colour, style) in styles.items():
            if name in curve["figures"]:
                times = [median(point["training step"]) for point in curve["figures"][name]]
                each = [1000 * time / work for time, work in zip(times, curve["work"], strict=True)]
                panel.plot(curve["values"], each, style, color=colour, label=name)
        panel.set(title=curve["title"], xlabel=curve["axis"], ylabel=curve["unit"], ylim=(0, None))
        if curve["axis"] == "batch size":
            panel.set_xscale("log", base=2)
        panel.set_xticks(curve["values"], curve["values"], fontsize=7)
    memory = axes[-1]
    for curve in results["curves"]:
        if curve["axis"] == "batch size":
            for name, (colour, style) in styles.items():
                if name in curve["figures"]:
                    peaks = [max(point["peak memory"]) / 2**20 for point in curve["figures"][name]]
                    memory.plot(curve["values"], peaks, style, color=colour, label=name)
                    below = {"xytext": (-4, -4), "textcoords": "offset points", "ha": "left", "va": "top"}
                    if name == "minigrad":
                        memory.annotate(curve["network"], (curve["values"][-2], peaks[-2]), fontsize=7, **below)
    memory.set(title="Peak memory of training", xlabel="batch size", ylabel="MiB", ylim=(0, None))
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False)
    _save(figure, path)


def _save(figure, path: Path) -> None:
    """As path.png and path.svg; the same bytes for the same figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "minigrad"
    figure.savefig(path.with_suffix(".png"), dpi=150)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)
