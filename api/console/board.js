"use strict";
const words = {
  zh: { running: "运行", idle: "待机", off: "关机", fault: "故障", unknown: "未知", since: "自", today: "今日运行", rate: "使用率", withheld: "数据不足",
    coverage: "数据完整率", last: "末次数据", never: "无数据", none: "该基地尚未登记设备。请在登记文件中添加设备。", lost: "无法连接服务，正在重试…", from: "开始", to: "结束", state: "状态", length: "时长", word: "控制器", other: "English", machines: "台" },
  en: { running: "running", idle: "idle", off: "off", fault: "fault", unknown: "unknown", since: "since", today: "running today", rate: "rate", withheld: "withheld",
    coverage: "coverage", last: "last heard", never: "no data", none: "No equipment is registered at this base. Add it to the registry files.", lost: "The service does not answer; trying again…", from: "from", to: "to", state: "state", length: "length", word: "controller", other: "中文", machines: "machines" },
};
let language = localStorage.getItem("language") === "en" ? "en" : "zh";
let base = new URLSearchParams(location.search).get("base");
let chosen = null;
const $ = (id) => document.getElementById(id);
const say = (key) => words[language][key];
const clock = (t) => new Date(t).toLocaleTimeString("zh-CN", { timeZone: "Asia/Shanghai", hour12: false });
const hours = (s) => { const m = Math.floor(s / 60); return `${Math.floor(m / 60)}:${String(m % 60).padStart(2, "0")}`; };
const span = (s) => s < 60 ? `${s.toFixed(0)} s` : hours(s);
const percent = (v) => `${(100 * v).toFixed(1)}%`;

function element(tag, text, cls) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
}
async function get(path) {
  const r = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await r.json();
  if (!r.ok) throw new Error(body.detail || r.statusText);
  return body;
}
function card(m) {
  const c = element("button", undefined, `machine ${m.state}`);
  c.type = "button";
  c.dataset.equipment = m.equipment;
  c.setAttribute("aria-pressed", String(chosen === m.equipment));
  c.append(element("b", language === "en" && m.name_en ? m.name_en : m.name), element("span", say(m.state), "state"));
  const since = m.since ? `${say("since")} ${clock(m.since)}` : "";
  c.append(element("span", `${m.equipment} · ${since}${m.word ? ` · ${m.word}` : ""}`, "quiet"));
  const rate = m.rate === null ? say("withheld") : percent(m.rate);
  c.append(element("span", `${say("today")} ${hours(m.running_s)} · ${say("rate")} ${rate} · ${say("coverage")} ${percent(m.coverage)}`, "quiet"));
  const power = m.last_values && m.last_values.power_w !== undefined ? ` · ${m.last_values.power_w.toFixed(0)} W` : "";
  c.append(element("span", m.last_heard ? `${say("last")} ${clock(m.last_heard)}${power}` : say("never"), "quiet"));
  c.addEventListener("click", () => { chosen = chosen === m.equipment ? null : m.equipment; refresh(); });
  return c;
}
function showBoard(b) {
  const count = {};
  for (const m of b.machines) count[m.state] = (count[m.state] || 0) + 1;
  const parts = ["running", "idle", "off", "fault", "unknown"].filter((s) => count[s]).map((s) => `${say(s)} ${count[s]}`);
  const name = language === "en" && b.name_en ? b.name_en : b.name;
  $("summary").textContent = `${name} · ${b.machines.length} ${say("machines")} · ${parts.join(" · ")} · ${clock(b.now)}`;
  const focused = document.activeElement && document.activeElement.dataset.equipment;
  $("board").replaceChildren(...(b.machines.length ? b.machines.map(card) : [element("p", say("none"))]));
  if (focused) document.querySelector(`[data-equipment="${CSS.escape(focused)}"]`)?.focus();
  $("board").setAttribute("aria-busy", "false");
}
async function showStory() {
  $("story").hidden = !chosen;
  if (!chosen) return;
  const t = await get(`api/v1/bases/${encodeURIComponent(base)}/equipment/${encodeURIComponent(chosen)}/timeline`);
  $("story").querySelector("h2").textContent = `${language === "en" && t.usage.name_en ? t.usage.name_en : t.usage.name} ${chosen}`;
  const bar = $("story").querySelector(".bar");
  bar.replaceChildren(...t.segments.map((s) => {
    const i = element("i", undefined, s.state);
    i.style.flexGrow = s.seconds;
    i.title = `${clock(s.from)}–${clock(s.to)} ${say(s.state)}`;
    return i;
  }));
  const head = element("tr");
  for (const k of ["from", "to", "length", "state", "word"]) head.append(element("th", say(k)));
  $("story").querySelector("thead").replaceChildren(head);
  $("story").querySelector("tbody").replaceChildren(...t.segments.slice(-12).reverse().map((s) => {
    const row = element("tr");
    row.append(element("td", clock(s.from)), element("td", clock(s.to)), element("td", span(s.seconds)), element("td", say(s.state), `state ${s.state}`), element("td", s.word || "—"));
    return row;
  }));
}
async function refresh() {
  try {
    showBoard(await get(`api/v1/bases/${encodeURIComponent(base)}/state`));
    await showStory();
    $("problem").hidden = true;
  } catch (e) {
    $("problem").textContent = e instanceof TypeError ? say("lost") : e.message;
    $("problem").hidden = false;
  }
}
function speak() {
  document.documentElement.lang = language === "en" ? "en" : "zh-CN";
  $("language").textContent = say("other");
  for (const e of document.querySelectorAll("[data-zh]")) e.textContent = e.dataset[language];
}
async function start() {
  speak();
  const { items } = await get("api/v1/bases");
  $("base").replaceChildren(...items.map((b) => { const o = element("option", language === "en" && b.name_en ? b.name_en : b.name); o.value = b.code; return o; }));
  if (!items.some((b) => b.code === base)) base = items.length ? items[0].code : null;
  if (base === null) { $("summary").textContent = say("none"); return; }
  $("base").value = base;
  await refresh();
}
$("language").addEventListener("click", () => { language = language === "en" ? "zh" : "en"; localStorage.setItem("language", language); start().catch(() => {}); });
$("base").addEventListener("change", () => { base = $("base").value; chosen = null; refresh(); });
start().catch(() => { $("problem").textContent = say("lost"); $("problem").hidden = false; }).finally(() => setInterval(() => base === null ? start().catch(() => {}) : refresh(), 2000));
