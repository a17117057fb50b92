"""Why deep networks did not learn, and what changed that: the gradient's norm in each layer of networks 5 to 50 deep.

python examples/vanishing_gradients.py    one picture, runs/vanishing_gradients.png, in less than a minute

Each network sees the same pictures once; `backward` leaves a gradient in every layer, and its norm is drawn. Nothing
is trained. The chain rule multiplies: 50 factors of 0.2 are 1e-35, 50 factors of 1.5 are 6e8.
"""

import argparse
from functools import partial
from pathlib import Path

import minigrad as mg
from minigrad import nn
from minigrad.nn.utils import clip_grad_norm_, clip_grad_value_
from minigrad.study.plots.figure import BLUE, ORANGE, NotebookFigure
from minigrad.vision.datasets import FashionMNISTSample

DEPTHS = (5, 10, 20, 30, 50)
CHANNELS = 16
PICTURES = 64
MAX_NORM, MAX_VALUE = 1.0, 0.01  # of the clipped gradient: of all its elements together, of each of them
TOO_LARGE = 1.5  # times the weights that keep a ReLU's signal as it is


class Deep(nn.Module):
    """`depth` 3x3 convolutions, one like the other, then a classifier; `residual` adds each one's input to its output.

    The weights' deviation is sqrt(gain / inputs). With a gain of 2 a ReLU keeps the size of what goes through it (He
    et al. 2015): it loses half of it, and the weights double it again.
    """

    def __init__(self, depth, activation, batch_norm=False, residual=False, gain=2.0):
        super().__init__()
        self.stem = nn.Conv2d(1, CHANNELS, 3, stride=2, padding=1)
        self.layers = nn.ModuleList([nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False) for _ in range(depth)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(CHANNELS) if batch_norm else nn.Identity() for _ in range(depth)])
        self.activation, self.residual = activation, residual
        self.head = nn.Linear(CHANNELS, 10)
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=(gain / (9 * CHANNELS)) ** 0.5)

    def forward(self, x):
        x = self.stem(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            change = self.activation(norm(layer(x)))
            x = x + change if self.residual else change
        return self.head(x.mean(dim=(2, 3)))


def gradient_norms(depth, images, labels, clip=None, **kind):
    """The norm of the gradient of each layer's weights, the first layer's first."""
    mg.manual_seed(0)
    network = Deep(depth, **kind)
    nn.functional.cross_entropy(network(images), labels).backward()
    if clip is not None:
        clip(network.parameters())
    return [layer.weight.grad.double().norm().item() for layer in network.layers]  # float32 has no squares of 1e-30


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/vanishing_gradients.png"), help="default %(default)s")
    output = parser.parse_args().output
    data = FashionMNISTSample()
    batch = (data.data[:PICTURES].unsqueeze(1).float() / 255 - 0.286) / 0.353, data.targets[:PICTURES]

    vanishing = {
        "Sigmoid: it vanishes, a shortcut lets it past": {"activation": mg.sigmoid},
        "ReLU: right weights hold it, bare shortcuts add up": {"activation": mg.relu},
        "Batch norm and shortcuts: calm at any depth": {"activation": mg.relu, "batch_norm": True},
    }
    exploding = {
        f"Plain ReLU, weights {TOO_LARGE:g} times as large: it explodes": None,
        f"clip_grad_norm_({MAX_NORM:g}): all layers scaled alike": partial(clip_grad_norm_, max_norm=MAX_NORM),
        f"clip_grad_value_({MAX_VALUE:g}): each element cut": partial(clip_grad_value_, clip_value=MAX_VALUE),
    }
    above = {
        title: {
            name: [gradient_norms(depth, *batch, residual=name == "residual", **kind) for depth in DEPTHS]
            for name in ("plain", "residual")
        }
        for title, kind in vanishing.items()
    }
    large = {"activation": mg.relu, "gain": 2 * TOO_LARGE**2}
    below = {
        title: {"plain": [gradient_norms(depth, *batch, clip, **large) for depth in DEPTHS]}
        for title, clip in exploding.items()
    }

    for title, lines in {**above, **below}.items():
        print(title)
        for name, networks in lines.items():
            ends = [f"{len(norms):4}: {norms[0]:.0e} .. {norms[-1]:.0e}" for norms in networks]
            print(f"    {name:9} first and last layer, by depth {''.join(ends)}")
    output.parent.mkdir(parents=True, exist_ok=True)
    draw(above, below).savefig(output)
    print(f"picture: {output}")


def draw(above, below):
    """A panel for each way to build a network, a line for each depth, from its first layer to its last."""
    figure = NotebookFigure("The gradient that reaches each layer of networks 5 to 50 deep", 13, 8)
    upper, lower = figure.subplots(2, 3, sharex=True, sharey="row")
    for axes, panels in ((upper, above), (lower, below)):
        for axis, (title, lines) in zip(axes, panels.items(), strict=True):
            axis.set_title(title, fontsize=11, loc="left")
            for name, networks in lines.items():
                for place, norms in enumerate(networks, 1):
                    strength = place / len(networks)  # the deeper the stronger
                    style = {"color": ORANGE if name == "plain" else BLUE, "alpha": 0.2 + 0.8 * strength}
                    axis.plot(range(1, len(norms) + 1), norms, linewidth=0.8 + 1.2 * strength, **style)
                    axis.plot(len(norms), norms[-1], marker="o", markersize=4, **style)
            axis.set_yscale("log")
            axis.set_xticks(DEPTHS)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
        axes[0].set_ylabel("norm of the layer's gradient")
    for axis in lower:
        axis.set_xlabel("layer; a line ends at its network's last")
    upper[0].set_yticks([1e-24, 1e-16, 1e-8, 1, 1e8])
    upper[0].plot([], [], color=ORANGE, linewidth=2, label="plain")
    upper[0].plot([], [], color=BLUE, linewidth=2, label="residual: each layer's input is added to its output")
    figure.legend(frameon=False, loc="upper right", ncols=2)
    return figure


if __name__ == "__main__":
    main()
