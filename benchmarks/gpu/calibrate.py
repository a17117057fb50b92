"""Measures what `kernels/cuda/tiling.py` estimates with: how fast each tile goes, and what a launch and a start cost.

A tile's rate is read off a convolution with many blocks for every multiprocessor. One block on each, at two depths,
tells the share of that rate which a lone block reaches (the slope) and what it takes to begin and to end (the
intercept). The answer has the form of tiling.json, the table that the kernels read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.gpu.clock import typical_device_time
from minigrad.kernels.conv2d import cuda as conv2d
from minigrad.kernels.cuda import array_module, backend, simulated, tiling
from minigrad.kernels.cuda.tiling import Tile
from minigrad.kernels.matmul.cuda import sum_parts

ALGORITHMS = {"exact": np.float32, "exact_double": np.float64, "tensor_cores": np.float32}


def calibrate(size: int, channels: int, bytes: int, seconds: float) -> dict[str, Any]:
    """The table of this GPU.

    Args:
        size: Height and width of the pictures that the rates are measured on; 64 of them.
        channels: Channels of these, in and out; a multiple of 128, so that no tile is cut off.
        bytes: What is copied, to measure the memory.
        seconds: That each measurement may take, about.
    """
    xp = array_module(None)
    device = asdict(tiling.DEVICE)
    if not simulated():  # which has neither multiprocessors nor a clock
        attributes = xp.cuda.Device().attributes
        device |= {"multiprocessors": attributes["MultiProcessorCount"], "clock": 1e3 * attributes["ClockRate"]}
    every_cycle = device["multiprocessors"] * device["clock"]

    source, target = xp.ones(bytes // 4, np.float32), xp.empty(bytes // 4, np.float32)
    device["bytes_per_cycle"] = (
        2 * bytes / device["clock"] / typical_device_time(lambda: xp.copyto(target, source), seconds)
    )
    one, few = xp.ones((1, 2, 4), np.float32), xp.empty((1, 4), np.float32)
    device["launch"] = device["clock"] * typical_device_time(lambda: sum_parts(one, few), seconds)

    tiles: dict[str, list[list[float]]] = {}
    for kind, dtype in ALGORITHMS.items():
        tiles[kind] = []
        for tile in tiling.TILES[kind]:
            run, products = _convolution(kind, (64, size, size), channels, channels, dtype)
            with only(tile):
                rate = products / typical_device_time(run, seconds) / every_cycle
            tiles[kind].append([tile.rows, tile.columns, tile.step, float(f"{rate:.4g}")])

    tile, rate = tiling.TENSOR_CORES[0], tiles["tensor_cores"][0][3]
    lone = []
    for depth in (channels, 2 * channels):
        images = device["multiprocessors"] if not simulated() else 1, 8, tile.rows // 8
        run, _ = _convolution("tensor_cores", images, depth, tile.columns, np.float32)
        with only(tile):
            lone.append(device["clock"] * typical_device_time(run, seconds))
    more = tile.rows * tile.columns * 9 * channels  # multiply-adds that the deeper one has more
    slope = max(lone[1] - lone[0], 1.0)
    device["alone"] = round(min(1.0, more / rate / slope), 3)
    # The weights are transposed first: a launch of its own.
    device["start"] = round(max(0.0, 2 * lone[0] - lone[1] - 2 * device["launch"]))
    device["launch"], device["bytes_per_cycle"] = round(device["launch"]), round(device["bytes_per_cycle"], 1)
    return {
        "source": f"measured on {backend().device_name()}, {time.strftime('%Y-%m-%d')}",
        "device": device,
        "tiles": tiles,
    }


@contextmanager
def only(tile: Tile) -> Iterator[None]:
    """Convolutions take this tile and leave the depth whole: tiling has no such switch, and shall have none."""
    chosen = conv2d.cut
    conv2d.cut = lambda tiles, rows, columns, depth, count=1: (tile, 1, -(-depth // tile.step) * tile.step)
    try:
        yield
    finally:
        conv2d.cut = chosen


def _convolution(
    kind: str, images: tuple[int, int, int], channels: int, out_channels: int, dtype: type
) -> tuple[Callable[[], object], int]:
    """A 3x3 convolution of (batch, height, width), channels last; and how many multiply-adds it has."""
    xp = array_module(None)
    batch, height, width = images
    x = xp.ones((batch, height, width, channels), dtype).transpose(0, 3, 1, 2)
    weight = xp.ones((out_channels, 3, 3, channels), dtype).transpose(0, 3, 1, 2)
    algorithm = "tensor_cores" if kind == "tensor_cores" else "exact"

    def run() -> object:
        return conv2d.forward(x, weight, None, (1, 1), (1, 1), (1, 1), 1, algorithm=algorithm)

    return run, batch * height * width * out_channels * 9 * channels
