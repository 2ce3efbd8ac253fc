// Save the view as a PNG; copy the Python line.
function render({ model, el }) {
  const row = document.createElement("div");
  row.className = "csalgan-keep-row";
  const save = document.createElement("button");
  save.type = "button";
  save.textContent = "Save as PNG";
  const copy = document.createElement("button");
  copy.type = "button";
  copy.textContent = "Copy Python line";
  const line = document.createElement("code");
  row.append(save, copy, line);
  el.appendChild(row);
  const show = () => (line.textContent = model.get("line"));
  model.on("change:line", show);
  show();

  save.addEventListener("click", () => {
    save.disabled = true; // until the file has come
    model.send({ kind: "save" });
  });
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
    save.disabled = false;
    if (message.kind !== "file") return;
    const url = URL.createObjectURL(new Blob(buffers, { type: message.type }));
    const link = document.createElement("a");
    link.href = url;
    link.download = message.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
}

export default { render };
