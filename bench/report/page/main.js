// Puts the page together: one part (a run or a study) at a time.
"use strict";

function showRun(run, part, main) {
  const state = { run, board: 0, metric: run.main, hidden: new Set(), reference: null, compared: false };
  const slots = { ranking: el("div"), differences: el("div"), costs: el("div"), slices: el("div"), learning: el("div") };
  const fill = () => {
    slots.ranking.replaceChildren(ranking(state));
    slots.differences.replaceChildren(differences(state, fill));
    slots.costs.replaceChildren(costs(state));
    slots.slices.replaceChildren(slices(state, fill));
    slots.learning.replaceChildren(learning(state));
  };
  const said = run.findings[0];
  const users = el("div", { id: "people-box" }, el("p", {}, "Opening …"));
  users.draw = () => people(state, part, users).catch((error) => console.error(error));
  const fact = (name) => run.facts.filter((one) => name(one.title));
  const cost = (title) => /^(Cost|Work)/.test(title), other = (title) => /^Reported/.test(title);
  const learned = (title) => /^(Learning|Seeds|How far)/.test(title);
  const rest = (title) => !cost(title) && !other(title) && !learned(title);
  main.replaceChildren(
    el("h1", {}, run.title), run.notice ? el("p", { class: "warning", role: "alert" }, run.notice) : "",
    el("section", { id: "answer", class: "part" }, el("h2", {}, "In short"), tiles(run), texts({ lines: said.lines, tables: [] }),
      run.findings.length > 1 || said.tables.length ? el("details", {}, el("summary", {}, "Each city alone, and where versions of a metric disagree"),
        ...said.tables.map((table) => reportTable(table)), ...run.findings.slice(1).map((one) => el("div", {}, el("h3", {}, one.title), texts(one)))) : null),
    filters(state, fill),
    section("ranking", "Who is best?", "Ranks with ties; click a head to sort, a name for its records.", slots.ranking),
    section("differences", "Is the difference real?", "Paired differences to a model of your choice.", slots.differences),
    section("cost", "What does it cost?", "", slots.costs, ...fact(cost).map((one) => texts(one))),
    section("fails", "Where does it fail?", "By city, by kind of user, and by part of their points.", slots.slices, run.further.length ? el("details", { id: "further" },
      el("summary", {}, "Medians, further metrics, groups and divergences as tables"), ...run.further.map((table) => reportTable(table))) : null),
    section("users", "User by user", "From the worst to the best, day by day.", users),
    section("learning", "What was learned?", "", slots.learning, ...fact(learned).map((one) => texts(one))),
    section("trust", "Can I believe it?", "Data, code, coverage, failures, and every record.", el("ul", {}, ...run.lines.map((line) => el("li", {}, line))),
      ...fact(rest).map((one) => texts(one)), el("h3", {}, "Records"), provenance(run)),
    ...(run.claims.length ? [section("claims", "What the field says", "Sentences that are often repeated, against these records.",
      ...run.claims.map((one) => el("div", {}, el("h3", {}, one.title), texts(one))))] : []),
    section("others", "Reported by others", "Never ranked with what was measured here.", ...(fact(other).length ? fact(other).map((one) => texts(one)) : [el("p", {}, "None fits this run.")])),
  );
  fill();
  nearby.observe(users);
  return [["answer", "In short"], ["ranking", "Ranking"], ["differences", "Differences"], ["cost", "Cost"], ["fails", "Where it fails"],
    ["users", "Users"], ["learning", "Learning"], ["trust", "Trust"], ...(run.claims.length ? [["claims", "Claims"]] : []), ["others", "Others"]];
}

function showStudy(study, main) {
  main.replaceChildren(el("h1", {}, study.title), ...study.sections.map((one, i) => section("study-" + i, one.title, one.lines[0] || "",
    el("div", { class: "columns" }, ...one.charts.map((each) => el("figure", {}, el("figcaption", {}, each.title), chart(each.spec, each.title)))),
    ...one.tables.map((table) => reportTable(table)))));
  return study.sections.map((one, i) => ["study-" + i, one.title]);
}

async function start() {
  startTheme();
  const parts = await unpack("packed");
  const main = document.getElementById("content"), nav = document.getElementById("nav");
  const show = (i) => {
    const links = parts[i].kind === "run" ? showRun(parts[i], i, main) : showStudy(parts[i], main);
    nav.replaceChildren(...links.map(([id, text]) => el("a", { href: "#" + id }, text)));
    document.documentElement.dataset.ready = "yes";
  };
  if (parts.length > 1) {
    const select = document.getElementById("part");
    parts.forEach((part, i) => select.append(el("option", { value: i }, part.title)));
    select.addEventListener("change", () => { show(Number(select.value)); main.focus(); });
    document.getElementById("part-choice").hidden = false;
  }
  show(0);
  let narrow = isNarrow();
  window.addEventListener("resize", () => {
    if (narrow !== isNarrow()) { narrow = !narrow; show(Number(document.getElementById("part").value || 0)); }
  });
}

start().catch((error) => { document.getElementById("content").textContent = "The page cannot be shown: " + error.message; console.error(error); });
