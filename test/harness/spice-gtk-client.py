#!/usr/bin/python3
"""A scripted spice-gtk client, driven over standard input and output with one JSON object a line.

Commands have "id" and "command"; each is answered by {"reply": id, "ok": true, ...} or
{"reply": id, "ok": false, "message": ...}. What happens by itself is reported as {"event": ...}.
spice-gtk-client.ts is the other end and documents the commands; the process ends with its input.

Facts of the bindings that shape this file: Session.connect, Channel.connect and their disconnect
hide GObject's methods of the same name, hence `on`; a channel stays closed until Channel.connect is
called on it, which is what makes a late channel possible; pixels come as an address.
"""

import atexit
import base64
import ctypes
import json
import os
import tempfile
import time
import sys

import gi

gi.require_version("SpiceClientGLib", "2.0")
from gi.repository import GLib, GObject, SpiceClientGLib as Spice

CHANNEL_MAIN = 1
CHANNEL_DISPLAY = 2
CHANNEL_PLAYBACK = 5
CHANNEL_RECORD = 6
CHANNEL_PORT = 10
CHANNEL_WEBDAV = 11
KEY_FILE_GROUP = "virt-viewer"
READ_SIZE_BYTES = 64 * 1024
on = GObject.Object.connect
# The binding of spice_port_channel_write_async hands over memory that it has freed already.
glib_client = ctypes.CDLL("libspice-client-glib-2.0.so.8")
write_to_port = glib_client.spice_port_channel_write_async
write_to_port.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t] + [ctypes.c_void_p] * 3
COMMANDS = (
    "connect open close list key pixel picture write speak share_cd disconnect".split()
)
MEASUREMENTS = ("measure_port", "measure_keys")
STATES = {
    int(getattr(Spice.ChannelEvent, name)): name.lower().replace("_", "-")
    for name in (
        "NONE OPENED SWITCHING CLOSED ERROR_CONNECT ERROR_TLS ERROR_LINK ERROR_AUTH ERROR_IO"
    ).split()
}


def send(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def name_of(channel):
    kind = Spice.Channel.type_to_string(channel.props.channel_type)
    return "%s:%d" % (kind, channel.props.channel_id)


def bytes_at(data, size):
    """What a signal brings as data: an address, or bytes already."""
    return ctypes.string_at(data, size) if isinstance(data, int) else bytes(data[:size])


def read_vv(path):
    """The connection's properties from a .vv file, as remote-viewer reads them."""
    key_file = GLib.KeyFile()
    key_file.load_from_file(path, GLib.KeyFileFlags.NONE)
    names, _ = key_file.get_keys(KEY_FILE_GROUP)
    values = {name: key_file.get_string(KEY_FILE_GROUP, name) for name in names}
    wanted = {
        "host": "host",
        "port": "port",
        "tls-port": "tlsPort",
        "password": "password",
        "proxy": "proxy",
        "ca": "ca",
        "host-subject": "subject",
    }
    options = {option: values[name] for name, option in wanted.items() if name in values}
    if "secure-channels" in values:
        options["secureChannels"] = [c for c in values["secure-channels"].split(";") if c]
    return options


class Series:
    """Does something again and again and measures how long what it causes takes.

    All in one command, because a command takes longer than what is measured.
    """

    def __init__(self, options, act):
        self.options = options
        self.act = act
        self.started = None
        self.taken = []
        GLib.timeout_add(options["timeoutMs"], self.give_up)
        self.begin()

    def begin(self):
        self.started = time.monotonic()
        self.act()
        return GLib.SOURCE_REMOVE

    def happened(self):
        """What was caused is there. Whatever follows from it before the next act counts no more."""
        if self.started is None:
            return
        self.taken.append((time.monotonic() - self.started) * 1000)
        self.started = None
        if len(self.taken) < self.options["count"]:
            GLib.timeout_add(self.options["pauseMs"], self.begin)
        else:
            send({"reply": self.options["id"], "ok": True, "takenMs": self.taken})

    def give_up(self):
        if len(self.taken) < self.options["count"]:
            message = "only %d of the series happened" % len(self.taken)
            send({"reply": self.options["id"], "ok": False, "message": message})
        return GLib.SOURCE_REMOVE


class Client:
    def __init__(self, loop):
        self.loop = loop
        self.session = None
        self.channels = {}
        self.states = {}
        self.deferred = set()
        self.primaries = {}
        self.waits = []
        self.playback_bytes = 0
        self.recorder = None
        self.kept = []
        self.watches_draws = True
        self.exchanges = None
        self.draws = None

    # Commands. Each returns what its reply carries, or raises.

    def connect(self, options):
        if options.get("vvFile"):
            options = {**read_vv(options["vvFile"]), **options}
        self.deferred = set(options.get("deferredChannels", []))
        self.watches_draws = options.get("watchesDraws", True)
        self.session = Spice.Session.new()
        session = self.session
        session.set_property("enable-audio", options.get("audio", False))
        session.set_property("enable-usbredir", options.get("usbredir", True))
        card = options.get("smartcard")
        session.set_property("enable-smartcard", card is not None)
        if card is not None:
            session.set_property("smartcard-db", card["database"])
            session.set_property("smartcard-certificates", card["certificates"])
        for option, prop in (
            ("host", "host"),
            ("port", "port"),
            ("tlsPort", "tls-port"),
            ("password", "password"),
            ("proxy", "proxy"),
            ("caFile", "ca-file"),
            ("username", "username"),
            ("sharedFolder", "shared-dir"),
        ):
            if options.get(option) is not None:
                session.set_property(prop, str(options[option]))
        if options.get("ca"):
            # The property "ca" is a byte array, which the bindings hand over damaged.
            with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as ca_file:
                ca_file.write(options["ca"])
            session.set_property("ca-file", ca_file.name)
            atexit.register(os.unlink, ca_file.name)
        if options.get("subject"):
            # Setting the subject alone would leave the check of the host name on.
            session.set_property("cert-subject", options["subject"])
            session.set_property("verify", Spice.SessionVerify.SUBJECT)
        if options.get("secureChannels"):
            session.set_property("secure-channels", options["secureChannels"])
        on(session, "channel-new", self.on_channel_new)
        on(session, "channel-destroy", self.on_channel_destroy)
        on(session, "disconnected", lambda *_: send({"event": "disconnected"}))
        if not Spice.Session.connect(session):
            raise RuntimeError("spice-gtk refused to connect")
        return {}

    def open(self, options):
        """Connects a channel that was deferred."""
        channel = self.channels[options["channel"]]
        if not Spice.Channel.connect(channel):
            raise RuntimeError("spice-gtk refused to open " + options["channel"])
        return {}

    def close(self, options):
        """Disconnects one channel and leaves the others."""
        channel = self.channels[options["channel"]]
        Spice.Channel.disconnect(channel, Spice.ChannelEvent.NONE)
        return {}

    def list(self, _options):
        return {"channels": [self.describe(name) for name in sorted(self.channels)]}

    def key(self, options):
        inputs = self.channels["inputs:0"]
        inputs.key_press(options["scancode"])
        inputs.key_release(options["scancode"])
        return {}

    def pixel(self, options):
        return {"colour": self.read_pixel(options)}

    def picture(self, options):
        """The whole picture of a display into a PPM file."""
        width, height, stride, data = self.primary_of(options)
        rows = b"".join(ctypes.string_at(data + y * stride, 4 * width) for y in range(height))
        colours = bytearray(3 * width * height)
        colours[0::3], colours[1::3], colours[2::3] = rows[2::4], rows[1::4], rows[0::4]
        with open(options["file"], "wb") as file:
            file.write(b"P6\n%d %d\n255\n" % (width, height) + colours)
        return {}

    def write(self, options):
        """Sends bytes into a port channel."""
        data = base64.b64decode(options["base64"])
        self.kept.append(data)
        channel = self.channels[options["channel"]]
        write_to_port(hash(channel), data, len(data), None, None, None)
        return {}

    def speak(self, options):
        """Sends sound as the microphone's. The guest must record."""
        if self.recorder is None:
            raise RuntimeError("the guest does not record")
        data = base64.b64decode(options["base64"])
        self.kept.append(data)
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
        time_ms = int(GLib.get_monotonic_time() / 1000) & 0xFFFFFFFF
        self.recorder.send_data(address, len(data), time_ms)
        return {}

    def share_cd(self, options):
        """Plugs an image file in as a USB CD drive."""
        manager = Spice.UsbDeviceManager.get(self.session)

        def redirected(source, result, *_):
            try:
                source.connect_device_finish(result)
                send({"event": "usb-redirected", "message": None})
            except GLib.Error as error:
                send({"event": "usb-redirected", "message": error.message})

        def added(_manager, device):
            if manager.is_device_shared_cd(device):
                manager.connect_device_async(device, None, redirected)

        on(manager, "device-added", added)
        manager.create_shared_cd_device(options["file"])
        return {}

    def disconnect(self, _options):
        Spice.Session.disconnect(self.session)
        return {}

    # What spice-gtk calls.

    def on_channel_new(self, _session, channel):
        name = name_of(channel)
        self.channels[name] = channel
        self.states[name] = "none"
        on(channel, "channel-event", self.on_channel_event)
        if channel.props.channel_type == CHANNEL_DISPLAY:
            on(channel, "display-primary-create", self.on_primary_create)
            on(channel, "display-primary-destroy", self.on_primary_destroy)
            if self.watches_draws:
                on(channel, "display-invalidate", self.on_invalidate)
        self.watch_content(name, channel)
        is_deferred = name in self.deferred
        send({"event": "channel-new", "channel": name, "deferred": is_deferred})
        if not is_deferred:
            Spice.Channel.connect(channel)

    def watch_content(self, name, channel):
        """Reports what comes through the channels that have no picture."""
        kind = channel.props.channel_type
        if kind == CHANNEL_MAIN:
            on(channel, "main-agent-update", self.on_agent)
            on(channel, "notify::agent-caps-0", self.on_agent)
        if kind == CHANNEL_PLAYBACK:
            on(channel, "playback-start", self.on_playback_start)
            on(channel, "playback-data", self.on_playback_data)
        if kind == CHANNEL_RECORD:
            on(channel, "record-start", self.on_record_start)
            on(channel, "record-stop", self.on_record_stop)
        if kind in (CHANNEL_PORT, CHANNEL_WEBDAV):
            on(channel, "notify::port-opened", self.on_port_opened)
        if kind == CHANNEL_PORT:
            on(channel, "port-data", self.on_port_data)

    def on_agent(self, channel, *_):
        connected, caps = channel.props.agent_connected, channel.props.agent_caps_0
        send({"event": "agent", "connected": connected, "capabilities": caps})

    def on_playback_start(self, _channel, sound_format, channels, rate):
        send({"event": "playback-start", "channels": channels, "rate": rate})

    def on_playback_data(self, _channel, data, size):
        sound = bytes_at(data, size)
        if self.playback_bytes == 0 and any(sound):
            self.playback_bytes = size
            send({"event": "playback-sound", "bytes": size})

    def on_record_start(self, channel, sound_format, channels, rate):
        self.recorder = channel
        send({"event": "record-start", "channels": channels, "rate": rate})

    def on_record_stop(self, _channel):
        self.recorder = None
        send({"event": "record-stop"})

    def on_port_opened(self, channel, _property):
        port, opened = channel.props.port_name, channel.props.port_opened
        send({"event": "port", "channel": name_of(channel), "port": port, "opened": opened})

    def on_port_data(self, channel, data, size):
        if self.exchanges is not None:
            if self.exchanges.options["until"].encode() in bytes_at(data, size):
                self.exchanges.happened()
            return
        text = base64.b64encode(bytes_at(data, size)).decode()
        send({"event": "port-data", "channel": name_of(channel), "base64": text})

    def on_channel_event(self, channel, event):
        name = name_of(channel)
        error = channel.get_error()
        self.states[name] = STATES.get(int(event), str(int(event)))
        send(
            {
                "event": "channel",
                "channel": name,
                "state": self.states[name],
                "message": error.message if error else None,
            }
        )

    def on_channel_destroy(self, _session, channel):
        name = name_of(channel)
        self.channels.pop(name, None)
        send({"event": "channel-destroy", "channel": name})

    def on_primary_create(self, channel, _format, width, height, stride, _shmid, data):
        self.primaries[channel.props.channel_id] = (width, height, stride, data)
        send({"event": "primary-create", "width": width, "height": height})

    def on_primary_destroy(self, channel):
        self.primaries.pop(channel.props.channel_id, None)

    def on_invalidate(self, *_):
        if self.draws is not None:
            self.draws.happened()
        for wait in list(self.waits):
            self.settle(wait)

    # Measurements are answered when their series has ended.

    def measure_port(self, options):
        """From a text sent into a port channel to the one that answers it."""
        channel, data = self.channels[options["channel"]], options["text"].encode()
        write = lambda: write_to_port(hash(channel), data, len(data), None, None, None)
        self.exchanges = Series(options, write)

    def measure_keys(self, options):
        """From a key to the first draw after it."""
        inputs, scancode = self.channels["inputs:0"], options["scancode"]

        def press():
            inputs.key_press(scancode)
            inputs.key_release(scancode)

        self.draws = Series(options, press)

    # The wait for a colour is answered when it is there, not when it is asked.

    def wait_pixel(self, options):
        wait = dict(options)
        self.waits.append(wait)
        GLib.timeout_add(options["timeoutMs"], self.give_up, wait)
        self.settle(wait)

    def settle(self, wait):
        if wait.get("display", 0) not in self.primaries:
            return
        colour = self.read_pixel(wait)
        if colour == wait["colour"]:
            self.waits.remove(wait)
            send({"reply": wait["id"], "ok": True, "colour": colour})

    def give_up(self, wait):
        if wait in self.waits:
            self.waits.remove(wait)
            seen = "no picture"
            if wait.get("display", 0) in self.primaries:
                seen = "%06x" % self.read_pixel(wait)
            message = "the pixel did not become %06x: %s" % (wait["colour"], seen)
            send({"reply": wait["id"], "ok": False, "message": message})
        return GLib.SOURCE_REMOVE

    def primary_of(self, options):
        if options.get("display", 0) not in self.primaries:
            raise RuntimeError("there is no picture yet")
        return self.primaries[options.get("display", 0)]

    def read_pixel(self, options):
        width, height, stride, data = self.primary_of(options)
        x, y = options["x"], options["y"]
        if not (0 <= x < width and 0 <= y < height):
            raise RuntimeError("the picture has %dx%d pixels" % (width, height))
        return ctypes.c_uint32.from_address(data + y * stride + 4 * x).value & 0xFFFFFF

    def describe(self, name):
        channel = self.channels[name]
        remote_port = None
        connection = channel.props.socket
        if connection is not None:
            try:
                remote_port = connection.get_remote_address().get_port()
            except GLib.Error:
                pass
        return {
            "channel": name,
            "state": self.states[name],
            "readBytes": channel.props.total_read_bytes,
            "remotePort": remote_port,
        }

    def run(self, request):
        command = request["command"]
        if command == "wait-pixel":
            self.wait_pixel(request)
            return
        try:
            if command in MEASUREMENTS:
                getattr(self, command)(request)
                return
            if command not in COMMANDS:
                raise RuntimeError("no such command")
            send({"reply": request["id"], "ok": True, **getattr(self, command)(request)})
        except (GLib.Error, KeyError, OSError, RuntimeError) as error:
            message = "%s: %s: %s" % (command, type(error).__name__, error)
            send({"reply": request["id"], "ok": False, "message": message})


def main():
    loop = GLib.MainLoop()
    client = Client(loop)
    unread = b""

    def on_input(_fd, _condition):
        nonlocal unread
        data = os.read(0, READ_SIZE_BYTES)
        if not data:
            loop.quit()
            return GLib.SOURCE_REMOVE
        *lines, unread = (unread + data).split(b"\n")
        for line in lines:
            client.run(json.loads(line))
        return GLib.SOURCE_CONTINUE

    GLib.io_add_watch(0, GLib.IOCondition.IN | GLib.IOCondition.HUP, on_input)
    send({"event": "ready"})
    loop.run()


main()
