/** How many there are of something, in words that fit: "1 event", "2 events". */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
