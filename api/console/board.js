// The board: what every machine of a base is doing now. It asks again every two seconds while someone looks, never twice
// at once, and says so when what it shows is no longer now.

import { $, Problem, element, get, icon, setPieces, setText } from "./page.js";
import * as login from "./login.js";
import * as story from "./story.js";
import { ago, dayOf, duration, htmlLanguage, nameOf, percent, quantity, say, states, toggleLanguage } from "./words.js";

const every = 2000; // ms between boards
const storyEvery = 10000; // ms between timelines
const staleAfter = 15; // s

let base = new URLSearchParams(location.search).get("base");
let bases = null;
let board = null;
let heardAt = 0; // performance.now() when the board came
let storyAt = 0;
let barred = false; // who is inside may not look here; asking again would only fill the audit log
let only = null; // the state that the legend is set to
const cards = new Map(); // equipment to its card

const seconds = () => (performance.now() - heardAt) / 1000;

function makeCard(id) {
  const parts = { badge: element("span", { class: "badge" }), name: element("b") };
  for (const k of ["since", "rate", "sum", "last"]) parts[k] = element("span", { class: `pieces ${k}` });
  const e = element("button", { type: "button", class: "machine", "data-equipment": id }, parts.badge,
    element("span", { class: "what" }, parts.name, parts.since, parts.rate, parts.sum, parts.last));
  e.addEventListener("click", () => { location.hash = encodeURIComponent(id); });
  return { e, parts, state: null };
}

function fillCard(card, m) {
  if (card.state !== m.state || card.said !== say(m.state)) {
    card.parts.badge.className = `badge ${m.state}`;
    card.parts.badge.replaceChildren(icon(m.state), say(m.state));
    card.state = m.state;
    card.said = say(m.state);
  }
  setText(card.parts.name, nameOf(m));
  setPieces(card.parts.since, [...story.sinceText(m, board.now), m.word]);
  setPieces(card.parts.rate, rateText(m));
  setPieces(card.parts.sum, sumText(m));
  setPieces(card.parts.last, lastText(m));
  card.e.hidden = only !== null && only !== m.state;
}

const noteOf = (m) => (m.notes || []).map((n) => say("notes")[n] || n)[0];

// A rate is never shown without its denominator and its coverage.
function rateText(m) {
  if (noteOf(m)) return [noteOf(m)];
  if (m.opening_s === 0) return [say("notOpen")];
  if (m.rate === null) return [say("few"), say("below")(percent(m.coverage), percent(board.coverage_floor))];
  return [`${say("rate")} ${percent(m.rate)}`, `${say("coverage")} ${percent(m.coverage)}`];
}

function sumText(m) {
  if (noteOf(m) || m.opening_s === 0) return [];
  return [`${say("ran")} ${duration(m.running_s)} ÷ ${say("opening")} ${duration(m.opening_s)}`];
}

function lastText(m) {
  if (!m.last_heard) return [say("never")];
  const power = m.last_values && m.last_values.power_w;
  const age = Math.max(0, (Date.parse(board.now) - Date.parse(m.last_heard)) / 1000);
  return [`${say("last")} ${ago(age)}`, power === undefined ? "" : quantity("power_w", power)];
}

function showBoard() {
  const machines = board ? board.machines : [];
  const shops = board ? board.workshops.filter((w) => machines.some((m) => m.workshop === w.id)) : [];
  const layout = JSON.stringify([base, !board, htmlLanguage(), shops, machines.map((m) => m.equipment)]);
  if ($("board").dataset.layout !== layout) {
    $("board").dataset.layout = layout;
    cards.clear();
    for (const m of machines) cards.set(m.equipment, makeCard(m.equipment));
    $("board").replaceChildren(...shops.map((w) => element("section", {}, element("h2", {}, nameOf(w)),
      element("div", { class: "grid" }, ...machines.filter((m) => m.workshop === w.id).map((m) => cards.get(m.equipment).e)))));
    if (!machines.length) $("board").replaceChildren(element("p", { class: "empty" }, bases && !bases.length ? say("noBase") : board ? say("empty") : say("loading")));
  }
  for (const m of machines) fillCard(cards.get(m.equipment), m);
  for (const section of $("board").querySelectorAll("section")) section.hidden = !section.querySelector(".machine:not([hidden])");
  $("board").setAttribute("aria-busy", String(!board));
  showLegend(machines);
  showAge();
}

function showLegend(machines) {
  const legend = $("legend");
  if (!legend.children.length) {
    for (const s of [null, ...states]) {
      const chip = element("button", { type: "button", class: `chip ${s || "all"}`, "data-state": s || "all" });
      chip.addEventListener("click", () => { only = only === s ? null : s; showBoard(); });
      legend.append(chip);
    }
  }
  for (const chip of legend.children) {
    const s = chip.dataset.state, all = s === "all";
    const n = all ? machines.length : machines.filter((m) => m.state === s).length;
    const text = `${all ? say("all") : say(s)} ${n}`;
    if (chip.textContent !== text) chip.replaceChildren(...(all ? [text] : [icon(s), text]));
    chip.title = all ? say("all") : say("only")(say(s));
    chip.classList.toggle("none", n === 0);
    chip.setAttribute("aria-pressed", String(all ? only === null : only === s));
  }
}

function showAge() {
  if (!board) return setText($("age"), "");
  const age = seconds();
  setText($("age"), say("updated")(ago(age)));
  document.body.classList.toggle("stale", age > staleAfter || !$("problem").hidden);
}

function trouble(e) {
  $("problem").hidden = !e;
  if (e) setText($("problem"), e instanceof Problem ? e.message : board ? say("lost") : say("lostFirst"));
  showAge();
}

async function loadBases() {
  bases = (await get("api/v1/bases")).items;
  if (!bases.some((b) => b.code === base)) base = bases.length ? bases[0].code : null;
  showBases();
}

function showBases() {
  if (!bases) return;
  $("base").replaceChildren(...bases.map((b) => element("option", { value: b.code }, nameOf(b))));
  $("base").value = base;
  $("base").disabled = bases.length < 2;
}

async function refresh() {
  if (barred || login.asking()) return;
  try {
    if (!await login.enter()) return nobody();
    if (!bases || base === null) await loadBases();
    if (base !== null) {
      const asked = base;
      const b = await get(`api/v1/bases/${encodeURIComponent(asked)}/state`);
      if (asked !== base) return;
      [board, heardAt] = [b, performance.now()];
    }
    trouble(null);
    showBoard();
    await route();
  } catch (e) {
    barred = e instanceof Problem && e.status === 403;
    if (e instanceof Problem && e.status === 401) return nobody(), login.leave(), refresh();
    trouble(e);
  }
}

// nobody takes away what only those inside may see.
function nobody() {
  [bases, board, barred] = [null, null, false];
  story.hide();
  trouble(null);
  showBoard();
}

// route shows the machine that the address names, so that a machine can be linked to and the back button closes it.
async function route() {
  const id = decodeURIComponent(location.hash.slice(1));
  const machine = board && board.machines.find((m) => m.equipment === id);
  if (!machine) return story.hide();
  const due = performance.now() - storyAt > storyEvery;
  if (due || story.chosen() !== id) storyAt = performance.now();
  if (story.chosen() !== id) return story.show(base, machine, dayOf(board.now));
  return story.follow(machine, dayOf(board.now), due);
}

async function loop() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((next) => {
      const timer = setTimeout(next, every);
      document.addEventListener("visibilitychange", () => { clearTimeout(timer); next(); }, { once: true });
    });
  }
}

function speak() {
  document.documentElement.lang = htmlLanguage();
  document.title = `机时 · ${say("title")}`;
  $("language").textContent = say("other");
  $("language").lang = say("otherLang");
  for (const e of document.querySelectorAll("[data-say]")) e.textContent = say(e.dataset.say);
  login.showWho();
  showBases();
  showBoard();
  story.draw();
}

$("language").addEventListener("click", () => { toggleLanguage(); speak(); });
$("base").addEventListener("change", () => {
  [base, board, barred] = [$("base").value, null, false];
  history.replaceState(null, "", `?base=${encodeURIComponent(base)}`);
  showBoard();
  refresh();
});
$("story").addEventListener("close", () => { if (story.chosen()) location.hash = ""; });
$("story").addEventListener("click", (e) => { if (e.target === $("story")) location.hash = ""; });
addEventListener("hashchange", () => route().catch(trouble));
addEventListener("resize", story.draw);
login.start(refresh, () => { nobody(); refresh(); });
setInterval(showAge, 1000);
speak();
loop();
