/* What a page loads only when it needs it: KaTeX for math, Mermaid for diagrams. Both come
   from this folder, so no request leaves the site. And names for controls that Material
   creates without one. */
(() => {
  const base = new URL(".", document.currentScript.src);
  const loaded = new Map();

  /** Adds a script or style sheet to the page once; resolves when it is there. */
  function load(path) {
    if (!loaded.has(path)) {
      loaded.set(path, new Promise((resolve, reject) => {
        const isScript = path.endsWith(".js");
        const element = document.createElement(isScript ? "script" : "link");
        if (isScript) element.src = new URL(path, base);
        else Object.assign(element, { rel: "stylesheet", href: new URL(path, base) });
        element.onload = resolve;
        element.onerror = () => reject(new Error(`cannot load ${path}`));
        document.head.append(element);
      }));
    }
    return loaded.get(path);
  }

  /** Typesets what arithmatex marked: \(inline\) and \[display\]. */
  async function typeset(regions) {
    await Promise.all([load("katex/katex.min.css"), load("katex/katex.min.js")]);
    for (const region of regions) {
      if (region.dataset.typeset) continue;
      const text = region.textContent.trim();
      const displayMode = !text.startsWith("\\(");
      const source = text.replace(/^\\[[(]/, "").replace(/\\[\])]$/, "");
      region.dataset.typeset = displayMode ? "display" : "inline";
      katex.render(source, region, { displayMode, throwOnError: false });
      if (region.scrollWidth > region.clientWidth && displayMode) region.tabIndex = 0;
    }
  }

  const untypeset = () => [...document.querySelectorAll(".arithmatex:not([data-typeset])")];

  // Before a formula comes into sight; and all of them when the page is printed.
  const near = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) typeset(untypeset());
  }, { rootMargin: "400px 0px" });
  addEventListener("beforeprint", () => {
    const left = untypeset();
    if (left.length) typeset(left);
  });

  /* Material looks for `mermaid` when it meets the first diagram, and takes it from a CDN if
     there is none. This stands in for it and fetches our own copy at that moment. */
  let settings = {};
  window.mermaid = {
    initialize(options) { settings = options; },
    async render(id, source) {
      // The offline copy of the site brings its own address.
      const address = window.mermaidAddress?.() ?? new URL("mermaid/mermaid.esm.min.mjs", base);
      const { default: mermaid } = await import(address);
      mermaid.initialize(settings);
      return mermaid.render(id, source);
    },
  };

  /** Names the controls inside an element for people who do not see them. */
  function name(root) {
    const names = {
      ".md-search[role=dialog]": () => "Search",
      ".md-annotation__index": (link) => `Note ${link.textContent || ""}`.trim(),
      ".task-list-control > input": (box) => (box.checked ? "Done" : "Open"),
    };
    for (const [selector, label] of Object.entries(names)) {
      for (const element of root.querySelectorAll(`${selector}:not([aria-label])`)) {
        element.setAttribute("aria-label", label(element));
      }
    }
    // A table that is wider than the page scrolls, so the keyboard must get there.
    for (const wrap of root.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) {
      Object.assign(wrap, { tabIndex: 0, role: "group", ariaLabel: "Table" });
    }
    // A landmark for each copy button would bury the real ones.
    for (const nav of root.querySelectorAll(".md-code__nav:not([role])")) nav.role = "none";
  }

  // A reference to a source gets its title when it is pointed at or has the focus.
  for (const event of ["pointerover", "focusin"]) {
    document.addEventListener(event, ({ target }) => {
      const element = target.closest?.("[data-title]");
      if (element) element.title = element.dataset.title;
    });
  }

  new MutationObserver(() => name(document)).observe(document.body, {
    childList: true,
    subtree: true,
  });
  document$.subscribe(() => {
    name(document);
    near.disconnect();
    for (const region of untypeset()) near.observe(region);
  });
})();
