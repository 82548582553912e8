"use strict";

const two = data.names.length > 1;
const titles = two ? ["A", "B"] : ["this experiment"];

/** A color of page.css as it is now, light or dark. */
function color(name) {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.style.color = `var(--${name})`;
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function theme() {
  const text = { labelColor: color("muted"), titleColor: color("muted"), labelFontSize: 12, titleFontSize: 12,
    titleFontWeight: "normal", labelLimit: 110 };
  const lines = { gridColor: color("line"), domainColor: color("line"), tickColor: color("line") };
  return { background: "transparent", font: "system-ui, sans-serif", view: { stroke: null },
    axis: { ...text, ...lines, titlePadding: 8 }, text: { color: color("ink") } };
}

const colors = () => ["a", "b"].slice(0, titles.length).map(color);

// ---- curves: color is the experiment, dashes are the validation images

const SPLITS = [["train", "training"], ["val", "validation"]];

function curve(measure, format) {
  const rows = [];
  data.curves.forEach((epochs, model) => epochs.forEach((row) => SPLITS.forEach(([column, split]) =>
    rows.push({ epoch: row.epoch, value: row[`${column}_${measure}`] ?? null, model: titles[model], split }))));
  const fields = titles.flatMap((title) => SPLITS.map(([, split]) => ({ key: `${title} ${split}`, title, split })));
  const line = { x: { field: "epoch", type: "quantitative", axis: { tickMinStep: 1, grid: false }, title: "epoch" } };
  return {
    width: "container", height: 240, data: { values: rows }, encoding: line,
    layer: [
      { mark: { type: "line", strokeWidth: 2 }, encoding: {
        y: { field: "value", type: "quantitative", scale: { zero: false }, title: null, axis: { format, tickCount: 6 } },
        color: { field: "model", type: "nominal", scale: { domain: titles, range: colors() }, legend: null },
        strokeDash: { field: "split", type: "nominal", legend: null,
          scale: { domain: SPLITS.map(([, split]) => split), range: [[1, 0], [5, 4]] } },
      } },
      { // a line under the pointer, which tells the numbers of its epoch
        transform: [
          { calculate: "datum.model + ' ' + datum.split", as: "key" },
          { pivot: "key", value: "value", groupby: ["epoch"] },
        ],
        params: [{ name: "pointed", select: { type: "point", fields: ["epoch"], nearest: true, on: "pointerover", clear: "pointerout" } }],
        mark: { type: "rule", color: color("muted") },
        encoding: {
          opacity: { condition: { param: "pointed", empty: false, value: 0.6 }, value: 0 },
          tooltip: [{ field: "epoch" }, ...fields.map(({ key, title, split }) =>
            ({ field: key, type: "quantitative", format: measure === "loss" ? ".4f" : ".2%", title: two ? `${title} ${split}` : split }))],
        },
      },
    ],
  };
}

// Positions of classes instead of their names, which Vega does not all take: "__proto__".
const named = { params: [{ name: "classes", value: classes }] };
const byName = { labelExpr: "classes[datum.value]", labelOverlap: false };

// ---- accuracy of each class

function classAccuracy() {
  const rows = data.charted.flatMap((c) => { const { images, right, line } = data.perClass[c]; return images === 0 ? [] : right.map((count, model) =>
    ({ c, class: classes[c], model: titles[model], right: count, images, accuracy: count / images, from: line[0], to: line[1] })); });
  const tooltip = [{ field: "class" }, ...(two ? [{ field: "model", title: "experiment" }] : []),
    { field: "accuracy", format: ".1%" }, { field: "right" }, { field: "images" }];
  const x = { type: "quantitative", scale: { zero: false, nice: false, padding: 12 }, title: null, axis: { format: ".0%", tickCount: 6, labelFlush: false } };
  return {
    width: "container", height: 26 * data.charted.length, data: { values: rows },
    ...named,
    encoding: { y: { field: "c", type: "ordinal", sort: null, title: null, axis: { ...byName, grid: true, ticks: false, domain: false } } },
    layer: [
      { mark: { type: "rule", strokeWidth: 2, color: color(two ? "muted" : "a"), opacity: 0.5 },
        encoding: { x: { field: "from", ...x }, x2: { field: "to" } } },
      { mark: { type: "point", filled: true, size: 80, opacity: 1 }, encoding: {
        x: { field: "accuracy", ...x }, tooltip,
        color: { field: "model", type: "nominal", scale: { domain: titles, range: colors() }, legend: null },
        shape: { field: "model", type: "nominal", scale: { domain: titles, range: ["circle", "diamond"] }, legend: null },
      } },
    ],
  };
}

// ---- confusions: of one experiment, or their change

function confusions() {
  const [first, last] = [data.matrices[0], data.matrices.at(-1)];
  const rows = first.flatMap((row, i) => row.map((count, j) => {
    const change = last[i][j] - count;
    return { i, j, actual: classes[i], predicted: classes[j], a: count, b: last[i][j],
      text: two ? (change > 0 ? `+${change}` : change < 0 ? `−${-change}` : "") : `${count || ""}`,
      good: two ? (i === j ? change : -change) : (i === j ? 0 : count) };
  }));
  const most = Math.max(1, ...rows.map((row) => Math.abs(row.good)));
  const scale = two
    ? { domain: [-most, 0, most], range: ["worse", "surface", "better"].map(color) }
    : { domain: [0, most], range: ["surface", "a"].map(color), type: "sqrt" };
  const axis = { ...byName, labelOverlap: classes.length > 20, domain: false, ticks: false, labelPadding: 6 };
  const cell = Math.max(12, Math.min(44, 440 / classes.length));
  return {
    width: "container", height: cell * classes.length, data: { values: rows },
    ...named,
    encoding: {
      x: { field: "j", type: "ordinal", title: null, axis: { ...axis, orient: "top", labelAngle: -50 } },
      y: { field: "i", type: "ordinal", title: null, axis },
      tooltip: [{ field: "actual", title: "is" }, { field: "predicted", title: "taken for" },
        ...(two ? [{ field: "a", title: "A" }, { field: "b", title: "B" }, { field: "text", title: "change" }] : [{ field: "a", title: "images" }])],
    },
    layer: [
      { mark: { type: "rect", cursor: "pointer", stroke: color("line"), strokeWidth: 0.5 },
        encoding: { color: { field: "good", type: "quantitative", scale: { ...scale, interpolate: "lab" }, legend: null } } },
      ...(classes.length > 20 ? [] : [{ mark: { type: "text", fontSize: 12, cursor: "pointer" }, encoding: {
        text: { field: "text" },
        color: { condition: { test: `abs(datum.good) > ${(isDark() ? 0.5 : 0.75) * most}`, value: color("surface") }, value: color("ink") },
      } }]),
    ],
  };
}

const drawn = {};

async function draw(id, spec) {
  drawn[id]?.finalize();
  drawn[id] = await vegaEmbed(`#${id}`, { ...spec, autosize: { type: "fit-x", contains: "padding" } },
    { actions: false, renderer: "svg", config: theme(), tooltip: { theme: isDark() ? "dark" : "light" } });
  return drawn[id].view;
}

async function drawAll() {
  await draw("chart-accuracy", curve("accuracy", "%"));
  await draw("chart-loss", curve("loss", "~g"));
  await draw("chart-classes", classAccuracy());
  if (!data.matrices) return;
  const view = await draw("chart-confusions", confusions());
  view.addEventListener("click", (_, mark) => {
    if (mark?.datum?.i !== undefined) showInGallery({ actual: String(mark.datum.i), predicted: String(mark.datum.j) });
  });
}

document.addEventListener("themechange", drawAll);
drawAll();
