// Opens pages in a browser, and checks what holds for each: nothing is fetched, nothing is logged, and no rule of WCAG 2.2 AA is
// broken. Each check prints one line, and the exit code is 1 if one failed.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const SIZES = {
  wide: { width: 1400, height: 900 },
  narrow: { width: 800, height: 900 },
  phone: { width: 360, height: 740 },
};

export const browser = await chromium.launch({
  executablePath: process.env.BROWSER,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
});

let failures = 0;
export const check = async (name, run) => {
  try {
    const note = await run();
    console.log(`ok      ${name}${note ? `: ${note}` : ""}`);
  } catch (error) {
    failures += 1;
    console.log(`failed  ${name}\n${error.stack}`);
  }
};

// Opens a page, and fails if it fetches anything, logs an error, opens a dialog or leaves.
export const open = async ({ url }, options, use) => {
  const context = await browser.newContext({ viewport: SIZES.wide, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("request", (request) => {
    const own = request.url() === url || request.url().startsWith("data:");
    if (!own) faults.push(`request: ${request.url()}`);
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`error: ${error}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  try {
    await page.goto(url);
    const note = await use(page, context);
    assert.equal(page.url().split("#")[0], url);
    assert.deepEqual(faults, []);
    return note;
  } finally {
    await context.close();
  }
};

// Opens a page without its policy, which axe could not run under, and checks its accessibility and its width.
export const accessible = (target, colorScheme, size, prepare, screenshot) =>
  open(target, { colorScheme, viewport: SIZES[size], bypassCSP: true }, async (page) => {
    await prepare(page);
    await page.addScriptTag({ path: axe });
    const { violations, passes } = await page.evaluate((values) => axe.run(document, { runOnly: { type: "tag", values } }), RULES);
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n")}`);
    assert.deepEqual(found, []);
    assert.ok(passes.some(({ id }) => id === "color-contrast"), "the contrast of colours was checked");
    await page.screenshot(screenshot);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `the page is ${wider} pixels too wide`);
    return `${passes.length} rules hold`;
  });

export const end = async () => {
  await browser.close();
  process.exitCode = failures ? 1 : 0;
};
