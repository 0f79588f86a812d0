// The command palette: Ctrl K or ⌘ K, or the top bar's field. It shows the results of the search page; the field keeps the focus,
// and the arrow keys move along the results (the combobox pattern of ARIA).
(() => {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const field = document.getElementById("palette-query");
  const list = document.getElementById("palette-list");
  const status = document.getElementById("palette-status");
  const opener = document.getElementById("search");
  const RECENT = `studio-recent:${dialog.dataset.person}`;
  const MOST_RECENT = 6;
  let request = null;
  let timer = 0;
  let shown = null; // the query whose results are shown

  // The environments that were visited last are remembered in this browser alone.
  const recent = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(RECENT) || "[]");
      return Array.isArray(kept) ? kept.filter((item) => typeof item?.path === "string" && typeof item?.title === "string") : [];
    } catch {
      return [];
    }
  };
  const remember = () => {
    const match = /^\/w\/[^/]+\/environments\/[^/]+\//.exec(location.pathname);
    const title = document.querySelector("main h1")?.textContent.trim();
    if (!match || !title) return;
    const items = [{ path: match[0], title }, ...recent().filter((item) => item.path !== match[0])];
    try {
      localStorage.setItem(RECENT, JSON.stringify(items.slice(0, MOST_RECENT)));
    } catch {
      // Without storage, nothing is remembered.
    }
  };

  const options = () => [...list.querySelectorAll("[role=option]")];
  const current = () => list.querySelector("[aria-selected=true]");
  const select = (option) => {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    if (option) {
      field.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      field.removeAttribute("aria-activedescendant");
    }
  };
  const move = (by) => {
    const all = options();
    if (!all.length) return;
    const at = all.indexOf(current());
    select(all[(at + by + all.length) % all.length]);
  };

  const recentGroup = () => {
    const items = recent().filter((item) => item.path.startsWith("/w/") && item.path !== location.pathname);
    if (!items.length) return null;
    const group = document.createElement("div");
    group.setAttribute("role", "group");
    group.setAttribute("aria-labelledby", "palette-recent");
    const head = document.createElement("p");
    head.className = "palette-head";
    head.id = "palette-recent";
    head.setAttribute("role", "presentation");
    head.textContent = dialog.dataset.recent;
    group.append(head);
    items.forEach((item, number) => {
      const option = document.createElement("div");
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.id = `palette-recent-${number}`;
      option.dataset.href = item.path;
      const title = document.createElement("span");
      title.className = "palette-title";
      title.textContent = item.title;
      option.append(title);
      group.append(option);
    });
    return group;
  };

  const show = (html, query) => {
    const template = document.createElement("template");
    template.innerHTML = html; // of this studio's own search page, which escapes what people typed
    const count = template.content.querySelector("[data-status]");
    count?.remove();
    list.replaceChildren(template.content);
    const group = query ? null : recentGroup();
    if (group) list.prepend(group);
    const any = options().length > 0;
    list.hidden = !any;
    field.setAttribute("aria-expanded", String(any));
    status.textContent = any ? (query && count ? count.textContent : "") : dialog.dataset.none;
    shown = query;
    list.scrollTop = 0;
    select(query ? options()[0] : null);
  };

  const search = async () => {
    const query = field.value.trim();
    request?.abort();
    request = new AbortController();
    try {
      const url = `${dialog.dataset.url}?${new URLSearchParams({ part: "palette", q: query })}`;
      const response = await fetch(url, { signal: request.signal, redirect: "error" });
      if (!response.ok) throw new Error(String(response.status));
      show(await response.text(), query);
    } catch (error) {
      if (error.name === "AbortError") return;
      list.replaceChildren();
      list.hidden = true;
      field.setAttribute("aria-expanded", "false");
      status.textContent = dialog.dataset.away;
    }
  };
  const searchSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(search, 120);
  };

  const run = (option, elsewhere) => {
    if (option.dataset.field === "theme") {
      const button = document.querySelector(`form.themes button[value="${option.dataset.value}"]`);
      if (button) {
        dialog.close();
        button.click();
        return;
      }
    }
    if (option.dataset.field) {
      const form = document.getElementById("palette-form");
      const input = form.elements.namedItem(option.dataset.field) || document.createElement("input");
      input.type = "hidden";
      input.name = option.dataset.field;
      input.value = option.dataset.value;
      form.append(input);
      form.action = option.dataset.href;
      form.submit();
      return;
    }
    if (elsewhere) window.open(option.dataset.href, "_blank", "noopener");
    else location.assign(option.dataset.href);
  };
  // Results of an older query are not run: Enter waits for those of what is typed.
  const runCurrent = async (elsewhere) => {
    if (shown !== field.value.trim()) {
      clearTimeout(timer);
      await search();
    }
    const option = current() || (field.value.trim() ? options()[0] : null);
    if (option) run(option, elsewhere);
  };

  const open = (query = "") => {
    if (dialog.open || document.querySelector("dialog[open]")) return;
    field.value = query;
    dialog.showModal();
    field.focus();
    search();
  };

  field.addEventListener("input", searchSoon);
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : current() ? -1 : 0);
    } else if (event.key === "Enter") {
      event.preventDefault();
      runCurrent(event.ctrlKey || event.metaKey);
    }
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) run(option, event.ctrlKey || event.metaKey);
  });
  list.addEventListener("pointermove", (event) => {
    const option = event.target.closest("[role=option]");
    if (option && option !== current()) select(option);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
  dialog.addEventListener("close", () => {
    request?.abort();
    clearTimeout(timer);
  });

  document.addEventListener("keydown", (event) => {
    // Filling in a form, some browsers report keys without a name.
    if (event.key?.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    if (event.defaultPrevented) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else open();
  });
  document.addEventListener("studio:palette", () => open());

  // The top bar's field opens the palette: by a click, by Enter, or by typing into it.
  if (opener) {
    const bar = opener.form;
    bar.addEventListener("submit", (event) => {
      event.preventDefault();
      open(opener.value);
    });
    opener.addEventListener("input", () => {
      const typed = opener.value;
      opener.value = "";
      open(typed);
    });
    opener.addEventListener("click", () => open(opener.value));
  }
  remember();
})();
