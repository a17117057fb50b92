"""study.step: the page's data against the engine's own numbers, the walk in a browser, and what is refused."""

import base64
import json
import re
from html import unescape

import numpy as np
import pytest
from study.browser import browse, needs_browser

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, study
from minigrad.study.draw.arrays import FEW, number_text, picture_of
from minigrad.study.draw.highlight import highlight
from minigrad.study.lessons.computation import computation_of_trace
from minigrad.study.lessons.first_lesson import lesson_computation, lesson_steps
from minigrad.study.lessons.narration import Narrator
from minigrad.vision.models import LeNet5

WALK = """
const seen = [];
const last = +document.getElementById("slider").max;
for (let step = 0; step <= last; step++) {
  const cards = {};
  for (const card of document.querySelectorAll("[data-entry]")) {
    const gradient = card.querySelector("[data-gradient].shown text"), badge = card.querySelector(".badge text");
    cards[card.dataset.entry] = {
      classes: [...card.classList], gradient: gradient && gradient.textContent, badge: badge && badge.textContent };
  }
  seen.push({
    phase: document.body.dataset.phase, title: document.getElementById("title").textContent,
    words: document.getElementById("words").textContent, groups: document.getElementById("groups").innerText,
    code: document.getElementById("code").innerText, maths: document.querySelectorAll("#formulas math").length,
    canvases: document.querySelectorAll("#groups canvas").length, cards,
    lit: [...document.querySelectorAll("[data-edge].lit")].map(edge => `${edge.dataset.edge} ${edge.dataset.to}`),
  });
  dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
}
return seen;
"""


def data_of(page):
    """What is embedded in a page."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def plain(words):
    return unescape(re.sub(r"<[^>]+>", "", " ".join(words)))


def lenet_trace():
    mg.manual_seed(0)
    model, image, label = LeNet5(), mg.randn(1, 1, 28, 28), mg.tensor([3])
    with study.trace(keep_values=True) as t:
        loss = F.cross_entropy(model(image), label)
        loss.backward()
    return model, t


def test_the_lesson_tells_the_numbers_of_the_engine():
    a = mg.tensor(2.0, requires_grad=True)
    b = mg.tensor(3.0, requires_grad=True)
    c = a * b
    loss = (c + c.square()) * a
    loss.backward()
    assert (loss.item(), a.grad.item(), b.grad.item()) == (84, 120, 52)
    _, steps = lesson_steps(lesson_computation())
    assert [step.title for step in steps if step.phase == "forward"] == [
        "c = a × b",
        "d = c²",
        "e = c + d",
        "L = e × a",
    ]
    backward = {step.title: plain(step.words) for step in steps if step.phase == "backward"}
    assert list(backward) == ["L = e × a", "e = c + d", "d = c²", "c = a × b", "b", "a"]
    assert "c must wait: d used it too, and has not run yet" in backward["e = c + d"]
    assert "both gradients have arrived, from e and d. They are added. 2 + 24 = 26." in backward["c = a × b"]
    assert "to a: 26 × 3 = 78 and to b: 26 × 2 = 52" in backward["c = a × b"]
    assert "42 + 78 = 120" in backward["a"]
    check, recursion = (plain(step.words) for step in steps if step.phase == "end" and "table" in "".join(step.words))
    assert "120" in check and "52" in check
    numbers = re.findall(r"<td>(\d+) ×</td><td>(\d+)</td><td>(\d+)</td>", " ".join(steps[-2].words))
    assert numbers == [("2", "120", "52"), ("1", "48", "4"), ("1", "120", "52")]


def test_waiting_counts_are_those_of_the_engine():
    _, t = lenet_trace()
    computation = computation_of_trace(t)
    turn = next(step for step in Narrator(computation).tell() if step.phase == "turn")
    backward = [record for record in t.backward if record.within is None]
    assert len(computation.runs) == len(backward) == 23  # 13 operations and 10 parameters
    for run, record in zip(computation.runs, backward, strict=True):
        assert turn.changes[run.entry]["waiting"] == record.waited_for


def test_lenet_shows_every_value_that_went_in_and_came_out(tmp_path):
    model, t = lenet_trace()
    page = study.step(t, tmp_path / "lenet.html").read_text()
    data = data_of(page)
    shown = {
        item["name"]: data["values"][item["value"]]
        for step in data["steps"]
        for group in step.get("groups", ())
        for item in group["items"]
    }
    for name, parameter in model.named_parameters():
        picture = shown[f"{name}.grad"]
        assert picture["shape"] == list(parameter.shape)
        if parameter.numel() > FEW:
            norm = np.linalg.norm(parameter.grad.numpy().astype(np.float64))
            assert picture["statistics"]["norm"] == pytest.approx(norm, rel=1e-6)
        else:
            np.testing.assert_allclose(picture["numbers"], parameter.grad.numpy().reshape(-1), rtol=1e-6)
    assert shown["x = image"]["shape"] == [1, 1, 28, 28]
    assert {step["code"] for step in data["steps"] if step["phase"] == "forward"} == {
        "Conv2d", "ReLU", "MaxPool2d", "Reshape", "Linear", "SoftmaxCrossEntropy",
    }  # fmt: skip
    assert len(page) < 1_000_000
    assert "http" not in page.replace("http://www.w3.org/", "") and " src=" not in page


def test_a_loss_is_stepped_through_without_touching_its_gradients(tmp_path):
    x = mg.tensor([1.0, -2.0, 3.0], requires_grad=True)
    w = mg.tensor([[0.5, 1.0, -1.0], [2.0, 0.0, 1.0]], requires_grad=True)
    w.grad = mg.ones(2, 3)
    hidden = (w @ x).tanh()
    loss = (hidden * hidden + x.sum()).sum()
    data = data_of(study.step(loss, tmp_path / "loss.html").read_text())
    assert x.grad is None
    np.testing.assert_array_equal(w.grad.numpy(), np.ones((2, 3)))
    steps = {(step["phase"], step["title"].partition(" = ")[0]): step for step in data["steps"]}
    assert steps["forward", "hidden"]["title"].startswith("hidden = tanh(")
    output = data["values"][steps["forward", "hidden"]["groups"][1]["items"][0]["value"]]
    np.testing.assert_allclose(output["numbers"], hidden.detach().numpy(), rtol=1e-6)
    result = data["values"][steps["forward", "Sum"]["groups"][1]["items"][0]["value"]]
    assert result["numbers"] == [pytest.approx(loss.item())]
    loss.backward()  # the graph was kept
    w_grad = steps["backward", "w"]["groups"][0]["items"][0]["value"]
    np.testing.assert_allclose(
        data["values"][w_grad]["numbers"], (w.grad.numpy() - 1).reshape(-1), rtol=1e-5, atol=1e-7
    )


def test_a_leaf_without_a_name_is_one_leaf_however_often_it_is_used(tmp_path):
    leaves = [mg.tensor(3.0, requires_grad=True)]
    with study.trace(keep_values=True) as t:
        result = leaves[0] * leaves[0] * leaves[0]
        result.backward()
    computation = computation_of_trace(t)
    assert [entry.operation for entry in computation.entries] == ["", "Mul", "Mul"]
    assert computation.runs[-1].accumulated == 27


def test_names_and_source_cannot_break_the_page(tmp_path):
    class Evil(mg.autograd.Function):
        """</script><b>"""

        @staticmethod
        def forward(ctx, x):
            return x * 1  # </script><script>alert(1)</script>

        @staticmethod
        def backward(ctx, grad):
            return grad

    model = nn.Sequential()
    model.add_module("<i>&", nn.Linear(1, 1))
    with study.trace(keep_values=True) as t:
        result = Evil.apply(model(mg.ones(1, 1))).sum()
        result.backward()
    page = study.step(t, tmp_path / "evil.html").read_text()
    assert page.count("</script>") == 2 and "<i>" not in page
    assert "alert(1)" in json.dumps(data_of(page))


def test_what_cannot_be_stepped_through_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "page.html"
    x = mg.ones(3, requires_grad=True)
    with pytest.raises(
        TypeError, match="step: expected a trace or a loss before the path; the lesson is step.path=.page.html"
    ):
        study.step("page.html")
    with pytest.raises(RuntimeError, match=r"step: this tensor of shape \[3\] has no graph: it is a leaf"):
        study.step(x, path)
    with pytest.raises(RuntimeError, match=r"step: backward starts from one number, but this tensor has shape \[3\]"):
        study.step(x * 2, path)
    loss = x.exp().sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="step: backward.. has freed this graph; call study.step before backward"):
        study.step(loss, path)
    with study.trace() as t:
        x.exp().sum().backward()
    with pytest.raises(RuntimeError, match=r"kept no values; record with study.trace\(keep_values=True\)"):
        study.step(t, path)
    with study.trace(keep_values=True) as t:
        loss = x.exp().sum()
    with pytest.raises(RuntimeError, match="step: nothing ran backward in this trace"):
        study.step(t, path)
    with study.trace(keep_values=True) as t:
        loss.backward()
    with pytest.raises(RuntimeError, match="step: forward is not in this trace"):
        study.step(t, path)
    for _ in range(100_000):
        x = -x
    with pytest.raises(ValueError, match=r"step: 100,001 operations are too many to walk through \(at most 1,000\)"):
        study.step(x.sum(), path)
    assert not path.exists()


@pytest.mark.parametrize(
    "shape", [(), (5,), (64,), (65,), (1, 200), (3, 4, 5, 6), (2, 6, 28, 28), (120, 400), (300, 3, 3, 3)]
)
def test_pictures_hold_the_values(shape):
    array = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    picture = picture_of(array)
    assert picture["shape"] == list(shape)
    if array.size <= FEW:
        np.testing.assert_allclose(picture["numbers"], array.reshape(-1), rtol=1e-6)
        return
    maps = picture["maps"]
    levels = np.frombuffer(base64.b64decode(maps["levels"]), np.int8).reshape(
        maps["count"], maps["height"], maps["width"]
    )
    assert levels.size <= 6144 + 96
    values = levels / 127 * maps["largest"]
    if "mean of" in maps["note"]:
        np.testing.assert_allclose(values[0, 0, 0], array[:5, :5].mean(), atol=maps["largest"] / 200)
    elif array.ndim < 3 and max(shape) == array.size:
        np.testing.assert_allclose(values.reshape(-1)[: array.size], array.reshape(-1), atol=maps["largest"] / 200)
    else:
        kept = array.reshape(-1, *shape[-2:])[: maps["count"]]
        np.testing.assert_allclose(values, kept, atol=maps["largest"] / 200)


def test_pictures_of_what_is_no_number():
    assert picture_of(None) is None
    assert picture_of(np.array([1.0, np.nan, np.inf, -np.inf]))["numbers"] == [1.0, "NaN", "∞", "−∞"]
    assert picture_of(np.array([True, False]))["numbers"] == [1, 0]
    picture = picture_of(np.full((10, 10), np.nan))
    json.dumps(picture, allow_nan=False)
    assert picture["statistics"]["min"] == "NaN" and picture["maps"]["largest"] == 0
    json.dumps(picture_of(np.full((10, 10), np.float16(6e4))), allow_nan=False)
    assert number_text(-0.5) == "−0.5" and number_text(1e-9) == "1e-09"


def test_highlight_marks_words_and_keeps_the_text():
    source = 'def f(x):\n    # a < b\n    return "é" + 3.5  # done\n\n@staticmethod\ndef g(): pass'
    marked = highlight(source)
    assert unescape(re.sub(r"</?span[^>]*>", "", marked)) == source
    assert '<span class="k">def</span> <span class="d">f</span>' in marked
    assert '<span class="c"># a &lt; b</span>' in marked and '<span class="n">3.5</span>' in marked
    assert highlight("x = (") == "x = (" and highlight("") == ""


@needs_browser
def test_the_lesson_is_walked_in_a_browser(tmp_path):
    page = study.step(path=tmp_path / "lesson.html")
    seen = browse(page, WALK)
    phases = [step["phase"] for step in seen]
    assert phases == ["start"] + ["forward"] * 4 + ["turn"] + ["backward"] * 6 + ["end"] * 3
    titles = [step["title"] for step in seen]
    at_e = seen[titles.index("e = c + d", 6)]
    names = {"a": "0", "b": "1", "c": "2", "d": "3", "e": "4", "L": "5"}
    assert at_e["cards"][names["c"]]["badge"] == "1" and at_e["cards"][names["d"]]["badge"] == "0"
    assert at_e["cards"][names["c"]]["gradient"] == "∇ 2" and "now" in at_e["cards"][names["e"]]["classes"]
    assert sorted(at_e["lit"]) == ["2 4", "3 4"]
    at_c = seen[titles.index("c = a × b", 6)]
    assert at_c["cards"][names["c"]]["gradient"] == "∇ 26" and at_c["cards"][names["c"]]["badge"] is None
    assert re.search(r"from e\s+2\s+\+\s+from d\s+24\s+=\s+sum: gradient of c\s+26", at_c["groups"])
    assert "ctx.saved_tensors" in at_c["code"] and at_c["maths"] == 3
    final = seen[-1]["cards"]
    assert [final[names[name]]["gradient"] for name in "abcdeL"] == ["∇ 120", "∇ 52", "∇ 26", "∇ 2", "∇ 2", "∇ 1"]


@needs_browser
def test_lenet_is_walked_in_a_browser(tmp_path):
    model, t = lenet_trace()
    seen = browse(study.step(t, tmp_path / "lenet.html"), WALK)
    assert len(seen) == 1 + 13 + 1 + 23
    assert "mean" in seen[1]["groups"] and seen[1]["canvases"] == 3  # the image, the weight, the output
    bias = next(step for step in seen if step["title"] == "classifier.5.bias")
    for number in model.classifier[5].bias.grad.numpy():
        shown = f"{number:.4g}".replace("-", "−")
        assert shown in bias["groups"] or abs(number) < 1e-3
    assert any(step["maths"] == 4 and "Conv2d" in step["code"] for step in seen)


@needs_browser
def test_keys_buttons_cards_and_the_address_lead_to_steps(tmp_path):
    page = study.step(path=tmp_path / "lesson.html")
    script = """
    const at = () => +document.body.dataset.step, key = key => dispatchEvent(new KeyboardEvent("keydown", { key }));
    const clickCard = () => document.querySelector('[data-entry="4"]').dispatchEvent(new MouseEvent("click"));
    const seen = [at()];
    for (const name of ["ArrowLeft", "ArrowRight", "Home", "End"]) { key(name); seen.push(at()); }
    document.getElementById("first").click(); seen.push(at());
    document.getElementById("next").click(); seen.push(at());
    clickCard(); seen.push(at());
    const slider = document.getElementById("slider");
    slider.value = 6; slider.oninput(); seen.push(at());
    clickCard(); seen.push(at());
    seen.push(location.hash);
    key("Home"); key(" ");
    await new Promise(done => setTimeout(done, 5600));
    seen.push(at());
    key(" ");
    document.getElementById("theme").click();
    seen.push(document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor);
    seen.push(document.documentElement.scrollWidth <= innerWidth);
    return seen;
    """
    seen = browse(page, script, fragment="#step=5")
    assert seen == [5, 4, 5, 0, 14, 0, 1, 3, 6, 7, "#step=7", 2, "dark", "rgb(21, 25, 31)", True]


@needs_browser
def test_a_graph_opens_its_modules_in_a_browser(tmp_path):
    model = nn.Sequential(
        nn.Sequential(*[nn.Linear(2, 2) for _ in range(25)]), nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    )
    loss = model(mg.ones(1, 2)).sum()
    study.graph(loss, model=model, depth=0).save(tmp_path / "graph.html")
    script = """
    const shown = () => [...document.querySelectorAll("section")].filter(s => !s.hidden).map(s => s.dataset.module);
    const seen = [shown()];
    document.querySelector('[data-open="0"]').dispatchEvent(new MouseEvent("click", { bubbles: true }));
    await new Promise(done => setTimeout(done, 100));
    seen.push(shown(), document.querySelector("nav").textContent);
    document.querySelector("nav button").click();
    await new Promise(done => setTimeout(done, 100));
    seen.push(shown());
    return seen;
    """
    assert browse(tmp_path / "graph.html", script) == [[""], ["0"], "the whole graph›0", [""]]
