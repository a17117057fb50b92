"""study.graph: what is drawn, where, in which module; and what is refused."""

import importlib
import pkgutil
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, ops, study
from minigrad.autograd import Function
from minigrad.study.draw.autograd_graph import FAMILY_OF_FILE, Entry, read_graph
from minigrad.study.draw.folding import fold
from minigrad.study.draw.layout import Edge, layered
from minigrad.study.draw.shapes import COLORS
from minigrad.vision.models import LeNet5, resnet18, resnet50


def test_every_file_of_operations_has_its_family():
    names = [name for _, name, _ in pkgutil.iter_modules(ops.__path__, "minigrad.ops.")]
    members = [member for name in names for member in vars(importlib.import_module(name)).values()]
    defined = {cls.__module__ for cls in members if isinstance(cls, type) and issubclass(cls, Function)}
    files = {module.rpartition(".")[2] for module in defined if module.startswith("minigrad.ops.")}
    assert files == FAMILY_OF_FILE.keys()


def words(svg):
    """The texts of a picture, in the order in which they are drawn."""
    root = ElementTree.fromstring(svg)
    return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def lenet_loss(model):
    return F.cross_entropy(model(mg.randn(1, 1, 28, 28)), mg.tensor([3]))


def paths(loss, model):
    return [entry.path[-1:] for entry in read_graph("graph", loss, model, None).entries if entry.operation]


def test_a_small_expression_is_drawn_with_the_names_of_its_variables():
    a = mg.tensor(2.0, requires_grad=True)
    b = mg.tensor(3.0, requires_grad=True)
    c = a * b
    loss = c.square() + c
    texts = words(study.graph(loss)._repr_svg_())
    assert {"a", "b", "c", "loss", "Mul", "Square", "Add"} <= set(texts)
    assert not any(text.startswith("∇") for text in texts)
    loss.backward()
    texts = words(study.graph(loss)._repr_svg_())
    assert f"∇ {3 * 13:.3g}" in texts and f"∇ {2 * 13:.3g}" in texts  # d(c² + c) = 2c + 1 = 13 at c = 6


def test_lenet_is_drawn_whole():
    model = LeNet5()
    loss = lenet_loss(model)
    texts = words(study.graph(loss)._repr_svg_())
    for operation, count in (("Conv2d", 2), ("MaxPool2d", 2), ("Linear", 3), ("ReLU", 4), ("Reshape", 1)):
        assert texts.count(operation) == count
    assert texts.count("weight") == texts.count("bias") == 5
    assert {"features", "classifier", "features.3", "6×1×5×5", "1×16×10×10", "loss"} <= set(texts)
    loss.backward()
    norm = np.linalg.norm(model.features[3].weight.grad.numpy())
    assert f"∇ {norm:.3g}" in words(study.graph(loss)._repr_svg_())


def test_gradients_of_tensors_in_between_are_shown_if_they_are_retained():
    x = mg.tensor([3.0, 4.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    loss = (y * y).sum()
    loss.backward()
    assert words(study.graph(loss)._repr_svg_()).count("∇ 20") == 1  # 2 y = (12, 16)


def test_resnet50_is_folded_by_default_and_opens_by_depth():
    model = resnet50()
    loss = F.cross_entropy(model(mg.randn(2, 3, 32, 32)), mg.tensor([3, 1]))
    texts = words(study.graph(loss, model=model)._repr_svg_())
    count = sum(parameter.numel() for parameter in model.layer1.parameters())
    assert "layer1" in texts and "layer1.0" not in texts
    assert any(text.endswith(f", {count:,} parameters") for text in texts)
    texts = words(study.graph(loss, model=model, depth=1)._repr_svg_())
    blocks = [f"layer{layer}.{block}" for layer, blocks in enumerate((3, 4, 6, 3), 1) for block in range(blocks)]
    assert [text for text in texts if re.fullmatch(r"layer\d\.\d", text)] == blocks
    assert words(study.graph(loss, depth=5)._repr_svg_()).count("Conv2d") == 53  # the model is found by itself


def test_modules_are_known_exactly_from_a_trace_and_inferred_without_one():
    model = resnet18().eval()
    images = mg.randn(2, 3, 32, 32)
    with study.trace():
        traced = model(images).sum()
    exact = paths(traced, None)
    inferred = paths(model(images).sum(), model)
    assert len(exact) == len(inferred)
    layers = [tuple(name and name.split(".")[0] for name in path) for path in exact]
    guesses = [tuple(name and name.split(".")[0] for name in path) for path in inferred]
    wrong = [pair for pair in zip(layers, guesses, strict=True) if pair[0] != pair[1] and pair[1]]
    assert ("layer1.0.downsample.0",) not in exact and ("layer2.0.downsample.0",) in exact
    # Between the last block and `fc` nothing tells to whom the pooling and the flattening belong.
    assert wrong == [(("avgpool",), ("layer4",)), ((), ("layer4",))]


def test_a_module_called_twice_makes_two_boxes_where_one_would_close_a_loop():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
            self.between = nn.Linear(2, 2)

        def forward(self, x):
            return self.inner(self.between(self.inner(x))).sum()

    model = Net()
    with study.trace():
        loss = model(mg.ones(1, 2))
    entries = read_graph("graph", loss, model, None).entries
    box = fold(entries, [entry.index for entry in entries if not entry.is_parameter], 0)
    assert [item.path for item in box.items if not isinstance(item, int)] == ["inner", "inner"]
    assert words(study.graph(loss, depth=0)._repr_svg_()).count("inner") == 2


def test_save_writes_svg_png_pdf_and_html(tmp_path):
    model = resnet18()
    loss = F.cross_entropy(model(mg.randn(2, 3, 32, 32)), mg.tensor([3, 1]))
    picture = study.graph(loss, depth=0)
    picture.save(tmp_path / "graph.svg")
    ElementTree.fromstring((tmp_path / "graph.svg").read_text())
    picture.save(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    picture.save(str(tmp_path / "graph.pdf"))
    assert (tmp_path / "graph.pdf").read_bytes().startswith(b"%PDF")
    picture.save(tmp_path / "graph.html")
    page = (tmp_path / "graph.html").read_text()
    assert '<section data-module="layer1" hidden>' in page and 'data-open="layer1"' in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    with pytest.raises(ValueError, match=r"Graph.save: the path must end in .svg, .png, .pdf or .html"):
        picture.save(tmp_path / "graph.bmp")


def test_what_has_no_graph_is_refused_in_a_sentence():
    with pytest.raises(TypeError, match="graph: expected a Tensor, such as a loss, but got float"):
        study.graph(1.5)
    with pytest.raises(TypeError, match="graph: draw the loss itself"):
        study.graph(study.trace())
    with pytest.raises(RuntimeError, match=r"graph: this tensor of shape \[2\] has no graph: nothing that it"):
        study.graph(mg.ones(2) * 2)
    with pytest.raises(RuntimeError, match="has no graph: it is a leaf"):
        study.graph(mg.ones(2, requires_grad=True))
    loss = mg.ones(2, requires_grad=True).sum()
    with pytest.raises(TypeError, match="graph: model must be a Module, but got int"):
        study.graph(loss, model=3)
    with pytest.raises(ValueError, match="graph: depth must be an int from 0, or None, but got -1"):
        study.graph(loss, depth=-1)


def test_a_freed_graph_can_still_be_drawn():
    x = mg.ones(3, requires_grad=True)
    loss = (x.exp() * x).sum()
    loss.backward()
    assert {"Exp", "Mul", "Sum"} <= set(words(study.graph(loss)._repr_svg_()))


def test_a_graph_of_100_000_operations_is_refused_at_once():
    x = mg.ones(1, requires_grad=True)
    for _ in range(100_000):
        x = -x
    with pytest.raises(ValueError, match=r"graph: 100,001 operations are too many for one picture \(at most 1,000\)"):
        study.graph(x)


def test_text_can_be_read_on_every_ground():
    def luminance(color):
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for theme in (0, 1):
        for ground in ("paper", "card", "box", "folded"):
            for ink in ("ink", "quiet", "gradient"):
                lighter, darker = sorted((luminance(COLORS[name][theme]) for name in (ground, ink)), reverse=True)
                assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ground, ink, theme)  # WCAG 2.2, level AA


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 12))
    sizes = draw(st.lists(st.tuples(st.floats(1, 200), st.floats(1, 60)), min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    links = draw(st.lists(pairs, max_size=20)) if count > 1 else []
    return sizes, [Edge(a, b, sizes[a][0] / 2, sizes[b][0] / 2) for a, b in links]


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_layout_keeps_nodes_apart_and_lines_downwards(graph):
    sizes, edges = graph
    layout = layered(sizes, edges)
    boxes = [(x, y, x + w, y + h) for x, y, (w, h) in zip(layout.x, layout.y, sizes, strict=True)]
    for index, (left, top, right, bottom) in enumerate(boxes):
        assert left >= -1e-6 and top >= 0 and right <= layout.width + 1e-6 and bottom <= layout.height + 1e-6
        for other in boxes[:index]:
            apart = left > other[2] or other[0] > right or top > other[3] or other[1] > bottom
            assert apart
    for edge, route in zip(edges, layout.routes, strict=True):
        assert [y for _, y in route] == sorted(y for _, y in route)
        assert route[0] == pytest.approx((layout.x[edge.source] + edge.leaves_at, boxes[edge.source][3]))
        assert route[-1][1] == pytest.approx(boxes[edge.target][1])


def test_layout_crosses_no_lines_that_need_not_cross():
    sizes = [(10.0, 10.0)] * 6
    edges = [Edge(a, b, 5.0, 5.0) for a, b in ((0, 5), (1, 4), (2, 3))]
    layout = layered(sizes, edges)
    upper = sorted(range(3), key=lambda node: layout.x[node])
    assert [5 - node for node in upper] == sorted(range(3, 6), key=lambda node: layout.x[node])


def test_layout_refuses_a_cycle():
    with pytest.raises(ValueError, match="layered: the graph has a cycle"):
        layered([(1.0, 1.0)] * 2, [Edge(0, 1, 0.0, 0.0), Edge(1, 0, 0.0, 0.0)])


def test_folding_groups_a_call_and_keeps_the_order_of_computation():
    entries = [
        Entry(0, "A", path=("m",)),
        Entry(1, "B", sources=[(0, 0)]),
        Entry(2, "C", sources=[(0, 0)], path=("m",)),
    ]
    entries.append(Entry(3, "D", sources=[(1, 0)], path=("m",)))
    box = fold(entries, [0, 1, 2, 3], 0)
    assert [item if isinstance(item, int) else item.members for item in box.items] == [[0, 2], 1, 3]
