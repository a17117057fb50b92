"""Times single operations, forward and backward, in the library chosen by `benchmarks.backend`.

python -m benchmarks.operations LAYOUT SECONDS prints a list of rows as JSON. Work is counted as the definition has it
(a convolution directly, 2 flop a multiply-add, padding included), traffic as each array read or written once.
"""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.backend import F, torch
from benchmarks.models import lenet5, vgg11_small
from benchmarks.timing import typical_time

Timer = Callable[[Callable[[], object]], float]  # typical seconds of a run


@dataclass
class Operation:
    name: str
    function: Callable  # of the input and the weights
    input: tuple[int, ...]
    output: tuple[int, ...]
    weights: list[tuple[int, ...]]
    flop: int = 0  # of each pass
    backward_reads_output: bool = False  # or the input: a third large array next to the two gradients

    def bytes(self, backward: bool) -> int:
        """Traffic of a pass in float32."""
        extra = math.prod(self.output) if backward and self.backward_reads_output else 0
        return 4 * (math.prod(self.input) + math.prod(self.output) + sum(map(math.prod, self.weights)) + extra)


def convolution(network, batch, channels, size, out_channels, kernel=3, stride=1, padding=1, bias=False):
    out = (size + 2 * padding - kernel) // stride + 1
    weights = [(out_channels, channels, kernel, kernel)] + [(out_channels,)] * bias
    name = f"{network} conv {kernel}x{kernel}{f' /{stride}' if stride > 1 else ''}, "
    name += f"{batch}x{channels}x{size}x{size} to {out_channels}"
    return Operation(
        name,
        lambda x, weight, bias=None: F.conv2d(x, weight, bias, stride, padding),
        (batch, channels, size, size),
        (batch, out_channels, out, out),
        weights,
        flop=2 * batch * out * out * math.prod(weights[0]),
    )


def max_pooling(network, batch, channels, size, kernel=2, stride=2, padding=0):
    out = (size + 2 * padding - kernel) // stride + 1
    shape, pooled = (batch, channels, size, size), (batch, channels, out, out)
    name = f"{network} max pool {kernel}x{kernel}, {'x'.join(map(str, shape))}"
    return Operation(name, lambda x: F.max_pool2d(x, kernel, stride, padding), shape, pooled, [])


def average_pooling(network, batch, channels, size):
    """Global: to one number a channel."""
    shape, pooled = (batch, channels, size, size), (batch, channels, 1, 1)
    name = f"{network} average pool, {'x'.join(map(str, shape))}"
    return Operation(name, lambda x: F.avg_pool2d(x, size), shape, pooled, [])


def batch_norm(network, *shape, device="cpu"):
    channels = shape[1]
    mean, var = torch.zeros(channels, device=device), torch.ones(channels, device=device)
    return Operation(
        f"{network} batch norm, {'x'.join(map(str, shape))}",
        lambda x, weight, bias: F.batch_norm(x, mean, var, weight, bias, training=True),
        shape,
        shape,
        [(channels,), (channels,)],
        backward_reads_output=True,
    )


def relu(network, *shape):
    name = f"{network} ReLU, {'x'.join(map(str, shape))}"
    return Operation(name, F.relu, shape, shape, [], backward_reads_output=True)


def dropout(network, *shape):
    name = f"{network} dropout, {'x'.join(map(str, shape))}"
    return Operation(name, lambda x: F.dropout(x, 0.5), shape, shape, [])


def linear(network, batch, features, out_features):
    weights = [(out_features, features), (out_features,)]
    name, flop = f"{network} linear, {batch}x{features} to {out_features}", 2 * batch * features * out_features
    return Operation(name, F.linear, (batch, features), (batch, out_features), weights, flop)


def cross_entropy(network, batch, classes, device="cpu"):
    labels = torch.randint(0, classes, (batch,)).to(device)
    return Operation(
        f"{network}cross-entropy, {batch}x{classes}", lambda x: F.cross_entropy(x, labels), (batch, classes), (), []
    )


def operations() -> list[Operation]:
    """Every different layer of LeNet-5 (batch 64), VGG-11 (64) and ResNet-18 for 32x32 (32), and some of 224x224."""
    vgg = [(1, 32, 64), (64, 16, 128), (128, 8, 256), (256, 8, 256), (256, 4, 512), (512, 4, 512), (512, 2, 512)]
    resnet = [(3, 32, 64), (64, 32, 64), (128, 16, 128), (256, 8, 256), (512, 4, 512)]
    narrowing = [(64, 32, 128), (128, 16, 256), (256, 8, 512)]
    return [
        convolution("LeNet", 64, 1, 28, 6, kernel=5, padding=2, bias=True),
        convolution("LeNet", 64, 6, 14, 16, kernel=5, padding=0, bias=True),
        *(convolution("VGG-11", 64, *geometry, bias=True) for geometry in vgg),
        *(convolution("ResNet-18", 32, *geometry) for geometry in resnet),
        *(convolution("ResNet-18", 32, *geometry, stride=2) for geometry in narrowing),
        *(convolution("ResNet-18", 32, *geometry, kernel=1, stride=2, padding=0) for geometry in narrowing),
        convolution("ResNet 224", 8, 3, 224, 64, kernel=7, stride=2, padding=3),
        convolution("ResNet 224", 8, 64, 56, 64),
        convolution("ResNet-50", 4, 256, 56, 64, kernel=1, padding=0),
        max_pooling("LeNet", 64, 6, 28),
        max_pooling("LeNet", 64, 16, 10),
        max_pooling("VGG-11", 64, 64, 32),
        max_pooling("ResNet 224", 8, 64, 112, kernel=3, stride=2, padding=1),
        batch_norm("VGG-11", 64, 64, 32, 32),
        batch_norm("VGG-11", 64, 512, 4, 4),
        relu("LeNet", 64, 6, 28, 28),
        relu("VGG-11", 64, 64, 32, 32),
        linear("LeNet", 64, 400, 120),
        linear("VGG-11", 64, 512, 10),
        linear("VGG 224", 4, 25088, 4096),
        cross_entropy("", 64, 10),
        cross_entropy("", 64, 1000),
    ]


def time_passes(operation: Operation, layout: str, time_of: Timer, device: str = "cpu") -> dict[str, float]:
    """Seconds of the forward pass without a graph, and of each gradient alone."""
    x = in_layout(torch.randn(operation.input, device=device), layout)
    weights = [in_layout(0.05 * torch.randn(shape, device=device), layout) for shape in operation.weights]
    with torch.no_grad():
        times = {"forward": time_of(lambda: operation.function(x, *weights))}
    times["input gradient"] = time_gradient(operation, [x], x, weights, layout, time_of)
    if weights:
        times["weight gradient"] = time_gradient(operation, weights, x, weights, layout, time_of)
    return times


def time_gradient(operation, wanted, x, weights, layout, time_of):
    for tensor in wanted:
        tensor.requires_grad_(True)
    y = operation.function(x, *weights)
    dy = in_layout(torch.randn(y.shape, device=y.device), layout)
    time = time_of(lambda: torch.autograd.grad(y, wanted, dy, retain_graph=True))
    for tensor in wanted:
        tensor.requires_grad_(False)
    return time


def in_layout(tensor, layout):
    is_image = layout == "channels_last" and tensor.ndim == 4
    return tensor.to(memory_format=torch.channels_last) if is_image else tensor


def time_optimizer(network, model, seconds):
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, weight_decay=5e-4)
    count = sum(parameter.numel() for parameter in model.parameters())
    traffic = 5 * 4 * count  # reads parameter, gradient and momentum; writes parameter and momentum
    passes = {"forward": {"seconds": typical_time(optimizer.step, seconds), "flop": 0, "bytes": traffic}}
    return {"name": f"SGD step, {network}'s parameters", "passes": passes}


def main():
    layout, seconds = sys.argv[1], float(sys.argv[2])
    torch.manual_seed(0)
    rows = []
    for operation in operations():
        times = time_passes(operation, layout, lambda run: typical_time(run, seconds))
        passes = {
            name: {"seconds": time, "flop": operation.flop, "bytes": operation.bytes(name != "forward")}
            for name, time in times.items()
        }
        rows.append({"name": operation.name, "passes": passes})
    rows += [time_optimizer("LeNet", lenet5(1), seconds), time_optimizer("VGG-11", vgg11_small(1), seconds)]
    print(json.dumps({"operations": rows}))


if __name__ == "__main__":
    main()
