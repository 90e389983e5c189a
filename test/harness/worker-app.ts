/** The Worker's application in this process, typed as far as tests in Node need it. */

export interface WorkerApp {
  fetch(request: Request, env: unknown, context: unknown): Promise<Response>;
  getOpenAPI31Document(config: object): ApiDescription;
}

export interface ApiDescription {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
}

/** Loaded by a name that TypeScript does not follow: the application's types are workerd's. */
export async function loadWorkerApp(): Promise<WorkerApp> {
  const file = new URL("../../worker/app.ts", import.meta.url).href;
  const { createApp } = (await import(file)) as { readonly createApp: () => WorkerApp };
  return createApp();
}
