"""What the page does in the browser: a question is drawn or filled in, asked, answered and corrected.

Plain JavaScript of our own, inline, and allowed by its hash. What comes from data gets into the document as text alone,
never as HTML. The token of a service that asks for one is kept in this variable and nowhere else.
"""

SCRIPT = r"""
"use strict";
const $ = (id) => document.getElementById(id);
const model = JSON.parse($("model")?.textContent ?? "null");  // null where nothing can be asked from here
const headers = {};  // of every request; a token joins them once the service has asked for one
let retry = null;  // what was refused for want of a token

async function send(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30000),
    });
  } catch {
    return { status: 0, error: "The service cannot be reached. Is it still running?" };
  }
  const content = await response.json().catch(() => null);
  if (response.ok && content !== null) return { status: response.status, content };
  return { status: response.status, error: content?.error || `The service answered ${response.status}, without a reason.` };
}

function askForToken(again) {
  retry = again;
  $("token-form").hidden = false;
  $("token").focus();
}

function useToken() {
  headers.authorization = `Bearer ${$("token").value}`;
  $("token-form").hidden = true;
  startCounting();
  return retry();
}

// The question ----------------------------------------------------------------------------------------------------------

function board() {
  const { height, width } = model.image;
  const canvas = $("canvas");
  const context = canvas.getContext("2d");
  const pixels = new Uint8ClampedArray(height * width);
  const pen = { x: Math.floor(width / 2), y: Math.floor(height / 2), down: false };

  function show() {
    const image = context.createImageData(width, height);
    pixels.forEach((grey, i) => image.data.set([grey, grey, grey, 255], 4 * i));
    context.putImageData(image, 0, 0);
  }

  function take(greys) {
    pixels.set(greys);
    show();
  }

  function stamp(x, y) {  // a disc whose rim is softened, as a scanner sees a stroke
    const radius = $("pen-width").valueAsNumber / 2;
    const first = (middle) => Math.max(Math.floor(middle - radius - 1), 0);
    for (let row = first(y); row < Math.min(y + radius + 1, height); row++) {
      for (let column = first(x); column < Math.min(x + radius + 1, width); column++) {
        const inside = radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y);
        const i = row * width + column;
        pixels[i] = Math.max(pixels[i], 255 * Math.min(Math.max(inside, 0), 1));
      }
    }
  }

  let last = null;
  function draw(event) {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * width;
    const y = ((event.clientY - box.top) / box.height) * height;
    const [fromX, fromY] = last ?? [x, y];
    const steps = Math.ceil(4 * Math.hypot(x - fromX, y - fromY)) || 1;
    for (let i = 1; i <= steps; i++) stamp(fromX + ((x - fromX) * i) / steps, fromY + ((y - fromY) * i) / steps);
    last = [x, y];
    show();
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    last = null;
    draw(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) draw(event);
  });

  function showPen() {
    const style = $("pen").style;
    [style.left, style.top] = [`${(100 * pen.x) / width}%`, `${(100 * pen.y) / height}%`];
    [style.width, style.height] = [`${100 / width}%`, `${100 / height}%`];
    $("pen-place").textContent = `${pen.down ? "Drawn at row" : "Row"} ${pen.y + 1}, column ${pen.x + 1}`;
  }
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === " ") pen.down = true;
    else if (event.key in moves) {
      pen.x = Math.min(Math.max(pen.x + moves[event.key][0], 0), width - 1);
      pen.y = Math.min(Math.max(pen.y + moves[event.key][1], 0), height - 1);
    } else return;
    event.preventDefault();
    if (pen.down) stamp(pen.x + 0.5, pen.y + 0.5);
    show();
    showPen();
  });
  canvas.addEventListener("keyup", (event) => { if (event.key === " ") pen.down = false; });
  canvas.addEventListener("blur", () => { pen.down = false; });

  async function upload(file) {
    const picture = new Image();
    picture.src = URL.createObjectURL(file);
    const scaled = new OffscreenCanvas(width, height).getContext("2d");
    scaled.imageSmoothingQuality = "high";
    scaled.fillRect(0, 0, width, height);  // what is transparent becomes black, the ground of every drawing
    try {
      await picture.decode();
      scaled.drawImage(picture, 0, 0, width, height);
    } catch {
      $("problem").textContent = `${file.name} is no picture that this browser can read; try a PNG or a JPEG.`;
      return;
    } finally {
      URL.revokeObjectURL(picture.src);
    }
    const { data } = scaled.getImageData(0, 0, width, height);
    take(pixels.map((_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]));
    $("problem").textContent = "";
  }
  $("upload").addEventListener("change", (event) => {
    if (event.target.files[0]) upload(event.target.files[0]);
    event.target.value = "";  // the same file may be chosen again
  });
  $("invert").addEventListener("click", () => take(pixels.map((grey) => 255 - grey)));

  take(pixels);
  showPen();
  return {
    clear: () => take(pixels.map(() => 0)),
    example: () => take(model.example.images[0].flat()),
    missing: () => (pixels.some(Boolean) ? null : "The picture is empty. Draw, upload one, or take the example."),
    request: () => {
      const rows = Array.from({ length: height }, (_, y) => Array.from(pixels.subarray(y * width, (y + 1) * width)));
      return { images: [rows] };
    },
  };
}

function row() {
  const fields = model.columns.map((column, i) => ({ ...column, field: $(`field-${i}`) }));

  function value({ type, categories, field }) {  // an empty field is a value that is not known
    if (field.value === "") return null;
    if (type === "categorical") return categories[field.value];
    return type === "numeric" ? Number(field.value) : field.value;
  }
  function example({ name, type, categories }) {
    const shown = model.example.rows[0][name];
    return type === "categorical" ? categories.indexOf(shown) : shown;
  }
  return {
    clear: () => fields.forEach((one) => { one.field.value = ""; }),
    example: () => fields.forEach((one) => { one.field.value = example(one); }),
    missing: () => null,
    request: () => ({ rows: [Object.fromEntries(fields.map((one) => [one.name, value(one)]))] }),
  };
}

// The answer ------------------------------------------------------------------------------------------------------------

const percent = (share) => `${(100 * share).toFixed(1)} %`;
let answered = null;  // the request id of the answer that is shown

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  if (text !== null) made.textContent = text;
  made.append(...children);
  return made;
}

function bar(label, share) {
  const name = element("th", label);
  name.scope = "row";
  const track = element("span", null, element("span", null));
  track.className = "track";
  track.ariaHidden = "true";
  track.firstChild.style.width = `${100 * share}%`;
  return element("tr", null, name, element("td", null, track), element("td", percent(share)));
}

function showAnswer({ request_id, version, predictions: [{ label, probabilities, prediction }] }) {
  answered = request_id;
  if (probabilities) {
    const sorted = model.classes.map((name) => [name, probabilities[name]]).sort((a, b) => b[1] - a[1]);
    $("said").textContent = `${label}, ${percent(probabilities[label])}`;
    $("bars").replaceChildren(...sorted.map(([name, share]) => bar(name, share)));
    $("truth").value = model.classes.indexOf(label);
  } else {
    $("said").textContent = prediction.toLocaleString("en", { maximumSignificantDigits: 6 });
    $("truth").value = "";
  }
  $("answered-by").textContent = version ?? "a version without a name";
  $("request-id").textContent = request_id;
  $("other-version").hidden = version === model.version;
  $("answer").hidden = false;
  $("feedback").hidden = false;
  $("noted").textContent = "";
}

async function ask(question) {
  $("problem").textContent = question.missing() ?? "";
  if ($("problem").textContent) return;
  const { status, content, error } = await send("predict", question.request());
  $("waiting").hidden = true;
  if (error) {
    $("answer").hidden = true;
    $("said").textContent = "";
    $("problem").textContent = error;
    if (status === 401) askForToken(() => ask(question));
  } else showAnswer(content);
  $("outcome").scrollIntoView({ block: "nearest" });
}

async function giveFeedback() {
  const given = $("truth").value;
  const label = model.classes ? model.classes[given] : Number(given);
  const { status, content, error } = await send("feedback", { request_id: answered, item: 0, label });
  if (status === 404 || status === 503) {
    $("feedback").hidden = true;
    $("noted").textContent = "This service keeps no feedback.";
  } else if (error) {
    $("noted").textContent = error;
    if (status === 401) askForToken(giveFeedback);
  } else {
    const more = Object.entries(content).filter(([name]) => !["request_id", "item", "label"].includes(name));
    $("feedback").hidden = true;
    $("noted").textContent = [`Noted: ${label}.`, ...more.map(([name, value]) => `${name}: ${value}.`)].join(" ");
  }
}

// What it counts --------------------------------------------------------------------------------------------------------

let counting;
function startCounting() {
  clearInterval(counting);
  counting = setInterval(count, 2000);
  count();
}

async function count() {
  if (document.hidden) return;
  const response = await fetch("counters", { headers }).catch(() => null);
  if (response?.status === 404 || response?.status === 401) clearInterval(counting);
  const counters = response?.ok ? await response.json() : null;
  $("counters").hidden = counters === null;
  if (counters === null) return;
  for (const shown of $("counters").querySelectorAll("[data-counter]")) {
    const value = counters[shown.dataset.counter];
    if (value === null) shown.textContent = "–";
    else if (shown.dataset.counter === "since") {
      shown.textContent = new Date(value).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    } else shown.textContent = value.toLocaleString("en", { maximumFractionDigits: 2 });
  }
}

let busy = false;
async function onSubmit(event, act) {
  event.preventDefault();
  if (busy) return;  // a second click while the first is on its way
  busy = true;
  $("ask").ariaDisabled = "true";
  try {
    await act();
  } catch {
    $("problem").textContent = "The service answered something that this page cannot read. Load the page again.";
  } finally {
    busy = false;
    $("ask").ariaDisabled = "false";
  }
}

if (model) {
  const question = model.image ? board() : row();
  const acts = { "question": () => ask(question), "feedback": giveFeedback, "token-form": useToken };
  for (const [form, act] of Object.entries(acts)) $(form).addEventListener("submit", (event) => onSubmit(event, act));
  $("clear").addEventListener("click", question.clear);
  $("example").addEventListener("click", question.example);
}
startCounting();
"""
