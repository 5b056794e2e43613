// Keys for people who work through a list all day. Never while somebody types, never with a modifier key.
const TYPING = "input, textarea, select, [contenteditable=true], .fjs-container *";

// Who speaks to the computer, or leans on keys, turns single keys off: each of them does something otherwise (WCAG 2.1.4).
const OFF = "inbox_keys=off";
const areOff = () => document.cookie.split("; ").includes(OFF);

export function startKeyboard() {
  const choice = document.querySelector("[data-keys-on]");
  if (choice) choice.checked = !areOff();
  choice?.addEventListener("change", () => {
    document.cookie = choice.checked ? "inbox_keys=on; path=/; max-age=0; samesite=lax" : `${OFF}; path=/; max-age=31536000; samesite=lax`;
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") {
      document.getElementById("keys")?.close?.();
      closeMenu(true);
      if (event.target.matches(TYPING)) event.target.blur();
      return;
    }
    if (areOff() || event.target.matches(TYPING) || document.querySelector("dialog[open]")) return;
    const act = KEYS[event.key];
    if (act && act(event.target) !== false) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open-keys]")) document.getElementById("keys")?.showModal();
    if (event.target.closest("[data-close-keys]")) document.getElementById("keys")?.close();
    if (!event.target.closest(".me details")) closeMenu(false);
  });
}

function closeMenu(byKey) {
  const menu = document.querySelector(".me details[open]");
  if (!menu) return;
  menu.open = false;
  if (byKey) menu.querySelector("summary").focus();
}

const rows = () => [...document.querySelectorAll("#list [data-row] a.row-link")];

function move(by) {
  const all = rows();
  if (!all.length) return false;
  const at = all.findIndex((row) => row === document.activeElement || row.closest("[aria-current=true]"));
  const focused = all.indexOf(document.activeElement);
  const from = focused >= 0 ? focused : at;
  const next = all[Math.max(0, Math.min(all.length - 1, from < 0 ? 0 : from + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

function press(selector) {
  const button = document.querySelector(selector);
  if (!button || button.disabled) return false;
  button.click();
  return true;
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  o: (target) => (target.matches("a.row-link") ? (target.click(), true) : false),
  c: () => press("[data-key=claim]"),
  u: () => press("[data-key=unclaim]"),
  s: () => press("[data-key=save]"),
  x: (target) => {
    const box = target.closest("[data-row]")?.querySelector("[name=keys]");
    if (!box) return false;
    box.click();
    return true;
  },
  f: () => focusIn("#main .fjs-container input, #main .fjs-container textarea, #main .fjs-container select, #main .fjs-container [tabindex='0']"),
  d: () => press("[data-key=diagram]"),
  h: () => press("[data-key=history]"),
  g: () => {
    const hand = document.getElementById("hand");
    if (!hand) return press("[data-key=resolve]");
    hand.open = !hand.open;
    (hand.open ? hand.querySelector("input:not([type=hidden])") : hand.querySelector("summary")).focus();
    return true;
  },
  p: () => press("#file"),
  m: () => focusIn("#comment-text"),
  1: () => press("[data-key=mine]"),
  2: () => press("[data-key=team]"),
  3: () => press("[data-key=all]"),
  "/": () => focusIn("#search"),
  "?": () => (document.getElementById("keys")?.showModal(), true),
};

function focusIn(selector) {
  const found = document.querySelector(selector);
  found?.focus();
  return Boolean(found);
}
