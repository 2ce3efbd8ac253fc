// Pictures side by side: one zoom, one scroll position, the value under the pointer, words below.
const NAMES = ["A", "B", "difference", "measured"];

function make(parent, tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

function render({ model, el }) {
  const root = make(el, "div", "csalgan-grid");
  const reading = make(el, "p", "csalgan-reading");
  const panels = {};
  const timers = {};
  const later = (what, act) => {
    clearTimeout(timers[what]); // a pointer that only passes by asks nothing
    timers[what] = setTimeout(act, 60);
  };
  const same = (one, other) => one.join() === other.join();
  const set = (name, value) => {
    if (same(model.get(name), value)) return;
    model.set(name, value);
    model.save_changes();
  };

  for (const name of NAMES) {
    const panel = make(root, "section", "csalgan-panel");
    const title = make(panel, "h3");
    const frame = make(panel, "div", "csalgan-frame");
    const img = make(frame, "img", `csalgan-${name}`);
    const bar = make(panel, "div", "csalgan-bar");
    const words = make(panel, "div", `csalgan-words csalgan-words-${name}`);
    const low = make(bar, "span");
    const colours = make(bar, "i");
    const high = make(bar, "span");
    panels[name] = { panel, title, frame, img, words, low, colours, high };

    img.addEventListener("load", () => {
      root.style.setProperty("--ratio", img.naturalWidth / img.naturalHeight);
      root.classList.toggle("portrait", img.naturalHeight > img.naturalWidth);
    });
    frame.addEventListener("scroll", () => {
      for (const other of Object.values(panels)) {
        other.frame.scrollLeft = frame.scrollLeft;
        other.frame.scrollTop = frame.scrollTop;
      }
    });
    frame.addEventListener("pointermove", (event) => {
      if (event.buttons === 1) frame.scrollBy(-event.movementX, -event.movementY);
      const box = img.getBoundingClientRect();
      const place = [(event.clientX - box.x) / box.width, (event.clientY - box.y) / box.height];
      later("pointer", () => set("pointer", place));
    });
    frame.addEventListener("pointerleave", () => later("pointer", () => set("pointer", [])));
    frame.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the wheel alone scrolls the page
      event.preventDefault();
      const box = img.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.x) / box.width, (event.clientY - box.y) / box.height];
      const zoom = model.get("zoom") * (event.deltaY < 0 ? 1.25 : 0.8);
      model.set("zoom", Math.min(8, Math.max(1, zoom)));
      model.save_changes();
      const edge = frame.getBoundingClientRect();
      frame.scrollLeft = x * img.clientWidth - (event.clientX - edge.x);
      frame.scrollTop = y * img.clientHeight - (event.clientY - edge.y);
    });
    img.draggable = false;
    frame.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves its keys alone

    const draw = () => {
      const url = URL.createObjectURL(new Blob([model.get(name)], { type: "image/jpeg" }));
      const old = img.src;
      if (model.get(name).byteLength) img.src = url;
      if (old) setTimeout(() => URL.revokeObjectURL(old), 1000);
    };
    model.on(`change:${name}`, draw);
    draw();
  }

  function describe() {
    const shown = Object.fromEntries(model.get("panels").map((one) => [one.name, one]));
    for (const [name, parts] of Object.entries(panels)) {
      const about = shown[name];
      parts.panel.hidden = !about;
      if (!about) continue;
      parts.title.textContent = parts.title.title = about.title;
      parts.img.alt = about.alt;
      parts.low.textContent = about.low;
      parts.high.textContent = about.high;
      parts.colours.style.background = about.colours;
    }
  }

  function zoom() {
    root.style.setProperty("--zoom", model.get("zoom"));
    for (const [name, { frame }] of Object.entries(panels)) {
      const zoomed = model.get("zoom") > 1;
      frame.classList.toggle("zoomed", zoomed);
      for (const attribute of ["tabindex", "role", "aria-label"]) frame.removeAttribute(attribute);
      if (!zoomed) continue;
      frame.tabIndex = 0; // arrow keys move all pictures
      frame.setAttribute("role", "group");
      frame.setAttribute("aria-label", `${name}, enlarged: the arrow keys move it`);
    }
  }

  function write() {
    model.get("words").forEach((words, side) => {
      const strip = panels[NAMES[side]].words;
      const shares = model.get("shares")[side] ?? [];
      const most = Math.max(...shares, 1e-9);
      strip.setAttribute("role", "group");
      strip.setAttribute("aria-label", `words of sentence ${NAMES[side]}`);
      if (!same([...strip.children].map((button) => button.textContent), words)) {
        strip.replaceChildren();
        words.forEach((word, number) => {
          const button = make(strip, "button", "", word);
          const look = () => later("word", () => set("active", [side, number]));
          const back = () => later("word", () => set("active", model.get("pinned")));
          button.type = "button";
          button.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves its keys alone
          button.addEventListener("pointerenter", look);
          button.addEventListener("focus", look);
          button.addEventListener("pointerleave", back);
          button.addEventListener("blur", back);
          button.addEventListener("click", () => {
            set("pinned", same(model.get("pinned"), [side, number]) ? [] : [side, number]);
            back();
          });
        });
      }
      [...strip.children].forEach((button, number) => {
        const share = shares[number];
        button.style.setProperty("--share", ((share ?? 0) / most).toFixed(3));
        button.title =
          share === undefined
            ? ""
            : `${(100 * share).toFixed(1)} % of attention moves without “${words[number]}”`;
      });
    });
    mark();
  }

  function mark() {
    NAMES.slice(0, 2).forEach((name, side) =>
      [...panels[name].words.children].forEach((button, number) => {
        button.classList.toggle("active", same(model.get("active"), [side, number]));
        const pinned = same(model.get("pinned"), [side, number]);
        button.setAttribute("aria-pressed", String(pinned));
      })
    );
  }

  const read = () => (reading.textContent = model.get("reading"));
  model.on("change:panels", describe);
  model.on("change:zoom", zoom);
  for (const name of ["words", "shares"]) model.on(`change:${name}`, write);
  for (const name of ["active", "pinned"]) model.on(`change:${name}`, mark);
  model.on("change:reading", read);
  describe();
  zoom();
  write();
  read();
  return () => Object.values(timers).forEach(clearTimeout);
}

export default { render };
