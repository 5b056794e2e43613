"use strict";
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const diagrams = JSON.parse(document.getElementById("diagrams").textContent);
  const list = document.getElementById("list"), view = document.getElementById("view");
  document.getElementById("percent").value = `${Math.floor(facts.percent)} % of elements and flows`;

  const make = (tag, text, attributes = {}) => {
    const node = Object.assign(document.createElement(tag), attributes);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const covered = parts => parts.filter(part => part.count).length;
  const label = part => part.name || part.id;

  function entry(title, detail, percent, show) {
    const button = make("button", undefined, { type: "button" });
    const bar = make("span", undefined, { className: "bar" }), fill = make("i");
    fill.style.width = `${percent}%`;
    bar.append(fill);
    button.append(make("strong", title), make("small", detail), bar);
    button.addEventListener("click", () => {
      for (const other of list.children) other.setAttribute("aria-current", other === button);
      view.replaceChildren();
      show();
    });
    list.append(button);
    return button;
  }

  async function process(one, source) {
    view.append(make("h2", one.name), make("p",
      `${one.resource}: ${covered(one.elements)} of ${one.elements.length} elements, ${covered(one.flows)} of ${one.flows.length} flows, ` +
      `${covered(one.boundaryEvents)} of ${one.boundaryEvents.length} boundary events, in ${one.instances} instances`));
    const canvas = make("div", undefined, { className: "canvas" });
    view.append(canvas);
    missed("Elements never executed", one.elements);
    missed("Flows never taken", one.flows);
    try {
      const viewer = new BpmnJS({ container: canvas });
      await viewer.importXML(source);
      colour(viewer, one);
    } catch (error) {
      // A file without a drawing (or a broken one) still says what was executed.
      canvas.replaceWith(make("p", `The diagram cannot be drawn: ${error.message}`, { className: "missing" }), executed(one));
    }
  }

  function executed(one) {
    const table = make("table"), head = make("tr");
    head.append(make("th", "Element"), make("th", "Kind"), make("th", "Executed"));
    table.append(head);
    for (const part of one.elements) {
      const row = make("tr", undefined, { className: part.count ? "hit" : "missed" });
      row.append(make("td", part.name || part.id), make("td", part.kind), make("td", part.count || "never", { className: "n" }));
      table.append(row);
    }
    return table;
  }

  function colour(viewer, one) {
    const pane = viewer.get("canvas"), registry = viewer.get("elementRegistry"), overlays = viewer.get("overlays");
    for (const part of [...one.elements, ...one.flows]) {
      const shape = registry.get(part.id);
      if (!shape) continue;
      pane.addMarker(part.id, part.count ? "hit" : "missed");
      if (shape.children && shape.children.length) pane.addMarker(part.id, "scope");
      if (part.count && !shape.waypoints) overlays.add(part.id, { position: { top: -10, right: 12 }, html: make("div", part.count, { className: "count", title: `executed ${part.count} times` }) });
    }
    pane.zoom("fit-viewport", "auto");
  }

  function missed(title, parts) {
    const left = parts.filter(part => !part.count);
    if (!left.length) return;
    const items = make("ul");
    for (const part of left) {
      const item = make("li", `${label(part)} `);
      item.append(make("code", part.source ? `${part.source} → ${part.target}` : part.id));
      items.append(item);
    }
    view.append(make("h3", `${title} (${left.length})`), items);
  }

  function decision(one) {
    view.append(make("h2", one.name), make("p", `${one.resource}: ${covered(one.rules)} of ${one.rules.length} rules matched in ${one.evaluations} evaluations`));
    const table = make("table"), head = make("tr");
    head.append(make("th", "Rule"), make("th", "Inputs"), make("th", "Matched"));
    table.append(head);
    for (const rule of one.rules) {
      const row = make("tr", undefined, { className: rule.count ? "hit" : "missed" });
      row.append(make("td", `${rule.index}  ${rule.id}`), make("td", rule.inputs), make("td", rule.count || "never", { className: "n" }));
      table.append(row);
    }
    view.append(table);
  }

  facts.processes.forEach((one, index) =>
    entry(one.name, `${Math.floor(one.percent)} %, ${one.instances} instances`, one.percent, () => process(one, diagrams[index])));
  for (const one of facts.decisions) {
    const percent = one.rules.length ? 100 * covered(one.rules) / one.rules.length : 100;
    entry(one.name, `${covered(one.rules)} of ${one.rules.length} rules`, percent, () => decision(one));
  }
  if (list.firstChild) list.firstChild.click();
  else view.append(make("p", "No process was deployed by these tests."));
})();
