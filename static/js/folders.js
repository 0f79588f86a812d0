// Folders that are dropped on a definition, packed as the tar that would be uploaded otherwise. For define.js.
(() => {
  const LEFT_OUT = new Set([".git", ".hg", ".svn", "__pycache__", "__MACOSX", ".DS_Store"]); // as the studio does
  const DEEPEST = 100;
  const BLOCK = 512;
  const utf8 = new TextEncoder();

  class Unfit extends Error {
    constructor(reason, largest = "") {
      super(reason);
      Object.assign(this, { reason, largest });
    }
  }

  const called = (act) => new Promise(act);
  const listed = async (folder) => {
    const reader = folder.createReader();
    const entries = [];
    for (;;) {
      const some = await called((done, failed) => reader.readEntries(done, failed)); // up to 100 at a time
      if (!some.length) return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
      entries.push(...some);
    }
  };

  // What takes the most, by the folder at the top that it is in.
  const largestOf = (files, weigh) => {
    const sums = new Map();
    for (const one of files) {
      const [top] = one.path.split("/");
      sums.set(top, (sums.get(top) || 0) + weigh(one));
    }
    return [...sums].sort((a, b) => b[1] - a[1])[0]?.[0] || "";
  };

  // All files below these entries, by their paths, with the empty folders; Unfit beyond the limits.
  const walk = async (entries, limits) => {
    const files = [];
    const empty = [];
    const without = [];
    let size = 0;
    const visit = async (inside, prefix, depth) => {
      if (depth > DEEPEST) throw new Unfit("deep");
      for (const entry of inside) {
        if (LEFT_OUT.has(entry.name)) continue;
        const path = prefix + entry.name;
        if (entry.isDirectory) {
          const below = await listed(entry);
          if (below.some(({ name }) => name === "pyvenv.cfg")) {
            without.push(path); // a virtual environment, with the paths of that machine
            continue;
          }
          if (!below.length) empty.push(path);
          await visit(below, `${path}/`, depth + 1);
          continue;
        }
        const file = await called((done, failed) => entry.file(done, failed));
        files.push({ path, file });
        size += file.size;
        if (files.length > limits.files) throw new Unfit("large", largestOf(files, () => 1));
        if (size > limits.bytes) throw new Unfit("large", largestOf(files, (one) => one.file.size));
      }
    };
    await visit(entries, "", 0);
    return { files, empty, without };
  };

  const octal = (value, length) => `${value.toString(8).padStart(length - 1, "0")}\0`;
  const header = (path, size, mode, kind) => {
    const block = new Uint8Array(BLOCK);
    const put = (at, bytes) => block.set(bytes, at);
    const write = (at, text) => put(at, utf8.encode(text));
    put(0, utf8.encode(path).slice(0, 100)); // a longer path is in the header before
    write(100, octal(mode, 8));
    write(108, octal(0, 8));
    write(116, octal(0, 8));
    write(124, octal(size, 12));
    write(136, octal(0, 12));
    write(148, " ".repeat(8));
    write(156, kind);
    write(257, "ustar\x0000");
    write(148, `${octal(block.reduce((sum, byte) => sum + byte, 0), 7)} `);
    return block;
  };
  const padding = (size) => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
  // A path of any length and script: `LENGTH path=PATH`, with its own length in bytes.
  const longPath = (path) => {
    const rest = utf8.encode(` path=${path}\n`);
    let length = rest.length;
    while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
    const record = new Uint8Array([...utf8.encode(String(length)), ...rest]);
    return [header("PaxHeaders/path", record.length, 0o644, "x"), record, padding(record.length)];
  };
  const member = (path, size, mode, kind, content = []) => {
    const plain = /^[\x20-\x7e]{1,99}$/.test(path);
    return [...(plain ? [] : longPath(path)), header(path, size, mode, kind), ...content, padding(size)];
  };

  // A browser does not say which files may be run: those with `#!` are.
  const modeOf = async (file) => ((await file.slice(0, 2).text()) === "#!" ? 0o755 : 0o644);
  const packed = async ({ files, empty }, name) => {
    const parts = empty.flatMap((path) => member(`${path}/`, 0, 0o755, "5"));
    for (const { path, file } of files) parts.push(...member(path, file.size, await modeOf(file), "0", [file]));
    parts.push(new Uint8Array(2 * BLOCK));
    return new File(parts, name, { type: "application/x-tar" });
  };

  // The entries of a drop if a folder is among them, else null. They are gone once the event is over.
  const entriesOf = (transfer) => {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    return entries.some((entry) => entry.isDirectory) ? entries : null;
  };

  // The files of a single folder without folders, or a tar of all; both with what was left out. Throws Unfit.
  const read = async (entries, limits) => {
    try {
      const [only] = entries;
      const inside = entries.length === 1 ? await listed(only) : entries;
      const tree = await walk(inside, limits);
      if (!tree.files.length) throw new Unfit("empty");
      const flat = !tree.empty.length && tree.files.every(({ path }) => !path.includes("/"));
      const name = entries.length === 1 ? only.name : "files";
      const tar = await packed(tree, `${name}.tar`);
      if (tar.size > limits.bytes) throw new Unfit("large", largestOf(tree.files, (one) => one.file.size));
      return { name, files: flat ? tree.files.map(({ file }) => file) : null, tar, without: tree.without };
    } catch (problem) {
      throw problem instanceof Unfit ? problem : new Unfit("unreadable");
    }
  };

  window.studioFolders = { entriesOf, read };
})();
