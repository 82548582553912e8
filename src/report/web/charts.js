"use strict";

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
