"""A page for each paper of the zoo: its idea, a figure, its layers, its recipe, and the accuracy that we reached."""

from __future__ import annotations

import importlib
import inspect
import json
import math
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import mkdocs_gen_files

import minigrad as mg
from minigrad import study
from minigrad.nn import Module
from minigrad.train.recipes import RECIPES, Recipe
from minigrad.vision import models
from minigrad.vision.models.googlenet import Inception
from minigrad.vision.models.registry import MODELS
from minigrad.vision.models.resnet import BasicBlock
from minigrad.vision.models.resnet_v2 import PreActBasicBlock

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


class Paper(NamedTuple):
    """What a page is made of."""

    title: str
    network: str  # the one that is drawn and summarised
    block: Module | None = None  # what is drawn operation by operation, and an input for it
    input: tuple[int, ...] = ()
    recipe: str = ""
    result: str = ""  # a file of measured accuracy


# By the file of minigrad.vision.models that builds them.
PAPERS = {
    "lenet": Paper("LeNet-5, 1998", "lenet5", recipe="lenet", result="fashion_mnist-lenet"),
    "alexnet": Paper("AlexNet, 2012", "alexnet", recipe="alexnet"),
    "vgg": Paper("VGG, 2014", "vgg11_bn", recipe="vgg", result="vgg11-fashion-mnist"),
    "googlenet": Paper("GoogLeNet, 2014", "googlenet", Inception(8, 4, (4, 8), (2, 4), 4), (1, 8, 8, 8), "googlenet"),
    "resnet": Paper("ResNet, 2015", "resnet18", BasicBlock(4, 4), (2, 4, 8, 8), "resnet", "resnet20-fashion-mnist"),
    "resnet_v2": Paper("ResNet V2, 2016", "resnet18_v2", PreActBasicBlock(4, 4), (2, 4, 8, 8), "resnet"),
    "densenet": Paper("DenseNet, 2016", "densenet121"),
    "mobilenet": Paper("MobileNet, 2018 and 2019", "mobilenet_v2"),
    "efficientnet": Paper("EfficientNet, 2019", "efficientnet_b0"),
}


def stages(model: Module, shape: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """Where the pictures change size on their way: the name of the layer, and what it gives for one picture."""
    seen: list[tuple[str, tuple[int, ...]]] = [("input", shape)]

    def note(name: str) -> Any:
        def hook(module: Module, args: Any, output: Any) -> None:
            if isinstance(output, mg.Tensor) and output.ndim in (2, 4) and output.shape[2:] != seen[-1][1][1:]:
                seen.append((name, output.shape[1:]))
            elif isinstance(output, mg.Tensor) and output.ndim == len(seen[-1][1]) + 1:
                seen[-1] = (name, output.shape[1:])

        return hook

    handles = [
        module.register_forward_hook(note(name))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    with mg.inference_mode():
        model.eval()(mg.zeros(1, *shape))
    for handle in handles:
        handle.remove()
    return seen


def figure(title: str, seen: list[tuple[str, tuple[int, ...]]]) -> str:
    """The network as slabs: as high as the pictures, as thick as the logarithm of the channels."""
    largest = max(shape[1] for _, shape in seen if len(shape) == 3)
    x, top, slabs = 10.0, 130.0, []
    for name, shape in seen:
        label = " × ".join(map(str, shape))
        wide = 7.2 * max(len(label), len(name))  # of the words
        side = 16 + 150 * (shape[1] / largest) ** 0.5 if len(shape) == 3 else 12
        width = 6 * math.log2(shape[0] + 1)
        x += max(0.0, (wide - width) / 2)
        slabs.append(
            f'<rect x="{x:.0f}" y="{top - side / 2:.0f}" width="{width:.0f}" height="{side:.0f}" rx="2"/>'
            f'<text x="{x + width / 2:.0f}" y="{top + side / 2 + 16:.0f}">{label}</text>'
            f'<text x="{x + width / 2:.0f}" y="{top - side / 2 - 6:.0f}" class="name">{escape(name)}</text>'
        )
        x += max(width, (width + wide) / 2) + 14
    heard = f"{title}: {', '.join([f'{name} {shape}' for name, shape in seen])}"
    return (
        f'<div class="stages" tabindex="0" role="region" aria-label="{escape(title)}, drawn">'
        f'<svg viewBox="0 0 {x:.0f} 240" role="img" aria-label="{escape(heard)}">{"".join(slabs)}</svg></div>'
    )


def recipe_table(recipe: Recipe) -> str:
    """The settings that differ from a recipe's defaults, and where they come from."""
    shown = [field for field in fields(Recipe) if field.name not in ("source", "networks")]
    rows = [f"| `{f.name}` | {getattr(recipe, f.name)} |" for f in shown if getattr(recipe, f.name) != f.default]
    return f"{recipe.source}\n\n| setting | value |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def reached(result: str) -> str:
    """What the trained network reached on Fashion-MNIST, as measured."""
    measured = json.loads((RESULTS / f"{result}.json").read_text())
    if "runs" in measured:
        run = measured["runs"]["minigrad"][0]
        return (
            f"{measured['network']}: {run['final_accuracy']:.2%} of the test pictures after {measured['epochs']} "
            f"epochs, {run['seconds']:.0f} s of training on {measured['machine']['cores']} cores, "
            f"{measured['machine']['date']}.\n"
        )
    return (
        f"{measured['name']}: {measured['test_accuracy']:.2%} of the test pictures after {measured['epochs']} epochs; "
        f"{measured['parameters']:,} parameters.\n"
    )


def page(name: str, paper: Paper) -> str:
    """A paper's page in Markdown."""
    module = importlib.import_module(f"minigrad.vision.models.{name}")
    doc = inspect.getdoc(module) or ""
    idea, *rest = doc.split("\n\n")
    text = [
        f"# {paper.title}\n",
        "*The idea of a paper, and the network as it is built here; ten minutes.*\n",
        f"{idea}\n",
    ]
    text += [f"```text\n{part}\n```\n" if part.startswith("    ") or "  " in part else f"{part}\n" for part in rest]
    model = models.get_model(paper.network)
    shape = tuple(MODELS[paper.network].input_shape)
    text.append(f"## {paper.network}, drawn\n\n{figure(paper.title, stages(model, shape))}\n")
    text.append(
        "Heights are sides of the pictures, widths the logarithm of the channels; a slab stands for all layers up to "
        "the next change of size, and bears the last one's name.\n"
    )
    if paper.block is not None:
        kind = type(paper.block).__name__
        with study.trace():
            loss = paper.block(mg.randn(*paper.input, requires_grad=True)).sum()
        drawing = study.graph(loss, paper.block)._repr_svg_()
        text.append(f"## A block: `{kind}`\n\nEvery operation, as its autograd graph has it.\n")
        text.append(f"<div class='graph' tabindex='0' role='region' aria-label='Graph of {kind}'>\n{drawing}\n</div>\n")
    text.append(f"## Its layers\n\n```text\n{mg.summary(model, shape)}\n```\n")
    if paper.recipe:
        text.append(f"## How it was trained: `--recipe {paper.recipe}`\n\n{recipe_table(RECIPES[paper.recipe])}")
    accuracy = reached(paper.result) if paper.result else "Not trained to the end by us.\n"
    text.append(f"## On Fashion-MNIST\n\n{accuracy}")
    names = ", ".join([f"`{network}`" for network in models.list_models(module)])
    text.append(f"## In the code\n\n`{module.__name__}` builds {names}.\n")
    return "\n".join(text)


navigation = []
for name, paper in PAPERS.items():
    mg.manual_seed(0)
    with mkdocs_gen_files.open(f"learn/papers/{name}.md", "w") as file:
        file.write(page(name, paper))
    navigation.append(f"* [{paper.title}]({name}.md)\n")
with mkdocs_gen_files.open("learn/papers/SUMMARY.md", "w") as file:
    file.writelines(navigation)
