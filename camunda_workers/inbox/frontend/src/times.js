// Times are sent in UTC; people read them in their own.
export function localTimes(scope) {
  const language = document.documentElement.lang || undefined;
  const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  for (const one of scope.querySelectorAll("time[datetime]")) {
    const moment = new Date(one.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const text = exact.format(moment);
    if (one.dataset.show === "exact") one.textContent = text;
    else one.title = text;
  }
}
