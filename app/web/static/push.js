// "Let this device be paged": asks the browser for a subscription and sends it as a form. Hidden where that cannot work.

const form = document.getElementById("device");
const able = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

if (form && able) {
  form.hidden = false;
  form.elements.label.value ||= name();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    tell("Asking the browser …");
    try {
      form.elements.subscription.value = JSON.stringify(await subscribe(form.dataset.key));
      form.submit();
    } catch (error) {
      button.disabled = false;
      tell(error.message);
    }
  });
} else if (form) {
  document.getElementById("no-push").hidden = false;
}

function tell(text) {
  form.querySelector("[role=status]").textContent = text;
}

async function subscribe(key) {
  if ((await Notification.requestPermission()) !== "granted") {
    throw new Error("This browser does not let us notify you: allow notifications for this site, and press again.");
  }
  const registration = await navigator.serviceWorker.register("/push-worker.js", { scope: "/" });
  await navigator.serviceWorker.ready;
  const wanted = { userVisibleOnly: true, applicationServerKey: key };
  const before = await registration.pushManager.getSubscription();
  try {
    return await registration.pushManager.subscribe(wanted);
  } catch (error) {
    if (!before || error.name !== "InvalidStateError") {
      throw new Error(`This browser gives no subscription: ${error.message}`);
    }
    await before.unsubscribe(); // made for another key, with another TOCSIN_SECRET_KEY
    return registration.pushManager.subscribe(wanted);
  }
}

function name() {
  const agent = navigator.userAgent;
  const browser = [["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac", "Mac"], ["Linux", "Linux"]];
  const first = (pairs) => pairs.find(([part]) => agent.includes(part))?.[1] ?? "browser";
  return `${first(browser)} on ${first(system)}`;
}
