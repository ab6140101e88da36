// Notifications on this device: what a push says is shown, and Acknowledge works without opening anything.
// Runs while no screen of ours is open. It fetches nothing but links that a push brought, and keeps nothing but its own
// subscription, by which it shows who it is when the browser renews that.

const ICON = "/static/any/icon-192.png";
const NEWEST = 10;
const WITHIN_MS = 15000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(receive(event.data)));
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));
self.addEventListener("notificationclick", (event) => {
  event.waitUntil(event.action === "acknowledge" ? acknowledge(event.notification) : open(event.notification));
});

// Browsers want a notification for every push, so there is one for what cannot be read, too.
async function receive(data) {
  let told;
  try {
    told = data.json();
  } catch {
    told = { title: "Tocsin", body: "A message came that cannot be read. Please look.", tag: "unread", link: "/incidents" };
  }
  await show(told, { renotify: true, silent: false });
  await Promise.allSettled([told.shown && tellShown(told.shown), tidy(told.tag), keep()]);
}

function show(told, how) {
  const actions = told.button ? [{ action: "acknowledge", title: told.button.label }] : [];
  if (told.link) actions.push({ action: "open", title: "Open" });
  return self.registration.showNotification(told.title, {
    body: [told.now, told.body].filter(Boolean).join("\n"),
    tag: told.tag,
    data: told,
    timestamp: told.at,
    actions,
    icon: ICON,
    badge: ICON,
    requireInteraction: Boolean(told.loud && told.button),
    ...how,
  });
}

// Posts the form that came with the message, as the button on its link's screen does, and then says who has it.
async function acknowledge(notification) {
  const told = notification.data;
  let answer, stands;
  try {
    answer = await ask(told, { method: "POST", body: new URLSearchParams(told.button.form) });
    stands = answer.ok && (await answer.json()); // what stands between us and Tocsin may answer in its place
  } catch {
    return show({ ...told, now: "NOT acknowledged: there is no connection. Press again." }, { silent: true });
  }
  if (answer.status === 404 || answer.status === 410) {
    const now = "NOT acknowledged: this message is too old. Open Tocsin and log in.";
    return show({ ...told, now, button: null, link: `/incidents/${told.number ?? ""}` }, { silent: true });
  }
  if (!answer.ok) {
    return show({ ...told, now: `NOT acknowledged (${answer.status}). Press again, or open it.` }, { silent: true });
  }
  return show({ ...told, now: words(stands), button: null }, { silent: true });
}

function words(stands) {
  if (stands.numbers) return stands.told; // a message about several says of each
  if (stands.mine && stands.open) return `You have it. ${stands.told}`.trim();
  if (!stands.open) return stands.told || "It is over.";
  return stands.told || (stands.holder ? `${stands.holder} has it.` : "");
}

// What else still asks for somebody, and need not any more: no push is sent for that alone.
async function tidy(newest) {
  const shown = await self.registration.getNotifications();
  const waiting = shown.filter((one) => one.tag !== newest && one.data?.button).slice(-NEWEST);
  await Promise.allSettled(
    waiting.map(async (one) => {
      const answer = await ask(one.data, {});
      if (answer.status === 410) return one.close();
      if (!answer.ok) return;
      const stands = await answer.json();
      if (!stands.open) return one.close();
      if (stands.state !== "triggered") await show({ ...one.data, now: words(stands), button: null }, { silent: true });
    }),
  );
}

// By its path: we may be reached under another name than the one that links hold.
function ask(told, options) {
  const given = { headers: { Accept: "application/json" }, credentials: "omit", cache: "no-store" };
  const signal = AbortSignal.timeout(WITHIN_MS);
  return fetch(new URL(told.link, self.location).pathname, { ...given, signal, ...options });
}

// The truth about delivery: it has been shown here.
function tellShown(path) {
  return fetch(path, { method: "POST", credentials: "omit" });
}

async function open(notification) {
  notification.close();
  const target = new URL(notification.data?.link || "/incidents", self.location);
  const here = target.pathname + target.search;
  for (const client of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) {
    if (new URL(client.url).pathname === target.pathname && "focus" in client) return client.focus();
  }
  return self.clients.openWindow(here);
}

// The browser gives this device another subscription. Who knows the old one may replace it; some browsers do not say
// what it was, so it is kept.
async function renew({ oldSubscription, newSubscription }) {
  const known = await kept();
  const before = oldSubscription ? JSON.stringify(oldSubscription) : known?.subscription;
  const key = oldSubscription?.options?.applicationServerKey ?? known?.key;
  const manager = self.registration.pushManager;
  const fresh = newSubscription ?? (await manager.getSubscription());
  const after = fresh ?? (key && (await manager.subscribe({ userVisibleOnly: true, applicationServerKey: key })));
  if (!before || !after || before === JSON.stringify(after)) return;
  const answer = await fetch("/v1/push/renewed", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ before, after: JSON.stringify(after) }),
    credentials: "omit",
    signal: AbortSignal.timeout(WITHIN_MS),
  });
  if (answer.ok) await keep(after);
}

const KEPT = "/push-worker.js?subscription";

async function keep(subscription) {
  const mine = subscription ?? (await self.registration.pushManager.getSubscription());
  if (!mine) return;
  const bytes = mine.options?.applicationServerKey;
  const key = bytes && btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const cache = await self.caches.open("tocsin");
  await cache.put(KEPT, new Response(JSON.stringify({ subscription: JSON.stringify(mine), key })));
}

async function kept() {
  const found = await self.caches.match(KEPT);
  return found && (await found.json());
}
