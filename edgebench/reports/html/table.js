"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Sorting: a button in each heading; the order of equal rows stays.
  const collator = new Intl.Collator("en", { numeric: true });
  const key = (row, index) => {
    const cell = row.cells[index];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    return cell.classList.contains("none") ? null : cell.textContent;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
  for (const button of all("th button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentNode.cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = head.closest("table").tBodies[0];
      const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
      // Absent figures come last either way.
      rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : (down ? -1 : 1) * compare(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  }

  // Filters: rows and charts that belong to another model or device are hidden.
  const form = document.querySelector("form.filters");
  if (form) {
    form.hidden = false;
    const apply = () => {
      const wanted = all("select", form).filter((select) => select.value);
      let shown = 0, rows = 0;
      for (const item of all("[data-model], [data-device]")) {
        const away = wanted.some(({ dataset, value }) => (item.dataset[dataset.filter] ?? value) !== value);
        item.hidden = away;
        if (item.tagName === "TR" && item.closest("section").id === "comparison") { rows += 1; shown += !away; }
      }
      form.querySelector("output").textContent = rows ? `${shown} of ${rows} rows` : "";
    };
    form.addEventListener("change", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }

  // What a mark of a chart stands for, beside the pointer.
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  document.addEventListener("pointermove", (event) => {
    const mark = event.target instanceof Element && event.target.closest(".chart [aria-label][role=graphics-symbol]");
    tip.style.display = mark ? "block" : "none";
    if (!mark) return;
    tip.textContent = mark.getAttribute("aria-label");
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${event.clientY + 16 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 8 : event.clientY + 16}px`;
  });

  // Everything is unfolded on paper.
  let folded = [];
  addEventListener("beforeprint", () => { folded = all("details:not([open])"); for (const part of folded) part.open = true; });
  addEventListener("afterprint", () => { for (const part of folded) part.open = false; });

  const save = document.getElementById("save");
  if (save) {
    save.hidden = false;
    save.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([document.getElementById("rows").textContent], { type: "application/json" }));
      link.download = "edgebench.json";
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
})();
