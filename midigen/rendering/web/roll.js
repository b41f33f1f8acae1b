"use strict";
// The piano roll of one song: all of it where that can be read, else some bars around the playhead.

const NOTE_NAMES = {
  sharp: ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"],
  flat: ["C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B"],
};
const FLAT_KEYS = /^([A-G]b |F major|[DGCF] minor)/;
const IS_BLACK = [1, 3, 6, 8, 10];
const ROLL = {
  keys: 58, // widths and heights in CSS pixels: of the keyboard at the left,
  right: 9, // behind the last note,
  top: 22, // of the bar numbers,
  bottom: 10, // and below
  row: [3.5, 8], // of a semitone, at least and at most
  height: 320, // that pitches may take
  drumRow: 9,
  gap: 10, // between pitches and drums
  leastBar: 22, // a bar this narrow can still be read
  bar: 80, // of a bar where the song is shown in part
  leastPitches: 24,
};

/** 60 -> "C4"; key is the song's, or null. */
function pitchName(pitch, key) {
  const names = FLAT_KEYS.test(key || "") ? NOTE_NAMES.flat : NOTE_NAMES.sharp;
  return names[pitch % 12] + (Math.floor(pitch / 12) - 1);
}

/** The place of the last of growing `starts` that is not after `time`, 0 before all. */
function placeIn(starts, time) {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * A song as the page has it, {parts: [{name, colour, drums, notes: [start, length, pitch, velocity,
 * ...] in ms}], drumNames, bars: seconds, sound: {seconds}, key} -> its notes and its rows.
 */
class Score {
  constructor(song) {
    this.song = song;
    this.end = song.sound.seconds; // the last note rings on
    this.bars = song.bars.filter((bar) => bar < this.end);
    this.notes = [];
    song.parts.forEach((part, of) => {
      for (let n = 0; n < part.notes.length; n += 4) {
        const [start, length, pitch, velocity] = part.notes.slice(n, n + 4);
        this.notes.push({ start: start / 1000, end: (start + length) / 1000, pitch, velocity, of });
      }
    });
    this.notes.sort((a, b) => a.start - b.start);
    this.starts = this.notes.map((note) => note.start);
    this.longest = this.notes.reduce((most, note) => Math.max(most, note.end - note.start), 0);
    const isDrum = (note) => song.parts[note.of].drums;
    const pitches = this.notes.filter((note) => !isDrum(note)).map((note) => note.pitch);
    const range = (of) => of.reduce(([a, b], p) => [Math.min(a, p), Math.max(b, p)], [127, 0]);
    [this.low, this.high] = pitches.length ? range(pitches) : [0, -1];
    this.hasPitches = pitches.length > 0;
    if (this.hasPitches) {
      const lack = Math.max(ROLL.leastPitches - (this.high - this.low + 1), 2);
      this.low = Math.max(0, this.low - Math.ceil(lack / 2));
      this.high = Math.min(127, this.high + Math.floor(lack / 2));
    }
    const drums = new Set(this.notes.filter(isDrum).map((note) => note.pitch));
    this.drums = [...drums].sort((a, b) => b - a);
    const widths = this.bars
      .slice(1)
      .map((bar, i) => bar - this.bars[i])
      .sort((a, b) => a - b);
    this.barSeconds = widths[widths.length >> 1] || this.end;
  }

  /** Notes that sound between two times. */
  *between(from, to) {
    for (let i = placeIn(this.starts, from - this.longest); i < this.notes.length; i++) {
      if (this.notes[i].start > to) return;
      if (this.notes[i].end >= from) yield this.notes[i];
    }
  }

  /** The number of the bar at a time, from 1. */
  barAt(time) {
    return placeIn(this.bars, time + 0.002) + 1;
  }

  nameOf(note) {
    const { drums } = this.song.parts[note.of];
    return drums ? this.song.drumNames[note.pitch] : pitchName(note.pitch, this.song.key);
  }
}

/** Where notes lie in a box of CSS pixels that shows the times from..to. */
class Frame {
  constructor(score, box, from, to, rowHeight, drumRow) {
    Object.assign(this, { score, from, to, ...box, rowHeight, drumRow });
    const rows = score.hasPitches ? score.high - score.low + 1 : 0;
    this.pitchBottom = this.top + rows * rowHeight;
    this.drumTop = this.pitchBottom + (rows && score.drums.length ? box.gap : 0);
    this.bottom = this.drumTop + score.drums.length * drumRow;
    this.perSecond = this.width / Math.max(to - from, 1e-6);
  }

  x(time) {
    return this.left + (time - this.from) * this.perSecond;
  }

  time(x) {
    return this.from + (x - this.left) / this.perSecond;
  }

  y(pitch) {
    return this.top + (this.score.high - pitch) * this.rowHeight;
  }

  /** [x, y, width, height] of a note. */
  place(note) {
    const drums = this.score.song.parts[note.of].drums;
    const width = drums
      ? Math.min(4, 0.2 * this.perSecond)
      : (note.end - note.start) * this.perSecond;
    const y = drums
      ? this.drumTop + this.score.drums.indexOf(note.pitch) * this.drumRow
      : this.y(note.pitch);
    const height = drums ? this.drumRow : this.rowHeight;
    const air = height > 5 ? 1 : 0;
    return [
      this.x(note.start),
      y + air / 2,
      Math.max(width - (width > 4 ? 1 : 0), 1.5),
      height - air,
    ];
  }
}

/** Colours of the style sheet. */
function ink() {
  const style = getComputedStyle(document.documentElement);
  const names = ["surface", "stripe", "line", "white-key", "black-key", "key-line", "ink", "soft"];
  return Object.fromEntries(
    names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
  );
}

/** Fit a canvas to its box, or to a height, and return what draws on it in CSS pixels. */
function fit(canvas, width, height) {
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const draw = canvas.getContext("2d");
  draw.setTransform(scale, 0, 0, scale, 0, 0);
  return draw;
}

function drawNote(draw, place, colour, strength) {
  const [x, y, width, height] = place;
  draw.globalAlpha = strength;
  draw.fillStyle = colour;
  draw.beginPath();
  if (draw.roundRect) draw.roundRect(x, y, width, height, Math.min(2.5, width / 2, height / 2));
  else draw.rect(x, y, width, height);
  draw.fill();
  draw.globalAlpha = 1;
}

const loudness = (note) => 0.6 + (0.4 * Math.min(note.velocity, 100)) / 100;

/**
 * The roll of one song in `stage`, a .roll with two canvases and an .overview.
 *
 * It calls seek(seconds) where somebody points, and tell(text) of what is under the pointer, ""
 * where nothing is.
 */
class Roll {
  constructor(score, stage, seek, tell) {
    Object.assign(this, { score, seek, tell });
    this.box = stage.querySelector(".roll");
    this.still = stage.querySelector(".still");
    this.moving = stage.querySelector(".moving");
    this.overview = stage.querySelector(".overview");
    this.time = 0;
    this.from = 0;
    this.held = false;
    new ResizeObserver(() => this.layout()).observe(this.box);
    addEventListener("themechange", () => this.layout());
    this.point(this.box, () => this.frame);
    this.point(this.overview, () => this.small);
    this.box.addEventListener("pointermove", (event) => this.hover(event));
    this.box.addEventListener("pointerleave", () => this.tell(""));
  }

  /** Click and drag in an element are times of the frame that is drawn in it. */
  point(element, frame) {
    const seek = (event) => {
      const x = event.clientX - element.getBoundingClientRect().left;
      const time = Math.min(Math.max(frame().time(x), 0), this.score.end);
      this.seek(time);
    };
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      this.held = element === this.box; // what is shown stays, under the finger
      seek(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) seek(event);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      element.addEventListener(end, () => {
        this.held = false;
      });
    }
  }

  hover(event) {
    const rect = this.box.getBoundingClientRect();
    const [x, y] = [event.clientX - rect.left, event.clientY - rect.top];
    const time = this.frame.time(x);
    for (const note of this.score.between(time - 0.05, time + 0.05)) {
      const [left, top, width, height] = this.frame.place(note);
      if (x < left - 1 || x > left + width + 1 || y < top || y > top + height) continue;
      const part = this.score.song.parts[note.of].name;
      this.tell(`${this.score.nameOf(note)} · ${part} · bar ${this.score.barAt(note.start)}`);
      return;
    }
    this.tell("");
  }

  /** Measure the box, and draw everything. */
  layout() {
    const { score } = this;
    this.width = this.box.clientWidth;
    if (!this.width) return;
    const rows = score.hasPitches ? score.high - score.low + 1 : 0;
    const [least, most] = ROLL.row;
    this.rowHeight = rows ? Math.min(Math.max(ROLL.height / rows, least), most) : 0;
    const notesWidth = this.width - ROLL.keys - ROLL.right;
    this.inPart = notesWidth / (score.end / score.barSeconds) < ROLL.leastBar;
    this.right = this.inPart ? 0 : ROLL.right; // what goes on, goes on to the edge
    const bars = (this.width - ROLL.keys) / ROLL.bar;
    this.seconds = this.inPart ? Math.min(bars * score.barSeconds, score.end) : score.end;
    this.colours = ink();
    this.height = this.makeFrame().bottom + ROLL.bottom;
    this.box.style.height = `${this.height}px`;
    this.scroll(true);
    this.overview.hidden = !this.inPart;
    if (this.inPart) this.drawOverview();
    this.drawStill();
    this.drawMoving();
  }

  makeFrame() {
    const width = this.width - ROLL.keys - this.right;
    const box = { left: ROLL.keys, top: ROLL.top, width, gap: ROLL.gap };
    return new Frame(
      this.score,
      box,
      this.from,
      this.from + this.seconds,
      this.rowHeight,
      ROLL.drumRow,
    );
  }

  /** Choose what is shown of a song that is shown in part: true where that is something else. */
  scroll(anyway = false) {
    const last = Math.max(this.score.end - this.seconds, 0);
    let from = this.from;
    if (!this.inPart) {
      from = 0;
    } else if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      // page by page
      if (this.time < from || this.time > from + 0.95 * this.seconds)
        from = this.time - 0.1 * this.seconds;
    } else {
      from = this.time - 0.3 * this.seconds;
    }
    from = Math.min(Math.max(from, 0), last);
    if (from === this.from && !anyway) return false;
    this.from = from;
    this.frame = this.makeFrame();
    return true;
  }

  show(time) {
    this.time = time;
    if (!this.frame) return;
    if (!this.held && this.scroll()) this.drawStill();
    this.drawMoving();
  }

  drawStill() {
    const { frame, score } = this;
    const draw = fit(this.still, this.width, this.height);
    this.drawRows(draw);
    this.drawBars(draw);
    draw.save();
    draw.beginPath();
    draw.rect(frame.left, 0, this.width - frame.left, this.height);
    draw.clip();
    for (const note of score.between(frame.from, frame.to)) {
      drawNote(draw, frame.place(note), score.song.parts[note.of].colour, loudness(note));
    }
    draw.restore();
    this.drawKeys(draw);
  }

  drawRows(draw) {
    const { frame, score, colours } = this;
    draw.fillStyle = colours.stripe;
    for (let pitch = score.low; pitch <= score.high; pitch++) {
      if (IS_BLACK.includes(pitch % 12)) {
        draw.fillRect(frame.left, frame.y(pitch), frame.width, frame.rowHeight);
      }
    }
    draw.fillStyle = colours.line;
    for (let pitch = score.low; pitch <= score.high; pitch++) {
      if (pitch % 12 === 0)
        draw.fillRect(frame.left, frame.y(pitch) + frame.rowHeight, frame.width, 1);
    }
  }

  drawBars(draw) {
    const { frame, score, colours } = this;
    const barWidth = score.barSeconds * frame.perSecond;
    const every = [1, 2, 4, 8, 16, 32, 64].find((n) => n * barWidth >= 44) || 128;
    draw.font = "11px system-ui, sans-serif";
    draw.textBaseline = "middle";
    draw.textAlign = "left";
    score.bars.forEach((time, i) => {
      if (time < frame.from - 1e-6 || time > frame.to) return;
      const x = Math.round(frame.x(time));
      const named = i % every === 0;
      draw.globalAlpha = named ? 1 : 0.55;
      draw.fillStyle = colours.line;
      draw.fillRect(x, named ? 6 : frame.top, 1, frame.bottom - (named ? 6 : frame.top));
      draw.globalAlpha = 1;
      if (!named) return;
      draw.fillStyle = colours.soft;
      draw.fillText(String(i + 1), x + 5, 11);
    });
  }

  /** The keyboard at the left, seen from above: its black keys end where the white ones go on. */
  drawKeys(draw) {
    const { frame, score, colours } = this;
    draw.fillStyle = colours.surface;
    draw.fillRect(0, 0, frame.left - 1, this.height);
    draw.fillStyle = colours["white-key"];
    draw.fillRect(0, frame.top, frame.left - 1, frame.pitchBottom - frame.top);
    draw.font = "10px system-ui, sans-serif";
    draw.textBaseline = "middle";
    draw.textAlign = "right";
    for (let pitch = score.low; pitch <= score.high; pitch++) {
      const y = frame.y(pitch);
      draw.fillStyle = colours["key-line"];
      if ([0, 5].includes(pitch % 12)) draw.fillRect(0, y + frame.rowHeight, frame.left - 1, 1);
      if (IS_BLACK.includes(pitch % 12)) this.drawKey(draw, pitch, colours["black-key"]);
      if (pitch % 12) continue;
      draw.fillStyle = colours.soft;
      draw.fillText(pitchName(pitch), frame.left - 6, y + frame.rowHeight / 2 + 0.5);
    }
    draw.fillStyle = colours.line;
    if (score.hasPitches)
      draw.fillRect(frame.left - 1, frame.top, 1, frame.pitchBottom - frame.top);
    draw.fillStyle = colours.soft;
    if (score.drums.length)
      draw.fillText("drums", frame.left - 6, (frame.drumTop + frame.bottom) / 2);
  }

  drawKey(draw, pitch, colour) {
    const { frame } = this;
    draw.fillStyle = colour;
    const width = (frame.left - 1) * (IS_BLACK.includes(pitch % 12) ? 0.56 : 1);
    draw.fillRect(0, frame.y(pitch) + 0.5, width, frame.rowHeight - 0.5);
  }

  drawMoving() {
    const { frame, score, colours, time } = this;
    const draw = fit(this.moving, this.width, this.height);
    const x = frame.x(time);
    if (time > 0) {
      draw.fillStyle = colours.surface;
      draw.globalAlpha = 0.45;
      draw.fillRect(frame.left, frame.top, Math.max(x - frame.left, 0), frame.bottom - frame.top);
      draw.globalAlpha = 1;
      for (const note of score.between(time, time)) {
        if (note.end <= time) continue;
        const part = score.song.parts[note.of];
        drawNote(draw, frame.place(note), part.colour, 1);
        if (!part.drums) this.drawKey(draw, note.pitch, part.colour);
      }
    }
    if (x >= frame.left - 1) {
      draw.fillStyle = colours.ink;
      draw.fillRect(Math.round(x) - 0.75, frame.top - 6, 1.5, frame.bottom - frame.top + 6);
      draw.beginPath();
      draw.arc(Math.round(x), frame.top - 6, 3.5, 0, 2 * Math.PI);
      draw.fill();
    }
    if (this.inPart) this.drawWindow();
  }

  /** The whole song, small. */
  drawOverview() {
    const { score, colours } = this;
    const [width, height] = [this.overview.clientWidth, this.overview.clientHeight];
    const rows = (score.hasPitches ? score.high - score.low + 1 : 0) + score.drums.length;
    const row = (height - 8) / rows;
    this.small = new Frame(
      score,
      { left: ROLL.keys, top: 4, width: width - ROLL.keys - ROLL.right, gap: 0 },
      0,
      score.end,
      row,
      row,
    );
    this.song = document.createElement("canvas");
    const draw = fit(this.song, width, height);
    draw.fillStyle = colours.surface;
    draw.fillRect(0, 0, width, height);
    for (const note of score.notes) {
      const [x, y, w, h] = this.small.place(note);
      draw.fillStyle = score.song.parts[note.of].colour;
      draw.fillRect(x, y, w, Math.max(h, 1));
    }
  }

  /** What of the whole song is shown, and where the playhead is. */
  drawWindow() {
    const { colours, small, frame } = this;
    const [width, height] = [this.overview.clientWidth, this.overview.clientHeight];
    const draw = fit(this.overview, width, height);
    draw.drawImage(this.song, 0, 0, width, height);
    const [left, right] = [small.x(frame.from), small.x(frame.to)];
    draw.fillStyle = colours.surface;
    draw.globalAlpha = 0.6;
    draw.fillRect(ROLL.keys, 0, left - ROLL.keys, height);
    draw.fillRect(right, 0, width - right, height);
    draw.globalAlpha = 1;
    draw.strokeStyle = colours.soft;
    draw.strokeRect(left + 0.5, 0.5, right - left - 1, height - 1);
    draw.fillStyle = colours.ink;
    draw.fillRect(small.x(this.time) - 0.75, 0, 1.5, height);
  }
}
