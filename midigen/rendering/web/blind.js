"use strict";
// The page for blind listening: an article for each excerpt, its rating, and the file of ratings.
{
  const data = pageData();
  const $ = (selector, root = document) => root.querySelector(selector);
  const KEY = `midigen-ratings-${data.page}`;
  const WORDS = ["bad", "poor", "fair", "good", "excellent"];

  const count = data.clips.length;
  const clips = data.clips.map((clip, i) => ({ ...clip, label: `excerpt ${i + 1}` }));
  const player = new Player(clips);
  const roots = clips.map(() => $("#excerpt").content.cloneNode(true).firstElementChild);

  /** What the browser has kept of this page, if it keeps anything for a file. */
  const restored = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY));
      const known = (rating) => rating === null || data.scale.includes(rating);
      const fits = kept.ratings.length === count && kept.ratings.every(known);
      return fits && typeof kept.listener === "string" ? kept : null;
    } catch {
      return null;
    }
  };
  const newListener = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const state = restored() ?? { listener: newListener(), ratings: clips.map(() => null) };
  const keep = () => {
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
    } catch {
      $("#unkept").hidden = false;
    }
  };

  const showRated = () => {
    const rated = state.ratings.filter((rating) => rating !== null).length;
    $("#rated").textContent =
      rated === count ? `All ${count} are rated.` : `${rated} of ${count} are rated.`;
  };

  const rate = (i, rating) => {
    if ($(".rating", roots[i]).disabled) return;
    state.ratings[i] = rating;
    $(`.step input[value="${rating}"]`, roots[i]).checked = true;
    keep();
    showRated();
  };

  const addSteps = (i, root) => {
    for (const value of data.scale) {
      const step = $(".steps", root).appendChild(document.createElement("label"));
      step.className = "step";
      const input = step.appendChild(document.createElement("input"));
      input.type = "radio";
      input.name = `rating-${i + 1}`;
      input.value = String(value);
      input.setAttribute("aria-label", `${value}, ${WORDS[value - 1]}`);
      input.addEventListener("change", () => rate(i, value));
      step.appendChild(document.createElement("span")).textContent = String(value);
    }
  };

  clips.forEach((clip, i) => {
    const root = roots[i];
    const heading = $("h2", root);
    heading.textContent = String(i + 1);
    heading.setAttribute("aria-label", `Excerpt ${i + 1}`);
    $("legend", root).textContent = `How good is the music of excerpt ${i + 1}?`;
    addSteps(i, root);
    bindControls(player, i, root);
    $("#excerpts").append(root);
    if (state.ratings[i] !== null) {
      $(".rating", root).disabled = false;
      rate(i, state.ratings[i]);
    }
  });

  // what was not heard is not rated
  player.addEventListener("state", ({ detail }) => {
    if (player.isPlaying(detail)) $(".rating", roots[detail]).disabled = false;
  });

  bindKeys(player, roots);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const value = data.scale.find((step) => String(step) === event.key);
    if (value === undefined) return;
    const at = roots.findIndex((root) => root.contains(document.activeElement));
    const i = at < 0 ? player.current : at;
    rate(i, value);
    if (state.ratings[i] === value) announce(`Excerpt ${i + 1}: ${value}, ${WORDS[value - 1]}`);
  });

  $("#save").addEventListener("click", () => {
    const { format, version, page, sealed } = data;
    const saved = new Date().toISOString();
    const text = JSON.stringify({ format, version, page, saved, ...state, sealed });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `midigen-ratings-${page}-${state.listener}.json`;
    link.click();
    announce("Saved.");
  });

  $(".count").textContent = String(count);
  showRated();
  keep();
}
