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

// ---- curves: color is the experiment, dashes are the validation images; a band is the range of several runs

const SPLITS = [["train", "training"], ["val", "validation"]];

function curve(measure, format) {
  const rows = [];
  data.curves.forEach((epochs, model) => epochs.forEach((row) => SPLITS.forEach(([column, split]) => {
    const [value, low, high] = [row[`${column}_${measure}`] ?? null].flat();
    rows.push({ epoch: row.epoch, value, low, high, model: titles[model], split });
  })));
  const fields = titles.flatMap((title) => SPLITS.map(([, split]) => ({ key: `${title} ${split}`, title, split })));
  const y = { type: "quantitative", scale: { zero: false }, title: null, axis: { format, tickCount: 6 } };
  const model = { field: "model", type: "nominal", scale: { domain: titles, range: colors() }, legend: null };
  const band = { mark: { type: "area", opacity: 0.2 },
    encoding: { y: { field: "low", ...y }, y2: { field: "high" }, color: model, detail: { field: "split" } } };
  const line = { x: { field: "epoch", type: "quantitative", axis: { tickMinStep: 1, grid: false }, title: "epoch" } };
  return {
    width: "container", height: 240, data: { values: rows }, encoding: line,
    layer: [
      ...(rows.some((row) => row.low !== undefined) ? [band] : []),
      { mark: { type: "line", strokeWidth: 2 }, encoding: {
        y: { field: "value", ...y },
        color: model,
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

const drawn = {};

async function draw(id, spec) {
  drawn[id]?.finalize();
  drawn[id] = await vegaEmbed(`#${id}`, { ...spec, autosize: { type: "fit-x", contains: "padding" } },
    { actions: false, renderer: "svg", config: theme(), tooltip: { theme: isDark() ? "dark" : "light" } });
  return drawn[id].view;
}
