// Small makers of elements. Every text goes in as text: a machine may be named <script>.

export const $ = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) if (v !== undefined && v !== false) e.setAttribute(k, v === true ? "" : v);
  e.append(...children.filter((c) => c !== undefined && c !== null));
  return e;
}

export function drawing(tag, attributes = {}, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

export const icon = (state) => drawing("svg", { class: "icon", "aria-hidden": "true" }, drawing("use", { href: `#i-${state}` }));

// setText spares the layout, and a reader's selection, what has not changed.
export function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

// setPieces shows short texts side by side; a line breaks between them and not within.
export function setPieces(e, texts) {
  const wanted = texts.filter(Boolean);
  while (e.children.length > wanted.length) e.lastChild.remove();
  wanted.forEach((text, i) => setText(e.children[i] || e.appendChild(element("span")), text));
}

let token; // of the session: what other sites' pages do not know

// csrf sets what goes along with everything that changes something.
export function csrf(t) { token = t; }

export const get = (path) => send("GET", path);

export async function send(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token && method !== "GET") headers["X-CSRF-Token"] = token;
  const r = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(15000), cache: "no-store" });
  const answer = await r.json();
  if (!r.ok) throw new Problem(answer, r);
  return answer;
}

// Problem is what the service itself says, in contrast to a service that says nothing.
export class Problem extends Error {
  constructor(answer, response) {
    const first = (answer.errors || [])[0];
    super((first && first.message) || answer.detail || response.statusText);
    this.status = response.status;
  }
}
