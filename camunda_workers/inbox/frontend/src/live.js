// One stream of "something changed": parts of the page that listen for it ask the server what.
import htmx from "htmx.org";

export function startLive() {
  const address = document.body.dataset.live;
  if (!address || !window.EventSource) return;
  let waiting = null;
  let source = null;
  const state = document.getElementById("live-state");
  const show = (name) => state && (state.dataset.state = name);
  const changed = () => {
    // A burst of changes is one look.
    waiting ??= setTimeout(() => {
      waiting = null;
      htmx.trigger(document.body, "changed");
    }, 150);
  };
  const open = () => {
    source = new EventSource(address);
    source.addEventListener("changed", changed);
    source.addEventListener("hello", () => show("on"));
    source.addEventListener("bye", () => { source.close(); if (!document.documentElement.dataset.leaving) location.reload(); });
    source.onerror = () => show("off");
  };
  open();
  // A page that is restored or looked at again has missed what happened meanwhile.
  window.addEventListener("pageshow", (event) => event.persisted && changed());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && changed());
  window.addEventListener("pagehide", () => source?.close());
}
