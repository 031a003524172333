// Keeps a page current and lets people move by keyboard. Every page works without it.
"use strict";

const refreshSeconds = Number(document.body.dataset.refresh || 0);
const isTyping = () => document.activeElement?.matches("input, select, textarea");
const isFilledIn = () =>
  [...document.querySelectorAll("main input:not([type=hidden]), main textarea")].some(
    (one) => one.value !== one.defaultValue || one.checked !== one.defaultChecked,
  );
let selected = -1;

async function refresh() {
  if (document.hidden || isTyping() || isFilledIn() || !getSelection().isCollapsed || document.querySelector("dialog[open]")) return;
  let page;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    document.body.classList.add("offline");
    return;
  }
  document.body.classList.remove("offline");
  const fresh = page.querySelector("main");
  const main = document.querySelector("main");
  if (!fresh || fresh.innerHTML === main.innerHTML) return;
  const positions = [...main.querySelectorAll("pre")].map(position);
  const focused = document.activeElement?.dataset.position;
  const barPosition = document.querySelector(".tabs")?.scrollLeft;
  const open = new Map([...main.querySelectorAll("details")].map((one, index) => [one.id || index, one.open]));
  main.replaceWith(fresh);
  fresh.querySelectorAll("pre").forEach((pre, index) => restore(pre, positions[index]));
  fresh.querySelectorAll("details").forEach((one, index) => (one.open = open.get(one.id || index) ?? one.open));
  fresh.querySelectorAll("pre").forEach(onlyOneStop);
  if (focused) focusLine(fresh.querySelector(`pre a[data-position="${CSS.escape(focused)}"]`));
  document.title = page.title;
  mark();
  const bar = document.querySelector(".tabs");
  if (bar) bar.scrollLeft = barPosition;
}

// A log that is read at its end follows its end.
function position(pre) {
  const isRead = pre.scrollTop > 0 || pre.classList.contains("follow");
  return { top: pre.scrollTop, atEnd: isRead && pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 4 };
}

function restore(pre, before) {
  if (before) pre.scrollTop = before.atEnd ? pre.scrollHeight : before.top;
}

// A log is one stop of the Tab key, and the arrow keys move between its lines.
const lines = (pre) => [...pre.querySelectorAll("a[data-position]")];

function onlyOneStop(pre) {
  const stop = pre.querySelector(".marked a") || lines(pre).at(pre.classList.contains("follow") ? -1 : 0);
  lines(pre).forEach((one) => (one.tabIndex = one === stop ? 0 : -1));
}

function focusLine(link) {
  if (!link) return;
  lines(link.closest("pre")).forEach((one) => (one.tabIndex = one === link ? 0 : -1));
  link.focus({ preventScroll: true });
}

function moveLine(event) {
  const link = event.target.closest("pre a[data-position]");
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!link || !by || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = lines(link.closest("pre"));
  const next = all[Math.min(Math.max(all.indexOf(link) + by, 0), all.length - 1)];
  event.preventDefault();
  focusLine(next);
  next.scrollIntoView({ block: "nearest" });
}

// Shift and a line: from the marked line to this one, if both are lines of one step.
function markRange(event) {
  const link = event.shiftKey && event.target.closest("pre a[data-position]");
  const from = link && link.closest("pre").querySelector(".marked a");
  if (!from || !/^\d+$/.test(from.textContent)) return;
  event.preventDefault();
  const [first, last] = [Number(from.textContent), Number(link.textContent)].sort((a, b) => a - b);
  const to = new URL(link.href);
  to.searchParams.set("line", `${link.dataset.position.split(":")[0]}:${first}-${last}`);
  location.assign(to);
}

const rows = () => [...document.querySelectorAll("table.rows tbody tr")];

function mark() {
  rows().forEach((row, index) => row.classList.toggle("selected", index === selected));
  rows()[selected]?.scrollIntoView({ block: "nearest" });
}

function move(by) {
  selected = Math.min(Math.max(selected + by, 0), rows().length - 1);
  mark();
}

const tabs = () => [...document.querySelectorAll(".tabs a")];

function showTab() {
  const bar = document.querySelector(".tabs");
  if (bar) bar.scrollLeft = bar.querySelector("[aria-current]").offsetLeft - bar.offsetLeft - bar.clientWidth / 3;
}

function openTab(number) {
  tabs()[number - 1]?.click();
}

// Links of earlier versions name a section of what was one long page.
const OLD_SECTIONS = { "#output": "#logs", "#operation": "#logs", "#databases": "#database" };

function followOldLink() {
  const tab = tabs().find((one) => `#${one.id}` === (OLD_SECTIONS[location.hash] || location.hash));
  if (tab && !tab.hasAttribute("aria-current")) location.replace(tab.href + location.hash);
}

const keys = {
  "/": () => document.querySelector("input[type=search]")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  Enter: () => rows()[selected]?.querySelector("a.name").click(),
  o: () => rows()[selected]?.querySelector("a.url")?.click(),
  e: () => location.assign("/"),
  a: () => location.assign("/activity"),
  s: () => location.assign("/server"),
  ...Object.fromEntries([...Array(8).keys()].map((index) => [String(index + 1), () => openTab(index + 1)])),
  "?": () => document.querySelector("#keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isTyping()) return document.activeElement.blur();
  if (isTyping() || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  if (event.key === "Enter" && (selected < 0 || document.activeElement !== document.body)) return;
  event.preventDefault();
  keys[event.key]();
});

document.addEventListener("keydown", moveLine);
document.addEventListener("click", markRange);

followOldLink();
showTab();
document.querySelectorAll("pre.follow").forEach((pre) => (pre.scrollTop = pre.scrollHeight));
document.querySelectorAll("pre").forEach(onlyOneStop);
document.querySelector("pre .marked")?.scrollIntoView({ block: "center" });
document.querySelectorAll(".filters select").forEach((one) => one.addEventListener("change", () => one.form.submit()));
if (refreshSeconds) setInterval(refresh, refreshSeconds * 1000);
