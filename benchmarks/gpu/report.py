"""How the GPU's figures are printed: with rich where it is installed, as plain columns where it is not."""

from statistics import median

from benchmarks.gpu.measure import METRICS
from benchmarks.units import mebibytes, milliseconds

try:
    from benchmarks.report import console
except ModuleNotFoundError:
    console = None


def say(text: str) -> None:
    if console is None:
        print(text, flush=True)
    else:
        console.print(text, soft_wrap=True, markup=False, highlight=False)


def show(title: str, head: list[str], rows: list[list[str]]) -> None:
    """A table; its first column to the left, numbers to the right."""
    if console is None:
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in (head, *rows)]
        print("\n".join(["", title, *lines]), flush=True)
        return
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def show_network(row: dict) -> None:
    """A row for each contender: its medians, and the training step over minigrad's."""
    owns = [name for name in row["figures"] if name.startswith("minigrad")]
    head = ["", *METRICS, *(f"step over {own}" for own in owns)]
    rows = []
    for name, figures in row["figures"].items():
        cells = [name]
        for metric in METRICS:
            write = mebibytes if metric == "peak memory" else milliseconds
            cells.append(write(median(figures[metric])) if metric in figures else "")
        rows.append(cells + [_ratio(row["ratios"].get(own, {}).get(name, {}).get("training step")) for own in owns])
    show(row["title"], head, rows)
    _show_stopped(row)


def show_layers(row: dict) -> None:
    """A row for each pass of each operation."""
    peers = list(dict.fromkeys(peer for line in row["rows"] for peer in line.get("ratios", {})))
    head = ["operation", "pass", "minigrad", "TFLOP/s", "of TF32", "of bandwidth", *(f"{p} over" for p in peers)]
    rows = []
    for line in row["rows"]:
        own = line["seconds"].get("minigrad")
        cells = [line["layer"], line["pass"], milliseconds(median(own)) if own else ""]
        cells.append(f"{line['flop_per_second'] / 1e12:.1f}" if own and line["flop"] else "")
        cells += [f"{line[share]:.0%}" if share in line else "" for share in ("share_of_tf32", "share_of_bandwidth")]
        rows.append(cells + [_ratio(line.get("ratios", {}).get(peer)) for peer in peers])
    show(row["title"], head, rows)
    _show_stopped(row)


def show_profile(row: dict) -> None:
    """A row for each kernel, and what is left of the step."""
    whole, kernels = row["seconds"], row["kernels"]
    rest = {"launches": 0, "seconds": whole - sum(kernel["seconds"] for kernel in kernels.values())}
    rows = [
        [name, str(kernel["launches"] or ""), milliseconds(kernel["seconds"]), f"{kernel['seconds'] / whole:.1%}"]
        for name, kernel in [*kernels.items(), ("CuPy's own kernels, copies, waiting", rest)]
    ]
    show(f"{row['title']}: {milliseconds(whole)}", ["kernel", "launches", "time", "of the step"], rows)


def show_tests(name: str, tests: dict) -> None:
    rows = [
        [file["file"], str(file["passed"]), str(len(file["failed"])), str(sum(file["skipped"].values())), file["ended"]]
        for file in tests["files"]
    ]
    show(f"{name}, in {tests['seconds']:.0f} s", ["file", "passed", "failed", "skipped", "ended"], rows)
    for file in tests["files"]:
        for test in file["failed"]:
            say(f"  failed: {test}")


def _show_stopped(row: dict) -> None:
    for what, why in row["stopped"].items():
        say(f"  {what}: {why}")


def _ratio(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return ""
    spread = f" ({ratio['least']:.2f} to {ratio['most']:.2f})" if ratio["least"] < ratio["most"] else ""
    return f"{ratio['median']:.2f}{spread}"
