// Thumbnails to choose a picture by, cut from one sheet.
function render({ model, el }) {
  const list = document.createElement("div");
  const more = document.createElement("button");
  list.className = "csalgan-thumbs";
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "pictures");
  more.type = "button";
  more.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves its keys alone
  more.className = "csalgan-more";
  el.append(list, more);
  let url = "";

  function draw() {
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([model.get("sheet")], { type: "image/jpeg" }));
    const [width, height] = model.get("size");
    const items = model.get("items");
    list.replaceChildren(
      ...items.map(({ id, label }, number) => {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves its keys alone
        button.dataset.id = id;
        button.title = label;
        button.setAttribute("aria-label", label);
        button.style.cssText = `width:${width}px; height:${height}px;
          background: url(${url}) ${-width * number}px 0 content-box`;
        button.addEventListener("click", () => {
          model.set("chosen", id);
          model.save_changes();
        });
        return button;
      })
    );
    if (!items.length) list.textContent = "no picture found";
    const rest = model.get("found") - items.length;
    more.hidden = rest <= 0;
    more.textContent = `Show more (${rest} not shown)`;
    mark();
  }

  function mark() {
    for (const button of list.children)
      button.setAttribute("aria-pressed", String(button.dataset.id === model.get("chosen")));
  }

  more.addEventListener("click", () => {
    model.set("wanted", model.get("wanted") + 12);
    model.save_changes();
  });
  model.on("change:sheet", draw); // sent after the items
  model.on("change:found", draw); // another search may find the same first pictures
  model.on("change:chosen", mark);
  if (model.get("items").length) draw();
  else more.hidden = true;
}

export default { render };
