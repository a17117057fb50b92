"""Pages on which one walks through a forward and backward pass, each embedded in a page that says what it shows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import mkdocs_gen_files

import minigrad as mg
from minigrad import nn, study
from minigrad.nn import functional as F
from minigrad.vision import datasets, models, transforms


def first_lesson(path: Path) -> None:
    study.step(path=path)


def lenet(path: Path) -> None:
    image, label = datasets.FashionMNISTSample(False, transforms.ToTensor())[0]
    model = models.LeNet5()
    with study.trace(keep_values=True) as trace:
        F.cross_entropy(model(image.unsqueeze(0)), mg.tensor([label])).backward()
    study.step(trace, path)


def batch_norm(path: Path) -> None:
    x = mg.randn(4, 3, requires_grad=True)
    norm = nn.BatchNorm1d(3)
    with study.trace(keep_values=True) as trace:
        (norm(x) * mg.randn(4, 3)).sum().backward()
    study.step(trace, path)


def residual_block(path: Path) -> None:
    block = models.resnet.BasicBlock(2, 2)
    with study.trace(keep_values=True) as trace:
        block(mg.randn(2, 2, 4, 4, requires_grad=True)).square().sum().backward()
    study.step(trace, path)


PAGES: dict[str, tuple[str, str, Callable[[Path], None]]] = {
    "first": (
        "A first backward pass",
        "Four operations on two numbers, from the beginning: why a node must wait for all its gradients.",
        first_lesson,
    ),
    "lenet": (
        "LeNet-5 on one picture",
        "Every operation of LeNet-5 and of its loss, forward and backward, with values, formulas and source.",
        lenet,
    ),
    "batch_norm": (
        "The backward pass of batch norm",
        "A batch of four rows: the gradient of each passes through the mean and the variance of all.",
        batch_norm,
    ),
    "residual_block": (
        "A residual block",
        "Two convolutions with batch norm, and a shortcut around them: the gradient arrives by both ways and is added.",
        residual_block,
    ),
}

navigation = []
for name, (title, about, write) in PAGES.items():
    mg.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.html")
        write(path)
        with mkdocs_gen_files.open(f"learn/steppers/pages/{name}.html", "w") as file:
            file.write(path.read_text(encoding="utf-8"))
    with mkdocs_gen_files.open(f"learn/steppers/{name}.md", "w") as file:
        file.write(
            f"---\nhide: [toc]\n---\n\n# {title}\n\n*To step through, ten minutes; the arrow keys go on and back.* "
            f"{about}\n\n"
            f"[Open it in a window of its own](pages/{name}.html){{ target=_blank }}\n\n"
            f'<iframe class="stepper" src="pages/{name}.html" title="{title}, to step through"></iframe>\n'
        )
    navigation.append(f"* [{title}]({name}.md)\n")

with mkdocs_gen_files.open("learn/steppers/SUMMARY.md", "w") as file:
    file.writelines(navigation)
