"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const { classes, gallery } = data;
const letters = data.names.length > 1 ? ["A", "B"] : [""];
const get = (id) => document.getElementById(id);
const form = get("filters");
const FIRST = 12, MORE = 60; // cards shown, and added at once

// ---- what is known about each image

const items = gallery.index.map((index, at) => ({
  at,
  index,
  kind: gallery.kind[at],
  actual: gallery.actual[at],
  answers: gallery.models.map((model) => ({
    predicted: model.predicted[at],
    probabilities: model.probabilities[at],
    labelIssue: model.labelIssues[at],
    confidence: model.probabilities[at][model.predicted[at]],
  })),
}));
items.forEach((item) => { item.labelIssue = item.answers.some((answer) => answer.labelIssue); });

const maps = gallery.models.map((model) =>
  model.maps === null ? null : Uint8Array.from(atob(model.maps), (c) => c.charCodeAt(0)));

function kindWords(kind) {
  const chip = form.querySelector(`input[name=kind][value="${kind}"]`);
  return chip ? chip.dataset.words : "";
}

const percent = (parts) => `${(100 * parts / gallery.scale).toFixed(1)}%`;

// ---- pictures

const [height, width] = gallery.size;
const ENLARGED = 4;
// The palette inferno at equal steps, red, green and blue.
const HEAT = ["000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4"]
  .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

function heatColor(share) {
  const place = share * (HEAT.length - 1);
  const low = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[low].map((value, i) => value + (place - low) * (HEAT[low + 1][i] - value));
}

function drawImage(canvas, item, scale = 1) {
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  const row = Math.floor(item.at / gallery.sheetColumns), column = item.at % gallery.sheetColumns;
  context.drawImage(get("sheet"), column * width, row * height, width, height, 0, 0, canvas.width, canvas.height);
  return context;
}

function heatOf(item, model) {
  const [rows, columns] = gallery.models[model].mapSize;
  const values = maps[model].subarray(item.at * rows * columns, (item.at + 1) * rows * columns);
  if (!values.some((value) => value > 0)) return null;
  const heat = new OffscreenCanvas(columns, rows), context = heat.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  values.forEach((value, i) => {
    const share = value / 255;
    pixels.data.set([...heatColor(share), 255 * 0.8 * share ** 0.6], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
  return heat;
}

/** Draw the heatmap over the gray image; the words to show where there is none. */
function drawMap(canvas, item, model) {
  const context = drawImage(canvas, item, ENLARGED);
  context.globalCompositeOperation = "saturation"; // of a gray: what is below keeps its brightness only
  context.fillStyle = "#808080";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalCompositeOperation = "source-over";
  if (!maps[model]) return "no heatmap";
  const heat = heatOf(item, model);
  if (!heat) return "no positive evidence";
  context.imageSmoothingEnabled = true;
  context.drawImage(heat, 0, 0, canvas.width, canvas.height);
  return "";
}

// ---- cards

function describe(item) {
  const answers = item.answers.map((answer, model) =>
    `${letters[model] && `${letters[model]}: `}taken for ${classes[answer.predicted]}, ${percent(answer.confidence)} sure`);
  const words = [`image ${item.index}`, kindWords(item.kind), `is ${classes[item.actual]}`, ...answers];
  return words.filter(Boolean).concat(item.labelIssue ? "label issue" : []).join("; ");
}

function fillPictures(root, item) {
  drawImage(root.querySelector(".image"), item);
  root.querySelector(".actual").textContent = classes[item.actual];
  root.querySelectorAll(".answer").forEach((picture, model) => {
    const answer = item.answers[model];
    const right = answer.predicted === item.actual;
    const missing = drawMap(picture.querySelector(".map"), item, model);
    const none = picture.querySelector(".none");
    none.textContent = missing;
    none.hidden = !missing;
    picture.classList.add(right ? "right" : "wrong");
    picture.querySelector(".said").textContent = `${right ? "✓" : "✗"} ${classes[answer.predicted]}`;
    picture.querySelector(".sure").textContent = `${percent(answer.confidence)} sure`;
  });
}

function makeCard(item) {
  const root = get("card").content.cloneNode(true);
  const button = root.querySelector("button");
  button.dataset.index = item.index;
  button.setAttribute("aria-label", describe(item));
  button.addEventListener("click", () => openDetail(item));
  const kind = root.querySelector(".kind");
  kind.textContent = kindWords(item.kind);
  kind.classList.add(item.kind);
  root.querySelector(".index").textContent = `#${item.index}`;
  root.querySelector(".issue").hidden = !item.labelIssue;
  fillPictures(root, item);
  return root;
}

// ---- filters

let matching = items;

function matches(item, filters) {
  return (!filters.kind || item.kind === filters.kind)
    && (!filters.actual || classes[item.actual] === filters.actual)
    && (!filters.predicted || item.answers.some((answer) => classes[answer.predicted] === filters.predicted))
    && (!filters.issue || item.labelIssue);
}

/** How much probability the label has won or lost from A to B. */
function difference({ actual, answers: [a, b] }) {
  return Math.abs(b.probabilities[actual] - a.probabilities[actual]);
}

function inOrder(sort) {
  if (sort === "index") return () => 0; // as they come
  if (sort === "difference") return (a, b) => difference(b) - difference(a);
  return (a, b) => b.answers[sort].confidence - a.answers[sort].confidence;
}

function update() {
  const filters = Object.fromEntries(new FormData(form));
  matching = items.filter((item) => matches(item, filters)).sort(inOrder(filters.sort));
  get("cards").replaceChildren();
  showMore();
  get("status").textContent = matching.length === items.length
    ? `${items.length.toLocaleString("en")} images`
    : `${matching.length.toLocaleString("en")} of ${items.length.toLocaleString("en")} images`;
  keepInAddress(filters);
}

function showMore() {
  const shown = get("cards").childElementCount;
  const added = matching.slice(shown, shown + (shown ? MORE : FIRST));
  get("cards").append(...added.map(makeCard));
  const left = matching.length - shown - added.length;
  get("more").hidden = left === 0;
  get("more").textContent = left > MORE ? `Show ${MORE} more of ${left}` : `Show the other ${left}`;
  return get("cards").children[shown];
}

/** Set these filters, and the others to their defaults. */
function choose(filters) {
  form.reset();
  setFilters(filters);
  update();
}

function showInGallery(filters) {
  choose(filters);
  get("gallery").scrollIntoView();
}

function setFilters(filters) {
  for (const name of ["kind", "actual", "predicted", "sort", "issue"]) {
    const field = form.elements[name];
    if (!field || !filters[name]) continue;
    if (field.type === "checkbox") field.checked = true;
    else field.value = filters[name];
    if (field.tagName === "SELECT" && field.selectedIndex < 0) field.selectedIndex = 0;
  }
}

function keepInAddress(filters) {
  const sort = form.elements.sort.options[0].value;
  const chosen = Object.entries(filters).filter(([name, value]) => value && !(name === "sort" && value === sort));
  const hash = new URLSearchParams(chosen).toString();
  if (hash || location.hash.includes("=")) history.replaceState(null, "", `#${hash}`);
}

// ---- one image, enlarged

let current = null;

function openDetail(item) {
  current = item;
  const dialog = get("detail");
  get("detail-title").textContent = [`Image ${item.index}`, kindWords(item.kind)].filter(Boolean).join(": ");
  const pictures = get("card").content.querySelector(".pictures").cloneNode(true);
  fillPictures(pictures, item);
  get("detail-pictures").replaceChildren(pictures);
  const flagging = letters.filter((_, model) => item.answers[model].labelIssue).join(" and ");
  get("detail-issue").textContent = item.labelIssue
    ? `? label issue, according to the probabilities ${flagging ? `of ${flagging}` : "below"}` : "";
  get("detail-probabilities").replaceChildren(...classes.map((_, c) => probabilityRow(item, c)));
  get("previous").disabled = matching.indexOf(item) === 0;
  get("next").disabled = matching.indexOf(item) === matching.length - 1;
  if (!dialog.open) dialog.showModal();
}

function probabilityRow(item, c) {
  const row = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = c === item.actual ? `${classes[c]} (label)` : classes[c];
  row.append(name, ...item.answers.map((answer, model) => {
    const cell = document.createElement("td");
    cell.className = `probability bar-${model}${answer.predicted === c ? " strong" : ""}`;
    cell.style.setProperty("--share", answer.probabilities[c] / gallery.scale);
    cell.textContent = percent(answer.probabilities[c]);
    return cell;
  }));
  return row;
}

function step(by) {
  const next = matching[matching.indexOf(current) + by];
  if (next) openDetail(next);
}

get("detail").addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) { event.preventDefault(); step(by); }
});
get("detail").addEventListener("click", (event) => { if (event.target === get("detail")) get("detail").close(); });
get("detail").addEventListener("close", () => {
  while (matching.indexOf(current) >= get("cards").childElementCount) showMore();
  get("cards").children[matching.indexOf(current)].firstElementChild.focus();
});
get("previous").addEventListener("click", () => step(-1));
get("next").addEventListener("click", () => step(1));
get("close").addEventListener("click", () => get("detail").close());

// ---- light and dark

function isDark() {
  const chosen = document.documentElement.style.colorScheme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function themeChanged() {
  get("theme").textContent = isDark() ? "☀ Light" : "☾ Dark";
  document.dispatchEvent(new Event("themechange"));
}

get("theme").addEventListener("click", () => {
  document.documentElement.style.colorScheme = isDark() ? "light" : "dark";
  themeChanged();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);

// ---- start

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-kind], [data-actual], [data-issue]");
  if (link) showInGallery({ ...link.dataset });
});
form.addEventListener("input", update);
get("clear").addEventListener("click", () => choose({}));
form.addEventListener("submit", (event) => event.preventDefault());
get("more").addEventListener("click", () => showMore().firstElementChild.focus());
themeChanged();
setFilters(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
get("sheet").decode().then(() => {
  update();
  if (location.hash.includes("=")) get("gallery").scrollIntoView();
});
