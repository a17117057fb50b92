"""DataLoader with worker processes, forked (the default on Linux) and spawned."""

import gc
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from needs import HANGS, posix_signals

from minigrad import no_grad
from minigrad.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info
from minigrad.generator import Generator, initial_seed, manual_seed
from minigrad.nn import functional as F
from minigrad.ops.random import randint
from minigrad.tensor import from_array


class Draws(Dataset):
    """Each sample: its index, and a random number from each of the global generators."""

    def __init__(self, size=12):
        self.size = size

    def __getitem__(self, index):
        return index, randint(0, 2**31, (1,)).item(), int(np.random.randint(2**31)), random.getrandbits(31)

    def __len__(self):
        return self.size


class Shares(IterableDataset):
    """Each worker's share of a range."""

    def __init__(self, size):
        self.size = size

    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, self.size, info.num_workers))


class Misbehaving(Dataset):
    """Sample 5 misbehaves in the way that is asked for."""

    def __init__(self, how):
        self.how = how

    def __getitem__(self, index):
        if index == 5:
            if self.how == "raise":
                raise FileNotFoundError(2, "no such picture", "5.png")
            if self.how == "raise what does not pickle":
                raise Unpicklable("deep", "trouble")
            if self.how == "return what does not pickle":
                return lambda: None
            if self.how == "die":
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
            if self.how == "hang":
                time.sleep(60)
        return index

    def __len__(self):
        return 8


class Unpicklable(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


class Where(Dataset):
    """Where a sample is made: the process and the worker's number and seed."""

    def __getitem__(self, index):
        info = get_worker_info()
        return os.getpid(), info.id, info.num_workers, info.seed, initialised

    def __len__(self):
        return 8


initialised = -1


def initialise(worker_id):
    global initialised
    initialised = worker_id


def pictures(size=20):
    pixels = np.arange(size * 300, dtype=np.float32).reshape(size, 300)
    return TensorDataset(from_array(pixels), from_array(np.arange(size)))


def as_is(samples):
    return samples


def no_workers_left():
    gc.collect()
    return not multiprocessing.active_children()


def test_the_same_batches_whatever_the_number_of_workers():
    expected = None
    for num_workers in (0, 1, 3):
        loader = DataLoader(
            pictures(),
            batch_size=3,
            shuffle=True,
            num_workers=num_workers,
            generator=Generator().manual_seed(1),
        )
        epochs = [[(x.tolist(), y.tolist()) for x, y in loader] for _ in range(2)]
        expected = expected or epochs
        assert epochs == expected
        assert no_workers_left()


def test_batches_can_be_written_to():
    for pixels, _ in DataLoader(pictures(), batch_size=10, num_workers=1):
        pixels.array[...] = 0


def test_random_streams_are_independent_and_the_same_for_any_number_of_workers():
    def epochs(num_workers):
        manual_seed(3)
        loader = DataLoader(Draws(), batch_size=2, num_workers=num_workers)
        return [np.concatenate([np.array([column.tolist() for column in batch]) for batch in loader], 1) for _ in "ab"]

    first, second = epochs(2)
    assert first[0].tolist() == second[0].tolist() == list(range(12))
    drawn = np.concatenate([first[1:], second[1:]], axis=1)
    for stream in drawn:
        assert len(set(stream.tolist())) == 24  # nothing repeats, in workers or in epochs
    for one, other in zip(epochs(3), (first, second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_random_streams_go_on_in_the_middle_of_an_epoch():
    def make():
        return DataLoader(Draws(), batch_size=2, shuffle=True, num_workers=2, generator=Generator().manual_seed(1))

    loader = make()
    batches = iter(loader)
    for _ in range(4):
        next(batches)
    saved = loader.state_dict()
    rest = [[column.tolist() for column in batch] for batch in batches]
    resumed = make()
    resumed.load_state_dict(saved)
    assert [[column.tolist() for column in batch] for batch in resumed] == rest
    assert len(rest) == 2


def test_workers_know_themselves():
    loader = DataLoader(Where(), num_workers=2, collate_fn=as_is, worker_init_fn=initialise)
    (rows,) = zip(*loader, strict=True)
    assert os.getpid() not in {row[0] for row in rows}
    assert [row[1] for row in rows] == [0, 1] * 4
    assert all(row[2] == 2 and row[4] == row[1] for row in rows)
    assert rows[1][3] == rows[0][3] + 1


@pytest.mark.parametrize("persistent", [True, False])
def test_persistent_workers_stay(persistent):
    loader = DataLoader(Where(), num_workers=1, collate_fn=as_is, persistent_workers=persistent)
    first, second = ({batch[0][0] for batch in loader} for _ in range(2))
    assert (first == second) == persistent
    assert bool(multiprocessing.active_children()) == persistent
    del loader
    assert no_workers_left()


def test_persistent_workers_draw_anew_each_epoch():
    loader = DataLoader(Draws(), batch_size=12, num_workers=1, persistent_workers=True)
    (first,), (second,) = list(loader), list(loader)
    assert first[1].tolist() != second[1].tolist()


def test_a_stream_is_shared_out():
    loader = DataLoader(Shares(11), batch_size=2, num_workers=3)
    for _ in range(2):
        batches = [batch.tolist() for batch in loader]
        assert batches == [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8]]
    assert [b.tolist() for b in DataLoader(Shares(2), num_workers=3)] == [[0], [1]]


def test_breaking_off_ends_the_workers():
    for persistent in (False, True):
        loader = DataLoader(pictures(), num_workers=2, persistent_workers=persistent)
        for batch in itertools.islice(loader, 3):
            assert batch[0].shape == (1, 300)
            assert len(multiprocessing.active_children()) == 2
        assert no_workers_left()
        assert len(list(loader)) == 20


def test_batches_larger_than_a_pipe():
    # Requests and answers are both more than the 64 KiB that a pipe holds.
    dataset = pictures(40_000)
    loader = DataLoader(dataset, batch_size=20_000, num_workers=1, prefetch_factor=4)
    labels = [label for _ in range(2) for _, batch in loader for label in batch.tolist()]
    assert labels == 2 * list(range(40_000))


def test_an_exception_is_what_it_was():
    loader = DataLoader(Misbehaving("raise"), batch_size=2, num_workers=2)
    seen = []
    with pytest.raises(FileNotFoundError, match="no such picture") as caught:
        for batch in loader:
            seen.append(batch.tolist())
    assert caught.value.filename == "5.png"
    assert "raised in DataLoader worker process 0" in caught.value.__notes__[0]
    assert "__getitem__" in caught.value.__notes__[0]
    assert seen == [[0, 1], [2, 3]]
    del caught
    assert no_workers_left()


@pytest.mark.parametrize(
    "how, error, words",
    [
        ("raise what does not pickle", RuntimeError, "Unpicklable: deep trouble"),
        ("return what does not pickle", Exception, "[pP]ickle"),
        ("die", RuntimeError, r"DataLoader worker 1 \(pid \d+\) exited unexpectedly, exit code -9"),
    ],
)
def test_trouble_in_a_worker(how, error, words):
    with pytest.raises(error, match=words):
        list(DataLoader(Misbehaving(how), num_workers=2, collate_fn=as_is))
    assert no_workers_left()


def test_a_worker_that_hangs(monkeypatch):
    monkeypatch.setattr("minigrad.data.worker.PATIENCE", 0.1)
    indices = [0, 1]
    loader = DataLoader(Misbehaving("hang"), sampler=indices, num_workers=2, timeout=60, persistent_workers=True)
    assert len(list(loader)) == 2
    loader.timeout = 1
    indices[1] = 5
    with pytest.raises(RuntimeError, match="DataLoader timed out after 1 seconds, waiting for worker 1"):
        list(loader)
    assert no_workers_left()


def test_what_does_not_pickle_is_refused_where_workers_are_spawned():
    with pytest.raises(TypeError, match="sent to the workers and must be picklable"):
        list(DataLoader(pictures(), num_workers=1, collate_fn=lambda s: s, multiprocessing_context="forkserver"))
    assert no_workers_left()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_spawned_workers_make_the_same_batches(method):
    loaders = [DataLoader(Draws(), 4, num_workers=2, multiprocessing_context=how) for how in ("fork", method)]
    forked, spawned = ([[c.tolist() for c in batch] for batch in (manual_seed(1) and loader)] for loader in loaders)
    assert forked == spawned


def test_forked_workers_have_what_does_not_pickle():
    class Local(Dataset):
        def __init__(self, handle):
            self.handle = handle  # an open file
            self.transform = lambda x: x * 2

        def __getitem__(self, index):
            return self.transform(index)

        def __len__(self):
            return 6

    with open(__file__) as handle:
        loader = DataLoader(Local(handle), batch_size=2, num_workers=2, collate_fn=lambda s: sum(s))
        assert list(loader) == [2, 10, 18]
    assert no_workers_left()


class Convolved(Dataset):
    """Samples whose making runs parallel kernels, and matrix products."""

    def __init__(self, x, weight):
        self.x, self.weight = x, weight

    def __getitem__(self, index):
        with no_grad():
            pictures = F.max_pool2d(F.relu(F.conv2d(self.x, self.weight, padding=1)), 2)
            return F.batch_norm(pictures, None, None, training=True) + index, self.x.reshape(64, -1) @ self.x.reshape(
                64, -1
            ).T

    def __len__(self):
        return 6


KERNELS = """
import sys
if "workqueue" in sys.argv:
    sys.modules["numba.np.ufunc.omppool"] = sys.modules["numba.np.ufunc.tbbpool"] = None
if "omp" in sys.argv:
    sys.modules["numba.np.ufunc.tbbpool"] = None
import threading
import minigrad as mg
from minigrad.data import DataLoader
from test_workers import Convolved

dataset = Convolved(mg.randn(64, 8, 24, 24), mg.randn(16, 8, 3, 3))
here = dataset[0]  # the pool's threads have worked before the fork

stop = threading.Event()
def busy():  # and another thread is in the kernels while the process is forked
    while not stop.is_set():
        dataset[1]
thread = threading.Thread(target=busy)
if "busy" in sys.argv:
    thread.start()
for epoch in range(3):
    for index, (pictures, products) in enumerate(DataLoader(dataset, batch_size=None, num_workers=2)):
        assert mg.allclose(pictures, here[0] + index, atol=1e-4) and mg.allclose(products, here[1], atol=1e-2)
    again = dataset[0]  # and works after it
    assert mg.equal(again[0], here[0])
stop.set()
print("done")
"""


@pytest.mark.parametrize("other", ["", "busy"])
@pytest.mark.parametrize("layer", ["default", "omp", "workqueue"])
def test_kernels_run_in_forked_workers_and_go_on_in_the_parent(layer, other):
    done = run_script(KERNELS, layer, other)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line and "compiling kernels" not in line]
    # TBB would end its threads before the fork, and says if one is at work; they are not used behind it.
    says = "Unable to join threads to shut down before fork(). This can break multithreading in child processes."
    assert done.returncode == 0 and set(lines) - ({says} if other else set()) == {"done"}


def run_script(text, *arguments):
    path = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-c", text, *arguments],
        capture_output=True,
        text=True,
        timeout=HANGS,
        env={**os.environ, "PYTHONPATH": path},
    )


UNGUARDED = """
import sys
import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, Dataset
from minigrad.vision import transforms as T

size = 8
class Squares(Dataset):
    def __init__(self):
        self.transform = T.Compose([T.Lambda(lambda x: x * 2.0)])
    def __getitem__(self, index):
        return self.transform(mg.ones(1, 6, 6) * index), index % 2
    def __len__(self):
        return size
    class Inner:
        pass

print("begun")
model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
optimizer = mg.optim.SGD(model.parameters(), lr=0.01)
method = sys.argv[1] if len(sys.argv) > 1 else None
loader = DataLoader(Squares(), 4, shuffle=True, num_workers=2, multiprocessing_context=method,
                    collate_fn=None if method else lambda s: mg.data.default_collate(s))
for epoch in range(2):
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
print("ended", mg.isfinite(loss).item())
"""


def test_a_script_without_a_guard(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=HANGS)
    assert done.stdout == "begun\nended True\n" and done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_where_workers_are_spawned_the_guard_is_explained(tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED.replace("T.Lambda(lambda x: x * 2.0)", ""))
    done = subprocess.run([sys.executable, script, method], capture_output=True, text=True, timeout=HANGS)
    last = done.stderr.rstrip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("RuntimeError: DataLoader") and "if __name__ == '__main__':" in last


def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("num_workers=2", "num_workers=3"))
    path = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout.readline() == "begun\n"
    process.kill()
    process.wait()
    with pytest.raises(ProcessLookupError):
        for _ in range(20 * HANGS):
            os.killpg(process.pid, 0)
            time.sleep(0.05)
    process.stdout.close()


SCRIPT = """
import time
from minigrad.data import DataLoader
from test_workers import pictures

if __name__ == "__main__":
    for batch in DataLoader(pictures(), num_workers=2):
        print("begun", flush=True)
        while True:  # a signal that comes just before a nap does not end it
            time.sleep(0.1)
"""


@posix_signals
def test_ctrl_c_is_clean(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does, to every process of the group
    _, errors = process.communicate(timeout=HANGS)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ProcessLookupError):
        for _ in range(20 * HANGS):  # the server of the workers ends with its pipe, a moment later
            os.killpg(process.pid, 0)
            time.sleep(0.05)


def test_global_generator_of_the_training_is_left_alone():
    manual_seed(5)
    loader = DataLoader(Draws(), num_workers=1, generator=Generator().manual_seed(1))
    state = random.getstate()
    list(loader)
    assert initial_seed() == 5
    assert random.getstate() == state
