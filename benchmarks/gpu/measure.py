"""Lets the libraries take turns at a case, within a time; and puts the figures together."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from statistics import median

from benchmarks.cases import Case
from benchmarks.gpu.cases import CONTENDERS, Calibration, GpuContender, Layers, Network, Profile
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
    task = _task(case) | {"conv_tf32": tf32.conv, "matmul_tf32": tf32.matmul}
    row |= {"title": str(network), "tf32": asdict(tf32), "figures": {}, "ratios": {}, "stopped": {}}
    contenders = [contender for contender in network.contenders if contender.package in libraries]
    with ExitStack() as stack:
        programs = _start(stack, "network", task, libraries, environment)
        for round, contender in alternate(contenders, effort["rounds"]):
            if round and time.monotonic() > until:
                break
            if contender.name in row["stopped"]:
                continue
            request = {name: getattr(contender, name) for name in ("layout", "graph", "compiled")}
            request |= {"contender": contender.name, "seconds": effort["seconds"]}
            try:
                answer = programs[contender.package].ask(request, until)
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
    """Fill `row` with a list: each pass of each operation, its rate, its share of what the GPU can do, ratios."""
    row |= {"title": str(layers), "rows": [], "stopped": {}}
    contenders = [contender for contender in LAYER_CONTENDERS if contender.package in libraries]
    with ExitStack() as stack:
        programs = _start(stack, "layers", {}, libraries, environment)
        for layer in layers.layers:
            title = str(layer)
            if time.monotonic() > until:
                row["stopped"][title] = "not begun: out of time"
                continue
            taken, lost = {}, {}
            for _, contender in alternate(contenders, effort["layer_rounds"]):
                if contender.name in lost:
                    continue
                request = {"batch": layers.batch, "layout": contender.layout, "seconds": effort["layer_seconds"]}
                try:
                    answer = programs[contender.package].ask(layer.request | request, until)
                except RuntimeError as error:
                    lost[contender.name] = row["stopped"][f"{title}: {contender.name}"] = str(error)
                else:
                    taken.setdefault(contender.name, []).append(answer)
            if taken:
                row["rows"] += _passes(title, taken, ceilings)
            save()


def _passes(title: str, taken: dict[str, list[dict]], ceilings: dict | None) -> list[dict]:
    work = next(iter(taken.values()))[0]
    rows = []
    for name in work["passes"]:
        seconds = {contender: [answer["passes"][name] for answer in answers] for contender, answers in taken.items()}
        flop, bytes = work["flop"], work["bytes"][name]
        row = {"layer": title, "pass": name, "flop": flop, "bytes": bytes, "seconds": seconds}
        if "minigrad" in seconds:
            own = median(seconds["minigrad"])
            row["flop_per_second"] = flop / own
            if ceilings and flop:
                row["share_of_tf32"] = flop / ceilings["tf32_flop_per_second"] / own
            if ceilings:
                row["share_of_bandwidth"] = bytes / ceilings["copy_bytes_per_second"] / own
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


def measure_profile(part: Profile, row: dict, until: float, environment: dict) -> None:
    row |= {"title": str(part)}
    with ExitStack() as stack:
        program = _start(stack, "profile", {}, ["minigrad"], environment)["minigrad"]
        row |= program.ask(_task(part.case), until)


def measure_calibration(part: Calibration, until: float, environment: dict) -> dict:
    """What tiling.json shall hold."""
    with ExitStack() as stack:
        program = _start(stack, "calibration", {}, ["minigrad"], environment)["minigrad"]
        return program.ask(asdict(part), until)


def _task(case: Case) -> dict:
    return {"model": case.model, "batch": case.batch, "channels": case.channels, "size": case.size}


def _start(stack: ExitStack, kind: str, task: dict, libraries: list[str], environment: dict) -> dict[str, Program]:
    """A program for each library, started side by side."""
    programs = {}
    for library in libraries:
        programs[library] = program = Program(library, kind, task, environment)
        stack.callback(program.close)
    return programs
