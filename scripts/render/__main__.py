"""Draws diagrams, decision tables and forms as people see them: bpmn-js, dmn-js and form-js in a headless Chromium.

    python scripts/render bpmn/claims/claims.bpmn --svg docs/pictures/claims.svg --png docs/pictures/claims.png
    python scripts/render forms/claims.assess-claim.form --png assess-claim.png --data example.json

Only the pictures are kept in the repository. The three libraries are fetched by npm into a cache folder the first time
(`--modules` names another one); Chromium is the one on the machine, or the one that `--chromium` names.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path
from playwright.async_api import Page, async_playwright

LIBRARIES = ("bpmn-js@18.31.1", "dmn-js@17.10.2", "@bpmn-io/form-js@1.23.0")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MARGIN = 24  # pixels of white around a picture
EMPTY_PAGE = "<!doctype html><meta charset='utf-8'><style>body{margin:0;background:#fff}</style><div id='canvas'></div>"

# Each library answers with what is needed of it; the page around it stays empty.
DRAW_BPMN = """async ({ source }) => {
  const canvas = document.querySelector('#canvas');
  canvas.style.cssText = 'width:2400px;height:1200px';
  const viewer = new BpmnJS({ container: canvas });
  const { warnings } = await viewer.importXML(source);
  const { svg } = await viewer.saveSVG();
  return { svg, warnings: warnings.map(String) };
}"""
DRAW_DMN = """async ({ source, view }) => {
  const canvas = document.querySelector('#canvas');
  canvas.style.cssText = 'width:2600px;height:900px';
  const viewer = new DmnJS({ container: canvas });
  const { warnings } = await viewer.importXML(source);
  const wanted = viewer.getViews().find(v => v.element.id === view || v.type === view);
  if (wanted) await viewer.open(wanted);
  return { warnings: warnings.map(String), views: viewer.getViews().map(v => `${v.type} ${v.element.id}`) };
}"""
DRAW_FORM = """async ({ source, data }) => {
  const canvas = document.querySelector('#canvas');
  canvas.style.cssText = 'width:860px;padding:24px';
  const form = new FormViewer.Form({ container: canvas });
  const { warnings } = await form.importSchema(JSON.parse(source), data);
  const { data: submitted, errors } = form.submit();
  if (data) form.reset();
  return { warnings: warnings.map(String), submitted, errors };
}"""


def library_folder(folder: Path) -> Path:
    """Return the folder that holds the libraries, fetching them with npm when they are not there yet."""
    modules = folder / "node_modules"
    if not all((modules / name.rsplit("@", 1)[0]).is_dir() for name in LIBRARIES):
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm was not found: install Node.js 18 or newer, or name a folder that holds the libraries with --modules.")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", *LIBRARIES], check=True)
    return modules


def find_browser(named: str | None) -> str:
    """Return the path of the Chromium to draw with."""
    for candidate in (named,) if named else BROWSERS:
        path = shutil.which(candidate)
        if path:
            return path
    raise SystemExit("Chromium was not found: install it (for example `apt-get install chromium`) or name it with --chromium.")


async def load(page: Page, modules: Path, scripts: list[str], styles: list[str]) -> None:
    """Put the libraries' own scripts and styles into an empty page."""
    await page.set_content(EMPTY_PAGE)
    for style in styles:
        await page.add_style_tag(path=modules / style)
    for script in scripts:
        await page.add_script_tag(path=modules / script)


async def draw_bpmn(page: Page, modules: Path, source: str, width: int) -> tuple[str, list[str]]:
    """Draw a BPMN diagram; return its SVG and leave the page showing it `width` pixels wide."""
    await load(
        page,
        modules,
        ["bpmn-js/dist/bpmn-viewer.production.min.js"],
        ["bpmn-js/dist/assets/bpmn-js.css", "bpmn-js/dist/assets/diagram-js.css"],
    )
    drawn = await page.evaluate(DRAW_BPMN, {"source": source})
    # A picture without a background is unreadable on a dark page.
    svg = re.sub(r"<svg ", '<svg style="background: white" ', drawn["svg"], count=1)
    shown = re.sub(r'(<svg [^>]*?)width="[\d.]+" height="[\d.]+"', rf'\1width="{width - 2 * MARGIN}"', svg, count=1)
    await page.set_content(
        EMPTY_PAGE.replace("<div id='canvas'>", f"<div id='canvas' style='display:inline-block;padding:{MARGIN}px'>{shown}")
    )
    return svg, drawn["warnings"]


async def draw_dmn(page: Page, modules: Path, source: str, view: str) -> list[str]:
    """Show one view (`drd`, or a decision's id) of a DMN file."""
    parts = ("diagram-js", "dmn-js-shared", "dmn-js-drd", "dmn-js-decision-table", "dmn-js-literal-expression")
    styles = [f"dmn-js/dist/assets/{part}.css" for part in parts] + ["dmn-js/dist/assets/dmn-font/css/dmn-embedded.css"]
    await load(page, modules, ["dmn-js/dist/dmn-viewer.production.min.js"], styles)
    drawn = await page.evaluate(DRAW_DMN, {"source": source, "view": view})
    print("views:", ", ".join(drawn["views"]))
    return drawn["warnings"]


async def draw_form(page: Page, modules: Path, source: str, data: object) -> list[str]:
    """Show a form filled with `data` and print what it would submit."""
    await load(page, modules, ["@bpmn-io/form-js/dist/form-viewer.umd.js"], ["@bpmn-io/form-js/dist/assets/form-js.css"])
    drawn = await page.evaluate(DRAW_FORM, {"source": source, "data": data})
    print("submits:", json.dumps(drawn["submitted"]), "errors:", json.dumps(drawn["errors"]))
    return drawn["warnings"]


async def render(options: argparse.Namespace) -> None:
    """Draw one file and write the pictures that were asked for."""
    source, modules = options.file.read_text(encoding="utf-8"), library_folder(options.modules)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(options.chromium), args=["--no-sandbox"])
        scale = 1 if options.file.suffix == ".bpmn" else 2
        page = await browser.new_page(viewport={"width": 2600, "height": 900}, device_scale_factor=scale)
        match options.file.suffix:
            case ".bpmn":
                svg, warnings = await draw_bpmn(page, modules, source, options.width)
                if options.svg:
                    options.svg.write_text(svg, encoding="utf-8")
            case ".dmn":
                warnings = await draw_dmn(page, modules, source, options.view)
            case ".form":
                variables = options.data.read_text(encoding="utf-8") if options.data else "{}"
                warnings = await draw_form(page, modules, source, json.loads(variables))
            case other:
                raise SystemExit(f"{options.file}: {other or 'no extension'} is not .bpmn, .dmn or .form.")
        if options.png:
            await page.locator("#canvas").screenshot(path=options.png)
        await browser.close()
    for warning in warnings:
        print(f"{options.file}: {warning}", file=sys.stderr)
    if warnings:
        raise SystemExit(1)


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(prog="python scripts/render", description="Draw a .bpmn, .dmn or .form file as people see it.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--svg", type=Path, help="where to write the vector picture (diagrams only)")
    parser.add_argument("--png", type=Path, help="where to write the picture")
    parser.add_argument("--width", type=int, default=2600, help="width of a diagram's picture in pixels (default: %(default)s)")
    parser.add_argument("--view", default="drd", help="decisions: `drd`, or the id of the decision to show (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="forms: a JSON file of variables to fill it with")
    parser.add_argument("--modules", type=Path, default=user_cache_path("camunda-workers") / "render", help="folder of the npm libraries")
    parser.add_argument("--chromium", help="the browser to draw with (default: the first one found)")
    asyncio.run(render(parser.parse_args()))


if __name__ == "__main__":
    main()
