// The story of one machine and day: its figures, its timeline as a drawing, and the stretches as a list.

import { $, drawing, element, get, icon } from "./page.js";
import { clock, clockSeconds, dayOf, dayStart, duration, nameOf, percent, quantity, say, states } from "./words.js";

const shown = 20; // stretches listed before someone asks for all
let open = null; // { base, id, day, all, data, machine }

export const chosen = () => open && open.id;

export function show(base, machine, day) {
  open = { base, id: machine.equipment, day, today: day, all: false, data: null, machine };
  draw();
  if (!$("story").open) $("story").showModal();
  return load();
}

export function hide() {
  open = null;
  if ($("story").open) $("story").close();
}

// follow takes the machine's newest word, and reads the timeline again when the day is still going on.
export async function follow(machine, today, read) {
  const stale = open.machine.state !== machine.state;
  open.machine = machine;
  open.today = today;
  if ((read && open.day === today) || !open.data) return load();
  if (stale) draw();
}

async function load() {
  const asked = open;
  const from = dayStart(asked.day), to = from + 86400000;
  const path = `api/v1/bases/${encodeURIComponent(asked.base)}/equipment/${encodeURIComponent(asked.id)}/timeline`;
  const data = await get(`${path}?from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`);
  if (open !== asked || dayStart(asked.day) !== from) return; // someone has moved on meanwhile
  asked.data = data;
  draw();
}

function turn(days) {
  open.day = dayOf(dayStart(open.day) + days * 86400000 + 43200000);
  open.data = null;
  open.all = false;
  draw();
  load().catch(() => {}); // the board's next turn tries again, and says what is wrong
}

export function draw() {
  if (!open) return;
  const dialog = $("story");
  const focused = document.activeElement && dialog.contains(document.activeElement) && document.activeElement.id;
  const top = dialog.scrollTop;
  dialog.replaceChildren(head(), days(), ...(open.data ? body(open.data) : [element("p", { class: "empty" }, say("loading"))]));
  dialog.scrollTop = top;
  if (focused) $(focused)?.focus();
}

function head() {
  const m = open.machine;
  const close = element("button", { type: "button", id: "story-close", "aria-label": say("close") }, "✕");
  close.addEventListener("click", () => { location.hash = ""; });
  return element("div", { class: "head" },
    element("span", { class: `badge ${m.state}` }, icon(m.state), say(m.state)),
    element("div", {}, element("h2", { id: "story-name" }, nameOf(m)), element("p", { class: "quiet" }, [m.equipment, m.device].filter(Boolean).join(" · "))),
    close);
}

function days() {
  const button = (id, text, label, by, off) => {
    const b = element("button", { type: "button", id, "aria-label": label, disabled: off }, text);
    b.addEventListener("click", () => turn(by));
    return b;
  };
  const weekday = new Intl.DateTimeFormat(document.documentElement.lang, { weekday: "short", timeZone: "Asia/Shanghai" }).format(dayStart(open.day));
  return element("div", { class: "days" },
    button("story-previous", "‹", say("previous"), -1, false),
    element("strong", {}, `${open.day} ${weekday}${open.day === open.today ? ` · ${say("today")}` : ""}`),
    button("story-next", "›", say("next"), 1, open.day >= open.today));
}

function body(t) {
  const u = t.usage;
  const out = [rate(u), picture(t), figures(u)];
  for (const n of u.notes || []) out.push(element("p", { class: "note" }, say("notes")[n] || n));
  if (open.day === open.today && open.machine.last_values) out.push(readings(open.machine));
  out.push(list(t.segments));
  return out;
}

function rate(u) {
  if (u.opening_s === 0) return element("p", { class: "rate" }, say("notOpen"));
  const sum = `${say("ran")} ${duration(u.running_s)} ÷ ${say("opening")} ${duration(u.opening_s)}`;
  if (u.rate === null) return element("p", { class: "rate" }, element("b", {}, say("few")), ` ${sum} · ${say("coverage")} ${percent(u.coverage)}`);
  return element("p", { class: "rate" }, element("b", {}, `${say("rate")} ${percent(u.rate)}`), ` ＝ ${sum} · ${say("coverage")} ${percent(u.coverage)}`);
}

function figures(u) {
  return element("dl", { class: "figures" }, ...states.map((s) => element("div", { class: s },
    element("dt", {}, icon(s), say(s)), element("dd", {}, duration(u[`${s}_s`])))));
}

function readings(m) {
  const text = Object.entries(m.last_values).map(([k, v]) => quantity(k, v)).join(" · ");
  return element("p", { class: "quiet" }, `${say("values")} ${text}${m.last_heard ? ` · ${clockSeconds(m.last_heard)}` : ""}`);
}

// The height of a state's band says it without colour: running is the highest, off the lowest, unknown is hatched.
const bands = { running: [0, 56], fault: [0, 56], unknown: [0, 56], idle: [24, 56], off: [44, 56] };
const height = 84;

function picture(t) {
  const width = Math.max(280, Math.min($("story").clientWidth || 640, 960) - 32);
  const start = dayStart(open.day);
  const x = (time) => ((Date.parse(time) - start) / 86400000) * width;
  const box = (a, b, [y1, y2]) => `M${a.toFixed(2)} ${y1}H${Math.max(b, a + 0.7).toFixed(2)}V${y2}H${a.toFixed(2)}z`;
  const svg = drawing("svg", { class: "timeline", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spoken(t.usage) });
  svg.append(hatches());
  for (const o of t.opening) svg.append(drawing("path", { class: "opening", d: box(x(o.from), x(o.to), [0, 62]) }));
  for (const s of states) {
    const d = t.segments.filter((g) => g.state === s).map((g) => box(x(g.from), x(g.to), bands[s])).join("");
    if (d) svg.append(drawing("path", { class: `band ${s}`, d }));
  }
  for (const o of t.opening) svg.append(drawing("path", { class: "hours", d: box(x(o.from), x(o.to), [58, 62]) }));
  const step = width < 500 ? 6 : 3;
  for (let h = 0; h <= 24; h++) {
    const at = (h / 24) * width, major = h % step === 0;
    svg.append(drawing("path", { class: "tick", d: `M${at.toFixed(2)} 62v${major ? 7 : 4}` }));
    if (!major) continue;
    const text = drawing("text", { x: at, y: 81, "text-anchor": h === 0 ? "start" : h === 24 ? "end" : "middle" });
    text.textContent = `${String(h).padStart(2, "0")}:00`;
    svg.append(text);
  }
  if (open.day === open.today) {
    const at = x(t.usage.to);
    svg.append(drawing("path", { class: "now", d: `M${at.toFixed(2)} 0V62` }));
  }
  const key = element("p", { class: "key" }, ...states.map((s) => element("span", { class: s }, keySwatch(s), say(s))),
    element("span", {}, drawing("svg", { viewBox: "0 0 18 14" }, drawing("path", { class: "hours", d: "M0 5h18v4H0z" })), say("openingHours")));
  return element("figure", {}, svg, key);
}

function keySwatch(s) {
  const [y1, y2] = bands[s].map((y) => y / 4);
  return drawing("svg", { viewBox: "0 0 18 14" }, drawing("path", { class: `band ${s}`, d: `M0 ${y1}H18V${y2}H0z` }));
}

function hatches() {
  const pattern = (id, size, ...d) => drawing("pattern", { id, width: size, height: size, patternUnits: "userSpaceOnUse" },
    drawing("path", { class: "ground", d: `M0 0h${size}v${size}H0z` }), ...d.map((p) => drawing("path", { class: "line", d: p })));
  return drawing("defs", {}, pattern("h-unknown", 6, "M-1 1 1 -1M0 6 6 0M5 7 7 5"), pattern("h-fault", 6, "M0 0 6 6M0 6 6 0"));
}

const spoken = (u) => `${say("timeline")} ${open.day}: ${states.map((s) => `${say(s)} ${duration(u[`${s}_s`])}`).join(", ")}`;

function list(segments) {
  const newest = segments.toReversed();
  const rows = (open.all ? newest : newest.slice(0, shown)).map((s, i) => element("tr", {},
    element("td", {}, clockSeconds(s.from)), element("td", { class: "to" }, i === 0 && open.day === open.today ? say("now") : clockSeconds(s.to)),
    element("td", { class: "number" }, duration(s.seconds)),
    element("td", { class: "state" }, icon(s.state), say(s.state), s.estimate ? element("small", {}, ` ${say("estimate")[s.estimate] || ""}`) : null),
    element("td", { class: "quiet" }, s.word || "")));
  const head = element("tr", {}, ...["from", "to", "length", "state", "word"].map((k) => element("th", { scope: "col", class: k }, say(k))));
  const out = element("div", { class: "list" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
  if (!open.all && newest.length > shown) {
    const more = element("button", { type: "button", id: "story-more" }, say("showAll")(newest.length));
    more.addEventListener("click", () => { open.all = true; draw(); });
    out.append(more);
  }
  return out;
}

// sinceText says for how long, and since when; what began at midnight may have begun before.
export const sinceText = (m, now) => {
  if (!m.since) return [];
  const began = Date.parse(m.since), time = duration((Date.parse(now) - began) / 1000);
  return began === dayStart(dayOf(now)) ? [say("sinceMidnight")] : [say("for")(time), say("since")(clock(m.since))];
};
