// Who looks at the board. The service says whether it keeps accounts; when it does, the log-in stands in place of the board
// until someone is inside, and again when their session has ended.

import { $, Problem, csrf, get, send, setText } from "./page.js";
import { say } from "./words.js";

let me = null; // who is inside, null for nobody
let step = null; // what is asked for: null, "login" or "change"

export const asking = () => step !== null;

// enter reports whether someone is inside, and asks when nobody is.
export async function enter() {
  if (me) return true;
  if (step) return false;
  try {
    me = await get("api/v1/me");
  } catch (e) {
    if (!(e instanceof Problem) || e.status !== 401) throw e;
    ask("login");
    return false;
  }
  csrf(me.csrf);
  if (me.must_change) {
    ask("change");
    return false;
  }
  ask(null);
  return true;
}

// leave forgets who was inside, so that the next look asks again.
export function leave() {
  [me, step] = [null, null];
  csrf(undefined);
  showWho();
}

function ask(what, why = "") {
  step = what;
  if (what) me = what === "change" ? me : null;
  document.body.classList.toggle("outside", what !== null);
  $("login").hidden = what === null;
  for (const part of ["login", "change"]) {
    $(`login-${part}`).hidden = part !== what;
    for (const input of $(`login-${part}`).querySelectorAll("input")) [input.disabled, input.value] = [part !== what, input.name === "name" ? input.value : ""];
  }
  tell(why);
  showWho();
  if (what) $("login").querySelector("input:enabled").focus();
}

function tell(why) {
  setText($("login-why"), why);
  $("login-why").hidden = !why;
}

// showWho says who is inside; without accounts there is nothing to say.
export function showWho() {
  const shown = me !== null && !me.open;
  $("leave").hidden = !shown;
  if (shown) $("leave").title = me.display;
  setText($("who"), shown ? me.display : "");
}

const value = (name) => $("login").elements[name].value;

async function logIn() {
  await send("POST", "api/v1/session", { name: value("name").trim().toLowerCase(), password: value("password") });
  step = null;
  await enter();
  // The service let us in and does not know us: the browser has thrown the cookie away.
  if (step === "login") tell(say("noCookie"));
}

async function change() {
  if (value("new") !== value("again")) return tell(say("differ"));
  await send("POST", "api/v1/me/password", { old: value("old"), new: value("new") });
  [me, step] = [null, null];
  await enter();
}

// start wires the form; inside is called when someone has come in, outside when they have left.
export function start(inside, outside) {
  $("login").addEventListener("submit", async (e) => {
    e.preventDefault();
    if ($("login-go").disabled) return;
    $("login-go").disabled = true;
    tell("");
    try {
      await (step === "change" ? change() : logIn());
    } catch (problem) {
      tell(problem instanceof Problem ? problem.message : say("lostFirst"));
    }
    $("login-go").disabled = false;
    if (!asking()) inside();
  });
  $("leave").addEventListener("click", async () => {
    try {
      await send("DELETE", "api/v1/session");
    } catch (e) {
      if (!(e instanceof Problem) || e.status !== 401) return; // still inside: it can be tried again
    }
    leave();
    outside();
  });
}
