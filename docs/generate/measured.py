"""The tables of benchmarks/results, by machine and date."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import mkdocs_gen_files

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def machine(measured: dict[str, Any]) -> str:
    """Where and when."""
    on = measured["machine"]
    return f"{on['processor']}, {on['cores']} cores, {on['threads']} threads, {on['date']}, commit {on['commit']}"


def picture(name: str, words: str) -> str:
    """A picture of the results, copied to the site."""
    with mkdocs_gen_files.open(f"measured/{name}", "wb") as file:
        file.write((RESULTS / name).read_bytes())
    return f"![{words}]({name})\n"


def milliseconds(seconds: list[float]) -> str:
    return f"{median(seconds) * 1e3:.4g}"


cpu, layers, fashion = read("cpu"), read("cpu-layers"), read("fashion_mnist-lenet")
with mkdocs_gen_files.open("measured/index.md", "w") as file:
    file.write(
        "# Measured\n\n*What was measured, on which machine, when, and how to repeat it; ten minutes.*\n\n"
        "Each figure is the median of several rounds in which the programs take turns. A ratio above 1 means that "
        "minigrad is faster, or needs less memory.\n\n## Networks\n\n"
    )
    file.write(f"{machine(cpu)}; again with `python -m benchmarks.cpu`.\n\n")
    file.write(picture("cpu.png", "PyTorch's figure over minigrad's for eleven networks") + "\n")
    for case in cpu["cases"].values():
        contenders = list(case["figures"])
        peers = [name for name in contenders if name != "minigrad"]
        columns = ["figure", *contenders, *[f"{peer} / minigrad" for peer in peers]]
        file.write(f"### {case['title']}\n\n| {' | '.join(columns)} |\n")
        file.write("| --- " + "| ---: " * (len(contenders) + len(peers)) + "|\n")
        for metric in case["figures"]["minigrad"]:
            values = [case["figures"][name][metric] for name in contenders]
            memory = metric == "peak memory"
            shown = [f"{median(v) / 2**20:,.0f} MiB" if memory else f"{milliseconds(v)} ms" for v in values]
            ratios = [f"{case['ratios'][peer][metric]['median']:.2f}" for peer in peers]
            file.write(f"| {metric} | {' | '.join([*shown, *ratios])} |\n")
        file.write("\n")
    file.write(
        f"The very first step of LeNet-5 on a new machine, which compiles the kernels, took "
        f"{cpu['cold_first_step_seconds']:.1f} s.\n\n## Layers\n\n{machine(layers)}; again with `python -m "
        "benchmarks.cpu --layers`. The last column is the share of what the machine's arithmetic and memory allow.\n\n"
        "| operation | pass | minigrad | PyTorch / minigrad | of the limit |\n| --- | --- | ---: | ---: | ---: |\n"
    )
    for row in layers["operations"]:
        file.write(
            f"| {row['operation']} | {row['pass']} | {milliseconds(row['seconds']['minigrad'])} ms | "
            f"{row['ratios']['PyTorch']['median']:.2f} | {row['share_of_limit']:.0%} |\n"
        )
    file.write(
        "\n## Cost as the batch and the pictures grow\n\nAgain with `python -m benchmarks.cpu --scaling`.\n\n"
        + picture(
            "cpu-scaling.png", "Milliseconds a picture and a pixel, as batches and pictures grow, beside PyTorch's"
        )
    )
    run = {name: runs[0] for name, runs in fashion["runs"].items()}
    file.write(
        f"\n## LeNet-5 on all of Fashion-MNIST\n\n{machine(fashion)}; again with `python -m benchmarks.fashion_mnist`."
        "\n\n| epoch | minigrad | PyTorch | minigrad, accuracy | PyTorch, accuracy |\n"
        "| ---: | ---: | ---: | ---: | ---: |\n"
    )
    for epoch, (mine, theirs) in enumerate(zip(run["minigrad"]["epochs"], run["PyTorch"]["epochs"], strict=True), 1):
        file.write(
            f"| {epoch} | {mine['seconds']:.2f} s | {theirs['seconds']:.2f} s | {mine['test_accuracy']:.2%} | "
            f"{theirs['test_accuracy']:.2%} |\n"
        )
    file.write("\n" + picture("lenet-fashion-mnist.png", "LeNet-5: curves, confusion matrix, most confident mistakes"))
    file.write("\n" + picture("vgg11-fashion-mnist.png", "VGG-11: curves, confusion matrix, most confident mistakes"))
    file.write(
        "\n" + picture("resnet20-fashion-mnist.png", "ResNet-20: curves, confusion matrix, most confident mistakes")
    )
