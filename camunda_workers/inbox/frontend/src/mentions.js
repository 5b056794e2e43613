// While somebody types @na…, the names it could be; chosen with the arrows and Enter, or left alone.
export function startMentions() {
  document.addEventListener("input", (event) => event.target.matches?.("[data-mentions]") && offer(event.target));
  document.addEventListener("keydown", (event) => {
    const list = event.target.matches?.("[data-mentions]") && listOf(event.target);
    if (!list || list.hidden) return;
    const all = [...list.children];
    const at = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      select(event.target, all, (at + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length);
    } else if ((event.key === "Enter" || event.key === "Tab") && at >= 0) {
      event.preventDefault();
      take(event.target, all[at].dataset.user);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      hide(event.target);
    }
  }, true);
  document.addEventListener("focusout", (event) => event.target.matches?.("[data-mentions]") && setTimeout(() => hide(event.target), 150));
}

const asked = (field) => field.value.slice(0, field.selectionStart).match(/(?:^|\s)@([\p{L}\p{N}._+-]*)$/u);
const listOf = (field) => field.parentElement.querySelector("[role=listbox]");

function offer(field) {
  const found = asked(field);
  const source = document.getElementById(field.dataset.mentions);
  if (!found || !source) return hide(field);
  const wanted = found[1].toLowerCase();
  const people = [...source.options].filter((one) => `${one.value} ${one.textContent}`.toLowerCase().includes(wanted)).slice(0, 6);
  // Nothing to offer, or the name stands there already: a list would only lie over the button below.
  if (!people.length || (people.length === 1 && people[0].value.toLowerCase() === wanted)) return hide(field);
  let list = listOf(field);
  if (!list) {
    list = Object.assign(document.createElement("ul"), { className: "mentions", id: `${field.id}-mentions` });
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", field.labels?.[0]?.textContent ?? "@");
    field.after(list);
    field.setAttribute("aria-controls", list.id);
  }
  list.replaceChildren(...people.map((one, number) => {
    const item = document.createElement("li");
    item.id = `${list.id}-${number}`;
    item.setAttribute("role", "option");
    item.dataset.user = one.value;
    item.textContent = `${one.textContent} · @${one.value}`;
    item.addEventListener("mousedown", (event) => { event.preventDefault(); take(field, one.value); });
    return item;
  }));
  list.hidden = false;
  select(field, [...list.children], 0);
}

function select(field, all, at) {
  all.forEach((one, number) => one.setAttribute("aria-selected", String(number === at)));
  field.setAttribute("aria-activedescendant", all[at].id);
}

function take(field, user) {
  const found = asked(field);
  const end = field.selectionStart;
  const begin = end - found[1].length;
  field.setRangeText(`${user} `, begin, end, "end");
  hide(field);
}

function hide(field) {
  const list = listOf(field);
  if (list) list.hidden = true;
  field.removeAttribute("aria-activedescendant");
}
