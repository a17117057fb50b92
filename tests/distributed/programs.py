"""Programs that several processes run; the test starts them and reads what process 0 prints."""

import hashlib
import os
import signal
import sys
import time

import numpy as np

import minigrad as mg
from minigrad import distributed as dist
from minigrad import nn
from minigrad.autograd.checkpoint import checkpoint
from minigrad.data import DataLoader, DistributedSampler
from minigrad.nn import functional as F
from minigrad.nn.parallel import DistributedDataParallel
from minigrad.optim import SGD
from minigrad.vision.models import lenet5, resnet20

BATCH = 24


def build(name, dtype=mg.float64):
    mg.manual_seed(0)
    return (lenet5() if name == "lenet" else resnet20(in_channels=1)).to(dtype)


def flat(model, of):
    return np.concatenate([np.ascontiguousarray(of(p)).ravel() for p in model.parameters()])


def gradients(model):
    return flat(model, lambda parameter: parameter.grad.array)


def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def same_everywhere(value):
    values = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return len(set(values)) == 1


def batch(dtype=mg.float64):
    mg.manual_seed(7)
    return mg.randn(BATCH, 1, 28, 28, dtype=dtype), mg.randint(0, 10, (BATCH,))


def near(actual, expected, tolerance):
    error = np.abs(actual - expected).max() / np.abs(expected).max()
    assert error < tolerance, error


def collectives(rank, size):
    x = mg.full((3, 2), float(rank + 1))
    dist.all_reduce(x)
    assert x.tolist() == [[size * (size + 1) / 2] * 2] * 3
    for op, value in (("MAX", size), ("MIN", 1), ("AVG", (size + 1) / 2), ("PRODUCT", np.prod(range(1, size + 1)))):
        y = mg.full((2, 3), float(rank + 1)).T  # not contiguous
        dist.all_reduce(y, op=getattr(dist.ReduceOp, op))
        assert y.tolist() == [[value] * 2] * 3, (op, y)
    work = dist.all_reduce(z := mg.ones(5, dtype=mg.int64), async_op=True)
    work.wait()
    assert z.tolist() == [size] * 5
    dist.broadcast(w := mg.full((4,), float(rank)), src=size - 1)
    assert w.tolist() == [size - 1] * 4
    parts = [mg.empty(2) for _ in range(size)]
    dist.all_gather(parts, mg.tensor([rank, -rank]).float())
    assert [part.tolist() for part in parts] == [[r, -r] for r in range(size)]
    values = [f"of {rank}", rank]
    dist.broadcast_object_list(values, src=size - 1)
    assert values == [f"of {size - 1}", size - 1]
    dist.barrier()
    empty = mg.empty(0)
    dist.all_reduce(empty)


def gradients_are_those_of_the_joined_batch(rank, size):
    for name, dtype, tolerance in (
        ("lenet", mg.float64, 1e-13),
        ("resnet20", mg.float64, 1e-12),
        ("lenet", mg.float32, 1e-5),
    ):
        images, labels = batch(dtype)
        alone = build(name, dtype)
        F.cross_entropy(alone(images), labels).backward()
        model = build(name, dtype)
        if name == "resnet20":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        together = DistributedDataParallel(model, bucket_cap_mb=0.05)
        assert len(together._buckets) > 1
        F.cross_entropy(together(images[rank::size]), labels[rank::size]).backward()
        near(gradients(model), gradients(alone), tolerance)
        assert same_everywhere(digest(gradients(model)))
        if name == "resnet20":
            for mine, theirs in zip(model.buffers(), alone.buffers(), strict=True):
                near(mine.double().numpy() + 1, theirs.double().numpy() + 1, 1e-12)


def accumulated(rank, size):
    images, labels = batch()
    alone = build("lenet")
    F.cross_entropy(alone(images), labels).backward()
    model = build("lenet")
    together = DistributedDataParallel(model)
    mine, named = images[rank::size], labels[rank::size]
    half = len(named) // 2
    with together.no_sync():
        (F.cross_entropy(together(mine[:half]), named[:half]) / 2).backward()
    assert not same_everywhere(digest(gradients(model)))
    (F.cross_entropy(together(mine[half:]), named[half:]) / 2).backward()
    near(gradients(model), gradients(alone), 1e-13)


class Fork(nn.Module):
    """Uses `a` in process 0 alone, `b` in all, `c` nowhere; `d` is frozen, `e` is `b` again."""

    def __init__(self, rank):
        super().__init__()
        mg.manual_seed(0)
        self.rank = rank
        self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))
        self.d.requires_grad_(False)
        self.e = self.b

    def forward(self, x):
        return self.e(self.b(self.d(self.a(x) if self.rank == 0 else x)))


def unused_and_frozen(rank, size):
    model = Fork(rank)
    together = DistributedDataParallel(model)
    for _ in range(2):
        model.zero_grad()
        together(mg.ones(2, 4)).sum().backward()
        assert [p.grad is not None for p in model.parameters()] == [True] * 4 + [False] * 4
        assert same_everywhere(digest(*[p.grad.array for p in model.parameters() if p.grad is not None]))
    assert [name for name in together.state_dict()] == [f"module.{name}" for name in model.state_dict()]


def weights_stay_the_same(rank, size):
    for sync in (False, True):
        mg.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(144, 3)
        )
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model) if sync else model
        together = DistributedDataParallel(model.to(memory_format=mg.channels_last))
        optimizer = SGD(model.parameters(), 0.05, momentum=0.9)
        images, labels = mg.randn(60, 1, 8, 8), mg.randint(0, 3, (60,))
        sampler = DistributedSampler(labels, seed=1)
        mg.manual_seed(100 + rank)  # other dropout in each process
        losses = []
        for epoch in range(10):
            sampler.set_epoch(epoch)
            for chosen in DataLoader(range(60), 12 // size, sampler=sampler, collate_fn=list):
                optimizer.zero_grad()
                loss = F.cross_entropy(together(images[chosen]), labels[chosen])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        assert same_everywhere(digest(flat(model, lambda p: p.array))) and not same_everywhere(losses[-1])
        if sync:
            assert same_everywhere(digest(*[buffer.array for buffer in model.buffers()]))
        if rank == 0:
            print("weights", digest(flat(model, lambda p: p.array)))


def second_order(rank, size):
    """SyncBatchNorm's definition, which is differentiated where a graph of the gradient is wanted."""
    mg.manual_seed(3)
    x = mg.randn(size * 3, 2, dtype=mg.float64)
    found = []
    for norm, part in ((nn.BatchNorm1d(2).double(), x), (nn.SyncBatchNorm(2).double(), x[rank * 3 : rank * 3 + 3])):
        leaf = part.clone().requires_grad_()
        (first,) = mg.autograd.grad((norm(leaf) ** 3).sum(), leaf, create_graph=True)
        (second,) = mg.autograd.grad((first**2).sum(), leaf)
        found.append((first.detach().numpy(), second.numpy()))
    for alone, together in zip(*found, strict=True):
        near(together, alone[rank * 3 : rank * 3 + 3], 1e-10)


def other_models(rank, size):
    try:
        DistributedDataParallel(nn.Linear(3, 4 if rank == size - 1 else 5))
    except dist.DistributedError as error:
        assert "('parameter', 'weight', 'float32', (" in str(
            error
        ) and "all processes must build the same model" in str(error)
        print("refused", flush=True) if rank == 0 else None
        dist.barrier()
        return
    raise AssertionError("taken")


def unused_after_no_sync(rank, size):
    """What was used within no_sync, but not in the pass after it, has its gradient sent too."""
    mg.manual_seed(0)
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    model.forward = lambda name, x: model[name](x)
    together = DistributedDataParallel(model)
    for _ in range(2):
        model.zero_grad()
        with together.no_sync():
            together("a", mg.full((1, 2), float(rank))).sum().backward()
        together("b", mg.ones(1, 2)).sum().backward()
        assert model["a"].weight.grad.tolist() == [[(size - 1) / 2] * 2] * 2
        assert model["a"].bias.grad.tolist() == model["b"].bias.grad.tolist() == [1, 1]


def twice_in_one_pass(rank, size):
    """Two checkpointed parts use one layer: refused, not averaged wrongly; within no_sync it goes."""
    layer = nn.Linear(2, 2)
    together = DistributedDataParallel(layer)
    layer.forward = lambda x: checkpoint(twice, checkpoint(twice, x))
    kind, plain = nn.Linear.forward, layer

    def twice(x):
        return kind(plain, x)

    x = mg.full((1, 2), float(rank + 1), requires_grad=True)
    with together.no_sync():
        together(x).sum().backward()
    alone, layer.weight.grad, layer.bias.grad = layer.weight.grad.clone(), None, None
    try:
        together(x).sum().backward()
    except dist.DistributedError as error:
        assert "parameter weight" in str(error) or "parameter bias" in str(error), error
        assert "got its gradient in two parts" in str(error)
    else:  # one pass over both parts: then it must be right
        total = alone.clone()
        dist.all_reduce(total, op="avg")
        assert mg.allclose(total, layer.weight.grad)


def other_buffers(rank, size):
    model = nn.Linear(2, 2)
    model.register_buffer("seen", mg.zeros(3 if rank == 0 else 4))
    try:
        DistributedDataParallel(model)
    except dist.DistributedError as error:
        assert "('buffer', 'seen', 'float32', (" in str(error), error
        dist.barrier()
        return
    raise AssertionError("taken")


def numbers_that_mpi_lacks(rank, size):
    x = mg.full((2, 3), float(rank + 1)).half()
    dist.all_reduce(x)
    assert x.dtype == mg.float16 and (x == size * (size + 1) / 2).all()
    flags = mg.tensor([rank == 0, True])
    dist.all_reduce(flags, op=dist.ReduceOp.MIN)
    assert flags.tolist() == [False, True]
    gathered = [mg.zeros(2).half() for _ in range(size)]
    dist.all_gather(gathered, mg.full((2,), float(rank)).half())
    assert [part.tolist() for part in gathered] == [[float(r)] * 2 for r in range(size)]
    transposed = mg.arange(6.0).reshape(2, 3).T
    dist.all_reduce(transposed, op=dist.ReduceOp.AVG)
    assert transposed.tolist() == [[0, 3], [1, 4], [2, 5]]
    number = mg.tensor(float(rank))
    dist.broadcast(number, src=size - 1)
    assert number.shape == () and number.item() == size - 1


def sync_batch_norm_with_uneven_batches(rank, size):
    for counts, affine, momentum in (([3, 1, 4, 2], True, 0.1), ([2, 0, 3, 1], False, None), ([1] * 4, True, None)):
        mg.manual_seed(1)
        x = mg.randn(sum(counts[:size]), 4, 2, 2, dtype=mg.float64) * 3 + 100
        gradient = mg.randn(*x.shape, dtype=mg.float64)
        start = sum(counts[:rank])
        mine = slice(start, start + counts[rank])
        alone = nn.BatchNorm2d(4, affine=affine, momentum=momentum, dtype=mg.float64)
        norm = nn.SyncBatchNorm(4, affine=affine, momentum=momentum, dtype=mg.float64)
        whole, part = x.clone().requires_grad_(), x[mine].clone().requires_grad_()
        want, got = alone(whole), norm(part)
        want.backward(gradient)
        got.backward(gradient[mine])
        assert mg.allclose(got, want[mine], atol=1e-11) and mg.allclose(part.grad, whole.grad[mine], atol=1e-11)
        for buffer, its in zip(norm.buffers(), alone.buffers(), strict=True):
            assert mg.allclose(buffer, its, atol=1e-11)
    for input, kind, words in (
        (mg.ones(2, 5, 2, 2), RuntimeError, "expected 4 channels"),
        (mg.ones(1 if rank == 0 else 0, 4, 1, 1), ValueError, "more than 1 value per channel"),
    ):
        try:
            nn.SyncBatchNorm(4)(input)
        except kind as error:
            assert words in str(error), error
        else:
            raise AssertionError(words)


def others_hang_at_the_end(rank, size):
    if rank == size - 1:
        time.sleep(60)


def stops(rank, size):
    if rank == size - 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    dist.all_reduce(mg.ones(3))


def waits(rank, size):
    dist.barrier()
    if rank == 0:
        print("waiting", flush=True)
    time.sleep(60)


def kill(rank, size):
    dist.barrier()
    if rank == size - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.barrier()


def raises(rank, size):
    if rank == size - 1:
        raise ValueError("on purpose")
    dist.barrier()


def exits(rank, size):
    if rank == size - 1:
        sys.exit(3)
    dist.all_reduce(mg.ones(3))


def hangs(rank, size):
    if rank == size - 1:
        time.sleep(60)
    dist.all_reduce(mg.ones(3))


if __name__ == "__main__":
    name = sys.argv[1]
    dist.init_process_group(timeout=3.0 if name in ("hangs", "stops", "others_hang_at_the_end") else 60.0)
    globals()[name](dist.get_rank(), dist.get_world_size())
    if dist.get_rank() == 0:
        print("done", dist.get_world_size(), flush=True)
