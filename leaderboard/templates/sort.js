// Makes the headings of a table sort it; without this script the pages are complete in their given order.
"use strict";
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const key = (row, i) => {
    const cell = row.cells[i];
    if (!("value" in cell.dataset)) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b));
  heads.forEach((head, i) => {
    if ("fixed" in head.dataset) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "descending" || (!head.ariaSort && !head.matches(".num"));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [key(row, i), row]);
      // Missing values stay at the end whichever way the column is sorted.
      rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : (down ? 1 : -1) * compare(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
