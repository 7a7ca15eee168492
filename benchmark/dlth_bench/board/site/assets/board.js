"use strict";
// Sorting, filtering and choosing rows of a board's table. Without this script the table is complete, in its own order.

for (const section of document.querySelectorAll("[data-board]")) {
  const table = section.querySelector("table.board");
  const body = table.tBodies[0];
  const inOrder = [...body.rows];
  const rows = inOrder.filter((row) => !row.classList.contains("group"));
  const groups = inOrder.filter((row) => row.classList.contains("group"));
  const headings = [...table.tHead.rows[0].cells];
  const search = section.querySelector("input[type=search]");
  const selects = [...section.querySelectorAll(".tools select")];
  const told = section.querySelector("[role=status]");
  const compare = section.querySelector("[data-compare]");
  const boxes = [...body.querySelectorAll("input[type=checkbox]")];
  const MOST = 5;
  let sorted = headings.find((heading) => heading.dataset.key === "rank");
  let direction = 1;

  const valueOf = (row, key) => row.querySelector(`[data-key="${key}"]`).dataset.sort;

  function ordered(key, isText) {
    const known = rows.filter((row) => valueOf(row, key) !== "");
    const unknown = rows.filter((row) => valueOf(row, key) === "");
    const difference = isText
      ? (a, b) => valueOf(a, key).localeCompare(valueOf(b, key), "en")
      : (a, b) => Number(valueOf(a, key)) - Number(valueOf(b, key));
    return [...known.sort((a, b) => direction * difference(a, b)), ...unknown];
  }

  function show() {
    const inRanks = sorted.dataset.key === "rank" && direction === 1;
    body.append(...(inRanks ? inOrder : ordered(sorted.dataset.key, sorted.dataset.text === "yes")));
    const words = search.value.toLocaleLowerCase("en").split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const found = words.every((word) => row.dataset.text.includes(word));
      row.hidden = !found || selects.some((select) => select.value && row.dataset[select.name] !== select.value);
    }
    for (const group of groups) {
      group.hidden = !inRanks || rows.every((row) => row.hidden || row.dataset.group !== group.dataset.group);
    }
    const visible = rows.filter((row) => !row.hidden).length;
    told.textContent = visible === rows.length ? `${visible} submissions` : `${visible} of ${rows.length} submissions`;
  }

  function sortBy(heading) {
    const again = heading === sorted;
    direction = again ? -direction : heading.dataset.first === "high" ? -1 : 1;
    sorted.removeAttribute("aria-sort");
    sorted = heading;
    sorted.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
    show();
  }

  function chosen() {
    const names = boxes.filter((box) => box.checked).map((box) => box.value);
    for (const box of boxes) box.disabled = names.length >= MOST && !box.checked;
    const ready = names.length >= 2;
    compare.textContent = names.length ? `Compare ${names.length} of at most ${MOST}` : "Compare";
    compare.setAttribute("aria-disabled", String(!ready));
    const query = new URLSearchParams({ p: section.dataset.board, s: names.join(",") });
    if (ready) compare.href = `${compare.dataset.compare}#${query}`;
    else compare.removeAttribute("href");
  }

  for (const heading of headings) heading.querySelector("button")?.addEventListener("click", () => sortBy(heading));
  search.addEventListener("input", show);
  for (const select of selects) select.addEventListener("change", show);
  for (const box of boxes) box.addEventListener("change", chosen);
  for (const late of section.querySelectorAll("[data-script]")) late.hidden = false;
  sorted.setAttribute("aria-sort", "ascending");
  chosen();
  show();
}
