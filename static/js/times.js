// Times in the reader's language and zone, and clocks that tick.
// <time data-moment>: "2 min ago", a date after a week; the tooltip has the exact time, in the reader's zone.
// <time data-since>: how long it has been since then: "12 s", "3 min 05 s".
(() => {
  const WEEK = 7 * 86400;
  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const lang = document.documentElement.lang;
  // The conventions of the reader's country, if the browser reports it.
  const locale = navigator.languages.find((language) => language.toLowerCase().startsWith(lang.slice(0, 2))) || lang;
  const thisYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const withYear = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "long" });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });

  const moment = (at, now) => {
    const seconds = Math.round((at - now) / 1000);
    if (Math.abs(seconds) >= WEEK) return (at.getFullYear() === now.getFullYear() ? thisYear : withYear).format(at);
    for (const [unit, length] of UNITS) {
      if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
    }
    return relative.format(0, "second");
  };
  // As the filter `duration` writes it.
  const duration = (seconds) => {
    const two = (number) => String(number).padStart(2, "0");
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
    return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
  };

  const show = (time, now) => {
    const at = new Date(time.dateTime);
    const text = "since" in time.dataset ? duration(Math.max(0, Math.floor((now - at) / 1000))) : moment(at, now);
    if (time.textContent !== text) time.textContent = text;
    if (!time.dataset.exact) {
      time.title = exact.format(at);
      time.dataset.exact = "yes";
    }
  };
  const showAll = (within) => {
    const now = new Date();
    for (const time of within.querySelectorAll("time[data-moment], time[data-since]")) show(time, now);
  };

  showAll(document);
  document.addEventListener("htmx:load", (event) => showAll(event.detail.elt));
  setInterval(() => {
    if (!document.hidden) showAll(document);
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) showAll(document);
  });
  window.studioTimes = { duration, locale };
})();
