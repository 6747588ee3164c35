"""Read a URL with a GStreamer source from a byte offset on, as a player that seeks does.

Run by Debian's Python, for its python3-gi: `gst_seek.py ELEMENT URL OFFSET WHEN FILE`. FILE gets the bytes
that come after the seek, which is made WHEN the source is

ready   not reading yet, as when a player resumes a film where it was left,
paused  in mid-answer, waiting at its first buffer,
ended   at the end of the whole.
"""

import sys
from pathlib import Path

import gi  # type: ignore[import-not-found, unused-ignore]

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # type: ignore[import-not-found, unused-ignore]  # noqa: E402

WAIT = 20 * Gst.SECOND


class Reading:
    """A source, and a sink that writes down what comes after the seek."""

    def __init__(self, element: str, url: str, file: str) -> None:
        self.pipeline = Gst.parse_launch(f"{element} name=source ! fakesink name=sink sync=false")
        self.source = self.pipeline.get_by_name("source")
        self.source.set_property("location", url)
        self._out = Path(file).open("wb")  # noqa: SIM115  (closed by close())
        self._writing = False
        pad = self.pipeline.get_by_name("sink").get_static_pad("sink")
        what = Gst.PadProbeType.EVENT_DOWNSTREAM | Gst.PadProbeType.EVENT_FLUSH | Gst.PadProbeType.BUFFER
        pad.add_probe(what, self._watch)

    def _watch(self, pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        if info.type & Gst.PadProbeType.BUFFER:
            if self._writing:
                buffer = info.get_buffer()
                self._out.write(buffer.extract_dup(0, buffer.get_size()))
        elif info.get_event().type == Gst.EventType.FLUSH_STOP:
            self._writing = True
        return Gst.PadProbeReturn.OK

    def write_from_now(self) -> None:
        """Write down what comes, although nothing was flushed."""
        self._writing = True

    def reach(self, state: Gst.State) -> None:
        """Bring source and sink into a state."""
        self.pipeline.set_state(state)
        _, reached, _ = self.pipeline.get_state(WAIT)
        if reached != state:
            sys.exit(f"{reached} in place of {state}")

    def play(self) -> None:
        """Play to the end."""
        self.pipeline.set_state(Gst.State.PLAYING)
        wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
        message = self.pipeline.get_bus().timed_pop_filtered(WAIT, wanted)
        if message is None or message.type == Gst.MessageType.ERROR:
            sys.exit(f"failed: {message.parse_error() if message else 'no end'}")

    def seek(self, offset: int) -> None:
        """Go on from another byte."""
        if not self.source.seek_simple(Gst.Format.BYTES, Gst.SeekFlags.FLUSH, offset):
            sys.exit("the source refused to seek")

    def close(self) -> None:
        """Stop."""
        self.pipeline.set_state(Gst.State.NULL)
        self._out.close()


def main(element: str, url: str, offset: int, when: str, file: str) -> None:
    """Seek at the moment asked for, and play to the end."""
    Gst.init(None)
    reading = Reading(element, url, file)
    if when == "ready":
        reading.reach(Gst.State.READY)
        reading.write_from_now()
    elif when == "paused":
        reading.reach(Gst.State.PAUSED)
    else:
        reading.play()
    reading.seek(offset)
    reading.play()
    reading.close()


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
