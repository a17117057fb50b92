"""The lessons: every cell runs, what it shows can be shown, and the exercises' checks tell right from wrong."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.autograd import Function

LESSONS = Path(__file__).parent.parent.parent / "examples" / "lessons"
NOTEBOOKS = sorted(LESSONS.glob("*.ipynb"))


@pytest.fixture
def in_lessons(monkeypatch):
    """The lessons' modules can be imported, and are forgotten afterwards: their names are everyday words."""
    monkeypatch.syspath_prepend(LESSONS)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(LESSONS)):
            del sys.modules[name]


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text())["cells"]


def test_there_are_six():
    assert len(NOTEBOOKS) == 6
    readme = (LESSONS / "README.md").read_text()
    assert [name for name in re.findall(r"\]\((\w+\.ipynb)\)", readme)] == [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_lesson_runs(path, in_lessons, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # a cell that writes a file writes it here
    names: dict = {"__name__": "__main__"}
    for index, cell in enumerate(cells(path)):
        if cell["cell_type"] == "code":
            run_cell("".join(cell["source"]), f"{path.stem}, cell {index}", names)
    assert capsys.readouterr().out.count(": right.") >= 3  # the exercises


def run_cell(source: str, where: str, names: dict) -> None:
    """Run a cell, and show the value of its last line as a notebook does."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), where, "eval"), names)
        shows = [
            getattr(value, f"_repr_{kind}_") for kind in ("html", "svg", "png") if hasattr(value, f"_repr_{kind}_")
        ]
        assert not shows or any([show() for show in shows]), f"{where}: {value!r} shows nothing"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_whole_small_and_of_no_machine(path):
    pictures = 0
    for index, cell in enumerate(cells(path)):
        if cell["cell_type"] != "code":
            continue
        assert cell["execution_count"], f"cell {index} was not run"
        for output in cell["outputs"]:
            assert output["output_type"] != "error" and output.get("name") != "stderr", f"cell {index}: {output}"
            for kind, data in output.get("data", {}).items():
                pictures += kind.startswith("image/")
                assert len("".join(data)) < 160_000, f"cell {index}: {kind} is too large for a repository"
        assert not re.search(r"/(home|root|work|tmp|opt|Users)/", json.dumps(cell["outputs"])), f"cell {index}: a path"
    assert pictures >= 4


@pytest.mark.parametrize("path", [*NOTEBOOKS, LESSONS / "README.md"], ids=lambda path: path.name)
def test_every_file_that_a_lesson_links_exists(path):
    text = path.read_text()
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "markdown")
    for link in re.findall(r"\]\(([^)#:\s]+)\)", text):
        assert (LESSONS / link).exists(), link


class Cube(Function):
    """An operation that is none of the exercises'."""

    @staticmethod
    def forward(ctx, x, *_):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x * x * grad_output


class PlainSum(nn.Module):
    """x + f(x), with nothing that starts at zero."""

    def __init__(self, f):
        super().__init__()
        self.f, self.alpha = f, nn.Parameter(mg.ones(()))

    def forward(self, x):
        return x + self.alpha * self.f(x)


# Of every exercise an answer that a person might give, and that is wrong.
WRONG = {
    "gradients_by_hand": lambda a, V: ({"a": 4.0, "b": 4.0, "c": 2.0},),  # one of a's two paths
    "tanh": lambda a, V: (lambda x: V(np.tanh(x.data), [(x, 1 - x.data**2)]),),
    "divide": lambda a, V: (lambda p, q: V(p.data / q.data, [(p, 1 / q.data), (q, p.data / q.data**2)]),),
    "slope": lambda a, V: (lambda f, x, h=1e-7: (f(x + h) - f(x)) / h,),
    "is_backward_order": lambda a, V: (lambda order: order[0].parents != [],),
    "count_paths": lambda a, V: (lambda root, leaf: sum(parent is leaf for parent, _ in root.parents),),
    "depth_first_order": lambda a, V: (lambda root: a.depth_first_order(root)[::-1],),
    "forward_mode": lambda a, V: (lambda root, leaf: sum(s for parent, s in root.parents if parent is leaf),),
    "output_size": lambda a, V: (lambda n, k, s=1, p=0, d=1: (n + 2 * p - d * k) // s + 1,),
    "conv1d_backward": lambda a, V: (lambda dy, x, w, s=1: a.conv1d_backward(dy, x, w[::-1], s),),
    "input_gradient": lambda a, V: (lambda dy, w: a.input_gradient(dy, w.flip((2, 3))),),
    "average_pooling_weight": lambda a, V: (lambda channels, k: mg.ones(channels, channels, k, k) / k**2,),
    "inference_backward": lambda a, V: (lambda dy, x, *rest: (dy, (dy * x).sum(0), dy.sum(0)),),
    "layer_norm_backward": lambda a, V: (lambda dy, x, g, eps: g * a.layer_norm_backward(dy, x, np.ones(6), eps),),
    "rms_norm_backward": lambda a, V: (lambda dy, x, eps: a.layer_norm_backward(dy, x, np.ones(6), eps),),
    "fold": lambda a, V: (lambda conv, norm: (a.fold(conv, norm)[0], norm.bias),),
    "weight_std": lambda a, V: (lambda n, slope: (2 / n) ** 0.5,),
    "share_of_short_paths": lambda a, V: (lambda n, k, c: (k + 1) / (n + 1),),
    "clip_norm": lambda a, V: (lambda gradients, most: max(g.norm().clamp_(max=most).item() for g in gradients),),
    "rezero": lambda a, V: (PlainSum,),
    "gradient_reversal": lambda a, V: (Cube,),
    "log_cosh": lambda a, V: (Cube,),
    "local_maximum": lambda a, V: (a.local_maximum, lambda dy, places: dy),
}


def test_every_check_has_a_wrong_answer(in_lessons):
    import checks

    public = [name for name, member in vars(checks).items() if getattr(member, "__module__", "") == "checks"]
    assert sorted(name for name in public if not name.startswith("_")) == sorted(WRONG)


@pytest.mark.parametrize("exercise", WRONG)
def test_check_refuses_a_wrong_answer(exercise, in_lessons):
    import answers
    import checks
    from value import Value

    with pytest.raises(AssertionError) as raised:
        getattr(checks, exercise)(*WRONG[exercise](answers, Value))
    assert str(raised.value), "it should say what is wrong"
