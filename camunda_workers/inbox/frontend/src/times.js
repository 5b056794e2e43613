// Times are sent in UTC; people read them in their own.
// The page's language, in the country's way of writing dates that the browser knows: 21 Nov 2026 in Britain, Nov 21, 2026 in the States.
function habits(lang) {
  return navigator.languages?.find((one) => one.split("-")[0] === lang) || lang || undefined;
}

export function localTimes(scope) {
  const language = habits(document.documentElement.lang);
  const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  for (const one of scope.querySelectorAll("time[datetime]")) {
    const moment = new Date(one.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const text = exact.format(moment);
    if (one.dataset.show === "exact") one.textContent = text;
    else one.title = text;
  }
}
