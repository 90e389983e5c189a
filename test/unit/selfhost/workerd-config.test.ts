/** The configuration's text; that workerd understands it is the integration tests' to show. */
import { describe, expect, it } from "vitest";
import { renderWorkerdConfig } from "../../../worker/selfhost/workerd-config.ts";

const CONFIG = {
  host: "127.0.0.1",
  port: 8787,
  scriptFile: "worker.js",
  storageFolder: "/var/lib/kerbside control/hub/do",
  settings: ["PUBLIC_URL", "CA_KEY"],
  trustedCertificates: [],
  withPublicEgress: true,
};

describe("workerd's configuration", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1:8787"],
    ["0.0.0.0", "0.0.0.0:8787"],
    ["::", "[::]:8787"],
  ])("listens where it is told to: %s", (host, address) => {
    expect(renderWorkerdConfig({ ...CONFIG, host })).toContain(`address = "${address}"`);
  });

  it("names each setting, and holds no value of any", () => {
    const text = renderWorkerdConfig(CONFIG);
    expect(text).toContain('(name = "PUBLIC_URL", fromEnvironment = "PUBLIC_URL")');
    expect(text).toContain('(name = "CA_KEY", fromEnvironment = "CA_KEY")');
  });

  it("keeps the hubs' storage under the name that Miniflare gives it", () => {
    const text = renderWorkerdConfig(CONFIG);
    expect(text).toContain('uniqueKey = "kerbside-RelayHub", enableSql = true');
    expect(text).toContain('disk = (path = "/var/lib/kerbside control/hub/do", writable = true)');
  });

  it("gives a way out to public addresses alone where it is told to", () => {
    const binding = '(name = "WEBHOOK_EGRESS", service = "public")';
    expect(renderWorkerdConfig(CONFIG)).toContain(binding);
    expect(renderWorkerdConfig({ ...CONFIG, withPublicEgress: false })).not.toContain(binding);
  });

  it("trusts the public roots, and each authority that was named", () => {
    const trustedCertificates = ["-----BEGIN\r\none\n", 'a"b\\c'];
    const text = renderWorkerdConfig({ ...CONFIG, trustedCertificates });
    expect(text).toContain("trustBrowserCas = true");
    expect(text).toContain('"-----BEGIN\\r\\none\\n",');
    expect(text).toContain('"a\\"b\\\\c",');
  });
});
