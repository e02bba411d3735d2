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

// The answer at a glance: who leads, by how much over the floor, what it costs, what it rests on.
function tiles(run) {
  const board = run.boards[0], metric = run.metrics.find((one) => one.name === run.main), sign = metric.better === "higher" ? 1 : -1;
  const of = (row) => row.figures[run.main];
  const ranked = board.rows.filter((row) => of(row) && !row.unranked).sort((a, b) => sign * (of(b)[0] - of(a)[0]));
  if (ranked.length < 2) return null;
  const [best] = ranked, floor = ranked.find((row) => row.floor);
  const tile = (name, value, about) => el("div", { class: "tile" }, el("div", { class: "muted" }, name), el("div", { class: "value" }, ...value), el("div", { class: "muted" }, about));
  const found = [tile(`Best by ${metric.title}`, [mark(best, 16), best.name], `${amount(of(best)[0], metric.decimals)}, 95 % interval ${amount(of(best)[1], metric.decimals)}–${amount(of(best)[2], metric.decimals)}`)];
  const at = (row) => board.rows.indexOf(row);
  const pair = floor && (board.pairs[run.main] || []).find(([i, j]) => (i === at(best) && j === at(floor)) || (j === at(best) && i === at(floor)));
  if (floor && floor !== best && pair) {
    const turned = pair[0] === at(best) ? 1 : -1, [low, high] = [turned * pair[3], turned * pair[4]].sort((a, b) => a - b);
    const said = turned * pair[5] > 0 ? "significantly better" : "cannot be told apart";
    found.push(tile(`Over the best floor model, ${floor.name}`, [signed(turned * pair[2], metric.decimals)], `${signed(low, metric.decimals)} to ${signed(high, metric.decimals)}, ${said}`));
  }
  if (best.seconds) found.push(tile("Its time for a trajectory", [seconds(best.seconds)], best.parameters ? `${count(best.parameters)} parameters` : "no trained parameters"));
  found.push(tile("Rests on", [`${best.users} users`], `${ranked.length} models ranked, ${run.boards.length > 1 ? run.boards.length - 1 + " cities" : "one city"}`));
  return el("div", { class: "tiles" }, ...found);
}

function ranking(state) {
  const { board, metric, rows } = current(state);
  const data = rows.filter((row) => row.figures[metric.name] && shownRow(state, row)).map((row) => {
    const [mean, low, high, , , first, last] = row.figures[metric.name];
    return { row, value: mean, low, high, first: first ?? 1e6, last, name: row.name, learned: row.learned,
      family: row.family, letters: board.letters[metric.name][rows.indexOf(row)] || "", seconds: row.seconds, parameters: row.parameters };
  });
  data.sort((a, b) => a.first - b.first || (metric.better === "higher" ? b.value - a.value : a.value - b.value));
  const scale = ends(data);
  const columns = [
    { title: isNarrow() ? "#" : "Rank", field: "first", ...FIGURE, formatter: (cell) => rank(cell.getData()), width: isNarrow() ? 68 : 84 },
    modelColumn(state),
    { title: isNarrow() ? "Score" : metric.title, field: "value", ...FIGURE, sorter: "number", headerSortStartingDir: metric.better === "higher" ? "desc" : "asc",
      formatter: (cell) => figureCell(cell.getData(), metric), width: isNarrow() ? 76 : 180 },
    { title: isNarrow() ? "95 %" : "95 % interval", field: "low", headerSort: false, formatter: (cell) => bar(cell.getData(), scale), width: isNarrow() ? 90 : 176 },
    { title: "Group", field: "letters", formatter: textCell(), width: 98 },
    { title: "Time", field: "seconds", ...FIGURE, sorter: "number", formatter: (cell) => el("span", {}, seconds(cell.getValue())), width: 96 },
    { title: "Parameters", field: "parameters", ...FIGURE, sorter: "number", formatter: (cell) => el("span", {}, count(cell.getValue())), width: 128 },
    { title: "Family", field: "family", formatter: textCell(), width: 140 },
    { title: "Learned from", field: "learned", formatter: (cell) => el("span", { class: "clamp", title: cell.getValue() }, cell.getValue()), minWidth: isNarrow() ? 300 : 160, widthGrow: 3 },
  ];
  const table = grid(columns, data, { index: "name", layout: "fitColumns" });
  queueMicrotask(table.draw); // what the page is opened for is there before it is near
  return el("div", { id: "ranking-table" }, el("p", { class: "muted" }, board.title + "."), table,
    el("p", { class: "notes" }, "Rank: 1 + the number of significantly better models. Models that share a letter cannot be told apart " +
      "(paired bootstrap over users, 5 %, Holm). Time: median for one trajectory. A name opens the records behind its row."),
    board.left_out.length ? el("p", { class: "notes" }, "Left out: " + board.left_out.join("; ")) : null);
}

const FIGURE = { hozAlign: "right", headerHozAlign: "right" };

function modelColumn(state) {
  return { title: "Model", field: "name", formatter: (cell) => modelCell(state, cell.getData().row), widthGrow: 2, minWidth: isNarrow() ? 128 : 190 };
}

// From where to where the bars of a table go.
function ends(data, ...more) {
  const found = [...more, ...data.flatMap((one) => [one.low ?? one.value, one.high ?? one.value])];
  return [Math.min(...found), Math.max(...found)];
}

function rank(one) {
  if (one.first === 1e6) return el("span", { class: "muted" }, "–");
  return el("span", { class: one.first === 1 ? "best figure" : "figure" }, one.first === one.last ? String(one.first) : `${one.first}–${one.last}`);
}

// A name may break after its underscores.
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));

function modelCell(state, row) {
  const flags = row.flags.map(([tag, said]) => el("span", { class: "flag", title: said }, tag));
  return el("span", { class: "model" }, mark(row), el("button", { type: "button", class: "link",
    onclick: () => showRecords(state.run, row.records, row.name) }, ...breakable(row.name)), ...flags);
}

function figureCell(one, metric) {
  const span = one.low === null || one.low === undefined ? "" : ` [${amount(one.low, metric.decimals)}–${amount(one.high, metric.decimals)}]`;
  return el("span", { class: "figure" }, el("b", {}, amount(one.value, metric.decimals)), el("span", { class: "muted" }, span));
}

// A mark with its interval; zero: with a line at 0.
function bar(one, [least, most], zero = false) {
  const wide = isNarrow() ? 74 : 160, at = (value) => 8 + (wide - 16) * (value - least) / (most - least || 1);
  const box = svg("svg", { width: wide, height: 18, "aria-hidden": "true" });
  if (zero) box.append(svg("line", { x1: at(0), x2: at(0), y1: -8, y2: 26, stroke: "currentColor", opacity: 0.45 }));
  if (one.low !== null) {
    box.append(svg("line", { x1: at(one.low), x2: at(one.high), y1: 9, y2: 9, stroke: one.row.colour, "stroke-width": 2.5, opacity: 0.55 }));
  }
  box.append(svg("path", { d: SHAPES[one.row.shape] || SHAPES.circle, fill: one.row.colour, transform: `translate(${at(one.value)} 9)` }));
  return box;
}

// The rows that can be compared, and which of them is the reference.
function referenceOf(state) {
  const { board, metric, rows } = current(state);
  const pairs = board.pairs[metric.name] || [];
  const able = rows.map((row, i) => [row, i]).filter(([, i]) => pairs.some((pair) => pair[0] === i || pair[1] === i));
  return { pairs, able, found: able.find(([row]) => row.name === state.reference) || able[0] };
}

function differences(state, update) {
  const { metric, rows, sign } = current(state);
  const { pairs, able, found: chosen } = referenceOf(state);
  if (!chosen) return el("p", {}, "No two models can be compared here.");
  const [reference, at] = chosen, found = [];
  for (const [i, j, value, low, high, standing] of pairs) {
    if (i === at) found.push({ row: rows[j], value: -value, low: -high, high: -low, standing: -standing });
    if (j === at) found.push({ row: rows[i], value, low, high, standing });
  }
  const shown = found.filter((one) => shownRow(state, one.row)).sort((a, b) => sign * (b.value - a.value));
  const words = { 1: "better", 0: "cannot be told apart", "-1": "worse" }, scale = ends(shown, 0);
  const columns = [
    modelColumn(state),
    { title: isNarrow() ? "Difference" : `Difference in ${metric.title}`, field: "value", ...FIGURE, sorter: "number", width: isNarrow() ? 100 : 230, formatter: (cell) => { const one = cell.getData();
      return el("span", { class: "figure" }, el("b", {}, signed(one.value, metric.decimals)),
        el("span", { class: "muted" }, ` [${signed(one.low, metric.decimals)}, ${signed(one.high, metric.decimals)}]`)); } },
    { title: isNarrow() ? "95 %" : "95 % interval", field: "low", headerSort: false, formatter: (cell) => bar(cell.getData(), scale, true), width: isNarrow() ? 90 : 176 },
    { title: "Verdict", field: "standing", sorter: "number", formatter: (cell) => el("span", { class: "verdict v" + cell.getValue() },
      { 1: "▲ ", 0: "", "-1": "▼ " }[cell.getValue()] + words[cell.getValue()]), width: 190 },
  ];
  return el("div", {},
    choice("Reference", able.map(([row]) => [row.name, row.name]), reference.name, (value) => { state.reference = value; update(); }),
    grid(columns, shown.map((one) => ({ ...one, name: one.row.name })), { layout: "fitColumns" }, "medium"),
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

// Scores by part of the data, or their differences to the reference: one field of shades a kind of parts.
function slices(state, update) {
  const { board, metric } = current(state);
  const [reference, at] = referenceOf(state).found || [null, -1];
  const known = board.parts.filter((kind) => kind.values[metric.name]?.some((row) => row.some((value) => value !== null)));
  if (!known.length) return el("p", {}, "The records hold no parts of this metric.");
  const compared = state.compared && reference;
  const box = el("div", { class: "columns fields" });
  for (const kind of known) {
    const cells = compared ? apart(state, kind, at) : scored(state, kind);
    const spec = { ...rowsOf(state.run.shades[metric.name][compared ? "differences" : "scores"], () => cells), width: { step: isNarrow() ? Math.min(kind.step, 52) : kind.step } };
    if (isNarrow()) spec.config = { ...spec.config, axis: { ...spec.config.axis, labelLimit: 118 } };
    box.append(el("figure", { class: kind.columns.length > 8 ? "wide" : "" }, el("figcaption", {}, kind.title), el("div", { class: "scroll" }, chart(spec, `${metric.title} ${kind.title}`))));
  }
  const modes = choice("Show", [["", "scores"], ["yes", `differences to ${reference ? reference.name : "a reference"}`]], state.compared ? "yes" : "",
    (value) => { state.compared = value === "yes"; update(); });
  const sure = known.some((kind) => kind.half[metric.name]?.some((half) => half));
  const note = !compared ? "The bluer, the better. A part's score is the metric of its points alone."
    : "Blue: better than the reference; orange: worse. " + (sure ? "Only differences whose 95 % interval excludes zero have a colour (paired over users, " +
      "not corrected for how many there are). " : "") + "Groups of users" + (sure ? "" : " and parts of published runs") + " have no intervals. The reference is chosen above, under differences.";
  return el("div", {}, reference ? modes : null, box, el("p", { class: "notes" }, note));
}

function scored(state, kind) {
  const { metric, rows } = current(state);
  return cellsOf(state, kind, rows, (i, k) => {
    const value = kind.values[metric.name][i][k];
    return value === null ? null : { value, text: amount(value, metric.decimals) };
  });
}

function apart(state, kind, at) {
  const { board, metric, rows, sign } = current(state);
  const values = kind.values[metric.name], halves = kind.half[metric.name];
  return cellsOf(state, kind, rows, (i, k) => {
    if (values[i][k] === null || values[at][k] === null || i === at) return null;
    const value = values[i][k] - values[at][k], ranked = Math.max(i, at) < board.ranked;
    const half = halves[k] && ranked ? halves[k][pairAt(Math.min(i, at), Math.max(i, at), board.ranked)] : null;
    const span = half === null ? "" : ` [${signed(value - half, metric.decimals)}, ${signed(value + half, metric.decimals)}]`;
    return { value: sign * value, text: signed(value, metric.decimals), tip: span, sure: halves[k] === null ? true : half !== null && Math.abs(value) > half };
  });
}

// The place of (i, j), i < j < n, among all pairs in order.
const pairAt = (i, j, n) => i * n - i * (i + 1) / 2 + j - i - 1;

function cellsOf(state, kind, rows, cell) {
  return rows.flatMap((row, i) => (shownRow(state, row) ? kind.columns.map((column, k) => ({ name: row.name, column, ...cell(i, k) })) : []))
    .filter((one) => one.value !== undefined);
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
    { title: "Model", field: "model", formatter: textCell(), maxWidth: 300 },
    { title: "Learned from", field: "training", formatter: textCell((one) => one.training || "nothing") },
    { title: "City", field: "city", formatter: textCell() }, { title: "Seed", field: "seed", formatter: textCell() },
    { title: "Status", field: "status", formatter: textCell() },
    { title: "Coverage", field: "coverage", hozAlign: "right", formatter: textCell((one) => (one.coverage === null ? "–" : (100 * one.coverage).toFixed(1) + " %")) },
    { title: "Invalid", field: "invalid", hozAlign: "right", formatter: textCell() },
    { title: "Missing", field: "missing", hozAlign: "right", formatter: textCell() },
    ...(data.some((one) => one.reason) ? [{ title: "Reason", field: "reason", formatter: textCell(), maxWidth: 360 }] : []),
    { title: "Commit", field: "commit", formatter: textCell() }, { title: "Made", field: "created", formatter: textCell((one) => one.created.slice(0, 16).replace("T", " ")) },
  ];
  return grid(columns, data, { pagination: data.length > 30, paginationSize: 25, index: "id" });
}
