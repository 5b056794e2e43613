// The calendar of form-js' day fields, in the page's language.
import flatpickr from "flatpickr";
import { German } from "flatpickr/dist/esm/l10n/de.js";

if (document.documentElement.lang === "de") flatpickr.localize(German);

export default flatpickr;
