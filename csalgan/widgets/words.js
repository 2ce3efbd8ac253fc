// A sentence whose words are pointed at: hover or focus looks, a click keeps looking.
function render({ model, el }) {
  const strip = document.createElement("div");
  strip.className = "csalgan-words";
  strip.setAttribute("role", "group");
  el.appendChild(strip);
  let timer = null;

  function look(number) {
    // A pointer that only passes by asks nothing.
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (model.get("active") === number) return;
      model.set("active", number);
      model.save_changes();
    }, 60);
  }

  function draw() {
    strip.setAttribute("aria-label", model.get("label"));
    const shares = model.get("shares");
    const most = Math.max(...shares, 1e-9);
    strip.replaceChildren(
      ...model.get("words").map((word, number) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = word;
        const share = shares[number];
        if (share !== undefined) {
          button.style.setProperty("--share", (share / most).toFixed(3));
          button.title = `${(100 * share).toFixed(1)} % of attention moves without “${word}”`;
        }
        button.addEventListener("pointerenter", () => look(number));
        button.addEventListener("pointerleave", () => look(model.get("pinned")));
        button.addEventListener("focus", () => look(number));
        button.addEventListener("blur", () => look(model.get("pinned")));
        button.addEventListener("click", () => {
          const pinned = model.get("pinned") === number ? -1 : number;
          model.set("pinned", pinned);
          model.save_changes();
          look(pinned);
        });
        return button;
      })
    );
    mark();
  }

  function mark() {
    [...strip.children].forEach((button, number) => {
      button.classList.toggle("active", number === model.get("active"));
      button.setAttribute("aria-pressed", String(number === model.get("pinned")));
    });
  }

  model.on("change:words", draw);
  model.on("change:shares", draw);
  model.on("change:label", draw);
  model.on("change:active", mark);
  model.on("change:pinned", mark);
  draw();
  return () => clearTimeout(timer);
}

export default { render };
