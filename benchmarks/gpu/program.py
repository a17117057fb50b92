"""The measured program on a GPU: one library, one case, and one measurement for every line on stdin.

python -m benchmarks.gpu.program, started by `benchmarks.gpu.turns` with the library in BENCHMARK_LIBRARY. Its first
line is the case, each further one what is to be measured, as JSON; so is each answer, {"error": ...} if it failed.
"""

import inspect
import json
import os
import sys
import time
import traceback

if os.environ["BENCHMARK_LIBRARY"] == "minigrad":
    import minigrad

    minigrad.use_kernels("reference")  # for first weights on the host: the same numbers, and no Numba to wait for

from benchmarks import models, operations
from benchmarks.backend import nn, torch
from benchmarks.gpu.clock import (
    DEVICE,
    IS_TORCH,
    ON_GPU,
    event,
    occupation,
    seconds_each,
    typical_device_time,
    typical_time,
    wait,
)


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    kind, task = json.loads(sys.stdin.readline())
    measure = {"network": Networks, "layers": time_layer, "limits": limits, "profile": profile}.get(kind)
    if kind == "network":
        measure = Networks(**task)
    elif kind == "calibration":
        from benchmarks.gpu.calibrate import calibrate as measure
    for line in sys.stdin:
        try:
            answer = measure(**json.loads(line))
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:400]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Networks:
    """A network's contenders in this library, each built when its first turn comes."""

    def __init__(self, model: str, batch: int, channels: int, size: int, conv_tf32: bool, matmul_tf32: bool):
        self.model, self.batch, self.channels, self.size = model, batch, channels, size
        _allow_tf32(conv_tf32, matmul_tf32)
        self.built: dict[str, tuple] = {}

    def __call__(self, contender: str, layout: str, graph: bool, compiled: bool, seconds: float) -> dict:
        """Seconds of a training step and of inference; the first time the memory that training took, too."""
        if IS_TORCH:
            torch.backends.cudnn.benchmark = layout == "channels_last"
        answer = {}
        if contender not in self.built:
            before = _start_memory()
            self.built[contender] = model, step, _ = self.build(layout, graph, compiled)
            if ON_GPU:
                step()
                wait()
                answer["peak memory"] = torch.cuda.max_memory_allocated() - before
        model, step, infer = self.built[contender]
        model.train()
        answer["training step"] = typical_time(step, seconds)
        model.eval()
        if infer is None:
            infer = captured(self.inference(model, layout)) if graph else self.inference(model, layout)
            self.built[contender] = model, step, infer
        answer["inference"] = typical_time(infer, seconds / 2)
        return answer

    def images(self, layout: str):
        images = torch.randn(self.batch, self.channels, self.size, self.size, device=DEVICE)
        return images.to(memory_format=torch.channels_last) if layout == "channels_last" else images

    def build(self, layout: str, graph: bool = False, compiled: bool = False) -> tuple:
        """The network, its training step, and None where its inference will be."""
        torch.manual_seed(0)
        model = getattr(models, self.model)(self.channels).to(DEVICE)
        if layout == "channels_last":
            model = model.to(memory_format=torch.channels_last)
        if compiled:
            model = torch.compile(model)
        images, labels = self.images(layout), torch.randint(0, 10, (self.batch,)).to(DEVICE)
        criterion = nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)

        def step():
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            return loss

        for _ in range(2):  # the second one with all state there
            loss = step().item()
        if not loss < 100:  # a diverged network would be measured on infinities
            raise RuntimeError(f"{self.model}: the loss has diverged")
        return model, captured(step) if graph else step, None

    def inference(self, model, layout: str):
        images = self.images(layout)

        def infer():
            with torch.inference_mode():
                return model(images)

        return infer


def captured(run):
    """`run` as one CUDA graph: a function that replays it. The same in both libraries."""
    if IS_TORCH:
        if not ON_GPU:
            raise RuntimeError("PyTorch has no CUDA here")
        side = torch.cuda.Stream()  # it wants the runs before the capture on another stream
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(side)
    else:
        for _ in range(3):
            run()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def time_layer(operation: str, arguments: list[int], batch: int, layout: str, seconds: float) -> dict:
    """Seconds of each pass of an operation on the GPU alone; its arithmetic, and its traffic of memory."""
    _allow_tf32(conv=True, matmul=False)
    if IS_TORCH:
        torch.backends.cudnn.benchmark = layout == "channels_last"
    make = getattr(operations, operation)
    on_device = {"device": DEVICE} if "device" in inspect.signature(make).parameters else {}
    made = make("", batch, *arguments, **on_device)
    passes = operations.time_passes(made, layout, lambda run: typical_device_time(run, seconds), DEVICE)
    return {"passes": passes, "flop": made.flop, "bytes": {name: made.bytes(name != "forward") for name in passes}}


def profile(model: str, batch: int, channels: int, size: int) -> dict:
    """Seconds and launches of each of our kernels in an eager training step, between events around every launch.

    What is left of the step is CuPy's own kernels, copies, and, if the host is slow, the time the GPU waits for it.
    """
    from minigrad.kernels.cuda import backend

    _, step, _ = Networks(model, batch, channels, size, conv_tf32=True, matmul_tf32=False).build("contiguous")
    marks, own = [], type(backend())
    launch = own.launch

    def timed(self, file, function, *rest):
        begin, end = event(), event()
        begin.record()
        launch(self, file, function, *rest)
        end.record()
        marks.append((file, function, begin, end))

    host = time.perf_counter()
    step()
    go_ahead = occupation(2 * (time.perf_counter() - host))
    wait()
    begin, end = event(), event()
    own.launch = timed
    try:
        go_ahead()
        begin.record()
        step()
        end.record()
        wait()
    finally:
        own.launch = launch
    end.synchronize()
    kernels: dict[str, dict] = {}
    for file, function, first, last in marks:
        kernel = kernels.setdefault(f"{file} {function}", {"launches": 0, "seconds": 0.0})
        kernel["launches"] += 1
        kernel["seconds"] += first.elapsed_time(last) / 1000
    whole = begin.elapsed_time(end) / 1000
    order = sorted(kernels.items(), key=lambda item: -item[1]["seconds"])
    return {"seconds": whole, "kernels": dict(order)}


def limits(size: int, bytes: int, seconds: float) -> dict:
    """What the GPU can do at best, through PyTorch: a large product with and without TF32, and a copy."""
    a, b = (torch.randn(size, size, device=DEVICE) for _ in range(2))
    found = {}
    for name, allowed in (("tf32_flop_per_second", True), ("fp32_flop_per_second", False)):
        _allow_tf32(conv=True, matmul=allowed)
        found[name] = 2 * size**3 / typical_time(lambda: a @ b, seconds)
    source, target = (torch.empty(bytes // 4, device=DEVICE) for _ in range(2))
    target.copy_(source)
    found["copy_bytes_per_second"] = 2 * bytes / seconds_each(lambda: target.copy_(source), 20)
    found["cuda"], found["cudnn"] = torch.version.cuda, torch.backends.cudnn.version()
    found["capability"] = torch.cuda.get_device_capability() if ON_GPU else None
    found["device"] = torch.cuda.get_device_name() if ON_GPU else "cpu"
    return found


def _allow_tf32(conv: bool, matmul: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = matmul
    if IS_TORCH:
        torch.backends.cudnn.allow_tf32 = conv
    else:
        torch.backends.cuda.conv.allow_tf32 = conv


def _start_memory() -> int:
    """Begins to look for the peak; the bytes in use now."""
    if not ON_GPU:
        return 0
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


if __name__ == "__main__":
    main()
