// What every page has: htmx, the keyboard, live updates, the theme, and times in words.
import htmx from "htmx.org";
import { startKeyboard } from "./keyboard.js";
import { startLive } from "./live.js";
import { localTimes } from "./times.js";
import { startIslands } from "./islands.js";
import { startMentions } from "./mentions.js";
import { startUploads } from "./upload.js";

// Nothing here is evaluated from text: the content security policy forbids it, and htmx must not try.
Object.assign(htmx.config, {
  allowEval: false,
  includeIndicatorStyles: false,
  allowScriptTags: true, // data for the islands stands in script elements of type JSON; others the policy refuses
  selfRequestsOnly: true,
  historyCacheSize: 0,
  refreshOnHistoryMiss: true,
  scrollIntoViewOnBoost: false,
  responseHandling: [
    { code: "204", swap: false },
    { code: "[23]..", swap: true },
    // What a rule or somebody else's work refuses comes as a fragment that says so.
    { code: "[45]..", swap: true, error: true },
  ],
});

const root = document.documentElement;
const csrf = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = csrf();
});
let chosen = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "list") {
    chosen = [...document.querySelectorAll("#list [name=keys]:checked")].map((box) => box.id);
  }
  // A session that ended answers with the sign-in page: it belongs into the whole window, not into a column.
  const to = event.detail.xhr.getResponseHeader("X-Sign-In");
  if (to) {
    event.detail.shouldSwap = false;
    if (!root.dataset.leaving) location.assign(to);
  }
});
document.addEventListener("htmx:sendError", () => say(root.dataset.offline));
document.addEventListener("htmx:afterSettle", (event) => settled(event.detail.elt));

export function say(text) {
  const place = document.getElementById("announcements");
  if (place && text) {
    place.textContent = text;
  }
}

function settled(element) {
  zones();
  localTimes(document);
  startIslands(document, csrf, say);
  if (element.id === "list" || element.closest?.("#list")) {
    // The list was read again; what somebody had ticked stays ticked.
    for (const id of chosen) {
      const box = document.getElementById(id);
      if (box && !box.checked) box.click();
    }
    chosen = [];
    markCurrent();
  }
  const pane = document.getElementById("main");
  if (element === pane) {
    document.body.classList.toggle("has-task", pane.querySelector("[data-task]") !== null);
    pane.querySelector("h1")?.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
    markCurrent();
  }
}

// Days begin where the person is.
function zones() {
  for (const field of document.querySelectorAll("[data-zone]")) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}

function markCurrent() {
  const key = document.querySelector("#main [data-task]")?.dataset.task;
  for (const row of document.querySelectorAll("#list [data-row]")) {
    row.toggleAttribute("aria-current", false);
    if (row.dataset.row === key) {
      row.setAttribute("aria-current", "true");
    }
  }
}

document.addEventListener("click", (event) => {
  // Whoever signs out goes where that leads: not to the sign-in page, because something else was being read at that moment.
  if (event.target.closest('[hx-post="/sign-out"]')) root.dataset.leaving = "yes";
  const theme = event.target.closest("[data-theme-to]");
  if (theme) {
    const shown = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const now = shown === "dark" ? "light" : "dark";
    root.dataset.theme = now;
    document.cookie = `inbox_theme=${now}; path=/; max-age=31536000; samesite=lax`;
  }
  const insert = event.target.closest("[data-dismiss]");
  insert?.closest("[data-dismissable]")?.remove();
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) {
    event.target.form?.requestSubmit();
  }
  if (event.target.matches("[name=keys]")) {
    const bar = document.getElementById("bulk");
    const chosen = document.querySelectorAll("#list [name=keys]:checked").length;
    bar?.toggleAttribute("hidden", chosen === 0);
    const count = bar?.querySelector("[data-count]");
    if (count) count.textContent = String(chosen);
  }
});

// On a phone the menu is wider than the screen: where somebody is must be seen.
const here = document.querySelector(".top nav [aria-current]");
if (here) here.parentElement.scrollLeft = here.offsetLeft - 12;
zones();
localTimes(document);
startUploads(csrf);
startMentions();
startKeyboard(say);
startLive();
startIslands(document, csrf, say);
markCurrent();
