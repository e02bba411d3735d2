// Tables by Tabulator. Every cell is an element made from text.
"use strict";

function textCell(text) {
  return (cell) => {
    const value = text ? text(cell.getData()) : cell.getValue();
    return el("span", {}, value === null || value === undefined ? "–" : String(value));
  };
}

function grid(columns, data, options = {}, kind = "") {
  const box = el("div", { class: "grid " + kind, style: `min-height: ${40 + 32 * Math.min(data.length, 25)}px` });
  box.draw = () => {
    if (box.table) return;
    box.table = new Tabulator(box, {
      columns, data, layout: "fitDataFill", renderVertical: "basic", headerSortElement: "<span class='arrow'></span>",
      columnDefaults: { headerSortTristate: false, resizable: false, headerTooltip: false }, ...options,
    });
    box.table.on("tableBuilt", () => keyboard(box));
  };
  nearby.observe(box);
  return box;
}

// Tabulator sorts on click; Enter and the space bar do the same.
function keyboard(box) {
  for (const head of box.querySelectorAll(".tabulator-col.tabulator-sortable")) {
    head.tabIndex = 0;
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); head.click(); }
    });
  }
}

// Text as a number where it begins with one, so that "[0.1–0.2]" and "12 ms" sort by size.
const UNITS = { ms: 0.001, s: 1, min: 60, k: 1e3, M: 1e6, G: 1e9, B: 1e9, MB: 1, GB: 1e3 };
function numberIn(text) {
  const match = /^[^\d+-]*([+-]?[\d,.]+)\s*(\w*)/.exec(String(text));
  return match ? parseFloat(match[1].replaceAll(",", "")) * (UNITS[match[2]] || 1) : -Infinity;
}

// A head as a reader expects it: "learned from" begins with a capital, "p95" and "lp_bert" do not.
function headOf(text) {
  const line = text.replace(/\n/g, " ").trim();
  return /^[a-z]([a-z]| )[^_]*$/.test(line) ? line[0].toUpperCase() + line.slice(1) : line;
}

// A figure with a true minus sign; "39-59" stays a range.
const withMinus = (text) => text.replace(/(^|[\s[(])-(?=\d)/g, "$1−");

function reportTable(table, titled = true) {
  const columns = table.heads.map((head, i) => ({
    title: "", field: "c" + i, hozAlign: table.figures[i] ? "right" : "left", headerHozAlign: table.figures[i] ? "right" : "left",
    titleFormatter: () => el("span", { class: "head" }, headOf(head)), formatter: textCell((row) => withMinus(row["c" + i])),
    sorter: table.figures[i] ? (a, b) => numberIn(a) - numberIn(b) : "string",
    frozen: i === 0 && table.heads.length > 6 && !isNarrow(), maxWidth: table.figures[i] ? false : isNarrow() ? 220 : table.heads.length > 7 ? 250 : 340,
  }));
  const rows = table.rows.map((row) => Object.fromEntries(row.map((cell, i) => ["c" + i, cell])));
  const part = el("div", { class: "table" });
  if (titled) part.append(el("h3", {}, table.title));
  part.append(grid(columns, rows));
  if (table.notes.length) {
    const notes = el("ul", { class: "notes" });
    for (const note of table.notes) notes.append(el("li", {}, note));
    part.append(table.notes.length > 4 ? el("details", {}, el("summary", {}, `${table.notes.length} notes`), notes) : notes);
  }
  return part;
}

function pairsTable(table) {
  const body = el("tbody");
  for (const row of table.rows) {
    body.append(el("tr", {}, ...row.map((cell, i) => el(i ? "td" : "th", i ? {} : { scope: "row" }, cell))));
  }
  const heads = table.heads.some((head) => head)
    ? el("thead", {}, el("tr", {}, ...table.heads.map((head) => el("th", { scope: "col" }, head.replace(/\n/g, " "))))) : null;
  return el("section", {}, el("h3", {}, table.title), el("div", { class: "scroll" }, el("table", {}, heads, body)));
}

function showRecords(run, ids, title) {
  const body = document.getElementById("dialog-body");
  body.replaceChildren(el("h2", {}, title), el("p", { class: "muted" },
    `${ids.length} record${ids.length === 1 ? "" : "s"} behind this row. Each is a file records/ID.json of the run.`));
  for (const id of ids) {
    const record = run.records[id];
    const about = [record.training ? `learned from ${record.training}` : "no training", `city ${record.city}`, `seed ${record.seed}`];
    const part = el("details", { open: ids.length === 1 }, el("summary", {}, el("code", {}, id), " ", about.join(", "),
      el("span", { class: "muted" }, ` · commit ${record.commit || "unknown"} · ${record.created.slice(0, 10)}`)));
    part.addEventListener("toggle", () => {
      if (part.open && part.childElementCount === 1) for (const table of record.tables) part.append(pairsTable(table));
    });
    body.append(part);
  }
  document.getElementById("dialog").showModal();
}
