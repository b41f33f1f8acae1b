"use strict";
// The page of songs: an article for each, made from the template and the data.
{
  const data = pageData();
  const $ = (selector, root = document) => root.querySelector(selector);
  const fill = (selector, text, root = document) => {
    $(selector, root).textContent = text;
  };

  /** [{label, value, note?}, ...] as the rows of a dl. */
  const fillList = (list, rows) => {
    for (const { label, value, note } of rows) {
      const row = list.appendChild(document.createElement("div"));
      row.appendChild(document.createElement("dt")).textContent = label;
      row.appendChild(document.createElement("dd")).textContent = value;
      if (!note) continue;
      const more = row.appendChild(document.createElement("dd"));
      more.className = "note";
      more.textContent = note;
    }
    list.hidden = !rows.length;
  };

  const songs = data.songs;
  const clips = songs.map((song) => ({ ...song.sound, label: song.name }));
  const player = new Player(clips);
  const scores = songs.map((song) => new Score(song));
  const roots = songs.map(() => $("#song").content.cloneNode(true).firstElementChild);

  /** Describe a roll to who cannot see it. */
  const describe = (song, score) => {
    const told = song.parts.map((part, of) => {
      const notes = score.notes.filter((note) => note.of === of);
      const pitches = notes.map((note) => note.pitch);
      const [low, high] = pitches.reduce(([a, b], p) => [Math.min(a, p), Math.max(b, p)], [127, 0]);
      const range = `${pitchName(low, song.key)} to ${pitchName(high, song.key)}`;
      return `${part.name}, ${notes.length} notes${part.drums ? "" : ` from ${range}`}`;
    });
    return `Piano roll of ${song.name}: ${told.join("; ")}.`;
  };

  const barText = (i) => `bar ${scores[i].barAt(player.time(i))} of ${scores[i].bars.length}`;

  const fillHead = (song, i, root) => {
    const several = songs.length > 1;
    fill(".number", several ? String(i + 1) : "", root);
    fill(".name", song.name, root);
    $("h2", root).classList.toggle("unseen", !several);
    fill(".gist", song.gist, root);
    const link = $(".download", root);
    link.href = URL.createObjectURL(blobOf(song.midi, "audio/midi"));
    link.download = song.file;
    link.setAttribute("aria-label", `Download ${song.file}, MIDI`);
  };

  const fillParts = (song, root) => {
    for (const part of song.parts) {
      const item = $(".parts", root).appendChild(document.createElement("li"));
      const swatch = item.appendChild(document.createElement("span"));
      swatch.className = "swatch";
      swatch.style.background = part.colour;
      const text = item.appendChild(document.createElement("span"));
      text.appendChild(document.createElement("bdi")).textContent = part.name;
      if (!part.instrument) continue;
      const instrument = text.appendChild(document.createElement("span"));
      instrument.className = "instrument";
      instrument.textContent = ` ${part.instrument}`;
    }
  };

  songs.forEach((song, i) => {
    const root = roots[i];
    root.setAttribute("aria-label", song.name);
    fillHead(song, i, root);
    fillParts(song, root);
    fillList($(".facts", root), song.facts);
    fillList($(".own", root), song.settings);
    $(".still", root).setAttribute("aria-label", describe(song, scores[i]));
    $("#songs").append(root);

    const showWhere = (text = "") => fill(".where", text || barText(i), root);
    const roll = new Roll(scores[i], $(".stage", root), (time) => player.seek(i, time), showWhere);
    player.addEventListener("time", (event) => {
      if (event.detail !== i) return;
      roll.show(player.time(i));
      showWhere();
    });
    bindControls(player, i, root, () => `${barText(i)}, ${clock(player.time(i))}`);
    showWhere();
  });

  // an arrow goes to the start of the next bar, or of this one, or of the one before near a start
  bindKeys(player, roots, (i, direction) => {
    const { bars, end } = scores[i];
    const time = player.time(i);
    if (direction > 0) return bars[scores[i].barAt(time)] ?? end;
    return bars[scores[i].barAt(time - 0.4) - 1];
  });

  fill("#title", data.title);
  fill("#lede", data.lede);
  $("#lede").hidden = !data.lede;
  for (const [place, rows] of Object.entries({ made: data.settings, meanings: data.meanings })) {
    fillList($(`#${place} dl`), rows);
    $(`#${place}`).hidden = !rows.length;
  }
  if (songs.length > 1) fill("#made h2", "How they were made");
  document.body.classList.toggle("single", songs.length === 1);
  $(".several").hidden = songs.length < 2;
}
