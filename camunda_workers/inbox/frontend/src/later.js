// form-js asks for flatpickr under this name (build.mjs). The calendar comes only where a form asks for a day: it is a tenth of everything.
let calendar;

export async function loadCalendar() {
  const styles = new URL("./calendar.css", import.meta.url).href;
  if (!document.querySelector(`link[href="${styles}"]`)) {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: styles }));
  }
  calendar ??= (await import("./calendar.js")).default;
}

export default function flatpickr(place, options) {
  return calendar(place, options);
}
