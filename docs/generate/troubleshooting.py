"""What `study.check` looks for, and its advice, read from the source of the checks themselves."""

from __future__ import annotations

import ast
import inspect

import mkdocs_gen_files

from minigrad.study.check import mistakes

HEAD = """# My loss is NaN, or does not fall

*For whoever trains a network that does not learn; look through the headings, five minutes.*

Let `minigrad.study.check` look first: it runs one training step of your model on one batch, changes nothing, and names
what looks wrong, where, and what to do about it.

```python
import minigrad as mg
from minigrad import nn, study

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(dim=1))
images, labels = mg.randn(32, 1, 28, 28), mg.randint(0, 10, (32,))
report = study.check(model, (images, labels))
assert "probabilities go into cross_entropy" in str(report)
```

If a value becomes NaN only after many steps, `with mg.autograd.detect_anomaly():` around the step names the operation
whose gradient it was and the line of your program that called it; the Trainer stops at the first loss that is not
finite, keeps the checkpoint from before, and names the operation too.

This is all that it looks for.
"""


def text_of(node: ast.expr) -> str:
    """A string of the source, with what is filled in as an ellipsis."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join([str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values])
    return "…"


def findings(function: ast.FunctionDef) -> list[tuple[str, str, str]]:
    """(what is seen, where, the advice) of every finding that a check can make."""
    found, strings = [], {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            strings.setdefault(node.targets[0].id, []).append((node.lineno, text_of(node.value)))
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
            words = []
            for argument in node.args[2:5]:
                if isinstance(argument, ast.Name):  # assigned above
                    before = [value for line, value in strings.get(argument.id, []) if line < node.lineno]
                    words.append(before[-1] if before else "…")
                else:
                    words.append(text_of(argument))
            where, seen, advice = words
            found.append((seen, "" if where == "…" else where, advice))
    return found


tree = ast.parse(inspect.getsource(mistakes))
with mkdocs_gen_files.open("start/troubleshooting.md", "w") as file:
    file.write(HEAD)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_"):
            heading = node.name.removeprefix("check_").replace("_", " ").capitalize()
            file.write(
                f"\n## {heading}\n\n{ast.get_docstring(node)}\n\n| seen | where | what helps |\n| --- | --- | --- |\n"
            )
            for seen, where, advice in findings(node):
                file.write(f"| {seen} | {where} | {advice} |\n".replace("_", "\\_"))
