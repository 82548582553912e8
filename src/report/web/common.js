"use strict";

const data = JSON.parse(document.getElementById("page-data").textContent);
const { classes, gallery } = data;
const get = (id) => document.getElementById(id);
const FIRST = 12, MORE = 60; // cards shown, and added at once

function fillImage(image, picture) {
  image.src = `data:image/webp;base64,${picture}`;
  image.classList.toggle("pixelated", gallery.pixelated);
}

/** The name of a file, shortened in the middle, and a link to it where it is there. */
function fillFile(link, { file, linked }, length) {
  link.hidden = !file;
  const signs = [...file], half = Math.floor((length - 1) / 2);
  link.textContent = signs.length <= length ? file : `${signs.slice(0, half).join("")}…${signs.slice(-half).join("")}`;
  link.title = file;
  if (linked) link.href = gallery.base + file.split("/").map(encodeURIComponent).join("/");
  else link.removeAttribute("href");
}

/** The words of a button that shows some of the cards that are left. */
function showMoreWords(button, left) {
  button.hidden = left === 0;
  button.textContent = left > MORE ? `Show ${MORE} more of ${left.toLocaleString("en")}` : `Show the other ${left}`;
}

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
