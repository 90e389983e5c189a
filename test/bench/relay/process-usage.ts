/** What a process has used, as the kernel tells it. */
import { readdir, readFile } from "node:fs/promises";

/** CPU seconds of the process and of its children, to the nanosecond (schedstat's first number). */
export async function readCpuS(pid: number): Promise<number> {
  const each = await Promise.all((await familyOf(pid)).map(readOwnCpuS));
  return sum(each);
}

/** Resident bytes of the process first, then of its children; what they share counts in each. */
export async function readResidentBytes(pid: number): Promise<number[]> {
  return Promise.all((await familyOf(pid)).map(readOwnResidentBytes));
}

/** CPU seconds, to the hundredth, of children of the process that have ended (proc(5), cutime and cstime). */
export async function readEndedCpuS(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

async function familyOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  const children = text.split(" ").filter((word) => word !== "");
  const families = await Promise.all(children.map((child) => familyOf(Number(child))));
  return [pid, ...families.flat()];
}

async function readOwnCpuS(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const each = threads.map(async (thread) => {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
    return Number(text.split(" ")[0]);
  });
  return sum(await Promise.all(each)) / 1e9;
}

async function readOwnResidentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  // What the kernel calls kB is 1,024 bytes.
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1_024;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
