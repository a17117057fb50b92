"""Where Numba is not installed, the engine runs on the NumPy references, and says so once."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

PROGRAM = """
import sys
if {hide}:
    sys.modules["numba"] = None  # an import of it fails as if it were not installed
import minigrad as mg
from minigrad.nn import functional as F

mg.manual_seed(0)
model = mg.vision.models.LeNet5()
optimizer = mg.optim.Adam(model.parameters(), lr=1e-3)
images, labels = mg.randn(6, 1, 28, 28), mg.randint(0, 10, (6,))
channels_last = mg.cat([images.to(memory_format=mg.channels_last)] * 2, 1)
norm = mg.nn.BatchNorm2d(2)
for _ in range(3):
    loss = F.cross_entropy(model(F.dropout(images, 0.1)), labels) + norm(channels_last).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
mg.set_num_threads(mg.get_num_threads())
loader = mg.data.DataLoader(mg.data.TensorDataset(images), batch_size=2, num_workers=1)
print(sum(batch[0].sum().item() for batch in loader))
print("numba" in sys.modules and sys.modules["numba"] is not None)
"""


def run(hide: bool) -> tuple[list[float], str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(hide=hide)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    *numbers, loaded = done.stdout.split()
    return [float(number) for number in numbers], loaded, done.stderr


def test_lenet_trains_to_the_same_numbers_and_one_warning_says_so():
    numbers, loaded, said = run(hide=True)
    assert loaded == "False"
    assert said.count("Numba is not installed") == 1
    np.testing.assert_allclose(numbers, run(hide=False)[0], rtol=2e-5)


def test_the_doctor_says_it_too():
    start = "from minigrad.command.main import main; sys.exit(main(['doctor']))"
    program = f"import sys; sys.modules['numba'] = None; {start}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "NumPy computes in place of compiled kernels" in " ".join(done.stdout.split())
