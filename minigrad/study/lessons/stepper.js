"use strict";
// A step is drawn from the data of all steps before it: going back is as simple as going on.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const svg = document.querySelector("svg.mg");
const SVG = "http://www.w3.org/2000/svg";
const cards = new Map([...svg.querySelectorAll("[data-entry]")].map(card => [+card.dataset.entry, card]));
let now = 0, timer = null;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter(child => child !== null));
  return element;
}

// Numbers and heat maps

function text(value) {
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  const short = Number.isInteger(value) && size < 1e6 ? String(value)
    : size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2)
    : String(+value.toPrecision(4));
  return short.replace("-", "−");
}

function shapeText(shape) { return shape.length ? shape.join("×") : "scalar"; }

function rgb(name) {
  const probe = make("i", { style: `color:var(${name})` });
  document.body.append(probe);
  const channels = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return channels;
}

function palette() {
  // Blue below zero, orange above, paper at zero: told apart by everyone, in light and in dark.
  return { zero: rgb("--paper"), below: rgb("--below"), above: rgb("--above"), line: rgb("--line") };
}

function mix(colors, share) {
  const end = share < 0 ? colors.below : colors.above;
  return colors.zero.map((from, i) => Math.round(from + (end[i] - from) * Math.min(1, Math.abs(share))));
}

function heatMap(maps) {
  const levels = Int8Array.from(atob(maps.levels), letter => letter.charCodeAt(0) << 24 >> 24);
  const { count, height, width } = maps;
  const available = Math.max(120, Math.min(330, $("story").clientWidth - 70));
  const fitting = Math.max(1, Math.floor((available + 1) / (width + 1)));
  const square = Math.max(1, Math.round(Math.sqrt(count * height / width * 2.2)));
  const columns = Math.min(count, fitting, maps.columns <= fitting ? maps.columns || square : square);
  const rows = Math.ceil(count / columns);
  const gap = count > 1 && width > 2 && height > 2 ? 1 : 0;
  const canvas = make("canvas", { width: columns * (width + gap) - gap, height: rows * (height + gap) - gap });
  const scale = Math.max(1, Math.min(12, Math.floor(available / canvas.width), Math.floor(220 / canvas.height)));
  canvas.style.width = `${canvas.width * scale}px`;
  const context = canvas.getContext("2d"), colors = palette();
  context.fillStyle = `rgb(${colors.line})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  const empty = columns * rows - count;
  context.clearRect(canvas.width - empty * (width + gap) + gap, canvas.height - height, canvas.width, height);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let map = 0; map < count; map++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const level = levels[(map * height + y) * width + x];
        if (level === -128) continue;
        const column = map % columns * (width + gap) + x, row = Math.floor(map / columns) * (height + gap) + y;
        image.data.set([...mix(colors, level / 127), 255], 4 * (row * canvas.width + column));
      }
  context.putImageData(image, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `heat map, ${count} of ${height}×${width}`);
  return canvas;
}

function grid(value) {
  const shape = value.shape, width = shape.length ? shape[shape.length - 1] : 1;
  const columns = width > 1 ? Math.min(width, 10) : Math.min(value.numbers.length, 10);
  const finite = value.numbers.filter(number => typeof number === "number").map(Math.abs);
  const largest = Math.max(...finite, 0) || 1, colors = palette();
  const table = make("table");
  for (let start = 0; start < value.numbers.length; start += columns) {
    const row = make("tr");
    for (const number of value.numbers.slice(start, start + columns)) {
      const cell = make("td", { textContent: text(number) });
      if (typeof number === "number") cell.style.background = `rgb(${mix(colors, 0.55 * number / largest)})`;
      row.append(cell);
    }
    table.append(row);
  }
  return make("div", { className: "grid" }, table);
}

function item({ name, value: index, tone }) {
  const value = data.values[index];
  const box = make("div", { className: `item ${tone || ""}` });
  const label = make("div", { className: "name", textContent: name });
  box.append(label);
  if (!value) {
    box.append(make("div", { className: "facts", textContent: tone ? "no gradient" : "not kept: backward does not need it" }));
    return box;
  }
  if (value.shape.length) label.append(make("small", { textContent: `  ${shapeText(value.shape)}` }));
  if (value.numbers && value.numbers.length === 1)
    box.append(make("div", { className: "number", textContent: text(value.numbers[0]) }));
  else if (value.numbers) box.append(grid(value));
  else box.append(heatMap(value.maps));
  if (value.statistics) {
    const { min, max, mean, norm, zeros } = value.statistics;
    const lines = [`${text(min)} to ${text(max)}, mean ${text(mean)}`, `norm ${text(norm)}`];
    if (zeros > 0) lines[1] += `, ${zeros >= 0.01 ? Math.round(100 * zeros) : "< 1"} % zeros`;
    if (value.maps.note) lines.push(value.maps.note);
    box.append(make("div", { className: "facts", innerText: lines.join("\n") }));
  }
  return box;
}

function group({ title, items, note, sum }) {
  const row = make("div", { className: "items" });
  items.forEach((entry, place) => {
    if (sum && place) row.append(make("span", { className: "sign", textContent: place === items.length - 1 ? "=" : "+" }));
    row.append(item(entry));
  });
  return make("div", { className: "group" }, make("h3", { textContent: title }), row,
    note ? make("div", { className: "note-line", textContent: note }) : null);
}

// The graph

function paintGraph(step) {
  const state = new Map();
  for (let i = 0; i <= now; i++)
    for (const [index, change] of Object.entries(data.steps[i].changes || {}))
      state.set(+index, { ...state.get(+index), ...change });
  for (const badge of svg.querySelectorAll(".badge")) badge.remove();
  for (const [index, card] of cards) {
    const its = state.get(index) || {}, leaf = data.leaves.includes(index);
    card.classList.toggle("known", leaf || its.value === true);
    card.classList.toggle("now", step.node === index);
    card.classList.toggle("done", its.state === "done");
    const value = card.querySelector("[data-value]"), gradient = card.querySelector("[data-gradient]");
    if (value) value.classList.toggle("shown", its.value === true);
    if (gradient) {
      gradient.classList.toggle("shown", Boolean(its.gradient));
      const words = gradient.querySelector("text");
      if (words && its.gradient) words.textContent = its.gradient;
    }
    if (its.state === "waiting" || its.state === "ready") badge(card, its);
  }
  const lit = new Set((step.edges || []).map(([from, to]) => `${from} ${to}`));
  const up = step.phase === "backward";
  for (const edge of svg.querySelectorAll("[data-edge]")) {
    const on = lit.has(`${edge.dataset.edge} ${edge.dataset.to}`);
    edge.classList.toggle("lit", on);
    edge.classList.toggle("up", on && up);
  }
}

function badge(card, its) {
  const frame = card.querySelector("rect");
  const x = +frame.getAttribute("x") + +frame.getAttribute("width"), y = +frame.getAttribute("y");
  const mark = document.createElementNS(SVG, "g");
  mark.setAttribute("class", `badge ${its.state}`);
  const circle = document.createElementNS(SVG, "circle"), words = document.createElementNS(SVG, "text");
  for (const [name, value] of [["cx", x - 2], ["cy", y + 1], ["r", 9]]) circle.setAttribute(name, value);
  for (const [name, value] of [["x", x - 2], ["y", y + 5]]) words.setAttribute(name, value);
  words.textContent = its.waiting;
  mark.append(circle, words);
  card.append(mark);
}

function fitGraph() {
  // Small graphs are enlarged, wide ones made to fit as long as they can be read; tall ones scroll.
  const view = $("graph"), [width, height] = ["width", "height"].map(name => +svg.getAttribute(name));
  const room = [view.clientWidth - 24, view.clientHeight - 24];
  svg.style.width = `${width * Math.max(0.7, Math.min(room[0] / width, Math.max(1, Math.min(1.7, room[1] / height))))}px`;
}

function showCard(index) {
  const card = cards.get(index), view = $("graph");
  if (!card) return;
  const box = card.getBoundingClientRect(), frame = view.getBoundingClientRect();
  if (box.top < frame.top + 30 || box.bottom > frame.bottom - 30)
    view.scrollTop += box.top + box.height / 2 - frame.top - frame.height / 2;
  if (box.left < frame.left || box.right > frame.right)
    view.scrollLeft += box.left + box.width / 2 - frame.left - frame.width / 2;
}

// Formulas and source

function paintFormulas(step) {
  const area = $("formulas"), lines = step.formulas || [];
  area.hidden = lines.length === 0;
  const sets = [["forward", lines.slice(0, 1)], ["backward", lines.slice(1)]];
  area.replaceChildren(...sets.filter(([, some]) => some.length).map(([name, some]) =>
    make("div", { className: `set ${name === step.phase ? "now" : ""}` }, make("h3", { textContent: name }),
      make("div", { className: "lines", innerHTML: some.join("") }))),
    ...(step.symbols ? [make("div", { className: "note-line", textContent: `Here ${step.symbols}.` })] : []));
}

function paintCode(step) {
  const area = $("code"), code = data.codes[step.code];
  area.hidden = !code;
  if (!code) return area.replaceChildren();
  const halves = code.backward && code.forward
    ? [["forward", code.forward], ["backward", code.backward]]
    : [[code.forward ? "value and derivative" : "backward", code.forward || code.backward]];
  area.replaceChildren(...halves.map(([name, source]) => {
    const current = halves.length === 1 || name === step.phase;
    return make("div", { className: `half ${current ? "now" : ""} ${halves.length === 1 ? "whole" : ""}` },
      make("h3", { textContent: `${name} of ${step.code}` }, make("span", { textContent: code.file })),
      make("pre", { className: "source", innerHTML: source }));
  }));
}

// Walking

const PHASES = { start: "before we start", forward: "forward", turn: "the turn", backward: "backward", end: "afterwards" };

function show(index, keepHash) {
  now = Math.max(0, Math.min(data.steps.length - 1, index));
  const step = data.steps[now];
  document.body.dataset.phase = step.phase;
  document.body.dataset.step = now;
  const same = data.steps.filter(other => other.phase === step.phase);
  $("kicker").textContent = PHASES[step.phase] + (same.length > 1 ? `, ${same.indexOf(step) + 1} of ${same.length}` : "");
  $("title").textContent = step.title;
  $("sub").textContent = step.sub || "";
  $("words").innerHTML = step.words.map(words => words.startsWith("<table") ? words
    : words.startsWith("!") ? `<p class="note">${words.slice(1)}</p>` : `<p>${words}</p>`).join("");
  $("line").hidden = !step.line;
  $("line").textContent = step.line || "";
  $("program").hidden = !step.program;
  $("program").innerHTML = step.program || "";
  $("groups").replaceChildren(...(step.groups || []).map(group));
  paintFormulas(step);
  paintCode(step);
  paintGraph(step);
  $("slider").value = now;
  $("count").value = `${now + 1} / ${data.steps.length}`;
  $("back").disabled = $("first").disabled = now === 0;
  $("next").disabled = $("last").disabled = now === data.steps.length - 1;
  $("story").scrollTop = 0;
  if (step.node !== undefined) showCard(step.node);
  if (!keepHash) history.replaceState(null, "", `#step=${now}`);
}

function pause() {
  clearInterval(timer);
  timer = null;
  $("play").textContent = "play";
}

function play() {
  if (timer) return pause();
  if (now === data.steps.length - 1) show(0);
  $("play").textContent = "pause";
  timer = setInterval(() => now < data.steps.length - 1 ? show(now + 1) : pause(), 2500);
}

function go(index) {
  pause();
  show(index);
}

$("first").onclick = () => go(0);
$("back").onclick = () => go(now - 1);
$("next").onclick = () => go(now + 1);
$("last").onclick = () => go(data.steps.length - 1);
$("play").onclick = play;
$("slider").oninput = () => go(+$("slider").value);
$("slider").max = data.steps.length - 1;
for (const [index, card] of cards)
  card.addEventListener("click", () => {
    // A card leads to its step in the direction in which we are walking, or the other if it has none there.
    const back = ["turn", "backward", "end"].includes(data.steps[now].phase) ? "backward" : "forward";
    const its = data.steps.map((step, place) => [step, place]).filter(([step]) => step.node === index);
    const found = its.find(([step]) => step.phase === back) || its[0];
    if (found) go(found[1]);
  });
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inSlider = event.target === $("slider");
  const keys = {
    ArrowRight: () => go(now + 1), ArrowLeft: () => go(now - 1),
    Home: () => go(0), End: () => go(data.steps.length - 1), " ": play,
  };
  if (!(event.key in keys) || (event.key === " " && event.target.tagName === "BUTTON" && event.target.id !== "play")) return;
  if (inSlider && event.key !== " ") return;
  event.preventDefault();
  if (event.key === " " && event.target.id === "play") $("play").blur();
  keys[event.key]();
});
$("theme").onclick = () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  show(now);
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(now));
function stepOfHash() {
  const found = location.hash.match(/step=(\d+)/);
  return found ? +found[1] : 0;
}
addEventListener("resize", fitGraph);
fitGraph();
addEventListener("hashchange", () => show(stepOfHash(), true));
show(stepOfHash(), true);
