// Small tools: elements from text, packed content, numbers, theme. Text from outside enters through textContent alone.
"use strict";

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

function svg(tag, attributes = {}, text = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

async function unpack(id) {
  const text = document.getElementById(id).textContent;
  if (!text) return null;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

function amount(value, decimals) {
  return value === null || value === undefined ? "–" : value.toFixed(decimals);
}

function signed(value, decimals) {
  return (value >= 0 ? "+" : "−") + Math.abs(value).toFixed(decimals);
}

function seconds(value) {
  if (!value) return "–";
  if (value < 1) return (value * 1000).toPrecision(value < 0.1 ? 2 : 3) + " ms";
  return value < 100 ? value.toFixed(1) + " s" : (value / 60).toFixed(1) + " min";
}

function count(value) {
  if (!value) return "–";
  for (const [size, letter] of [[1e9, " B"], [1e6, " M"], [1e3, " k"]]) {
    if (value >= size) return +(value / size).toPrecision(3) + letter;
  }
  return String(value);
}

const isNarrow = () => window.innerWidth < 820;

const SHAPES = {
  circle: "M5 0A5 5 0 1 1 -5 0A5 5 0 1 1 5 0Z", square: "M-4.5-4.5H4.5V4.5H-4.5Z", diamond: "M0-6L5 0L0 6L-5 0Z",
  "triangle-up": "M0-5.5L5.5 4.5H-5.5Z", "triangle-down": "M0 5.5L5.5-4.5H-5.5Z",
  cross: "M-1.8-5.5H1.8V-1.8H5.5V1.8H1.8V5.5H-1.8V1.8H-5.5V-1.8H-1.8Z",
};

function mark(row, size = 12) {
  const box = svg("svg", { width: size, height: size, viewBox: "-7 -7 14 14", "aria-hidden": "true", class: "mark" });
  box.append(svg("path", { d: SHAPES[row.shape] || SHAPES.circle, fill: row.colour }));
  return box;
}

function choice(label, options, value, change) {
  const select = el("select", { onchange: () => change(select.value) });
  for (const [key, text] of options) select.append(el("option", { value: key, selected: key === value }, text));
  return el("label", { class: "choice" }, label + " ", select);
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function startTheme() {
  const asked = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  setTheme(asked.matches);
  asked.addEventListener("change", () => { if (chosen === null) setTheme(asked.matches); });
  document.getElementById("theme").addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme !== "dark";
    setTheme(chosen);
  });
}

// What is large runs when it is first needed.
function vega() {
  if (!window.vegaEmbed) document.head.append(el("script", {}, document.getElementById("vega").textContent));
  return window.vegaEmbed;
}

// A chart or table is drawn when it comes near the screen, and anew when its box changes between desk and phone.
const nearby = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) { nearby.unobserve(entry.target); entry.target.draw(); }
  }
}, { rootMargin: "400px" });

function chart(spec, label) {
  const room = typeof spec.height === "number" ? spec.height + 60 : 60; // no section moves while one is being read
  const box = el("div", { class: "chart", role: "img", "aria-label": label, tabindex: "0", style: `min-height: ${room}px` });
  box.draw = () => vega()(box, { $schema: "https://vega.github.io/schema/vega-lite/v6.json", ...spec },
    { actions: false, renderer: "svg", tooltip: { theme: "custom" } }).catch((error) => console.error(error));
  nearby.observe(box);
  return box;
}

function rowsOf(spec, change) {
  const copy = structuredClone(spec);
  const visit = (part) => {
    if (part.data && Array.isArray(part.data.values)) part.data.values = change(part.data.values);
    for (const name of Object.keys(copy.datasets || {})) if (part === copy) copy.datasets[name] = change(copy.datasets[name]);
    for (const layer of part.layer || []) visit(layer);
  };
  visit(copy);
  return copy;
}
