#!/usr/bin/python3
"""An X program that turns each key into a colour: the guest of an X server that serves SPICE.

It covers the screen, at first in the colour of its argument. Each key press paints all of it in
KKCCcc: KK = the X keycode, CC = presses so far, cc = ~CC. It says "ready" when it is shown.
"""

import ctypes
import sys

EXPOSE, KEY_PRESS = 12, 2
KEY_PRESS_MASK, EXPOSURE_MASK = 1 << 0, 1 << 15

x11 = ctypes.CDLL("libX11.so.6")
x11.XOpenDisplay.restype = ctypes.c_void_p
for name in (
    "XDefaultRootWindow XDefaultScreen XCreateSimpleWindow XSelectInput XMapRaised XNextEvent "
    "XSetWindowBackground XClearWindow XSync XDisplayWidth XDisplayHeight"
).split():
    getattr(x11, name).restype = ctypes.c_ulong


class KeyEvent(ctypes.Structure):
    """XKeyEvent of Xlib.h; padded to the size of any XEvent."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("windows", ctypes.c_ulong * 3),
        ("time", ctypes.c_ulong),
        ("places", ctypes.c_int * 4),
        ("state", ctypes.c_uint),
        ("keycode", ctypes.c_uint),
        ("padding", ctypes.c_long * 24),
    ]


def main():
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    root = ctypes.c_ulong(x11.XDefaultRootWindow(display))
    screen = x11.XDefaultScreen(display)
    size = (x11.XDisplayWidth(display, screen), x11.XDisplayHeight(display, screen))
    idle = ctypes.c_ulong(int(sys.argv[1], 16))
    window = ctypes.c_ulong(x11.XCreateSimpleWindow(display, root, 0, 0, *size, 0, 0, idle))
    x11.XSelectInput(display, window, KEY_PRESS_MASK | EXPOSURE_MASK)
    x11.XMapRaised(display, window)
    event = KeyEvent()
    count = 0
    while True:
        x11.XNextEvent(display, ctypes.byref(event))
        if event.type == EXPOSE:
            print("ready", flush=True)
        if event.type == KEY_PRESS:
            count += 1
            low = count & 0xFF
            colour = event.keycode << 16 | low << 8 | low ^ 0xFF
            x11.XSetWindowBackground(display, window, ctypes.c_ulong(colour))
            x11.XClearWindow(display, window)
            x11.XSync(display, 0)


main()
