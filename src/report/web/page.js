"use strict";

const letters = data.names.length > 1 ? ["A", "B"] : [""];
const form = get("filters");

// ---- what is known about each image

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const items = gallery.index.map((index, at) => ({
  at,
  index,
  split: "test",
  file: gallery.files ? gallery.files[at] : "",
  linked: gallery.linked[at],
  sha256: gallery.sha256?.[at],
  listed: gallery.listed[at],
  kind: gallery.kind[at],
  actual: gallery.actual[at],
  answers: gallery.models.map((model) => ({
    predicted: model.predicted[at],
    probabilities: model.probabilities[at],
    labelIssue: model.labelIssues[at],
    often: model.often?.[at],
    confidence: model.probabilities[at][gallery.listed[at].indexOf(model.predicted[at])],
  })),
}));
const mistakes = items.filter((item) => item.kind !== "right"); // the others are beside blind spots alone
const spots = (data.spots ?? []).map((spot) => ({ ...spot, members: new Set(spot.members) }));
items.forEach((item) => {
  item.labelIssue = item.answers.some((answer) => answer.labelIssue);
  const [first] = item.answers;
  item.suggested = first.predicted;
  item.likely = item.listed.map((c, at) => [first.probabilities[at], c]).sort(([a], [b]) => b - a).map(([, c]) => c);
});
document.querySelectorAll("select[name=actual], select[name=predicted]").forEach((select) =>
  select.append(...classes.map((name, position) => new Option(name, position))));

const maps = gallery.models.map((model) =>
  model.maps === null ? null : Uint8Array.from(atob(model.maps), (c) => c.charCodeAt(0)));

function kindWords(kind) {
  const chip = form.querySelector(`input[name=kind][value="${kind}"]`);
  return chip ? chip.dataset.words : "";
}

const percent = (parts) => `${(100 * parts / gallery.scale).toFixed(1)}%`;

/** Of groups of seeds: in how many runs of its side an image is right. */
const oftenWords = (answer, model) => data.seeds ? `right in ${answer.often} of ${data.seeds[model]} runs` : "";

// ---- pictures

// The palette inferno at equal steps, red, green and blue.
const HEAT = ["000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4"]
  .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

function heatColor(share) {
  const place = share * (HEAT.length - 1);
  const low = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[low].map((value, i) => value + (place - low) * (HEAT[low + 1][i] - value));
}

/** The heatmap as a canvas of its own few pixels, which the browser enlarges; the words to show where there is none. */
function drawMap(canvas, item, model) {
  canvas.width = canvas.height = 1;
  if (!maps[model]) return "no heatmap";
  const [rows, columns] = gallery.models[model].mapSize;
  const values = maps[model].subarray(item.at * rows * columns, (item.at + 1) * rows * columns);
  if (!values.some((value) => value > 0)) return "no positive evidence";
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d"), pixels = context.createImageData(columns, rows);
  values.forEach((value, i) => {
    const share = value / 255;
    pixels.data.set([...heatColor(share), 255 * 0.8 * share ** 0.6], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
  return "";
}

// ---- cards

function describe(item) {
  const answers = item.answers.map((answer, model) =>
    `${letters[model] && `${letters[model]}: `}taken for ${classes[answer.predicted]}, ${percent(answer.confidence)} sure${data.seeds ? `, ${oftenWords(answer, model)}` : ""}`);
  const words = [`image ${item.index}`, item.file, kindWords(item.kind), `is ${classes[item.actual]}`, ...answers];
  return words.filter(Boolean).concat(item.labelIssue ? "label issue" : [], markWords(item) || []).join("; ");
}

function fillPictures(root, item) {
  root.querySelectorAll(".image").forEach((image) => fillImage(image, gallery.pictures[item.at]));
  root.querySelector(".actual").textContent = root.querySelector(".actual").title = classes[item.actual];
  root.querySelectorAll(".answer").forEach((picture, model) => {
    const answer = item.answers[model];
    const right = answer.predicted === item.actual;
    const missing = drawMap(picture.querySelector(".map"), item, model);
    const none = picture.querySelector(".none");
    none.textContent = missing;
    none.hidden = !missing;
    picture.classList.add(right ? "right" : "wrong");
    const said = picture.querySelector(".said");
    said.textContent = `${right ? "✓" : "✗"} ${classes[answer.predicted]}`;
    said.title = classes[answer.predicted];
    picture.querySelector(".sure").textContent = `${percent(answer.confidence)} sure`;
    picture.querySelector(".often").textContent = oftenWords(answer, model);
  });
}

function showMark(button, item) {
  const mark = button.querySelector(".mark"), words = markWords(item);
  mark.textContent = words;
  mark.hidden = !words;
  button.setAttribute("aria-label", describe(item));
}

/** A card that opens the image among others: `items`, which `cards` shows. */
function makeCard(item, { items, cards }) {
  const root = get("card").content.cloneNode(true);
  const button = root.querySelector("button");
  button.dataset.index = item.index;
  showMark(button, item);
  button.addEventListener("click", () => openDetail(item, { items, cards }));
  const kind = root.querySelector(".kind");
  kind.textContent = kindWords(item.kind);
  kind.classList.add(item.kind);
  root.querySelector(".index").textContent = `#${item.index}`;
  root.querySelector(".issue").hidden = !item.labelIssue;
  fillPictures(root, item);
  fillFile(root.querySelector(".file"), item, 36);
  return root;
}

// ---- filters

let matching = mistakes;

function matches(item, filters) {
  return (!filters.kind || item.kind === filters.kind)
    && (!filters.actual || item.actual === Number(filters.actual))
    && (!filters.predicted || item.answers.some((answer) => answer.predicted === Number(filters.predicted)))
    && (!filters.spot || spots[Number(filters.spot)]?.members.has(item.index))
    && (!filters.issue || item.labelIssue);
}

/** How much probability the label has won or lost from A to B; of groups, how many seeds, as a share of their own. */
function difference({ actual, listed, answers: [a, b] }) {
  if (data.seeds) return Math.abs(b.often * data.seeds[0] - a.often * data.seeds[1]); // exactly equal where shares are
  const at = listed.indexOf(actual);
  return Math.abs(b.probabilities[at] - a.probabilities[at]);
}

function inOrder(sort) {
  if (sort === "index") return () => 0; // as they come
  if (sort === "difference") return (a, b) => difference(b) - difference(a);
  return (a, b) => b.answers[sort].confidence - a.answers[sort].confidence;
}

function update() {
  const filters = Object.fromEntries(new FormData(form));
  matching = mistakes.filter((item) => matches(item, filters)).sort(inOrder(filters.sort));
  get("cards").replaceChildren();
  showMore();
  get("status").textContent = matching.length === mistakes.length
    ? `${mistakes.length.toLocaleString("en")} images`
    : `${matching.length.toLocaleString("en")} of ${mistakes.length.toLocaleString("en")} images`;
  keepInAddress(filters);
}

function showMore() {
  const shown = get("cards").childElementCount;
  const added = matching.slice(shown, shown + (shown ? MORE : FIRST));
  get("cards").append(...added.map((item) => makeCard(item, { items: matching, cards: get("cards") })));
  const left = matching.length - shown - added.length;
  showMoreWords(get("more"), left);
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
  for (const name of ["kind", "actual", "predicted", "spot", "sort", "issue"]) {
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

let current = null, around = null;

function openDetail(item, others = around) {
  current = item;
  around = others;
  const dialog = get("detail");
  get("detail-title").textContent = [`Image ${item.index}`, kindWords(item.kind)].filter(Boolean).join(": ");
  const pictures = get("card").content.querySelector(".pictures").cloneNode(true);
  fillPictures(pictures, item);
  get("detail-pictures").replaceChildren(pictures);
  const flagging = letters.filter((_, model) => item.answers[model].labelIssue).join(" and ");
  get("detail-issue").textContent = item.labelIssue
    ? `? label issue, according to the probabilities ${flagging ? `of ${flagging}` : "below"}` : "";
  if (data.marksKey) get("detail-choices").replaceChildren(makeMarks(item));
  fillFile(get("detail-file"), item, 1000);
  get("detail-probabilities").replaceChildren(...probabilityRows(item));
  get("previous").disabled = around.items.indexOf(item) === 0;
  get("next").disabled = around.items.indexOf(item) === around.items.length - 1;
  if (!dialog.open) dialog.showModal();
}

/** All classes in their order, or of many the most probable and the label, and the others in a row together. */
function probabilityRows(item) {
  const most = (at) => Math.max(...item.answers.map((answer) => answer.probabilities[at]));
  const order = item.listed.map((_, at) => at);
  const others = classes.length - order.length;
  if (others > 0) order.sort((one, other) => most(other) - most(one));
  const rows = order.map((at) => {
    const c = item.listed[at];
    return probabilityRow(c === item.actual ? `${classes[c]} (label)` : classes[c],
      item.answers.map((answer) => [answer.probabilities[at], answer.predicted === c]));
  });
  if (others > 0) rows.push(probabilityRow(`the other ${others.toLocaleString("en")} classes`,
    item.answers.map((answer) => [Math.max(0, gallery.scale - sum(answer.probabilities)), false])));
  return rows;
}

function probabilityRow(title, answers) {
  const row = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = title;
  row.append(name, ...answers.map(([probability, isAnswer], model) => {
    const cell = document.createElement("td");
    cell.className = `probability bar-${model}${isAnswer ? " strong" : ""}`;
    cell.style.setProperty("--share", probability / gallery.scale);
    cell.textContent = percent(probability);
    return cell;
  }));
  return row;
}

function step(by) {
  const next = around.items[around.items.indexOf(current) + by];
  if (next) openDetail(next);
}

get("detail").addEventListener("keydown", (event) => {
  if (event.target.closest("select") || event.ctrlKey || event.altKey || event.metaKey) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key], verdict = VERDICT_KEYS[event.key.toLowerCase()];
  if (by) { event.preventDefault(); step(by); }
  else if (verdict && data.marksKey) toggleMark(current, verdict);
});
get("detail").addEventListener("click", (event) => { if (event.target === get("detail")) get("detail").close(); });
get("detail").addEventListener("close", () => {
  const place = around.items.indexOf(current);
  while (around.cards === get("cards") && place >= around.cards.childElementCount) showMore();
  around.cards.children[place].firstElementChild.focus();
});
get("previous").addEventListener("click", () => step(-1));
get("next").addEventListener("click", () => step(1));
get("close").addEventListener("click", () => get("detail").close());

// ---- start

document.addEventListener("markschange", () => document.querySelectorAll(".card").forEach((button) =>
  showMark(button, items.find((item) => item.index === Number(button.dataset.index)))));
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-kind], [data-actual], [data-spot]");
  if (link) showInGallery({ ...link.dataset });
});
spots.forEach((spot) => Object.entries({ examples: spot.examples, counterparts: spot.counterparts }).forEach(([name, indices]) => {
  const cards = get(`spot-${spot.number}-${name}`);
  if (!cards) return;
  const shown = indices.map((index) => items.find((item) => item.index === index));
  cards.append(...shown.map((item) => makeCard(item, { items: shown, cards })));
}));
form.addEventListener("input", update);
get("clear").addEventListener("click", () => choose({}));
form.addEventListener("submit", (event) => event.preventDefault());
get("more").addEventListener("click", () => showMore().firstElementChild.focus());
themeChanged();
setFilters(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
update();
if (location.hash.includes("=")) get("gallery").scrollIntoView();
