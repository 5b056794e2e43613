// The task's form, drawn by form-js. What it sends is checked again by the server, whose messages come back beside the fields.
import { Form } from "@bpmn-io/form-js-viewer";
import { speak } from "./form-words.js";
import { loadCalendar } from "./later.js";
import { send } from "./sending.js";

export async function start(place, { csrf, say }) {
  const task = JSON.parse(document.getElementById(place.dataset.source).textContent);
  speak(task.words.says);
  // Without a delay: form-js would draw over what is being typed when something else changes meanwhile.
  const form = new Form({
    container: place,
    debounce: false,
    // Where a document that the form shows is read: the case's files, never an address out of a variable.
    additionalModules: [{ documentEndpointBuilder: ["value", { buildUrl: (one) => new URL(`${task.files}/${encodeURIComponent(one.documentId)}`, location.origin).href }] }],
  });
  await form.importSchema(task.schema, task.data);
  if (task.readOnly) form.setProperty("readOnly", true);
  if (!task.readOnly && asksForDays(task.schema)) {
    for (const kind of ["focusin", "pointerdown"]) place.addEventListener(kind, () => loadCalendar().catch((error) => console.error(error)), { once: true });
  }
  place.dataset.ready = "yes";
  const work = new Work(form, task, place, csrf, say);
  form.on("changed", () => work.changed());
  form.on("submit", (event) => {
    event.preventDefault?.();
  });
  const bar = document.getElementById("task-actions");
  bar?.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button?.dataset.do === "complete") work.complete(button);
    if (button?.dataset.do === "save") work.save(true);
  });
  place.addEventListener("keydown", (event) => {
    // Ctrl+Enter completes from within a field; Enter alone must not, it is pressed by accident.
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      // form-js takes over what was typed a moment later, or when the field is left: leave it, and let it.
      document.activeElement?.blur();
      setTimeout(() => bar?.querySelector("button[data-do=complete]")?.click());
    } else if (event.key === "Enter" && event.target.matches("input")) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);
}

class Work {
  constructor(form, task, place, csrf, say) {
    Object.assign(this, { form, task, place, csrf, say });
    this.revision = task.revision;
    this.timer = null;
    this.busy = false;
    this.last = JSON.stringify(this.entered());
  }

  changed() {
    // form-js also says so when it has only drawn itself.
    const now = JSON.stringify(this.entered());
    if (this.task.readOnly || now === this.last) return;
    this.last = now;
    this.dirty = true;
    this.place.dataset.dirty = "yes";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(false), 1500);
  }

  entered() {
    // What form-js would submit, without having it checked: a draft may be half done.
    const data = this.form._getSubmitData();
    // Files that were chosen but not sent yet cannot come back from a draft.
    return JSON.parse(JSON.stringify(data, (name, value) => (typeof value === "string" && value.startsWith("files::") ? undefined : value)));
  }

  async save(asked) {
    clearTimeout(this.timer);
    if (this.busy || this.blocked || (!asked && !this.dirty)) return;
    this.busy = true;
    this.dirty = false;
    try {
      const answer = await this.post(this.task.draft, { variables: this.entered(), revision: this.revision });
      if (answer.revision !== undefined) {
        this.revision = answer.revision;
        delete this.place.dataset.dirty;
        this.status(answer.text, "good");
      } else {
        this.blocked = answer.outdated === true;
        this.status(answer.text, "bad", answer.outdated);
      }
    } finally {
      this.busy = false;
    }
  }

  async complete(button) {
    if (button.disabled) return;
    clearTimeout(this.timer);
    const { data, errors, files } = this.form.submit();
    if (Object.keys(errors).length) {
      this.status(this.task.words.correct, "bad");
      this.focusFirst();
      return;
    }
    button.disabled = true;
    const problem = await this.attach(data, files);
    if (problem) {
      button.disabled = false;
      this.status(problem, "bad");
      return;
    }
    const answer = await this.post(this.task.complete, { variables: data });
    if (answer.next) {
      this.dirty = false;
      location.assign(answer.next);
      return;
    }
    button.disabled = false;
    if (answer.problems) this.beside(answer.problems);
    this.status(answer.text, "bad", answer.reload);
  }

  // The files that the form's pickers hold go into the case first; what is submitted are references to them.
  async attach(data, files) {
    this.sent ??= new Map();
    const references = new Map();
    for (const [key, chosen] of files ?? []) {
      const found = [];
      for (const file of chosen) {
        if (!this.sent.has(file)) {
          const answer = await send(this.task.files, file, this.csrf);
          if (!answer.reference) return answer.text;
          this.sent.set(file, answer.reference);
        }
        found.push(this.sent.get(file));
      }
      references.set(key, found);
    }
    replace(data, references);
    return null;
  }

  beside(problems) {
    const registry = this.form.get("formFieldRegistry");
    const paths = this.form.get("pathRegistry");
    const errors = {};
    const left = [];
    for (const [path, messages] of Object.entries(problems)) {
      const [, plain, indexes] = split(path);
      const field = registry.getAll().find((one) => paths.getValuePath(one)?.join(".") === plain);
      if (!field) {
        left.push(`${path}: ${messages.join(" ")}`);
        continue;
      }
      if (indexes.length) {
        // Rows of a list carry their numbers.
        let at = (errors[field.id] ??= {});
        indexes.slice(0, -1).forEach((index) => (at = at[index] ??= {}));
        at[indexes.at(-1)] = messages;
      } else {
        errors[field.id] = messages;
      }
    }
    this.form._setState({ errors });
    requestAnimationFrame(() => this.focusFirst());
    if (left.length) this.say(left.join("; "));
  }

  focusFirst() {
    requestAnimationFrame(() => {
      const first = this.place.querySelector("[aria-invalid=true], .fjs-has-errors input, .fjs-has-errors textarea, .fjs-has-errors select");
      first?.focus();
      first?.scrollIntoView({ block: "center" });
    });
  }

  async post(address, body) {
    try {
      const response = await fetch(address, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": this.csrf(), Accept: "application/json" },
        body: JSON.stringify(body),
        credentials: "same-origin",
      });
      const to = response.headers.get("X-Sign-In");
      if (to) {
        location.assign(to);
        return { text: "" };
      }
      return await response.json();
    } catch {
      return { text: document.documentElement.dataset.offline };
    }
  }

  status(text, tone, reload) {
    const place = document.getElementById("form-status");
    if (!place || text === undefined) return;
    place.dataset.tone = tone;
    place.textContent = text;
    if (reload) {
      const again = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: this.task.words.reload });
      again.addEventListener("click", () => location.reload());
      place.append(" ", again);
    }
  }
}

function asksForDays(component) {
  return component.type === "datetime" || (component.components ?? []).some(asksForDays);
}

// A picker's value is a key of the form's own registry of files.
function replace(value, references) {
  for (const [name, one] of Object.entries(value ?? {})) {
    if (typeof one === "string" && references.has(one)) value[name] = references.get(one);
    else if (one && typeof one === "object") replace(one, references);
  }
}

function split(path) {
  const parts = path.split(".");
  return [parts, parts.filter((part) => !/^\d+$/.test(part)).join("."), parts.filter((part) => /^\d+$/.test(part)).map(Number)];
}
