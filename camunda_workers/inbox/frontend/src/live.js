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
    source.addEventListener("bye", () => { close(); if (!document.documentElement.dataset.leaving) location.reload(); });
    source.onerror = () => show("off");
  };
  const close = () => { source?.close(); source = null; };
  // Only a page that somebody sees has a stream: a browser opens six connections to a server, and a seventh tab would wait for ever.
  // A page that is looked at again, or restored by "back", has missed what happened meanwhile.
  const look = () => {
    if (document.visibilityState === "hidden") close();
    else if (!source || source.readyState === EventSource.CLOSED) { open(); changed(); }
  };
  if (document.visibilityState !== "hidden") open();
  window.addEventListener("pageshow", (event) => event.persisted && look());
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pagehide", close);
}
