// What the editor knows of a definition's languages: how each is coloured, and which packages a place in it asks for.
(() => {
  const { HighlightStyle, LanguageSupport, StreamLanguage, dockerFile, syntaxHighlighting, tags, toml, yaml } = CodeMirror;

  const requirements = StreamLanguage.define({
    name: "requirements",
    token(stream) {
      if (stream.eatSpace()) return null;
      if (stream.match(/#.*/)) return "comment";
      if (stream.match(/--?[a-z][\w-]*/i)) return "keyword";
      if (stream.match(/[a-z+]+:\/\/\S+/i)) return "string";
      if (stream.match(/===|[=!<>~]=|[<>=@;,]/)) return "operator";
      if (stream.match(/"[^"]*"?|'[^']*'?/)) return "string";
      if (stream.match(/\[[^\]]*\]?/)) return "typeName";
      if (stream.match(/v?\d[\w.*+!-]*/)) return "number";
      if (stream.match(/[\w.-]+/)) return "propertyName";
      stream.next();
      return null;
    },
    languageData: { commentTokens: { line: "#" } },
  });

  const languages = {
    yaml: yaml(),
    dockerfile: new LanguageSupport(StreamLanguage.define(dockerFile)),
    toml: new LanguageSupport(StreamLanguage.define(toml)),
    requirements: new LanguageSupport(requirements),
  };
  const ofFormat = {
    "v1-json": "yaml",
    "v2-yaml": "yaml",
    "conda-env": "yaml",
    "conda-lock": "yaml",
    curated: "yaml",
    "mlflow-python-env": "yaml",
    dockerfile: "dockerfile",
    context: "dockerfile",
    pylock: "toml",
    pyproject: "toml",
    "uv-lock": "toml",
    "setup-cfg": "toml",
    "pep723-script": "requirements",
    "pyproject-poetry": "toml",
    "poetry-lock": "toml",
    "pdm-lock": "toml",
    pipfile: "toml",
    "pipfile-lock": "yaml",
    "pixi-toml": "toml",
    "pyproject-pixi": "toml",
    "pixi-lock": "yaml",
  };

  // Guess the language from the first lines, until the server reports the format.
  const guess = (text) => {
    const start = text.slice(0, 4000);
    if (/^\s*(#\s*(syntax|escape)=|(#.*\s+)*(FROM|ARG)\s)/i.test(start)) return "dockerfile";
    if (/^\[\[?[\w.-]+\]\]?\s*$|^lock-version\s*=/m.test(start)) return "toml";
    if (/^\s*[{[]|^---|^- |^[A-Za-z_$"'][\w$. "'-]*:(\s|$)/m.test(start)) return "yaml";
    return "requirements";
  };

  const tagClasses = (name, ...all) => all.map((tag) => ({ tag, class: name }));
  const highlighting = syntaxHighlighting(
    HighlightStyle.define([
      ...tagClasses("tok-comment", tags.comment),
      ...tagClasses("tok-key", tags.propertyName, tags.definition(tags.propertyName), tags.attributeName, tags.variableName),
      ...tagClasses("tok-word", tags.keyword, tags.standard(tags.variableName), tags.heading),
      ...tagClasses("tok-text", tags.string, tags.content),
      ...tagClasses("tok-number", tags.number, tags.bool, tags.null, tags.atom, tags.typeName),
      ...tagClasses("tok-sign", tags.operator, tags.separator, tags.punctuation),
    ]),
  );

  const NAME = "[A-Za-z0-9][\\w.-]*";
  const NAME_PREFIX = new RegExp(`^(?:${NAME})?$`);
  const PINNED = new RegExp(`^(${NAME})(?:\\[[^\\]]*\\])?\\s*(?:[=!<>~]=?=?|===)\\s*([\\w.*+!]*)$`);

  // The key above a YAML list item: `dependencies` lists conda packages, `pip` lists pip packages.
  const keyAbove = (doc, line) => {
    let indent = /^\s*/.exec(line.text)[0].length;
    for (let number = line.number - 1; number > 0; number -= 1) {
      const above = doc.line(number).text;
      if (!above.trim() || above.trim().startsWith("#")) continue;
      const level = /^\s*/.exec(above)[0].length;
      if (level > indent || (level === indent && above.trim().startsWith("-"))) continue;
      const key = /^\s*(?:-\s+)?["']?([\w-]+)["']?\s*:\s*$/.exec(above);
      if (key) return key[1];
      indent = level;
    }
    return "";
  };
  const BASE = { yaml: /^\s*image:\s+["']?([\w./:@-]*)$/, dockerfile: /^\s*FROM\s+(?:--platform=\S+\s+)?([\w./:@-]*)$/i };
  const KINDS = { pip: "pypi", dependencies: "conda" };

  // What is being typed at a position: {kind, prefix} for a name or a base image, {kind, name, prefix} for a version; or null.
  const completionAt = (state, pos, language) => {
    const line = state.doc.lineAt(pos);
    const before = line.text.slice(0, pos - line.from);
    const base = BASE[language]?.exec(before);
    if (base) return { kind: "base", prefix: base[1] };
    let typed = null;
    let kind = "pypi";
    if (language === "requirements") typed = before.trimStart();
    else if (language === "yaml") {
      const item = /^\s*-\s+["']?(.*)$/.exec(before);
      if (!item) return null;
      typed = item[1];
      kind = KINDS[keyAbove(state.doc, line)];
      if (!kind) return null;
    } else if (language === "dockerfile") {
      const installed = /\bpip3?\s+install\s(?:.*\s)?["']?(\S*)$/.exec(before);
      if (!installed) return null;
      typed = installed[1];
    } else return null;
    if (NAME_PREFIX.test(typed)) return { kind, prefix: typed };
    const pin = PINNED.exec(typed);
    return pin ? { kind, name: pin[1], prefix: pin[2] } : null;
  };

  window.studioLanguages = { completionAt, highlighting, guess, languages, ofFormat };
})();
