/**
 * What the tests need from the system, and which Debian package brings it. One table: the test
 * runner installs from it, and a failing test can say what is missing.
 */
import { execFile } from "node:child_process";

/** One thing the tests need. */
export interface RequiredTool {
  readonly name: string;
  /** Debian packages that bring it. */
  readonly packages: readonly string[];
  /** Packages that only some releases have; install those that apt knows. */
  readonly packagesIfKnown?: readonly string[];
  /** A command that succeeds, at once and without effect, when the tool is there. */
  readonly probe: readonly [command: string, ...args: string[]];
}

export const REQUIRED_TOOLS: readonly RequiredTool[] = [
  {
    name: "QEMU with SPICE",
    packages: ["qemu-system-x86"],
    packagesIfKnown: ["qemu-system-modules-spice"],
    // QEMU prints its help and then exits with 1.
    probe: ["sh", "-c", "qemu-system-x86_64 -spice help | grep -q tls-port="],
  },
  {
    name: "spicy-screenshot",
    packages: ["spice-client-gtk"],
    probe: ["spicy-screenshot", "--version"],
  },
  { name: "remote-viewer", packages: ["virt-viewer"], probe: ["remote-viewer", "--version"] },
  {
    name: "spice-gtk for Python",
    packages: ["gir1.2-spiceclientglib-2.0", "python3-gi"],
    probe: ["/usr/bin/python3", "-c", "import gi; gi.require_version('SpiceClientGLib', '2.0')"],
  },
  { name: "Xvfb", packages: ["xvfb"], probe: ["sh", "-c", "command -v Xvfb"] },
  { name: "xdotool", packages: ["xdotool"], probe: ["sh", "-c", "command -v xdotool"] },
  { name: "import (ImageMagick)", packages: ["imagemagick"], probe: ["import", "-version"] },
  { name: "nasm", packages: ["nasm"], probe: ["nasm", "-v"] },
  {
    name: "Xspice",
    packages: ["xserver-xspice"],
    probe: ["test", "-r", "/usr/lib/xorg/modules/drivers/spiceqxl_drv.so"],
  },
  {
    name: "GStreamer for sound",
    packages: ["gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"],
    probe: ["sh", "-c", "ls /usr/lib/*/gstreamer-1.0/libgstapp.so"],
  },
  { name: "certutil", packages: ["libnss3-tools"], probe: ["sh", "-c", "command -v certutil"] },
  { name: "openssl", packages: ["openssl"], probe: ["openssl", "version"] },
  {
    name: "haproxy",
    packages: ["haproxy"],
    // It is in /usr/sbin, which a user's PATH may lack.
    probe: ["sh", "-c", "PATH=$PATH:/usr/sbin; command -v haproxy"],
  },
  { name: "x11perf", packages: ["x11-apps"], probe: ["sh", "-c", "command -v x11perf"] },
  {
    name: "Keystone",
    packages: ["python3-keystone"],
    probe: ["sh", "-c", "command -v keystone-manage"],
  },
  {
    name: "systemd-analyze",
    packages: ["systemd"],
    probe: ["systemd-analyze", "--version"],
  },
  {
    name: "the SPICE protocol headers",
    packages: ["libspice-protocol-dev"],
    probe: ["test", "-r", "/usr/include/spice-1/spice/enums.h"],
  },
];

/** The tools that this machine lacks; empty when every test can run. */
export async function missingTools(): Promise<RequiredTool[]> {
  const found = await Promise.all(REQUIRED_TOOLS.map((tool) => succeeds(tool.probe)));
  return REQUIRED_TOOLS.filter((_tool, index) => found[index] !== true);
}

/** The command that installs what `tools` name, for a person to copy. */
export function installCommand(tools: readonly RequiredTool[]): string {
  const names = new Set(tools.flatMap((tool) => tool.packages));
  return `apt-get install -y --no-install-recommends ${[...names].join(" ")}`;
}

function succeeds(probe: RequiredTool["probe"]): Promise<boolean> {
  const [command, ...args] = probe;
  return new Promise((resolve) => {
    execFile(command, args, { timeout: PROBE_TIMEOUT_MS }, (error) => resolve(error === null));
  });
}

/** A cold disk may need seconds to load QEMU. */
const PROBE_TIMEOUT_MS = 10_000;
