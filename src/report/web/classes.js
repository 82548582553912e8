"use strict";

// ---- the table of classes: found by name, sorted by column

const classRows = [...get("class-table").tBodies[0].rows];

get("find-class")?.addEventListener("input", (event) => {
  const part = event.target.value.toLowerCase();
  classRows.forEach((row) => { row.hidden = !row.cells[0].textContent.toLowerCase().includes(part); });
  const count = classRows.filter((row) => !row.hidden).length;
  get("classes-status").textContent = `${count.toLocaleString("en")} of ${classRows.length.toLocaleString("en")} classes`;
});

function sortClasses(header) {
  const column = header.cellIndex, up = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const number = (row) => parseFloat(row.cells[column].textContent.replaceAll(",", "").replace("−", "-")) || 0;
  const name = new Intl.Collator("en", { numeric: true });
  classRows.sort((a, b) => up * (column ? number(a) - number(b) : name.compare(a.cells[0].textContent, b.cells[0].textContent)));
  for (const cell of header.parentElement.cells) cell.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", up > 0 ? "ascending" : "descending");
  get("class-table").tBodies[0].append(...classRows);
}

document.querySelectorAll(".sort").forEach((button) =>
  button.addEventListener("click", () => sortClasses(button.parentElement)));
