// form-js and bpmn-js are large: each is loaded when a page has a place for it, and not before.
export function startIslands(scope, csrf, say) {
  for (const place of scope.querySelectorAll("[data-island]:not([data-started])")) {
    place.dataset.started = "yes";
    const styles = place.dataset.styles;
    if (styles && !document.querySelector(`link[href="${styles}"]`)) {
      document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: styles }));
    }
    import(place.dataset.script)
      .then((module) => module.start(place, { csrf, say }))
      .catch((error) => {
        place.dataset.failed = "yes";
        say(document.documentElement.dataset.broken);
        console.error(error);
      });
  }
}
