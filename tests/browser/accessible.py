"""What can be checked of WCAG 2.2 AA by looking at a loaded screen: names, landmarks, headings, contrast, size."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

LOOK = """() => {
  const seen = (e) => {
    const r = e.getBoundingClientRect(), s = getComputedStyle(e);
    const folded = e.closest("details:not([open]) > :not(summary)");
    return r.width > 1 && r.height > 1 && s.visibility !== "hidden" && !folded;
  };
  const parse = (c) => (c.match(/[\\d.]+/g) ?? []).map(Number);
  const over = (top, below) => {
    const a = top[3] ?? 1;
    return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a));
  };
  const ground = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor);
      if ((c[3] ?? 1) > 0) layers.push(c);
      if ((c[3] ?? 1) === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const wrong = [];
  for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !seen(e) || e.closest("svg, script, style, option")) continue;
    const s = getComputedStyle(e), size = parseFloat(s.fontSize), bold = Number(s.fontWeight) >= 700;
    const back = ground(e), needed = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const got = ratio(over(parse(s.color), back), back);
    if (got < needed) wrong.push(`contrast ${got.toFixed(2)}: ${e.textContent.trim().slice(0, 40)}`);
  }
  for (const e of document.querySelectorAll("a[href], button, summary")) {
    if (!(e.innerText || e.textContent).trim() && !e.getAttribute("aria-label")) wrong.push(`no name: ${e.outerHTML}`);
  }
  for (const e of document.querySelectorAll("input:not([type=hidden]):not([hidden]), select, textarea")) {
    if (!e.labels?.length) wrong.push(`no label: ${e.outerHTML}`);
  }
  for (const e of document.querySelectorAll("button, select, input:not([type=hidden]):not([type=checkbox]), summary")) {
    const r = e.getBoundingClientRect();
    if (seen(e) && !e.hidden && (r.height < 24 || r.width < 24)) wrong.push(`too small to hit: ${e.outerHTML}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size < ids.length) wrong.push(`an id twice: ${ids}`);
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((e) => Number(e.tagName[1]));
  if (levels.filter((l) => l === 1).length !== 1) wrong.push(`headings ${levels}`);
  if (levels.some((l, i) => l > (i ? levels[i - 1] : 1) + 1)) wrong.push(`headings skip a level: ${levels}`);
  if (document.documentElement.lang !== "en") wrong.push("no language");
  if (document.querySelectorAll("main").length !== 1) wrong.push("not one main landmark");
  if (!document.title.trim()) wrong.push("no title");
  if (document.documentElement.scrollWidth > innerWidth) wrong.push("scrolls sideways");
  return wrong;
}"""


async def expect_accessible(page: Page) -> None:
    """In the light and in the dark."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = await page.evaluate(LOOK)
        assert found == [], (scheme, page.url, found)
    await page.emulate_media(color_scheme="light")


async def background(page: Page) -> Any:
    """Red, green and blue of the ground of a screen."""
    colour = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
