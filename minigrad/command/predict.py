"""`minigrad predict`: what a trained network says of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import minigrad as mg
from minigrad.command import arguments
from minigrad.command.arguments import UsageError
from minigrad.command.console import say, show, table
from minigrad.command.picture import draw_predictions
from minigrad.command.runs import newest_run
from minigrad.command.trained import open_trained
from minigrad.vision.pixels import check_pixels

TOP = 5


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "predict",
        help="the five likeliest classes of each picture",
        description="Name what is in pictures: the five likeliest classes with their probabilities, as a table and as "
        "a picture.",
    )
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=arguments.file, help="JPEG, PNG, ...")
    parser.add_argument(
        "--from", dest="source", metavar="RUN_DIR|WEIGHTS", help="the trained network; default: the newest run in runs/"
    )
    parser.add_argument("--model", metavar="NAME", type=arguments.model, help="what a file of weights is for")
    parser.add_argument("--classes", metavar="FILE", type=arguments.file, help="the classes' names, one a line")
    parser.add_argument("--invert", action="store_true", help="for dark strokes on white where training had white ones")
    parser.add_argument(
        "--picture", metavar="FILE", type=arguments.output(".png", ".svg", ".pdf"), help="default: prediction.png"
    )
    parser.set_defaults(run=predict, parser=parser)


def predict(args: Any) -> None:
    """Print and draw the likeliest classes of each image."""
    names = args.classes.read_text().splitlines() if args.classes else None
    trained = open_trained(args.source or str(newest_run()), args.model, names)
    images = [_open(path, trained.input_shape[0], args.invert) for path in args.images]
    with mg.no_grad():
        batch = mg.stack([trained.transform(image) for image in images])
        probabilities, indices = trained.model(batch).softmax(dim=1).topk(min(TOP, len(trained.classes)), dim=1)
    guesses = [
        [(trained.classes[index], share) for index, share in zip(places, shares, strict=True)]
        for places, shares in zip(indices.tolist(), probabilities.tolist(), strict=True)
    ]
    for path, guess in zip(args.images, guesses, strict=True):
        rows = [[name, f"{share:.1%}", "\u2588" * round(20 * share)] for name, share in guess]
        say(str(path), "bold")
        show(table(["class", "probability", ""], rows, "lrl"))
        say()
    picture = args.picture or Path("prediction.png")  # last: a full disk costs no answer
    draw_predictions(picture, images, guesses, [path.name for path in args.images], f"by {trained.origin}")
    say(f"by {trained.origin}; picture: {picture}")


def _open(path: Path, channels: int, invert: bool) -> Any:
    """The image of a file, grey or in colours as the network wants it."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            check_pixels(image)
            upright = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
    except Exception as error:  # a decoder raises anything on damaged bytes
        raise UsageError(f"{path} cannot be read as a picture: {error}") from None
    return ImageOps.invert(upright) if invert else upright
