// What screens do beyond HTML: follow along, count down, move by keys. Everything works without it.

const live = document.body.dataset.live;
const follow = document.querySelector("[data-follow]");
const said = document.getElementById("said");

// The server's clock, which a demo may run faster than the browser's.
let server = Date.parse(document.body.dataset.now), here = Date.now(), speed = 1;
const now = () => server + (Date.now() - here) * speed;

function tell(text, state) {
  if (!follow) return;
  follow.textContent = text;
  follow.className = `follow ${state}`;
}

const two = (n) => String(n).padStart(2, "0");

function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  let words = `${s} s`;
  if (s >= 60) words = `${Math.floor(s / 60)} min`;
  if (s >= 3600) words = `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  if (s >= 86400) words = s < 172800 ? "1 day" : `${Math.floor(s / 86400)} days`;
  return words.replaceAll(" ", "\u00a0");
}

function countdown(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return s < 3600 ? rest : `${Math.floor(s / 3600)}:${rest}`;
}

function tick() {
  for (const t of document.querySelectorAll("time[data-ago]")) {
    const text = span(now() - Date.parse(t.dateTime));
    if (t.textContent !== text) t.textContent = text;
  }
  for (const t of document.querySelectorAll("time[data-until]")) {
    const text = countdown(Date.parse(t.dateTime) - now());
    if (t.textContent !== text) t.textContent = text;
  }
}
setInterval(tick, 1000);

// Puts the parts of a newer screen in place of ours; rows are kept by id, so that focus and reading place stay.
function replace(part, newer) {
  const held = part.contains(document.activeElement) ? place(document.activeElement) : null;
  const fresh = replaceIn(part, newer);
  if (held && !part.contains(document.activeElement)) refocus(part, held);
  return fresh;
}

function replaceIn(part, newer) {
  const ours = part.querySelector("[data-rows]"), theirs = newer.querySelector("[data-rows]");
  if (!ours || !theirs) {
    if (!same(part, newer)) fill(part, newer);
    return [];
  }
  const known = new Map([...ours.children].map((row) => [row.id, row]));
  const rows = [], fresh = [];
  for (const row of [...theirs.children]) {
    const old = known.get(row.id);
    if (!old) {
      row.classList.add("new");
      fresh.push(row);
    } else if (!same(old, row)) fill(old, row);
    rows.push(old ?? row);
  }
  const kept = new Set(rows);
  for (const row of [...ours.children]) if (!kept.has(row)) row.remove();
  rows.forEach((row, i) => {
    if (ours.children[i] !== row) ours.insertBefore(row, ours.children[i] ?? null);
  });
  return fresh;
}

// What was unfolded stays so.
function fill(ours, newer) {
  const open = new Set([...ours.querySelectorAll("details[open] > summary")].map((e) => e.textContent));
  ours.innerHTML = newer.innerHTML;
  ours.className = newer.className;
  for (const e of ours.querySelectorAll("summary")) if (open.has(e.textContent)) e.parentElement.open = true;
}

function place(held) {
  const row = held.closest("[data-rows] > *");
  return { row, at: row ? [...row.parentElement.children].indexOf(row) : 0, words: held.textContent };
}

// On what says the same, else in the row that came there, else on the whole part: never on another button, which would
// be pressed by mistake.
function refocus(part, { row, at, words }) {
  const rows = part.querySelector("[data-rows]")?.children ?? [];
  const near = (row?.isConnected ? row : row && rows[Math.min(at, rows.length - 1)]) || part;
  const same = [...near.querySelectorAll("a, button, summary")].find((e) => e.textContent === words);
  const found = same ?? (row && near.querySelector("a")) ?? near;
  if (found === near) near.tabIndex = -1;
  found.focus({ preventScroll: true });
}

function same(a, b) {
  const plain = (row) => row.innerHTML.replace(/(data-(?:ago|until)[^>]*>)[^<]*/g, "$1").replace(/ open=""/g, "");
  return a.className.replace(/ ?\bnew\b/, "") === b.className && plain(a) === plain(b);
}

// Somebody is filling in a form: it stays. What is sent from it is checked against how things are then.
function inUse(part) {
  return part.querySelector("form :is(input, select, textarea):focus") || part.querySelector(".more details[open]");
}

// Once a second at most, however much happens.
const PAUSE = 1000, RETRY = 5000;
let loading = false, again = false, leaving = false;
// A form was sent: what it leads to says more than what we would load now, and must not be overtaken by it.
document.addEventListener("submit", () => (leaving = true));
// What takes long says so: the button and the line that screen readers follow.
document.addEventListener("submit", (event) => {
  const slow = event.target.dataset.slow;
  if (!slow) return;
  said.textContent = slow;
  event.target.setAttribute("aria-busy", "true");
  const button = event.submitter ?? event.target.querySelector("button");
  if (button) button.textContent = slow;
});
window.addEventListener("pageshow", () => ([leaving, loading] = [false, false]));
async function load() {
  if (leaving) return;
  if (loading) {
    again = true;
    return;
  }
  [loading, again] = [true, false];
  const url = new URL(document.body.dataset.address ?? location.href, location.href);
  let pause = PAUSE;
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    const newer = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (leaving) return;
    const at = Date.parse(newer.body.dataset.now), real = Date.now();
    if (real - here > 2000) speed = Math.max(0, (at - server) / (real - here));
    [server, here] = [at, real];
    document.title = newer.title;
    const arrived = [];
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = newer.getElementById(part.id);
      if (!other) location.assign(url);
      else if (!inUse(part)) arrived.push(...replace(part, other));
    }
    tick();
    announce(arrived);
    if (events?.readyState === EventSource.OPEN) tell("Live", "on");
  } catch {
    tell("Not live: load again", "off");
    [again, pause] = [true, RETRY];
  }
  setTimeout(() => {
    loading = false;
    if (again) load();
  }, pause);
}

function announce(rows) {
  if (!rows.length) return;
  const words = rows.slice(0, 3).map((row) => row.innerText.replace(/\s+/g, " ").trim());
  said.textContent = (rows.length > 3 ? `${rows.length} new. ` : "New: ") + words.join("; ");
}

const events = live ? new EventSource("/live") : null;
if (events) {
  let before = false;
  events.addEventListener("ready", () => {
    tell("Live", "on");
    if (before) load();
    before = true;
  });
  events.addEventListener("changed", (event) => {
    if (live === "all" || JSON.parse(event.data).includes(Number(live))) load();
  });
  events.addEventListener("error", () => {
    tell(events.readyState === EventSource.CLOSED ? "Not live: load again" : "Connecting again", "off");
  });
}

// Whoever leaves an editor that holds something not saved is asked; to send its form is not to leave.
const entered = (form) => new URLSearchParams(new FormData(form)).toString();
const answers = (form) => "posted" in document.body.dataset && new URL(form.action).pathname === location.pathname;
const editors = new Map([...document.querySelectorAll("form[data-editor]")].map((f) => [f, answers(f) ? null : entered(f)]));
let sending = false;
document.addEventListener("submit", (event) => (sending = editors.has(event.target) && !event.submitter?.formTarget));
window.addEventListener("pageshow", () => (sending = false));
window.addEventListener("beforeunload", (event) => {
  if (!sending && [...editors].some(([form, before]) => entered(form) !== before)) event.preventDefault();
});

// What a link within the screen leads to is unfolded, also by browsers that do not do so themselves.
function unfold() {
  const part = location.hash ? document.getElementById(location.hash.slice(1)) : null;
  for (let folded = part?.closest("details"); folded; folded = folded.parentElement.closest("details")) folded.open = true;
  part?.closest("details")?.querySelector("summary").focus({ preventScroll: true });
}
addEventListener("hashchange", unfold);
unfold();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const step = { j: 1, k: -1 }[event.key];
  const links = [...document.querySelectorAll(".lines a, .shifts:not(details:not([open]) *) summary")];
  if (!step || !links.length) return;
  const at = links.indexOf(document.activeElement);
  links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
});
