// Opens the pages of `stats --html` in a browser, and checks what an operator needs: the regression is on the first screen, nothing
// is fetched, nothing of a name runs, no rule of WCAG 2.2 AA is broken, and the numbers behind the plots can be read.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

import { SIZES, accessible, check, end, open } from "../browser/pages.mjs";

const { PRICES, USAGE_LOG, FOLDER, OUT } = process.env;
const MAX_PAGE_BYTES = 1_000_000;

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });

const page_of = (name, source) => {
  const file = path.join(OUT, `${name}.html`);
  execFileSync(PRICES, ["stats", ...source, "--html", file]);
  return { url: pathToFileURL(file).href, bytes: statSync(file).size };
};
const page_of_log = (name, what) => {
  const log = path.join(FOLDER, name);
  execFileSync(USAGE_LOG, [log, what]);
  return page_of(name, ["--audit", log]);
};

// The page of a server that runs, and was called once.
const page_of_server = async () => {
  const server = spawn(PRICES, ["serve", "--http", "127.0.0.1:0", "--grant", "read:prices"], { stdio: ["ignore", "ignore", "pipe"] });
  try {
    let url;
    for await (const line of createInterface({ input: server.stderr })) {
      url = line.startsWith("{") ? JSON.parse(line).listening : undefined;
      if (url) break;
    }
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: {
        name: "get_stock_price",
        arguments: { symbol: "AAPL" },
        _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} },
      },
    });
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "get_stock_price",
    };
    const answer = await fetch(url, { method: "POST", headers, body });
    assert.equal(answer.status, 200, await answer.text());
    return page_of("server", ["--from", new URL("/metrics", url).href]);
  } finally {
    server.kill();
  }
};

const pages = {
  regression: page_of_log("regression", "100000"),
  thousand: page_of_log("thousand", "thousand"),
  hostile: page_of_log("hostile", "hostile"),
  server: await page_of_server(),
};

const open_details = (page) => page.locator("details").evaluateAll((all) => all.slice(0, 3).forEach((details) => (details.open = true)));
for (const [colour, size] of [["light", "wide"], ["dark", "wide"], ["light", "phone"], ["dark", "phone"]]) {
  for (const [name, target] of Object.entries(pages)) {
    const screenshot = { path: path.join(OUT, `${name}-${colour}-${size}.png`), fullPage: name === "regression" };
    await check(`${name} breaks no rule of accessibility, ${colour}, ${size}`, () =>
      accessible(target, colour, size, open_details, screenshot),
    );
  }
}

for (const [size, viewport] of Object.entries(SIZES)) {
  await check(`the regression is on the first screen, ${size}`, () =>
    open(pages.regression, { viewport }, async (page) => {
      await page.screenshot({ path: path.join(OUT, `first-screen-${size}.png`) });
      const changes = page.locator(".shifts li");
      assert.equal(await changes.count(), 1);
      assert.match(await changes.textContent(), /^bulk_export p95 2\.0× since 2026-11-20, errors 0\.2 % → 4\.9 %$/);
      const box = await changes.boundingBox();
      assert.ok(box.y >= 0 && box.y + box.height <= viewport.height, `it is at ${box.y} to ${box.y + box.height}`);
      // The plots of the tool that changed come before those of the others, and mark the day.
      assert.equal(await page.locator("section.tool h3").first().textContent(), "bulk_export");
      assert.equal(await page.locator("section.tool").first().getByText("since 2026-11-20").count(), 4);
    }),
  );
}

await check("the numbers behind the plots are those of the table in the terminal", () =>
  open(pages.regression, {}, async (page) => {
    const report = JSON.parse(execFileSync(PRICES, ["stats", "--audit", path.join(FOLDER, "regression"), "--format", "json"]));
    const rows = await page.locator("section:has(#every-tool) tbody tr").evaluateAll((all) => all.map((row) => [row.cells[0].textContent, row.cells[1].textContent]));
    assert.deepEqual(rows, report.tools.map(({ tool, calls }) => [tool, calls.toLocaleString("en")]));
    const numbers = page.locator("section.tool").first().locator("details");
    await numbers.locator("summary").click();
    assert.equal(await numbers.locator("tbody tr").count(), 30);
    assert.equal(await numbers.locator("tbody tr th").nth(20).textContent(), "2026-11-20");
  }),
);

await check("a thousand tools are a small page", () => {
  assert.ok(pages.thousand.bytes < MAX_PAGE_BYTES, `${pages.thousand.bytes} bytes`);
  return open(pages.thousand, {}, async (page) => {
    assert.equal(await page.locator("section:has(#every-tool) tbody tr").count(), 1_000);
    return `${(pages.thousand.bytes / 1e6).toFixed(2)} MB`;
  });
});

await check("nothing of a name runs", () =>
  open(pages.hostile, {}, async (page) => {
    assert.equal(await page.evaluate(() => window.ran), undefined);
    assert.equal(await page.locator("script, img, iframe, object, embed, base, form, a, link[rel=stylesheet]").count(), 0);
    assert.equal(await page.locator("[onclick], [onerror], [onload], [style]").count(), 0);
    assert.match(await page.locator("section:has(#every-tool) tbody").textContent(), /<\/title><\/svg><script>window\.ran = 1<\/script>/);
    assert.doesNotMatch(await page.content(), /[\u202a-\u202e\u2066-\u2069\u200e\u200f]/u);
  }),
);

await check("the page of a running server has its calls, and no empty plot", () =>
  open(pages.server, {}, async (page) => {
    assert.match(await page.locator("header").textContent(), /since the start of the server/);
    assert.match(await page.locator("section:has(#every-tool) tbody").textContent(), /get_stock_price.*≤10\.0 ms/);
    assert.equal(await page.locator("figure svg.plot, section.tool").count(), 0);
  }),
);

await check("the page can be printed", () =>
  open(pages.regression, {}, async (page) => {
    const pdf = await page.pdf({ path: path.join(OUT, "regression.pdf"), format: "A4" });
    const count = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g).length;
    assert.ok(count >= 2 && count <= 16, `${count} pages`);
    return `${count} pages`;
  }),
);

await end();
