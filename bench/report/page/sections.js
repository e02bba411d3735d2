// The sections of a run: ranking, differences, cost, where it fails, learning, trust. State: board, metric, families.
"use strict";

const current = (state) => {
  const board = state.run.boards[state.board];
  const metric = state.run.metrics.find((one) => one.name === state.metric);
  return { board, metric, rows: board.rows, sign: metric.better === "higher" ? 1 : -1 };
};

const shownRow = (state, row) => !state.hidden.has(row.family);

function section(id, title, question, ...children) {
  return el("section", { id, class: "part" }, el("h2", {}, title), question ? el("p", { class: "question" }, question) : null, ...children);
}

function filters(state, update) {
  const { run } = state;
  const bar = el("div", { class: "filters", id: "filters", role: "group", "aria-label": "Filter" });
  bar.append(choice("Metric", run.metrics.map((m) => [m.name, m.title + (m.name === run.main ? " (ranks)" : "")]), state.metric,
    (value) => { state.metric = value; update(); }));
  bar.append(choice("City", run.boards.map((b, i) => [String(i), b.name]), String(state.board),
    (value) => { state.board = Number(value); update(); }));
  const families = [...new Set(run.boards.flatMap((b) => b.rows.map((row) => row.family)))];
  const box = el("fieldset", { class: "families" }, el("legend", {}, "Families"));
  for (const family of families) {
    const input = el("input", { type: "checkbox", value: family, checked: !state.hidden.has(family),
      onchange: () => { input.checked ? state.hidden.delete(family) : state.hidden.add(family); update(); } });
    box.append(el("label", {}, input, " " + family));
  }
  bar.append(box);
  return bar;
}

function ranking(state) {
  const { board, metric, rows } = current(state);
  const data = rows.filter((row) => row.figures[metric.name] && shownRow(state, row)).map((row) => {
    const [mean, low, high, median, wins, first, last] = row.figures[metric.name];
    return { row, mean, low, high, median, wins, first: first ?? 1e6, last, name: row.name, learned: row.learned,
      family: row.family, letters: board.letters[metric.name][rows.indexOf(row)] || "", seconds: row.seconds, parameters: row.parameters };
  });
  data.sort((a, b) => a.first - b.first || (metric.better === "higher" ? b.mean - a.mean : a.mean - b.mean));
  const ends = data.flatMap((one) => [one.low ?? one.mean, one.high ?? one.mean]);
  const scale = [Math.min(...ends), Math.max(...ends)];
  const narrow = isNarrow();
  const figure = { hozAlign: "right", headerHozAlign: "right" };
  const columns = [
    { title: narrow ? "#" : "Rank", field: "first", ...figure, formatter: (cell) => rank(cell.getData()), width: narrow ? 68 : 92 },
    { title: "Model", field: "name", formatter: (cell) => modelCell(state, cell.getData().row), ...(narrow ? { width: 150 } : { minWidth: 190 }) },
    { title: metric.title, field: "mean", ...figure, sorter: "number", headerSortStartingDir: metric.better === "higher" ? "desc" : "asc",
      formatter: (cell) => figureCell(cell.getData(), metric), minWidth: narrow ? 130 : 150 },
    { title: "95 % interval", field: "low", headerSort: false, formatter: (cell) => bar(cell.getData(), scale), width: 182 },
    { title: "Group", field: "letters", formatter: textCell(), width: 98 },
    { title: "A trajectory", field: "seconds", ...figure, sorter: "number", formatter: (cell) => el("span", {}, seconds(cell.getValue())) },
    { title: "Parameters", field: "parameters", ...figure, sorter: "number", formatter: (cell) => el("span", {}, count(cell.getValue())) },
    { title: "Learned from", field: "learned", formatter: textCell(), maxWidth: 280 },
    { title: "Family", field: "family", formatter: textCell() },
  ];
  return el("div", { id: "ranking-table" }, el("p", { class: "muted" }, board.title + "."), grid(columns, data, { index: "name" }),
    el("p", { class: "notes" }, "Rank: 1 + the number of significantly better models. Models that share a letter cannot be told apart " +
      "(paired bootstrap over users, 5 %, Holm). A name opens the records behind its row."),
    board.left_out.length ? el("p", { class: "notes" }, "Left out: " + board.left_out.join("; ")) : null);
}

function rank(one) {
  if (one.first === 1e6) return el("span", { class: "muted" }, "–");
  return el("span", { class: one.first === 1 ? "best" : "" }, one.first === one.last ? String(one.first) : `${one.first}–${one.last}`);
}

function modelCell(state, row) {
  const flags = row.flags.map(([tag, said]) => el("span", { class: "flag", title: said }, tag));
  return el("span", { class: "model" }, mark(row), el("button", { type: "button", class: "link",
    onclick: () => showRecords(state.run, row.records, row.name) }, row.name), ...flags);
}

function figureCell(one, metric) {
  const span = one.low === null ? "" : ` [${amount(one.low, metric.decimals)}–${amount(one.high, metric.decimals)}]`;
  return el("span", {}, el("b", {}, amount(one.mean, metric.decimals)), el("span", { class: "muted" }, span));
}

function bar(one, [least, most]) {
  const at = (value) => 6 + 148 * (value - least) / (most - least || 1);
  const box = svg("svg", { width: 160, height: 18, "aria-hidden": "true" });
  if (one.low !== null) {
    box.append(svg("line", { x1: at(one.low), x2: at(one.high), y1: 9, y2: 9, stroke: one.row.colour, "stroke-width": 2.5, opacity: 0.55 }));
  }
  box.append(svg("path", { d: SHAPES[one.row.shape] || SHAPES.circle, fill: one.row.colour, transform: `translate(${at(one.mean)} 9)` }));
  return box;
}

function differences(state, update) {
  const { board, metric, rows, sign } = current(state);
  const pairs = board.pairs[metric.name];
  const able = rows.map((row, i) => [row, i]).filter(([, i]) => pairs.some((pair) => pair[0] === i || pair[1] === i));
  if (!able.length) return el("p", {}, "No two models can be compared here.");
  let [, at] = able.find(([row]) => row.name === state.reference) || able[0];
  const reference = rows[at];
  const found = [];
  for (const [i, j, value, low, high, standing] of pairs) {
    if (i === at) found.push({ row: rows[j], value: -value, low: -high, high: -low, standing: -standing });
    if (j === at) found.push({ row: rows[i], value, low, high, standing });
  }
  const shown = found.filter((one) => shownRow(state, one.row)).sort((a, b) => sign * (b.value - a.value));
  const drawn = shown.map((one) => ({ name: one.row.name, colour: one.row.colour, shape: one.row.shape, value: one.value, low: one.low, high: one.high }));
  const spec = { ...rowsOf(state.run.differences[metric.name], (old) => (old.length && "at" in old[0] ? old : drawn)), height: 24 * Math.max(2, drawn.length) };
  const words = { 1: "better", 0: "cannot be told apart", "-1": "worse" };
  const columns = [
    { title: "Model", field: "name", formatter: (cell) => modelCell(state, cell.getData().row), ...(isNarrow() ? { width: 150 } : { minWidth: 170 }) },
    { title: "Difference", field: "value", hozAlign: "right", sorter: "number", minWidth: 175, formatter: (cell) => { const one = cell.getData();
      return el("span", {}, el("b", {}, signed(one.value, metric.decimals)),
        el("span", { class: "muted" }, ` [${signed(one.low, metric.decimals)}, ${signed(one.high, metric.decimals)}]`)); } },
    { title: "Verdict", field: "standing", sorter: "number", formatter: (cell) => el("span", { class: "verdict v" + cell.getValue() },
      { 1: "▲ ", 0: "", "-1": "▼ " }[cell.getValue()] + words[cell.getValue()]), minWidth: 160 },
  ];
  return el("div", {},
    choice("Reference", able.map(([row]) => [row.name, row.name]), reference.name, (value) => { state.reference = value; update(); }),
    el("div", { class: "columns" }, chart(spec, "Differences to " + reference.name),
      grid(columns, shown.map((one) => ({ ...one, name: one.row.name })))),
    el("p", { class: "notes" }, `Each model minus ${reference.name}; ${metric.better} is better. Differences are paired over users; intervals are not corrected, verdicts are (Holm).`));
}

function costs(state) {
  const { board, metric } = current(state);
  const size = isNarrow() ? "narrow" : "wide";
  const box = el("div", {});
  for (const [name, title] of [["seconds", "Accuracy against seconds"], ["parameters", "Accuracy against parameters"]]) {
    const found = board.charts[metric.name][name];
    if (!found) continue;
    const hidden = new Set(board.rows.filter((row) => !shownRow(state, row)).map((row) => row.name));
    box.append(el("h3", {}, title), chart(rowsOf(found[size], (rows) => rows.filter((row) => !hidden.has(row.name))), title));
  }
  box.append(el("p", { class: "notes" }, "Log scale. Bars: 95 % intervals. Dotted: the Pareto front; no model is both cheaper and better. " +
    "Dashed lines: logged answers, whose cost is not known. Models of unknown size have no place among parameters."));
  return box;
}

function slices(state) {
  const { metric } = current(state);
  const found = state.run.slices[metric.name];
  const box = el("div", { class: "columns" });
  for (const one of found) box.append(el("figure", {}, el("figcaption", {}, one.title), el("div", { class: "scroll" }, chart(one.spec, `${metric.title} ${one.title}`))));
  return found.length ? box : el("p", {}, "The records hold no parts of this metric.");
}

function learning(state) {
  const { run, metric } = state;
  const box = el("div", {});
  if (run.losses) box.append(el("h3", {}, "Losses while training"), chart(run.losses, "Losses while training"));
  const found = run.sweeps[metric] || run.sweeps[run.main] || [];
  if (found.length) box.append(el("h3", {}, "Along settings"));
  const charts = el("div", { class: "columns" });
  for (const one of found) charts.append(el("figure", {}, el("figcaption", {}, one.title), chart(one.spec, one.title)));
  box.append(charts);
  return box.childElementCount > 1 || found.length ? box : el("p", {}, "No model of this run was trained in several ways.");
}

function texts(part, level = "h3") {
  const box = el("div", { class: "texts" });
  if (part.lines.length) {
    box.append(el("ul", {}, ...part.lines.map((line) => el("li", {}, line))));
  }
  for (const table of part.tables) box.append(reportTable(table, table.title !== part.title || level === "h3"));
  return box;
}

function provenance(run) {
  const data = Object.entries(run.records).map(([id, record]) => ({ id, ...record }));
  const columns = [
    { title: "Record", field: "id", formatter: (cell) => el("button", { type: "button", class: "link mono",
      onclick: () => showRecords(run, [cell.getValue()], cell.getData().model) }, cell.getValue().slice(0, 10)) },
    { title: "Model", field: "model", formatter: textCell(), maxWidth: 260 },
    { title: "Learned from", field: "training", formatter: textCell((one) => one.training || "nothing") },
    { title: "City", field: "city", formatter: textCell() }, { title: "Seed", field: "seed", formatter: textCell() },
    { title: "Status", field: "status", formatter: textCell() },
    { title: "Coverage", field: "coverage", hozAlign: "right", formatter: textCell((one) => (one.coverage === null ? "–" : (100 * one.coverage).toFixed(1) + " %")) },
    { title: "Invalid", field: "invalid", hozAlign: "right", formatter: textCell() },
    { title: "Missing", field: "missing", hozAlign: "right", formatter: textCell() },
    { title: "Reason", field: "reason", formatter: textCell(), maxWidth: 360 },
    { title: "Commit", field: "commit", formatter: textCell() }, { title: "Made", field: "created", formatter: textCell() },
  ];
  return grid(columns, data, { pagination: data.length > 30, paginationSize: 25, index: "id" });
}
