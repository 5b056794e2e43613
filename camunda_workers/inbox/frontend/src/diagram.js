// The diagram with what happened in it: the path taken or the heat, what waits now, and where something went wrong.
import NavigatedViewer from "bpmn-js/lib/NavigatedViewer";
import TextRenderer from "bpmn-js/lib/draw/TextRenderer";

// Colours by name, so that a diagram follows the theme.
const COLOURS = { defaultFillColor: "var(--surface)", defaultStrokeColor: "var(--diagram)", defaultLabelColor: "var(--text)" };
const MARKERS = ["is-active", "is-done", "is-broken", "is-taken", "is-hot-1", "is-hot-2", "is-hot-3", "is-hot-4", "is-hot-5"];

// Labels were drawn as wide as their words are in Arial. Where another font stands in for it, they are as wide as their longest word: none is torn.
function WholeWords(config) {
  TextRenderer.call(this, config);
  const create = this.createText;
  const pen = document.createElement("canvas").getContext("2d");
  this.createText = (text, options) => {
    const { box, style, align } = options;
    if (align || !box?.width || box.x === undefined) return create(text, options);
    pen.font = `${style.fontSize}px ${style.fontFamily}`;
    const missing = Math.max(...text.split(/\s+/).map((word) => pen.measureText(word).width)) + 3 - box.width;
    if (missing <= 0) return create(text, options);
    const made = create(text, { ...options, box: { ...box, width: box.width + missing } });
    made.setAttribute("transform", `translate(${-missing / 2} 0)`);
    return made;
  };
}
WholeWords.$inject = ["config.textRenderer"];

export async function start(place) {
  const facts = JSON.parse(document.getElementById(place.dataset.source).textContent);
  const viewer = new NavigatedViewer({ container: place, bpmnRenderer: COLOURS, additionalModules: [{ textRenderer: ["type", WholeWords] }] });
  await viewer.importXML(facts.xml);
  const canvas = viewer.get("canvas");
  const registry = viewer.get("elementRegistry");
  const stand = new Stand(canvas, registry, viewer.get("overlays"));
  stand.show(facts);
  const active = Object.entries(facts.elements).find(([id, state]) => (state.incidents || state.active) && registry.get(id) && !registry.get(id).children?.length);
  const focus = registry.get(facts.here) ?? (place.clientWidth < 560 && active ? registry.get(active[0]) : undefined);
  shape(place, canvas, focus);
  fit(canvas);
  // A large diagram on a small screen: what is looked at goes into the middle, at a size that can be read.
  if (focus && canvas.zoom() < 0.55) canvas.zoom(0.7, { x: focus.x + focus.width / 2, y: focus.y + focus.height / 2 }), canvas.scrollToElement(focus, 120);
  place.dataset.ready = "yes";
  for (const button of place.parentElement.parentElement.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      if (button.dataset.zoom === "fit") fit(canvas);
      else canvas.zoom(canvas.zoom() * (button.dataset.zoom === "in" ? 1.25 : 0.8));
    });
  }
  if (place.dataset.refresh) follow(place, stand);
}

// A frame as high as the diagram needs, no higher than is left of the window: no empty halves above and below.
function shape(place, canvas, focus) {
  const { inner } = canvas.viewbox();
  const frame = place.parentElement;
  if (!inner.width) return;
  if (frame.clientWidth < 560) {
    frame.style.height = "300px";
    canvas.resized();
    return;
  }
  // What is looked at will be shown larger than the whole: that takes the room there is.
  if (focus && frame.clientWidth / inner.width < 0.55) return;
  const wanted = (inner.height / inner.width) * frame.clientWidth + 56;
  frame.style.height = `${Math.round(Math.max(240, Math.min(wanted, frame.clientHeight)))}px`;
  canvas.resized();
}

// The whole diagram, with room at its edges for numbers.
function fit(canvas) {
  canvas.zoom("fit-viewport", "auto");
  canvas.zoom(canvas.zoom() * 0.96);
}

// Tokens move while somebody looks.
function follow(place, stand) {
  let asking = false;
  const changed = async () => {
    if (!place.isConnected || asking) return;
    asking = true;
    try {
      const response = await fetch(place.dataset.refresh, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (response.ok) stand.show(await response.json());
    } catch {
      // The dot at the top says that nothing comes any more.
    } finally {
      asking = false;
    }
  };
  let again = null;
  document.body.addEventListener("changed", () => {
    changed();
    // Numbers that were counted a moment ago are given again: the last change must be seen, too.
    clearTimeout(again);
    again = setTimeout(changed, 1500);
  });
}

class Stand {
  constructor(canvas, registry, overlays) {
    Object.assign(this, { canvas, registry, overlays });
    this.shown = "";
  }

  show(facts) {
    const text = JSON.stringify([facts.elements, facts.flows]);
    if (text === this.shown) return;
    this.shown = text;
    this.overlays.clear();
    this.registry.forEach((element) => {
      for (const name of MARKERS) if (this.canvas.hasMarker(element, name)) this.canvas.removeMarker(element, name);
    });
    for (const [id, state] of Object.entries(facts.elements)) {
      const element = this.registry.get(id);
      if (!element) continue;
      if (facts.heat) {
        if (state.heat && !element.children?.length) this.canvas.addMarker(id, `is-hot-${state.heat}`);
        if (state.label) this.badge(id, state.label, "count", { top: element.width > 60 ? -11 : -14, right: element.width > 60 ? 34 : 8 });
        if (state.active) this.badge(id, state.active, "token", { top: -12, left: -10 });
      } else if (state.active) {
        this.canvas.addMarker(id, "is-active");
        this.badge(id, state.active, "token", { bottom: 12, left: -10 });
      } else if (state.completed) this.canvas.addMarker(id, "is-done");
      if (state.incidents) {
        this.canvas.addMarker(id, "is-broken");
        this.badge(id, state.incidents, "incident", { bottom: 12, right: 12 });
      }
    }
    for (const id of facts.flows) if (this.registry.get(id)) this.canvas.addMarker(id, "is-taken");
  }

  badge(id, text, kind, position) {
    const badge = document.createElement("span");
    badge.className = `badge-on-diagram ${kind}`;
    badge.textContent = String(text);
    this.overlays.add(id, { position, html: badge });
  }
}
