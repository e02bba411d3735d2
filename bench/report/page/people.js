// The user browser: a day on the grid with history, truth and answers; users from worst to best.
"use strict";

async function people(state, part, box) {
  const all = await unpack("people-" + part);
  if (!all) { box.replaceChildren(el("p", {}, state.run.why_no_people)); return; }
  const city = Object.keys(all.cities)[0];
  const look = { all, run: state.run, city, metric: state.run.main, on: null, user: 0, day: 0, order: "worst" };
  choose(look);
  drawPeople(look, box);
}

function choose(look) {
  const here = look.all.cities[look.city];
  const board = look.run.boards.find((one) => one.name === look.city) || look.run.boards[0];
  look.rows = here.rows.map((i) => board.rows[i]);
  if (!look.on) { // the best row of each of the first four models
    const first = look.rows.filter((row, i) => look.rows.findIndex((one) => one.model === row.model) === i);
    look.on = new Set(first.slice(0, 4).map((row) => row.name));
  }
  if (!look.rows.some((row) => look.on.has(row.name))) look.on = new Set([look.rows[0].name]);
  if (!look.rows.some((row) => row.name === look.by)) look.by = look.rows[0].name;
  const at = here.metrics.indexOf(look.metric);
  const of = look.rows.findIndex((row) => row.name === look.by);
  const metric = look.run.metrics.find((one) => one.name === look.metric);
  const sign = (metric.better === "higher" ? 1 : -1) * (look.order === "worst" ? 1 : -1);
  const score = (user) => (user.scores[of] ? user.scores[of][at] : null);
  look.users = here.users.filter((user) => score(user) !== null).sort((a, b) => sign * (score(a) - score(b)));
  look.at = at; look.of = of; look.decimals = metric.decimals;
  look.person = look.users[Math.min(look.user, look.users.length - 1)];
  look.days = [...new Set(look.person.d)];
  look.day = Math.min(look.day, look.days.length - 1);
}

function drawPeople(look, box) {
  const again = (focus) => { choose(look); drawPeople(look, box); if (focus) box.querySelector(focus)?.focus(); };
  const bar = el("div", { class: "filters" },
    choice("City", Object.keys(look.all.cities).map((name) => [name, name]), look.city, (v) => { look.city = v; look.user = 0; again(); }),
    choice("Score", look.all.cities[look.city].metrics.map((m) => [m, look.run.metrics.find((one) => one.name === m)?.title || m])
      .filter(([m]) => look.run.metrics.some((one) => one.name === m)), look.metric, (v) => { look.metric = v; look.user = 0; again(); }),
    choice("of", look.rows.map((row) => [row.name, row.name]), look.by, (v) => { look.by = v; look.user = 0; again(); }),
    choice("Order", [["worst", "worst first"], ["best", "best first"]], look.order, (v) => { look.order = v; look.user = 0; again(); }));
  const list = el("ol", { class: "users", "aria-label": "Users" });
  look.users.forEach((user, i) => list.append(el("li", {}, el("button", { type: "button", "aria-current": user === look.person ? "true" : null,
    onclick: () => { look.user = i; again(); } }, `${look.city}:${user.uid}`,
    el("span", { class: "muted" }, amount(user.scores[look.of][look.at], look.decimals))))));
  const models = el("fieldset", { class: "families" }, el("legend", {}, "Answers shown"));
  look.rows.forEach((row, i) => {
    if (!look.person.answers[i]) return;
    const input = el("input", { type: "checkbox", checked: look.on.has(row.name),
      onchange: () => { input.checked ? look.on.add(row.name) : look.on.delete(row.name); again(); } });
    models.append(el("label", {}, input, mark(row), row.name));
  });
  if (models.childElementCount === 1) models.append(el("span", { class: "muted" }, "The answers of this run are not here, only its scores."));
  const scroll = box.querySelector(".users")?.scrollTop || 0;
  box.replaceChildren(bar, models, el("div", { class: "browser" }, list, personView(look, again)));
  box.querySelector(".users").scrollTop = scroll;
}

function personView(look, again) {
  const day = look.days[look.day];
  const off = look.all.cities[look.city].off.includes(day) ? "off-day" : "working day";
  const slider = el("input", { type: "range", id: "day", min: 0, max: look.days.length - 1, value: look.day, "aria-label": "Day",
    "aria-valuetext": `day ${day}`, oninput: () => { look.day = Number(slider.value); again("#day"); } });
  const scores = el("div", { class: "scores" });
  look.rows.forEach((row, i) => {
    if (look.person.scores[i]) scores.append(el("span", {}, mark(row), row.name + " ", el("b", {}, amount(look.person.scores[i][look.at], look.decimals))));
  });
  return el("div", { class: "person" }, el("h3", { id: "who" }, `User ${look.city}:${look.person.uid}`),
    el("label", { class: "slider" }, el("span", { id: "day-name" }, `Day ${day}, ${off}`), slider),
    el("div", { class: "maps" }, map(look, day), strip(look, day)), el("details", {}, el("summary", {}, "This user's scores"), scores));
}

// Points of a day: [slot, truth cell, answer cell of each shown model].
function pointsOf(look, day) {
  const person = look.person;
  return person.d.map((d, i) => [d, i]).filter(([d]) => d === day).map(([, i]) => i);
}

function shownModels(look) {
  return look.rows.map((row, i) => ({ row, said: look.person.answers[i] })).filter((one) => one.said && look.on.has(one.row.name));
}

function map(look, day) {
  const { cells, history, truth } = look.person;
  const points = pointsOf(look, day), models = shownModels(look);
  const used = [...points.map((i) => truth[i]), ...models.flatMap((one) => points.map((i) => one.said[i]))].filter((cell) => cell >= 0);
  for (let i = 0; i < history.length; i += 2) if (history[i + 1] >= 5) used.push(history[i]);
  const xs = used.map((cell) => cells[2 * cell]), ys = used.map((cell) => cells[2 * cell + 1]);
  const middle = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
  const span = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys), 8) * 1.08 + 2;
  const size = 400, unit = size / span;
  const at = (cell) => [size / 2 + (cells[2 * cell] - middle[0]) * unit, size / 2 + (cells[2 * cell + 1] - middle[1]) * unit];
  const box = svg("svg", { viewBox: `0 0 ${size} ${size}`, class: "map", role: "img", "aria-label": `Day ${day} on the grid` });
  const most = Math.max(...history.filter((_, i) => i % 2));
  const side = Math.max(unit, 3);
  for (let i = 0; i < history.length; i += 2) {
    const [x, y] = at(history[i]);
    const cell = svg("rect", { x: x - side / 2, y: y - side / 2, width: side, height: side, class: "past",
      opacity: (0.12 + 0.5 * Math.log(1 + history[i + 1]) / Math.log(1 + most)).toFixed(2) });
    cell.append(svg("title", {}, `history: ${history[i + 1]} points`));
    box.append(cell);
  }
  models.forEach((one, k) => {
    const turn = 2 * Math.PI * k / models.length, shift = [4 * Math.cos(turn), 4 * Math.sin(turn)];
    for (const i of points) if (one.said[i] >= 0) {
      const [x, y] = at(one.said[i]);
      const said = svg("path", { d: SHAPES[one.row.shape] || SHAPES.circle, fill: one.row.colour, opacity: 0.85,
        transform: `translate(${x + shift[0]} ${y + shift[1]}) scale(.8)` });
      said.append(svg("title", {}, `${one.row.name}, ${clock(look, look.person.t[i])}`));
      box.append(said);
    }
  });
  box.append(svg("polyline", { points: points.map((i) => at(truth[i]).join(",")).join(" "), class: "truth" }));
  for (const i of points) {
    const [x, y] = at(truth[i]);
    const dot = svg("circle", { cx: x, cy: y, r: 4.5, class: "truth-dot" });
    dot.append(svg("title", {}, `truth, ${clock(look, look.person.t[i])}`));
    box.append(dot);
  }
  const km = look.all.cities[look.city].grid[2] * span / 4, round = km >= 10 ? 10 * Math.round(km / 10) : Math.max(1, Math.round(km));
  const long = round / look.all.cities[look.city].grid[2] * unit;
  box.append(svg("line", { x1: 12, x2: 12 + long, y1: size - 12, y2: size - 12, class: "scale" }), svg("text", { x: 12, y: size - 18 }, `${round} km`));
  return el("figure", {}, box, el("figcaption", { class: "legend" }, el("span", {}, "▢ history"), el("span", {}, "○─ truth"), el("span", {}, "marks: answers")));
}

function clock(look, slot) {
  const minutes = slot * 1440 / look.all.cities[look.city].grid[3];
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

// A line a model: right ●, at most 1 km off ◐, further ○, no valid answer ✕ at every asked time of the day.
function strip(look, day) {
  const { cells, truth, t } = look.person, km = look.all.cities[look.city].grid[2], points = pointsOf(look, day);
  const head = el("tr", {}, el("th", {}, ""), ...points.map((i) => el("th", { scope: "col" }, clock(look, t[i]))));
  const rows = shownModels(look).map((one) => {
    let right = 0;
    const marks = points.map((i) => {
      if (one.said[i] < 0) return el("td", { title: "no valid answer" }, "✕");
      const off = km * Math.hypot(cells[2 * one.said[i]] - cells[2 * truth[i]], cells[2 * one.said[i] + 1] - cells[2 * truth[i] + 1]);
      right += off === 0;
      return el("td", { title: `${off.toFixed(1)} km off` }, off === 0 ? "●" : off <= 1 ? "◐" : "○");
    });
    return el("tr", {}, el("th", { scope: "row" }, mark(one.row), `${one.row.name} ${right}/${points.length}`), ...marks);
  });
  return el("div", { class: "strip" }, el("div", { class: "scroll", tabindex: "0" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows))),
    el("p", { class: "notes" }, "● right  ◐ at most 1 km off  ○ further  ✕ no valid answer"));
}
