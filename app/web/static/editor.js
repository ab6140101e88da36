// The preview of an editor follows what is entered; without scripts a button does it.

const form = document.querySelector("form[data-preview]");
const PAUSE = 700;
let timer = 0, asked = null;

function errorsOf(screen) {
  return new Map([...screen.querySelectorAll("form[data-preview] .wrong")].map((e) => [e.id, e.textContent]));
}

// What is wrong is said at its field, and nothing that somebody types in is touched.
function say(errors) {
  for (const old of form.querySelectorAll(".wrong")) old.remove();
  for (const bad of form.querySelectorAll("[aria-invalid]")) {
    bad.removeAttribute("aria-invalid");
    bad.removeAttribute("aria-describedby");
  }
  for (const [id, text] of errors) {
    const name = id.slice("wrong-".length);
    const field = [...form.elements].find((e) => e.name === name);
    const place = [...form.querySelectorAll("[data-wrong]")].find((e) => e.dataset.wrong === name);
    const said = document.createElement("span");
    said.className = "wrong";
    said.id = id;
    said.textContent = text;
    if (field) {
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", id);
      field.closest("label")?.append(said);
    } else place?.append(said);
  }
}

async function look() {
  asked?.abort();
  const mine = (asked = new AbortController());
  const body = new URLSearchParams([...new FormData(form)].filter(([name]) => name !== "press"));
  body.set("press", "preview");
  const part = document.getElementById(form.dataset.preview);
  try {
    const answer = await fetch(form.action, { method: "POST", body, signal: mine.signal, redirect: "error",
      headers: { Accept: "text/html" } });
    if (![200, 422].includes(answer.status)) return;
    const newer = new DOMParser().parseFromString(await answer.text(), "text/html");
    const theirs = newer.getElementById(form.dataset.preview);
    if (!theirs || mine.signal.aborted) return;
    const open = [...part.querySelectorAll("details")].map((d) => d.open);
    part.replaceChildren(...theirs.childNodes);
    part.querySelectorAll("details").forEach((d, i) => (d.open = open[i] ?? d.open));
    for (const line of newer.querySelectorAll("[data-says]")) {
      const ours = document.getElementById(line.id);
      if (ours) ours.textContent = line.textContent;
    }
    const errors = errorsOf(newer);
    say(errors);
    document.getElementById("said").textContent = errors.size
      ? `${errors.size} to put right` : part.querySelector("h2")?.textContent ?? "";
  } catch {
    // Asked again by the next key, or by the button.
  }
}

if (form) {
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  };
  form.addEventListener("input", later);
  form.addEventListener("change", later);
  form.addEventListener("submit", () => {
    clearTimeout(timer);
    asked?.abort();
  });
}
