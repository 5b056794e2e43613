// Files for a case, chosen or dropped.
import htmx from "htmx.org";
import { send } from "./sending.js";

export function startUploads(csrf) {
  document.addEventListener("change", (event) => {
    const place = event.target.closest("[data-upload]");
    if (place && event.target.type === "file") {
      take(place, [...event.target.files], csrf);
      event.target.value = "";
    }
  });
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      const place = event.target.closest?.("[data-upload]");
      // A file that is dropped beside the place must not take the page away.
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
      if (!place) return;
      place.toggleAttribute("data-over", name === "dragover");
      if (name === "drop") take(place, [...event.dataTransfer.files], csrf);
    });
  }
}

async function take(place, files, csrf) {
  const said = [];
  for (const file of files) {
    status(place, `${file.name} …`);
    const answer = await send(place.dataset.upload, file, csrf);
    said.push({ text: answer.text, ok: answer.reference !== undefined });
  }
  if (!said.length) return;
  const section = place.closest("section");
  if (said.some((one) => one.ok)) await htmx.ajax("GET", place.dataset.upload, { target: section });
  const text = said.map((one) => one.text).join(" ");
  status(section.querySelector("[data-upload]") ?? place, text, said.every((one) => one.ok) ? "good" : "bad");
}

function status(place, text, tone = "") {
  const line = place.querySelector("[data-upload-status]");
  if (!line) return;
  line.dataset.tone = tone;
  line.textContent = text;
}
