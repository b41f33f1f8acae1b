"use strict";
// Sound for every page: clips of which one plays at a time, their buttons, sliders and keys.

/** The data that the page was made with. */
function pageData() {
  return JSON.parse(document.getElementById("data").textContent);
}

/** Bytes in base64 -> a Blob. */
function blobOf(base64, type) {
  return new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type });
}

/** Seconds -> "1:05". */
function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Have a screen reader say something. */
function announce(text) {
  document.getElementById("status").textContent = text;
}

/**
 * Clips of sound, of which one plays at a time.
 *
 * clips: [{label, audio (base64), type, seconds}, ...].  Each gets its audio element when it is
 * first wanted.  Events, whose detail is the number of a clip: "state" when it starts, stops or
 * becomes the current one; "time" when its time has moved; "problem" when it cannot be played.
 */
class Player extends EventTarget {
  constructor(clips) {
    super();
    this.clips = clips;
    this.current = 0;
    this.elements = clips.map(() => null);
    this.wanted = clips.map(() => 0); // seconds, until an element knows how long it is
    this.follow = this.follow.bind(this);
  }

  element(i) {
    if (!this.elements[i]) {
      const clip = this.clips[i];
      const audio = new Audio(URL.createObjectURL(blobOf(clip.audio, clip.type)));
      audio.preload = "auto";
      audio.addEventListener("loadedmetadata", () => {
        if (this.wanted[i]) audio.currentTime = this.wanted[i];
      });
      audio.addEventListener("play", () => {
        this.tell("state", i);
        requestAnimationFrame(this.follow);
      });
      audio.addEventListener("pause", () => this.tell("state", i));
      audio.addEventListener("seeked", () => this.tell("time", i));
      audio.addEventListener("ended", () => this.seek(i, 0));
      audio.addEventListener("error", () => this.tell("problem", i));
      this.elements[i] = audio;
    }
    return this.elements[i];
  }

  tell(name, i) {
    this.dispatchEvent(new CustomEvent(name, { detail: i }));
  }

  follow() {
    if (!this.isPlaying(this.current)) return;
    this.tell("time", this.current);
    requestAnimationFrame(this.follow);
  }

  isPlaying(i) {
    return Boolean(this.elements[i] && !this.elements[i].paused && !this.elements[i].ended);
  }

  seconds(i) {
    const known = this.elements[i]?.duration;
    return Number.isFinite(known) ? known : this.clips[i].seconds;
  }

  time(i) {
    const audio = this.elements[i];
    return audio && audio.readyState > 0 ? audio.currentTime : this.wanted[i];
  }

  /** Make a clip the one that keys are for; another one stops. */
  choose(i) {
    const before = this.current;
    if (i === before) return;
    this.elements[before]?.pause();
    this.current = i;
    this.tell("state", before);
    this.tell("state", i);
  }

  play(i) {
    this.choose(i);
    const started = this.element(i).play();
    // an AbortError is a pause that came before the start
    started?.catch((error) => {
      if (error.name !== "AbortError") this.tell("problem", i);
    });
  }

  pause() {
    this.elements[this.current]?.pause();
  }

  toggle(i) {
    if (this.isPlaying(i)) this.pause();
    else this.play(i);
  }

  seek(i, seconds) {
    this.choose(i);
    const to = Math.min(Math.max(seconds, 0), this.seconds(i));
    const audio = this.element(i);
    this.wanted[i] = to;
    if (audio.readyState > 0) audio.currentTime = to;
    this.tell("time", i);
  }
}

/**
 * Connect the controls of one clip: in `root` a button .play, a slider .seek, and texts .time,
 * .length and .problem.  say(i) describes where a clip is, for screen readers.
 */
function bindControls(player, i, root, say = (i) => clock(player.time(i))) {
  const button = root.querySelector(".play");
  const slider = root.querySelector(".seek");
  const time = root.querySelector(".time");
  const length = root.querySelector(".length");
  const problem = root.querySelector(".problem");
  const label = player.clips[i].label;

  const showTime = () => {
    const [now, all] = [player.time(i), player.seconds(i)];
    slider.max = String(all);
    slider.value = String(now);
    slider.style.setProperty("--done", all ? String(now / all) : "0");
    slider.setAttribute("aria-valuetext", `${say(i)} of ${clock(all)}`);
    time.textContent = clock(now);
    length.textContent = clock(all);
  };
  const showState = () => {
    const playing = player.isPlaying(i);
    root.classList.toggle("playing", playing);
    root.classList.toggle("current", player.current === i);
    button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${label}`);
  };

  slider.setAttribute("aria-label", `Position in ${label}`);
  button.addEventListener("click", () => player.toggle(i));
  slider.addEventListener("input", () => player.seek(i, Number(slider.value)));
  player.addEventListener("time", (event) => event.detail === i && showTime());
  player.addEventListener("state", (event) => event.detail === i && showState());
  player.addEventListener("problem", (event) => {
    if (event.detail !== i) return;
    problem.textContent = "This browser cannot play the sound; the notes can still be downloaded.";
    problem.hidden = false;
    announce(problem.textContent);
  });
  showTime();
  showState();
}

/**
 * Keys for the current clip: space plays and stops, arrows go to and fro, with shift to the next
 * and the last clip, Home to the start.  step(i, direction) is the time to which an arrow goes.
 */
function bindKeys(player, roots, step = (i, direction) => player.time(i) + 5 * direction) {
  const focused = () => {
    const at = roots.findIndex((root) => root.contains(document.activeElement));
    return at < 0 ? player.current : at;
  };
  const go = (to) => {
    if (to < 0 || to >= player.clips.length) return;
    const playing = player.isPlaying(player.current);
    player.choose(to);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    roots[to].scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
    roots[to].querySelector(".play").focus({ preventScroll: true });
    if (playing) player.play(to);
    else announce(player.clips[to].label);
  };
  const seek = (i, seconds) => {
    player.seek(i, seconds);
    // a slider that has the focus says so itself
    if (!document.activeElement.matches(".seek")) announce(clock(player.time(i)));
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.matches("input:not(.seek), select, textarea")) return;
    const i = focused();
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === " ") {
      if (event.shiftKey || event.target.closest("button, a, summary")) return; // their own
      player.toggle(i);
    } else if (direction && event.shiftKey) {
      go(i + direction);
    } else if (direction) {
      seek(i, step(i, direction));
    } else if (event.key === "Home" && event.target.matches(".seek, .play")) {
      seek(i, 0);
    } else {
      return;
    }
    event.preventDefault();
  });

  if ("mediaSession" in navigator) {
    const session = navigator.mediaSession;
    player.addEventListener("state", () => {
      session.metadata = new MediaMetadata({ title: player.clips[player.current].label });
    });
    session.setActionHandler("nexttrack", () => go(player.current + 1));
    session.setActionHandler("previoustrack", () => go(player.current - 1));
  }
}
