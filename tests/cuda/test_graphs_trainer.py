"""A Trainer that replays its step as a CUDA graph trains to the same weights, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, TensorDataset
from minigrad.optim import SGD
from minigrad.optim.lr_scheduler import OneCycleLR
from minigrad.train import NonFiniteLoss, Trainer


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3))


def trainer(make_model=network, **options) -> tuple[Trainer, DataLoader]:
    """A Trainer on the device, and batches of 4, 4 and 2."""
    mg.manual_seed(0)
    data = TensorDataset(mg.randn(10, 5), mg.randint(0, 3, (10,)))
    model = make_model()
    optimizer = SGD(model.cuda().parameters(), 0.1, momentum=0.9)
    scheduler = OneCycleLR(optimizer, 0.1, total_steps=30)
    options = {"clip_norm": 1.0, "ema": 0.9, "scheduler": scheduler, "progress": False, **options}
    return Trainer(model, optimizer, **options), DataLoader(data, 4, shuffle=True)


def figures(trainer: Trainer) -> list:
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in trainer.history]
    return [rows, *[value.cpu().tolist() for value in trainer.model.state_dict().values()], mg.get_rng_state().tolist()]


def test_the_same_weights_and_figures_come_of_it(tmp_path):
    found = []
    for graphed in (False, True):
        mine, loader = trainer(cuda_graph=graphed, run_dir=tmp_path / str(graphed))
        mine.fit(loader, loader, epochs=3)
        mine.resume()  # which puts other memory in the optimizer's place
        mine.fit(loader, loader, epochs=5)
        found.append(figures(mine))
    assert found[0] == found[1]
    assert len(found[0][0]) == 5


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    whole, loader = trainer(cuda_graph=True)
    whole.fit(loader, epochs=4)
    expected = figures(whole)
    first, loader = trainer(cuda_graph=True, run_dir=tmp_path)
    first.fit(loader, epochs=2)
    rest, loader = trainer(cuda_graph=True, run_dir=tmp_path)
    rest.resume()
    rest.fit(loader, epochs=4)
    assert figures(rest) == expected


def test_on_the_cpu_it_means_nothing():
    model = nn.Linear(5, 3)
    mine = Trainer(model, SGD(model.parameters(), 0.1), cuda_graph=True, accumulate=2, progress=False)
    mine.fit([(mg.ones(2, 5), mg.zeros(2, dtype=mg.int64))])


def test_a_model_that_cannot_be_captured_is_trained_step_by_step():
    class Reads(nn.Linear):
        def forward(self, x):
            return super().forward(x) * float(x.shape[0] + 0 * x.sum().item())

    mine, loader = trainer(lambda: Reads(5, 3), cuda_graph=True)
    with pytest.warns(UserWarning, match=r"without a CUDA graph, step by step: .*copy from the GPU.*item"):
        mine.fit(loader, epochs=2)
    other, loader = trainer(lambda: Reads(5, 3))
    other.fit(loader, epochs=2)
    assert figures(mine) == figures(other)


@pytest.mark.parametrize("options", [{"accumulate": 2}, {"mixup": 0.2}])
def test_options_that_exclude_it(options):
    with pytest.raises(ValueError, match="cuda_graph cannot be had together with accumulate or mixup"):
        trainer(cuda_graph=True, **options)


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path):
    mine, loader = trainer(lambda: nn.Sequential(nn.Linear(5, 3)), cuda_graph=True, clip_norm=None, run_dir=tmp_path)
    mine.fit(loader, epochs=1)
    mine.model[0].weight.detach().fill_(np.inf)
    with pytest.raises(NonFiniteLoss):
        mine.fit(loader, epochs=40)
    assert np.isfinite(mg.load(tmp_path / "checkpoint.pt")["model"]["0.weight"].numpy()).all()
