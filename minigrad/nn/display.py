"""HTML for notebooks: a module as a tree that can be folded, with parameter counts and shapes."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from minigrad.display import BOX, FAINT, ORANGE
from minigrad.nn.tree import Tree

OPEN_UP_TO = 30  # modules that a tree may have to be shown open: about a screen of lines
INSIDE = "margin:0 0 0 6px;padding-left:14px;border-left:1px solid rgba(128,128,128,.35)"
MARK = f"color:rgb({ORANGE})"


def module_html(module: Tree) -> str:
    """The module as HTML: its layers as a tree, the parameters of each inside it."""
    opened = sum(1 for _ in module.modules()) <= OPEN_UP_TO
    mode = f'<span style="{FAINT}">· {"training" if module.training else "evaluation"} mode</span>'
    return f'<div style="{BOX}">{_tree("", module, module.training, opened, True, mode)}</div>'


def _tree(name: str, module: Tree, mode: bool, opened: bool, root: bool, note: str = "") -> str:
    """One module: a line, which opens if there is something inside."""
    if module.training is not mode:
        note = f'<b style="{MARK}">· {"training" if module.training else "evaluation"} mode</b>'
    children = [(child_name, child) for child_name, child in module._modules.items() if child is not None]
    inside = [_tree(child_name, child, module.training, opened, False) for child_name, child in children]
    inside = [*_tensors(module), *inside]
    label = f"<code>{escape(name)}</code> " if name else ""
    extra = module.extra_repr()
    settings = f'<span style="{FAINT}">{escape(f"({extra})")}</span> ' if extra else ""
    line = f"{label}<b>{escape(type(module).__name__)}</b> {settings}{_count(module)} {note}"
    if not inside:
        return f'<div style="padding-left:16px">{line}</div>'
    state = ' open=""' if root or (opened and children) else ""
    return (
        f'<details{state}><summary style="cursor:pointer">{line}</summary>'
        f'<div style="{INSIDE}">{"".join(inside)}</div></details>'
    )


def _tensors(module: Tree) -> Iterator[str]:
    """A line for each parameter and buffer of the module itself."""
    for kind, table in (("", module._parameters), ("buffer", module._buffers)):
        for name, tensor in table.items():
            if tensor is None:
                continue
            size = " × ".join(map(str, tensor.shape)) or "scalar"
            facts = " · ".join([fact for fact in (size, str(tensor.dtype), str(tensor.device), kind) if fact])
            frozen = not kind and not tensor.requires_grad
            mark = f' <b style="{MARK}">· frozen</b>' if frozen else ""
            yield (
                f'<div style="padding-left:16px"><code>{escape(name)}</code> '
                f'<span style="{FAINT}">{escape(facts)}</span>{mark}</div>'
            )


def _count(module: Tree) -> str:
    parameters = list(module.parameters())
    total = sum(parameter.numel() for parameter in parameters)
    frozen = sum(parameter.numel() for parameter in parameters if not parameter.requires_grad)
    if not total:
        return ""
    words = f"{total:,} parameters" + (f", {frozen:,} of them frozen" if frozen else "")
    return f'<span style="{FAINT}">· {words}</span>'
