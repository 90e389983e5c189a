/** Why a relay cannot serve, as one sentence that names the flag to change. */
import type { RelayConfig } from "./config.ts";

/** @param tlsPort the TLS port that was asked for */
export function sayWhyNotListening(
  error: NodeJS.ErrnoException,
  config: RelayConfig,
  tlsPort: number,
): string {
  // The error names the port that failed: another than the TLS port may be the one in use.
  const failed = "port" in error && typeof error.port === "number" ? error.port : tlsPort;
  const flag = flagOfPort(failed, config, tlsPort);
  const { code } = error;
  if (code === "EADDRINUSE") {
    return `Port ${failed} is in use: stop the other program, or choose another by ${flag}.`;
  }
  if (code === "EACCES") {
    return `Port ${failed} needs more rights: use a port above 1023, or grant them.`;
  }
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return `${config.listenHost} is no address of this machine: correct --listen-host.`;
  }
  return `The relay cannot serve on port ${failed}: ${error.message}`;
}

function flagOfPort(failed: number, config: RelayConfig, tlsPort: number): string {
  switch (failed) {
    case tlsPort:
      return "--listen-port";
    case config.plainPort:
      return "--plain-port";
    case config.connectPort:
      return "--connect-port";
    default:
      return "--health-port";
  }
}
