"""`minigrad run`: as `python program.py`, but for the engine; and `minigrad check`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from needs import HANGS

import minigrad as mg
from minigrad.torch.finder import INSIDES, facade_of
from minigrad.torch.scope import OUT_OF_SCOPE
from minigrad.torch.usage import is_there, uses

ROOT = Path(mg.__file__).parent.parent


@pytest.fixture
def folder(tmp_path):
    """A folder of programs: `folder(name=text, pkg_in_name=text)` writes them, and returns the folder."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / (name.replace("_in_", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return tmp_path

    return write


def command(where, *words, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(
        [sys.executable, "-m", "minigrad", *map(str, words)],
        cwd=where, capture_output=True, text=True, timeout=HANGS, env=environment, **options,
    )  # fmt: skip


PLAIN = """
    import os, sys
    import torch
    from helper import value
    from pkg import inner
    print(__name__, __file__, sys.argv, sys.modules["__main__"].value, inner.NAME, torch.ones(2).sum().item())
    print(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "helper.py")).read().strip())
    print(sys.path[0] == os.path.dirname(os.path.abspath(__file__)), sys.stdin.read())
    sys.exit(int(sys.argv[-1]))
"""


def test_all_but_the_engine_is_as_with_python(folder, tmp_path_factory):
    where = folder(
        program=PLAIN, helper="value = 3\n", pkg_in___init__="",
        pkg_in_inner="from . import outer\nNAME = outer.NAME\n",
        pkg_in_outer="import torch.nn as nn\nNAME = nn.Linear.__name__\n",
    )  # fmt: skip
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for place, program in ((where, "program.py"), (elsewhere, where / "program.py")):
        done = command(place, "run", program, "--lr", "-x", "--study", "4", input="typed")
        assert done.returncode == 4 and done.stderr == "", done.stderr
        assert done.stdout.splitlines() == [
            f"__main__ {program} {[str(program), '--lr', '-x', '--study', '4']} 3 Linear 2.0",
            "value = 3", "True typed",
        ]  # fmt: skip
    done = command(where, "run", "-m", "pkg.inner")
    assert done.returncode == 0, done.stderr


def test_errors_of_the_program_are_its_own(folder):
    where = folder(
        program="import torch\ndef f():\n    raise RuntimeError('of mine')\nf()\n", broken="import torch\nx = (\n"
    )
    done = command(where, "run", "program.py")
    assert done.returncode == 1
    assert done.stderr == (
        "Traceback (most recent call last):\n"
        '  File "program.py", line 4, in <module>\n    f()\n'
        "  File \"program.py\", line 3, in f\n    raise RuntimeError('of mine')\nRuntimeError: of mine\n"
    )
    done = command(where, "run", "broken.py")
    assert done.returncode == 1 and 'File "broken.py", line 2' in done.stderr and "SyntaxError" in done.stderr
    assert "run.py" not in done.stderr


MISSING = {
    "torch.nn.LSTM(2, 3)": ("torch.nn.LSTM", "recurrent networks"),
    "from torch.nn import GRU": ("torch.nn.GRU", "recurrent networks"),
    "import torch.jit": ("torch.jit", "compilers"),
    "torch.jit.script": ("torch.jit", "compilers"),
    "from torch.multiprocessing import spawn": ("torch.multiprocessing", "several processes"),
    "import torchvision; torchvision.ops.nms": ("torchvision.ops", "detection"),
    "torch.no_such_name(3)": ("torch.no_such_name", None),
    "torch.ones(2).no_such_method()": ("Tensor.no_such_method", None),
    "import torch.no_such_module": ("torch.no_such_module", None),
    "from torchvision.transforms import NoSuchTransform": ("torchvision.transforms.NoSuchTransform", None),
}


@pytest.mark.parametrize("line", MISSING)
def test_a_missing_name_is_one_line(folder, line):
    name, why = MISSING[line]
    done = command(folder(program=f"import torch\n\n{line}\n"), "run", "program.py")
    expected = f"program.py:3: {name} is not in minigrad"
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{expected} (out of scope: {why}" if why else f"{expected}\n")


def test_a_program_may_ask_whether_a_name_is_there(folder):
    text = """
        import torch
        print(hasattr(torch, "jit"), hasattr(torch.nn, "LSTM"), hasattr(torch, "compile"), getattr(torch, "nope", 3))
        try:
            import torch.distributions
        except ImportError:
            print("no distributions")
        net = torch.nn.Linear(1, 1)
        try:
            net.nope
        except AttributeError as error:
            print(error)
    """
    done = command(folder(program=text), "run", "program.py")
    assert done.stdout.splitlines()[:2] == ["False False True 3", "no distributions"], done.stderr


def test_wrong_command_lines(folder):
    where = folder(program="")
    for words, says in [
        (["nowhere.py"], "there is no file 'nowhere.py'"),
        ([], "the following arguments are required: PROGRAM"),
        (["--stduy", "program.py"], "did you mean --study?"),
        (["--threads", "0", "program.py"], "at least 1"),
    ]:
        done = command(where, "run", *words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and says in done.stderr
    assert "ARGUMENT" in command(where, "run", "--help").stdout


def test_ctrl_c(folder):
    text = """
        import time
        import torch
        print("begun", flush=True)
        for _ in range(600):
            time.sleep(0.1)
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "minigrad", "run", folder(program=text) / "program.py"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=HANGS)
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt") and errors.count("File") == 1


def test_threads_device_and_study(folder):
    text = """
        import torch
        x = torch.ones(3, requires_grad=True)
        for _ in range(2):
            loss = (x * x).sum()
            loss.backward()
        print(torch.get_num_threads(), torch.cuda.is_available(), x.grad.tolist())
    """
    where = folder(program=text, idle="import torch\n")
    done = command(where, "run", "--threads", "1", "--device", "cpu", "--study=page.html", "program.py")
    assert done.stdout == "1 False [4.0, 4.0, 4.0]\n" and done.stderr == "minigrad: wrote page.html\n"
    page = (where / "page.html").read_text()
    assert "Forward and backward of loss" in page and "mul" in page.lower()
    done = command(where, "run", "--study", "other.html", "idle.py")
    assert done.returncode == 0 and "the program ran no backward pass" in done.stderr


CHILDREN = """
    import multiprocessing, os, subprocess, sys
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    def double(x):
        return (x * 2).tolist()

    if __name__ == "__main__":
        data = TensorDataset(torch.arange(4))
        for method in ("fork", "spawn", "forkserver"):
            loader = DataLoader(data, 2, num_workers=1, multiprocessing_context=method)
            print([batch.tolist() for batch, in loader])
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(double, [torch.ones(2)]))
        print(subprocess.run([sys.executable, "-c", "import torch; print(torch.__name__)"], capture_output=True).stdout)
"""


def test_child_processes_see_the_facades(folder):
    done = command(folder(program=CHILDREN), "run", "program.py")
    assert done.returncode == 0, done.stderr
    batches = "[[0, 1], [2, 3]]"
    assert done.stdout.splitlines() == [batches] * 3 + ["[[2.0, 2.0]]", "b'minigrad.torch\\n'"]


def test_a_notebook_runs_cell_by_cell(tmp_path):
    cells = [
        "%matplotlib inline\n!pip install torch\nimport torch\nx = torch.ones(2)",
        "%%bash\nexit 1",
        "x + 1",
        "for i in range(2):\n    %time x = x * 2\n    x = x + 1\nx.tolist();",
        "display(__name__)\nx.shape[0]",
        "print('%d of %d'\n    %(1, 2)\n)\ny = (1\n    != 1)",
        "torch.nn.LSTM(1, 1)",
    ]
    code = [{"cell_type": "code", "source": source.splitlines(True)} for source in cells]
    (tmp_path / "book.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "markdown", "source": ["# text"]}, *code]})
    )
    done = command(tmp_path, "run", "book.ipynb")
    assert done.stdout == "tensor([2., 2.])\n'__main__'\n2\n1 of 2\n"
    assert done.stderr.splitlines()[-1] == (
        "book.ipynb[7]:1: torch.nn.LSTM is not in minigrad (out of scope: recurrent networks)"
    )
    checked = command(tmp_path, "check", "--missing", "book.ipynb")
    assert checked.returncode == 1 and "torch.nn.LSTM" in checked.stdout and "torch.ones" not in checked.stdout


def test_check_reads_and_imports_nothing_of_the_program(folder):
    where = folder(
        program="""
            import torch as t, torch.nn.functional as F
            from torch import nn as layers, optim
            from torch.optim import *
            import helper, numpy
            from pkg import part
            raise SystemExit("it was run")
            def f(x):
                from torchvision import models
                return t.ones(2).mean() + F.relu(x), layers.LSTM, models.resnet18(x.y.z), numpy.linalg.norm
        """,
        helper="import torch\nraise SystemExit\ntorch.utils.data.DataLoader\n",
        pkg_in___init__="",
        pkg_in_part="from .deep import *\n",
        pkg_in_deep="import torch\ntorch.jit.script\n",
    )
    names = {use.name: (Path(use.file).name, use.line) for use in uses(where / "program.py")}
    assert names == {
        "torch": ("deep.py", 1), "torch.nn.functional": ("program.py", 2), "torch.nn": ("program.py", 3),
        "torch.optim": ("program.py", 4), "torch.ones": ("program.py", 10),
        "torch.nn.functional.relu": ("program.py", 10),
        "torch.nn.LSTM": ("program.py", 10), "torchvision.models": ("program.py", 9),
        "torchvision.models.resnet18": ("program.py", 10), "torch.utils.data.DataLoader": ("helper.py", 3),
        "torch.jit.script": ("deep.py", 2),
    }  # fmt: skip
    done = command(where, "check", "program.py")
    assert done.returncode == 1 and done.stderr == "minigrad check: 2 of 11 names are missing\n"
    (where / "broken.py").write_text("x = (\n")
    done = command(where, "check", "broken.py")
    assert done.returncode == 1 and "broken.py:1" in done.stderr and done.stderr.count("\n") == 1


def test_the_table_of_what_is_out_of_scope_holds_nothing_that_is_there():
    assert not [name for name in OUT_OF_SCOPE if is_there(name)]


def test_modules_inside_pytorchs_packages_stand_for_their_package():
    for name, outside in INSIDES.items():
        assert facade_of(name) == f"minigrad.{outside}"
    assert facade_of("torch.nn.modules.batchnorm") == "minigrad.torch.nn"
    assert facade_of("torch.jit") is None and facade_of("torchx") is None
