// A number with a name: the browser's own slider, one tab stop.
let made = 0;

function render({ model, el }) {
  const id = `csalgan-slider-${(made += 1)}`;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const output = document.createElement("output");
  const help = document.createElement("small");
  el.classList.add("csalgan-slider");
  el.append(label, input, output, help);
  label.htmlFor = input.id = id;
  help.id = `${id}-help`;
  input.type = "range";
  input.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves its keys alone
  input.setAttribute("aria-describedby", help.id);

  const show = () => {
    label.textContent = model.get("label");
    help.textContent = model.get("help");
    for (const name of ["min", "max", "step", "value"]) input[name] = model.get(name);
    output.textContent = Number(model.get("value").toFixed(2));
  };
  input.addEventListener("input", () => {
    output.textContent = input.value;
    model.set("value", Number(input.value));
    model.save_changes();
  });
  for (const name of ["label", "help", "value", "min", "max"]) model.on(`change:${name}`, show);
  show();
}

export default { render };
