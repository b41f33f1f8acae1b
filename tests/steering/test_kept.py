"""A song of which some is kept: to the tick, whatever the grid, and new notes in their places."""

import mido
import pytest

from midigen.errors import MidigenError
from tests.steering.songs import (
    BAND,
    BAR,
    BEAT,
    BLOCKS,
    CLOCK,
    ONSETS,
    PLAIN,
    band,
    file,
    lively,
    made,
    notes,
    others,
    read,
    track,
)

GRIDS = {"band": BAND, "blocks": BLOCKS, "plain": PLAIN, "onsets": ONSETS, "clock": CLOCK}


def of(found, *names):
    return [note for note in found if note[0] in names]


@pytest.fixture
def song(tmp_path):
    return band(tmp_path / "song.mid")


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_a_kept_part_is_as_it_was_to_the_tick(song, grid):
    before = mido.MidiFile(song)
    _, [after] = made(lively(grid), song, keep="melody")
    old, new = notes(before), notes(after)
    assert of(new, "Melody") == of(old, "Melody")
    assert others(after)[: len(others(before))] == others(before)  # tempi, metre, key, pedal, names
    assert not of(new, "Chords", "Bass", "Kit")
    fresh = [note for note in new if note not in old]
    assert fresh and {note[0] for note in fresh} <= {"chords", "bass", "drums", "notes"}
    assert not {n[1] for n in fresh if n[0] != "drums"} & {n[1] for n in old}  # channels of theirs
    assert {n[1] for n in fresh if n[0] == "drums"} <= {9}


def test_new_notes_lie_on_the_frames_of_the_file_s_own_ticks(song):
    _, [after] = made(lively(BAND), song, keep="melody,drums")
    fresh = of(notes(after), "chords", "bass")
    assert fresh and all(start % (BEAT // 2) == 0 for _, _, start, *_ in fresh)
    programs = {
        name.name: program.program
        for each in after.tracks
        for name in each
        for program in each
        if name.type == "track_name" and program.type == "program_change"
    }
    assert (programs["chords"], programs["bass"], programs["Melody"]) == (0, 33, 40)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_what_is_filled_changes_alone_and_in_its_tracks(song, grid):
    before = notes(mido.MidiFile(song))
    _, [after] = made(lively(grid), song, fill="bars 3-4")
    begin, end = 2 * BAR, 4 * BAR
    if grid is CLOCK:
        begin, end = begin - BEAT, end + BEAT  # a frame may lie across the border
    outside = [n for n in before if not begin - 9 <= n[2] < end - 9]
    assert [n for n in notes(after) if n in outside] == outside
    fresh = [n for n in notes(after) if n not in before]
    assert fresh and all(begin - 9 <= n[2] < end for n in fresh)
    assert {n[0] for n in fresh} <= {"Melody", "Chords", "Bass", "Kit"}
    kits = [n for n in before if n[0] == "Kit"]
    if grid is not BAND:  # that plays drums
        assert of(notes(after), "Kit") == kits


def test_one_part_is_filled_and_the_others_stay(song):
    before = notes(mido.MidiFile(song))
    _, [after] = made(lively(BAND), song, fill="bars 3-4 of melody")
    found = notes(after)
    assert of(found, "Chords", "Bass", "Kit") == of(before, "Chords", "Bass", "Kit")
    assert of(found, "Melody") != of(before, "Melody")
    _, [beats] = made(lively(BAND), song, fill="beats 9-16 of melody")
    assert notes(beats) == found


def test_a_note_that_begins_ahead_of_a_gap_stays_whole(tmp_path):
    """And what follows it begins where it ends."""
    melody = [(0, 2 * BAR + 2 * BEAT, 72, 80), (3 * BAR, 4 * BAR, 74, 80)]
    chords = [(b * BAR, (b + 1) * BAR, p, 60) for b in range(4) for p in (48, 52)]
    path = tmp_path / "song.mid"
    file(track("Melody", 0, melody), track("Chords", 1, chords)).save(path)
    for seed in range(3):
        _, [after] = made(lively(BLOCKS), path, fill="bars 2-3", seed=seed)
        found = of(notes(after), "Melody")
        assert [n[2:] for n in found if n[2] == 0] == [melody[0]]
        assert all(n[2] >= melody[0][1] for n in found[1:])


def test_new_notes_may_sound_on_where_old_ones_did(tmp_path):
    """A note of the gap that sounded on behind it leaves no hole there."""
    melody = [(b * BAR + BEAT, (b + 1) * BAR + BEAT, 72, 80) for b in range(4)]
    chords = [(b * BAR, (b + 1) * BAR, p, 60) for b in range(5) for p in (48, 52)]
    path = tmp_path / "song.mid"
    file(track("Melody", 0, melody), track("Chords", 1, chords)).save(path)
    ends = set()
    for seed in range(8):
        _, [after] = made(lively(BLOCKS), path, fill="bar 2 of melody", seed=seed)
        fresh = [n for n in of(notes(after), "Melody") if n[2:] not in melody]
        assert all(n[2] < 2 * BAR for n in fresh)
        ends |= {n[3] for n in fresh}
    assert max(ends) == 2 * BAR + BEAT


def test_a_share_is_varied_and_the_rest_stays(song):
    before = notes(mido.MidiFile(song))
    plan, [after] = made(lively(BAND), song, vary=0.25)
    found = notes(after)
    regions = plan.regions(0)
    cells = sum(int(region[::8].sum()) for region in regions)
    assert cells == round(0.25 * 8 * 4) and 1 < len(regions) <= 3
    gone = [n for n in before if n not in found]
    assert gone and all(any(region[n[2] // 240].any() for region in regions) for n in gone)
    again, other = (notes(made(lively(BAND), song, vary=0.25, seed=s)[1][0]) for s in (1, 2))
    assert again == found != other


def test_what_is_kept_is_not_varied(song):
    before = notes(mido.MidiFile(song))
    _, [after] = made(lively(BAND), song, vary=1.0, keep="melody,Kit")
    assert of(notes(after), "Melody", "Kit") == of(before, "Melody", "Kit")
    assert of(notes(after), "Bass") != of(before, "Bass")


@pytest.mark.parametrize(
    "keep, names",
    [
        ("Chords", ["Chords"]),
        ("1", ["Melody"]),
        ("2,drums", ["Chords", "Kit"]),
        ("Bass, Kit", ["Bass", "Kit"]),
    ],
)
def test_tracks_are_kept_by_name_and_number(song, keep, names):
    before = notes(mido.MidiFile(song))
    _, [after] = made(lively(PLAIN), song, keep=keep)
    assert [n for n in notes(after) if n[0] != "notes"] == of(before, *names)


def test_pitches_are_kept_and_no_new_note_is_among_them(song):
    before = notes(mido.MidiFile(song))
    for grid in (PLAIN, BAND, BLOCKS):
        _, [after] = made(lively(grid), song, keep="60-71")
        kept = [n for n in before if 60 <= n[4] <= 71]
        pitched = [n for n in notes(after) if n[1] != 9]
        assert [n for n in pitched if 60 <= n[4] <= 71] == kept
        assert len(pitched) > len(kept)


@pytest.mark.parametrize("keep, side", [("top", 1), ("bass", -1)])
def test_new_notes_stay_under_the_top_and_above_the_bass(tmp_path, keep, side):
    melody = [(b * BEAT, (b + 1) * BEAT, 60 + b % 5, 80) for b in range(16)]
    others_ = [(b * BEAT, (b + 1) * BEAT, p, 80) for b in range(16) for p in (50, 55)]
    path = tmp_path / "song.mid"
    file(track("", 0, melody + others_)).save(path)
    _, [after] = made(lively(PLAIN), path, keep=keep)
    kept = {n[2]: n[4] for n in notes(after) if n[1] == 0}
    assert kept == {n[0]: n[2] if side > 0 else 50 for n in melody}
    fresh = [n for n in notes(after) if n[1] != 0]
    for _, _, start, end, pitch, _ in fresh:
        assert all(side * pitch < side * kept[t] for t in range(start, end, BEAT // 2) if t in kept)


def test_two_notes_of_a_melody_in_one_frame_stay_both(tmp_path):
    """The roll shows one of them; the file has both."""
    melody = [(0, 220, 72, 80), (BEAT, BEAT + 60, 74, 80), (BEAT + 60, 2 * BEAT, 71, 80)]
    melody += [(b * BEAT, (b + 1) * BEAT, 72, 80) for b in range(2, 16)]
    chords = [(b * BAR, (b + 1) * BAR, p, 60) for b in range(4) for p in (48, 52)]
    path = tmp_path / "song.mid"
    file(track("Melody", 0, melody), track("Chords", 1, chords)).save(path)
    _, [after] = made(lively(BAND), path, keep="melody")
    assert [n[2:] for n in of(notes(after), "Melody")] == sorted(melody)
    _, [after] = made(lively(BAND), path, fill="bar 1 of melody")
    assert not {n for n in melody if n[0] < BAR} & {n[2:] for n in of(notes(after), "Melody")}


@pytest.mark.parametrize("metre, late", [((3, 4), 0), ((4, 4), BAR), ((4, 4), 3 * BAR)])
def test_bars_are_those_of_the_file(tmp_path, metre, late):
    path = band(tmp_path / "song.mid", metre=metre, late=late)
    bar, before = metre[0] * BEAT, notes(mido.MidiFile(path))
    first = late // bar + 2
    _, [after] = made(lively(BAND), path, fill=f"bar {first}")
    changed = [n[2] for n in set(before) ^ set(notes(after))]
    assert changed and min(changed) >= (first - 1) * bar - 9 and max(changed) < first * bar


def test_a_pickup_is_the_first_bar(tmp_path):
    told = [
        (0, mido.MetaMessage("time_signature", numerator=1, denominator=4)),
        (BEAT, mido.MetaMessage("time_signature", numerator=4, denominator=4)),
    ]
    melody = [(b * BEAT, (b + 1) * BEAT, 60 + b % 7, 80) for b in range(17)]
    path = tmp_path / "song.mid"
    file(track("Melody", 0, melody, extra=told)).save(path)
    for fill, begin, end in (("bar 2", BEAT, BEAT + BAR), ("bar 1", 0, BEAT)):
        _, [after] = made(lively(PLAIN), path, fill=fill)
        changed = [n[2] for n in set(notes(mido.MidiFile(path))) ^ set(notes(after))]
        assert changed and min(changed) >= begin and max(changed) < end
    with pytest.raises(ValueError, match="the song has bars 1 to 5"):
        made(lively(PLAIN), path, fill="bar 6")


def test_a_metre_that_changes_moves_the_bars(tmp_path):
    told = [
        (0, mido.MetaMessage("time_signature", numerator=4, denominator=4)),
        (2 * BAR, mido.MetaMessage("time_signature", numerator=3, denominator=4)),
    ]
    melody = [(b * BEAT, (b + 1) * BEAT, 60 + b % 7, 80) for b in range(17)]
    path = tmp_path / "song.mid"
    file(track("Melody", 0, melody, extra=told)).save(path)
    _, [after] = made(lively(PLAIN), path, fill="bar 4")
    changed = [n[2] for n in set(notes(mido.MidiFile(path))) ^ set(notes(after))]
    assert min(changed) >= 11 * BEAT and max(changed) < 14 * BEAT


def test_one_tempo_may_be_asked_for(song):
    _, [after] = made(lively(BAND), song, keep="melody", bpm=90.0)
    tempi = [m.tempo for each in after.tracks for m in each if m.type == "set_tempo"]
    assert tempi == [round(60e6 / 90)]
    assert of(notes(after), "Melody") == of(notes(mido.MidiFile(song)), "Melody")


def test_an_instrument_that_is_asked_for_has_a_track_of_its_own(song):
    _, [after] = made(lively(BAND), song, fill="bars 3-4", program=(("melody", 22),))
    fresh = of(notes(after), "melody")
    assert fresh and all(2 * BAR <= n[2] < 4 * BAR for n in fresh)


def test_new_notes_are_as_loud_as_the_old(tmp_path):
    melody = [(b * BEAT, (b + 1) * BEAT, 60 + b % 7, 30) for b in range(32)]
    path = tmp_path / "song.mid"
    file(track("Melody", 0, melody)).save(path)
    _, [after] = made(lively(BAND), path, fill="bars 3-4")
    fresh = [n[5] for n in notes(after) if 2 * BAR <= n[2] < 4 * BAR]
    assert fresh and abs(sum(fresh) / len(fresh) - 30) < 9 and len(set(fresh)) > 1


def test_a_file_of_one_track_gets_more(tmp_path):
    melody = [(b * BEAT, (b + 1) * BEAT, 60 + b % 7, 80) for b in range(32)]
    path = tmp_path / "song.mid"
    file(track("Melody", 0, melody), kind=0).save(path)
    _, [after] = made(lively(BAND), path, keep="melody")
    assert after.type == 1 and of(notes(after), "Melody") == notes(mido.MidiFile(path))


def test_a_song_of_midigen_s_own_says_how_it_was_made_anew(song, tmp_path):
    _, [first] = made(lively(BAND), song, keep="melody")
    first.save(tmp_path / "first.mid")
    _, [second] = made(lively(BAND), tmp_path / "first.mid", vary=0.5, particles=4)
    texts = [m.text for each in second.tracks for m in each if m.type == "text"]
    assert len(texts) == 1 and texts[0].endswith("primer 0 frames; vary 0.5; particles 4")


def test_channels_are_used_again_before_they_run_out(tmp_path):
    tracks = [
        track("", channel, [(b * BEAT, (b + 1) * BEAT, 50 + channel, 80) for b in range(8)], 7)
        for channel in range(16)
    ]
    file(*tracks).save(tmp_path / "song.mid")
    _, [after] = made(lively(PLAIN), tmp_path / "song.mid", keep="1")
    assert {n[1] for n in notes(after)} == {0, 1}
    with pytest.raises(MidigenError, match="all channels of the song are in use"):
        made(lively(PLAIN), tmp_path / "song.mid", fill="bar 1", program=(("", 3),))


@pytest.mark.parametrize("grid", [BAND, PLAIN, CLOCK], ids=["band", "plain", "clock"])
def test_a_primer_keeps_all_that_it_has(song, grid):
    before = mido.MidiFile(song)
    _, [after] = made(lively(grid), primer=song, length=(2.0, "bars"))
    old, new = notes(before), notes(after)
    end = max(n[3] for n in old)
    begun = [n[:3] + n[4:] for n in old]
    assert [n[:3] + n[4:] for n in new if n[:3] + n[4:] in begun] == begun
    assert others(after)[: len(others(before))] == others(before)
    fresh = [n for n in new if n[:3] + n[4:] not in begun]
    assert fresh and min(n[2] for n in fresh) >= end - BEAT
    assert {n[0] for n in fresh} <= {"Melody", "Chords", "Bass", "Kit"}


def test_only_what_sounds_at_the_end_of_a_primer_is_made_longer(song):
    old = notes(mido.MidiFile(song))
    _, [after] = made(lively(BAND), primer=song, length=(2.0, "bars"))
    ends = {n[:3] + n[4:]: n[3] for n in notes(after)}
    for note in old:
        end = ends[note[:3] + note[4:]]
        assert end == note[3] or (end > note[3] >= 8 * BAR - BEAT // 2)


def test_the_same_in_python(song, tmp_path, monkeypatch):
    import midigen

    monkeypatch.setattr("midigen.sampling.particles.FEW", 32)
    monkeypatch.setattr("midigen.sampling.particles.HARD", 0.0)
    with pytest.warns(UserWarning, match="of 32 particles survived"):
        [found] = midigen.generate(
            lively(BAND), seed=3, source=song, keep="melody", particles=32, gibbs_steps=2
        )
    found.write(str(tmp_path / "new.mid"))
    data = (tmp_path / "new.mid").read_bytes()
    assert of(notes(read(data)), "Melody") == of(notes(mido.MidiFile(song)), "Melody")
    names = [part.name for part in found.instruments]
    assert names[0] == "Melody" and "chords" in names
