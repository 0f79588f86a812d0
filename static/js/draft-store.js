// What drafts are kept in and made of: the browser's storage, and the fields of a form. For drafts.js.
(() => {
  const frame = document.getElementById("drafts");
  if (!frame) return;
  const ALL = "studio:draft:";
  const MINE = `${ALL}${frame.dataset.user}:`;
  const OF_THIS_TAB = "studio:drafts";
  const DAY = 86_400_000;
  const KEPT = 30 * DAY;
  const RECENT = 7 * DAY; // newer drafts are not removed to make room
  const SECRET = /passw|passphrase|secret|token|credential|api.?key|csrf/i;

  // Storage, which can be off or full.
  const read = (storage, name) => {
    try {
      return window[storage].getItem(name);
    } catch {
      return null;
    }
  };
  const write = (storage, name, value) => {
    try {
      window[storage].setItem(name, value);
      return true;
    } catch {
      return false;
    }
  };
  const remove = (name) => {
    try {
      localStorage.removeItem(name);
    } catch {
      return; // nothing was kept, so nothing has to go
    }
  };
  const names = (prefix) => {
    try {
      return Object.keys(localStorage).filter((name) => name.startsWith(prefix));
    } catch {
      return [];
    }
  };
  // A draft is written with its time first, so that old ones are known without reading them.
  const timeOf = (name) => Number(/^\{"at":(\d+)/.exec((read("localStorage", name) || "").slice(0, 30))?.[1] || 0);
  const removeOld = () => {
    for (const name of names(ALL)) if (Date.now() - timeOf(name) > KEPT) remove(name);
  };
  const makeRoom = (own) => {
    const others = names(MINE).filter((name) => name !== own && Date.now() - timeOf(name) > RECENT);
    const [oldest] = others.sort((one, other) => timeOf(one) - timeOf(other));
    if (oldest) remove(oldest);
    return Boolean(oldest);
  };
  const ofThisTab = () => {
    try {
      return JSON.parse(read("sessionStorage", OF_THIS_TAB)) || [];
    } catch {
      return [];
    }
  };
  const setOfThisTab = (ids) => write("sessionStorage", OF_THIS_TAB, JSON.stringify(ids.slice(-50)));
  const nameOf = (id, key) => `${MINE}${id}:${key}`;
  const newId = () => crypto.getRandomValues(new Uint32Array(2)).join("-");
  const drafts = (key) => {
    const kept = [];
    for (const name of names(MINE)) {
      const id = name.slice(MINE.length).split(":", 1)[0];
      if (name.slice(MINE.length + id.length + 1) !== key) continue;
      try {
        const draft = JSON.parse(read("localStorage", name));
        if (Array.isArray(draft.fields) && draft.at) kept.push({ ...draft, id, name, fields: new Map(draft.fields) });
      } catch {
        remove(name);
      }
    }
    return kept.sort((one, other) => other.at - one.at);
  };

  // Fields: a Map of names to lists of values; for boxes and buttons the chosen ones.
  const isBox = (field) => field.type === "checkbox" || field.type === "radio";
  const isKept = (field) => {
    if (!field.name || field.disabled || field.closest("[data-draft-never]")) return false;
    if (["submit", "button", "reset", "image", "file", "password"].includes(field.type) || field.tagName === "FIELDSET" || field.tagName === "OUTPUT") return false;
    // The attribute: as a property, Firefox has it only for the values that it knows.
    if (SECRET.test(field.name) || /password|one-time-code|^cc-/i.test(field.getAttribute("autocomplete") || "")) return false;
    return field.type !== "hidden" || "draftKeep" in field.dataset;
  };
  const lines = (text) => text.replace(/\r\n?/g, "\n");
  const defaultValues = (field) => {
    if (isBox(field)) return field.defaultChecked ? [field.value] : [];
    if (!field.options) return [lines(field.type === "hidden" ? field.value : field.defaultValue)];
    const chosen = [...field.options].filter((option) => option.defaultSelected).map((option) => option.value);
    return chosen.length || field.multiple ? chosen : [...field.options].slice(0, 1).map((option) => option.value);
  };
  const values = (field) => {
    if (isBox(field)) return field.checked ? [field.value] : [];
    if (field.multiple && field.options) return [...field.selectedOptions].map((option) => option.value);
    return [lines(field.value)];
  };
  const fieldsOf = (form, valuesOf) => {
    const fields = new Map();
    for (const field of form.elements) {
      if (isKept(field)) fields.set(field.name, [...(fields.get(field.name) || []), ...valuesOf(field)]);
    }
    return fields;
  };
  const setValues = (form, fields) => {
    const left = new Map([...fields].map(([name, list]) => [name, [...list]]));
    const changed = [];
    for (const field of form.elements) {
      const list = isKept(field) && left.get(field.name);
      if (!list) continue;
      if (isBox(field)) {
        if (field.checked === list.includes(field.value)) continue;
        field.checked = list.includes(field.value);
      } else if (field.multiple && field.options) {
        for (const option of field.options) option.selected = list.includes(option.value);
      } else {
        const value = list.shift();
        if (value === undefined || lines(field.value) === value) continue;
        if (field.options && ![...field.options].some((option) => option.value === value)) continue;
        if (field.editor) field.editor.set(value);
        else field.value = value;
      }
      changed.push(field);
    }
    for (const field of changed) {
      for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
    }
  };
  const same = (one, other) => one.length === other.length && one.every((value, index) => value === other[index]);
  const equal = (fields, others) => fields.size === others.size && [...fields].every(([name, list]) => others.has(name) && same(list, others.get(name)));
  const covers = (fields, others) => [...others].every(([name, list]) => fields.has(name) && same(fields.get(name), list));
  const fingerprint = (text) => {
    let hash = 2166136261;
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 16777619);
    return hash >>> 0;
  };
  // What the form started from, hidden fields among it, such as the state that an edit is based on.
  const startOf = (form) => {
    const start = {};
    for (const field of form.elements) {
      if (isKept(field) || (field.type === "hidden" && field.name && !SECRET.test(field.name))) {
        start[field.name] = fingerprint(`${start[field.name] || ""}\n${defaultValues(field).join("\n")}`);
      }
    }
    return start;
  };
  const startedAlike = (start, other) => Object.entries(start).every(([name, hash]) => !(name in other) || other[name] === hash);

  const filesOf = (form) => [...form.elements].filter((field) => field.type === "file").flatMap((field) => [...field.files].map(({ name }) => name));

  const removeAll = () => {
    for (const name of names(MINE)) remove(name);
  };
  const put = (name, text) => {
    let isStored = write("localStorage", name, text);
    while (!isStored && makeRoom(name)) isStored = write("localStorage", name, text);
    return isStored;
  };
  window.studioDrafts = {
    store: { read, write, put, remove, removeAll, removeOld, drafts, nameOf, newId, ofThisTab, setOfThisTab },
    fields: { values, defaultValues, fieldsOf, setValues, filesOf, equal, covers, startOf, startedAlike },
  };
})();
