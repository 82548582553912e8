"use strict";

// ---- what a person says about labels: kept by this browser, given back as a file

const VERDICTS = { wrong: "wrong label", unusable: "not usable", fine: "fine" };
const SPLITS_IN_ORDER = ["train", "val", "test"];
const VERDICT_KEYS = { w: "wrong", u: "unusable", f: "fine" };
const COLUMNS = ["split", "index", "file", "sha256", "label", "verdict", "class"];
const FEW_OPTIONS = 20; // classes up to which none of them is put first
let kept = true; // whether the marks are still there when the page is opened again
let marks = parseMarks(readMarks());

const nameOf = ({ split, index }) => `${split} ${index}`;

function readMarks() {
  try {
    return localStorage.getItem(data.marksKey);
  } catch { // switched off, or a frame that may not
    kept = false;
    return null;
  }
}

function parseMarks(text) {
  try {
    return new Map(JSON.parse(text ?? "[]").map((mark) => [`${mark.split} ${mark.index}`, mark]));
  } catch { // not what this page wrote
    return new Map();
  }
}

function keepMarks() {
  try {
    localStorage.setItem(data.marksKey, JSON.stringify([...marks.values()]));
  } catch { // switched off, or full
    kept = false;
  }
  document.dispatchEvent(new Event("markschange"));
}

function setMark(image, verdict, name) {
  const { split, index, file, sha256, actual } = image;
  marks.set(nameOf(image), { split, index, file, sha256, label: classes[actual], verdict, class: name });
  keepMarks();
}

/** Say it of an image, or take it back. */
function toggleMark(image, verdict) {
  if (marks.get(nameOf(image))?.verdict !== verdict) {
    setMark(image, verdict, verdict === "wrong" ? classes[image.suggested] : "");
    return;
  }
  marks.delete(nameOf(image));
  keepMarks();
}

/** Of an image that has a mark, what it says. */
function markWords(image) {
  const mark = marks.get(nameOf(image));
  return mark ? `✎ ${mark.verdict === "wrong" ? mark.class : VERDICTS[mark.verdict]}` : "";
}

// ---- the buttons below an image

function makeMarks(image) {
  const root = get("marks").content.firstElementChild.cloneNode(true);
  const buttons = [...root.querySelectorAll("button")], select = root.querySelector("select");
  root.setAttribute("aria-label", `Label of ${image.split === "train" ? "training image" : "image"} ${image.index}`);
  buttons.forEach((button) => button.addEventListener("click", () => toggleMark(image, button.dataset.verdict)));
  select.addEventListener("change", () => setMark(image, "wrong", classes[select.value]));
  root.show = () => {
    const mark = marks.get(nameOf(image)), wrong = mark?.verdict === "wrong";
    buttons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.verdict === mark?.verdict));
    select.parentElement.hidden = !wrong;
    if (!wrong) return;
    if (!select.length) select.append(...classOptions(image));
    select.value = classes.indexOf(mark.class);
  };
  root.show();
  return root;
}

/** All classes but the label's; of many, the likely ones first. */
function classOptions({ actual, suggested, likely }) {
  const option = (c) => new Option(classes[c], c);
  const all = classes.map((_, c) => c).filter((c) => c !== actual);
  if (classes.length <= FEW_OPTIONS) return all.map(option);
  const first = [...new Set([suggested, ...likely])].filter((c) => c !== actual);
  return [["Likely", first], ["All classes", all]].map(([label, members]) => {
    const group = document.createElement("optgroup");
    group.label = label;
    group.append(...members.map(option));
    return group;
  });
}

// ---- the bar

function csvField(value) {
  const text = String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The marks as `python -m src.corrections apply` reads them, sorted by split and index. */
function corrections() {
  const rows = [...marks.values()].sort((a, b) =>
    SPLITS_IN_ORDER.indexOf(a.split) - SPLITS_IN_ORDER.indexOf(b.split) || a.index - b.index);
  const lines = [COLUMNS, ...rows.map((mark) => COLUMNS.map((name) => csvField(mark[name])))];
  return lines.map((line) => `${line.join(",")}\n`).join("");
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([corrections()], { type: "text/csv" }));
  link.download = "corrections.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still be asking where to put it
}

function showBar() {
  const count = marks.size;
  get("marks-bar").hidden = count === 0;
  get("marks-count").textContent = `${count.toLocaleString("en")} ${count === 1 ? "image" : "images"} marked`;
  get("marks-lost").hidden = kept;
}

function clearMarks() {
  const count = marks.size;
  if (!confirm(count === 1 ? "Clear the mark? This cannot be undone."
    : `Clear all ${count.toLocaleString("en")} marks? This cannot be undone.`)) return;
  marks.clear();
  keepMarks();
}

if (data.marksKey) {
  document.addEventListener("markschange", () => {
    document.querySelectorAll(".verdicts").forEach((root) => root.show());
    showBar();
  });
  window.addEventListener("storage", ({ key, newValue }) => { // another window shows the same images
    if (key !== data.marksKey) return;
    marks = parseMarks(newValue);
    document.dispatchEvent(new Event("markschange"));
  });
  get("download-marks").addEventListener("click", download);
  get("clear-marks").addEventListener("click", clearMarks);
  showBar();
}
