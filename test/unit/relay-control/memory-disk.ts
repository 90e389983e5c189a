/** A spool's file in memory, which can be made to fail, and the spool's other surroundings. */
import type { RandomBytes } from "#shared/base/ids.ts";
import type { ControlLog } from "../../../relay/control/control-log.ts";
import type { SpoolDisk } from "../../../relay/control/spool-disk.ts";

export interface MemoryDisk extends SpoolDisk {
  text: string | null;
  setAsideText: string | null;
  isFull: boolean;
  replaceCount: number;
}

export function memoryDisk(text: string | null = null): MemoryDisk {
  const check = (): void => {
    if (disk.isFull) {
      throw new Error("ENOSPC: no space left on device");
    }
  };
  const disk: MemoryDisk = {
    text,
    setAsideText: null,
    isFull: false,
    replaceCount: 0,
    read: () => disk.text,
    append: (line) => {
      check();
      disk.text = (disk.text ?? "") + line;
    },
    replace: (whole) => {
      check();
      disk.text = whole;
      disk.replaceCount += 1;
    },
    setAside: () => {
      disk.setAsideText = disk.text;
      disk.text = null;
      return "aside";
    },
    close: () => {},
  };
  return disk;
}

/** Different bytes at each call, the same in each run. */
export function countingBytes(): RandomBytes {
  let count = 0;
  return (length) => {
    count += 1;
    return new Uint8Array(length).fill(count);
  };
}

export interface LogLine {
  readonly level: string;
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that keeps its lines. */
export function keepingLog(): ControlLog & { readonly lines: LogLine[]; names(): string[] } {
  const lines: LogLine[] = [];
  const keep =
    (level: string) =>
    (fields: object, name: string): void => {
      lines.push({ level, name, fields: { ...fields } });
    };
  return {
    lines,
    names: () => lines.map(({ name }) => name),
    debug: keep("debug"),
    info: keep("info"),
    warn: keep("warn"),
    error: keep("error"),
  };
}

export const silentLog: ControlLog = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
