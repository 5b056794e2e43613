// The diagram with what happened in it: the path taken, what waits now, and where something went wrong.
import NavigatedViewer from "bpmn-js/lib/NavigatedViewer";

// Colours by name, so that a diagram follows the theme.
const COLOURS = { defaultFillColor: "var(--surface)", defaultStrokeColor: "var(--diagram)", defaultLabelColor: "var(--text)" };

export async function start(place) {
  const facts = JSON.parse(document.getElementById(place.dataset.source).textContent);
  const viewer = new NavigatedViewer({ container: place, bpmnRenderer: COLOURS });
  await viewer.importXML(facts.xml);
  const canvas = viewer.get("canvas");
  const registry = viewer.get("elementRegistry");
  const overlays = viewer.get("overlays");
  for (const [id, state] of Object.entries(facts.elements)) {
    if (!registry.get(id)) continue;
    if (state.active) mark(canvas, overlays, id, "is-active", state.active, "token");
    else if (state.completed) canvas.addMarker(id, "is-done");
    if (state.incidents) mark(canvas, overlays, id, "is-broken", state.incidents, "incident");
  }
  for (const id of facts.flows) if (registry.get(id)) canvas.addMarker(id, "is-taken");
  const focus = registry.get(facts.here);
  canvas.zoom("fit-viewport", "auto");
  // A large diagram on a small screen: what is looked at goes into the middle, at a size that can be read.
  if (focus && canvas.zoom() < 0.55) canvas.zoom(0.7, { x: focus.x + focus.width / 2, y: focus.y + focus.height / 2 }), canvas.scrollToElement(focus, 120);
  place.dataset.ready = "yes";
  for (const button of place.parentElement.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      if (button.dataset.zoom === "fit") canvas.zoom("fit-viewport", "auto");
      else canvas.zoom(canvas.zoom() * (button.dataset.zoom === "in" ? 1.25 : 0.8));
    });
  }
}


function mark(canvas, overlays, id, name, count, kind) {
  canvas.addMarker(id, name);
  const badge = document.createElement("span");
  badge.className = `badge-on-diagram ${kind}`;
  badge.textContent = String(count);
  overlays.add(id, { position: kind === "token" ? { bottom: 12, left: -10 } : { top: -12, right: 12 }, html: badge });
}
