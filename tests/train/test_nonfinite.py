"""A NaN or an infinity stops the training, is traced to where it came up, and never reaches a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
from small_problem import problem, quiet, weights

import minigrad as mg
from minigrad import nn
from minigrad.optim import SGD
from minigrad.train import NonFiniteLoss


def test_nan_loss_stops_before_the_step_and_names_the_operation(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.dropout, self.second = nn.Linear(5, 8), nn.Dropout(0.5), nn.Linear(8, 3)
            self.steps = 0

        def forward(self, x):
            x = self.dropout(self.first(x))
            self.steps += 1
            return self.second(x.log() if self.steps >= 9 else x)

    _, _, loader = problem()
    model = Net()
    before = []
    trainer = quiet(
        model, SGD(model.parameters(), 0.01), run_dir=tmp_path, callbacks=[lambda *_: before.append(weights(model))]
    )
    with pytest.raises(
        NonFiniteLoss, match=r"step 9 \(epoch 2\).*first operation that made one is Log.*x\.log\(\)"
    ) as stop:
        trainer.fit(loader, epochs=3)
    assert "\n" not in str(stop.value) and str(tmp_path / "checkpoint.pt") in str(stop.value)
    assert np.array_equal(weights(model), before[-1])
    with pytest.raises(RuntimeError, match=r"an error broke off epoch 2; go back to the last checkpoint by resume\(\)"):
        trainer.fit(loader, epochs=3)
    assert mg.load(tmp_path / "checkpoint.pt")["step"] == 6


def test_nan_in_the_pictures_and_in_a_weight():
    model, optimizer, _ = problem()
    pictures = mg.ones(4, 5)
    pictures[1, 2] = float("nan")
    with pytest.raises(NonFiniteLoss, match="it is in the pictures of the batch$"):
        quiet(model, optimizer).fit([(pictures, mg.zeros(4, dtype=mg.int64))])
    model[2].bias.data[1] = float("inf")
    with pytest.raises(NonFiniteLoss, match="in the parameter '2.bias'"):
        quiet(model, optimizer, criterion=lambda output, targets: output.sum()).fit(
            [(mg.ones(4, 5), mg.zeros(4, dtype=mg.int64)), (mg.ones(4, 5), mg.zeros(4, dtype=mg.int64))]
        )


@pytest.mark.parametrize(("step", "kept"), [(9, 6), (6, 3)])
def test_broken_weights_do_not_replace_good_ones(tmp_path, step, kept):
    """In the middle of an epoch of 6 steps, and at its end, where the best weights are kept, too."""

    def poison(trainer, event):
        if trainer.step == step:
            trainer.model[0].weight.data[0, 0] = float("nan")

    model, optimizer, loader = problem()
    trainer = quiet(model, optimizer, run_dir=tmp_path, checkpoint_every=3, callbacks=[poison])
    with pytest.raises(NonFiniteLoss, match=rf"after step {step} \(epoch {1 + step // 7}\) '0.weight' is not finite"):
        trainer.fit(loader, loader, epochs=2)
    assert mg.load(tmp_path / "checkpoint.pt")["step"] == kept
    if step == 9:
        assert np.isfinite(mg.load(tmp_path / "best.safetensors")["0.weight"].numpy()).all()
    else:
        assert not (tmp_path / "best.safetensors").exists()
