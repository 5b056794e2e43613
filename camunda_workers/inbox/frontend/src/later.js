// form-js asks for flatpickr under this name (build.mjs). A calendar is a tenth of everything, and needed when somebody enters a day, not when a
// form is read: until somebody comes to the form, a field of it only shows its day.
const waiting = new Set();
let calendar = null;
let coming = null;

export function loadCalendar() {
  coming ??= Promise.all([import("./calendar.js"), styled(new URL("./calendar.css", import.meta.url).href)]).then(
    ([module]) => {
      calendar = module.default;
      for (const one of waiting) one.begin();
      waiting.clear();
    },
    (error) => {
      coming = null; // the next one who comes to a day tries again
      throw error;
    },
  );
  return coming;
}

function styled(address) {
  return new Promise((done, failed) => {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: address, onload: done, onerror: failed }));
  });
}

export default function flatpickr(place, options) {
  return calendar ? calendar(place, options) : new Later(place, options);
}

// What form-js uses of a calendar, before there is one.
class Later {
  constructor(place, options) {
    Object.assign(this, { place, options, early: {}, nowhere: document.createElement("div"), real: null, date: null });
    this.typed = (event) => {
      if (event.key === "Enter") this.entered = true;
    };
    place.addEventListener("keydown", this.typed);
    waiting.add(this);
  }

  get config() {
    return this.real ? this.real.config : this.early;
  }

  get isOpen() {
    return this.real?.isOpen ?? false;
  }

  get calendarContainer() {
    return this.real?.calendarContainer ?? this.nowhere;
  }

  setDate(date, ...more) {
    if (this.real) return this.real.setDate(date, ...more);
    this.date = date;
    const day = new Date(Array.isArray(date) ? date[0] : date);
    this.place.value = date && !Number.isNaN(day.getTime()) ? written(day, this.options.dateFormat) : "";
  }

  open() {
    if (this.real) return this.real.open();
    loadCalendar().catch((error) => console.error(error));
  }

  close() {
    this.real?.close();
  }

  destroy() {
    this.place.removeEventListener("keydown", this.typed);
    waiting.delete(this);
    this.real?.destroy();
  }

  begin() {
    const { place } = this;
    const { value, selectionStart, selectionEnd } = place;
    const here = document.activeElement === place;
    place.removeEventListener("keydown", this.typed);
    // The calendar puts the field into a frame of its own, and whoever stands in a field that is moved stands nowhere: they are led back.
    const real = calendar(place, this.options);
    Object.assign(real.config, this.early);
    if (this.date) real.setDate(this.date, false);
    this.real = real;
    if (place.value !== value) place.value = value;
    if (this.entered) real.setDate(value, true, real.config.dateFormat);
    if (!here) return;
    place.focus({ preventScroll: true });
    place.setSelectionRange(selectionStart, selectionEnd);
    if (!place.readOnly && !place.disabled) real.open();
  }
}

// A day as flatpickr's own letters say it.
function written(day, format) {
  const two = (number) => String(number).padStart(2, "0");
  const letters = { d: two(day.getDate()), j: day.getDate(), m: two(day.getMonth() + 1), n: day.getMonth() + 1, Y: day.getFullYear(), y: two(day.getFullYear() % 100) };
  return format.replace(/[djmnYy]/g, (letter) => letters[letter]);
}
