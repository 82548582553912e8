"use strict";

const POINTS = { type: "quantitative", axis: { format: "+.2~f", tickCount: 6, grid: false }, title: null };

// ---- the difference, its interval, and how small a difference these runs could have shown

function difference95() {
  const { value, low, high, smallest_detectable: smallest } = data.difference;
  const reach = 115 * Math.max(Math.abs(low), Math.abs(high), smallest ?? 0, 1e-4);
  const x = { ...POINTS, field: "low", scale: { domain: [-reach, reach], nice: false }, title: "points" };
  const row = { value: 100 * value, low: 100 * low, high: 100 * high, smallest: 100 * (smallest ?? 0) };
  const tooltip = [["value", "difference"], ["low", "from"], ["high", "to"]].map(([field, title]) => ({ field, title, format: "+.2f" }));
  return {
    width: "container", height: 44, data: { values: [{ ...row, minus: -row.smallest }] },
    layer: [
      { mark: { type: "rect", color: color("line"), opacity: 0.8 }, encoding: { x: { ...x, field: "minus" }, x2: { field: "smallest" } } },
      { mark: { type: "rule", color: color("muted"), strokeDash: [3, 3] }, encoding: { x: { ...x, field: undefined, datum: 0 } } },
      { mark: { type: "rule", strokeWidth: 3, strokeCap: "round", color: color("ink") }, encoding: { x, x2: { field: "high" }, tooltip } },
      { mark: { type: "point", filled: true, size: 110, opacity: 1, color: color("ink") }, encoding: { x: { ...x, field: "value" }, tooltip } },
    ],
  };
}

// ---- a dot a run

function runs() {
  const rows = data.accuracies.flatMap((side, model) => side.map((run) => ({ ...run, model: titles[model] })));
  const x = { field: "accuracy", type: "quantitative", scale: { zero: false, nice: false, padding: 16 }, title: null,
    axis: { format: ".1~%", tickCount: 5, labelFlush: false } };
  const model = { field: "model", type: "nominal", scale: { domain: titles, range: colors() }, legend: null };
  return {
    width: "container", height: 84, data: { values: rows },
    encoding: { y: { field: "model", type: "nominal", sort: titles, title: null, axis: { grid: true, ticks: false, domain: false, labelFontWeight: "bold" } }, color: model },
    layer: [
      { mark: { type: "tick", thickness: 2, size: 30 }, encoding: { x: { ...x, aggregate: "mean" } } },
      { mark: { type: "point", filled: true, size: 80, opacity: 0.75 }, encoding: { x,
        shape: { field: "model", type: "nominal", scale: { domain: titles, range: ["circle", "diamond"] }, legend: null },
        tooltip: [{ field: "model", title: "side" }, { field: "run" }, { field: "seed" }, { field: "accuracy", format: ".2%" }] } },
    ],
  };
}

// ---- the difference on each class

function classDifferences() {
  const rows = data.charted.filter((c) => data.perClass[c]).map((c) => {
    const { value, low, high, images, verdict } = data.perClass[c];
    const sure = ["helps", "hurts"].includes(verdict) ? verdict : "neither";
    return { c, class: classes[c], value: 100 * value, low: 100 * (low ?? value), high: 100 * (high ?? value), images, verdict, sure };
  });
  const domain = ["helps", "hurts", "neither"];
  const tooltip = [{ field: "class" }, ...[["value", "change"], ["low", "from"], ["high", "to"]]
    .map(([field, title]) => ({ field, title, format: "+.1f" })), { field: "images" }, { field: "verdict" }];
  const x = { ...POINTS, axis: { ...POINTS.axis, grid: true } };
  const hue = { field: "sure", type: "nominal", legend: null, scale: { domain, range: ["better", "worse", "muted"].map(color) } };
  return {
    width: "container", height: 26 * rows.length, data: { values: rows },
    ...named,
    encoding: { y: { field: "c", type: "ordinal", sort: null, title: null, axis: { ...byName, ticks: false, domain: false } } },
    layer: [
      { mark: { type: "rule", color: color("muted"), strokeDash: [3, 3] }, encoding: { x: { ...x, datum: 0 }, y: null } },
      { mark: { type: "rule", strokeWidth: 2, opacity: 0.6 }, encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, color: hue, tooltip } },
      { mark: { type: "point", filled: true, size: 80, opacity: 1 }, encoding: { x: { ...x, field: "value" }, color: hue, tooltip,
        shape: { field: "sure", type: "nominal", legend: null, scale: { domain, range: ["triangle-up", "triangle-down", "circle"] } } } },
    ],
  };
}

async function drawAll() {
  if (data.difference.low !== null) await draw("chart-difference", difference95());
  await draw("chart-runs", runs());
  await draw("chart-accuracy", curve("accuracy", "%"));
  await draw("chart-loss", curve("loss", "~g"));
  await draw("chart-classes", classDifferences());
}

document.addEventListener("themechange", drawAll);
drawAll();
