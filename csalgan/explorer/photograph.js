// A photograph from the person's machine, made smaller before it is sent.
const LIMIT = 8e6; // bytes of a file that is sent as it is

async function smaller(file, side) {
  // The browser turns the photograph upright by its EXIF note.
  const picture = await createImageBitmap(file);
  const scale = side / Math.max(picture.width, picture.height);
  if (scale >= 1 && file.size <= LIMIT) return file; // Python reads the very file
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * Math.min(1, scale)));
  canvas.height = Math.max(1, Math.round(picture.height * Math.min(1, scale)));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // what is transparent lies on white
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("empty"))), "image/png")
  );
}

function render({ model, el }) {
  const label = document.createElement("label");
  label.className = "csalgan-choose";
  const input = document.createElement("input");
  input.type = "file";
  input.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves its keys alone
  input.accept = ".jpg,.jpeg,.png,.webp";
  const text = document.createElement("span");
  label.append(input, text);
  el.appendChild(label);
  const name = () => (text.textContent = model.get("label"));
  model.on("change:label", name);
  name();

  input.addEventListener("change", async () => {
    const file = input.files[0];
    input.value = ""; // the same file can be given again
    if (!file) return;
    let content = file;
    try {
      content = await smaller(file, model.get("side"));
    } catch {
      if (file.size > LIMIT) {
        const message = `${file.name}: is not a picture this browser can read; give a JPEG, PNG or WebP file.`;
        model.send({ kind: "refused", message });
        return;
      }
    }
    const buffer = await content.arrayBuffer();
    const about = { kind: "photograph", name: file.name, smaller: content !== file };
    model.send(about, undefined, [buffer]);
  });
}

export default { render };
