/** Server-sent events, as a client of the API reads them. */
export interface ServerEvent {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

/** The events of an answer of `text/event-stream`, as they come; comments are left out. */
export async function* readServerEvents(
  response: Response,
): AsyncGenerator<ServerEvent, undefined> {
  const { body } = response;
  if (body === null) {
    return;
  }
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = new Map(
        block
          .split("\n")
          .map((line) => [line.split(": ")[0], line.split(": ").slice(1).join(": ")]),
      );
      const event = fields.get("event");
      if (event !== undefined) {
        yield { event, id: fields.get("id") ?? "", data: fields.get("data") ?? "" };
      }
    }
  }
}
