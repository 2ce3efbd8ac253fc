// Download what is on the screen; copy the Python line.
function render({ model, el }) {
  const row = document.createElement("div");
  row.className = "csalgan-keep-row";
  const button = (text) => {
    const made = document.createElement("button");
    made.type = "button";
    made.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves its keys alone
    made.textContent = text;
    row.append(made);
    return made;
  };
  const saves = model.get("files").map(([what, label]) => {
    const save = button(label);
    save.dataset.what = what;
    save.addEventListener("click", () => {
      save.disabled = true; // until the file has come
      model.send({ kind: "save", what });
    });
    return save;
  });
  const copy = button("Copy Python line");
  const line = document.createElement("code");
  line.tabIndex = 0; // it scrolls
  line.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves its keys alone
  line.setAttribute("role", "group");
  line.setAttribute("aria-label", "Python line");
  el.append(row, line);
  const show = () => (line.textContent = model.get("line"));
  model.on("change:line", show);
  show();

  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(model.get("line"));
      copy.textContent = "Copied";
    } catch {
      // No permission for the clipboard: mark the line, so that Ctrl-C copies it.
      getSelection().selectAllChildren(line);
      copy.textContent = "Press Ctrl-C";
    }
    setTimeout(() => (copy.textContent = "Copy Python line"), 1500);
  });
  model.on("msg:custom", (message, buffers) => {
    for (const save of saves) save.disabled = false;
    if (message.kind !== "file") return;
    const url = URL.createObjectURL(new Blob(buffers));
    const link = document.createElement("a");
    link.href = url;
    link.download = message.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
}

export default { render };
