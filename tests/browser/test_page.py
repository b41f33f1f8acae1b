"""The page of songs in a browser: is it heard, seen, steered, and safe."""

import math

import pytest

from midigen.rendering.page import Fact, PageSong, make_page
from tests.midi.craft import meta, midi, note, tempo

BAR = 2.0  # seconds: four beats at 120
HOSTILE = '</script><img src=x onerror="alert(1)">'
SMALL, LARGE = 360, 1280


# canvas.getContext("2d").getImageData, but for the warning that it gives when it is called again
PIXELS = """
  const pixels = (canvas) => {
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    return copy.getImageData(0, 0, width, height);
  };
"""


def song(name, bars, low=60, drums=False, track_name="Melody", title=""):
    pitches = [low + step for step in (0, 4, 7, 12)] * bars
    melody = meta(3, track_name.encode()) + b"".join(note(p, 480, velocity=90) for p in pitches)
    tracks = [meta(3, title.encode()) + tempo(120), melody]
    if drums:
        beats = b"".join(note(36 + 2 * (n % 2), 480, channel=9) for n in range(4 * bars))
        tracks.append(meta(3, b"Drums") + beats)
    return PageSong(name, midi(*tracks))


FIRST = song("first.mid", 8)
SECOND = song('we"ird <b>.mid', 6, 48, drums=True, track_name=HOSTILE, title=f"A {HOSTILE}")
LONG = song("long.mid", 30)._replace(facts=(Fact("Likelihood", "−1.5 nats", "A note."),))


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A page of three songs, the last so long that it is shown in part."""
    path = tmp_path_factory.mktemp("page") / "three songs.html"
    path.write_text(make_page([FIRST, SECOND, LONG]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "one.html"
    path.write_text(make_page([FIRST]), encoding="utf-8")
    return path


def article(page, number):
    return page.locator("article").nth(number)


def seconds(page, number):
    minutes, rest = article(page, number).locator(".time").inner_text().split(":")
    return 60 * int(minutes) + int(rest)


def exact_time(page, number):
    return float(article(page, number).locator(".seek").input_value())


def until(page, expression):
    """Wait until an expression is true, 10 seconds at most.

    The page's policy forbids the evaluation of strings by which `page.wait_for_function` does it.
    """
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within 10 seconds: {expression}")


def playing(page):
    """The numbers of the songs whose sound is on."""
    return page.evaluate("watched.audio.flatMap((audio, i) => (audio.paused ? [] : [i]))")


def playhead(page, number):
    """The x of the line on the roll, in pixels of the canvas; None where there is none."""
    return page.evaluate(
        f"""(number) => {{ {PIXELS}
          const {{ width, height, data }} = pixels(document.querySelectorAll(".moving")[number]);
          const row = Math.round(height / 2) * width;
          for (let x = 58 * devicePixelRatio; x < width; x++)
            if (data[4 * (row + x) + 3] > 150) return x / devicePixelRatio;
          return null;
        }}""",
        number,
    )


def listen(page, milliseconds=600):
    """The RMS of what the audio element that was made last plays, 0..1."""
    return page.evaluate(
        """async (milliseconds) => {
          const context = new AudioContext();
          await context.resume();
          const analyser = context.createAnalyser();
          context.createMediaElementSource(watched.audio.at(-1)).connect(analyser);
          analyser.connect(context.destination);
          await new Promise((done) => setTimeout(done, milliseconds));
          const samples = new Float32Array(analyser.fftSize);
          analyser.getFloatTimeDomainData(samples);
          return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
        }""",
        milliseconds,
    )


def test_it_plays_and_is_heard(visit, three):
    page = visit(three)
    assert playhead(page, 0) == pytest.approx(58, abs=2)
    article(page, 0).get_by_role("button", name="Play first").click()
    rms = listen(page)
    assert 0.01 < rms < 1
    until(page, "watched.audio[0].currentTime > 1.2")
    assert seconds(page, 0) >= 1
    assert playhead(page, 0) > 75
    article(page, 0).get_by_role("button", name="Pause first").click()
    assert playing(page) == []
    stopped = exact_time(page, 0)
    page.wait_for_timeout(300)
    assert exact_time(page, 0) == pytest.approx(stopped, abs=0.05)


def test_silence_is_measured_as_silence(visit, three):
    """What `listen` says would not be worth much otherwise."""
    page = visit(three)
    article(page, 0).locator(".play").click()
    page.evaluate("watched.audio[0].muted = true")
    assert listen(page) == 0


def test_one_song_plays_at_a_time(visit, three):
    page = visit(three)
    article(page, 0).locator(".play").click()
    until(page, "watched.audio[0]?.currentTime > 0.1")
    article(page, 1).locator(".play").click()
    until(page, "watched.audio[1]?.currentTime > 0.1")
    assert playing(page) == [1]


def test_a_song_that_has_ended_is_at_its_start(visit, one):
    page = visit(one)
    page.locator(".play").click()
    until(page, "watched.audio[0]?.duration > 0")
    page.evaluate("watched.audio[0].currentTime = watched.audio[0].duration - 0.2")
    until(page, "watched.audio[0].paused && watched.audio[0].currentTime === 0")
    assert page.get_by_role("button", name="Play first").is_visible()
    assert seconds(page, 0) == 0


def test_the_sound_is_where_the_notes_are(visit, one):
    """Decoded, notes begin when they do in the file, and the sound is as long as the page says."""
    page = visit(one)
    rms, duration = page.evaluate(
        """async () => {
          const { sound } = JSON.parse(document.getElementById("data").textContent).songs[0];
          const bytes = Uint8Array.from(atob(sound.audio), (c) => c.charCodeAt(0));
          const context = new OfflineAudioContext(1, 1, 32000);
          const buffer = await context.decodeAudioData(bytes.buffer);
          const samples = buffer.getChannelData(0);
          const rms = (from, to) => {
            const part = samples.slice(from * 32000, to * 32000);
            return Math.sqrt(part.reduce((sum, x) => sum + x * x, 0) / part.length);
          };
          const beats = [1, 2, 3, 4, 5, 6, 7].map((n) => n / 2);
          const ratio = beats.map((t) => rms(t + 0.01, t + 0.05) / rms(t - 0.05, t - 0.01));
          return [Math.min(...ratio), buffer.duration - sound.seconds];
        }"""
    )
    assert rms > 1.3  # every beat is louder behind its start than before
    assert abs(duration) < 0.05


def test_click_and_drag_on_the_roll_seek(visit, three):
    page = visit(three)
    box = article(page, 0).locator(".roll").bounding_box()
    end = float(article(page, 0).locator(".seek").get_attribute("max"))
    notes = box["width"] - 58 - 9

    def at(share):
        return box["x"] + 58 + share * notes

    page.mouse.click(at(0.5), box["y"] + 80)
    assert exact_time(page, 0) == pytest.approx(end / 2, abs=0.1)
    assert playhead(page, 0) == pytest.approx(58 + notes / 2, abs=3)
    page.mouse.move(at(0.2), box["y"] + 80)
    page.mouse.down()
    page.mouse.move(at(0.6), box["y"] + 90, steps=4)
    page.mouse.up()
    assert exact_time(page, 0) == pytest.approx(0.6 * end, abs=0.1)
    page.mouse.move(at(0.9), box["y"] + 90)
    assert exact_time(page, 0) == pytest.approx(0.6 * end, abs=0.1)


def test_sound_goes_on_where_the_roll_was_clicked(visit, three):
    page = visit(three)
    article(page, 0).locator(".play").click()
    box = article(page, 0).locator(".roll").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 80)
    until(page, "watched.audio[0].currentTime > 8")
    assert playing(page) == [0]


def test_a_long_song_is_shown_in_part_and_followed(visit, three):
    page = visit(three, SMALL)
    long = article(page, 2)
    overview = long.locator(".overview")
    assert overview.is_visible()
    before = playhead(page, 2)
    box = overview.bounding_box()
    overview.click(position={"x": 58 + (box["width"] - 67) / 2, "y": 20})
    assert exact_time(page, 2) == pytest.approx(30 * BAR / 2, abs=2)
    assert 58 <= playhead(page, 2) < SMALL
    assert before == pytest.approx(58, abs=2)


def test_with_less_motion_it_goes_on_page_by_page(visit, three):
    page = visit(three, SMALL, reduced_motion="reduce")
    article(page, 2).locator(".seek").focus()
    places = []
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        places.append(playhead(page, 2))
    steps = [round(b - a) for a, b in zip(places, places[1:], strict=False)]
    assert 80 in steps  # a bar on, in a picture that stays
    assert min(steps) < 0  # and back, where a new page begins


def test_keys(visit, three):
    page = visit(three)
    press = page.keyboard.press
    press("Space")
    until(page, "watched.audio[0]?.currentTime > 0.1")
    press("Space")
    assert playing(page) == []
    press("ArrowRight")
    assert exact_time(page, 0) == pytest.approx(BAR, abs=0.01)
    press("ArrowRight")
    press("ArrowLeft")
    assert exact_time(page, 0) == pytest.approx(BAR, abs=0.01)
    press("Shift+ArrowRight")
    assert article(page, 1).locator(".play").evaluate("(b) => b === document.activeElement")
    press("Space")  # on the button itself: once, not twice
    until(page, "watched.audio.some((audio) => !audio.paused)")
    assert {"playing", "current"} <= set(article(page, 1).get_attribute("class").split())
    press("Shift+ArrowLeft")
    until(page, "!watched.audio[0].paused")
    assert len(playing(page)) == 1
    assert "playing" in article(page, 0).get_attribute("class")
    press("Home")
    assert exact_time(page, 0) < 1


def test_the_slider_by_keys_and_for_screen_readers(visit, three):
    page = visit(three)
    slider = article(page, 0).get_by_role("slider", name="Position in first")
    assert slider.get_attribute("aria-valuetext").startswith("bar 1 of 8, 0:00 of 0:")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext").startswith("bar 2 of 8, 0:02 of 0:")
    page.locator("#theme").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("status").inner_text() == "0:04"
    assert article(page, 0).get_by_role("img").get_attribute("aria-label") == (
        "Piano roll of first: Melody, 32 notes from C4 to C5."
    )


@pytest.mark.parametrize("number, given", [(0, FIRST), (1, SECOND)])
def test_the_song_can_be_kept(visit, three, number, given):
    page = visit(three)
    with page.expect_download() as download:
        article(page, number).get_by_role("link").click()
    with open(download.value.path(), "rb") as f:
        assert f.read() == given.midi
    name = download.value.suggested_filename
    assert name == ("first.mid" if number == 0 else "we-ird -b.mid")


def test_hostile_names_are_only_text(visit, three):
    page = visit(three)
    second = article(page, 1)
    assert second.locator("h2").inner_text().endswith(HOSTILE)
    assert HOSTILE in second.locator(".parts").inner_text()
    assert page.locator("img:not([role])").count() == 0


def test_nothing_else_can_run(three, visit):
    page = visit(three)
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          const image = new Image();
          image.src = "https://example.org/x.png";
          document.body.append(image);
        }"""
    )
    until(page, "watched.refused.length > 1")
    assert sorted(page.evaluate("watched.refused")) == ["img-src", "script-src-elem"]
    assert page.evaluate("window.ran") is None
    page.faults.clear()  # the browser has told of both


@pytest.mark.parametrize("system", ["light", "dark"])
def test_light_and_dark(visit, three, system):
    page = visit(three, color_scheme=system)
    other = {"light": "dark", "dark": "light"}[system]

    def ground():
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return "dark" if sum(map(int, colour[4:-1].split(","))) < 300 else "light"

    def roll():
        """Between the bar numbers and the edge of the roll."""
        first = f"() => {{ {PIXELS} return pixels(document.querySelector('.still')).data[0]; }}"
        return "dark" if page.evaluate(first) < 100 else "light"

    assert (ground(), roll()) == (system, system)
    page.get_by_role("button", name="Dark colours").click()
    assert (ground(), roll()) == (other, other)
    page.reload()
    assert ground() == other


@pytest.mark.parametrize("width", [SMALL, 600, LARGE])
def test_nothing_is_wider_than_the_window(visit, three, width):
    page = visit(three, width)
    assert page.evaluate("document.scrollingElement.scrollWidth") == width
    beyond = page.evaluate(
        """(width) => [...document.querySelectorAll("body *")]
          .filter((e) => e.getBoundingClientRect().right > width + 0.5)
          .map((e) => e.outerHTML.slice(0, 100))""",
        width,
    )
    assert beyond == []


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("width", [SMALL, LARGE])
def test_axe_finds_no_fault(visit, three, one, system, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    for path in (three, one):
        page = visit(path, width, color_scheme=system)
        found = axe.Axe().run(page).response["violations"]
        told = [(v["id"], v["impact"], [n["html"][:150] for n in v["nodes"]]) for v in found]
        assert told == []


def test_what_can_be_touched_is_large_enough(visit, three):
    page = visit(three, SMALL)
    for box in (e.bounding_box() for e in page.locator("button, a, input").all()):
        assert math.ceil(min(box["width"], box["height"])) >= 44
