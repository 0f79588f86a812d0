// The stream of a workspace, shared by all pages of the browser: a browser opens only six connections to a host over
// HTTP/1.1. A page opens it with its own position and gets what it has missed; the stream ends with its last page.
const streams = new Map(); // by key: the URL and the reader
const LONGEST_PAUSE = 60_000; // ms

const parsed = (position) => {
  const [run, tick] = position.split(".");
  return { run, tick: Number(tick) || 0 };
};

class Stream {
  constructor(url, since) {
    this.url = url;
    this.start = since;
    this.position = since;
    this.ports = new Set();
    this.ticks = new Map(); // when each topic last changed
    this.pages = 1;
    this.pause = 1000;
    this.connect();
  }

  connect() {
    const source = new EventSource(`${this.url}?since=${encodeURIComponent(this.position)}`);
    this.source = source;
    source.addEventListener("open", () => {
      this.pause = 1000;
      this.tell({ type: "open" });
    });
    source.addEventListener("changes", (event) => {
      const { topics, pages } = JSON.parse(event.data);
      const { run, tick } = parsed(event.lastEventId);
      // Another process of the studio has a count of its own.
      if (run !== parsed(this.position).run) {
        this.ticks.clear();
        this.start = event.lastEventId;
      }
      this.position = event.lastEventId;
      this.pages = pages;
      for (const topic of topics) this.ticks.set(topic, tick);
      this.tell({ type: "changes", topics, pages, position: this.position });
    });
    source.addEventListener("error", () => {
      this.tell({ type: "lost" });
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
      this.timer = setTimeout(() => this.connect(), this.pause * (0.5 + Math.random()));
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    });
  }

  tell(message) {
    for (const port of this.ports) port.postMessage(message);
  }

  // Sends a page that joins what it has missed; everything, if that is not known.
  join(port, since) {
    this.ports.add(port);
    if (this.source.readyState === EventSource.OPEN) port.postMessage({ type: "open" });
    const [page, start, now] = [since, this.start, this.position].map(parsed);
    const known = page.run === now.run && page.run === start.run && page.tick >= start.tick;
    const topics = [...this.ticks].filter(([, tick]) => tick > page.tick).map(([topic]) => topic);
    if (!known) port.postMessage({ type: "changes", topics: ["*"], pages: this.pages, position: this.position });
    else if (topics.length) port.postMessage({ type: "changes", topics, pages: this.pages, position: this.position });
  }

  leave(port) {
    this.ports.delete(port);
    if (this.ports.size) return false;
    clearTimeout(this.timer);
    this.source.close();
    return true;
  }
}

const leave = (port) => {
  for (const [key, stream] of streams) {
    if (stream.ports.has(port) && stream.leave(port)) streams.delete(key);
  }
};

self.addEventListener("connect", (event) => {
  const [port] = event.ports;
  port.addEventListener("message", ({ data }) => {
    leave(port);
    if (data.type !== "open") return;
    const existing = streams.get(data.key);
    const stream = existing || new Stream(data.url, data.since);
    streams.set(data.key, stream);
    if (existing) stream.join(port, data.since);
    else stream.ports.add(port);
  });
  port.start();
});
