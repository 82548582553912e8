"use strict";

// ---- labels worth checking, a list for test images and one for training images

function doubtsOf(list) {
  return list.index.map((index, at) => ({
    split: list.split,
    index,
    file: list.files[at],
    linked: list.linked[at],
    sha256: list.sha256?.[at],
    actual: list.label[at],
    suggested: list.suggested[at],
    likely: [],
    score: list.score[at],
    conflict: list.conflict[at],
    picture: list.pictures[at],
  }));
}

function whyDoubted({ score, suggested, conflict }) {
  if (conflict) return `The same picture is labeled ${classes[suggested]} elsewhere.`;
  return `The model gives this label a chance of ${score < 0.001 ? "less than 0.1" : (100 * score).toFixed(1)}%.`;
}

function makeDoubt(doubt) {
  const root = get("doubt").content.cloneNode(true);
  fillImage(root.querySelector(".image"), doubt.picture);
  root.querySelector(".index").textContent = `#${doubt.index}`;
  root.querySelector(".label").textContent = classes[doubt.actual];
  root.querySelector(".suggested").textContent = classes[doubt.suggested];
  root.querySelector(".why").textContent = whyDoubted(doubt);
  fillFile(root.querySelector(".file"), doubt, 36);
  if (data.marksKey) root.querySelector(".item").append(makeMarks(doubt));
  return root;
}

data.lists.forEach((list) => {
  const doubts = doubtsOf(list), cards = get(`doubts-${list.split}`), more = get(`more-${list.split}`);
  const show = () => {
    const shown = cards.childElementCount, end = shown + (shown ? MORE : FIRST);
    cards.append(...doubts.slice(shown, end).map(makeDoubt));
    showMoreWords(more, Math.max(0, doubts.length - end));
    return cards.children[shown];
  };
  more.addEventListener("click", () => show().querySelector("button")?.focus());
  show();
});
