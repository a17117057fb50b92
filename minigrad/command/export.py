"""`minigrad export`: a trained network as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.command import arguments
from minigrad.command.console import say
from minigrad.command.trained import open_trained
from minigrad.onnx import export as export_onnx

FORMATS = (".safetensors", ".pt", ".pth", ".onnx")


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "export",
        help="a trained network as .safetensors, .pt or .onnx",
        description="Write a trained network for other programs. .safetensors and .pt hold the weights under "
        "torchvision's names (torch.load reads .pt); .onnx holds the network with its weights (it needs pip install "
        "'minigrad[onnx]'), and onnxruntime, where it is installed, runs it once to compare.",
    )
    parser.add_argument("source", metavar="RUN_DIR|WEIGHTS", help="the folder of a run, or a file of weights")
    parser.add_argument("file", metavar="FILE", type=arguments.output(*FORMATS), help="its suffix says the format")
    parser.add_argument("--model", metavar="NAME", type=arguments.model, help="what a file of weights is for")
    parser.set_defaults(run=export, parser=parser)


def export(args: Any) -> None:
    """Write the file, and say what it is."""
    trained = open_trained(args.source, args.model)
    if args.file.suffix != ".onnx":
        mg.save(trained.model.state_dict(), args.file)
        say(f"{args.file}: {len(trained.model.state_dict())} tensors, {_megabytes(args.file)}")
        return
    images = mg.randn(1, *trained.input_shape)
    export_onnx(trained.model, images, args.file, input_names=["images"], output_names=["logits"])
    shape = " x ".join(map(str, trained.input_shape))
    say(f"{args.file}: images (batch x {shape}) -> logits (batch x {len(trained.classes)}), {_megabytes(args.file)}")
    say(_compared(trained.model, images, args.file))


def _compared(model: Any, images: Any, path: Path) -> str:
    """How far onnxruntime's results are from ours."""
    try:
        from onnxruntime import InferenceSession
    except ModuleNotFoundError:
        return "not run: onnxruntime, which would compare it, is not installed"
    with mg.no_grad():
        ours = model(images).numpy()
    (theirs,) = InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"images": images.numpy()})
    difference = float(np.abs(theirs - ours).max() / max(float(np.abs(ours).max()), 1e-30))
    if not difference < TOLERANCE:
        raise RuntimeError(f"{path} gives other results in onnxruntime: they differ by {difference:.1e} of the largest")
    return f"onnxruntime gives the same logits (they differ by {difference:.0e} of the largest)"


TOLERANCE = 1e-3  # float32 sums in another order differ by some 1e-6, through 152 layers by 1e-5


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB"
