"""`minigrad models` and `minigrad summary`: the networks there are, and one of them layer by layer."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.command import arguments
from minigrad.command.console import console, say, short, show, table
from minigrad.vision.models import get_model
from minigrad.vision.models.registry import MODELS


def add_to(commands: Any) -> None:
    """Add both commands."""
    summary = commands.add_parser(
        "summary",
        help="a network layer by layer: shapes, parameters, work, memory",
        description="Show a network layer by layer, for one picture: output shape, parameters, multiply-adds, memory "
        "of activations (forward, and with gradients), and the side of the square of pixels that an output pixel sees.",
    )
    summary.add_argument("model", metavar="MODEL", type=arguments.model, help="a name that `minigrad models` lists")
    summary.add_argument("--input", metavar="CxHxW", type=arguments.shape, help="default: what the network is made for")
    summary.add_argument("--classes", metavar="N", type=arguments.count(1), help="default: as published")
    summary.set_defaults(run=show_summary, parser=summary)

    models = commands.add_parser(
        "models", help="the networks there are", description="List the networks that the other commands know by name."
    )
    models.set_defaults(run=show_models, parser=models)


def show_models(args: Any) -> None:
    """Print the table of the models."""
    rows = [
        [name, " x ".join(map(str, entry.input_shape)), f"{entry.parameters:,}", entry.published]
        for name, entry in MODELS.items()
    ]
    show(table(["model", "input", "parameters", "published"], rows, "lrrl"))


def show_summary(args: Any) -> None:
    """Print one network's table: the full one where the screen is wide enough, else its numbers shortened."""
    shape = args.input or MODELS[args.model].input_shape
    settings = {"in_channels": shape[0], **({} if args.classes is None else {"num_classes": args.classes})}
    if args.model == "lenet5" and shape[1:] == (32, 32):
        settings["input_size"] = 32
    try:
        summary = mg.summary(get_model(args.model, **settings), shape)
    except RuntimeError as error:
        raise arguments.UsageError(f"{args.model} does not take pictures of {_text(shape)}: {error}") from None
    text = repr(summary)
    if max(map(len, text.splitlines())) <= console().width:
        print(text)
        return
    rows = [
        [
            layer.name,
            layer.kind.removeprefix("Adaptive").removesuffix("2d"),
            _text(layer.output_shape),
            short(layer.parameters) if layer.parameters else "",
            short(layer.multiply_adds) if layer.multiply_adds else "",
            _megabytes(layer.forward_bytes),
            str(max(layer.receptive_field)) if layer.receptive_field else "",
        ]
        for layer in summary.layers
    ]
    sums = [short(summary.parameters), short(summary.multiply_adds), _megabytes(summary.forward_bytes), ""]
    header = ["layer", "kind", "output", "params", "MACs", "MB", "sees"]
    say(f"{args.model}, one input of {_text(shape)}", "bold")
    show(table(header, [*rows, ["sum", "", "", *sums]], "llrrrrr"))


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.{2 if size >= 1e6 else 3}f}" if size else ""
