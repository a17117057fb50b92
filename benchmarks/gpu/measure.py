"""Lets the libraries take turns at a case, within a time; and puts the figures together."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from statistics import median

from benchmarks.gpu.cases import CONTENDERS, GpuContender, Layers, Network
from benchmarks.gpu.turns import Program
from benchmarks.runner import alternate, ratios

METRICS = ["training step", "inference", "peak memory"]
LAYER_CONTENDERS = [
    GpuContender("minigrad", "minigrad", "channels_last"),  # as its own layers hand pictures on
    *(contender for contender in CONTENDERS if contender.package == "torch" and not contender.graph),
]


def measure_network(
    network: Network, row: dict, libraries: list[str], effort: dict, until: float, environment: dict, save: Callable
) -> None:
    """Fill `row` with figures[contender][metric], one value a round, and ratios[own][peer][metric]."""
    case, tf32 = network.case, network.tf32
    task = {"model": case.model, "batch": case.batch, "channels": case.channels, "size": case.size}
    task |= {"conv_tf32": tf32.conv, "matmul_tf32": tf32.matmul}
    row |= {"title": str(network), "tf32": asdict(tf32), "figures": {}, "ratios": {}, "stopped": {}}
    contenders = [contender for contender in CONTENDERS if contender.package in libraries]
    with ExitStack() as stack:
        programs = _start(stack, "network", task, libraries, environment)
        for round, contender in alternate(contenders, effort["rounds"]):
            if round and time.monotonic() > until:
                break
            if contender.name in row["stopped"]:
                continue
            request = {"contender": contender.name, "layout": contender.layout, "graph": contender.graph}
            try:
                answer = programs[contender.package].ask(request | {"seconds": effort["seconds"]}, until)
            except RuntimeError as error:
                row["stopped"][contender.name] = str(error)  # the figures of rounds before stay
            else:
                figures = row["figures"].setdefault(contender.name, {})
                for metric, value in answer.items():
                    figures.setdefault(metric, []).append(value)
            row["ratios"] = _ratios(row["figures"])
            save()


def _ratios(figures: dict) -> dict:
    """Each PyTorch's figure over each minigrad's, over the rounds that both have done."""
    found: dict = {}
    for own in figures:
        for peer in figures:
            if own.startswith("minigrad") and not peer.startswith("minigrad"):
                of_pair = found.setdefault(own, {})[peer] = {}
                for metric in METRICS:
                    theirs, ours = figures[peer].get(metric, []), figures[own].get(metric, [])
                    count = min(len(theirs), len(ours))
                    if count:
                        of_pair[metric] = ratios(theirs[:count], ours[:count])
    return found


def measure_layers(
    layers: Layers,
    row: dict,
    libraries: list[str],
    effort: dict,
    until: float,
    environment: dict,
    save: Callable,
    ceilings: dict | None,
) -> None:
    """Fill `row` with a list: each pass of each convolution, its rate, its share of what the GPU can do, ratios."""
    row |= {"title": str(layers), "rows": [], "stopped": {}}
    contenders = [contender for contender in LAYER_CONTENDERS if contender.package in libraries]
    with ExitStack() as stack:
        programs = _start(stack, "layers", {}, libraries, environment)
        for layer in layers.convolutions:
            title = layer_title(layer)
            if time.monotonic() > until:
                row["stopped"][title] = "not begun: out of time"
                continue
            geometry, taken, lost = asdict(layer), {}, {}
            for _, contender in alternate(contenders, effort["layer_rounds"]):
                if contender.name in lost:
                    continue
                request = {"batch": layers.batch, "geometry": geometry, "layout": contender.layout}
                try:
                    answer = programs[contender.package].ask(request | {"seconds": effort["layer_seconds"]}, until)
                except RuntimeError as error:
                    lost[contender.name] = row["stopped"][f"{title}: {contender.name}"] = str(error)
                else:
                    taken.setdefault(contender.name, []).append(answer)
            if taken:
                row["rows"] += _passes(title, taken, ceilings)
            save()


def layer_title(layer) -> str:
    kernel = f"{layer.kernel}x{layer.kernel}{f' /{layer.stride}' if layer.stride > 1 else ''}"
    return f"{kernel}, {layer.channels}x{layer.size}x{layer.size} to {layer.out_channels}"


def _passes(title: str, taken: dict[str, list[dict]], ceilings: dict | None) -> list[dict]:
    work = next(iter(taken.values()))[0]
    rows = []
    for name in work["passes"]:
        seconds = {contender: [answer["passes"][name] for answer in answers] for contender, answers in taken.items()}
        row = {"layer": title, "pass": name, "flop": work["flop"], "bytes": work["bytes"], "seconds": seconds}
        if "minigrad" in seconds:
            own = median(seconds["minigrad"])
            row["flop_per_second"] = work["flop"] / own
            if ceilings:
                row["share_of_tf32"] = work["flop"] / ceilings["tf32_flop_per_second"] / own
                row["share_of_bandwidth"] = work["bytes"] / ceilings["copy_bytes_per_second"] / own
            peers = {peer: times for peer, times in seconds.items() if peer != "minigrad"}
            row["ratios"] = {
                peer: ratios(times, seconds["minigrad"])
                for peer, times in peers.items()
                if len(times) == len(seconds["minigrad"])
            }
        rows.append(row)
    return rows


def measure_limits(effort: dict, until: float, environment: dict) -> dict:
    """What PyTorch says of the GPU, and the rates it reaches there; RuntimeError if it does not answer."""
    with ExitStack() as stack:
        program = _start(stack, "limits", {}, ["torch"], environment)["torch"]
        return program.ask(effort["limits"], until)


def _start(stack: ExitStack, kind: str, task: dict, libraries: list[str], environment: dict) -> dict[str, Program]:
    """A program for each library, started side by side."""
    programs = {}
    for library in libraries:
        programs[library] = program = Program(library, kind, task, environment)
        stack.callback(program.close)
    return programs
