"use strict";
// Two to five submissions next to each other. The address after # says which: #p=<protocol>&s=<name>,<name>
// Text enters the page through textContent alone.

const MOST = 5;
const LEAST = 2;
const MARKS = ["circle", "square", "diamond", "triangle", "cross"];
const data = JSON.parse(document.getElementById("data").textContent);
const protocolChoice = document.getElementById("protocol");
const list = document.getElementById("choices");
const told = document.getElementById("told");
const output = document.getElementById("output");

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function drawing(tag, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

const own = (object, key) => (Object.hasOwn(object, key) ? object[key] : undefined);

function fromAddress() {
  const query = new URLSearchParams(location.hash.slice(1));
  const key = own(data.protocols, query.get("p") ?? "") ? query.get("p") : Object.keys(data.protocols)[0];
  const known = own(data.protocols, key).submissions;
  const names = (query.get("s") ?? "").split(",").filter((name) => own(known, name));
  return { key, names: [...new Set(names)].slice(0, MOST) };
}

function toAddress(key, names) {
  const text = new URLSearchParams({ p: key, s: names.join(",") }).toString();
  location.replace(`#${text.replaceAll("%2C", ",").replaceAll("%40", "@")}`);
}

function showChoices({ key, names }) {
  protocolChoice.value = key;
  const all = Object.keys(data.protocols[key].submissions);
  const focused = list.contains(document.activeElement) ? document.activeElement.value : null;
  list.replaceChildren(...all.map((name) => {
    const box = element("input", { type: "checkbox", value: name });
    box.checked = names.includes(name);
    box.disabled = !box.checked && names.length >= MOST;
    const label = element("label", box.disabled ? { class: "off" } : {}, box, element("bdi", {}, name));
    return element("li", {}, label);
  }));
  [...list.querySelectorAll("input")].find((box) => box.value === focused)?.focus();
  told.textContent = names.length < LEAST
    ? `Choose ${LEAST} to ${MOST} submissions; ${names.length} chosen.`
    : `${names.length} of at most ${MOST} chosen.`;
}

function mark(kind, x, y, index) {
  const shapes = {
    circle: `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0-8 0z`,
    square: `M${x - 3.6} ${y - 3.6}h7.2v7.2h-7.2z`,
    diamond: `M${x} ${y - 5}l5 5l-5 5l-5-5z`,
    triangle: `M${x} ${y - 4.8}l4.8 8.6h-9.6z`,
    cross: `M${x - 4} ${y - 1.4}h2.6v-2.6h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6z`,
  };
  return drawing("path", { d: shapes[kind], class: `f${index}` });
}

function keyOf(index) {
  const svg = drawing("svg", { viewBox: "0 0 14 14", width: 14, height: 14, class: "key", "aria-hidden": "true" });
  svg.append(mark(MARKS[index], 7, 7, index));
  return svg;
}

function chart(board, names) {
  const [width, height, left, right, top, bottom] = [860, 380, 44, 16, 14, 74];
  const series = names.map((name) => board.submissions[name].accuracies);
  const known = [board.full, ...series].flat().filter(([mean]) => mean !== null);
  const least = Math.min(...known.map(([mean, std]) => mean - (std ?? 0)));
  const most = Math.max(...known.map(([mean, std]) => mean + (std ?? 0)));
  const aUnit = board.metric.percent ? 10 : 1 / roundStep(most - least); // ticks from one whole number to the next
  const low = board.metric.percent ? Math.max(0, Math.floor(aUnit * least)) : Math.floor(aUnit * least);
  const reach = Math.ceil(aUnit * most);
  const high = Math.max(low + 1, board.metric.percent ? Math.min(10, reach) : reach);
  const y = (value) => height - bottom - ((aUnit * value - low) / (high - low)) * (height - bottom - top);
  const step = (width - left - right) / board.configs.length;
  const x = (index) => left + step * (index + 0.5);
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-labelledby": "chart-title" });
  svg.append(drawing("title", { id: "chart-title" }, `${board.metric.title} of each config on the full data, ${names.join(", ")}`));
  for (let tick = low; tick <= high; tick += high - low <= 6 ? 1 : 2) {
    const at = y(tick / aUnit);
    svg.append(drawing("line", { class: "gridline", x1: left, x2: width - right, y1: at, y2: at }));
    const label = board.metric.percent ? 10 * tick : Number((tick / aUnit).toPrecision(6));
    svg.append(drawing("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, String(label)));
  }
  board.configs.forEach((title, index) => {
    title.split(",").forEach((part, line) => {
      svg.append(drawing("text", { x: x(index), y: height - bottom + 19 + 14 * line, "text-anchor": "middle" }, part.trim()));
    });
  });
  const line = (values, shift) => values
    .map(([mean], index) => (mean === null ? "" : `${index && values[index - 1][0] !== null ? "L" : "M"}${x(index) + shift} ${y(mean)}`))
    .join("");
  svg.append(drawing("path", { class: "full", d: line(board.full, 0) }));
  series.forEach((values, number) => {
    const shift = (number - (names.length - 1) / 2) * 7;
    svg.append(drawing("path", { class: `line s${number}`, d: line(values, shift) }));
    values.forEach(([mean, std], index) => {
      if (mean === null) return;
      const at = x(index) + shift;
      if (std !== null) svg.append(drawing("line", { class: `bar s${number}`, x1: at, x2: at, y1: y(Math.min(high / aUnit, mean + std)), y2: y(Math.max(low / aUnit, mean - std)) }));
      svg.append(mark(MARKS[number], at, y(mean), number));
    });
  });
  return svg;
}

function roundStep(span) {
  const power = 10 ** Math.floor(Math.log10(Math.max(span, 1e-9) / 5));
  return [1, 2, 5, 10].map((factor) => power * factor).find((step) => 5 * step >= span);
}

function shown(value, metric) {
  if (value === null) return "–";
  return metric.percent ? (100 * value).toFixed(1) : String(Number(value.toPrecision(3)));
}

function places(values, metric) {
  const better = (other, mean) => (metric.lower ? other < mean : other > mean);
  return values.map(([mean]) => (mean === null ? null : 1 + values.filter(([other]) => other !== null && better(other, mean)).length));
}

function heading(names, board, first) {
  const cells = names.map((name, index) => {
    const link = element("a", { href: board.submissions[name].href }, element("bdi", {}, name));
    return element("th", { scope: "col", class: "n" }, keyOf(index), " ", link);
  });
  return element("thead", {}, element("tr", {}, element("th", { scope: "col" }, first), ...cells));
}

function scrolling(table, label) {
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

function factTable(board, names) {
  const lines = data.facts.map(({ key, title }) => element("tr", {},
    element("th", { scope: "row" }, title),
    ...names.map((name) => element("td", { class: "n" }, element("bdi", {}, board.submissions[name].facts[key])))));
  const status = element("tr", {}, element("th", { scope: "row" }, "Status"),
    ...names.map((name) => element("td", { class: "n" }, board.submissions[name].status)));
  const caption = element("caption", {}, "Figures as on the board; brackets hold 95 % intervals over seeds");
  return scrolling(element("table", {}, caption, heading(names, board, "Figure"), element("tbody", {}, ...lines, status)), "Figures");
}

function configTable(board, names) {
  const full = places(board.full, board.metric);
  const all = names.map((name) => board.submissions[name].accuracies);
  const ranks = all.map((values) => places(values, board.metric));
  const lines = board.configs.map((title, index) => element("tr", {},
    element("th", { scope: "row" }, title),
    ...all.map((values, number) => {
      const place = ranks[number][index];
      const moved = place !== null && place !== full[index];
      const rank = element("span", { class: moved ? "range best" : "range" }, place === null ? "" : ` #${place}`);
      return element("td", { class: "n" }, shown(values[index][0], board.metric), rank);
    }),
    element("td", { class: "n" }, shown(board.full[index][0], board.metric), element("span", { class: "range" }, ` #${full[index]}`))));
  const caption = element("caption", {}, `Mean ${board.metric.title.toLowerCase()}${board.metric.percent ? " in per cent" : ""} and place among the configs; a bold place is not the full data’s`);
  const head = heading(names, board, "Config");
  head.rows[0].append(element("th", { scope: "col", class: "n" }, "full data"));
  return scrolling(element("table", {}, caption, head, element("tbody", {}, ...lines)), `${board.metric.title} of each config`);
}

function overlapTable(board, names) {
  const sets = names.map((name) => new Set(board.submissions[name].classes));
  const lines = names.map((name, row) => element("tr", {},
    element("th", { scope: "row" }, element("bdi", {}, name)),
    ...names.map((_, column) => {
      const shared = [...sets[row]].filter((item) => sets[column].has(item)).length;
      return element("td", { class: "n" }, String(shared));
    })));
  const caption = element("caption", {}, "Classes that two subsets share; the diagonal holds their sizes");
  return scrolling(element("table", {}, caption, heading(names, board, "Subset"), element("tbody", {}, ...lines)), "Shared classes");
}

function sharedByAll(board, names) {
  const shared = names.map((name) => board.submissions[name].classes).reduce((a, b) => a.filter((item) => b.includes(item)));
  const words = own(data.classes, board.dataset) ?? {};
  const items = shared.map((item) => element("li", {}, element("code", {}, item), element("bdi", {}, own(words, item) ?? "")));
  const counted = { 0: "No class is", 1: "One class is" }[shared.length] ?? `${shared.length} classes are`;
  const sentence = `${counted} in ${names.length === 2 ? "both subsets" : `all ${names.length} subsets`}${shared.length ? ":" : "."}`;
  return [element("p", {}, sentence), element("ul", { class: "classes" }, ...items)];
}

function verdict(board, names) {
  const clear = board.separated.filter(([a, b]) => names.includes(a) && names.includes(b));
  if (!clear.length) return "Seed noise does not tell the chosen subsets apart by ρs.";
  return `Beyond seed noise, ${clear.map(([a, b]) => `${a} is above ${b}`).join("; ")} by ρs.`;
}

function legend(names) {
  const items = names.map((name, index) => element("li", {}, keyOf(index), element("bdi", {}, name)));
  const full = element("li", {}, element("span", { class: "whole" }), "full data");
  return element("ul", { class: "legend" }, full, ...items);
}

function show() {
  const choice = fromAddress();
  showChoices(choice);
  const { key, names } = choice;
  if (names.length < LEAST) {
    output.replaceChildren();
    return;
  }
  const board = data.protocols[key];
  const figure = element("figure", {}, legend(names),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Accuracy trend" }, chart(board, names)),
    element("figcaption", {}, "Top-1 accuracy of each config in per cent, mean and standard deviation over seeds. Only the order of the configs counts, not the height of a line."));
  output.replaceChildren(
    element("p", {}, verdict(board, names)),
    element("h2", {}, "Accuracy trend"), figure,
    element("h2", {}, "Figures"), factTable(board, names),
    element("h2", {}, "Configs"), configTable(board, names),
    element("h2", {}, "Classes"), overlapTable(board, names), ...sharedByAll(board, names));
}

if (protocolChoice) {
  protocolChoice.addEventListener("change", () => toAddress(protocolChoice.value, []));
  list.addEventListener("change", () => {
    toAddress(protocolChoice.value, [...list.querySelectorAll("input:checked")].map((box) => box.value));
  });
  window.addEventListener("hashchange", show);
  document.getElementById("chooser").hidden = false;
  show();
}
