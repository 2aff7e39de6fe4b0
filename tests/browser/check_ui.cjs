// What a person sees in the MLflow UI of a study: node check_ui.cjs URL CHROMIUM SHOTS
const { chromium } = require("playwright-core");

const [, , url, executablePath, shots] = process.argv;
const COLUMNS = ["claim", "r2", "r2_low", "r2_high", "p_value", "mae", "mae_clinical", "increment", "n"];
const FIGURES = ["observed_predicted.png", "permutation_null.png", "calibration.png", "shap_circuits.png", "comparators.png", "flow-dark.png",
  "split_spread.svg"];
const problems = [];

function expect(holds, words) {
  console.log(`${holds ? "ok  " : "FAIL"} ${words}`);
  if (!holds) problems.push(words);
}

async function runsTable(page) {
  await page.goto(url);
  await page.locator(".ag-row").first().waitFor({ timeout: 60000 });
  await page.waitForTimeout(1500);
  await page.screenshot({ path: `${shots}/1-runs.png` });
  const headers = await page.locator(".ag-header-cell").evaluateAll((cells) =>
    cells
      .map((cell) => [cell.getBoundingClientRect().x, cell.textContent.trim()])
      .sort((a, b) => a[0] - b[0])
      .map((pair) => pair[1]),
  );
  const shown = headers.filter((name) => COLUMNS.includes(name));
  expect(shown.join() === COLUMNS.join(), `the saved view shows the claim, then the headline columns: ${shown}`);
  expect(await page.getByText("prediction not shown").count() > 0, "the claim of a run without prediction can be read");
  expect(await page.getByText("Does baseline connectivity").count() > 0, "the question stands above the table");
  const names = await page.locator('.ag-row a[href*="/runs/"]').allTextContents();
  expect(names[0].trim() === "ridge . fc", `the newest run stands first, whatever its R2: ${names}`);
}

async function comparison(page) {
  const boxes = page.locator(".ag-row .ag-checkbox-input");
  await boxes.nth(0).click();
  await boxes.nth(2).click();
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByText("Comparing 2 Runs").first().waitFor({ timeout: 30000 });
  await page.setViewportSize({ width: 1680, height: 2200 });
  await page.waitForTimeout(2500);
  await page.screenshot({ path: `${shots}/2-compare.png` });
  await page.setViewportSize({ width: 1680, height: 1000 });
  expect(await page.getByText("mae_clinical").count() > 0, "the comparison lists the headline metrics");
}

async function runPage(page) {
  await page.goto(url);
  await page.getByText("ridge . fc+task+pet").first().click();
  await page.getByText("Show more").click({ timeout: 30000 }).catch(() => {});
  await page.waitForTimeout(800);
  await page.screenshot({ path: `${shots}/3-run.png` });
  expect(await page.getByText("Why the claim is not stronger").count() > 0, "the note gives the reasons");
  expect(await page.getByText("80 simulated participants").count() > 0, "the note gives n, and that it is simulated");
}

async function figures(page) {
  await page.goto(`${page.url().split("?")[0]}/artifacts`);
  await page.getByText("figures", { exact: true }).first().click({ timeout: 30000 });
  for (const name of FIGURES) {
    await page.getByText(name, { exact: true }).first().click();
    await page.waitForFunction(() => [...document.images].some((image) => image.naturalWidth > 400), null, { timeout: 15000 })
      .catch(() => {});
    await page.waitForTimeout(1000);
    const width = await page.evaluate(() => Math.max(0, ...[...document.images].map((image) => image.naturalWidth)));
    await page.screenshot({ path: `${shots}/4-${name.split(".")[0]}.png` });
    expect(width > 400, `${name} is shown (${width} pixels wide)`);
  }
  await page.getByText("biomarkers.tsv", { exact: true }).first().click();
  await page.getByText("ventral striatum to prefrontal").first().waitFor({ timeout: 15000 }).catch(() => {});
  await page.screenshot({ path: `${shots}/5-biomarkers.png` });
  expect(await page.getByText("ventral striatum to prefrontal").count() > 0, "the candidates are shown as a table");
}

async function main() {
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
  });
  const page = await (await browser.newContext({ viewport: { width: 1680, height: 1000 } })).newPage();
  // MLflow opens its assistant on the first visit, over the right half of the table; a person closes it once.
  await page.addInitScript(() => localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true"));
  const elsewhere = new Set();
  page.on("request", (request) => {
    const address = new URL(request.url());
    if (address.protocol.startsWith("http") && address.hostname !== "127.0.0.1") elsewhere.add(address.origin);
  });
  for (const step of [runsTable, comparison, runPage, figures]) {
    await step(page).catch((error) => expect(false, `${step.name}: ${String(error).split("\n")[0]}`));
  }
  expect(elsewhere.size === 0, `the browser asked no other machine for anything ${[...elsewhere]}`);
  await browser.close();
  process.exit(problems.length ? 1 : 0);
}

main();
